//! What gateways that share a store must share of ACME: who orders at the moment, the account, the certificates, the challenges under
//! way, and what failed. Private keys are sealed. Guarantees that a certificate is written only while its writer still holds the lease,
//! so that of several gateways one orders.
//!
//! Keys: `acme/lease` who orders and until when ([`Duty::Certificates`]); `acme/account/DIRECTORY`; `acme/certificate/HOST`; `acme/challenge/TOKEN`;
//! `acme/failure/HOST`; `acme/version` changes with each of certificates and challenges.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::base::{Secret, Time, random};
use crate::session::KeyRing;
use crate::store::backend::kv::{Batch, decode, encode, key};
use crate::store::{Duty, Store, StoreError};

const VERSION: &[u8] = b"acme/version";
const ACCOUNT: &str = "acme/account";
const CERTIFICATE: &str = "acme/certificate";
const CHALLENGE: &str = "acme/challenge";
const FAILURE: &str = "acme/failure";

/// How many records are read at a time.
const PAGE: usize = 500;
/// How often a write is tried again when the record changed meanwhile.
const TRIES: usize = 16;

/// A certificate and its key.
#[derive(Clone, Debug)]
pub struct AcmeCertificate {
    /// Who issued it.
    pub directory: String,
    /// In PEM, the host's own first.
    pub chain: String,
    /// In PEM.
    pub key: Secret,
}

/// As [`AcmeCertificate`], the key sealed for this host.
#[derive(Serialize, Deserialize)]
struct SealedCertificate {
    directory: String,
    chain: String,
    sealed_key: String,
}

/// A challenge that the authority may come to check.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AcmeChallenge {
    pub host: String,
    /// The token and the account key's thumbprint (RFC 8555 section 8.1).
    pub authorization: String,
    /// For a TLS handshake, and not for plain HTTP.
    pub by_tls: bool,
    pub until: Time,
}

/// What went wrong with the last order for a host.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AcmeFailure {
    pub directory: String,
    /// In a row.
    pub count: u32,
    pub at: Time,
    /// When it is tried again.
    pub again: Time,
    /// Whether the authority named that time.
    pub is_asked: bool,
}

impl Store {
    /// The account at an authority, as JSON; `None` if there is none, or it was sealed under a key that is gone.
    pub async fn acme_account(&self, directory: &str) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        let place = key(ACCOUNT, directory);
        let sealed = self.kv.get(&place).await?.and_then(|bytes| String::from_utf8(bytes).ok());
        Ok(sealed.and_then(|sealed| self.keys().open(&place, &sealed).ok()))
    }

    pub async fn put_acme_account(&self, directory: &str, account: &[u8]) -> Result<(), StoreError> {
        let place = key(ACCOUNT, directory);
        let sealed = self.keys().seal(&place, account)?;
        self.kv.commit(Batch::durable().put(place, sealed)).await.map(drop)
    }

    /// Forgets an account that its authority no longer knows.
    pub async fn delete_acme_account(&self, directory: &str) -> Result<(), StoreError> {
        self.kv.commit(Batch::durable().delete(key(ACCOUNT, directory))).await.map(drop)
    }

    /// The certificates by host, without those that were sealed under a key that is gone.
    pub async fn acme_certificates(&self) -> Result<BTreeMap<String, AcmeCertificate>, StoreError> {
        let keys = self.keys();
        let all = self.acme_records::<SealedCertificate>(CERTIFICATE).await?;
        Ok(all.into_iter().filter_map(|(host, record)| Some((host.clone(), unseal(&keys, &host, record)?))).collect())
    }

    /// Keeps a certificate, and forgets what failed before; `false` if the lease is no longer this holder's.
    pub async fn put_acme_certificate(&self, holder: &str, host: &str, certificate: &AcmeCertificate) -> Result<bool, StoreError> {
        let Some(lease) = self.held_lease(Duty::Certificates, holder).await? else { return Ok(false) };
        let place = key(CERTIFICATE, host);
        let sealed_key = self.keys().seal(&place, certificate.key.expose().as_bytes())?;
        let record = SealedCertificate { directory: certificate.directory.clone(), chain: certificate.chain.clone(), sealed_key };
        let batch =
            Batch::durable().expect(Duty::Certificates.place(), Some(lease)).put(place, encode(&record)?).delete(key(FAILURE, host));
        self.kv.commit(batch.put(VERSION, random::bytes::<16>()?)).await
    }

    /// The challenges under way, by token.
    pub async fn acme_challenges(&self) -> Result<BTreeMap<String, AcmeChallenge>, StoreError> {
        self.acme_records(CHALLENGE).await
    }

    pub async fn put_acme_challenge(&self, token: &str, challenge: &AcmeChallenge) -> Result<(), StoreError> {
        let batch = Batch::default().put(key(CHALLENGE, token), encode(challenge)?);
        self.kv.commit(batch.put(VERSION, random::bytes::<16>()?)).await.map(drop)
    }

    pub async fn delete_acme_challenges(&self, tokens: &[String]) -> Result<(), StoreError> {
        let batch = tokens.iter().fold(Batch::default(), |batch, token| batch.delete(key(CHALLENGE, token)));
        self.kv.commit(batch.put(VERSION, random::bytes::<16>()?)).await.map(drop)
    }

    /// What failed last, by host.
    pub async fn acme_failures(&self) -> Result<BTreeMap<String, AcmeFailure>, StoreError> {
        self.acme_records(FAILURE).await
    }

    pub async fn put_acme_failure(&self, host: &str, failure: &AcmeFailure) -> Result<(), StoreError> {
        self.kv.commit(Batch::durable().put(key(FAILURE, host), encode(failure)?)).await.map(drop)
    }

    /// Differs whenever a certificate or a challenge was written or deleted.
    pub async fn acme_version(&self) -> Result<Option<Vec<u8>>, StoreError> {
        self.kv.get(VERSION).await
    }

    async fn acme_records<T: DeserializeOwned>(&self, name: &str) -> Result<BTreeMap<String, T>, StoreError> {
        let (prefix, mut all, mut after) = (key(name, ""), BTreeMap::new(), None::<Vec<u8>>);
        loop {
            let page = self.kv.scan(&prefix, after.as_deref(), PAGE, false).await?;
            let Some((last, _)) = page.last() else { return Ok(all) };
            after = Some(last.clone());
            for (place, bytes) in &page {
                let own = String::from_utf8_lossy(place.get(prefix.len()..).unwrap_or_default()).into_owned();
                all.insert(own, decode(bytes)?);
            }
        }
    }

    /// The ids of the keys that accounts and certificates are sealed under.
    pub async fn acme_sealed_under(&self) -> Result<Vec<u8>, StoreError> {
        let certificates = self.acme_records::<SealedCertificate>(CERTIFICATE).await?;
        let mut ids: Vec<u8> = certificates.values().filter_map(|record| KeyRing::sealed_under(&record.sealed_key)).collect();
        for (_, sealed) in self.kv.scan(&key(ACCOUNT, ""), None, PAGE, false).await? {
            ids.extend(std::str::from_utf8(&sealed).ok().and_then(KeyRing::sealed_under));
        }
        Ok(ids)
    }

    /// Seals accounts and certificates again under the newest key.
    pub async fn reseal_acme(&self) -> Result<(), StoreError> {
        for name in [ACCOUNT, CERTIFICATE] {
            for (place, _) in self.kv.scan(&key(name, ""), None, PAGE, false).await? {
                self.reseal_acme_record(&place, name == CERTIFICATE).await?;
            }
        }
        Ok(())
    }

    async fn reseal_acme_record(&self, place: &[u8], is_certificate: bool) -> Result<(), StoreError> {
        let keys = self.keys();
        for _ in 0..TRIES {
            let Some(before) = self.kv.get(place).await? else { return Ok(()) };
            let mut record = is_certificate.then(|| decode::<SealedCertificate>(&before)).transpose()?;
            let sealed = record.as_ref().map_or_else(|| String::from_utf8_lossy(&before).into_owned(), |record| record.sealed_key.clone());
            let Some(plain) = Some(&sealed).filter(|sealed| !keys.is_fresh(sealed)).and_then(|sealed| keys.open(place, sealed).ok()) else {
                return Ok(());
            };
            let sealed = keys.seal(place, &plain)?;
            let after = match &mut record {
                Some(record) => {
                    record.sealed_key = sealed;
                    encode(record)?
                }
                None => sealed.into_bytes(),
            };
            if self.kv.commit(Batch::durable().expect(place, Some(before)).put(place, after)).await? {
                return Ok(());
            }
        }
        Err(StoreError::Contended)
    }
}

fn unseal(keys: &KeyRing, host: &str, record: SealedCertificate) -> Option<AcmeCertificate> {
    let plain = keys.open(&key(CERTIFICATE, host), &record.sealed_key).ok()?;
    let secret = Secret::new(std::str::from_utf8(&plain).ok()?);
    Some(AcmeCertificate { directory: record.directory, chain: record.chain, key: secret })
}
