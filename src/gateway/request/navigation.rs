//! Whether somebody waits for a page: decides between a redirect or a page, and a problem document.

use http::header;
use http::{HeaderMap, HeaderValue, Method};

/// Whether a user is waiting for a page: GET or HEAD with `Sec-Fetch-Mode: navigate`; from a
/// client without `Sec-Fetch-*`: with `text/html` in Accept, no `X-Requested-With` and no `Upgrade`.
pub fn is_navigation(method: &Method, headers: &HeaderMap) -> bool {
    (*method == Method::GET || *method == Method::HEAD) && loads_a_page(headers)
}

/// Whether a browser is to show the answer as a page, whatever the method.
pub fn loads_a_page(headers: &HeaderMap) -> bool {
    if headers.keys().any(|name| name.as_str().starts_with("sec-fetch-")) {
        return headers.get("sec-fetch-mode").is_some_and(|mode| mode.as_bytes().eq_ignore_ascii_case(b"navigate"));
    }
    let html = |value: &HeaderValue| value.to_str().is_ok_and(|v| v.to_ascii_lowercase().contains("text/html"));
    headers.get_all(header::ACCEPT).iter().any(html) && !headers.contains_key("x-requested-with") && !headers.contains_key(header::UPGRADE)
}

/// Whether the page is for a frame, by what the browser says (Fetch Metadata, section 2.1).
pub fn is_framed(headers: &HeaderMap) -> bool {
    let frame = |value: &HeaderValue| matches!(value.as_bytes(), b"frame" | b"iframe");
    headers.get_all("sec-fetch-dest").iter().any(frame)
}

/// The page that holds the frame, if it is one of the same host: its path and query, as the Referer has them.
pub fn framing_page<'h>(headers: &'h HeaderMap, authority: &str, secure: bool) -> Option<&'h str> {
    let origin = format!("{}://{authority}", if secure { "https" } else { "http" });
    let referer = headers.get(header::REFERER)?.to_str().ok()?;
    referer.strip_prefix(&origin).filter(|target| target.starts_with('/') && !target.starts_with("//"))
}

/// Whether the answer to something other than a navigation is a page all the same: a form that a browser sent says that it shows one,
/// and accepts `text/html` (RFC 9110 section 12.5.1).
pub fn shows_a_page(headers: &HeaderMap) -> bool {
    let html = |value: &HeaderValue| value.to_str().is_ok_and(|v| v.to_ascii_lowercase().contains("text/html"));
    loads_a_page(headers) && headers.get_all(header::ACCEPT).iter().any(html)
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    fn headers(list: &[(&'static str, &'static str)]) -> HeaderMap {
        list.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn a_frame_comes_back_to_the_page_that_holds_it() {
        let framed = headers(&[("sec-fetch-dest", "iframe"), ("referer", "https://a.example/board?x=1")]);
        assert!(is_framed(&framed) && !is_framed(&headers(&[("sec-fetch-dest", "document")])) && !is_framed(&headers(&[])));
        assert_eq!(framing_page(&framed, "a.example", true), Some("/board?x=1"));
        for foreign in
            ["https://evil.example/", "http://a.example/", "https://a.example.evil.example/", "https://a.example//evil.example", ""]
        {
            assert_eq!(framing_page(&headers(&[("referer", foreign)]), "a.example", true), None, "{foreign}");
        }
    }

    #[test]
    fn navigations_are_told_from_the_rest() {
        type Headers = &'static [(&'static str, &'static str)];
        let cases: [(&str, Headers, bool); 11] = [
            ("GET", &[("sec-fetch-mode", "navigate")], true),
            ("HEAD", &[("sec-fetch-mode", "navigate"), ("accept", "*/*")], true),
            ("POST", &[("sec-fetch-mode", "navigate")], false),
            ("GET", &[("sec-fetch-mode", "cors"), ("accept", "text/html")], false),
            ("GET", &[("sec-fetch-site", "same-origin"), ("accept", "text/html")], false),
            ("GET", &[("accept", "text/html,*/*;q=0.8")], true),
            ("GET", &[("accept", "Text/HTML")], true),
            ("GET", &[("accept", "text/html"), ("x-requested-with", "XMLHttpRequest")], false),
            ("GET", &[("accept", "text/html"), ("upgrade", "websocket")], false),
            ("GET", &[("accept", "application/json")], false),
            ("GET", &[], false),
        ];
        for (method, headers, expected) in cases {
            let map = headers.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect();
            assert_eq!(is_navigation(&method.parse().unwrap(), &map), expected, "{method} {headers:?}");
        }
    }

    #[test]
    fn a_form_that_a_browser_sent_is_answered_with_a_page() {
        assert!(shows_a_page(&headers(&[("sec-fetch-mode", "navigate"), ("accept", "text/html,*/*;q=0.8")])));
        assert!(shows_a_page(&headers(&[("accept", "text/html")])), "a browser of old");
        assert!(!shows_a_page(&headers(&[("sec-fetch-mode", "navigate"), ("accept", "*/*")])));
        assert!(!shows_a_page(&headers(&[("sec-fetch-mode", "cors"), ("accept", "text/html")])));
        assert!(!shows_a_page(&headers(&[("accept", "application/json, text/html"), ("x-requested-with", "XMLHttpRequest")])));
        assert!(!shows_a_page(&headers(&[])));
    }
}
