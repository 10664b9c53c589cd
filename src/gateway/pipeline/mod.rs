//! A request's way through pingora's hooks, from its first byte to its access record.

pub mod dispatch;
pub mod errors;
pub mod hooks;
pub mod http_app;
pub mod messages;
pub mod selection;
pub mod straight;
