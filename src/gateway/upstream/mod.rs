//! Where requests go: the upstreams of each route, their addresses, and connections to them.

pub mod client;
pub mod connect;
pub mod endpoint;
pub mod health;
pub mod idle;
pub mod pool;
mod private;
mod resolver;
pub mod reuse;
pub mod trust;
