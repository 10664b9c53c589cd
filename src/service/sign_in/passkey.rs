//! Signs in with a passkey alone: possession and user verification in one ceremony, which counts as two factors.
//!
//! The challenge is not kept in memory, where strangers could fill it. It travels sealed in the page, with its expiry, and the first answer
//! uses it up in the store.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::failures::FailureLimits;
use super::finish::{Finish, Follows, Signed};
use crate::account::Verified;
use crate::base::{Secret, Time};
use crate::factor::webauthn::{self, Passwordless};
use crate::factor::{Method, MethodSet};
use crate::limit;
use crate::policy::Proof;
use crate::service::audit::{Actor, AuditLog, Event};
use crate::service::client::Client;
use crate::service::context::Context;
use crate::service::known_browsers::{budget, knows};
use crate::service::refused::Refused;
use crate::service::relying_party::relying_party;
use crate::service::sources::SourceRefresh;
use crate::store::{Edit, Store};

const LIFETIME: Duration = Duration::from_secs(10 * 60);
const OWNER: &[u8] = b"passkey challenge";

#[derive(Serialize, Deserialize)]
struct Challenge {
    state: Passwordless,
    expires: Time,
}

/// Sign-in with a passkey alone.
pub struct Passkeys {
    pub(in crate::service) store: Arc<Store>,
    pub(in crate::service) context: Arc<Context>,
    pub(in crate::service) failures: Arc<FailureLimits>,
    pub(in crate::service) audit: Arc<AuditLog>,
    pub(in crate::service) finish: Arc<Finish>,
    pub(in crate::service) refresh: Arc<SourceRefresh>,
}

impl Passkeys {
    /// The options for the login page, and the sealed challenge that comes back with the answer. `None` if no passkey can be used.
    pub fn challenge(&self, client: &Client) -> Option<(serde_json::Value, String)> {
        if !self.context.config().mfa.methods.contains(Method::Webauthn) {
            return None;
        }
        let (options, state) = relying_party(&self.context, client).ok()?.start_passwordless().ok()?;
        let challenge = serde_json::to_vec(&Challenge { state, expires: self.context.now().plus(LIFETIME) }).ok()?;
        Some((options, self.store.keys().seal(OWNER, &challenge).ok()?))
    }

    /// The answer to a challenge: a finished sign-in, or [`Refused::WrongPassword`] for whatever was not right with it.
    pub async fn sign_in(&self, sealed: &str, answer: &Secret, client: &Client) -> Result<Signed, Refused> {
        let owner = match client.device {
            Some(device) => self.store.account(device.user).await?.filter(|account| knows(account, device)),
            None => None,
        };
        // Whose passkey it will be is not known yet: a known browser is spared its neighbours, and has a bound of its own.
        let browser = client.device.filter(|_| owner.is_some()).map(|device| self.failures.by_name(format!("browser {}", device.name())));
        let browser: Vec<_> = browser.into_iter().collect();
        self.failures.refuse_crowded(owner.as_ref(), client).await?;
        self.failures.refuse_over_rate(&browser).await?;
        let signed = self.attempt(sealed, answer, client).await;
        if matches!(signed, Err(Refused::WrongPassword)) {
            self.store.count_failure(&[vec![self.failures.at_address(client)], browser].concat(), self.context.now()).await?;
            self.audit.record(Event::SecondWrong, None, Actor::User(client), "passkey").await?;
        }
        signed
    }

    async fn attempt(&self, sealed: &str, answer: &Secret, client: &Client) -> Result<Signed, Refused> {
        let (now, config) = (self.context.now(), self.context.config());
        let opened = self.store.keys().open(OWNER, sealed).map_err(|e| Refused::unopened(e, Refused::WrongPassword))?;
        let challenge: Challenge = serde_json::from_slice(&opened).map_err(|_| Refused::WrongPassword)?;
        if challenge.expires <= now || !self.store.use_once(sealed.as_bytes(), challenge.expires).await? {
            return Err(Refused::Gone);
        }
        let (user, credential) = webauthn::identify(answer.expose()).map_err(|_| Refused::WrongPassword)?;
        let account =
            self.store.account_by_credential(&credential).await?.filter(|account| account.id == user).ok_or(Refused::WrongPassword)?;
        let allowed: MethodSet = account.may_enrol(config.mfa.methods);
        if !allowed.contains(Method::Webauthn) {
            return Err(Refused::WrongPassword);
        }
        let relying = relying_party(&self.context, client)?;
        let outcome = self.store.update_account(user, |account| {
            if account.disabled
                || !account.may_enrol(config.mfa.methods).contains(Method::Webauthn)
                || limit::is_locked(budget(account, client.device), now)
            {
                return Edit::Leave(None);
            }
            match relying.finish_passwordless(challenge.state.clone(), answer.expose(), user, &mut account.webauthn, now) {
                Ok(_) => {
                    account.last_method = Some(Method::Webauthn);
                    Edit::Write(Some(account.clone()))
                }
                Err(e) => {
                    tracing::debug!(error = %e, "a passkey's answer was refused");
                    Edit::Leave(None)
                }
            }
        });
        let Some(Ok(Some(account))) = outcome.await? else { return Err(Refused::WrongPassword) };
        let account = self.refresh.ask(account).await?;
        self.finish
            .sign_in(Verified::new(account), Proof::Second { method: Method::Webauthn, at: now }, client, Follows::Nothing, false)
            .await
    }
}
