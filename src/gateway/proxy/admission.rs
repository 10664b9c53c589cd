//! The answer to another proxy that may forward a request: 200, and who the user is in every identity header.

use std::sync::Arc;

use http::StatusCode;
use pingora::Result;
use pingora::proxy::Session;

use crate::gateway::authorize::context::Context;
use crate::gateway::authorize::policy;
use crate::gateway::host::Outcome;
use crate::gateway::proxy::fields;
use crate::gateway::reply::{page, write};

/// Writes it. Nothing but an `Admission` gets here.
///
/// # Errors
/// The connection's, or that there is no admission.
pub async fn admit(session: &mut Session, context: &mut Context) -> Result<()> {
    let admission = context.admission.as_ref().ok_or_else(|| write::internal("no admission"))?;
    match fields::identity(policy::person(admission).map(Arc::as_ref)) {
        Ok(identity) => {
            context.set_outcome(Outcome::Authorized, "");
            write::write(session, context, page::admission(&identity.headers)).await
        }
        Err(error) => {
            tracing::error!(%error, "an identity that cannot be sent");
            write::refuse(session, context, StatusCode::FORBIDDEN, Outcome::Failed, "identity").await
        }
    }
}
