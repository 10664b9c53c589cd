//! The headers that the gateway writes on every forwarded request: who the user is, which host was asked for, and by whom.

use std::borrow::Cow;
use std::sync::Arc;

use http::header::{COOKIE, HOST};
use http::{HeaderValue, Version};
use pingora::http::RequestHeader;

use crate::base::Time;
use crate::config::PortalUrl;
use crate::gateway::authorize::context::Context;
use crate::gateway::authorize::policy;
use crate::gateway::connection::client;
use crate::gateway::host::{GatewayHost, UserSession};
use crate::gateway::request::cookies::OwnCookies;
use crate::gateway::request::parse::RequestInfo;
use crate::gateway::upstream::pool::Pool;
use crate::identity::Names;
use crate::policy::{HostHeader, Person, Route};

/// A value cannot be sent as a header: the request must fail rather than go out with half an identity.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("{0} cannot be sent as a header")]
pub struct Unsendable(pub &'static str);

/// Nobody's server takes so much.
pub const TOO_LARGE: Unsendable = Unsendable("an identity of more than 8 KiB");

impl Unsendable {
    pub fn is_too_large(self) -> bool {
        self.0 == TOO_LARGE.0
    }
}

/// Who can sign what is said of the user, and what is said beyond the person.
pub struct Speaker<'a> {
    pub host: &'a dyn GatewayHost,
    pub session: &'a dyn UserSession,
    /// The one host where people sign in, if there is one: who says it.
    pub portal: Option<&'a PortalUrl>,
}

/// What the gateway's headers are made from.
pub struct Outgoing<'a> {
    pub info: &'a RequestInfo,
    pub pool: &'a Arc<Pool>,
    /// Which of the pool's endpoints it goes to.
    pub at: usize,
    pub person: Option<&'a Arc<Person>>,
    pub route: &'a Route,
    pub speaker: Option<Speaker<'a>>,
    pub names: &'a Names,
    /// The person's own `Authorization` for the application.
    pub credential: Option<&'a HeaderValue>,
    /// The client's `Authorization` is an API token.
    pub token_came: bool,
    pub now: Time,
    pub request_id: &'a str,
    pub cookies: &'a OwnCookies,
    /// The HTTP version of the client's request.
    pub version: Version,
}

impl<'a> Outgoing<'a> {
    /// For a request that was admitted and whose endpoint was chosen; `None` for any other.
    pub fn new(context: &'a Context, version: Version) -> Option<Self> {
        Self::to(*context.tried.last()?, context, version)
    }

    /// For a request that was admitted, as if it went to this one of its route's endpoints.
    pub fn to(at: usize, context: &'a Context, version: Version) -> Option<Self> {
        let admission = context.admission.as_ref()?;
        let host: &dyn GatewayHost = context.host().as_ref();
        let session = context.lease.as_ref().and_then(|lease| lease.user_session.as_deref());
        Some(Self {
            info: context.info.as_ref()?,
            pool: policy::pool(&context.snapshot, Some(admission))?,
            at,
            person: policy::person(admission),
            route: policy::route(&context.snapshot, Some(admission))?,
            speaker: session.map(|session| Speaker { host, session, portal: context.snapshot.config.portal.url.as_ref() }),
            names: &context.snapshot.names,
            credential: context.credential.as_ref().map(|own| &own.value),
            token_came: context.token_came,
            now: context.at,
            request_id: &context.request_id,
            cookies: &context.snapshot.cookies,
            version,
        })
    }
}

/// What requests of one user over one connection to one host have in common. [`super::prepared`] caches it.
pub fn write_forwarding(header: &mut RequestHeader, out: &Outgoing<'_>) -> Result<(), Unsendable> {
    let peer = out.info.peer.to_canonical();
    match client::peer_as_header(peer) {
        Some(value) => insert(header, "X-Forwarded-For", value)?,
        None => set(header, "X-Forwarded-For", peer.to_string().as_bytes())?,
    }
    insert(header, "X-Forwarded-Proto", HeaderValue::from_static(if out.info.secure { "https" } else { "http" }))?;
    set(header, "X-Forwarded-Host", out.info.authority.as_bytes())?;
    set_host(header, out)?;
    Ok(())
}

/// The target without scheme and authority, as HTTP/1 has it.
pub fn origin_form(header: &RequestHeader) -> Result<http::Uri, Unsendable> {
    header.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str).parse().map_err(|_| Unsendable("the path"))
}

fn set_host(header: &mut RequestHeader, out: &Outgoing<'_>) -> Result<(), Unsendable> {
    if header.uri.authority().is_some() {
        header.set_uri(origin_form(header)?);
    }
    let host = match (out.pool.host(), out.pool.get(out.at)) {
        (HostHeader::Preserve, _) => Cow::Borrowed(&*out.info.authority),
        (HostHeader::Name(name), _) => Cow::Borrowed(name.as_str()),
        (HostHeader::Upstream, Some(endpoint)) => Cow::Owned(endpoint.upstream.authority()),
        (HostHeader::Upstream, None) => return Err(Unsendable("no upstream")),
    };
    if header.version == Version::HTTP_2 || header.headers.get(HOST).is_none_or(|h| h.as_bytes() != host.as_bytes()) {
        set(header, "Host", host.as_bytes())?;
    }
    Ok(())
}

/// HTTP/2 may have split one Cookie line into many, which HTTP/1 requires as one (RFC 9113 section 8.2.3).
pub fn join_crumbs(header: &mut RequestHeader) {
    let mut lines = header.headers.get_all(COOKIE).iter();
    if let (Some(first), Some(second)) = (lines.next(), lines.next()) {
        let crumbs: Vec<&[u8]> =
            [first, second].into_iter().chain(lines).map(HeaderValue::as_bytes).filter(|crumb| !crumb.is_empty()).collect();
        if let Ok(whole) = HeaderValue::try_from(crumbs.join(&b"; "[..])) {
            let _ = header.insert_header("Cookie", whole);
        }
    }
}

pub fn set(header: &mut RequestHeader, name: &'static str, value: &[u8]) -> Result<(), Unsendable> {
    // The one control character that a header's value may hold otherwise.
    if value.contains(&b'\t') {
        return Err(Unsendable(name));
    }
    insert(header, name, HeaderValue::from_bytes(value).map_err(|_| Unsendable(name))?)
}

pub fn insert(header: &mut RequestHeader, name: &'static str, value: HeaderValue) -> Result<(), Unsendable> {
    header.insert_header(name, value).map_err(|_| Unsendable(name))
}
