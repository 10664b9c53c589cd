//! An OpenID Connect provider as the configuration names it: plain data, checked, with every default filled in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::base::Secret;

/// One entry of `[[providers]]`.
#[derive(Clone, Debug)]
pub struct Provider {
    /// As it stands in the paths `login/with/NAME` and `callback/NAME`, and as a user's `source`.
    pub name: String,
    /// What the button says.
    pub title: String,
    /// Compared byte for byte with what the provider calls itself. `https`, or `http` on the loopback.
    pub issuer: String,
    pub client_id: String,
    /// Absent for a public client: PKCE alone protects the code then.
    pub client_secret: Option<Secret>,
    /// The authorities, in PEM, that the provider's certificate must come from; absent: the public ones.
    pub ca: Option<Arc<Vec<u8>>>,
    /// Always with `openid`.
    pub scopes: Vec<String>,
    pub uses: Uses,
    pub claims: ClaimNames,
    pub create: Create,
    /// Whether an account is found by a verified address too, in `email_domains`; else by the subject alone.
    pub link_by_email: bool,
    /// Lower case.
    pub email_domains: Vec<String>,
    pub counts: Counts,
    /// How soon a removed group or a disabled account takes effect.
    pub refresh: Duration,
    /// How long sessions go on while the provider cannot be asked.
    pub max_stale: Duration,
    /// The provider's group to the name that routes use; a group that is not here does not exist.
    pub group_map: BTreeMap<String, String>,
}

impl Provider {
    /// Whether what is known of the one holds for the other too.
    pub fn is_same(&self, other: &Self) -> bool {
        // A secret compares in constant time and not by `==`; everything that can differ shows in the other keys' text.
        let secrets = match (&self.client_secret, &other.client_secret) {
            (Some(a), Some(b)) => a.matches(b.expose()),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        secrets && format!("{self:?}") == format!("{other:?}")
    }
}

/// What a provider is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uses {
    pub sign_in: bool,
    /// The method `external`, after our own password.
    pub second_factor: bool,
}

/// Which claims say what. A dot leads into an object if no claim has the whole name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimNames {
    pub name: String,
    pub display_name: String,
    pub email: String,
    pub groups: String,
}

impl Default for ClaimNames {
    fn default() -> Self {
        let [name, display_name, email, groups] = ["preferred_username", "name", "email", "groups"].map(str::to_owned);
        Self { name, display_name, email, groups }
    }
}

/// Whether somebody without an account here gets one at the first sign-in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Create {
    #[default]
    Never,
    Always,
    /// Only somebody in a group of `group_map`.
    Groups,
}

/// What of the provider's counts as a second factor: any one of these is enough, and nothing is if all are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Authentication methods (RFC 8176).
    pub amr: Vec<String>,
    /// Authentication context classes (OpenID Connect Core section 2).
    pub acr: Vec<String>,
    /// Entra ID's authentication contexts.
    pub acrs: Vec<String>,
}

impl Counts {
    pub const fn is_empty(&self) -> bool {
        self.amr.is_empty() && self.acr.is_empty() && self.acrs.is_empty()
    }
}
