//! On the way to a provider: a question is made and kept, and the browser is sent off with its state.

use std::sync::Arc;

use super::sign_in::ProviderSignIn;
use crate::base::FlowId;
use crate::config::PortalUrl;
use crate::login::{ProviderPurpose, ProviderRequest, ProviderSecrets};
use crate::service::client::Client;
use crate::service::refused::ProviderProblem;
use crate::service::refused::Refused;
use crate::source::provider::{Demand, Provider};

/// So old that no provider asks again for its sake; but then it says when the person authenticated (OpenID Connect Core section 2, `auth_time`).
const ANY_AGE: u64 = 366 * 24 * 3600;

/// What is asked.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    pub provider: &'a str,
    pub purpose: ProviderPurpose,
    /// The browser's flow cookie, if it has one: several tabs share it.
    pub flow: Option<FlowId>,
    pub rd: &'a str,
    /// What the place demands that the person is going to, if it demands a second factor.
    pub second_factor: bool,
    /// Seconds.
    pub max_age: Option<u64>,
    /// Whom we expect.
    pub login_hint: Option<String>,
}

/// The browser goes to `location`, with this flow's cookie.
#[derive(Debug)]
pub struct Begun {
    pub location: String,
    pub flow: FlowId,
}

impl ProviderSignIn {
    /// A provider of the configuration.
    ///
    /// # Errors
    /// [`ProviderProblem::Unknown`].
    pub(super) fn provider(&self, name: &str) -> Result<Arc<Provider>, Refused> {
        self.providers.get(name).ok_or(Refused::Provider(ProviderProblem::Unknown))
    }

    /// Begins at a provider.
    ///
    /// # Errors
    /// If there is no such provider, it is away, or this address begins too often.
    pub async fn begin(&self, ask: Ask<'_>, client: &Client) -> Result<Begun, Refused> {
        let provider = self.provider(ask.provider)?;
        self.providers.starts.check(client.address.group())?;
        self.providers.starts.failed(client.address.group());
        let config = self.context.config();
        let now = self.context.now();
        let secrets = ProviderSecrets::random()?;
        let origin = config.portal.url.as_ref().map_or_else(|| client.origin.clone(), PortalUrl::origin);
        let redirect_uri = format!("{origin}{}/callback/{}", config.portal.prefix, provider.config.name);
        let url = provider.authorization_url(&redirect_uri, &secrets, &demand(&ask, &provider), now).await;
        let location = url.map_err(|error| self.failed(&provider, &error))?;
        let flow = ask.flow.map_or_else(FlowId::random, Ok)?;
        let request = ProviderRequest {
            secrets,
            provider: provider.config.name.clone(),
            issuer: provider.config.issuer.clone(),
            flow,
            purpose: ask.purpose,
            redirect_uri,
            rd: ask.rd.to_owned(),
            created: now,
            expires: now.plus(ProviderRequest::LIFETIME),
        };
        self.store.put_provider_request(&request).await?;
        Ok(Begun { location, flow })
    }
}

fn demand(ask: &Ask<'_>, provider: &Provider) -> Demand {
    let counts = !provider.config.counts.is_empty();
    match ask.purpose {
        // Whatever session the provider has, the person authenticates: the time in the token proves it, not the wish.
        ProviderPurpose::Second { .. } | ProviderPurpose::Link { .. } => {
            Demand { max_age: Some(0), prompt_login: false, second_factor: counts, login_hint: ask.login_hint.clone() }
        }
        // The person types who they are there: a session of somebody else's in this browser is not linked by mistake.
        ProviderPurpose::OwnLink { .. } | ProviderPurpose::SetUp { .. } => {
            Demand { max_age: Some(0), prompt_login: true, second_factor: false, login_hint: ask.login_hint.clone() }
        }
        ProviderPurpose::Again { .. } => {
            Demand { max_age: Some(0), prompt_login: true, second_factor: counts && ask.second_factor, login_hint: ask.login_hint.clone() }
        }
        ProviderPurpose::SignIn => Demand {
            max_age: ask.max_age.filter(|_| counts).or(counts.then_some(ANY_AGE)),
            prompt_login: false,
            second_factor: counts && ask.second_factor,
            login_hint: None,
        },
    }
}
