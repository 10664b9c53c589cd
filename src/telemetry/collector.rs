//! What is read off the program at the moment of a scrape, and the metrics that show it.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry};

use super::registered::{counter, counters, gauge, gauges};
use crate::base::Time;

/// The program at one moment.
#[derive(Clone, Debug, Default)]
pub struct Scrape {
    pub sessions: usize,
    /// Of these, bound to a device.
    pub bound: usize,
    /// What happened to such bindings since the start, by name.
    pub devices: Vec<(&'static str, u64)>,
    /// For how long there was no news of the shared database; zero if there is.
    pub stale: Duration,
    /// Password hashes: in the queue, being computed, refused since the start.
    pub hashes: (u64, u64, u64),
    pub channels: Vec<Channel>,
    /// Route, upstream, and whether it is used rather than left out for a while.
    pub upstreams: Vec<(String, String, bool)>,
    pub directories: Vec<DirectoryHealth>,
    /// Provider, and whether it answered when it was asked last.
    pub providers: Vec<(String, bool)>,
    /// Sealed secrets that did not open since the start.
    pub unsealable: u64,
    pub certificates: Vec<CertificateHealth>,
}

/// A host whose certificate is ordered by ACME.
#[derive(Clone, Debug, Default)]
pub struct CertificateHealth {
    pub host: String,
    /// Until it expires; 0 if there is none yet.
    pub days: i64,
    /// When the last order failed; `None` if it did not.
    pub failed_at: Option<Time>,
}

/// A directory of users.
#[derive(Clone, Debug, Default)]
pub struct DirectoryHealth {
    pub name: String,
    /// Each server's address, and whether it answered last.
    pub servers: Vec<(String, bool)>,
    /// Questions since the start, those that got no answer, and milliseconds for all of them.
    pub asked: u64,
    pub failed: u64,
    pub millis: u64,
}

/// A channel for messages: `mail` or `sms`.
#[derive(Clone, Debug)]
pub struct Channel {
    pub name: &'static str,
    /// Queued or under way.
    pub pending: usize,
    pub sent: u64,
    /// Given up.
    pub failed: u64,
    /// Whether the last try failed.
    pub failing: bool,
}

/// The metrics of a [`Scrape`].
pub(super) struct Gauges {
    sessions: IntGauge,
    bound: IntGauge,
    devices: IntCounterVec,
    stale: IntGauge,
    hashes: IntGaugeVec,
    refused: IntCounter,
    pending: IntGaugeVec,
    failing: IntGaugeVec,
    messages: IntCounterVec,
    upstreams: IntGaugeVec,
    directories: IntGaugeVec,
    questions: IntCounterVec,
    asking: IntCounterVec,
    providers: IntGaugeVec,
    unsealable: IntCounter,
    days: IntGaugeVec,
    failed: IntGaugeVec,
    /// The upstreams that are shown; two scrapes at once take turns here.
    shown: Mutex<BTreeSet<(String, String)>>,
}

impl Gauges {
    pub(super) fn new(at: &Registry) -> Result<Self, prometheus::Error> {
        let devices = "What happened to bindings of sessions to devices: offers, registrations, refreshes.";
        let hashes = "Password hashes in the queue (waiting) and being computed (running).";
        let refused = "Password hashes that were not computed because the queue was full.";
        let failing = "Whether the last try to send a message failed (1).";
        let messages = "Messages by channel and whether they were sent or given up (failed).";
        let up = "Whether an upstream is used (1) or left out after a failure to connect (0).";
        let directory = "Whether a directory server answered last (1) or failed (0).";
        let questions = "Questions to a directory, answered or failed.";
        let days = "Whole days until a certificate by ACME expires; 0 if there is none yet, negative once it has expired.";
        let failed = "When the last order of a certificate failed; 0 if it did not.";
        let asking = "Milliseconds spent on questions to a directory.";
        let unsealable = "Sealed secrets (authenticator apps) that did not open: keys.json does not belong to the store.";
        Ok(Self {
            unsealable: counter(at, "vestibule_unsealable_secrets_total", unsealable)?,
            sessions: gauge(at, "vestibule_sessions", "Live sessions.")?,
            bound: gauge(at, "vestibule_sessions_bound", "Live sessions that are bound to a device.")?,
            devices: counters(at, "vestibule_device_events_total", devices, &["event"])?,
            stale: gauge(at, "vestibule_store_stale_seconds", "Seconds without news of the shared database (0: it is followed).")?,
            hashes: gauges(at, "vestibule_password_hashes", hashes, &["state"])?,
            refused: counter(at, "vestibule_password_hashes_refused_total", refused)?,
            pending: gauges(at, "vestibule_messages_pending", "Messages queued or being sent.", &["channel"])?,
            failing: gauges(at, "vestibule_messages_failing", failing, &["channel"])?,
            messages: counters(at, "vestibule_messages_total", messages, &["channel", "outcome"])?,
            upstreams: gauges(at, "vestibule_upstream_up", up, &["route", "upstream"])?,
            directories: gauges(at, "vestibule_directory_up", directory, &["directory", "server"])?,
            questions: counters(at, "vestibule_directory_questions_total", questions, &["directory", "outcome"])?,
            asking: counters(at, "vestibule_directory_milliseconds_total", asking, &["directory"])?,
            providers: gauges(at, "vestibule_provider_up", "Whether a provider answered when it was asked last (1).", &["provider"])?,
            days: gauges(at, "vestibule_acme_days_to_expiry", days, &["host"])?,
            failed: gauges(at, "vestibule_acme_last_failure_timestamp_seconds", failed, &["host"])?,
            shown: Mutex::default(),
        })
    }

    pub(super) fn show(&self, scrape: &Scrape) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        self.sessions.set(whole(scrape.sessions));
        self.bound.set(whole(scrape.bound));
        for (event, count) in &scrape.devices {
            raise(&self.devices.with_label_values(&[event]), *count);
        }
        self.stale.set(whole(scrape.stale.as_secs()));
        let (waiting, running, refused) = scrape.hashes;
        self.hashes.with_label_values(&["waiting"]).set(whole(waiting));
        self.hashes.with_label_values(&["running"]).set(whole(running));
        raise(&self.refused, refused);
        raise(&self.unsealable, scrape.unsealable);
        for channel in &scrape.channels {
            self.pending.with_label_values(&[channel.name]).set(whole(channel.pending));
            self.failing.with_label_values(&[channel.name]).set(i64::from(channel.failing));
            raise(&self.messages.with_label_values(&[channel.name, "sent"]), channel.sent);
            raise(&self.messages.with_label_values(&[channel.name, "failed"]), channel.failed);
        }
        let now: BTreeSet<_> = scrape.upstreams.iter().map(|(route, upstream, _)| (route.clone(), upstream.clone())).collect();
        for (route, upstream) in shown.difference(&now) {
            let _ = self.upstreams.remove_label_values(&[route, upstream]);
        }
        for (route, upstream, up) in &scrape.upstreams {
            self.upstreams.with_label_values(&[route, upstream]).set(i64::from(*up));
        }
        self.providers.reset();
        for (provider, up) in &scrape.providers {
            self.providers.with_label_values(&[provider]).set(i64::from(*up));
        }
        *shown = now;
        drop(shown);
        self.show_directories(&scrape.directories);
        self.show_certificates(&scrape.certificates);
    }

    fn show_certificates(&self, certificates: &[CertificateHealth]) {
        self.days.reset();
        self.failed.reset();
        for certificate in certificates {
            self.days.with_label_values(&[&certificate.host]).set(certificate.days);
            let failed = certificate.failed_at.map_or(0, Time::unix);
            self.failed.with_label_values(&[&certificate.host]).set(whole(failed));
        }
    }

    fn show_directories(&self, directories: &[DirectoryHealth]) {
        self.directories.reset();
        for directory in directories {
            for (server, up) in &directory.servers {
                self.directories.with_label_values(&[&directory.name, server]).set(i64::from(*up));
            }
            let answered = directory.asked.saturating_sub(directory.failed);
            raise(&self.questions.with_label_values(&[&directory.name, "answered"]), answered);
            raise(&self.questions.with_label_values(&[&directory.name, "failed"]), directory.failed);
            raise(&self.asking.with_label_values(&[&directory.name]), directory.millis);
        }
    }
}

fn whole(count: impl TryInto<i64>) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}

/// Brings a counter up to what was counted elsewhere; it never goes back.
fn raise(counter: &IntCounter, to: u64) {
    counter.inc_by(to.saturating_sub(counter.get()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_is_no_longer_shown_and_counters_only_rise() {
        let metrics = crate::telemetry::Metrics::new().unwrap();
        let mail = |sent| vec![Channel { name: "mail", pending: 1, sent, failed: 0, failing: false }];
        let upstreams = vec![("app".to_owned(), "a:1".to_owned(), false)];
        let directories = vec![DirectoryHealth {
            name: "corp".to_owned(),
            servers: vec![("ldaps://dc1".to_owned(), true)],
            asked: 3,
            failed: 1,
            millis: 5,
        }];
        let certificates = vec![CertificateHealth { host: "wiki.example".into(), days: -1, failed_at: Some(Time::from_secs(90)) }];
        metrics.show(&Scrape {
            upstreams,
            hashes: (3, 2, 7),
            channels: mail(5),
            sessions: 4,
            bound: 2,
            devices: vec![("registered", 3)],
            directories,
            unsealable: 1,
            stale: Duration::from_secs(7),
            certificates,
            providers: vec![("corp".to_owned(), true)],
        });
        let text = metrics.text();
        for line in [
            "vestibule_upstream_up{route=\"app\",upstream=\"a:1\"} 0",
            "vestibule_password_hashes{state=\"waiting\"} 3",
            "vestibule_password_hashes_refused_total 7",
            "vestibule_messages_total{channel=\"mail\",outcome=\"sent\"} 5",
            "vestibule_sessions 4",
            "vestibule_sessions_bound 2",
            "vestibule_device_events_total{event=\"registered\"} 3",
            "vestibule_unsealable_secrets_total 1",
            "vestibule_store_stale_seconds 7",
            "vestibule_directory_up{directory=\"corp\",server=\"ldaps://dc1\"} 1",
            "vestibule_acme_days_to_expiry{host=\"wiki.example\"} -1",
            "vestibule_acme_last_failure_timestamp_seconds{host=\"wiki.example\"} 90",
            "vestibule_directory_questions_total{directory=\"corp\",outcome=\"answered\"} 2",
            "vestibule_provider_up{provider=\"corp\"} 1",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}\n{text}");
        }
        metrics.show(&Scrape { channels: mail(2), ..Scrape::default() });
        let text = metrics.text();
        assert!(!text.contains("a:1") && text.contains("outcome=\"sent\"} 5"), "{text}");
    }
}
