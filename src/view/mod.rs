//! The pages: plain values in, markup out. Nothing here reads a clock, a store or a request, and nothing decides anything; what a page
//! says is all in the values that it is given and in the words of its language.
//!
//! Every page works without script, carries no inline style or script (a strict CSP holds), stays under 50 KB, and posts its forms to
//! paths below the prefix with the hidden fields `csrf` and `rd`. All text is escaped by maud; the one thing taken as it is, the QR
//! code, is drawn by the gateway itself.

pub mod account;
pub mod admin;
#[doc(hidden)]
pub mod gallery;
mod pages;
mod parts;
mod wording;

pub use maud::Markup;
pub use pages::applications;
pub use pages::contact;
pub use pages::enrol;
pub use pages::login;
pub use pages::message;
pub use pages::mfa;
pub use pages::password;
pub use pages::provider;
pub use pages::recovery;
pub use pages::tokens;
pub use parts::assets::{Asset, asset, assets, style_hash};
pub use parts::layout::{Note, Page, Steps};
pub use parts::wide::AccountPages;
pub use wording::languages::Languages;
pub use wording::words::fill;
pub use wording::words_keys::Words;

#[cfg(test)]
mod tests;
