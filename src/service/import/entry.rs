//! One account of an import file, and what may be wrong with its line.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::base::Secret;
use crate::service::accounts::NewAccount;

/// What a file is written in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// A header line with `name`, `email`, and as wanted `phone`, `display_name`, `groups` (separated by `;`).
    Csv,
    /// Authelia's `users_database.yml`.
    Authelia,
    /// `htpasswd -B`: a name and a bcrypt hash a line.
    Htpasswd,
}

/// One account of a file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// Counted from 1.
    pub line: usize,
    pub account: NewAccount,
    #[serde(default)]
    pub disabled: bool,
}

/// What is wrong with a line.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Fault {
    /// Counted from 1.
    pub line: usize,
    /// What, and what to do.
    pub what: String,
}

impl Fault {
    pub(super) fn new(line: usize, what: impl Into<String>) -> Self {
        Self { line, what: what.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

/// What became of one account.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Imported {
    pub name: String,
    /// The token of a set-up link, if links were asked for and there is no password yet.
    pub setup: Option<Secret>,
}
