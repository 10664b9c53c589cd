//! OpenID Connect providers: somebody else's word for who somebody is, and for a second factor. The protocol only: what follows from
//! a person's claims is decided by the use cases.
//!
//! What is guaranteed: nothing is believed that this provider did not sign for this client, in answer to this request, now. A provider
//! that is away costs a bounded time and nothing else.

mod client;
mod error;
pub mod linked;
mod person;
mod probe;
pub mod token;
mod wire;

pub use client::{Answer, Provider, SignedIn};
pub use error::{ProviderError, Refusal};
pub use person::{Email, Evidence, Groups, Person};
pub use probe::Step;
pub use token::SKEW;
pub use wire::request::Demand;
