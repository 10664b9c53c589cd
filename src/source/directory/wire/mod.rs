//! The protocol on the wire: connections over TLS, and the few messages that are written by hand.

pub(super) mod ber;
pub(super) mod connection;
pub(super) mod tls;
