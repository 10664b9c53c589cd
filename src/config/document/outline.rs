//! What each key takes, told by its own reader: the same walk that reads a configuration, over one in which every key is there and
//! holds nothing. So the schema cannot name a key that is not read, nor forget one that is.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::tree::{Content, Node, Origin};

/// The form of a value.
#[derive(Clone, Debug)]
pub(in crate::config) enum Shape {
    Text,
    /// A text that this expression (ECMA 262) finds something in.
    Pattern(&'static str),
    /// A whole number, both bounds included.
    Whole(i64, i64),
    Flag,
    /// From 0 to 1.
    Ratio,
    /// A duration, both bounds included.
    Span(Duration, Duration),
    Rate,
    Choice(Vec<&'static str>),
    List,
    Table,
}

/// What was told so far. Keys as `routes[].rules[].policy`; `*` stands for names that are free.
#[derive(Default)]
pub(in crate::config) struct Outline {
    shapes: RefCell<BTreeMap<String, Shape>>,
    required: RefCell<BTreeSet<String>>,
}

/// The value that every key has while an outline is drawn: no reader takes it.
pub(in crate::config) static NOTHING: Node = Node { content: Content::Other("nothing"), origin: Origin::Line(0) };

impl Outline {
    /// The first telling counts: a reader that wants more than the one that it is made from speaks before it.
    pub fn tell(&self, path: &str, shape: Shape) {
        self.shapes.borrow_mut().entry(path.to_owned()).or_insert(shape);
    }

    pub fn require(&self, path: String) {
        self.required.borrow_mut().insert(path);
    }

    pub fn shape(&self, path: &str) -> Option<Shape> {
        self.shapes.borrow().get(path).cloned()
    }

    /// The keys right below a table.
    pub fn below(&self, table: &str) -> Vec<String> {
        let prefix = if table.is_empty() { String::new() } else { format!("{table}.") };
        let shapes = self.shapes.borrow();
        let names = shapes.keys().filter_map(|path| path.strip_prefix(&prefix));
        names.filter(|name| !name.is_empty() && !name.contains(['.', '['])).map(str::to_owned).collect()
    }

    pub fn is_required(&self, path: &str) -> bool {
        self.required.borrow().contains(path)
    }

    #[cfg(test)]
    pub fn keys(&self) -> BTreeSet<String> {
        self.shapes.borrow().keys().cloned().collect()
    }
}
