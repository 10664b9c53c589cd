//! The audit log: what is recorded, how it is read and verified, how long it is kept, and the copy in `audit.file`.

mod anonymous;
pub mod event;
pub mod file;
pub mod log;
pub mod reader;
pub mod retention;
pub mod verify;

pub use event::{Actor, Event};
pub use file::{AuditFile, AuditFileError, AuditFileWriter};
pub use log::{AuditLog, Listener};
pub use reader::{AuditPage, AuditReader, LOOKED_THROUGH, PageStart, RecordFilter};
pub use retention::{AuditRetention, RetentionError};
pub use verify::{AuditReport, AuditVerifier, Chain};
