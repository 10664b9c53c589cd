//! Where requests go: the upstreams of each route, their addresses, and connections to them.

pub mod connect;
pub mod pool;
mod resolver;
