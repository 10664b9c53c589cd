//! The answer to another proxy that may forward a request: 200, and who the user is in every identity header. Guarantees that an
//! application is told the same as if the gateway forwarded the request, and that an API token goes no further.

use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue, StatusCode};
use pingora::Result;
use pingora::http::RequestHeader;
use pingora::proxy::Session;

use crate::gateway::authorize::context::Context;
use crate::gateway::host::Outcome;
use crate::gateway::proxy::fields::{Outgoing, Unsendable};
use crate::gateway::proxy::identity;
use crate::gateway::reply::{page, write};

/// Writes it. Nothing but an `Admission` gets here.
///
/// # Errors
/// The connection's.
pub async fn admit(session: &mut Session, context: &mut Context) -> Result<()> {
    match told(session.req_header(), context) {
        Ok(told) => {
            context.set_outcome(Outcome::Authorized, "");
            write::write(session, context, page::admission(told)).await
        }
        Err(error) => {
            tracing::error!(%error, "an identity that cannot be sent");
            let reason = if error.is_too_large() { "identity_too_large" } else { "identity" };
            write::refuse(session, context, StatusCode::FORBIDDEN, Outcome::Failed, reason).await
        }
    }
}

/// What the application is told, in every header that there is.
fn told(question: &RequestHeader, context: &Context) -> Result<Vec<(HeaderName, HeaderValue)>, Unsendable> {
    let out = Outgoing::to(0, context, question.version).ok_or(Unsendable("a request without a route"))?;
    let told = identity::told(&out)?;
    let written = told.as_ref().map_or(&[][..], |told| &told.headers);
    let mut headers = Vec::with_capacity(context.snapshot.answers.len());
    for name in context.snapshot.answers.iter() {
        if *name == AUTHORIZATION && !out.token_came && question.headers.contains_key(AUTHORIZATION) {
            headers.extend(question.headers.get_all(AUTHORIZATION).iter().map(|own| (AUTHORIZATION, own.clone())));
            continue;
        }
        let value = written.iter().find(|(own, _)| own.eq_ignore_ascii_case(name.as_str().as_bytes())).map(|(_, value)| value.clone());
        headers.push((name.clone(), value.unwrap_or_else(|| HeaderValue::from_static(""))));
    }
    Ok(headers)
}
