//! Whether the program can serve, and how it is: what the administration listener and the metrics ask. Able to read is not enough after a
//! write that failed.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::program::App;
use crate::acme;
use crate::service::sources::Sources;
use crate::source::directory::Directory;
use crate::store::StoreError;
use crate::store::kv::Batch;
use crate::telemetry::server::Health;
use crate::telemetry::{CertificateHealth, Channel, DirectoryHealth, Scrape};

#[async_trait::async_trait]
impl Health for App {
    async fn ready(&self) -> Result<Option<String>, String> {
        let live = &self.services.live;
        if live.is_stale() {
            return Err("no news of other gateways' changes".to_owned());
        }
        let store = &self.services.store;
        // People who are signed in go on for a while: a balancer that took every gateway out would keep them from it.
        let goes_on = store.kv().is_shared() && !self.services.context.config().max_stale.is_zero();
        let limited = |why: String| {
            let since = live.behind_since().map(|since| format!(" since {}", since.rfc3339())).unwrap_or_default();
            if goes_on { Ok(Some(format!("serving stale{since}: {why}"))) } else { Err(why) }
        };
        let looked = async {
            store.audit_head().await?;
            // A full disk can be read. Only after a failed write is another one tried.
            if self.unwritable.load(Ordering::Relaxed) {
                store.kv().commit(Batch::default().put("health", "1")).await?;
            }
            Ok::<_, StoreError>(())
        };
        match tokio::time::timeout(Duration::from_secs(2), looked).await {
            Ok(Ok(())) if live.is_behind() => limited("no news of other gateways' changes".to_owned()),
            Ok(Ok(())) => Ok(self.services.gateways.warning()),
            Ok(Err(e)) => limited(e.to_string()),
            Err(_) => limited("the store does not answer".to_owned()),
        }
    }

    fn measure(&self) -> Scrape {
        let (load, health) = (self.services.hash_load(), self.services.notices.notifier.health());
        let channels = [("mail", health.mail), ("sms", health.sms)].into_iter().filter_map(|(name, state)| {
            let state = state?;
            Some(Channel { name, pending: state.pending, sent: state.sent, failed: state.failed, failing: state.failing })
        });
        let snapshot = self.snapshot.load();
        Scrape {
            sessions: self.services.live.count(),
            stale: self.services.live.behind_since().map_or(Duration::ZERO, |since| self.services.now().since(since)),
            hashes: (load.waiting, load.running, load.refused),
            channels: channels.collect(),
            certificates: self.acme.health().into_iter().map(certificate).collect(),
            directories: directories(&self.services.sources.get()),
            providers: self.services.providers.reports().into_iter().map(|report| (report.name, report.up)).collect(),
            unsealable: self.services.store.unsealable(),
            upstreams: snapshot.upstreams.health().map(|(route, label, up)| (route.to_owned(), label.to_owned(), up)).collect(),
        }
    }
}

fn certificate(health: acme::CertificateHealth) -> CertificateHealth {
    CertificateHealth { host: health.host, days: health.days, failed_at: health.failed_at }
}

fn directories(sources: &Sources) -> Vec<DirectoryHealth> {
    let health = |directory: &Arc<Directory>| {
        let health = directory.health();
        DirectoryHealth {
            name: directory.config().name.clone(),
            servers: health.servers.into_iter().filter_map(|(server, up)| Some((server, up?))).collect(),
            asked: health.asked,
            failed: health.failed,
            millis: u64::try_from(health.spent.as_millis()).unwrap_or(u64::MAX),
        }
    };
    sources.directories.iter().map(health).collect()
}
