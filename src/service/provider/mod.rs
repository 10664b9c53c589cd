//! Signing in with a provider, and its second factor: what follows from somebody else's word. A provider's claims become an account's rights
//! here and nowhere else.
//!
//! What is guaranteed: an account is found by issuer and subject, by an address only if the operator says so; an answer counts once, in the
//! browser that asked, for what it was asked for; nothing of the provider's is a second factor that the configuration does not name.

mod account;
mod answer;
mod begin;
mod end;
mod link;
mod own_link;
mod refresh;
mod registry;
mod second_factor;
mod sign_in;

pub use answer::{Answered, Linked};
pub use begin::{Ask, Begun};
pub use own_link::OwnLink;
pub use registry::{Providers, Report};
pub use sign_in::ProviderSignIn;
