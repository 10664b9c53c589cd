//! The pages: plain values in, markup out. Nothing here reads a clock, a store or a request, and nothing decides anything; what a page
//! says is all in the values that it is given and in the words of its language.
//!
//! Every page works without script, carries no inline style or script (a strict CSP holds), stays under 50 KB, and posts its forms to
//! paths below the prefix with the hidden fields `csrf` and `rd`. All text is escaped by maud; the one thing taken as it is, the QR
//! code, is drawn by the gateway itself.

pub mod account;
pub mod admin;
mod assets;
mod chart;
pub mod contact;
pub mod enrol;
mod field;
#[doc(hidden)]
pub mod gallery;
mod icon;
mod languages;
mod layout;
pub mod login;
pub mod message;
pub mod mfa;
pub mod password;
pub mod recovery;
mod time;
mod wide;
mod words;
mod words_keys;

pub use assets::{Asset, asset, assets};
pub use languages::Languages;
pub use layout::{Note, Page, Steps};
pub use maud::Markup;
pub use words::fill;
pub use words_keys::Words;

#[cfg(test)]
mod tests;
