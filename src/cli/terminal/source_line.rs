//! A problem of the configuration as a person reads it: what is wrong, and the line of the file with a mark below the part that is
//! meant. A line that may hold a secret is shown without its values, since what is printed ends in logs.

use std::io::IsTerminal;

use super::output::plain;
use crate::config::{Problem, Severity};

/// A line with one of these may hold a secret.
const SECRETIVE: [&str; 9] = ["password", "secret", "authorization", "token", "bearer", "headers", "credential", "url", "@"];
/// Characters of a line; what is longer is cut.
const MOST: usize = 160;

/// Whether standard output shows colours (<https://no-color.org>).
pub fn has_colour() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// What is wrong, and below it the line. `text`: the file's, if it could be read.
pub fn shown(problem: &Problem, text: Option<&str>, colour: bool) -> String {
    let (tone, end) = match (colour, problem.severity) {
        (false, _) => ("", ""),
        (true, Severity::Error) => ("\u{1b}[1;31m", "\u{1b}[0m"),
        (true, Severity::Warning) => ("\u{1b}[1;33m", "\u{1b}[0m"),
    };
    let (bold, faint) = if colour { ("\u{1b}[1m", "\u{1b}[2m") } else { ("", "") };
    let said = format!("{bold}{}{end}", plain(&problem.to_string()));
    let source = problem.line.zip(text).and_then(|(number, text)| Some((number, text.lines().nth(number.checked_sub(1)?)?)));
    let Some((number, line)) = source.filter(|(_, line)| !line.trim().is_empty()) else { return said };
    let line = discreet(&line.chars().take(MOST).map(|c| if c == '\t' { ' ' } else { c }).collect::<String>());
    let (start, length) = marked(&line, problem);
    let (gutter, blank) = (format!("{number:>5} | "), format!("{:>5} | ", ""));
    format!(
        "{said}\n{faint}{gutter}{end}{}\n{faint}{blank}{end}{}{tone}{}{end}",
        plain(&line),
        " ".repeat(start),
        "^".repeat(length.max(1))
    )
}

/// The line, its texts in quotes left out if it may hold a secret.
fn discreet(line: &str) -> String {
    let lower = line.to_lowercase();
    if !SECRETIVE.iter().any(|word| lower.contains(word)) {
        return line.to_owned();
    }
    match line.split_once('=') {
        Some((key, _)) if !key.contains(['"', '\'', '{']) => format!("{key}= …"),
        _ => "…".to_owned(),
    }
}

/// Which characters are meant: the value that is quoted, else the key's value, else the key, else the line.
fn marked(line: &str, problem: &Problem) -> (usize, usize) {
    let at = |byte: usize| line.get(..byte).map_or(0, |before| before.chars().count());
    let span = |start: usize, text: &str| (at(start), text.chars().count());
    let quoted = problem.what.split_once('“').and_then(|(_, rest)| rest.split_once('”')).map(|(text, _)| format!("\"{text}\""));
    if let Some((start, text)) = quoted.as_deref().and_then(|text| line.find(text).map(|start| (start, text))) {
        return span(start, text);
    }
    let name = problem.key.rsplit('.').next().and_then(|last| last.split('[').next()).unwrap_or_default();
    let code = line.split(" #").next().unwrap_or(line).trim_end();
    let key = Some(name).filter(|name| !name.is_empty()).and_then(|name| code.find(name).map(|start| (start, name)));
    let value = key.and_then(|(start, _)| {
        let equals = start + code.get(start..)?.find('=')?;
        let value = code.get(equals + 1..)?;
        let blanks = value.len() - value.trim_start().len();
        Some((equals + 1 + blanks, value.trim()))
    });
    let is_key = problem.what.starts_with("unknown key");
    match (value.filter(|(_, value)| !is_key && !value.is_empty()), key) {
        (Some((start, value)), _) => span(start, value),
        (None, Some((start, name))) => span(start, name),
        (None, None) => span(line.len() - line.trim_start().len(), code.trim()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(line: usize, key: &str, what: &str) -> Problem {
        Problem {
            file: "v.toml".into(),
            line: Some(line),
            variable: None,
            key: key.into(),
            severity: Severity::Error,
            what: what.into(),
            remedy: "do better".into(),
        }
    }

    fn below(text: &str, key: &str, what: &str) -> String {
        let shown = shown(&problem(1, key, what), Some(text), false);
        shown.split_once('\n').map(|(_, rest)| rest.to_owned()).unwrap_or_default()
    }

    #[test]
    fn the_part_that_is_meant_is_marked() {
        for (text, key, what, line, mark) in [
            ("policy = \"2fa\"  # x", "routes[0].policy", "“2fa” is not known here", "policy = \"2fa\"  # x", "         ^^^^^"),
            ("treads = 4", "server.treads", "unknown key", "treads = 4", "^^^^^^"),
            ("\tpaths = [\"é\", \"/b\"] # c", "routes[0].rules[0].paths", "wrong", " paths = [\"é\", \"/b\"] # c", "         ^^^^^^^^^^^"),
            ("[[routes]]", "routes[0].name", "missing", "[[routes]]", "^^^^^^^^^^"),
            ("x = = 1", "", "not valid TOML", "x = = 1", "^^^^^^^"),
        ] {
            assert_eq!(below(text, key, what), format!("    1 | {line}\n      | {mark}"), "{text}");
        }
    }

    #[test]
    fn a_line_that_may_hold_a_secret_is_not_shown() {
        for text in [
            "url = \"smtp://me:hunter2@mail.example\"",
            "headers = { authorization = \"Bearer hunter2\" }",
            "sms = { url = \"x\", headers = { a = \"hunter2\" } }",
            "bind_password = \"hunter2\"",
            "client_secret = 'hunter2'",
            "  \"hunter2\", \"token\"",
        ] {
            for key in ["mail.url", "sms.headers", ""] {
                let said = below(text, key, "wrong");
                assert!(!said.contains("hunter2") && said.contains('…') && said.contains('^'), "{said}");
            }
        }
    }

    #[test]
    fn what_is_not_in_the_file_has_no_line_and_control_characters_do_nothing() {
        let absent = Problem { line: None, ..problem(1, "a", "b") };
        assert_eq!(shown(&absent, Some("x"), false).lines().count(), 1);
        assert_eq!(shown(&problem(9, "a", "b"), Some("x"), false).lines().count(), 1);
        assert_eq!(shown(&problem(1, "a", "b"), None, false).lines().count(), 1);
        assert!(!below("a = \"\u{1b}[31m\"", "a", "b").contains('\u{1b}'));
        assert!(shown(&problem(1, "a", "b"), Some("a = 1"), true).contains("\u{1b}[1;31m^"));
    }
}
