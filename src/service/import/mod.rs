//! Many accounts at once, from a table or from what was there before: all or nothing, and every fault with its line.
//!
//! Password hashes are taken as they are (Argon2id, bcrypt) and made anew at the first sign-in; nobody has to choose another password.

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
