//! Paths and hosts as routes name them: only forms that have one reading.

use super::value;
use crate::base::Host;
use crate::config::document::outline::Shape;
use crate::config::document::problem::Fault;
use crate::config::document::section::Entry;
use crate::policy::HostPattern;

/// A path prefix without its trailing slash; the root is the empty string. Only unreserved characters (RFC 3986 section 2.3),
/// so that a request's readings can be compared byte by byte.
pub(in crate::config) fn prefix(entry: &Entry) -> Result<String, Fault> {
    entry.takes(|| Shape::Pattern("^/"));
    let text = value::text(entry)?;
    let fault = |what: &str, remedy: String| Err(Fault::new(format!("“{}” {what}", text.escape_default()), remedy));
    if !text.starts_with('/') {
        return fault("is no path", format!("start it with a slash: “/{}”", text.escape_default()));
    }
    if let Some(odd) = text.chars().find(|c| !(c.is_ascii_alphanumeric() || "-._~/".contains(*c))) {
        let remedy = "use letters, digits, “-”, “.”, “_”, “~” and “/” only; name the path above it".to_owned();
        return fault(&format!("has the character “{}”", odd.escape_default()), remedy);
    }
    if text.contains("//") {
        return fault("has a doubled slash", format!("write “{}”", merged(&text)));
    }
    if text.split('/').any(|segment| segment == "." || segment == "..") {
        return fault("has a dot segment", "write the path that it stands for".to_owned());
    }
    if text.len() > 1024 {
        return fault("is longer than 1024 bytes", "name a path above it".to_owned());
    }
    Ok(text.strip_suffix('/').unwrap_or(&text).to_owned())
}

/// A whole path in which `*` stands for any characters: `/admin*`, `*.php`, `*/.ht*`.
pub(in crate::config) fn pattern(entry: &Entry) -> Result<String, Fault> {
    entry.takes(|| Shape::Pattern("^[/*]"));
    let text = value::text(entry)?;
    let fault = |what: &str, remedy: &str| Err(Fault::new(format!("“{}” {what}", text.escape_default()), remedy));
    if !text.starts_with(['/', '*']) {
        return fault("is no pattern of a path", "start it with a slash or a star: “/admin*”, “*.php”");
    }
    if let Some(odd) = text.chars().find(|c| !(c.is_ascii_alphanumeric() || "-._~/*".contains(*c))) {
        return fault(
            &format!("has the character “{}”", odd.escape_default()),
            "use letters, digits, “-”, “.”, “_”, “~”, “/” and “*” only",
        );
    }
    if text.contains("//") || text.split('/').any(|segment| segment == "." || segment == "..") {
        return fault("never matches: no path has a doubled slash or a dot segment", "write the path that is meant");
    }
    if text.len() > 1024 || text.matches('*').count() > 8 {
        return fault("is longer than 1024 bytes, or has more than 8 stars", "use several patterns");
    }
    Ok(text)
}

fn merged(text: &str) -> String {
    let segments: Vec<&str> = text.split('/').filter(|segment| !segment.is_empty()).collect();
    format!("/{}", segments.join("/"))
}

/// Whether `path` is `prefix` or below it, on a segment boundary; both as [`prefix`] gives them.
pub(in crate::config) fn covers(prefix: &str, path: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A host, or `*.` and a host.
pub(in crate::config) fn host_pattern(entry: &Entry) -> Result<HostPattern, Fault> {
    let text = value::text(entry)?;
    let (below, name) = text.strip_prefix("*.").map_or((false, text.as_str()), |name| (true, name));
    if name.contains('*') {
        let remedy = "a star may only be the first label: *.internal.example; leave hosts out for every host";
        return Err(Fault::new(format!("“{text}” is no host"), remedy));
    }
    let has_port = name.rsplit_once(':').is_some_and(|(before, _)| !before.starts_with('[') || before.ends_with(']'));
    match Host::parse(name.as_bytes()) {
        Ok(_) if has_port => Err(Fault::new(format!("“{text}” has a port"), "leave the port out: hosts compare without it")),
        Ok(host) if below && host.is_address() => Err(Fault::new("nothing is below an address", "leave “*.” out")),
        Ok(host) if below => Ok(HostPattern::Below(host.as_str().to_owned())),
        Ok(host) => Ok(HostPattern::Exact(host.as_str().to_owned())),
        Err(_) => Err(Fault::new(format!("“{}” is no host", text.escape_default()), "give a name such as wiki.internal.example")),
    }
}
