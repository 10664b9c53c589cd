//! Starting and stopping: listening sockets, TLS, and one shard per core that accepts connections and serves them.

pub mod shard;
pub mod sockets;
pub mod start;
