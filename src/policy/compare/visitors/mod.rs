//! Those who come without a password, or show something beside it: API tokens, guests, client certificates.

pub mod certificates;
pub mod guests;
pub mod tokens;
