//! Clients' certificates: what they say, who signs them, and how a trusted proxy passes one on.

pub mod certificate;
pub mod header;
pub mod trust;

pub use certificate::{ClientCertificate, Shown, Vouches};
pub use trust::{BadCertificate, ClientTrust, Fault, unix};
