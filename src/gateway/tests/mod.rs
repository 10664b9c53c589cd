//! A whole gateway in front of real upstreams: raw bytes in, raw bytes out.

mod applications;
mod both_ways;
mod certificates;
mod connection_auth;
mod flood_support;
mod floods;
mod forwarding;
mod guards;
mod http2;
mod long_transfers;
mod support;
mod tls;
mod tunnels;
mod upstreams;
