//! A request's client certificate, and the service account that it stands for. Guarantees that a trusted proxy's own certificate is
//! nobody's, and that its word on another's counts only if the configuration says so.

use std::sync::Arc;

use http::{HeaderMap, StatusCode};
use pingora::http::RequestHeader;
use pingora::proxy::Session;

use crate::gateway::authorize::context::Context;
use crate::gateway::authorize::credentials::token::is_from_another_site;
use crate::gateway::authorize::revocation::with_cache;
use crate::gateway::client_certificate::{Fault, Shown, header};
use crate::gateway::connection::private::client_id;
use crate::gateway::connection::tls_peer::{Showing, TlsPeers};
use crate::gateway::host::{Lookup, UserSession};
use crate::gateway::request::parse::{Refusal, RequestInfo, bad};

/// The reason of a 421.
const MISDIRECTED: &str = "misdirected";
/// The reason of a 400, and of a 403.
pub const CLIENT_CERTIFICATE: &str = "client_certificate";

/// Finds the certificate that counts for a request, and notes it there and in the context; or why none does.
///
/// # Errors
/// 421 if its connection was made to another host, 400 if a trusted proxy's header is doubled or malformed.
pub fn find(session: &Session, info: &mut RequestInfo, context: &mut Context, peers: &TlsPeers) -> Result<(), Refusal> {
    if info.trusted {
        return from_proxy(&session.req_header().headers, info, context);
    }
    let Some(peer) = peers.find(|| session.digest()?.socket_digest.as_ref().map(client_id)) else { return Ok(()) };
    match peer.shown_to(&info.host, context.at) {
        Err(_) => return Err(Refusal { status: StatusCode::MISDIRECTED_REQUEST, reason: MISDIRECTED }),
        Ok(Showing::Nothing) => {}
        Ok(Showing::Fails(fault)) => fails(info, context, fault),
        Ok(Showing::Counts(certificate)) => {
            let shown = Shown { certificate: Arc::clone(certificate), voucher: Some(Arc::clone(&peer) as _) };
            counts(info, context, shown);
        }
    }
    context.tls_peer = Some(peer);
    Ok(())
}

fn counts(info: &mut RequestInfo, context: &mut Context, shown: Shown) {
    context.log.certificate = Some(Arc::clone(&shown.certificate));
    info.certificate = Some(shown);
}

fn fails(info: &mut RequestInfo, context: &mut Context, fault: Fault) {
    context.log.certificate_fault = Some(fault);
    info.certificate_fault = Some(fault);
}

/// The reason of a 403, in the words of what is wrong with the certificate if one came.
pub fn precisely(reason: &'static str, info: &RequestInfo) -> &'static str {
    info.certificate_fault.filter(|_| reason == CLIENT_CERTIFICATE).map_or(reason, Fault::reason)
}

/// As a trusted proxy tells it; nobody else is believed.
///
/// # Errors
/// 400 if the header is doubled or malformed.
pub fn from_proxy(headers: &HeaderMap, info: &mut RequestInfo, context: &mut Context) -> Result<(), Refusal> {
    if !info.trusted || !context.snapshot.config.server.client_certificate_header {
        return Ok(());
    }
    let malformed = |_| bad(CLIENT_CERTIFICATE);
    let Some(value) = header::value(headers).map_err(malformed)? else { return Ok(()) };
    let certificate = match with_cache(|cache| cache.certificate(value)).flatten() {
        Some(known) => known,
        None => {
            let read = Arc::new(header::read(value).map_err(malformed)?);
            with_cache(|cache| cache.remember_certificate(value, &read));
            read
        }
    };
    if certificate.is_current(context.at) {
        counts(info, context, Shown { certificate, voucher: None });
    } else {
        fails(info, context, Fault::Expired);
    }
    Ok(())
}

/// The service account that the request's certificate stands for; nobody if another site made a browser send it.
pub fn holder(header: &RequestHeader, info: &RequestInfo, context: &mut Context) -> Option<Arc<dyn UserSession>> {
    let certificate = &info.certificate.as_ref()?.certificate;
    let subject = certificate.subject.as_ref()?;
    if is_from_another_site(header, info) {
        return None;
    }
    if let Some(known) = with_cache(|cache| cache.holder(&certificate.fingerprint)).flatten().filter(|known| !known.is_ended()) {
        return Some(known);
    }
    match context.host().certificate_holder(subject, Some(certificate)) {
        Lookup::Live(holder) => {
            with_cache(|cache| cache.remember_holder(certificate.fingerprint, &holder));
            Some(holder)
        }
        Lookup::Ended | Lookup::Forged => None,
        Lookup::Unknown | Lookup::Elsewhere => {
            context.session_unknown = true;
            None
        }
    }
}
