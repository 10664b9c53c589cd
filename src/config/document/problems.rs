//! What a walk over the configuration finds: every problem once, in the order of the file, and every key that was asked for.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::outline::Outline;
use super::problem::{Fault, Problem, Severity};
use super::tree::Origin;
use super::variable::variable_for;

/// Gathers what is found.
pub(in crate::config) struct ProblemCollector {
    file: String,
    /// What relative paths are relative to.
    base: PathBuf,
    problems: RefCell<Vec<Problem>>,
    pub(in crate::config) known: RefCell<BTreeSet<String>>,
    strangers: RefCell<BTreeSet<String>>,
    /// Keys that hold secrets.
    pub(in crate::config) secrets: RefCell<BTreeSet<String>>,
    /// If there is one, every key is there and none has a value.
    pub(in crate::config) outline: Option<Outline>,
}

impl ProblemCollector {
    pub fn new(file: &Path) -> Self {
        Self {
            file: file.display().to_string(),
            base: file.parent().map(Path::to_owned).unwrap_or_default(),
            problems: RefCell::default(),
            known: RefCell::default(),
            strangers: RefCell::default(),
            secrets: RefCell::default(),
            outline: None,
        }
    }

    /// For a walk that asks what each key takes.
    pub fn outlining(file: &Path) -> Self {
        Self { outline: Some(Outline::default()), ..Self::new(file) }
    }

    pub fn into_outline(self) -> Outline {
        self.outline.unwrap_or_default()
    }

    pub fn error(&self, origin: &Origin, key: &str, fault: Fault) {
        self.add(Severity::Error, origin, key, fault);
    }

    pub fn add(&self, severity: Severity, origin: &Origin, key: &str, fault: Fault) {
        let (line, variable) = match origin {
            Origin::Line(line) => (Some(*line), None),
            Origin::Variable(name) => (None, Some(name.clone())),
            Origin::Absent => (None, None),
        };
        let Fault { what, remedy } = fault;
        self.problems.borrow_mut().push(Problem { file: self.file.clone(), line, variable, key: key.to_owned(), severity, what, remedy });
    }

    pub fn unknown_variable(&self, name: &str) {
        self.strangers.borrow_mut().insert(name.to_owned());
    }

    pub fn base(&self) -> &Path {
        &self.base
    }

    /// `file:line`, for what is reported later.
    pub fn place(&self, origin: &Origin) -> String {
        match origin {
            Origin::Line(line) => format!("{}:{line}", self.file),
            Origin::Variable(name) => name.clone(),
            Origin::Absent => self.file.clone(),
        }
    }

    /// Every key that was asked for, list entries numbered.
    #[cfg(test)]
    pub fn known(&self) -> Vec<String> {
        self.known.borrow().iter().cloned().collect()
    }

    /// Everything found, once each (a key may be asked for twice), in the order of the file; what came from the environment last.
    pub fn into_problems(self) -> Vec<Problem> {
        for name in self.strangers.take() {
            let known = self.known.borrow();
            let known: Vec<String> = known.iter().filter(|key| key.contains('.')).map(|key| variable_for(key)).collect();
            let remedy = nearest(&name, known.iter().map(String::as_str)).map_or("unset it".into(), |n| format!("did you mean {n}?"));
            self.error(&Origin::Variable(name), "", Fault::new("the variable names no key", remedy));
        }
        let mut problems = self.problems.into_inner();
        let mut seen = BTreeSet::new();
        problems.retain(|problem| seen.insert(problem.to_string()));
        problems.sort_by_key(|p| (p.variable.is_some(), p.line.unwrap_or(0)));
        problems
    }
}

/// The name that is closest to what was written.
pub(in crate::config) fn nearest<'n>(written: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let short: String = written.chars().take(128).collect();
    names.into_iter().min_by_key(|name| strsim::damerau_levenshtein(&short, name))
}
