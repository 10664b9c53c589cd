//! Why a use case refuses. One table at the portal's edge maps each reason to a page and a status.

use std::time::Duration;

use crate::account::Closed;
use crate::base::random::NoEntropy;
use crate::factor::{Method, blocklist};
use crate::limit::Throttled;
use crate::service::password_hashing::Busy;
use crate::session::keys::Unsealable;
use crate::store::StoreError;

/// Why something was refused; one table at the portal's edge maps it to a page and a status.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Unknown, wrong, locked, disabled: one answer (OWASP ASVS 6.3.8).
    #[error("the name or the password is not right")]
    WrongPassword,
    #[error("too many failures")]
    Throttled(Duration),
    #[error("too many sign-ins at once")]
    Busy,
    /// The directory or provider cannot be asked; nothing was counted.
    #[error("the source of the account cannot be asked now")]
    SourceAway,
    /// The password was right, and the source lets this person in no more.
    #[error("{0}")]
    Closed(#[from] Closed),
    /// What the source owns is not changed here.
    #[error("this is managed at the source of the account")]
    Managed,
    /// The source does not take this password.
    #[error("the new password was refused")]
    NewPassword(Option<String>),
    /// The sign-in under way is over: expired, finished, or the account changed.
    #[error("the sign-in is no longer under way")]
    Gone,
    #[error("{0}")]
    Second(SecondProblem),
    #[error("{0}")]
    Enrol(EnrolProblem),
    #[error("{0}")]
    Contact(ContactProblem),
    #[error("{0} is not offered here")]
    NotOffered(Method),
    #[error("{0}")]
    Weak(blocklist::Weak),
    #[error("a message cannot be sent now")]
    CannotSend,
    /// Ended in memory, and not yet in the store, which is tried again until it takes it.
    #[error("it is over at this gateway, but the store cannot be written: this is retried until it can")]
    EndPending,
    #[error("{0}")]
    Provider(ProviderProblem),
    #[error("{0}")]
    Store(#[from] StoreError),
}

impl Refused {
    /// For a sealed challenge that came back: one under a key that is not here may be right, and is no failure of the user's.
    pub(in crate::service) fn unopened(unsealable: Unsealable, broken: Self) -> Self {
        match unsealable {
            Unsealable::UnknownKey => Self::Store(StoreError::Unsealable),
            Unsealable::Broken => broken,
        }
    }
}

impl From<Throttled> for Refused {
    fn from(Throttled(wait): Throttled) -> Self {
        Self::Throttled(wait)
    }
}

impl From<Busy> for Refused {
    fn from(_: Busy) -> Self {
        Self::Busy
    }
}

impl From<SecondProblem> for Refused {
    fn from(problem: SecondProblem) -> Self {
        Self::Second(problem)
    }
}

impl From<NoEntropy> for Refused {
    fn from(_: NoEntropy) -> Self {
        Self::Store(StoreError::NoEntropy)
    }
}

/// Why a code or key was not taken, in words for the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecondProblem {
    #[error("that code is not right")]
    Wrong { left: Option<u32> },
    #[error("that code was used already; wait for the next one")]
    Replayed,
    #[error("that code has expired")]
    Expired,
    #[error("that code cannot be used any more")]
    Spent,
    #[error("wait before asking for another code")]
    Wait(Duration),
    #[error("no more codes are sent in this sign-in")]
    Exhausted,
    #[error("the key's answer was not right")]
    Key,
}

/// Why a method was not set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EnrolProblem {
    #[error("confirm first that it is you")]
    NotVouched,
    #[error("another account already has this authenticator")]
    TakenFactor,
    #[error("this method is set up already")]
    AlreadyThere,
    #[error("sign in again before you change how you sign in")]
    NotFresh,
}

/// Why an address or number is not changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ContactProblem {
    #[error("an address is changed after a second factor only")]
    NoSecond,
    #[error("that is no address or number, or the one that is there")]
    Bad,
    /// Told only to who can read what is sent there.
    #[error("another account has this address")]
    Taken,
}

/// Why a provider's help was not to be had, in words for the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProviderProblem {
    #[error("there is no such provider")]
    Unknown,
    #[error("the provider cannot be reached")]
    Away,
    /// Used, too old, another browser's, or never asked.
    #[error("the answer belongs to no question that is under way here")]
    Stale,
    /// The person said no there, or may not use this application.
    #[error("the provider says: access denied")]
    Denied,
    /// The person must do something at the provider first.
    #[error("the provider wants the person to sign in there")]
    Interaction,
    #[error("the provider's answer was not accepted")]
    Refused,
    #[error("the provider's clock and this one are apart")]
    Clock,
    #[error("nobody here is linked to that person")]
    NotLinked,
    #[error("the name is another account's, or cannot be one")]
    Name,
    #[error("the account is disabled")]
    Closed,
    #[error("the person is in too many groups for the provider to name")]
    TooManyGroups,
    /// The second factor there was none of those that count, or was shown before this sign-in began.
    #[error("the provider did not confirm a fresh second factor")]
    NoSecondFactor,
    #[error("that is somebody else than the one who began")]
    SomebodyElse,
    #[error("that person of the provider's is linked to another account")]
    Taken,
    /// No other way in stands for the provider's word.
    #[error("the account is a provider's, and its owner signs in there")]
    SignInThere,
}
