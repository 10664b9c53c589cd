//! The program put together: opened once, reloaded as a whole, asked by the gateway through [`host`].

mod audit;
mod background;
mod gateways;
mod health;
mod host;
mod open;
mod pages;
mod program;
mod reload;
pub mod status;

pub use program::{App, Post};
pub use reload::wording;

#[cfg(test)]
mod tests;
