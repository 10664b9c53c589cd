//! What is printed and what is asked: tables and JSON, progress, passwords.

pub(super) mod output;
pub(super) mod progress;
pub(super) mod prompt;
pub(super) mod source_line;
