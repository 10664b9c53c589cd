//! Where a WebDAV request writes to: the `Destination` header of COPY and MOVE (RFC 4918 section 10.3). Guarantees that what it names is a
//! target on the host of the request, to be decided like the request's own; anything else is refused.

use http::{Method, StatusCode};
use pingora::http::RequestHeader;

use crate::base::Host;
use crate::gateway::request::parse::Refusal;

/// The methods that HTTP itself and PATCH define. None of them has a destination; what a server does with another method is its own.
const WITHOUT: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

const fn refused(status: StatusCode, reason: &'static str) -> Refusal {
    Refusal { status, reason }
}

/// The target that a request names as its destination, as it was sent. `disguise` is the other method that the application may take it for.
///
/// # Errors
/// 400 for several headers, or one that is neither a URL nor an absolute path; 403 for another host.
pub fn target<'h>(header: &'h RequestHeader, disguise: Option<&Method>, host: &Host) -> Result<Option<&'h [u8]>, Refusal> {
    let mut lines = header.headers.get_all("destination").iter();
    let Some(line) = lines.next() else { return Ok(None) };
    let has_one = |method: &Method| !WITHOUT.contains(&method.as_str());
    if !has_one(&header.method) && !disguise.is_some_and(has_one) {
        return Ok(None);
    }
    let malformed = refused(StatusCode::BAD_REQUEST, "destination");
    let text = line.to_str().ok().filter(|_| lines.next().is_none()).map(str::trim).ok_or(malformed)?;
    // Without an authority before it, `//` begins one (RFC 3986 section 4.2).
    let (target, is_path) = match authority_and_target(text) {
        Some((authority, _)) if Host::parse(authority.as_bytes()).ok().as_ref() != Some(host) => {
            return Err(refused(StatusCode::FORBIDDEN, "foreign_destination"));
        }
        Some((_, target)) => (target, target.starts_with('/')),
        None => (text, text.starts_with('/') && !text.starts_with("//")),
    };
    if is_path { Ok(Some(target.as_bytes())) } else { Err(malformed) }
}

/// The two parts of an absolute URL; `None` for anything else.
fn authority_and_target(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return None;
    }
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at(end);
    Some((authority, if target.is_empty() { "/" } else { target }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(method: &str, lines: &[&str], disguise: Option<&str>) -> Result<Option<String>, u16> {
        let mut header = RequestHeader::build(method, b"/dav/a", None).unwrap();
        for line in lines {
            header.append_header("Destination", *line).unwrap();
        }
        let disguise = disguise.map(|method| Method::from_bytes(method.as_bytes()).unwrap());
        let found = target(&header, disguise.as_ref(), &Host::parse(b"app.example").unwrap());
        found.map(|found| found.map(|bytes| String::from_utf8_lossy(bytes).into_owned())).map_err(|refusal| refusal.status.as_u16())
    }

    #[test]
    fn the_destination_is_a_target_on_the_same_host() {
        for (line, target) in [
            ("http://app.example/dav/b%20c?x", "/dav/b%20c?x"),
            ("HTTPS://App.Example:8443/dav//b", "/dav//b"),
            ("/dav/b", "/dav/b"),
            ("http://app.example", "/"),
        ] {
            assert_eq!(read("MOVE", &[line], None), Ok(Some(target.to_owned())), "{line}");
        }
        assert_eq!(read("POST", &["/x"], Some("COPY")), Ok(Some("/x".to_owned())));
    }

    #[test]
    fn everything_else_is_refused() {
        for foreign in ["http://evil.example/", "http://app.example@evil.example/", "http://app.example.evil.example/", "http:///x"] {
            assert_eq!(read("COPY", &[foreign], None), Err(403), "{foreign}");
        }
        for odd in ["", "b", "../b", "//evil.example/b", "ftp://app.example/b", "\\b", "http:/b"] {
            assert_eq!(read("COPY", &[odd], None), Err(400), "{odd}");
        }
        assert_eq!(read("COPY", &["/a", "/a"], None), Err(400));
    }

    #[test]
    fn an_applications_own_header_of_that_name_stays() {
        assert_eq!(read("POST", &["Berlin"], None), Ok(None));
        assert_eq!(read("COPY", &[], None), Ok(None));
    }
}
