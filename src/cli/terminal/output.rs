//! What the command line prints: one JSON value, or text that a terminal can show without harm.

use std::io::Write;

use serde_json::Value;

use crate::service::gateways::Reach;

/// Prints a value as JSON, indented.
pub fn json(value: &Value) -> anyhow::Result<()> {
    line(&serde_json::to_string_pretty(value)?)
}

/// Prints lines. A reader that went away (`| head`) is no failure.
pub fn line(text: &str) -> anyhow::Result<()> {
    match writeln!(std::io::stdout().lock(), "{text}") {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(e.into()),
        _ => Ok(()),
    }
}

/// A value as one cell: what is absent is `-`, a list is comma separated, control characters are shown and not obeyed.
pub fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        Value::String(text) if text.is_empty() => "-".to_owned(),
        Value::String(text) => plain(text),
        Value::Array(items) if items.is_empty() => "-".to_owned(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(", "),
        Value::Number(number) => number.to_string(),
        Value::Object(_) => value.to_string(),
    }
}

/// Control characters and direction marks escaped.
pub fn plain(text: &str) -> String {
    let unsafe_here = |c: char| c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if unsafe_here(c) { c.escape_unicode().to_string() } else { c.to_string() }).collect()
}

/// The same for what may have several lines: an error, which may quote what came from elsewhere.
pub fn printable(text: &str) -> String {
    text.split('\n').map(plain).collect::<Vec<_>>().join("\n")
}

/// An aligned table of these columns of each object; the last column is not padded.
pub fn table(columns: &[(&str, &str)], rows: &[Value]) -> String {
    let mut lines: Vec<Vec<String>> = vec![columns.iter().map(|(_, title)| (*title).to_owned()).collect()];
    lines.extend(rows.iter().map(|row| columns.iter().map(|(key, _)| cell(row.get(key).unwrap_or(&Value::Null))).collect()));
    aligned(&lines)
}

/// Every field of an object, one a line.
pub fn fields(object: &Value) -> String {
    let rows = object.as_object().into_iter().flatten().map(|(key, value)| vec![key.replace('_', " "), cell(value)]);
    aligned(&rows.collect::<Vec<_>>())
}

/// Columns two spaces apart.
pub fn aligned(lines: &[Vec<String>]) -> String {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let shown = |line: &Vec<String>| {
        let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    lines.iter().map(shown).collect::<Vec<_>>().join("\n")
}

/// `; reached 2 of 3 gateways; …`, where an answer says how far a change has reached; else nothing.
pub fn reached(answer: &Value) -> String {
    let reach = answer.get("reach").cloned().and_then(|reach| serde_json::from_value::<Reach>(reach).ok());
    reach.map(|reach| format!("; {}", printable(&reach.text()))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_aligned_and_harmless() {
        let rows = [
            serde_json::json!({ "name": "alice", "groups": ["staff", "dev"], "disabled": false }),
            serde_json::json!({ "name": "b\u{1b}[31m", "groups": [], "disabled": true }),
        ];
        let text = table(&[("name", "NAME"), ("disabled", "DISABLED"), ("groups", "GROUPS")], &rows);
        assert_eq!(text, "NAME         DISABLED  GROUPS\nalice        no        staff, dev\nb\\u{1b}[31m  yes       -");
    }

    #[test]
    fn an_error_that_quotes_what_came_from_elsewhere_is_harmless_line_by_line() {
        assert_eq!(printable("users.csv:2: “\u{1b}]0;x\u{7}”\nusers.csv:3: “é”"), "users.csv:2: “\\u{1b}]0;x\\u{7}”\nusers.csv:3: “é”");
    }
}
