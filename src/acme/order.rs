//! One order: the account, a challenge for each authorization, the certificate. Guarantees that a certificate is asked for the one host
//! that was ordered, whatever the authority says about it.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, ChallengeType, Error, ExternalAccountKey, Identifier, NewAccount, NewOrder, Order,
    OrderStatus, RetryPolicy,
};

use super::authority::Authority;
use super::challenges::Challenges;
use crate::base::{Secret, Time};
use crate::config;
use crate::store::{AcmeChallenge, Store, StoreError};

/// How long the authority has for its checks, and again for the certificate.
const POLL: RetryPolicy = RetryPolicy::new().initial_delay(Duration::from_millis(500)).backoff(1.5).timeout(Duration::from_secs(60));

/// How the authority sees that a host is ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// RFC 8555 section 8.3: over plain HTTP, on port 80 as the authority sees it.
    Http,
    /// RFC 8737: in a TLS handshake, on port 443.
    Tls,
}

impl Kind {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http => "http-01",
            Self::Tls => "tls-alpn-01",
        }
    }

    const fn wire(self) -> ChallengeType {
        match self {
            Self::Http => ChallengeType::Http01,
            Self::Tls => ChallengeType::TlsAlpn01,
        }
    }
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error("{0}")]
    Authority(#[from] Error),
    /// Another kind of challenge may do.
    #[error("{}: {why}", kind.name())]
    NotProved { kind: Kind, why: String },
    #[error("{0}")]
    Refused(String),
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("another gateway has taken the order over")]
    TakenOver,
    #[error("it took longer than {} minutes", .0.as_secs() / 60)]
    Late(Duration),
}

impl Fault {
    /// Whether the authority does not know the account: it was made there anew, or the account was removed.
    pub fn is_unknown_account(&self) -> bool {
        matches!(self, Self::Authority(Error::Api(problem)) if problem.r#type.as_deref().is_some_and(|kind| kind.ends_with(":accountDoesNotExist")))
    }
}

/// The account in the store, or a new one, which is then in the store.
///
/// # Errors
/// The authority's refusal, and the store's errors.
pub async fn account(store: &Store, config: &config::Acme, authority: &Authority) -> Result<Account, Fault> {
    let builder = Account::builder_with_http(Box::new(authority.clone()));
    if let Some(known) = store.acme_account(&config.directory).await?
        && let Ok(credentials) = serde_json::from_slice::<AccountCredentials>(&known)
    {
        return Ok(builder.from_credentials(credentials).await?);
    }
    let contact: Vec<String> = config.contact.iter().map(|address| format!("mailto:{address}")).collect();
    let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
    let wanted = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
    let binding = config.eab.as_ref().map(binding).transpose()?;
    let (account, credentials) = builder.create(&wanted, config.directory.clone(), binding.as_ref()).await?;
    let written = zeroize::Zeroizing::new(serde_json::to_vec(&credentials).map_err(Error::from)?);
    store.put_acme_account(&config.directory, &written).await?;
    tracing::info!(account = account.id(), "an account was made at the certificate authority");
    Ok(account)
}

fn binding(eab: &config::Eab) -> Result<ExternalAccountKey, Fault> {
    let key = BASE64URL_NOPAD.decode(eab.hmac.expose().trim_end_matches('=').as_bytes());
    let key = key.map_err(|_| Fault::Refused("acme.eab.hmac is not base64url".to_owned()))?;
    Ok(ExternalAccountKey::new(eab.kid.clone(), &key))
}

/// A chain and its key, both in PEM.
pub struct Issued {
    pub chain: String,
    pub key: Secret,
}

/// Orders a certificate for a host. `until` is how long challenges are answered.
///
/// # Errors
/// [`Fault::NotProved`] if another kind of challenge may do.
pub async fn run(account: &Account, host: &str, kind: Kind, challenges: &Challenges, until: Time) -> Result<Issued, Fault> {
    let identifiers = [Identifier::Dns(host.to_owned())];
    let mut order = account.new_order(&NewOrder::new(&identifiers)).await?;
    prove(&mut order, host, kind, challenges, until).await?;
    let ready = order.poll_ready(&POLL).await;
    if !matches!(ready, Ok(OrderStatus::Ready)) {
        let why = match (explain(&mut order).await, ready) {
            (Some(why), _) => why,
            (None, Err(error)) => error.to_string(),
            (None, Ok(status)) => format!("the order is {status:?}"),
        };
        return Err(Fault::NotProved { kind, why });
    }
    let key = Secret::new(order.finalize().await?);
    let chain = order.poll_certificate(&POLL).await?;
    Ok(Issued { chain, key })
}

/// Shows what the authority wants to see, and tells it to look.
async fn prove(order: &mut Order, host: &str, kind: Kind, challenges: &Challenges, until: Time) -> Result<(), Fault> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if authorization.identifier().to_string() != host {
            return Err(Fault::Refused(format!("the authority wants {} proved in place of {host}", authorization.identifier())));
        }
        match authorization.status {
            AuthorizationStatus::Pending => {}
            AuthorizationStatus::Valid => continue,
            status => return Err(Fault::NotProved { kind, why: format!("the authorization is {status:?}") }),
        }
        let not_offered = || Fault::NotProved { kind, why: "the authority does not offer it".to_owned() };
        let mut challenge = authorization.challenge(kind.wire()).ok_or_else(not_offered)?;
        let authorization = challenge.key_authorization().as_str().to_owned();
        let shown = AcmeChallenge { host: host.to_owned(), authorization, by_tls: kind == Kind::Tls, until };
        challenges.put(&challenge.token, shown).await?;
        challenge.set_ready().await?;
    }
    Ok(())
}

/// What the authority found when it looked.
async fn explain(order: &mut Order) -> Option<String> {
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        let state = authorization.refresh().await.ok()?;
        if let Some(problem) = state.challenges.iter().find_map(|challenge| challenge.error.as_ref()) {
            return Some(problem.detail.clone().unwrap_or_else(|| problem.to_string()));
        }
    }
    None
}
