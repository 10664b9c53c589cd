//! What an operator wants to be woken for: a reload that was refused, a snapshot that grows old, an audit file that cannot be written.

use prometheus::{IntCounter, IntGauge, Registry};

use super::registered::{counter, gauge};
use crate::base::Time;

/// How the gateway's own duties go.
pub struct Alarms {
    reload_ok: IntGauge,
    reload_at: IntGauge,
    snapshot_at: IntGauge,
    audit_file_failures: IntCounter,
    geo_ok: IntGauge,
}

impl Alarms {
    pub(super) fn new(at: &Registry) -> Result<Self, prometheus::Error> {
        let alarms = Self {
            reload_ok: gauge(at, "vestibule_config_last_reload_successful", "Whether the last reload was taken (1) or refused (0).")?,
            reload_at: gauge(at, "vestibule_config_last_reload_timestamp_seconds", "When the configuration was last asked to reload.")?,
            snapshot_at: gauge(
                at,
                "vestibule_snapshot_last_success_timestamp_seconds",
                "When a snapshot of the embedded store was last written or found to be current; 0: not since the start.",
            )?,
            audit_file_failures: counter(
                at,
                "vestibule_audit_file_failures_total",
                "Attempts to write audit.file that failed; what is missing is written later.",
            )?,
            geo_ok: gauge(
                at,
                "vestibule_geo_databases_current",
                "Whether the files of geo.databases, as they are now, are in force (1) or could not be read (0).",
            )?,
        };
        alarms.reload_ok.set(1);
        alarms.geo_ok.set(1);
        Ok(alarms)
    }

    /// A reload was taken or refused.
    pub fn reloaded(&self, taken: bool, at: Time) {
        self.reload_ok.set(i64::from(taken));
        self.reload_at.set(unix(at));
    }

    /// There is a snapshot of the store as it was then.
    pub fn snapshot_current(&self, at: Time) {
        self.snapshot_at.set(unix(at));
    }

    /// A new database was read, or could not be.
    pub fn geo_read(&self, taken: bool) {
        self.geo_ok.set(i64::from(taken));
    }

    /// The audit file could not be written.
    pub fn audit_file_failed(&self) {
        self.audit_file_failures.inc();
    }
}

fn unix(at: Time) -> i64 {
    i64::try_from(at.unix()).unwrap_or(i64::MAX)
}
