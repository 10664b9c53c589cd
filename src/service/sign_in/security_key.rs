//! A security key as the second factor. Another site can cause a GET of its page, so the page changes nothing: the challenge is not stored but
//! travels sealed in the form, bound to the sign-in or session that it was made for, with its expiry. The first answer, right or wrong, uses
//! it up in the store.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::failures::FailureLimits;
use super::pending::Pending;
use crate::account::Verified;
use crate::base::{Secret, Time};
use crate::factor::Method;
use crate::factor::webauthn::SecondFactor;
use crate::login::Flow;
use crate::service::client::Client;
use crate::service::context::Context;
use crate::service::refused::{Refused, SecondProblem};
use crate::service::relying_party::relying_party;
use crate::store::Store;

/// Told apart from what else is sealed.
const OWNER: &[u8] = b"security key challenge";

#[derive(Serialize, Deserialize)]
struct Challenge {
    state: SecondFactor,
    /// The flow, or the session that steps up.
    of: [u8; 16],
    expires: Time,
}

/// What a challenge is bound to: the session, if one steps up, whatever flow it has meanwhile.
fn bound_to(pending: &Pending) -> Result<[u8; 16], Refused> {
    match (&pending.session, &pending.flow) {
        (Some(session), _) => Ok(*session.id().as_bytes()),
        (None, Some(flow)) => Ok(*flow.id.as_bytes()),
        (None, None) => Err(Refused::Gone),
    }
}

/// A security key as the second factor.
pub struct SecurityKeys {
    pub(in crate::service) store: Arc<Store>,
    pub(in crate::service) context: Arc<Context>,
    pub(in crate::service) failures: Arc<FailureLimits>,
}

impl SecurityKeys {
    /// The options for the security-key page, and the sealed challenge that comes back with the answer. Nothing is written.
    ///
    /// # Errors
    /// [`Refused::NotOffered`] if no key of this user's can be used here.
    pub fn challenge(&self, pending: &Pending, client: &Client) -> Result<(serde_json::Value, String), Refused> {
        let (options, state) = relying_party(&self.context, client)?
            .start_second_factor(pending.account.id, &pending.account.webauthn)
            .map_err(|_| Refused::NotOffered(Method::Webauthn))?;
        let challenge = Challenge { state, of: bound_to(pending)?, expires: self.context.now().plus(Flow::LIFETIME) };
        let challenge = serde_json::to_vec(&challenge).map_err(|_| Refused::NotOffered(Method::Webauthn))?;
        Ok((options, self.store.keys().seal(OWNER, &challenge)?))
    }

    /// One answer to one challenge.
    ///
    /// # Errors
    /// [`SecondProblem::Key`] for an answer that is not right, or to a challenge that we never made; [`SecondProblem::Spent`] if the
    /// challenge is another sign-in's, too old, or was answered before.
    pub(in crate::service) async fn verify(
        &self,
        pending: &Pending,
        sealed: &str,
        typed: &Secret,
        client: &Client,
    ) -> Result<Verified, Refused> {
        let now = self.context.now();
        let relying = relying_party(&self.context, client)?;
        let opened = self.store.keys().open(OWNER, sealed).map_err(|e| Refused::unopened(e, SecondProblem::Key.into()))?;
        let challenge: Challenge = serde_json::from_slice(&opened).map_err(|_| Refused::Second(SecondProblem::Key))?;
        if challenge.of != bound_to(pending)?
            || challenge.expires <= now
            || !self.store.use_once(sealed.as_bytes(), challenge.expires).await?
        {
            return Err(Refused::Second(SecondProblem::Spent));
        }
        self.failures
            .attempt(pending, client, |account| {
                let used =
                    relying.finish_second_factor(challenge.state.clone(), typed.expose(), &mut account.webauthn, now).map_err(|e| {
                        tracing::debug!(error = %e, "a security key's answer was refused");
                        SecondProblem::Key
                    })?;
                tracing::debug!(verified = used.user_verified, "a security key was used");
                account.last_method = Some(Method::Webauthn);
                Ok(())
            })
            .await
    }
}
