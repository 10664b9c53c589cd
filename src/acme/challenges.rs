//! The challenges under way: written to the store, so that every gateway on it can answer, and put in force here. The authority is told
//! only after the others have had time to read them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::certificate;
use super::in_force::{InForce, Shown};
use crate::base::Time;
use crate::store::{AcmeChallenge, Store, StoreError};

/// How often gateways that share a store look for each other's challenges and certificates.
pub const FOLLOW: Duration = Duration::from_secs(2);

/// Longest token that is taken, in characters.
const LONGEST: usize = 256;

/// Where challenges are shown.
#[derive(Clone)]
pub struct Challenges {
    pub store: Arc<Store>,
    pub in_force: Arc<InForce>,
}

impl Challenges {
    /// Shows a challenge, and returns once every gateway shows it.
    ///
    /// # Errors
    /// The store's; a token that cannot be one (RFC 8555 section 8.3).
    pub async fn put(&self, token: &str, challenge: AcmeChallenge) -> Result<(), StoreError> {
        let is_token = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
        if token.is_empty() || token.len() > LONGEST || !token.bytes().all(is_token) {
            return Err(StoreError::Record("the authority's token is not base64url".to_owned()));
        }
        self.store.put_acme_challenge(token, &challenge).await?;
        let mut shown = BTreeMap::clone(&self.in_force.shown());
        shown.insert(token.to_owned(), show(challenge));
        self.in_force.show(shown);
        if self.store.kv().is_shared() {
            tokio::time::sleep(FOLLOW * 2).await;
        }
        Ok(())
    }

    /// Removes all of them. To be called by who orders.
    ///
    /// # Errors
    /// The store's.
    pub async fn clear(&self) -> Result<(), StoreError> {
        self.in_force.show(BTreeMap::new());
        let tokens: Vec<String> = self.store.acme_challenges().await?.into_keys().collect();
        if tokens.is_empty() { Ok(()) } else { self.store.delete_acme_challenges(&tokens).await }
    }

    /// Shows what the store has.
    ///
    /// # Errors
    /// The store's.
    pub async fn follow(&self, now: Time) -> Result<(), StoreError> {
        let stored = self.store.acme_challenges().await?;
        let known = self.in_force.shown();
        let again = |token: &String, challenge: AcmeChallenge| match known.get(token) {
            Some(shown) if shown.challenge == challenge => shown.clone(),
            _ => show(challenge),
        };
        let valid = stored.into_iter().filter(|(_, challenge)| challenge.until > now);
        self.in_force.show(valid.map(|(token, challenge)| (token.clone(), again(&token, challenge))).collect());
        Ok(())
    }
}

/// A challenge with the certificate that answers it.
fn show(challenge: AcmeChallenge) -> Shown {
    let certificate = challenge.by_tls.then(|| {
        let digest: [u8; 32] = Sha256::digest(challenge.authorization.as_bytes()).into();
        certificate::of_challenge(&challenge.host, &digest)
            .inspect_err(|error| tracing::error!(host = challenge.host, error, "a challenge cannot be answered"))
            .ok()
    });
    Shown { challenge, certificate: certificate.flatten() }
}
