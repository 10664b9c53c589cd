//! The configuration: raw (a mirror of the file), check (every problem at once), typed (what the program uses).

mod typed;

pub use typed::*;
