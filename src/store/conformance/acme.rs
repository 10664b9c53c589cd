//! What ACME keeps, in every backend: one gateway orders, and a private key is never in the clear.

use std::sync::Arc;
use std::time::Duration;

use super::super::{AcmeCertificate, AcmeChallenge, Duty, Store};
use super::race;
use crate::base::{Secret, Time};
use crate::session::KeyRing;
use crate::session::keys::MasterKey;

const LEASE: Duration = Duration::from_secs(60);

fn certificate() -> AcmeCertificate {
    AcmeCertificate { directory: "https://ca.example".into(), chain: "chain".into(), key: Secret::new("-----BEGIN PRIVATE KEY-----") }
}

pub(super) async fn of_many_gateways_one_orders(store: Arc<Store>) {
    let now = Time::from_secs(1000);
    let names: Vec<String> = (0..12).map(|n| format!("gateway-{n}")).collect();
    let place = std::sync::atomic::AtomicUsize::new(0);
    let taken = race(names.len(), || {
        let (store, name) = (store.clone(), names[place.fetch_add(1, std::sync::atomic::Ordering::Relaxed)].clone());
        async move { store.take_lease(Duty::Certificates, &name, now.plus(LEASE), now).await.unwrap().then_some(name) }
    })
    .await;
    let holders: Vec<String> = taken.into_iter().flatten().collect();
    if !store.kv().is_shared() {
        return assert!(!holders.is_empty());
    }
    let [holder] = holders.as_slice() else { panic!("{holders:?}") };
    assert!(store.take_lease(Duty::Certificates, holder, now.plus(LEASE), now).await.unwrap(), "its holder may hold it for longer");
    assert!(!store.put_acme_certificate("other", "wiki.example", &certificate()).await.unwrap());
    assert!(store.put_acme_certificate(holder, "wiki.example", &certificate()).await.unwrap());
    let later = now.plus(LEASE * 2);
    assert!(store.take_lease(Duty::Certificates, "other", later.plus(LEASE), later).await.unwrap(), "it has run out");
    assert!(!store.put_acme_certificate(holder, "wiki.example", &certificate()).await.unwrap(), "what was ordered under it is too late");
    store.release_lease(Duty::Certificates, holder).await.unwrap();
    assert!(!store.take_lease(Duty::Certificates, holder, later.plus(LEASE), later).await.unwrap(), "nobody gives back what is another's");
    store.release_lease(Duty::Certificates, "other").await.unwrap();
    assert!(store.take_lease(Duty::Certificates, holder, later.plus(LEASE), later).await.unwrap());
}

pub(super) async fn acme_keys_are_sealed_and_follow_a_rotation(store: Arc<Store>) {
    let now = Time::from_secs(1000);
    assert!(store.take_lease(Duty::Certificates, "a", now.plus(LEASE), now).await.unwrap());
    let before = store.acme_version().await.unwrap();
    assert!(store.put_acme_certificate("a", "wiki.example", &certificate()).await.unwrap());
    store.put_acme_account("https://ca.example", b"BEGIN PRIVATE account").await.unwrap();
    let challenge = AcmeChallenge { host: "wiki.example".into(), authorization: "t.x".into(), by_tls: false, until: now };
    store.put_acme_challenge("t", &challenge).await.unwrap();
    assert_ne!(store.acme_version().await.unwrap(), before);
    for (key, value) in store.kv().snapshot().await.unwrap() {
        assert!(!String::from_utf8_lossy(&value).contains("PRIVATE"), "{}", String::from_utf8_lossy(&key));
    }
    assert_eq!(store.acme_challenges().await.unwrap()["t"], challenge);
    store.delete_acme_challenges(&["t".to_owned()]).await.unwrap();
    assert!(store.acme_challenges().await.unwrap().is_empty());
    // Only the newer key is left in the end; what is sealed under it opens.
    let (old, new) = (MasterKey::random(1, now).unwrap(), MasterKey::random(2, now).unwrap());
    assert_eq!(store.acme_sealed_under().await.unwrap(), [1, 1]);
    let foreign = KeyRing::new(&[old, new.clone()]).unwrap();
    store.rekey(Arc::new(foreign));
    assert!(store.acme_certificates().await.unwrap().is_empty(), "another key of the same number opens nothing");
    assert!(store.acme_account("https://ca.example").await.unwrap().is_none());
    assert!(store.put_acme_certificate("a", "wiki.example", &certificate()).await.unwrap());
    store.put_acme_account("https://ca.example", b"account").await.unwrap();
    store.reseal_acme().await.unwrap();
    store.rekey(Arc::new(KeyRing::new(&[new]).unwrap()));
    let read = &store.acme_certificates().await.unwrap()["wiki.example"];
    assert!(read.key.matches("-----BEGIN PRIVATE KEY-----") && read.chain == "chain");
    assert_eq!(store.acme_account("https://ca.example").await.unwrap().unwrap().as_slice(), b"account");
    assert_eq!(store.acme_sealed_under().await.unwrap(), [2, 2]);
}
