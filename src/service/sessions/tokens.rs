//! API tokens, and the service accounts that client certificates stand for, in memory beside the sessions: a request is judged from memory alone. How they are made and revoked is in
//! [`crate::service::tokens`].
//!
//! Every write of an account is seen here before its writer goes on, so that a token never outlives what it rests on: an owner
//! who is disabled, deleted or in another epoch has no token any more. The groups are the owner's of that moment.

mod holders;
mod live;
mod machine;
mod memory;
mod owner;
mod visitor;

pub use holders::{CertificateHolders, Holder, SeenCertificate};
pub use live::{LiveToken, LiveTokens};
pub use machine::MachineVisitor;
pub use memory::TokenMemory;
pub use visitor::TokenVisitor;
