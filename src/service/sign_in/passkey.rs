//! Signing in with a passkey alone: possession and user verification in one ceremony, which counts as two factors.
//!
//! The challenge of a login page that nobody has signed in on yet is not kept in memory, where strangers could fill it: it travels
//! sealed, with its expiry, and is used up in the store by the first answer.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::{Secret, Time};
use crate::factor::webauthn::{self, Passwordless};
use crate::factor::{Method, MethodSet};
use crate::limit;
use crate::policy::Proof;
use crate::service::Services;
use crate::service::audit::{Actor, Event};
use crate::service::client::Client;
use crate::service::known_browsers::{budget, knows};
use crate::service::refused::Refused;
use crate::service::sign_in::{Follows, Signed};
use crate::store::Edit;

const LIFETIME: Duration = Duration::from_secs(10 * 60);
const OWNER: &[u8] = b"passkey challenge";

#[derive(Serialize, Deserialize)]
struct Challenge {
    state: Passwordless,
    expires: Time,
}

impl Services {
    /// The options for the login page, and the sealed challenge that comes back with the answer. `None` where no passkey can be used.
    pub fn passkey_challenge(&self, client: &Client) -> Option<(serde_json::Value, String)> {
        if !self.config().mfa.methods.contains(Method::Webauthn) {
            return None;
        }
        let (options, state) = self.relying_party(client).ok()?.start_passwordless().ok()?;
        let challenge = serde_json::to_vec(&Challenge { state, expires: self.now().plus(LIFETIME) }).ok()?;
        Some((options, self.store.keys().seal(OWNER, &challenge).ok()?))
    }

    /// The answer to a challenge: a finished sign-in, or [`Refused::WrongPassword`] for whatever was not right with it.
    pub async fn passkey(&self, sealed: &str, answer: &Secret, client: &Client) -> Result<Signed, Refused> {
        let owner = match client.device {
            Some(device) => self.store.account(device.user).await?.filter(|account| knows(account, device)),
            None => None,
        };
        // Whose passkey it will be is not known yet: a known browser is spared its neighbours, and has a bound of its own.
        let browser = client.device.filter(|_| owner.is_some()).map(|device| self.by_name(format!("browser {}", device.name())));
        let browser: Vec<_> = browser.into_iter().collect();
        self.refuse_crowded(owner.as_ref(), client).await?;
        self.refuse_over_rate(&browser).await?;
        let signed = self.try_passkey(sealed, answer, client).await;
        if matches!(signed, Err(Refused::WrongPassword)) {
            self.store.count_failure(&[vec![self.at_address(client)], browser].concat(), self.now()).await?;
            self.audit(Event::SecondWrong, None, Actor::User(client), "passkey").await?;
        }
        signed
    }

    async fn try_passkey(&self, sealed: &str, answer: &Secret, client: &Client) -> Result<Signed, Refused> {
        let (now, config) = (self.now(), self.config());
        let opened = self.store.keys().open(OWNER, sealed).map_err(|_| Refused::WrongPassword)?;
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
        let relying = self.relying_party(client)?;
        let outcome = self.store.update_account(user, |account| {
            if account.disabled || limit::is_locked(budget(account, client.device), now) {
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
        self.finish(account, Proof::Second { method: Method::Webauthn, at: now }, client, Follows::Nothing, false).await
    }
}
