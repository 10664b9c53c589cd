//! Why a path is refused: the forms that no honest client sends. One closed list, so that every answer and log line names the same causes.

/// Why a path was refused. Each is answered 400 (contract, "Paths").
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the request target is not a path that starts with “/”")]
    NotAPath,
    #[error("the path is longer than 8 KiB")]
    TooLong,
    #[error("the path has a dot segment")]
    DotSegment,
    #[error("the path has a backslash")]
    Backslash,
    #[error("the path has a control character")]
    Control,
    #[error("the path has a space or a “#” that is not percent-encoded")]
    Unencoded,
    #[error("the path has bytes outside ASCII that are not percent-encoded")]
    NotAscii,
    #[error("the path has a malformed percent-encoding")]
    MalformedEscape,
    #[error("the path is not UTF-8 once it is decoded")]
    MalformedUtf8,
    #[error("the path can be read in too many ways")]
    TooManyReadings,
    /// A budget, so that no target holds up the requests of others.
    #[error("finding every way to read the path would take too long")]
    TooMuchWork,
    /// Found by the decision: only the route knows whether it lets `%2f` through.
    #[error("the path has an encoded slash, which this route does not let through")]
    EncodedSlash,
}
