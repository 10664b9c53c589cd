//! A whole gateway in front of real upstreams: raw bytes in, raw bytes out.

mod flood_support;
mod floods;
mod forwarding;
mod guards;
mod support;
mod tls;
mod tunnels;
