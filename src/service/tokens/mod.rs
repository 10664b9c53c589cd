//! API tokens: made, listed and revoked, by their owners and by administrators; and wrong ones, counted.

mod failures;
mod manage;

pub use failures::TokenFailures;
pub use manage::{NewToken, TokenError, TokenView, Tokens};
