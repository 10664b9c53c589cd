//! What a session that began at a provider keeps of it: whose it is there, so that the provider can end it, and the tokens, sealed, by
//! which claims are refreshed and the session there is ended.

use serde::{Deserialize, Serialize};

use crate::base::Time;

/// A session's other half.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderSession {
    pub provider: String,
    /// The `sub` of its tokens.
    pub sub: String,
    /// The provider's session, if it names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// When the person proved there who they are, if the provider says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authenticated: Option<Time>,
    /// When the sign-in began here: a logout that came later ends it.
    pub began: Time,
    /// The ID token, sealed: it goes back when the person signs out.
    pub id_token: String,
    /// The refresh token, sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    /// When the provider said last that the person may be here.
    pub confirmed: Time,
    /// When it was asked last, by whichever gateway.
    pub asked: Time,
}
