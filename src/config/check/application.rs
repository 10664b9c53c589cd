//! What a route says of its application: how it is told who asks, which tokens it takes, and conditions on queries.

pub mod device;
mod upstream_auth;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};

use self::upstream_auth::upstream_auth;
use super::terms::Terms;
use crate::config::document::outline::Shape;
use crate::config::document::problem::Fault;
use crate::config::document::section::{Entry, Section};
use crate::config::document::tree::Content;
use crate::config::readers::value;
use crate::config::readers::value::{DAY, MINUTE, SECOND};
use crate::config::typed::Tokens;
use crate::identity::{Encoding, Groups, Names, Preset, Table};
use crate::policy::query::Condition;
use crate::policy::{Application, Assertion, GuestPattern, HeaderChange, Level, Maintenance};
use crate::token::{CountsAs, Way};

/// Headers that say something else, or that the gateway or the protocol needs.
const TAKEN: [&str; 24] = [
    "accept",
    "authorization",
    "client-cert",
    "client-cert-chain",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "origin",
    "proxy-authorization",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-request-id",
    "x-vestibule-token",
];

/// The settings of a route.
pub(in crate::config) fn application(s: &Section, binds_devices: bool) -> Application {
    let default = Application::default();
    let ways = Way::ALL.map(|way| (way.name(), way));
    let worth = [("one_factor", CountsAs::OneFactor), ("two_factor", CountsAs::TwoFactor)];
    let tokens = s.some("tokens", value::choice(&ways)).map(|ways| ways.into_iter().collect()).unwrap_or(default.tokens);
    let certificates = s.has("client_certificate") || s.sections("rules").iter().any(|rule| rule.has("client_certificate"));
    if s.has("tokens_count_as") && !s.has("tokens") && !certificates {
        let remedy = "set tokens = [\"bearer\"] or client_certificate = \"accept\", or remove tokens_count_as";
        s.error("tokens_count_as", Fault::new("the route takes no tokens and no certificates", remedy));
    }
    Application {
        title: s.maybe("title", value::label).map(Into::into),
        identity: identity(s).unwrap_or(default.identity),
        assertion: assertion(s),
        tokens,
        tokens_count_as: s.or("tokens_count_as", default.tokens_count_as, value::choice(&worth)),
        device: device::rule(s, binds_devices),
        guests: s.some("guests", guest).unwrap_or_default(),
        upstream_auth: upstream_auth(s),
        request_headers: header_changes(s, "request_headers", &REQUEST_FIXED),
        response_headers: header_changes(s, "response_headers", &RESPONSE_FIXED),
        max_body: s.maybe("max_body", value::bytes),
        maintenance: maintenance(s),
    }
}

fn guest(entry: &Entry) -> Result<GuestPattern, Fault> {
    let text = value::text(entry)?;
    GuestPattern::parse(&text).ok_or_else(|| {
        let what = format!("“{}” is neither an address nor *@ and a domain", text.escape_default());
        Fault::new(what, "write *@partner.example for everybody at that domain, or bob@partner.example")
    })
}

/// Headers of a request that are the protocol's, the client's or the gateway's to say.
const REQUEST_FIXED: [&str; 18] = [
    "client-cert",
    "client-cert-chain",
    "connection",
    "content-length",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "proxy",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-request-id",
];

/// And of an answer.
const RESPONSE_FIXED: [&str; 9] =
    ["connection", "content-encoding", "content-length", "keep-alive", "set-cookie", "te", "trailer", "transfer-encoding", "upgrade"];

/// Whose headers are meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HeadersOf {
    /// `request_headers`
    Requests,
    /// `response_headers`
    Responses,
    /// `identity`
    Identity,
}

/// Whether a configuration may not name this header there.
pub fn header_is_fixed(name: &str, of: HeadersOf) -> bool {
    let dashed = name.to_ascii_lowercase().replace('_', "-");
    match of {
        HeadersOf::Requests => REQUEST_FIXED.contains(&dashed.as_str()) || Names::default().has(&dashed),
        HeadersOf::Responses => RESPONSE_FIXED.contains(&dashed.as_str()) || Names::default().has(&dashed),
        HeadersOf::Identity => TAKEN.contains(&dashed.as_str()),
    }
}

/// `{ "X-Name" = "value", "X-Other" = "" }`: an empty value removes.
fn header_changes(s: &Section, key: &str, fixed: &[&str]) -> Vec<HeaderChange> {
    let mut changes = Vec::new();
    let own = s.section(key);
    let identity = Names::default();
    for name in own.names() {
        let Some(text) = own.maybe(name, value::text) else { continue };
        if own.collector.outline.is_some() {
            continue;
        }
        let dashed = name.to_ascii_lowercase().replace('_', "-");
        let Ok(header) = name.parse::<HeaderName>() else {
            own.error(
                name,
                Fault::new(format!("“{}” is no name of a header", name.escape_default()), "write a name such as X-Environment"),
            );
            continue;
        };
        if fixed.contains(&dashed.as_str()) || identity.has(&dashed) {
            own.error(name, Fault::new(format!("{name} is not to be set here"), "remove it; `identity` says who the user is"));
            continue;
        }
        match HeaderValue::from_str(&text) {
            Ok(value) => {
                changes.push(HeaderChange { name: name.as_bytes().to_vec().into(), header, value: Some(value).filter(|v| !v.is_empty()) })
            }
            Err(_) => own.error(name, Fault::new("the value has control characters", "write one line of text")),
        }
    }
    own.finish();
    changes
}

/// An HTML file, and who gets through.
fn maintenance(s: &Section) -> Option<Maintenance> {
    let groups = s.list("maintenance_groups", value::group).unwrap_or_default();
    if s.has("maintenance_groups") && !s.has("maintenance") {
        s.error("maintenance_groups", Fault::new("there is no page", "write maintenance = \"away.html\", or remove maintenance_groups"));
    }
    let page = s.maybe("maintenance", |entry| {
        let path = value::path(entry)?;
        let shown = path.display();
        let text = std::fs::read_to_string(&path)
            .map_err(|e| Fault::new(format!("{shown} cannot be read: {e}"), "create the page, or correct the path"))?;
        if text.len() > 256 * 1024 { Err(Fault::new(format!("{shown} is larger than 256 KiB"), "write a smaller page")) } else { Ok(text) }
    })?;
    s.warn("maintenance", "everybody gets this page instead of the application", "remove the key when the application is back");
    Some(Maintenance { page: page.into(), groups })
}

/// `[tokens]`.
pub(in crate::config) fn tokens(s: Section, default: Tokens) -> Tokens {
    let tokens = Tokens { max_lifetime: s.or("max_lifetime", default.max_lifetime, value::span(MINUTE..=3660 * DAY)) };
    s.finish();
    tokens
}

/// A preset's name, or a table.
fn identity(s: &Section) -> Option<Table> {
    let entry = s.entry("identity")?;
    let presets = Preset::ALL.map(|preset| (preset.name(), preset));
    let preset = value::choice(&presets)(&entry);
    if entry.collector.outline.is_none() && !matches!(entry.structured().content, Content::Table(_)) {
        return preset.map(Preset::table).map_err(|fault| entry.error(fault)).ok();
    }
    let own = s.section("identity");
    let encodings = Encoding::ALL.map(|encoding| (encoding.name(), encoding));
    let separator = own.or("separator", ',', separator);
    let table = Table {
        user: own.required("user", "name the header that says who it is: user = \"X-User\"", header),
        name: own.maybe("name", header),
        email: own.maybe("email", header),
        groups: own.maybe("groups", header).map(|header| Groups { header, separator, quoted: false }),
        encoding: own.or("encoding", Encoding::default(), value::choice(&encodings)),
    };
    own.finish();
    Some(table)
}

/// The name of a header that is the application's to read and nobody else's to use.
fn header(entry: &Entry) -> Result<Bytes, Fault> {
    entry.takes(|| Shape::Pattern("^[A-Za-z0-9_-]{1,64}$"));
    let text = value::text(entry)?;
    if text.is_empty() || text.len() > 64 || !text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
        let remedy = "use 1 to 64 letters, digits, “-” and “_”";
        return Err(Fault::new(format!("“{}” is no name of a header", text.escape_default()), remedy));
    }
    if TAKEN.contains(&text.to_ascii_lowercase().replace('_', "-").as_str()) {
        return Err(Fault::new(format!("“{text}” means something else"), "choose a name of its own, such as X-Remote-User"));
    }
    Ok(text.into_bytes().into())
}

fn separator(entry: &Entry) -> Result<char, Fault> {
    entry.takes(|| Shape::Pattern("^[!-/:-@\\[-`{-~ ]$"));
    let text = value::text(entry)?;
    let mut letters = text.chars();
    match (letters.next(), letters.next()) {
        (Some(letter), None) if letter.is_ascii_punctuation() || letter == ' ' => Ok(letter),
        _ => Err(Fault::new("the separator is one character of punctuation or a blank", "write separator = \";\"")),
    }
}

fn assertion(s: &Section) -> Option<Assertion> {
    if !s.has("assertion") {
        return None;
    }
    let own = s.section("assertion");
    let header = own.or("header", Bytes::from_static(b"X-Vestibule-Assertion"), header);
    let remedy = "say whom it is for: audience = \"wiki\"; the application must check it";
    let audience = own.required("audience", remedy, value::label);
    let lifetime = own.or("lifetime", 5 * MINUTE, value::span(30 * SECOND..=60 * MINUTE));
    own.finish();
    Some(Assertion { header, audience: audience?, lifetime })
}

/// A rule's conditions on the query.
pub(super) fn query(s: &Section, terms: &Terms) -> Vec<Condition> {
    if !s.has("query") {
        return Vec::new();
    }
    let own = s.section("query");
    let mut conditions = Vec::new();
    for name in own.names() {
        if let Some(values) = own.some(name, value::text) {
            conditions.push(Condition::new(name, &values));
        }
    }
    if own.names().is_empty() {
        s.error("query", Fault::new("the table is empty", "name a parameter and its values: query = { do = [\"admin\"] }"));
    }
    own.finish();
    if s.collector.outline.is_none() && terms.level == Some(Level::Bypass) {
        let remedy = "turn it round: let the route be open, and let a rule with the query demand more";
        s.error("policy", Fault::new("bypass with a query: anybody can write what opens it", remedy));
    }
    conditions
}
