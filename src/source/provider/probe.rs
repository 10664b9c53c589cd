//! A provider tried step by step, for the operator: what works, what does not, and what to do about it. Nobody signs in.

use super::client::Provider;
use super::error::ProviderError;
use super::wire::discovery::Metadata;
use super::wire::exchange::{Grant, tokens};
use crate::base::{Secret, Time};

/// One step of a trial.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Step {
    pub step: &'static str,
    pub ok: bool,
    pub detail: String,
}

impl Step {
    fn new(step: &'static str, ok: bool, detail: impl Into<String>) -> Self {
        Self { step, ok, detail: detail.into() }
    }
}

impl Provider {
    /// Tries what can be tried without a person: discovery, keys, and whether the client's id and secret are right. Stops at the first step
    /// without which the next makes no sense.
    pub async fn probe(&self, now: Time) -> Vec<Step> {
        let metadata = match self.metadata(now).await {
            Ok(metadata) => metadata,
            Err(error) => return vec![Step::new("discovery", false, error.to_string())],
        };
        let mut steps =
            vec![Step::new("discovery", true, format!("{} answers as {}", metadata.authorization.origin(), self.config.issuer))];
        // A token that nobody signed: the keys are fetched, and fit nothing.
        let _ = self.logout(NOBODYS, now).await;
        let known = self.keys_known();
        steps.push(Step::new(
            "keys",
            known > 0,
            if known > 0 { format!("{known} that can verify an allowed algorithm") } else { format!("{} gives none", metadata.keys) },
        ));
        steps.push(self.probe_client(&metadata).await);
        let says = |there: bool, yes: &str, no: &str| if there { yes.to_owned() } else { no.to_owned() };
        steps.push(Step::new(
            "userinfo",
            true,
            says(metadata.userinfo.is_some(), "asked for more claims", "not offered; the ID token says everything"),
        ));
        steps.push(Step::new(
            "sign-out",
            true,
            says(metadata.end_session.is_some(), "signing out here signs out there", "not offered: the session there goes on"),
        ));
        steps.push(Step::new(
            "back-channel",
            true,
            says(metadata.back_channel, "announced; register the address below", "not announced: sessions end by refresh and max_stale"),
        ));
        steps
    }

    /// A code that nobody was given is refused by a provider that knows the client, and the client by one that does not.
    async fn probe_client(&self, metadata: &Metadata) -> Step {
        let nobodys = Secret::new("a-code-that-nobody-was-given");
        let grant = Grant::Code { code: &nobodys, verifier: &nobodys, redirect_uri: "https://vestibule.invalid/callback" };
        match tokens(&self.http, &self.config, metadata, grant).await {
            Err(ProviderError::Refused(refusal)) if matches!(refusal.code.as_str(), "invalid_client" | "unauthorized_client") => {
                Step::new("client", false, format!("{refusal}; compare client_id and client_secret with the provider's"))
            }
            Err(ProviderError::Refused(refusal)) => Step::new("client", true, format!("known to the provider (a made-up code: {refusal})")),
            Err(error) => Step::new("client", false, error.to_string()),
            Ok(_) => Step::new("client", false, "the provider gave tokens for a code that it never issued"),
        }
    }
}

/// A well-formed token that no key has signed: `{"alg":"ES256","kid":"vestibule-probe"}`.
const NOBODYS: &str = "eyJhbGciOiJFUzI1NiIsImtpZCI6InZlc3RpYnVsZS1wcm9iZSJ9.e30.AA";
