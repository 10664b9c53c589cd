//! How the gateway is, for `vestibule status` and the administration: what it listens on, where requests go, which certificates end
//! when, and whether store and mail work. Holds no secret.

use serde::Serialize;

use super::program::App;
use crate::base::Time;
use crate::config::{StoreUrl, certificate_facts};
use crate::service::gateways::Member;
use crate::telemetry::server::Health;

/// Where something is, and whether it could be reached lately.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct End {
    pub address: String,
    pub up: bool,
}

/// A route and its upstreams.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct RouteStatus {
    pub name: String,
    pub title: Option<String>,
    pub policy: &'static str,
    pub upstreams: Vec<End>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct CertificateStatus {
    pub listen: String,
    /// DNS names; empty if the file cannot be read now.
    pub names: Vec<String>,
    /// RFC 3339.
    pub expires: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ChannelStatus {
    pub failing: bool,
    pub sent: u64,
    pub failed: u64,
    pub pending: u64,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct DirectoryStatus {
    pub name: String,
    /// Those that were asked already.
    pub servers: Vec<End>,
}

/// Everything at once. Times are RFC 3339.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Status {
    pub version: &'static str,
    pub ready: bool,
    /// Why it is not.
    pub reason: Option<String>,
    pub started: String,
    pub last_reload: Option<String>,
    pub sessions: usize,
    pub listeners: Vec<String>,
    /// `sled` or `postgresql`.
    pub store: &'static str,
    /// Absent if it is not configured.
    pub mail: Option<ChannelStatus>,
    pub sms: Option<ChannelStatus>,
    pub certificates: Vec<CertificateStatus>,
    pub directories: Vec<DirectoryStatus>,
    pub routes: Vec<RouteStatus>,
    /// Those that share the store, this one among them; absent with an embedded store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateways: Option<Vec<Member>>,
    /// What is not as it should be, and stops nothing.
    pub warnings: Vec<String>,
}

impl App {
    /// Looks at everything; the store is asked for two seconds at most.
    pub async fn status(&self) -> Status {
        let (ready, scrape, config) = (self.ready().await, self.measure(), self.config());
        let channel = |name: &str| {
            let found = scrape.channels.iter().find(|channel| channel.name == name);
            found.map(|c| ChannelStatus { failing: c.failing, sent: c.sent, failed: c.failed, pending: c.pending as u64 })
        };
        let history = self.history();
        Status {
            version: env!("CARGO_PKG_VERSION"),
            ready: ready.is_ok(),
            warnings: ready.clone().ok().flatten().into_iter().collect(),
            reason: ready.err(),
            started: history.started.rfc3339(),
            last_reload: history.reloaded.map(Time::rfc3339),
            sessions: scrape.sessions,
            listeners: history.listeners,
            store: if matches!(config.store, StoreUrl::Sled(_)) { "sled" } else { "postgresql" },
            mail: channel("mail"),
            sms: channel("sms"),
            certificates: self.certificates(),
            directories: scrape.directories.iter().map(|d| DirectoryStatus { name: d.name.clone(), servers: ends(&d.servers) }).collect(),
            routes: self.routes(&scrape.upstreams),
            gateways: self.services.gateways.all(),
        }
    }

    fn routes(&self, upstreams: &[(String, String, bool)]) -> Vec<RouteStatus> {
        let of = |name: &str| {
            upstreams.iter().filter(|(route, ..)| route == name).map(|(_, address, up)| End { address: address.clone(), up: *up }).collect()
        };
        let one = |route: &std::sync::Arc<crate::policy::Route>| RouteStatus {
            name: route.name.to_string(),
            title: route.application.title.as_deref().map(str::to_owned),
            policy: route.requirement.level.name(),
            upstreams: of(&route.name),
        };
        self.policy().routes().iter().map(one).collect()
    }

    fn certificates(&self) -> Vec<CertificateStatus> {
        let config = self.config();
        let all = config.server.tls.iter().flat_map(|tls| tls.certificates.iter().map(move |certificate| (tls.listen, certificate)));
        all.map(|(listen, certificate)| {
            let facts = certificate_facts(&certificate.cert);
            let (names, expires) = facts.map_or((Vec::new(), None), |(names, expires)| (names, Some(expires.rfc3339())));
            CertificateStatus { listen: listen.to_string(), names, expires }
        })
        .collect()
    }
}

fn ends(servers: &[(String, bool)]) -> Vec<End> {
    servers.iter().map(|(address, up)| End { address: address.clone(), up: *up }).collect()
}
