//! The audit log: what is recorded, how it is read and verified, how long it is kept, and the copy in `audit.file`.

pub mod event;
pub mod file;
pub mod log;
pub mod reader;
pub mod retention;
pub mod verify;

pub use event::{Actor, Event};
pub use file::{AuditFileError, AuditFileWriter};
pub use log::Listener;
pub use reader::{AuditPage, Chain, LOOKED_THROUGH, PageStart, RecordFilter};
pub use retention::RetentionError;
pub use verify::AuditReport;
