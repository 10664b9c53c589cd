//! An application that does not know the path it is mounted at (`proxy.strip_prefix`): the prefix is cut off what goes to it, and put
//! before what it says of its own paths. Guarantees that the path which is sent is the one that was decided on: each of its readings, with
//! the prefix before it, is a reading of the client's path.

use http::HeaderValue;

use crate::path::Path;

/// The target as it is sent; `None` if the prefix does not stand there in so many words, or if the rest could be read as another path
/// than the one that was decided on.
pub fn strip<'t>(target: &'t [u8], prefix: &str) -> Option<std::borrow::Cow<'t, [u8]>> {
    let rest = target.strip_prefix(prefix.as_bytes())?;
    let sent = match rest.first() {
        Some(b'/') => std::borrow::Cow::Borrowed(rest),
        None | Some(b'?') => std::borrow::Cow::Owned([b"/", rest].concat()),
        Some(_) => return None,
    };
    is_same(target, &sent, prefix).then_some(sent)
}

fn is_same(target: &[u8], sent: &[u8], prefix: &str) -> bool {
    let (Ok(decided), Ok(path)) = (Path::parse(target), Path::parse(sent)) else { return false };
    let mounted = |reading: &str, text: &str| {
        // `/wiki` and `/wiki/` are the same place.
        let text = if text == "/" { "" } else { text };
        reading.strip_suffix(text).is_some_and(|head| head.trim_end_matches('/').eq_ignore_ascii_case(prefix))
    };
    path.readings().all(|reading| decided.readings().any(|other| mounted(other.text, reading.text)))
}

/// A `Location` or `Content-Location` of the application as the client must see it; `None` if it stays as it is.
pub fn restore_location(value: &HeaderValue, prefix: &str, authority: &str) -> Option<HeaderValue> {
    let text = value.to_str().ok()?;
    let (head, path) = split_location(text, authority)?;
    HeaderValue::from_str(&format!("{head}{prefix}{path}")).ok()
}

/// What stands before the path of a URL on our own host, and the path. A relative reference is right as it is.
fn split_location<'t>(text: &'t str, authority: &str) -> Option<(&'t str, &'t str)> {
    if text.starts_with('/') && !text.starts_with("//") && !text.starts_with("/\\") {
        return Some(("", text));
    }
    let after = text.find("://").map(|at| at + 3).or_else(|| text.starts_with("//").then_some(2))?;
    let rest = text.get(after..)?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (host, path) = rest.split_at(end);
    host.eq_ignore_ascii_case(authority).then(|| text.split_at(text.len() - path.len()))
}

/// A `Set-Cookie` whose path is moved below the prefix; `None` if it stays as it is. Without a path the browser takes the request's own,
/// which has the prefix already.
pub fn restore_cookie(line: &HeaderValue, prefix: &str) -> Option<HeaderValue> {
    let text = std::str::from_utf8(line.as_bytes()).ok()?;
    let mut changed = false;
    let parts: Vec<String> = text
        .split(';')
        .enumerate()
        .map(|(at, part)| match part.split_once('=') {
            Some((name, value)) if at > 0 && name.trim().eq_ignore_ascii_case("path") && value.trim().starts_with('/') => {
                changed = true;
                let path = value.trim();
                format!(" Path={prefix}{}", if path == "/" { "/" } else { path })
            }
            _ => part.to_owned(),
        })
        .collect();
    let whole = parts.join(";");
    changed.then(|| HeaderValue::from_bytes(whole.as_bytes()).ok()).flatten()
}

/// A WebDAV `Destination` (RFC 4918 section 10.3) on our own host as the application must see it. `None` if it cannot be: it leads
/// elsewhere, or out of the prefix.
pub fn strip_destination(value: &HeaderValue, prefix: &str, authority: &str) -> Option<HeaderValue> {
    let text = value.to_str().ok()?;
    let (head, path) = split_location(text, authority)?;
    let sent = strip(path.as_bytes(), prefix)?;
    HeaderValue::from_bytes(&[head.as_bytes(), &sent].concat()).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sent(target: &str) -> Option<String> {
        strip(target.as_bytes(), "/wiki").map(|sent| String::from_utf8(sent.into_owned()).unwrap())
    }

    fn value(text: &str) -> HeaderValue {
        HeaderValue::from_bytes(text.as_bytes()).unwrap()
    }

    #[test]
    fn the_prefix_is_cut_on_a_boundary_and_only_as_it_is_written() {
        assert_eq!(sent("/wiki/a/b?c=/wiki/d").as_deref(), Some("/a/b?c=/wiki/d"));
        assert_eq!(sent("/wiki").as_deref(), Some("/"));
        assert_eq!(sent("/wiki?x").as_deref(), Some("/?x"));
        assert_eq!(sent("/wiki/").as_deref(), Some("/"));
        assert_eq!(sent("/wiki/My%20Page").as_deref(), Some("/My%20Page"));
        for other in ["/wikis/a", "/other", "/WIKI/a", "/%77iki/a", "//wiki/a", "/wiki;x/a"] {
            assert_eq!(sent(other), None, "{other}");
        }
    }

    #[test]
    fn what_would_be_read_as_another_path_is_not_sent() {
        for target in ["/wiki//host/admin", "/wiki//admin", "/wiki/%2fadmin/x"] {
            if let Some(sent) = sent(target) {
                assert!(is_same(target.as_bytes(), sent.as_bytes(), "/wiki"), "{target}");
            }
        }
        assert_eq!(sent("/wiki//host/admin"), None, "a URL parser reads //host/admin as /admin");
    }

    #[test]
    fn what_the_application_says_of_its_own_paths_is_put_below_the_prefix() {
        let location = |text: &str| restore_location(&value(text), "/wiki", "a.example:8080").map(|v| v.to_str().unwrap().to_owned());
        assert_eq!(location("/start?x").as_deref(), Some("/wiki/start?x"));
        assert_eq!(location("http://a.example:8080/start").as_deref(), Some("http://a.example:8080/wiki/start"));
        assert_eq!(location("//A.example:8080/x").as_deref(), Some("//A.example:8080/wiki/x"));
        assert_eq!(location("https://a.example:8080").as_deref(), Some("https://a.example:8080/wiki"));
        for stays in ["start", "../up", "?q", "#top", "http://other.example/x", "//other.example/x", "mailto:a@b"] {
            assert_eq!(location(stays), None, "{stays}");
        }
        let cookie = |text: &str| restore_cookie(&value(text), "/wiki").map(|v| v.to_str().unwrap().to_owned());
        assert_eq!(cookie("a=Path=/x; Path=/; HttpOnly").as_deref(), Some("a=Path=/x; Path=/wiki/; HttpOnly"));
        assert_eq!(cookie("a=1;path=/admin").as_deref(), Some("a=1; Path=/wiki/admin"));
        assert_eq!(cookie("a=1; HttpOnly"), None);
        let destination = |text: &str| strip_destination(&value(text), "/wiki", "a.example");
        assert_eq!(destination("http://a.example/wiki/b").unwrap(), "http://a.example/b");
        assert!(destination("http://a.example/other").is_none() && destination("http://b.example/wiki/b").is_none());
    }

    proptest! {
        /// A naive application that joins nothing, decodes once and merges slashes sees a path below the prefix that was decided on.
        #[test]
        fn every_reading_of_what_is_sent_was_decided_on(rest in "(/|%2e|%2f|%5c|;x|a|B|%61|%2561|%20|\\?q){0,8}") {
            let target = format!("/wiki{rest}");
            if let Some(sent) = sent(&target) {
                prop_assert!(target.ends_with(sent.trim_start_matches('/')) || sent == "/");
                let decided = Path::parse(target.as_bytes()).unwrap();
                let naive = percent_encoding::percent_decode_str(sent.split('?').next().unwrap()).decode_utf8().unwrap().into_owned();
                let mounted = format!("/wiki{}", naive.trim_end_matches('/'));
                prop_assert!(decided.readings().any(|reading| reading.text.trim_end_matches('/') == mounted), "{target} sent as {sent}");
            }
        }
    }
}
