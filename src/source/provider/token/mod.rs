//! Signed tokens (JWS, RFC 7515): read with suspicion, verified with `ring`, believed only for what they say to us and now. Pure: the
//! text, the keys and the time go in, a verdict comes out.
//!
//! There is no crate for this on purpose; `docs/architecture.md` says why.

mod algorithm;
mod claims;
mod fault;
mod id_token;
mod jwk;
mod jws;
mod logout_token;
#[cfg(test)]
pub mod test_keys;
#[cfg(test)]
mod tests;

pub use claims::Claims;
pub use fault::{LONGEST, TokenFault};
pub use id_token::{Expected, IdToken, Issued, SKEW, verify_id_token};
pub use jwk::KeySet;
pub use jws::{Verified, verify};
pub use logout_token::{LogoutToken, verify_logout_token};
