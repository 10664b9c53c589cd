//! Sessions that are bound to a key of the browser's device (W3C Device Bound Session Credentials, draft of 2026-02-17): the binding, the short-lived
//! cookie that shows it, the challenges, and the proofs that a browser signs. Pure.

mod binding;
mod bound_cookie;
mod challenge;
mod proof;
pub mod wire;

pub use binding::{DeviceBinding, GRACE, LAPSES_AFTER, SETTLES};
pub use bound_cookie::{BoundCookie, LEEWAY};
pub use challenge::{CHALLENGE_KEPT, DeviceOffer, RefreshChallenge, offer_digest};
pub use proof::{BadProof, DeviceKey, LONGEST_PROOF, Proof};
