//! What a session is: keys and signed tokens, cookie names and attributes, the record and its limits; where a form came from. Pure.

pub mod cookie;
pub mod device;
pub mod keys;
pub mod origin;
mod packed;
mod record;
mod sign_out;

pub use cookie::{CookieKind, Cookies};
pub use keys::{KeyRing, Purpose};
pub use packed::Unreadable;
pub use record::{EndReason, Family, SessionRecord, over};
pub use sign_out::SignOut;
