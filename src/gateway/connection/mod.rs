//! A client's connection: how many there may be, what each is waiting for, and how long it may wait.

pub mod client;
pub mod deadlines;
pub mod limits;
pub mod stream;
