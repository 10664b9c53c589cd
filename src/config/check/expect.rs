//! `[[expect]]`: policy tests, read here and run by the one who holds the policy.

use std::net::IpAddr;

use url::Url;

use super::routes::method;
use crate::config::document::outline::Shape;
use crate::config::document::problem::Fault;
use crate::config::document::section::{Entry, Section};
use crate::config::readers::value;
use crate::policy::{Expectation, OFF, Outcome};

pub(in crate::config) fn expectations(root: &Section) -> Vec<Expectation> {
    root.sections("expect").into_iter().filter_map(expectation).collect()
}

fn expectation(s: Section) -> Option<Expectation> {
    let outcomes = Outcome::ALL.map(|outcome| (outcome.name(), outcome));
    let url = s.required("url", "write url = \"https://wiki.internal.example/admin/\"", url);
    let remedy = "write outcome = \"two_factor\" (or bypass, one_factor, forbidden, deny, no_route)";
    let outcome = s.required("outcome", remedy, value::choice(&outcomes));
    let groups = s.list("groups", value::group);
    let user = s.maybe("user", value::label);
    if s.has("groups") && s.has("user") {
        s.error("user", Fault::new("both groups and user are given", "name a user, or the groups of one"));
    }
    let from = s.maybe("from", address);
    let method = s.or("method", http::Method::GET, method);
    let device_bound =
        s.maybe("device_bound", value::choice(&[("observe", "observe"), ("prefer", "prefer"), ("require", "require"), (OFF, OFF)]));
    let at = s.collector.place(&s.origin);
    s.finish();
    Some(Expectation { url: url?, groups: groups.unwrap_or_default(), user, from, method, outcome: outcome?, device_bound, at })
}

/// A URL that the parser leaves as it is: a test must ask for what it says.
fn url(entry: &Entry) -> Result<Url, Fault> {
    entry.takes(|| Shape::Pattern("^https?://"));
    let text = value::text(entry)?;
    let form = "write http://HOST/PATH or https://HOST/PATH";
    let url = Url::parse(&text).map_err(|e| Fault::new(format!("not a URL: {e}"), form))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(Fault::new("not an http or https URL", form));
    }
    let after_scheme = text.split_once("://").map_or("", |(_, rest)| rest);
    let written = after_scheme.find(['/', '?', '#', '\\']).map_or("", |at| after_scheme.get(at..).unwrap_or_default());
    let read = &url[url::Position::BeforePath..];
    if !(written == read || written.is_empty() && read == "/" || written.starts_with('?') && read == format!("/{written}")) {
        let what = format!("“{}” would be read as “{read}”", written.escape_default());
        return Err(Fault::new(what, "write the path that is meant; forms that are refused need no test"));
    }
    Ok(url)
}

fn address(entry: &Entry) -> Result<IpAddr, Fault> {
    let text = value::text(entry)?;
    text.parse().map_err(|_| Fault::new(format!("“{}” is no address", text.escape_default()), "write an IPv4 or IPv6 address"))
}
