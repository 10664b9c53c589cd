//! A client's connection: how many there may be, what each is waiting for, and how long it may wait.

pub mod certificates;
pub mod client;
pub mod deadlines;
pub mod https;
pub mod limits;
pub mod private;
pub mod stream;
pub mod tls_peer;
pub mod tls_stream;
pub mod upload_windows;
