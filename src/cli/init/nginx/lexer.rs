//! Splits an nginx configuration into words and punctuation, exactly as nginx itself does (`ngx_conf_read_token`): a word that we read
//! otherwise than nginx could hide a protection. Never panics, whatever the bytes; what nginx would refuse is refused here too.

/// A piece of the text, with the line that it begins in, counted from 1.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Token {
    pub kind: Kind,
    pub line: usize,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// Quotes removed, escapes resolved.
    Word(String),
    End,
    Open,
    Close,
}

/// Why a text is not an nginx configuration.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}: {what}")]
pub(super) struct Malformed {
    pub line: usize,
    pub what: &'static str,
}

/// All tokens of one file; comments are left out.
///
/// # Errors
/// An unfinished quote, or characters right after a closing one.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, Malformed> {
    let mut lexer = Lexer { rest: text.chars().peekable(), line: 1, found: Vec::new() };
    while let Some(first) = lexer.next() {
        lexer.token(first)?;
    }
    Ok(lexer.found)
}

struct Lexer<'t> {
    rest: std::iter::Peekable<std::str::Chars<'t>>,
    line: usize,
    found: Vec<Token>,
}

impl Lexer<'_> {
    fn next(&mut self) -> Option<char> {
        let next = self.rest.next();
        self.line += usize::from(next == Some('\n'));
        next
    }

    fn peek(&mut self) -> Option<char> {
        self.rest.peek().copied()
    }

    fn push(&mut self, kind: Kind, line: usize) {
        self.found.push(Token { kind, line });
    }

    fn token(&mut self, first: char) -> Result<(), Malformed> {
        let line = self.line;
        match first {
            ' ' | '\t' | '\r' | '\n' => {}
            ';' => self.push(Kind::End, line),
            '{' => self.push(Kind::Open, line),
            '}' => self.push(Kind::Close, line),
            '#' => while self.next().is_some_and(|c| c != '\n') {},
            '"' | '\'' => {
                let text = self.quoted(first, line)?;
                self.push(Kind::Word(unescape(&text)), line);
                self.after_quote()?;
            }
            _ => {
                let text = self.bare(first);
                self.push(Kind::Word(unescape(&text)), line);
            }
        }
        Ok(())
    }

    fn quoted(&mut self, quote: char, line: usize) -> Result<String, Malformed> {
        let mut text = String::new();
        while let Some(c) = self.next() {
            if c == quote {
                return Ok(text);
            }
            text.push(c);
            if c == '\\' {
                text.extend(self.next());
            }
        }
        Err(Malformed { line, what: "a quote is not closed" })
    }

    /// A closing parenthesis may follow at once, as in `if ($x = "y")`: nginx begins a word with it.
    fn after_quote(&mut self) -> Result<(), Malformed> {
        match self.peek() {
            None | Some(' ' | '\t' | '\r' | '\n' | ';' | '{' | ')') => Ok(()),
            Some(_) => Err(Malformed { line: self.line, what: "a quote is followed by something else than a space" }),
        }
    }

    /// Up to a space, `;` or `{`; `${name}` is part of the word, and so are `}`, `#` and quotes.
    fn bare(&mut self, first: char) -> String {
        let mut text = String::from(first);
        if first == '\\' {
            text.extend(self.next());
        }
        let mut after_dollar = first == '$';
        while let Some(c) = self.peek() {
            if matches!(c, ' ' | '\t' | '\r' | '\n' | ';') || c == '{' && !after_dollar {
                break;
            }
            self.next();
            text.push(c);
            if c == '\\' {
                text.extend(self.next());
            }
            after_dollar = c == '$';
        }
        text
    }
}

/// nginx resolves these and leaves every other backslash as it is, for regular expressions.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let resolved = match (c, rest.peek()) {
            ('\\', Some(next @ ('"' | '\'' | '\\'))) => Some(*next),
            ('\\', Some('t')) => Some('\t'),
            ('\\', Some('r')) => Some('\r'),
            ('\\', Some('n')) => Some('\n'),
            _ => None,
        };
        if resolved.is_some() {
            rest.next();
        }
        out.push(resolved.unwrap_or(c));
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(text: &str) -> Vec<String> {
        let shown = |token: Token| match token.kind {
            Kind::Word(text) => text,
            Kind::End => ";".to_owned(),
            Kind::Open => "{".to_owned(),
            Kind::Close => "}".to_owned(),
        };
        tokens(text).unwrap().into_iter().map(shown).collect()
    }

    #[test]
    fn words_are_split_as_nginx_splits_them() {
        assert_eq!(words("a b;c{d;}"), ["a", "b", ";", "c", "{", "d", ";", "}"]);
        assert_eq!(words("a 'b c' \"d;{\";# e;\nf#g}h;"), ["a", "b c", "d;{", ";", "f#g}h", ";"]);
        assert_eq!(words("if ($x = \"y\") { }"), ["if", "($x", "=", "y", ")", "{", "}"]);
        assert_eq!(words("set $a ${b}c;"), ["set", "$a", "${b}c", ";"]);
        assert_eq!(words(r#"location ~ \.php$ { } x "\"\d\\";"#), ["location", "~", r"\.php$", "{", "}", "x", r#""\d\"#, ";"]);
        assert_eq!(words(r"x a\ b\;c;"), ["x", r"a\ b\;c", ";"]);
    }

    #[test]
    fn what_nginx_refuses_is_refused() {
        assert_eq!(tokens("a;\nb 'c").unwrap_err(), Malformed { line: 2, what: "a quote is not closed" });
        assert!(tokens("a 'b'c;").is_err());
    }

    #[test]
    fn tokens_know_their_lines() {
        let lines: Vec<usize> = tokens("a\n b\n;# x\n\nc;").unwrap().iter().map(|token| token.line).collect();
        assert_eq!(lines, [1, 2, 3, 5, 5]);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[ -~\\n\u{e9}]{0,200}|([a$\\\\{}; #'\"\\n]{0,60})") {
            let _ = tokens(&text);
        }

        #[test]
        fn a_quoted_word_comes_back(word in "[ -~]{0,30}") {
            let quoted = format!("x \"{}\";", word.replace('\\', "\\\\").replace('"', "\\\""));
            prop_assert_eq!(words(&quoted), ["x".to_owned(), word, ";".to_owned()]);
        }
    }
}
