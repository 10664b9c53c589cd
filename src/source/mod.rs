//! Where users come from. Local accounts, directories and providers answer the same questions: who is this name, is this password right, what
//! groups and address has this person now, may they change the password. The account document keeps what is ours (factors, epoch, browsers,
//! policy) and the source's id of the person ([`crate::account::Membership`]).
//!
//! A source never answers "wrong" because it could not be asked: that is an [`Unavailable`], which counts against nobody.

pub mod directory;
pub mod provider;

use std::fmt;

use async_trait::async_trait;

pub use crate::account::{Closed, PersonId, SourceId};
use crate::base::Secret;

/// A person as the source has them now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Person {
    /// The source's id of the person, which is never given to anybody else.
    pub id: String,
    /// The source's own spelling; never what was typed.
    pub name: String,
    pub display_name: String,
    pub email: Option<String>,
    pub phone: Option<String>,
    /// Whether the number is the source's to say; if not, one that was set here stays.
    pub owns_phone: bool,
    /// Names of this gateway (after `group_map`), sorted, each once.
    pub groups: Vec<String>,
    /// `None`: may sign in.
    pub closed: Option<Closed>,
    /// The password is right and must be changed before anything else.
    pub must_change_password: bool,
    /// Changes whenever the password changes at the source.
    pub password_mark: Option<String>,
}

/// Somebody whom a login names, before a password was looked at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    pub id: String,
    pub name: String,
    pub email: Option<String>,
    /// How the source finds the person again within this sign-in (a DN); it means nothing to others.
    pub locator: String,
}

/// Whom a login names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum WhoIs {
    One(Found),
    Nobody,
    /// Several entries, or one that cannot be told apart from others (no id, no usable name): refused like nobody, and logged by the source.
    Ambiguous,
}

/// What a source says of a password.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    Wrong,
    /// Locked at the source: it says so for right and wrong passwords alike, so it is told as a wrong one and counts as one.
    Locked,
    /// Right. [`Person::closed`] and [`Person::must_change_password`] say whether it is enough.
    Right(Box<Person>),
}

/// What became of a change of a password.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PasswordChange {
    Done,
    WrongCurrent,
    /// Against the source's rules, in its own words if it has any.
    Refused(Option<String>),
    NotAllowed,
}

/// Why a source could not be asked. The text is for the log and for `directory test`, never for users; it holds no secret.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{source_id}: {cause}")]
pub struct Unavailable {
    pub source_id: SourceId,
    pub cause: Cause,
}

/// What went wrong. Each has its own alarm: an expired service account is not a network fault.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Cause {
    Connect(String),
    Tls(String),
    /// The gateway's own credentials were refused.
    Credentials(String),
    TimedOut(String),
    /// An answer that means nothing, or an error that is no verdict.
    Protocol(String),
    /// Too many questions at once.
    Busy,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(text) => write!(f, "cannot connect: {text}"),
            Self::Tls(text) => write!(f, "TLS: {text}"),
            Self::Credentials(text) => write!(f, "the gateway's own credentials were refused: {text}"),
            Self::TimedOut(text) => write!(f, "no answer in time: {text}"),
            Self::Protocol(text) => write!(f, "unexpected answer: {text}"),
            Self::Busy => f.write_str("too many questions at once"),
        }
    }
}

/// What every source answers.
#[async_trait]
pub trait Source: Send + Sync {
    fn id(&self) -> &SourceId;

    /// The person with this id as the source has them now; `None`: the source has them no more.
    async fn look_up(&self, person: &str) -> Result<Option<Person>, Unavailable>;
}

/// What a source that has passwords answers besides.
#[async_trait]
pub trait PasswordSource: Source {
    /// Whom this login names. Nothing is told to the user from this answer alone.
    async fn find(&self, login: &str) -> Result<WhoIs, Unavailable>;

    /// Whether the password is right. An empty one is wrong without a question to anybody.
    async fn verify(&self, found: &Found, password: &Secret) -> Result<Verdict, Unavailable>;

    /// Takes the time that a look at a wrong password takes, for a login that names nobody.
    async fn pretend(&self);

    /// Whether people may change their passwords here.
    fn changes_passwords(&self) -> bool;

    /// Changes the password on the strength of the current one.
    async fn change_password(&self, person: &str, current: &Secret, new: &Secret) -> Result<PasswordChange, Unavailable>;
}
