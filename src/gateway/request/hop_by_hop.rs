//! Headers that belong to one connection and are not passed on (RFC 9110 section 7.6.1).

use http::{HeaderMap, header};

/// Headers of one connection alone (RFC 9110 section 7.6.1).
pub const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "content-length",
];

/// The headers that `Connection:` names as belonging to this connection.
pub fn nominated(headers: &HeaderMap) -> Vec<String> {
    let lines = headers.get_all(header::CONNECTION).iter().filter_map(|v| v.to_str().ok());
    let names = lines.flat_map(|l| l.split(',')).map(|n| n.trim().to_ascii_lowercase());
    names.filter(|n| !n.is_empty() && n != "host" && n != "cookie").collect()
}
