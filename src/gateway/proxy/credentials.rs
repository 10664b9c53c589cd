//! Credentials for the application's own sign-in, in place of the client's `Authorization`. Guarantees that they go out only with the
//! request of a signed-in user, and that the application's refusal is never a browser's password prompt.

use http::StatusCode;
use http::header::AUTHORIZATION;
use pingora::http::RequestHeader;
use pingora::{Error, ErrorType, Result};

use crate::gateway::authorize::context::Context;
use crate::gateway::authorize::policy;
use crate::gateway::authorize::upstream_auth;
use crate::gateway::proxy::fields::{Outgoing, Unsendable};
use crate::policy::UpstreamAuth;

/// The application refused what the configuration tells it.
pub const REFUSED: &str = "upstream_credentials";

/// Writes it over whatever the client sent.
///
/// # Errors
/// If a person's own was not found, which was seen to before.
pub fn write(header: &mut RequestHeader, out: &Outgoing<'_>) -> Result<(), Unsendable> {
    let (Some(auth), Some(_)) = (&out.route.application.upstream_auth, out.person) else { return Ok(()) };
    let value = match auth {
        UpstreamAuth::Fixed(value) => value,
        UpstreamAuth::Personal => out.credential.ok_or(Unsendable("a password that is not there"))?,
    };
    header.insert_header(AUTHORIZATION, value.clone()).map_err(|_| Unsendable("a credential"))
}

/// Looks at an answer's status before anything else of it.
///
/// # Errors
/// [`REFUSED`] or [`upstream_auth::REFUSED`] as a custom type, if the application refused the credentials.
pub fn verify(status: StatusCode, context: &Context) -> Result<()> {
    let admission = context.admission.as_ref().filter(|_| status == StatusCode::UNAUTHORIZED);
    let route = policy::route(&context.snapshot, admission);
    let told = route.and_then(|route| Some((route, route.application.upstream_auth.as_ref()?)));
    let Some((route, auth)) = told.filter(|_| admission.and_then(policy::person).is_some()) else { return Ok(()) };
    let reason = match (auth, &context.credential) {
        (UpstreamAuth::Fixed(_), _) => {
            tracing::warn!(route = &*route.name, "the application refused the credentials of upstream_auth");
            REFUSED
        }
        (UpstreamAuth::Personal, Some(own)) => {
            context.host().credential_refused(own.user, &route.name, own.added);
            upstream_auth::REFUSED
        }
        (UpstreamAuth::Personal, None) => upstream_auth::MISSING,
    };
    Err(Error::new(ErrorType::Custom(reason)).into_up())
}
