//! The decision alone, for another proxy that stays in front and asks (contract, section 6). Guarantees that a question is read from
//! exactly its dialect's headers, that its target is cut out byte by byte and never normalised, and that no parameter means anything.

pub mod answer;
mod question;
pub mod snippet;

pub use question::{Dialect, Malformed, Place, Question, find};
