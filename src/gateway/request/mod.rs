//! What a request says about itself, read once and with suspicion. Nothing in this room knows a session, a policy or an upstream.

pub mod body;
pub mod connection_auth;
pub mod cookies;
pub mod destination;
pub mod framing;
pub mod header_names;
pub mod hop_by_hop;
pub mod navigation;
pub mod parse;
pub mod prefix;
pub mod target;
pub mod websocket;
