//! The sign-in as a state machine. Kept on the server, named by a flow cookie that opens nothing; a session exists only at its end.
//!
//! ```text
//!  password right ──┬─ no method, or policy off ───────────────────────────────▶ session (password)
//!                   ├─ trusted browser ────────────────────────────────────────▶ session (trusted browser)
//!                   ├─ a method ──▶ Second ──┬─ code right ────────────────────▶ session (second factor)
//!                   │                 ▲      └─ wrong: counted, same step
//!                   │                 └─ send, resend (e-mail, SMS), challenge (WebAuthn)
//!                   └─ required, none ──▶ Enrol ─┐
//!  session, two-factor route, none ─────▶ Enrol ─┤  verify first, where nobody vouched
//!  set-up link used, none ──────────────▶ Enrol ─┴─▶ Enrol{method} ─ confirmed ─▶ Codes ─ saved ─▶ signed out, sign in again
//!  session, stale or other factor ──▶ StepUp ── code right ──▶ the same session under a new id
//! ```
//!
//! Pure: state and input give the next state. Who sends a code, and who writes the record, is the service.

mod binding;
mod flow;
mod provider_request;
mod provider_session;
mod return_to;

pub use binding::Binding;
pub use flow::{AfterPassword, Enrolling, Flow, News, Purpose, after_password};
pub use provider_request::{ProviderPurpose, ProviderRequest, ProviderSecrets};
pub use provider_session::ProviderSession;
pub use return_to::{Judge, ReturnTo};
