//! The file as a tree in which every value knows its line. The only place that knows the TOML parser.

use toml_edit::{Document, Item, TableLike, Value};

use super::problem::Fault;

/// Where a value came from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::config) enum Origin {
    /// Counted from 1.
    Line(usize),
    /// An environment variable.
    Variable(String),
    /// Not written anywhere: a section that is left out.
    Absent,
}

pub(in crate::config) type Entries = Vec<(String, Node)>;

#[derive(Clone, Debug)]
pub(in crate::config) struct Node {
    pub content: Content,
    pub origin: Origin,
}

#[derive(Clone, Debug)]
pub(in crate::config) enum Content {
    Text(String),
    Whole(i64),
    Fraction(f64),
    Flag(bool),
    /// What no key takes, with its name.
    Other(&'static str),
    List(Vec<Node>),
    Table(Entries),
    /// The text of an environment variable, and how it reads where a list or table is wanted.
    Raw(String, Box<Node>),
}

impl Content {
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) | Self::Raw(..) => "a string",
            Self::Whole(_) => "a number",
            Self::Fraction(_) => "a fraction",
            Self::Flag(_) => "true or false",
            Self::Other(name) => name,
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

/// Deeper nesting than any key needs; the parser has a bound of its own for brackets.
const MAX_DEPTH: usize = 16;
/// Bytes.
const MAX_FILE: usize = 4 << 20;

/// Reads TOML 1.0.
///
/// # Errors
/// The first violation of the syntax, with its line.
pub(in crate::config) fn read(text: &str) -> Result<Entries, (Option<usize>, Fault)> {
    if text.len() > MAX_FILE {
        return Err((None, Fault::new("the file is larger than 4 MiB", "give a configuration file")));
    }
    let lines = Lines::of(text);
    if let Some(offset) = too_deep(text) {
        return Err((Some(lines.at(offset)), Fault::new("a key has too many parts", "no key has more than four")));
    }
    let document = Document::parse(text).map_err(|e| {
        let line = e.span().map(|span| lines.at(span.start));
        (line, Fault::new(format!("not valid TOML: {}", e.message().trim()), "correct the syntax of this line (https://toml.io)"))
    })?;
    Ok(entries(document.as_table(), &lines, 0))
}

/// Reads one TOML value, as an environment variable may hold.
pub(in crate::config) fn read_value(text: &str, origin: &Origin) -> Option<Node> {
    if text.len() > MAX_FILE || too_deep(text).is_some() {
        return None;
    }
    let value: Value = text.trim().parse().ok()?;
    let mut node = Node { content: from_value(&value, &Lines::of(""), 0), origin: origin.clone() };
    stamp(&mut node, origin);
    Some(node)
}

fn stamp(node: &mut Node, origin: &Origin) {
    node.origin = origin.clone();
    match &mut node.content {
        Content::List(nodes) => nodes.iter_mut().for_each(|n| stamp(n, origin)),
        Content::Table(entries) => entries.iter_mut().for_each(|(_, n)| stamp(n, origin)),
        _ => (),
    }
}

/// A line with dotted keys by the hundred would nest tables without bound, which the parser allows. Gives its offset.
fn too_deep(text: &str) -> Option<usize> {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if dots(line) > 64 {
            return Some(start);
        }
        start += line.len();
    }
    None
}

/// Dots outside quotes and comments.
fn dots(line: &str) -> usize {
    let (mut quote, mut escaped, mut count) = (None, false, 0);
    for c in line.chars() {
        match (quote, c) {
            (Some('"'), '\\') if !escaped => escaped = true,
            (Some(open), c) if c == open && !escaped => quote = None,
            (Some(_), _) => escaped = false,
            (None, '"' | '\'') => quote = Some(c),
            (None, '#') => break,
            (None, '.') => count += 1,
            (None, _) => (),
        }
    }
    count
}

fn entries(table: &dyn TableLike, lines: &Lines, depth: usize) -> Entries {
    let line = |name: &str| table.get_key_value(name).and_then(|(key, _)| key.span()).map(|span| lines.at(span.start));
    table
        .iter()
        .filter_map(|(name, item)| {
            let content = from_item(item, lines, depth)?;
            Some((name.to_owned(), Node { content, origin: line(name).map_or(Origin::Absent, Origin::Line) }))
        })
        .collect()
}

fn from_item(item: &Item, lines: &Lines, depth: usize) -> Option<Content> {
    if depth > MAX_DEPTH {
        return Some(Content::Other("a table nested too deeply"));
    }
    Some(match item {
        Item::None => return None,
        Item::Value(value) => from_value(value, lines, depth),
        Item::Table(table) => Content::Table(entries(table, lines, depth + 1)),
        Item::ArrayOfTables(tables) => Content::List(
            tables
                .iter()
                .map(|table| Node {
                    content: Content::Table(entries(table, lines, depth + 1)),
                    origin: table.span().map_or(Origin::Absent, |span| Origin::Line(lines.at(span.start))),
                })
                .collect(),
        ),
    })
}

fn from_value(value: &Value, lines: &Lines, depth: usize) -> Content {
    if depth > MAX_DEPTH {
        return Content::Other("a value nested too deeply");
    }
    match value {
        Value::String(text) => Content::Text(text.value().clone()),
        Value::Integer(number) => Content::Whole(*number.value()),
        Value::Boolean(flag) => Content::Flag(*flag.value()),
        Value::Float(number) => Content::Fraction(*number.value()),
        Value::Datetime(_) => Content::Other("a date"),
        Value::InlineTable(table) => Content::Table(entries(table, lines, depth + 1)),
        Value::Array(values) => Content::List(
            values
                .iter()
                .map(|value| Node {
                    content: from_value(value, lines, depth + 1),
                    origin: value.span().map_or(Origin::Absent, |span| Origin::Line(lines.at(span.start))),
                })
                .collect(),
        ),
    }
}

/// Byte offsets to line numbers.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(at, _)| at).collect())
    }

    fn at(&self, offset: usize) -> usize {
        self.0.partition_point(|newline| *newline < offset) + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_knows_its_line() {
        let root = read("a = 1\n\n[b]\nc = [\n  1,\n  2,\n]\n[[d]]\ne.f = true\n").unwrap();
        let find = |entries: &Entries, name: &str| entries.iter().find(|(n, _)| n == name).unwrap().1.clone();
        assert_eq!(find(&root, "a").origin, Origin::Line(1));
        let Content::Table(b) = find(&root, "b").content else { panic!() };
        let Content::List(c) = find(&b, "c").content else { panic!() };
        assert_eq!(c[1].origin, Origin::Line(6));
        let Content::List(d) = find(&root, "d").content else { panic!() };
        assert_eq!(d[0].origin, Origin::Line(8));
    }

    #[test]
    fn deep_nesting_is_refused_and_does_not_overflow() {
        for text in ["a.".repeat(100_000) + "a = 1", format!("[{}a]", "a.".repeat(100_000)), "a = ".to_owned() + &"[".repeat(100_000)] {
            assert!(read(&text).is_err());
        }
        assert!(read(&format!("{}a = 1", "a.".repeat(30))).is_ok());
        let (dotted, levels) = ("a.".repeat(60), 75);
        let nested = format!("[{dotted}a]\n{}1{}\n", format!("{dotted}a = {{\n").repeat(levels) + "a = ", "\n}".repeat(levels));
        let _ = read(&nested);
    }
}
