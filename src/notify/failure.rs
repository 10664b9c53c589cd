//! One attempt to deliver a message that failed: why, and whether another may succeed. Holds no address, code or body.

/// A failed attempt.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) reason: String,
    /// Whether another try may do better.
    pub(super) transient: bool,
}
