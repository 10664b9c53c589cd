//! Does what was decided about a request that pingora does not forward.

use pingora::Result;
use pingora::proxy::Session;

use crate::gateway::authorize::action::Action;
use crate::gateway::authorize::context::Context;
use crate::gateway::authorize::credentials::certificate::CLIENT_CERTIFICATE;
use crate::gateway::authorize::policy::Reason;
use crate::gateway::proxy::{admission, tunnel};
use crate::gateway::reply::{device, portal, write};
use crate::gateway::saved_post::{capture, confirmation};

/// Does what was decided. An admitted request comes here if it may be the confirmation of a saved form.
///
/// # Errors
/// If the client is gone, or the upstream breaks off in the middle of its answer.
pub async fn act(session: &mut Session, context: &mut Context, action: Action) -> Result<()> {
    match action {
        Action::Forward => confirmation::handle(session, context).await?,
        Action::Tunnel => tunnel::carry(session, context).await?,
        Action::Admit => admission::admit(session, context).await?,
        Action::Portal { token } => {
            if let Some(form) = portal::answer(session, context, token.clone()).await? {
                confirmation::show_again(session, context, token.as_deref(), form).await?;
            }
        }
        Action::Challenge { reason, route, token } => {
            if let Some(dialect) = context.question {
                return write::challenge_by_proxy(session, context, (reason, &route), dialect).await;
            }
            if let Reason::Device(lack) = reason
                && device::answer(session, context, lack).await?
            {
                return Ok(());
            }
            let target = match capture::interrupted(session, context, &route, token.as_deref()).await? {
                Some(resume) => resume.into_bytes(),
                None => session.req_header().raw_path().to_vec(),
            };
            write::challenge(session, context, (reason, &route), &target).await?;
        }
        Action::Away { route } => write::away(session, context, &route).await?,
        Action::RefuseToken { route, reason, wait } => write::refuse_token(session, context, &route, reason, wait).await?,
        Action::Prove { authorization } => write::prove(session, context, authorization).await?,
        Action::Registering(origins) => write::registering(session, context, origins).await?,
        Action::ToHttps { location } => write::to_https(session, context, &location).await?,
        Action::Stop { status, outcome, reason } if reason.starts_with(CLIENT_CERTIFICATE) => {
            // A certificate can only be shown over another connection.
            session.set_keepalive(None);
            write::refuse(session, context, status, outcome, reason).await?;
            if let Some(peer) = &context.tls_peer {
                peer.closes();
            }
        }
        Action::Stop { status, outcome, reason } => write::refuse(session, context, status, outcome, reason).await?,
    }
    Ok(())
}
