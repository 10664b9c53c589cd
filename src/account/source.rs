//! Where an account's person comes from: this gateway, or a directory or provider of the configuration, which knows them by an id of its own.
//! What is kept of it: the id, and what the source said last that outlives a session.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The name of a source: `local`, or the `name` of a section of the configuration.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SourceId(Arc<str>);

impl SourceId {
    /// The name of this gateway's own accounts; no section may have it.
    pub const LOCAL: &'static str = "local";
    /// The name of those who have no account and were let in by an address; no section may have it either.
    pub const GUEST: &'static str = "guest";

    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One person at one source, by an id that the source never gives to anybody else: objectGUID, entryUUID, `sub`. Names are no such id.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct PersonId {
    pub source: SourceId,
    pub id: String,
}

impl PersonId {
    /// Who has this address and no account.
    pub fn guest(address: &str) -> Self {
        Self { source: SourceId::new(SourceId::GUEST), id: address.to_owned() }
    }
}

/// Why a source lets somebody in no more. It holds until the source says otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Closed {
    #[error("the source no longer has this person")]
    Deleted,
    #[error("disabled at the source")]
    Disabled,
    #[error("the account has expired at the source")]
    Expired,
    #[error("outside the hours or workstations that the source allows")]
    Hours,
    #[error("in none of the groups that may sign in")]
    NotAllowed,
    #[error("the password has expired at the source")]
    PasswordExpired,
    #[error("the source is no longer in the configuration")]
    SourceRemoved,
}

/// What an account keeps of the source that owns its person. Absent: a local account.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Membership {
    #[serde(flatten)]
    pub person: PersonId,
    /// Why the source lets the person in no more, as it said last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<Closed>,
    /// Changes whenever the password changes at the source (`pwdLastSet`, `pwdChangedTime`); the form is the source's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_mark: Option<String>,
}
