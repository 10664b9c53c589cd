//! What must survive: accounts, sessions, sign-ins under way, one-time links, interrupted forms, the audit log.
//!
//! One small seam, [`backend::kv::Kv`]: get, scan, and a commit that applies only while what it expects still holds. Every verb of the
//! product is written once over it, so that a check and its use are one atomic step in each backend, and a further backend
//! owes three functions and the conformance suite.

pub mod audit;
mod backend;
mod error;
mod files;
mod followed;
mod format;
mod handle;
mod login_name;
mod records;
mod turns;

pub use self::error::StoreError;
pub use crate::limit::Counted;
pub use audit::anchor::{Anchor, AuditStart, Trimmed, is_anchor, is_genuine_in};
pub use audit::record::{AuditHead, AuditRecord, GENESIS};
pub use backend::kv;
pub use backend::kv::Kv;
pub use backend::measured::Measure;
#[cfg(test)]
pub(crate) use backend::postgres;
pub use backend::postgres::PostgresKv;
pub use backend::postgres::views::views;
pub use backend::sled::SledKv;
pub use files::ended::EndedFile;
pub use files::journal;
pub use files::keyfile;
pub use files::member;
pub use files::private::private_folder;
pub use files::snapshot;
pub use format::{FORMAT, check_format_of, is_format};
pub use handle::{Observer, Store};
pub use login_name::fold;
pub use records::accounts::{Conflict, Edit, FIRST_LETTERS};
pub use records::acme::{AcmeCertificate, AcmeChallenge, AcmeFailure};
pub use records::gateways::leases::Duty;
pub use records::gateways::members::Gateway;
pub use records::handover::{Bearer, Entered, Ticket};
pub use records::keys::is_keyring;
pub use records::links::{Invitation, Link, LinkKind};
pub use records::provider::Whose;

#[cfg(test)]
mod conformance;
