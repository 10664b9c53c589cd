//! What a request says about itself, read once and with suspicion. Guarantees one well-formed Host, an origin-form target, a
//! method that is forwarded, bounded headers, and a client address that only trusted proxies can speak for.

use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderMap, Method, StatusCode, Version, header};
use ipnet::IpNet;
use pingora::http::RequestHeader;

use crate::base::{ClientAddr, Host};
use crate::gateway::client_certificate::{Fault, Shown};
use crate::gateway::request::{framing, header_names};

/// Header lines, at most; pingora itself stops at 256.
const MAX_HEADERS: usize = 200;
/// Names and values together, in bytes; pingora itself stops at 1 MiB.
const MAX_HEADER_BYTES: usize = 64 * 1024;
/// The request target, in bytes.
pub const MAX_TARGET: usize = 16 * 1024;

/// A request as the gateway understands it.
#[derive(Clone)]
pub struct RequestInfo {
    pub host: Host,
    /// The Host in its comparable form, with the port as sent.
    pub authority: Arc<str>,
    pub method: Method,
    pub client: ClientAddr,
    /// Who is connected to us.
    pub peer: IpAddr,
    /// Whether that is a trusted proxy.
    pub trusted: bool,
    /// Whether the client speaks HTTPS, to us or to the trusted proxy.
    pub secure: bool,
    /// Whether a body comes that may be a form.
    pub form: bool,
    /// The client's certificate that counts. Not read here.
    pub certificate: Option<Shown>,
    /// Why the one that came does not. Not read here.
    pub certificate_fault: Option<Fault>,
}

/// Why a request is refused before anything is decided.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refusal {
    pub status: StatusCode,
    pub reason: &'static str,
}

pub const fn bad(reason: &'static str) -> Refusal {
    Refusal { status: StatusCode::BAD_REQUEST, reason }
}

/// Where a connection comes from.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    pub peer: IpAddr,
    pub tls: bool,
    pub trusted_proxies: &'a [IpNet],
}

/// Reads a request. `raw` gives the header as it came over HTTP/1, from which pingora has already taken things away; `host_of` reads
/// an authority, as [`host_of`] does.
///
/// # Errors
/// The status to answer: 400, 405, 414 or 431.
pub fn read<R: AsRef<[u8]>>(
    header: &RequestHeader,
    raw: impl Fn() -> R,
    origin: Origin<'_>,
    host_of: impl FnOnce(&str) -> Result<(Host, Arc<str>), Refusal>,
) -> Result<RequestInfo, Refusal> {
    bounded(header)?;
    if matches!(header.method.as_str(), "CONNECT" | "TRACE" | "TRACK") {
        return Err(Refusal { status: StatusCode::METHOD_NOT_ALLOWED, reason: "method" });
    }
    // Methods are case-sensitive (RFC 9110 section 9.1); servers that forget it would take `delete` for a method that no rule names.
    if header.method.as_str().bytes().any(|b| b.is_ascii_lowercase()) {
        return Err(bad("method"));
    }
    if (header.headers.contains_key(header::TRANSFER_ENCODING) && framing::names_content_length(raw().as_ref()))
        || !framing::is_one_length(&header.headers)
    {
        return Err(bad("framing"));
    }
    // pingora has cut a fragment off by now, which no client may send (RFC 9112 section 3.2).
    if !header.raw_path().starts_with(b"/") || (header.version != Version::HTTP_2 && framing::has_fragment(raw().as_ref())) {
        return Err(bad("target_form"));
    }
    let (host, authority) = host_of(authority(header)?)?;
    let trusted = ClientAddr::new(origin.peer).is_in(origin.trusted_proxies);
    let chain = trusted.then(|| forwarded_for(&header.headers)).flatten();
    let client = ClientAddr::resolve(origin.peer, chain.as_deref(), origin.trusted_proxies);
    let secure = if trusted { forwarded_proto(&header.headers).unwrap_or(origin.tls) } else { origin.tls };
    Ok(RequestInfo {
        host,
        authority,
        method: header.method.clone(),
        client,
        peer: origin.peer,
        trusted,
        secure,
        form: has_form(header),
        certificate: None,
        certificate_fault: None,
    })
}

fn bounded(header: &RequestHeader) -> Result<(), Refusal> {
    let too_large = Refusal { status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, reason: "headers_too_large" };
    if header.raw_path().len() > MAX_TARGET {
        return Err(Refusal { status: StatusCode::URI_TOO_LONG, reason: "target_too_long" });
    }
    let bytes: usize = header.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if header.headers.len() > MAX_HEADERS || bytes > MAX_HEADER_BYTES { Err(too_large) } else { Ok(()) }
}

/// The method that a POST asks the application to use instead, by a header or in its query (`_method=DELETE`, as Express, Spring and PHP
/// frameworks read it); the request is decided under both. With any other method such a header is not forwarded. A form that says so in
/// its body is beyond a gateway.
///
/// # Errors
/// If there are several, or one that is not a method: which of them counts would be the application's choice.
pub fn disguise(header: &RequestHeader) -> Result<Option<Method>, Refusal> {
    if header.method != Method::POST {
        return Ok(None);
    }
    let lines = header.headers.iter().filter(|(name, _)| header_names::is_override(name));
    let words = lines.map(|(_, value)| value.as_bytes().trim_ascii().to_ascii_uppercase()).chain(methods_in_query(header.raw_path()));
    let mut found: Option<Method> = None;
    for word in words {
        let method = Method::from_bytes(&word).map_err(|_| bad("method_override"))?;
        if found.as_ref().is_some_and(|other| *other != method) {
            return Err(bad("method_override"));
        }
        found = Some(method);
    }
    Ok(found)
}

/// Whether a body comes that an application may read fields from: a form by its type, or one without any type.
fn has_form(header: &RequestHeader) -> bool {
    if !matches!(header.method, Method::POST | Method::PUT | Method::PATCH) {
        return false;
    }
    let is_form = |value: &http::HeaderValue| {
        let kind = value.as_bytes().to_ascii_lowercase();
        kind.trim_ascii_start().starts_with(b"multipart/") || kind.windows(4).any(|word| word == b"form")
    };
    let mut kinds = header.headers.get_all(header::CONTENT_TYPE).iter().peekable();
    if kinds.peek().is_some() { kinds.any(is_form) } else { may_have_body(header) }
}

fn may_have_body(header: &RequestHeader) -> bool {
    match header.headers.get(header::CONTENT_LENGTH) {
        Some(length) => length.as_bytes().iter().any(|digit| *digit != b'0'),
        None => header.version == Version::HTTP_2 || header.headers.contains_key(header::TRANSFER_ENCODING),
    }
}

/// The values of a query's parameters that name a method, decoded, in capitals. An empty one names none.
fn methods_in_query(target: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let query = target.splitn(2, |b| *b == b'?').nth(1).unwrap_or_default();
    let pairs = query.split(|b| matches!(b, b'&' | b';')).filter_map(|pair| {
        let (name, value) = pair.split_at_checked(pair.iter().position(|b| *b == b'=')?)?;
        let name: Vec<u8> = decoded(name);
        let name = String::from_utf8_lossy(&name).trim().trim_end_matches("[]").to_ascii_lowercase();
        header_names::is_method_parameter(&name).then(|| decoded(value.get(1..).unwrap_or_default()).trim_ascii().to_ascii_uppercase())
    });
    pairs.filter(|word| !word.is_empty()).collect::<Vec<_>>().into_iter()
}

/// One layer of form encoding.
fn decoded(text: &[u8]) -> Vec<u8> {
    let spaces: Vec<u8> = text.iter().map(|b| if *b == b'+' { b' ' } else { *b }).collect();
    percent_encoding::percent_decode(&spaces).collect()
}

/// The one Host of a request; over HTTP/2 the `:authority`, which a Host beside it must repeat (RFC 9113 section 8.3.1).
pub fn authority(header: &RequestHeader) -> Result<&str, Refusal> {
    let mut hosts = header.headers.get_all(header::HOST).iter();
    let named = match (hosts.next(), hosts.next()) {
        (_, Some(_)) => return Err(bad("host")),
        (first, None) => first.map(|h| h.to_str()).transpose().map_err(|_| bad("host"))?,
    };
    let pseudo = header.uri.authority().filter(|_| header.version == Version::HTTP_2).map(http::uri::Authority::as_str);
    match (pseudo, named) {
        (Some(a), Some(b)) if !a.eq_ignore_ascii_case(b) => Err(bad("host")),
        (Some(a), _) | (None, Some(a)) => Ok(a),
        (None, None) => Err(bad("host")),
    }
}

/// The host that an authority names, and the authority in its comparable form.
///
/// # Errors
/// If it is not a host with or without a port.
pub fn host_of(sent: &str) -> Result<(Host, Arc<str>), Refusal> {
    let host = Host::parse(sent.as_bytes()).map_err(|_| bad("host"))?;
    let authority = comparable(&host, sent);
    Ok((host, Arc::from(authority)))
}

/// The authority with the host in the form in which routes compare it, so that an upstream does not read another host into it: lower
/// case, no trailing dot, the port as it was sent.
fn comparable(host: &Host, sent: &str) -> String {
    if sent.strip_prefix(host.as_str()).is_some_and(|port| port.is_empty() || port.starts_with(':')) {
        return sent.to_owned();
    }
    let port = sent.rsplit_once(':').map(|(_, port)| port).filter(|port| !port.ends_with(']'));
    port.map_or_else(|| host.to_string(), |port| format!("{host}:{port}"))
}

/// All X-Forwarded-For lines as one chain. A tab, which is white space there too (RFC 9110 section 5.6.3), becomes a space, because no
/// value that goes out has a tab, and a proxy in front passes on what its clients sent.
pub fn forwarded_for(headers: &HeaderMap) -> Option<String> {
    let lines: Vec<_> = headers.get_all("x-forwarded-for").iter().map(|v| String::from_utf8_lossy(v.as_bytes())).collect();
    if lines.is_empty() { None } else { Some(lines.join(", ").replace('\t', " ")) }
}

/// The scheme by the nearest proxy: the last word, since earlier ones may be the client's.
fn forwarded_proto(headers: &HeaderMap) -> Option<bool> {
    let last = headers.get_all("x-forwarded-proto").iter().next_back()?.to_str().ok()?;
    match last.rsplit(',').next().unwrap_or_default().trim() {
        word if word.eq_ignore_ascii_case("https") => Some(true),
        word if word.eq_ignore_ascii_case("http") => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, target: &str, headers: &[(&str, &str)]) -> RequestHeader {
        let mut header = RequestHeader::build(method, target.as_bytes(), None).unwrap();
        for (name, value) in headers {
            header.append_header((*name).to_owned(), *value).unwrap();
        }
        header
    }

    fn read_from(peer: &str, header: &RequestHeader, raw: &[u8]) -> Result<RequestInfo, Refusal> {
        let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap()];
        read(header, || raw, Origin { peer: peer.parse().unwrap(), tls: false, trusted_proxies: &trusted }, host_of)
    }

    fn status(method: &str, target: &str, headers: &[(&str, &str)]) -> u16 {
        read_from("192.0.2.1", &request(method, target, headers), b"").err().map_or(200, |r| r.status.as_u16())
    }

    #[test]
    fn forms_that_no_honest_client_sends_are_refused() {
        let host = [("Host", "a.example")];
        assert_eq!(status("GET", "/", &host), 200);
        assert_eq!(status("GET", "http://a.example/", &host), 400);
        assert_eq!(status("OPTIONS", "*", &host), 400);
        assert_eq!(status("GET", "/", &[]), 400);
        assert_eq!(status("GET", "/", &[("Host", "a"), ("Host", "a")]), 400);
        assert_eq!(status("GET", "/", &[("Host", "a,b")]), 400);
        assert_eq!(status("GET", "/", &[("Host", "")]), 400);
        assert_eq!(status("TRACE", "/", &host), 405);
        assert_eq!(status("GET", &format!("/{}", "a".repeat(20_000)), &host), 414);
        assert_eq!(status("GET", "/", &[("Host", "a"), ("X", &"y".repeat(70_000))]), 431);
        assert_eq!(status("GET", "/", &[[("Host", "a")].as_slice(), &[("X", "y"); 200]].concat()), 431);
    }

    #[test]
    fn a_method_in_lower_case_is_refused() {
        for method in ["get", "delete", "Post", "trace", "connect"] {
            assert_eq!(status(method, "/", &[("Host", "a")]), 400, "{method}");
        }
        assert_eq!(status("PROPFIND", "/", &[("Host", "a")]), 200);
    }

    #[test]
    fn a_disguised_method_is_found_in_every_spelling_or_refused() {
        let written = |method, headers: &[(&str, &str)]| disguise(&request(method, "/", headers)).map(|m| m.map(|m| m.to_string()));
        assert_eq!(written("POST", &[]), Ok(None));
        for name in ["X-HTTP-Method-Override", "x_http_method", "X-Method_Override"] {
            assert_eq!(written("POST", &[(name, " delete")]), Ok(Some("DELETE".into())), "{name}");
            assert_eq!(written("GET", &[(name, "DELETE")]), Ok(None), "not forwarded");
        }
        for other in ["GET", "a b", "", "PUT,DELETE"] {
            assert!(written("POST", &[("X-HTTP-Method", "DELETE"), ("X-HTTP-Method-Override", other)]).is_err(), "{other}");
        }
    }

    #[test]
    fn a_method_in_the_query_of_a_post_is_found() {
        let written = |method, target: &str| disguise(&request(method, target, &[])).map(|m| m.map(|m| m.to_string()));
        for query in [
            "_method=DELETE",
            "a=b&_METHOD=delete",
            "x;_method=+Delete",
            "%5fmethod=%44ELETE",
            "_method[]=DELETE",
            "X-HTTP-Method-Override=DELETE",
        ] {
            assert_eq!(written("POST", &format!("/a?{query}")), Ok(Some("DELETE".into())), "{query}");
            assert_eq!(written("GET", &format!("/a?{query}")), Ok(None), "frameworks heed it in a POST only");
        }
        for query in ["", "method=DELETE", "_method", "_method=", "a=_method=DELETE"] {
            assert_eq!(written("POST", &format!("/a?{query}")), Ok(None), "{query}");
        }
        for query in ["_method=a%20b", "_method=PUT&_method=DELETE"] {
            assert!(written("POST", &format!("/a?{query}")).is_err(), "{query}");
        }
    }

    #[test]
    fn both_framings_at_once_are_refused_though_pingora_hides_one() {
        let header = request("POST", "/", &[("Host", "a"), ("Transfer-Encoding", "chunked")]);
        let raw = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-LENGTH: 4\r\n\r\n";
        assert_eq!(read_from("192.0.2.1", &header, raw).err().unwrap().reason, "framing");
        assert!(read_from("192.0.2.1", &header, b"POST / HTTP/1.1\r\nX: content-length: 4\r\n\r\n").is_ok());
    }

    #[test]
    fn a_fragment_is_refused() {
        let header = request("GET", "/a", &[("Host", "a")]);
        assert_eq!(read_from("192.0.2.1", &header, b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n").err().unwrap().reason, "target_form");
        assert!(read_from("192.0.2.1", &header, b"GET /a HTTP/1.1\r\nHost: a\r\nX: #\r\n\r\n").is_ok());
    }

    #[test]
    fn one_length_counts() {
        let lengths = |values: &[&str]| {
            let lines: Vec<_> = values.iter().map(|v| ("Content-Length", *v)).chain([("Host", "a")]).collect();
            status("POST", "/", &lines)
        };
        assert_eq!((lengths(&["5"]), lengths(&["5", "5"])), (200, 200));
        for bad in [["5", "6"], ["5", "05"], ["5, 5", "5, 5"], ["+5", "+5"]] {
            assert_eq!(lengths(&bad), 400, "{bad:?}");
        }
    }

    #[test]
    fn the_authority_is_the_host_that_is_judged() {
        for (sent, authority) in [
            ("A.Example.:8080", "a.example:8080"),
            ("a.example", "a.example"),
            ("[2001:DB8::1]", "[2001:db8::1]"),
            ("[::1]:80", "[::1]:80"),
        ] {
            assert_eq!(&*read_from("192.0.2.1", &request("GET", "/", &[("Host", sent)]), b"").unwrap().authority, authority);
        }
    }

    #[test]
    fn only_a_trusted_proxy_speaks_for_the_client() {
        let header = request(
            "GET",
            "/",
            &[("Host", "a"), ("X-Forwarded-For", "1.1.1.1"), ("X-Forwarded-For", "203.0.113.7"), ("X-Forwarded-Proto", "http, https")],
        );
        let info = read_from("10.0.0.1", &header, b"").unwrap();
        assert_eq!((info.client.to_string().as_str(), info.secure), ("203.0.113.7", true));
        let info = read_from("192.0.2.1", &header, b"").unwrap();
        assert_eq!((info.client.to_string().as_str(), info.secure), ("192.0.2.1", false));
    }
}
