//! What goes to an upstream and what comes back: headers in both directions, and the requests that the gateway sends without pingora's proxy.

pub mod admission;
pub mod changes;
pub mod credentials;
pub mod direct;
pub mod fields;
pub mod headers;
pub mod identity;
pub mod location;
pub mod prepared;
pub mod relay;
pub mod response_headers;
pub mod tunnel;
