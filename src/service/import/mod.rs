//! Adds many accounts at once, from a table or from another program: all or nothing, and every fault with its line.
//!
//! Password hashes are taken as they are (Argon2id, bcrypt) and renewed at the first sign-in, so nobody has to choose another password.

mod authelia;
mod csv;
mod entry;
mod htpasswd;
mod meter;
mod read;
mod run;
#[cfg(test)]
mod tests;

pub use entry::{Entry, Fault, Format, Imported};
pub use meter::{Meter, Progress, Stage};
pub use read::read;
pub use run::Import;
