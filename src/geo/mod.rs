//! Where an address is: its country and its network operator, from databases in MaxMind's format, of any maker. Guarantees that an
//! address that no database knows is in no country and of no operator, and that a broken new file leaves the last good one in force.

mod database;
mod lookup;
mod origin;
mod recent;
mod rule;

pub use database::GeoError;
pub use lookup::Geo;
pub use origin::{Country, Knows, Origin};
pub use rule::Whereabouts;

#[cfg(test)]
pub(crate) mod tests;
