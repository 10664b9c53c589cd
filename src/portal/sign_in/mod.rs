//! The pages that somebody meets who is not signed in yet, and the way out.

pub(super) mod expired_password;
mod external;
pub(super) mod invitation;
pub(super) mod language;
pub(super) mod links;
pub(super) mod login;
pub(super) mod logout;
pub(super) mod mfa;
pub(super) mod provider;
