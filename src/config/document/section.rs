//! The one walk over a configuration. What asks for a key thereby makes it known: unknown keys, types, lines and messages
//! come from the same place, and there is no second list of keys to keep in step.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::outline::{NOTHING, Shape};
use super::problem::{Fault, Severity};
use super::problems::{ProblemCollector, nearest};
use super::tree::{Content, Entries, Node, Origin};
use super::variable::variable_for;

/// A value, and where it stands.
pub(in crate::config) struct Entry<'a> {
    pub collector: &'a ProblemCollector,
    pub node: &'a Node,
    pub path: String,
}

impl<'a> Entry<'a> {
    /// The node, with a variable's text read as list or table.
    pub fn structured(&self) -> &'a Node {
        match &self.node.content {
            Content::Raw(_, structured) => structured,
            _ => self.node,
        }
    }

    pub fn error(&self, fault: Fault) {
        self.collector.error(&self.node.origin, &self.path, fault);
    }

    /// Every reader says here first what it takes.
    pub fn takes(&self, shape: impl FnOnce() -> Shape) {
        if let Some(outline) = &self.collector.outline {
            outline.tell(&self.path, shape());
        }
    }
}

/// A table of the configuration, there or not.
pub(in crate::config) struct Section<'a> {
    pub collector: &'a ProblemCollector,
    pub path: String,
    pub origin: Origin,
    entries: &'a [(String, Node)],
    asked: RefCell<BTreeSet<String>>,
}

impl<'a> Section<'a> {
    pub fn root(collector: &'a ProblemCollector, entries: &'a Entries) -> Self {
        Self::new(collector, String::new(), Origin::Absent, entries)
    }

    fn new(collector: &'a ProblemCollector, path: String, origin: Origin, entries: &'a [(String, Node)]) -> Self {
        Self { collector, path, origin, entries, asked: RefCell::default() }
    }

    pub fn key(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    pub fn entry(&self, key: &str) -> Option<Entry<'a>> {
        self.asked.borrow_mut().insert(key.to_owned());
        let path = self.key(key);
        self.collector.known.borrow_mut().insert(path.clone());
        let written = self.entries.iter().find(|(name, _)| name == key).map(|(_, node)| node);
        let node = written.or_else(|| self.collector.outline.as_ref().map(|_| &NOTHING))?;
        Some(Entry { collector: self.collector, node, path })
    }

    pub fn has(&self, key: &str) -> bool {
        self.collector.outline.is_some() || self.entries.iter().any(|(name, _)| name == key)
    }

    pub fn is_present(&self) -> bool {
        self.origin != Origin::Absent
    }

    /// The names of a section whose names are free.
    pub fn names(&self) -> Vec<&'a str> {
        let any = self.collector.outline.as_ref().map(|_| "*");
        self.entries.iter().map(|(name, _)| name.as_str()).chain(any).collect()
    }

    /// The value, or `None` if it is left out or wrong; what is wrong is reported.
    pub fn maybe<T>(&self, key: &str, read: impl FnOnce(&Entry<'a>) -> Result<T, Fault>) -> Option<T> {
        let entry = self.entry(key)?;
        read(&entry).map_err(|fault| entry.error(fault)).ok()
    }

    /// The value, or the default if it is left out.
    pub fn or<T>(&self, key: &str, default: T, read: impl FnOnce(&Entry<'a>) -> Result<T, Fault>) -> T {
        self.maybe(key, read).unwrap_or(default)
    }

    /// The value, which must be given.
    pub fn required<T>(&self, key: &str, remedy: &str, read: impl FnOnce(&Entry<'a>) -> Result<T, Fault>) -> Option<T> {
        if let Some(outline) = &self.collector.outline {
            outline.require(self.key(key));
        }
        if !self.has(key) {
            self.entry(key);
            self.error(key, Fault::new("missing", remedy));
            return None;
        }
        self.maybe(key, read)
    }

    /// The entries of a list, each with its place.
    pub fn entries(&self, key: &str) -> Option<Vec<Entry<'a>>> {
        let entry = self.entry(key)?;
        if self.collector.outline.is_some() {
            entry.takes(|| Shape::List);
            return Some(vec![Entry { collector: self.collector, node: entry.node, path: format!("{}[]", entry.path) }]);
        }
        let Content::List(nodes) = &entry.structured().content else {
            let remedy = match &entry.node.content {
                Content::Text(text) => format!("put it in brackets: [\"{text}\"]"),
                _ => "write a list in brackets".into(),
            };
            entry.error(Fault::new(format!("a list is wanted, not {}", entry.node.content.kind()), remedy));
            return None;
        };
        let numbered = nodes.iter().enumerate();
        Some(numbered.map(|(i, node)| Entry { collector: self.collector, node, path: format!("{}[{i}]", entry.path) }).collect())
    }

    /// A list; entries that are wrong are reported one by one and left out.
    pub fn list<T>(&self, key: &str, read: impl Fn(&Entry<'a>) -> Result<T, Fault>) -> Option<Vec<T>> {
        let entries = self.entries(key)?;
        Some(entries.iter().filter_map(|entry| read(entry).map_err(|fault| entry.error(fault)).ok()).collect())
    }

    /// A list that must not be empty if it is given, for keys where an empty list could be read both ways.
    pub fn some<T>(&self, key: &str, read: impl Fn(&Entry<'a>) -> Result<T, Fault>) -> Option<Vec<T>> {
        if self.entries(key).is_some_and(|entries| entries.is_empty()) {
            self.error(key, Fault::new("the list is empty", "name at least one, or leave the key out"));
            return None;
        }
        self.list(key, read)
    }

    /// A table below this one; empty if it is left out.
    pub fn section(&self, key: &str) -> Section<'a> {
        match self.entry(key) {
            Some(entry) => self.as_section(&entry, entry.path.clone()),
            None => Section::new(self.collector, self.key(key), Origin::Absent, &[]),
        }
    }

    /// A list of tables.
    pub fn sections(&self, key: &str) -> Vec<Section<'a>> {
        let entries = self.entries(key).unwrap_or_default();
        entries.iter().map(|entry| self.as_section(entry, entry.path.clone())).collect()
    }

    fn as_section(&self, entry: &Entry<'a>, path: String) -> Section<'a> {
        entry.takes(|| Shape::Table);
        let node = entry.structured();
        let entries: &'a [(String, Node)] = match &node.content {
            Content::Table(entries) => entries,
            other => {
                entry.error(Fault::new(format!("a table is wanted, not {}", other.kind()), "write [section] or { key = value }"));
                &[]
            }
        };
        Section::new(self.collector, path, node.origin.clone(), entries)
    }

    fn origin_of(&self, key: &str) -> &Origin {
        self.entries.iter().find(|(name, _)| name == key).map_or(&self.origin, |(_, node)| &node.origin)
    }

    pub fn error(&self, key: &str, fault: Fault) {
        self.collector.error(self.origin_of(key), &self.key(key), fault);
    }

    pub fn warn(&self, key: &str, what: impl Into<String>, remedy: impl Into<String>) {
        self.collector.add(Severity::Warning, self.origin_of(key), &self.key(key), Fault::new(what, remedy));
    }

    /// `file:line` of a key, or of the section where the key is left out.
    pub fn place(&self, key: &str) -> String {
        self.collector.place(self.origin_of(key))
    }

    /// Reports the keys that nothing has asked for.
    pub fn finish(self) {
        let asked = self.asked.borrow();
        for (name, node) in self.entries.iter().filter(|(name, _)| !asked.contains(name)) {
            let path = self.key(name);
            if variables_below(node, &path, self.collector) && matches!(node.origin, Origin::Variable(_)) {
                continue;
            }
            let near = nearest(name, asked.iter().map(String::as_str)).map_or("remove it".into(), |n| format!("did you mean “{n}”?"));
            self.collector.error(&node.origin, &path, Fault::new("unknown key", near));
        }
    }
}

/// Marks the variables that name a key in or below an unknown one; whether there are any. A key inside a variable's value is none.
fn variables_below(node: &Node, path: &str, collector: &ProblemCollector) -> bool {
    match (&node.content, &node.origin) {
        (Content::Table(entries), _) => {
            let found = entries.iter().map(|(name, node)| variables_below(node, &format!("{path}.{name}"), collector));
            found.fold(false, |any, found| any | found)
        }
        (_, Origin::Variable(name)) if name.eq_ignore_ascii_case(&variable_for(path)) => {
            collector.unknown_variable(name);
            true
        }
        _ => false,
    }
}
