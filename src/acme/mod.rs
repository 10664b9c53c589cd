//! Certificates by ACME (RFC 8555) for the exact hosts of the routes: ordered, kept in the store, renewed. Guarantees that a host keeps
//! the certificate that it has until the next one is there, that no host is without one (a self-signed one stands in), that of several
//! gateways on one store one orders, and that nothing which an authority does stops a request.
//!
//! ```text
//! orderer      when to order what, under the lease; what failed, and when it is tried again
//! order        one order: the account, the challenges, the certificate
//! challenges   what an authority comes to check, in the store and in force
//! authority    HTTP to the authority, with limits on time and size
//! host_state   what a host has, and when it is due
//! in_force     what the listeners show and answer, read without waiting
//! certificate  a certificate read and checked; self-signed ones
//! schedule     times of renewals and of further tries
//! ```

mod authority;
mod certificate;
mod challenges;
mod host_state;
mod in_force;
mod order;
mod orderer;
mod schedule;

pub use host_state::CertificateHealth;
pub use in_force::{Answer, InForce};
pub use orderer::{Acme, Wanted, run};
