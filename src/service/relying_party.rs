//! This gateway as WebAuthn sees it.

use crate::factor::{Method, webauthn};
use crate::service::client::Client;
use crate::service::context::Context;
use crate::service::refused::Refused;

/// This gateway as WebAuthn sees it from the page that the user is on.
pub fn relying_party(context: &Context, client: &Client) -> Result<webauthn::RelyingParty, Refused> {
    let config = context.config();
    let made = webauthn::rp_id(config.mfa.rp_id.as_deref(), config.session.domain.as_deref(), &client.host)
        .and_then(|id| webauthn::RelyingParty::new(&config.mfa.totp.issuer, &id, &client.origin));
    made.map_err(|e| {
        tracing::debug!(error = %e, "no security key can be used here");
        Refused::NotOffered(Method::Webauthn)
    })
}
