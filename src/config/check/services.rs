//! `[mail]`, `[sms]` and `[store]`: what the gateway talks to. Secrets may be in files; none is repeated in a message.

use std::path::{Component, Path};
use std::time::Duration;

use crate::base::Secret;
use crate::config::document::outline::Shape;
use crate::config::document::problem::{Fault, Severity};
use crate::config::document::section::{Entry, Section};
use crate::config::readers::pem;
use crate::config::readers::secret::{is_given, secret};
use crate::config::readers::value;
use crate::config::typed::{Audit, AuditFile, Mail, Sms, StoreUrl, Telemetry};

/// `None` where the section is left out, or wrong.
pub(in crate::config) fn mail(s: Section) -> Option<Mail> {
    let url = secret(&s, "url");
    let from = s.maybe("from", mailbox);
    let hello = s.maybe("hello", hello);
    let ca = s.maybe("ca", pem::authorities);
    if s.is_present() {
        missing(&s, "url", is_given(&s, "url"), "write url = \"smtp://127.0.0.1:25\"");
        missing(&s, "from", s.has("from"), "write from = \"Vestibule <no-reply@internal.example>\"");
    }
    let key = if s.has("url") { "url" } else { "url_file" };
    match url.as_ref().map(mail_url) {
        Some(Err(fault)) => s.error(key, fault),
        Some(Ok(url)) if url.scheme() == "smtp" && url.password().is_some() && !is_loopback(&url) => {
            s.warn(key, "the password travels in the clear", "use smtp+starttls:// or smtps://");
        }
        _ => (),
    }
    s.finish();
    Some(Mail { url: url?, from: from?, hello, ca })
}

fn missing(s: &Section, key: &str, given: bool, remedy: &str) {
    if !given {
        s.error(key, Fault::new("missing", remedy));
    }
}

/// A name or an address literal (RFC 5321 section 4.1.1.1): what stands after EHLO.
fn hello(entry: &Entry) -> Result<String, Fault> {
    let text = value::text(entry)?;
    let remedy = "write this host's full name: gate.internal.example";
    let is_literal = text.starts_with('[') && text.ends_with(']');
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.:[]".contains(&b)) {
        return Err(Fault::new("not a host name", remedy));
    }
    if !is_literal && !text.contains('.') {
        return Err(Fault::new("not a fully qualified name, which mail servers refuse with 504", remedy));
    }
    Ok(text)
}

fn mail_url(secret: &Secret) -> Result<url::Url, Fault> {
    let remedy =
        "write smtp://HOST:25, smtp+starttls://USER:PASSWORD@HOST:587 or smtps://USER:PASSWORD@HOST:465; encode special characters";
    let url = url::Url::parse(secret.expose()).map_err(|e| Fault::new(format!("not a URL: {e}"), remedy))?;
    if !["smtp", "smtp+starttls", "smtps"].contains(&url.scheme()) {
        return Err(Fault::new("the scheme is not one of smtp, smtp+starttls, smtps", remedy));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(Fault::new("the URL names no host", remedy));
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err(Fault::new("the URL has a path, query or fragment", remedy));
    }
    Ok(url)
}

/// Hosts of schemes that the URL standard does not know are opaque text.
fn is_loopback(url: &url::Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn mailbox(entry: &Entry) -> Result<String, Fault> {
    let text = value::text(entry)?;
    let parsed: Result<lettre::message::Mailbox, _> = text.parse();
    let remedy = "write NAME <user@host>: Vestibule <no-reply@internal.example>";
    parsed.map(|_| text).map_err(|e| Fault::new(format!("not a mail address: {e}"), remedy))
}

/// `None` where the section is left out, or wrong.
pub(in crate::config) fn sms(s: Section) -> Option<Sms> {
    let url = s.maybe("url", http_url);
    let body = s.maybe("body", template);
    let headers = headers(s.section("headers"));
    if s.is_present() {
        missing(&s, "url", s.has("url"), "write the URL that the SMS gateway takes messages at");
        missing(&s, "body", s.has("body"), r#"write body = '{"to": {{ phone | tojson }}, "text": {{ text | tojson }}}'"#);
    }
    s.finish();
    Some(Sms { url: url?, headers, body: body? })
}

fn http_url(entry: &Entry) -> Result<String, Fault> {
    entry.takes(|| Shape::Pattern("^https?://"));
    let text = value::text(entry)?;
    let remedy = "write https://HOST/PATH, credentials in headers";
    let url = url::Url::parse(&text).map_err(|e| Fault::new(format!("not a URL: {e}"), remedy))?;
    let plain = url.username().is_empty() && url.password().is_none();
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() || !plain {
        return Err(Fault::new("not an http or https URL without user information", remedy));
    }
    Ok(text)
}

fn headers(s: Section) -> Vec<(String, Secret)> {
    let mut names: Vec<&str> = s.names().iter().map(|name| name.strip_suffix("_file").unwrap_or(name)).collect();
    names.sort_unstable();
    names.dedup();
    let headers = names.into_iter().filter_map(|name| {
        let value = secret(&s, name)?;
        if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
            s.error(name, Fault::new("not a header name", "use letters, digits and “-”"));
            return None;
        }
        if http::HeaderValue::from_str(value.expose()).is_err() {
            s.error(name, Fault::new("the value has control characters", "give one line of text"));
            return None;
        }
        Some((name.to_ascii_lowercase(), value))
    });
    let headers = headers.collect();
    s.finish();
    headers
}

/// A body with `{{ phone }}` and `{{ text }}`, each through filters.
fn template(entry: &Entry) -> Result<String, Fault> {
    let text = value::text(entry)?;
    let form = "write {{ phone | tojson }} and {{ text | tojson }}, or urlencode for a form";
    let mut rest = text.as_str();
    let mut used = Vec::new();
    while let Some((_, after)) = rest.split_once("{{") {
        let (inner, after) = after.split_once("}}").ok_or_else(|| Fault::new("“{{” without “}}”", form))?;
        let mut parts = inner.split('|').map(str::trim);
        let name = parts.next().unwrap_or_default();
        if !["phone", "text"].contains(&name) {
            return Err(Fault::new(format!("“{}” is no value here", name.escape_default()), form));
        }
        // `replace("+", "")` is for gateways that want numbers in another form.
        let known = |filter: &str| ["tojson", "urlencode", "replace"].contains(&filter.split('(').next().unwrap_or_default());
        if let Some(filter) = parts.find(|filter| !known(filter)) {
            return Err(Fault::new(format!("“{}” is no filter", filter.escape_default()), form));
        }
        used.push(name);
        rest = after;
    }
    if let Some(name) = ["phone", "text"].into_iter().find(|name| !used.contains(name)) {
        let warning = Fault::new(format!("the body never uses “{name}”"), form);
        entry.collector.add(Severity::Warning, &entry.node.origin, &entry.path, warning);
    }
    Ok(text)
}

/// What `[store]` says.
pub(in crate::config) struct Stored {
    pub url: StoreUrl,
    pub snapshot_every: Duration,
    pub max_stale: Duration,
    pub sessions_in_memory: usize,
}

/// The longest time for which a gateway that is cut off from its database may go on.
const LONGEST_STALE: Duration = Duration::from_secs(86_400);

/// More sessions than anybody's memory holds.
const MOST_SESSIONS: usize = 100_000_000;

/// `sled:NAME` below the data folder, or a PostgreSQL database; how often the first is saved, and how long the second may be away.
pub(in crate::config) fn store(s: Section, data_dir: &Path, (every, stale, sessions): (Duration, Duration, usize)) -> Stored {
    let url = secret(&s, "url").unwrap_or_else(|| Secret::new("sled:store"));
    let key = if s.has("url_file") { "url_file" } else { "url" };
    let store = store_url(&url, data_dir).unwrap_or_else(|fault| {
        s.error(key, fault);
        StoreUrl::Sled(data_dir.join("store"))
    });
    let store = match store {
        StoreUrl::Postgres(url) => match s.entry("url_file").and_then(|entry| value::path(&entry).ok()) {
            Some(file) => StoreUrl::PostgresIn { file, url },
            None => StoreUrl::Postgres(url),
        },
        other => other,
    };
    if matches!(&store, StoreUrl::Postgres(url) | StoreUrl::PostgresIn { url, .. } if travels_in_the_clear(url)) {
        s.warn(key, "sessions and password hashes travel in the clear", "use sslmode=verify-full");
    }
    let snapshot_every = s.or("snapshot_every", every, value::span(Duration::ZERO..=Duration::from_secs(7 * 86_400)));
    let max_stale = s.or("max_stale", stale, value::span(Duration::ZERO..=LONGEST_STALE));
    let sessions_in_memory = s.or("sessions_in_memory", sessions, value::whole(1000..=MOST_SESSIONS));
    s.finish();
    Stored { url: store, snapshot_every, max_stale, sessions_in_memory }
}

/// How long records may be kept: a hundred years.
const LONGEST: Duration = Duration::from_secs(36_500 * 86_400);

pub(in crate::config) fn audit(s: Section, default: Audit) -> Audit {
    let audit = Audit { retention: s.or("retention", default.retention, retention), file: s.maybe("file", audit_file) };
    s.finish();
    audit
}

pub(in crate::config) fn telemetry(s: Section, default: Telemetry) -> Telemetry {
    let telemetry = Telemetry {
        otlp: s.maybe("otlp", collector),
        headers: headers(s.section("headers")),
        sample_ratio: s.or("sample_ratio", default.sample_ratio, value::ratio),
    };
    s.finish();
    telemetry
}

fn collector(entry: &Entry) -> Result<String, Fault> {
    let url = http_url(entry)?;
    if url.contains(['?', '#']) {
        return Err(Fault::new("the URL has a query or fragment", "write http://HOST:4318; /v1/traces is put behind it"));
    }
    Ok(url)
}

fn audit_file(entry: &Entry) -> Result<AuditFile, Fault> {
    if value::text(entry)? == "-" { Ok(AuditFile::Stdout) } else { value::path(entry).map(AuditFile::Path) }
}

/// Zero, or a day and more: what is removed within hours answers no auditor.
fn retention(entry: &Entry) -> Result<Duration, Fault> {
    let kept = value::span(Duration::ZERO..=LONGEST)(entry)?;
    if !kept.is_zero() && kept < value::DAY {
        return Err(Fault::new("records would be gone within a day", "give at least 1d, or 0s to keep everything"));
    }
    Ok(kept)
}

fn store_url(secret: &Secret, data_dir: &Path) -> Result<StoreUrl, Fault> {
    let remedy = "write sled:store, a folder below data_dir";
    let url = secret.expose();
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return postgres_url(url).map(|()| StoreUrl::Postgres(secret.clone()));
    }
    let name = url.strip_prefix("sled:").ok_or_else(|| Fault::new("the store is neither sled: nor postgres://", remedy))?;
    let below = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    if name.is_empty() || name.contains('\0') || !below {
        return Err(Fault::new("the store's folder is not below data_dir", remedy));
    }
    Ok(StoreUrl::Sled(data_dir.join(name)))
}

/// The URL once for each host of its list: `postgres://u@a:5432,b:5432/db` names two.
fn each_host(text: &str) -> Vec<String> {
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let (user, hosts) = authority.rfind('@').map_or(("", authority), |at| authority.split_at(at + 1));
    hosts.split(',').map(|host| format!("{scheme}://{user}{host}{tail}")).collect()
}

fn postgres_url(text: &str) -> Result<(), Fault> {
    each_host(text).iter().try_for_each(|text| postgres_url_of_one(text))
}

fn postgres_url_of_one(text: &str) -> Result<(), Fault> {
    let remedy = "write postgres://USER:PASSWORD@HOST:5432/DATABASE, several hosts with commas between them; encode special characters";
    let url = url::Url::parse(text).map_err(|e| Fault::new(format!("not a URL: {e}"), remedy))?;
    if url.host_str().is_none_or(str::is_empty) {
        return Err(Fault::new("the URL names no host", remedy));
    }
    if url.username().is_empty() {
        return Err(Fault::new("the URL names no user", remedy));
    }
    if url.path().len() < 2 || url.path().matches('/').count() > 1 || url.fragment().is_some() {
        return Err(Fault::new("the URL names no database, or more than one", remedy));
    }
    for (name, value) in url.query_pairs() {
        match (&*name, &*value) {
            ("sslmode", "disable" | "require" | "verify-ca" | "verify-full") | ("sslrootcert" | "application_name", _) => {}
            ("target_session_attrs", "any" | "read-write") => {}
            // Where the connection goes that listens, past a pooler; with the same user and database.
            ("listen", hosts) if !hosts.is_empty() && !hosts.contains(['@', '?', '#', ' ']) => {}
            ("listen", _) => return Err(Fault::new("listen names no host", "write listen=HOST:5432")),
            ("target_session_attrs", _) => {
                return Err(Fault::new("target_session_attrs is neither any nor read-write", "write read-write: the gateway writes"));
            }
            ("sslmode", _) => return Err(Fault::new("sslmode is no mode with or without TLS for certain", "write verify-full or disable")),
            _ => {
                return Err(Fault::new(
                    "an option of the URL is not known",
                    "there are sslmode, sslrootcert, application_name and target_session_attrs",
                ));
            }
        }
    }
    Ok(())
}

fn travels_in_the_clear(url: &Secret) -> bool {
    each_host(url.expose()).iter().any(|text| {
        let Ok(url) = url::Url::parse(text) else { return false };
        // A host that starts with an encoded slash is a socket's folder.
        let near = is_loopback(&url) || url.host_str().unwrap_or_default().starts_with('%');
        !near && url.query_pairs().any(|(name, value)| name == "sslmode" && value == "disable")
    })
}
