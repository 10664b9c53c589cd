//! What listeners show and answer: certificates by host, and challenges under way. Read for each handshake without waiting; a change is
//! seen whole by the next one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::sign::CertifiedKey;

use crate::base::{Host, Time};
use crate::store::AcmeChallenge;

/// A challenge as it is answered.
#[derive(Clone, Debug)]
pub struct Shown {
    pub challenge: AcmeChallenge,
    /// Of one that is answered in a TLS handshake.
    pub certificate: Option<Arc<CertifiedKey>>,
}

/// What to answer to a request for a challenge over HTTP (RFC 8555 section 8.3).
#[derive(PartialEq, Eq, Debug)]
pub enum Answer {
    /// No certificates are ordered for this host: the request is one like any other.
    NotOurs,
    /// Nothing was ordered under this token.
    Unknown,
    Authorization(String),
}

/// Certificates and challenges at this moment.
#[derive(Debug, Default)]
pub struct InForce {
    hosts: ArcSwap<BTreeSet<Host>>,
    certificates: ArcSwap<BTreeMap<String, Arc<CertifiedKey>>>,
    challenges: ArcSwap<BTreeMap<String, Shown>>,
}

impl InForce {
    /// The certificate for exactly this name.
    pub fn certificate(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        let all = self.certificates.load();
        all.get(name).or_else(|| all.get(&name.to_ascii_lowercase())).cloned()
    }

    /// Whether there is one for this name.
    pub fn names(&self, host: &str) -> bool {
        self.certificates.load().contains_key(host)
    }

    /// Any certificate, always the same one, for clients that name no host.
    pub fn first(&self) -> Option<Arc<CertifiedKey>> {
        self.certificates.load().values().next().cloned()
    }

    /// The certificate that answers a challenge for this name in a handshake (RFC 8737 section 3).
    pub fn of_challenge(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        let all = self.challenges.load();
        let name = name.to_ascii_lowercase();
        all.values().find(|shown| shown.challenge.host == name).and_then(|shown| shown.certificate.clone())
    }

    /// What to answer to a request for this token.
    pub fn answer(&self, host: &Host, token: Option<&str>, now: Time) -> Answer {
        if !self.hosts.load().contains(host) {
            return Answer::NotOurs;
        }
        let challenges = self.challenges.load();
        let shown = token.and_then(|token| challenges.get(token)).map(|shown| &shown.challenge);
        match shown.filter(|challenge| !challenge.by_tls && challenge.host == host.as_str() && challenge.until > now) {
            Some(challenge) => Answer::Authorization(challenge.authorization.clone()),
            None => Answer::Unknown,
        }
    }

    /// The hosts that certificates are ordered for from now on. Other hosts' certificates are no longer shown.
    pub fn serve(&self, hosts: BTreeSet<Host>) {
        self.certificates.rcu(|all| {
            let kept = all.iter().filter(|(name, _)| hosts.iter().any(|host| host.as_str() == name.as_str()));
            kept.map(|(name, key)| (name.clone(), Arc::clone(key))).collect::<BTreeMap<_, _>>()
        });
        self.hosts.store(Arc::new(hosts));
    }

    /// Puts a certificate in force for new connections.
    pub fn install(&self, host: &str, key: &Arc<CertifiedKey>) {
        self.certificates.rcu(|all| {
            let mut all = BTreeMap::clone(all);
            all.insert(host.to_owned(), Arc::clone(key));
            all
        });
    }

    /// Puts these challenges, and no others, in force.
    pub fn show(&self, challenges: BTreeMap<String, Shown>) {
        self.challenges.store(Arc::new(challenges));
    }

    /// The challenges at the moment.
    pub fn shown(&self) -> Arc<BTreeMap<String, Shown>> {
        self.challenges.load_full()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tokens_that_were_ordered_are_answered_and_only_on_their_host() {
        let (now, soon) = (Time::from_secs(1000), Time::from_secs(1060));
        let host = |name: &str| Host::parse(name.as_bytes()).unwrap();
        let in_force = InForce::default();
        in_force.serve([host("wiki.example"), host("git.example")].into());
        let challenge = |by_tls| Shown {
            challenge: AcmeChallenge { host: "wiki.example".into(), authorization: "t.x".into(), by_tls, until: soon },
            certificate: None,
        };
        in_force.show([("t".to_owned(), challenge(false)), ("tls".to_owned(), challenge(true))].into());
        let ask = |name: &str, token| in_force.answer(&host(name), token, now);
        assert_eq!(ask("wiki.example", Some("t")), Answer::Authorization("t.x".into()));
        assert_eq!(ask("git.example", Some("t")), Answer::Unknown);
        assert_eq!(ask("wiki.example", Some("tls")), Answer::Unknown);
        assert_eq!(ask("wiki.example", None), Answer::Unknown);
        assert_eq!(ask("other.example", Some("t")), Answer::NotOurs);
        assert_eq!(in_force.answer(&host("wiki.example"), Some("t"), soon), Answer::Unknown);
    }

    #[test]
    fn a_host_that_no_route_names_any_more_has_no_certificate_any_more() {
        let in_force = InForce::default();
        let key = crate::acme::certificate::stand_in("wiki.example").unwrap();
        in_force.serve([Host::parse(b"wiki.example").unwrap()].into());
        in_force.install("wiki.example", &key);
        assert!(in_force.certificate("WIKI.example").is_some() && in_force.first().is_some());
        in_force.serve(BTreeSet::new());
        assert!(in_force.certificate("wiki.example").is_none());
    }
}
