//! What a session is: keys and signed tokens, cookie names and attributes, the record and its limits. Pure.

pub mod cookie;
pub mod keys;
mod record;

pub use cookie::{CookieKind, Cookies};
pub use keys::{KeyRing, Purpose};
pub use record::{EndReason, SessionRecord, over};
