//! A question to a provider that is under way: what its answer must show, and what it is for. Kept on the server, so that any gateway takes
//! the answer; bound to the flow cookie, so that another browser's answer is nothing; taken once.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::base::random::{self, NoEntropy};
use crate::base::{FlowId, Secret, SessionId, Time, UserId, secret};

/// What the answer must show, and what proves that the code is ours: 256 random bits each.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProviderSecrets {
    /// Comes back in the browser (RFC 6749 section 10.12).
    pub state: Secret,
    /// Comes back in the ID token.
    pub nonce: Secret,
    /// Goes to the token endpoint; the browser carries its hash (RFC 7636).
    pub verifier: Secret,
}

impl ProviderSecrets {
    /// # Errors
    /// If the system gives no random bytes.
    pub fn random() -> Result<Self, NoEntropy> {
        let one = || random::bytes::<32>().map(|bytes| Secret::new(URL_SAFE_NO_PAD.encode(bytes)));
        Ok(Self { state: one()?, nonce: one()?, verifier: one()? })
    }

    /// Whether an answer's `state` is this one.
    pub fn is_answered_by(&self, state: &str) -> bool {
        secret::same(self.state.expose().as_bytes(), state.as_bytes())
    }
}

/// What a question is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProviderPurpose {
    /// Somebody signs in.
    SignIn,
    /// Somebody who is signed in proves again who they are.
    Again { user: UserId },
    /// The second factor, after our own password or for a session that steps up.
    Second { user: UserId, epoch: u32 },
    /// The account is linked, and with it the method `external` is set up.
    Link { user: UserId, epoch: u32, session: Option<SessionId> },
    /// Somebody who is signed in links their account, to sign in by the provider from then on.
    OwnLink { user: UserId, epoch: u32, session: SessionId },
    /// The same on the strength of a set-up link, whose token is sealed here.
    SetUp { user: UserId, epoch: u32, link: String },
}

/// A question that is under way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProviderRequest {
    pub secrets: ProviderSecrets,
    pub provider: String,
    /// As it was configured when the question was asked.
    pub issuer: String,
    /// Of the browser that asked.
    pub flow: FlowId,
    pub purpose: ProviderPurpose,
    pub redirect_uri: String,
    /// Where the browser was going; judged again when it comes back.
    pub rd: String,
    pub created: Time,
    pub expires: Time,
}

impl ProviderRequest {
    /// How long somebody may take at the provider.
    pub const LIFETIME: Duration = Duration::from_secs(15 * 60);
}
