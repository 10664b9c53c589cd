//! Security keys and passkeys (W3C WebAuthn level 3), kept in one list.
//!
//! As a second factor a credential proves possession: user presence is enough, so that keys without a PIN work, and the password came
//! before. As a passwordless sign-in it proves two factors: user verification is demanded, and checked in the signed data, not
//! believed of the browser. The challenge is made and kept on the server; each ceremony has a state type of its own, which is
//! consumed, and none is read as another's. Always checked: type, challenge, exact origin, RP id, user presence, signature, and a
//! signature counter that grows. `webauthn-rs` ties a credential's policy to its registration; this takes the layer below it.

mod state;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use webauthn_rs_core::WebauthnCore;
use webauthn_rs_core::proto::{
    AuthenticationResult, AuthenticationState, Credential, PublicKeyCredential, RegisterPublicKeyCredential, ResidentKeyRequirement,
    UserVerificationPolicy,
};

pub use state::{Error, Passwordless, Registered, Registration, SecondFactor, Used};
use state::{PasswordlessMark, RegistrationMark, SecondFactorMark};

use crate::account::WebauthnEnrolment;
use crate::base::{Host, Time, UserId};

/// How long a browser may wait for the user; the sign-in's own limit is the one that counts.
const TIMEOUT: Duration = Duration::from_secs(300);
/// The longest credential that is parsed, in bytes of JSON.
const LONGEST: usize = 64 * 1024;

/// The RP id for a host: what is configured, else the session's domain, else the host itself.
///
/// # Errors
/// An IP address has none; neither has a host outside the configured one.
pub fn rp_id(configured: Option<&str>, session_domain: Option<&str>, host: &Host) -> Result<String, Error> {
    if host.is_address() {
        return Err(Error::Address);
    }
    let id = configured.or(session_domain).unwrap_or(host.as_str()).to_ascii_lowercase();
    if !id.is_empty() && host.is_within(&id) { Ok(id) } else { Err(Error::NotCovered(id)) }
}

/// This gateway as WebAuthn sees it from one origin.
#[derive(Clone, Debug)]
pub struct RelyingParty {
    core: WebauthnCore,
}

impl RelyingParty {
    /// `rp_id` as from [`rp_id`]; `origin` is that of the request, `scheme://host[:port]`, as the gateway computed it: no other port,
    /// no subdomain is accepted.
    ///
    /// # Errors
    /// An origin that is no `http` or `https` one, has an IP address, or lies outside the RP id.
    pub fn new(title: &str, rp_id: &str, origin: &str) -> Result<Self, Error> {
        let url = url::Url::parse(origin).map_err(|_| Error::Malformed)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Error::Malformed);
        }
        let Some(domain) = url.domain() else { return Err(Error::Address) };
        if !Host::parse(domain.as_bytes()).is_ok_and(|host| !rp_id.is_empty() && host.is_within(rp_id)) {
            return Err(Error::NotCovered(rp_id.to_owned()));
        }
        Ok(Self { core: WebauthnCore::new_unsafe_experts_only(title, rp_id, vec![url], TIMEOUT, Some(false), Some(false)) })
    }

    /// Begins to set up a key: the options for `navigator.credentials.create()`, and the state.
    ///
    /// # Errors
    /// An empty name.
    pub fn start_registration(
        &self,
        user: UserId,
        name: &str,
        display_name: &str,
        existing: &[WebauthnEnrolment],
    ) -> Result<(Value, Registration), Error> {
        let known = existing.iter().filter_map(|enrolment| decode(&enrolment.id)).collect();
        let display_name = if display_name.is_empty() { name } else { display_name };
        let builder = self
            .core
            .new_challenge_register_builder(user.as_bytes(), name, display_name)?
            .user_verification_policy(UserVerificationPolicy::Preferred)
            .exclude_credentials(Some(known));
        let (mut options, inner) = self.core.generate_challenge_register(builder)?;
        // Discoverable where the key can: then it also does for a passwordless sign-in.
        if let Some(selection) = &mut options.public_key.authenticator_selection {
            selection.resident_key = Some(ResidentKeyRequirement::Preferred);
        }
        Ok((to_json(&options)?, Registration { ceremony: RegistrationMark::Registration, inner }))
    }

    /// Verifies the browser's answer to [`Self::start_registration`].
    ///
    /// # Errors
    /// Anything in it that is not as it must be; a key that the account has.
    pub fn finish_registration(&self, state: Registration, credential: &str, existing: &[WebauthnEnrolment]) -> Result<Registered, Error> {
        let answer: RegisterPublicKeyCredential = from_json(credential)?;
        let mut key = self.core.register_credential(&answer, &state.inner, None)?;
        let id = encode(&key.cred_id);
        if key.cred_id != answer.raw_id || key.cred_id.is_empty() || key.cred_id.len() > 1023 {
            return Err(Error::Malformed);
        }
        if existing.iter().any(|enrolment| enrolment.id == id) {
            return Err(Error::AlreadyRegistered);
        }
        // What is demanded is said again at each ceremony; the registration's wish must not stand in the way of a key without a PIN.
        key.registration_policy = UserVerificationPolicy::Discouraged_DO_NOT_USE;
        Ok(Registered { id, user_verified: key.user_verified, passkey: to_json(&key)? })
    }

    /// Begins a second factor: the options for `navigator.credentials.get()`, and the state.
    ///
    /// # Errors
    /// [`Error::Unknown`] where no key is set up.
    pub fn start_second_factor(&self, user: UserId, enrolments: &[WebauthnEnrolment]) -> Result<(Value, SecondFactor), Error> {
        let keys: Vec<Credential> = enrolments.iter().filter_map(|enrolment| stored(enrolment).ok()).collect();
        if keys.is_empty() {
            return Err(Error::Unknown);
        }
        let allowed = keys.iter().map(|key| encode(&key.cred_id)).collect();
        let (options, inner) = self.request(keys, UserVerificationPolicy::Discouraged_DO_NOT_USE)?;
        Ok((options, SecondFactor { ceremony: SecondFactorMark::SecondFactor, user, allowed, inner }))
    }

    /// Verifies the browser's answer to [`Self::start_second_factor`], against the account as it is now, and brings the used key's
    /// record up to date: keep it in the same compare-and-swap.
    ///
    /// # Errors
    /// Anything in it that is not as it must be; a key that was not asked for or is no longer set up; another user's.
    pub fn finish_second_factor(
        &self,
        state: SecondFactor,
        credential: &str,
        enrolments: &mut [WebauthnEnrolment],
        now: Time,
    ) -> Result<Used, Error> {
        let answer: PublicKeyCredential = from_json(credential)?;
        if !state.allowed.contains(&encode(&answer.raw_id)) {
            return Err(Error::Unknown);
        }
        if answer.get_user_unique_id().is_some_and(|handle| !handle.is_empty() && handle != state.user.as_bytes()) {
            return Err(Error::Unknown);
        }
        self.verify(&answer, &state.inner, enrolments, now)
    }

    /// Begins a passwordless sign-in of whoever has a passkey for this place.
    ///
    /// # Errors
    /// None that the caller could cause.
    pub fn start_passwordless(&self) -> Result<(Value, Passwordless), Error> {
        let (options, inner) = self.request(Vec::new(), UserVerificationPolicy::Required)?;
        Ok((options, Passwordless { ceremony: PasswordlessMark::Passwordless, inner }))
    }

    /// Verifies the browser's answer to [`Self::start_passwordless`] against the account of the user whom [`identify`] named. The
    /// key has verified its user: this counts as two factors.
    ///
    /// # Errors
    /// As [`Self::finish_second_factor`], and a key that did not verify its user.
    pub fn finish_passwordless(
        &self,
        state: Passwordless,
        credential: &str,
        user: UserId,
        enrolments: &mut [WebauthnEnrolment],
        now: Time,
    ) -> Result<Used, Error> {
        let answer: PublicKeyCredential = from_json(credential)?;
        if answer.get_user_unique_id() != Some(user.as_bytes().as_slice()) {
            return Err(Error::Unknown);
        }
        let used = self.verify(&answer, &state.inner, enrolments, now)?;
        if used.user_verified { Ok(used) } else { Err(Error::NotVerified) }
    }

    fn request(&self, keys: Vec<Credential>, policy: UserVerificationPolicy) -> Result<(Value, AuthenticationState), Error> {
        // A key may become one that is backed up (a vendor's update); it is recorded, not refused.
        let builder = self.core.new_challenge_authenticate_builder(keys, Some(policy))?.allow_backup_eligible_upgrade(true);
        let (options, mut state) = self.core.generate_challenge_authenticate(builder)?;
        // Verified against the account at the end; a copy here would be an old counter.
        state.set_allowed_credentials(Vec::new());
        Ok((to_json(&options)?, state))
    }

    fn verify(
        &self,
        answer: &PublicKeyCredential,
        state: &AuthenticationState,
        enrolments: &mut [WebauthnEnrolment],
        now: Time,
    ) -> Result<Used, Error> {
        let id = encode(&answer.raw_id);
        let enrolment = enrolments.iter_mut().find(|enrolment| enrolment.id == id).ok_or(Error::Unknown)?;
        let mut key = stored(enrolment)?;
        let result = self.core.authenticate_single_credential(answer, state, &key)?;
        record(&mut key, &result);
        enrolment.passkey = to_json(&key)?;
        enrolment.last_used = Some(now);
        Ok(Used { id, user_verified: result.user_verified() })
    }
}

/// Whose passkey a passwordless answer says it is, and its id. Nothing is verified yet: look the account up, then
/// [`RelyingParty::finish_passwordless`].
///
/// # Errors
/// No credential, or no user handle of ours in it.
pub fn identify(credential: &str) -> Result<(UserId, String), Error> {
    let answer: PublicKeyCredential = from_json(credential)?;
    let user = answer.get_user_unique_id().and_then(|handle| handle.try_into().ok()).map(UserId::from_bytes).ok_or(Error::Unknown)?;
    Ok((user, encode(&answer.raw_id)))
}

fn record(key: &mut Credential, result: &AuthenticationResult) {
    key.counter = key.counter.max(result.counter());
    key.backup_state = result.backup_state();
    key.backup_eligible |= result.backup_eligible();
}

fn stored(enrolment: &WebauthnEnrolment) -> Result<Credential, Error> {
    Credential::deserialize(&enrolment.passkey).map_err(|_| Error::Malformed)
}

fn from_json<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, Error> {
    if text.len() > LONGEST {
        return Err(Error::Malformed);
    }
    serde_json::from_str(text).map_err(|_| Error::Malformed)
}

fn to_json<T: Serialize>(value: &T) -> Result<Value, Error> {
    serde_json::to_value(value).map_err(|_| Error::Malformed)
}

fn encode(id: &[u8]) -> String {
    data_encoding::BASE64URL_NOPAD.encode(id)
}

fn decode(id: &str) -> Option<Vec<u8>> {
    data_encoding::BASE64URL_NOPAD.decode(id.as_bytes()).ok()
}

#[cfg(test)]
mod tests;
