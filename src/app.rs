//! The program put together: opened once, reloaded as a whole, asked by the gateway through [`host`].

mod audit;
mod background;
mod health;
mod host;
mod open;
mod pages;
mod program;
mod reload;

pub use program::{App, Post};
pub use reload::wording;

#[cfg(test)]
mod earlier_release_tests;
#[cfg(test)]
mod health_tests;
#[cfg(test)]
mod keep_support;
#[cfg(test)]
mod keep_tests;
#[cfg(test)]
mod outage_tests;
#[cfg(test)]
mod tests;
