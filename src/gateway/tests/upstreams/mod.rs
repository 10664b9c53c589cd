//! What upstreams need of the gateway: sockets, HTTP/2, certificates, the same one for a browser, and checks whether they work.

mod certificates;
mod choice;
mod http2;
mod sockets;
