//! What goes over the wire to a provider: addresses, questions and answers. Nothing here decides what is believed.

pub mod discovery;
pub mod endpoint;
pub mod exchange;
pub mod http;
pub mod keys;
pub mod request;
