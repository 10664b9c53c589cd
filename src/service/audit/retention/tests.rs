//! A trimmed log is as provable as a whole one; who can edit the store cannot move its beginning unseen.

use std::sync::Arc;

use super::*;
use crate::app::{App, Post};
use crate::base::{Clock, Time};
use crate::config::{Config, StoreUrl};
use crate::service::Services;
use crate::store::AuditStart;
use crate::store::kv::{Batch, key};

const HOUR: Duration = Duration::from_secs(3600);
const ANCHOR: &[u8] = b"audit-anchor";

struct House {
    app: Arc<App>,
    clock: Clock,
    _folder: tempfile::TempDir,
}

impl House {
    /// A log of `hours` records, an hour apart, of which a day is kept.
    async fn new(hours: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.server.data_dir = folder.path().join("data");
        config.store = StoreUrl::Sled(folder.path().join("data/store"));
        config.audit.retention = HOUR * 24;
        let clock = Clock::manual(Time::from_secs(1_700_000_000));
        let app = App::open(Arc::new(config), clock.clone(), Post::Outbox(Arc::default())).await.unwrap();
        let house = Self { app, clock, _folder: folder };
        for n in 0..hours {
            house.services().audit.record(Event::SignedIn, Some("alice"), Actor::Gateway, format!("no {n}")).await.unwrap();
            house.clock.advance(HOUR);
        }
        house
    }

    fn services(&self) -> &Services {
        &self.app.services
    }

    async fn faults(&self) -> Vec<String> {
        self.services().audit_verifier.verify().await.unwrap().faults
    }

    async fn write(&self, batch: Batch) {
        assert!(self.services().store.kv().commit(batch).await.unwrap());
    }

    async fn raw(&self, key: &[u8]) -> Vec<u8> {
        self.services().store.kv().get(key).await.unwrap().unwrap()
    }
}

fn record(seq: u64) -> Vec<u8> {
    key("audit", seq.to_be_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_older_goes_in_batches_and_the_rest_is_whole() {
    let house = House::new(600).await;
    let services = house.services();
    assert_eq!(services.audit_retention.trim().await.unwrap(), 576);
    assert_eq!(services.audit_retention.trim().await.unwrap(), 0);
    let report = services.audit_verifier.verify().await.unwrap();
    // What was kept, and the record of the removal.
    assert_eq!((report.whole, report.removed, report.records, report.seq), (true, 576, 25, 601));
    let last = services.store.audit_before(None, 1).await.unwrap().remove(0);
    assert_eq!((last.event.as_str(), last.detail.as_str()), ("audit.trimmed", "576 records, up to number 576"));
    // Days are still found by halving.
    let filter = crate::service::audit::RecordFilter { until: Some(services.now().minus(HOUR * 20)), ..Default::default() };
    let page = services.audit_reader.page(&filter, crate::service::audit::PageStart::End, 10).await.unwrap();
    assert_eq!(page.records.iter().map(|record| record.seq).collect::<Vec<_>>(), [580, 579, 578, 577]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_record_stays_and_zero_keeps_everything() {
    let house = House::new(3).await;
    house.clock.advance(HOUR * 1000);
    assert_eq!(house.services().audit_retention.trim().await.unwrap(), 2);
    let mut config = (*house.services().config()).clone();
    config.audit.retention = Duration::ZERO;
    house.services().reconfigure(Arc::new(config), crate::service::sources::Sources::default());
    house.clock.advance(HOUR * 1000);
    assert_eq!(house.services().audit_retention.trim().await.unwrap(), 0);
    assert_eq!(house.faults().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moved_or_forged_anchor_shows() {
    let house = House::new(100).await;
    let kv = house.services().store.kv().clone();
    let third = kv.snapshot().await.unwrap().into_iter().find(|(key, _)| *key == record(3)).unwrap();
    assert!(house.services().audit_retention.trim().await.unwrap() > 0);
    let trimmed = kv.snapshot().await.unwrap();
    let anchor = house.raw(ANCHOR).await;
    let older = String::from_utf8(anchor.clone()).unwrap();
    for (what, batch, said) in [
        ("removed", Batch::default().delete(ANCHOR), "records 1 to 76 are missing"),
        ("another number", Batch::default().put(ANCHOR, older.replace("76,", "75,")), "not the gateway's"),
        ("no anchor at all", Batch::default().put(ANCHOR, "{}"), "not the gateway's"),
        ("the next record removed too", Batch::default().delete(record(77)), "record 77 is missing"),
        ("the head removed", Batch::default().delete(b"audit-head".to_vec()), "the mark of the log's end is missing"),
        ("the last removed", Batch::default().delete(record(101)), "should go on to 101"),
        ("an old one put back", Batch::default().put(record(3), third.1.clone()), "stands before the log's beginning"),
        ("one changed", Batch::default().put(record(90), house.raw(&record(91)).await), "in the place of record 90"),
    ] {
        house.write(batch).await;
        let faults = house.faults().await;
        assert!(faults.iter().any(|fault| fault.contains(said)), "{what}: {faults:?}");
        assert!(kv.replace(trimmed.clone(), false).await.unwrap());
        assert_eq!(house.faults().await, Vec::<String>::new());
    }
    // An attacker who cuts the beginning further and writes an anchor for it lacks the key.
    let next: serde_json::Value = serde_json::from_slice(&house.raw(&record(77)).await).unwrap();
    let mut forged: serde_json::Value = serde_json::from_slice(&anchor).unwrap();
    (forged["seq"], forged["hash"]) = (77.into(), next["hash"].clone());
    house.write(Batch::default().delete(record(77)).put(ANCHOR, serde_json::to_vec(&forged).unwrap())).await;
    assert!(!house.faults().await.is_empty());
    assert!(house.services().audit_verifier.prove().await.unwrap() == crate::service::audit::Chain::Broken("0".into()));
    // And nothing is trimmed any more, so that the trace stays.
    house.clock.advance(HOUR * 1000);
    assert!(matches!(house.services().audit_retention.trim().await, Err(RetentionError::Broken(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trimming_does_not_carry_off_a_changed_record() {
    let house = House::new(100).await;
    let text = String::from_utf8(house.raw(&record(10)).await).unwrap();
    house.write(Batch::default().put(record(10), text.replace("alice", "mallory"))).await;
    assert!(matches!(house.services().audit_retention.trim().await, Err(RetentionError::Broken(10))));
    assert!(house.faults().await.iter().any(|fault| fault == "record 10 was changed"));
    assert_eq!(house.services().store.audit_after(0, 1).await.unwrap()[0].seq, 1, "nothing was removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_anchor_travels_with_an_export_and_outlives_its_key() {
    let house = House::new(60).await;
    let services = house.services();
    services.audit_retention.trim().await.unwrap();
    let text = services.backup.export(Actor::CommandLine).await.unwrap();
    services.backup.import(&text, true, Actor::CommandLine).await.unwrap();
    assert_eq!(house.faults().await, Vec::<String>::new());
    assert!(matches!(services.store.audit_start().await.unwrap(), AuditStart::At(36, _)));
    // Another gateway's keys do not take it in.
    let other = House::new(0).await;
    let refused = other.services().backup.import(&text, true, Actor::CommandLine).await;
    assert!(matches!(refused, Err(crate::service::backup::export::ImportError::OtherAnchor)), "{refused:?}");
    // The first rotation keeps the key; the next may drop it only because the anchor was signed again.
    services.keys.rotate(Actor::CommandLine).await.unwrap();
    house.clock.advance(HOUR * 1000);
    assert!(services.keys.rotate(Actor::CommandLine).await.unwrap().dropped.is_empty(), "the anchor still needs key 1");
    services.keys.reseal().await.unwrap();
    house.clock.advance(HOUR * 1000);
    let dropped = services.keys.rotate(Actor::CommandLine).await.unwrap().dropped;
    assert_eq!(dropped, [1, 2]);
    assert_eq!(house.faults().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_misleads_shows_and_is_not_gone_by() {
    let house = House::new(30).await;
    let services = house.services();
    let of_alice = async || {
        let filter = crate::service::audit::RecordFilter { user: "Alice".into(), ..Default::default() };
        services.audit_reader.page(&filter, crate::service::audit::PageStart::End, 50).await.unwrap().records.len()
    };
    let text = services.backup.export(Actor::CommandLine).await.unwrap();
    services.backup.import(&text, true, Actor::CommandLine).await.unwrap();
    assert!(services.store.audit_is_indexed().await.unwrap(), "an export has no index, and an import makes it");
    assert_eq!(of_alice().await, 30);
    let entries = services.store.kv().scan(b"audit-of/", None, 100, false).await.unwrap();
    let elsewhere = [&entries[5].0[..25], &3u64.to_be_bytes()].concat();
    for (what, batch) in [
        ("one is gone", Batch::default().delete(entries[5].0.clone())),
        ("one names another event", Batch::default().put(entries[5].0.clone(), "sign_out")),
        ("one of nobody", Batch::default().put([b"audit-of/".as_slice(), &[0; 16], &7u64.to_be_bytes()].concat(), "x")),
        ("one leads to another's record", Batch::default().delete(entries[5].0.clone()).put(elsewhere, "x")),
    ] {
        house.write(batch).await;
        let faults = house.faults().await;
        assert!(faults.len() == 1 && faults[0].contains("index by name"), "{what}: {faults:?}");
        assert_eq!((of_alice().await, services.store.audit_is_indexed().await.unwrap()), (30, false), "{what}");
        assert!(services.store.index_audit().await.unwrap() > 30);
        assert_eq!((of_alice().await, house.faults().await), (30, Vec::<String>::new()), "{what}");
    }
}
