//! A regular expression as patterns with `*`, which is what a rule of ours can hold. The patterns match at least what the
//! expression matches; whether they match nothing else is told, since only then may they open anything.

use regex_syntax::hir::{Class, ClassUnicode, Hir, HirKind, Look};

/// More alternatives than this become `*`.
const MOST: usize = 64;
/// Stand for `^` and `$` until the whole alternative is known. Neither can stand in a configuration's path.
const START: char = '\u{2}';
const END: char = '\u{3}';

/// Patterns that together match at least what an expression matches.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Patterns {
    pub texts: Vec<String>,
    /// They match nothing else.
    pub exact: bool,
}

/// Every path that begins with this text, on a segment boundary or not.
pub(super) fn beginning_with(text: &str) -> Patterns {
    if !can_stand(text) || !text.starts_with('/') {
        return everything();
    }
    let plain: String = text.chars().take_while(|c| is_plain(c.encode_utf8(&mut [0; 4]))).collect();
    Patterns { exact: plain == text, texts: vec![format!("{plain}*")] }
}

/// This path alone.
pub(super) fn only(text: &str) -> Patterns {
    if is_path(text) { Patterns { texts: vec![text.to_owned()], exact: true } } else { beginning_with(text) }
}

/// The patterns of an expression. What cannot be read is taken to match everything.
pub(super) fn of_expression(expression: &str) -> Patterns {
    let (bare, dropped) = without_lookaround(expression);
    let Ok(hir) = regex_syntax::Parser::new().parse(&bare) else { return everything() };
    let mut walk = Walk { exact: !dropped };
    let Some(found) = walk.alternatives(&hir) else { return everything() };
    let mut texts: Vec<String> = found.iter().filter_map(|text| walk.finished(text)).collect();
    texts.sort();
    texts.dedup();
    if texts.iter().any(|text| text == "*" || text == "/*") {
        return Patterns { texts: vec!["*".to_owned()], exact: walk.exact };
    }
    Patterns { texts, exact: walk.exact }
}

fn everything() -> Patterns {
    Patterns { texts: vec!["*".to_owned()], exact: false }
}

/// What may stand in a path of our configuration.
pub(super) fn is_plain(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || "-._~/".contains(c))
}

/// A path that a route or a rule can hold.
pub(super) fn is_path(text: &str) -> bool {
    is_plain(text) && can_stand(text) && text.starts_with('/')
}

/// What our configuration refuses in a path or pattern: what no request has, and what is too long.
fn can_stand(text: &str) -> bool {
    let dots = text.split('/').any(|segment| segment == "." || segment == "..");
    !dots && !text.contains("//") && text.len() <= 1000 && text.matches('*').count() <= 8
}

/// Lookahead and lookbehind only narrow what an expression matches; without them it matches more.
fn without_lookaround(expression: &str) -> (String, bool) {
    let (mut out, mut rest, mut dropped) = (String::new(), expression, false);
    while let Some(first) = rest.chars().next() {
        let look = ["(?=", "(?!", "(?<=", "(?<!"].iter().any(|open| rest.starts_with(open));
        let length = match first {
            '\\' => rest.chars().take(2).map(char::len_utf8).sum(),
            '(' if look => group_length(rest),
            '[' => class_length(rest),
            _ => first.len_utf8(),
        };
        let (taken, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
        if first == '(' && look {
            dropped = true;
        } else {
            out.push_str(taken);
        }
        rest = after;
    }
    (out, dropped)
}

/// Up to the parenthesis that closes the one at the beginning.
fn group_length(text: &str) -> usize {
    let (mut depth, mut escaped) = (0usize, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '(' => depth += 1,
            ')' if depth == 1 => return at + 1,
            ')' => depth -= 1,
            _ => {}
        }
    }
    text.len()
}

fn class_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ']' if at > 1 => return at + 1,
            _ => {}
        }
    }
    text.len()
}

struct Walk {
    exact: bool,
}

impl Walk {
    /// Every text that the expression can be, `*` for what is not known; `None`: too many.
    fn alternatives(&mut self, hir: &Hir) -> Option<Vec<String>> {
        Some(match hir.kind() {
            HirKind::Empty => vec![String::new()],
            HirKind::Literal(literal) => vec![self.literal(&literal.0)],
            HirKind::Class(class) => self.class(class),
            HirKind::Look(Look::Start) => vec![START.to_string()],
            HirKind::Look(Look::End) => vec![END.to_string()],
            HirKind::Look(_) => self.inexactly(""),
            HirKind::Repetition(repeated) => match (repeated.min, repeated.max) {
                (0, Some(1)) => [vec![String::new()], self.alternatives(&repeated.sub)?].concat(),
                (0, None) if is_any(&repeated.sub) => vec!["*".to_owned()],
                _ => self.inexactly("*"),
            },
            HirKind::Capture(capture) => self.alternatives(&capture.sub)?,
            HirKind::Concat(parts) => {
                let mut so_far = vec![String::new()];
                for part in parts {
                    let next = self.alternatives(part)?;
                    so_far = so_far.iter().flat_map(|before| next.iter().map(move |after| format!("{before}{after}"))).collect();
                    if so_far.len() > MOST {
                        return None;
                    }
                }
                so_far
            }
            HirKind::Alternation(parts) => {
                let mut all = Vec::new();
                for part in parts {
                    all.extend(self.alternatives(part)?);
                    if all.len() > MOST {
                        return None;
                    }
                }
                all
            }
        })
    }

    fn inexactly(&mut self, text: &str) -> Vec<String> {
        self.exact = false;
        vec![text.to_owned()]
    }

    fn literal(&mut self, bytes: &[u8]) -> String {
        match std::str::from_utf8(bytes) {
            Ok(text) if is_plain(text) => text.to_owned(),
            _ => {
                self.exact = false;
                "*".to_owned()
            }
        }
    }

    /// A letter in both cases is the letter: rules are compared without case wherever that is stricter.
    fn class(&mut self, class: &Class) -> Vec<String> {
        let Class::Unicode(class) = class else { return self.inexactly("*") };
        // The Kelvin sign and the long s are `k` and `s` without letter case, and no ASCII path has them.
        let folded = |c: &char| matches!(c, '\u{212a}' | '\u{17f}');
        let letters: Vec<char> = class.iter().flat_map(|range| range.start()..=range.end()).filter(|c| !folded(c)).take(9).collect();
        let few = letters.len() <= 8 && letters.iter().all(|c| is_plain(c.encode_utf8(&mut [0; 4])));
        if !few {
            return self.inexactly("*");
        }
        let has = |c: char| letters.contains(&c);
        let upper_of_one = |c: &char| c.is_ascii_uppercase() && has(c.to_ascii_lowercase());
        letters.iter().filter(|c| !upper_of_one(c)).map(char::to_string).collect()
    }

    /// The pattern of an alternative; `None`: it never matches a path.
    fn finished(&mut self, text: &str) -> Option<String> {
        let (start, rest) = text.strip_prefix(START).map_or(("*", text), |rest| ("", rest));
        let (rest, end) = rest.strip_suffix(END).map_or((rest, "*"), |rest| (rest, ""));
        if rest.contains([START, END]) {
            self.exact = false;
        }
        let inner: String = rest.chars().filter(|c| !matches!(*c, START | END)).collect();
        let mut whole = format!("{start}{inner}{end}");
        while whole.contains("**") {
            whole = whole.replace("**", "*");
        }
        if !can_stand(&whole) {
            self.exact = false;
            return Some("*".to_owned());
        }
        whole.starts_with(['/', '*']).then_some(whole)
    }
}

/// Any character that a path can hold.
fn is_any(hir: &Hir) -> bool {
    let covers = |class: &ClassUnicode| (' '..='~').all(|c| class.iter().any(|range| (range.start()..=range.end()).contains(&c)));
    matches!(hir.kind(), HirKind::Class(Class::Unicode(class)) if covers(class))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn exact(expression: &str) -> Vec<String> {
        let patterns = of_expression(expression);
        assert!(patterns.exact, "{expression}: {patterns:?}");
        patterns.texts
    }

    fn wider(expression: &str) -> Vec<String> {
        let patterns = of_expression(expression);
        assert!(!patterns.exact, "{expression}: {patterns:?}");
        patterns.texts
    }

    #[test]
    fn what_can_be_said_exactly_is() {
        assert_eq!(exact(r"\.php$"), ["*.php"]);
        assert_eq!(exact(r"/\.ht"), ["*/.ht*"]);
        assert_eq!(exact(r"^/(?:build|tests)(?:$|/)"), ["/build", "/build/*", "/tests", "/tests/*"]);
        assert_eq!(exact(r"^/api/.*/export$"), ["/api/*/export"]);
        assert_eq!(exact(r"(?i)\.(jpe?g|css)$"), ["*.css", "*.jpeg", "*.jpg"]);
        assert_eq!(exact("^/"), ["*"]);
        assert_eq!(exact("^admin"), Vec::<String>::new(), "no path begins so");
    }

    #[test]
    fn what_cannot_matches_more() {
        assert_eq!(wider(r"/\.(?!well-known)"), ["*/.*"]);
        assert_eq!(wider(r"^/api/v[0-9]+/internal"), ["/api/v*/internal*"]);
        assert_eq!(wider(r"^/a b/c"), ["*"], "a literal that no path of ours can hold");
        assert_eq!(wider(r"^/(\w+)\1"), ["*"], "an expression that cannot be read");
        assert_eq!(wider(r"^/x[^/]*$"), ["/x*"]);
    }

    /// As `*` is meant in our configuration.
    fn matches(pattern: &str, path: &str) -> bool {
        let expression = format!("^{}$", regex::escape(pattern).replace(r"\*", ".*"));
        regex::Regex::new(&expression).unwrap().is_match(path)
    }

    proptest! {
        #[test]
        fn whatever_the_expression_matches_the_patterns_match(
            expression in r"\^?(/|a|b|\.|\\\.|\.\*|\(a\|/\)|\(\?:b\|\$\)|\[ab\]|\[\^/\]|a\?|\.\+|\\d){0,6}\$?",
            path in "/[ab./1]{0,8}",
        ) {
            let Ok(regex) = regex::Regex::new(&expression) else { return Ok(()) };
            let patterns = of_expression(&expression);
            let matched = patterns.texts.iter().any(|pattern| matches(pattern, &path));
            if regex.is_match(&path) {
                prop_assert!(matched, "{} {:?}", expression, patterns);
            } else if patterns.exact {
                prop_assert!(!matched, "{} {:?}", expression, patterns);
            }
        }

        #[test]
        fn any_text_gives_patterns(expression in "[ -~]{0,40}") {
            of_expression(&expression);
        }
    }
}
