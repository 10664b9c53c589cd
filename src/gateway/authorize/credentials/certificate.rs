//! A request's client certificate, and the service account that it stands for. Guarantees that a trusted proxy's own certificate is
//! nobody's, and that its word on another's counts only if the configuration says so.

use std::sync::Arc;

use http::{HeaderMap, StatusCode};
use pingora::http::RequestHeader;
use pingora::proxy::Session;

use crate::gateway::authorize::context::Context;
use crate::gateway::authorize::credentials::token::is_from_another_site;
use crate::gateway::authorize::revocation::with_cache;
use crate::gateway::client_certificate::Shown;
use crate::gateway::client_certificate::header;
use crate::gateway::connection::private::client_id;
use crate::gateway::connection::tls_peer::TlsPeers;
use crate::gateway::host::{Lookup, UserSession};
use crate::gateway::request::parse::{Refusal, RequestInfo, bad};

/// The reason of a 421.
const MISDIRECTED: &str = "misdirected";
/// The reason of a 400, and of a 403.
pub const CLIENT_CERTIFICATE: &str = "client_certificate";

/// The certificate that counts for a request.
///
/// # Errors
/// 421 if its connection was made to another host, 400 if a trusted proxy's header is doubled or malformed.
pub fn find(session: &Session, info: &RequestInfo, context: &Context, peers: &TlsPeers) -> Result<Option<Shown>, Refusal> {
    if info.trusted {
        return from_proxy(&session.req_header().headers, info, context);
    }
    let peer = peers.find(|| session.digest()?.socket_digest.as_ref().map(client_id));
    let Some(peer) = peer else { return Ok(None) };
    let shown = peer.shown_to(&info.host, context.at);
    let shown = shown.map_err(|_| Refusal { status: StatusCode::MISDIRECTED_REQUEST, reason: MISDIRECTED })?;
    Ok(shown.map(Arc::clone).map(|certificate| Shown { certificate, voucher: Some(peer) }))
}

/// As a trusted proxy tells it; nobody else is believed.
///
/// # Errors
/// 400 if the header is doubled or malformed.
pub fn from_proxy(headers: &HeaderMap, info: &RequestInfo, context: &Context) -> Result<Option<Shown>, Refusal> {
    if !info.trusted || !context.snapshot.config.server.client_certificate_header {
        return Ok(None);
    }
    let malformed = |_| bad(CLIENT_CERTIFICATE);
    let Some(value) = header::value(headers).map_err(malformed)? else { return Ok(None) };
    let certificate = match with_cache(|cache| cache.certificate(value)).flatten() {
        Some(known) => known,
        None => {
            let read = Arc::new(header::read(value).map_err(malformed)?);
            with_cache(|cache| cache.remember_certificate(value, &read));
            read
        }
    };
    Ok(certificate.is_current(context.at).then_some(Shown { certificate, voucher: None }))
}

/// The service account that the request's certificate stands for; nobody if another site made a browser send it.
pub fn holder(header: &RequestHeader, info: &RequestInfo, context: &mut Context) -> Option<Arc<dyn UserSession>> {
    let subject = info.certificate.as_ref()?.certificate.subject.as_ref()?;
    if is_from_another_site(header, info) {
        return None;
    }
    if let Some(known) = with_cache(|cache| cache.holder(subject)).flatten().filter(|known| !known.is_ended()) {
        return Some(known);
    }
    match context.host().certificate_holder(subject) {
        Lookup::Live(holder) => {
            with_cache(|cache| cache.remember_holder(subject, &holder));
            Some(holder)
        }
        Lookup::Ended | Lookup::Forged => None,
        Lookup::Unknown => {
            context.session_unknown = true;
            None
        }
    }
}
