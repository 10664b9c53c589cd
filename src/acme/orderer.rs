//! Orders what is due, for as long as the program lives. Guarantees that what fails is logged, written down and tried again later, and
//! changes nothing of what is shown.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Notify;

use super::authority::Authority;
use super::certificate::{self, Usable};
use super::challenges::{Challenges, FOLLOW};
use super::host_state::{CertificateHealth, HostState};
use super::in_force::InForce;
use super::order::{self, Fault, Issued, Kind};
use super::schedule;
use crate::base::{Clock, Host, Time, random};
use crate::config::{self, Config};
use crate::store::{AcmeCertificate, AcmeFailure, Duty, Store, StoreError};

/// How long an order may take, how long the lease that it is made under lasts, and how long its challenges are answered.
const ATTEMPT: Duration = Duration::from_secs(4 * 60);
const LEASE: Duration = Duration::from_secs(6 * 60);
const CHALLENGE: Duration = Duration::from_secs(10 * 60);

/// Between two looks at what is due: at least, at most (the clock may be set), and after the store failed.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(3600);
const AFTER_A_FAULT: Duration = Duration::from_secs(30);

/// What is to be ordered.
pub struct Wanted {
    pub config: Arc<Config>,
    pub hosts: BTreeSet<Host>,
}

struct Plan {
    wanted: Wanted,
    looked_at: Time,
}

/// The orders of one gateway.
pub struct Acme {
    store: Arc<Store>,
    clock: Clock,
    /// The name under which this process holds the lease.
    holder: String,
    in_force: Arc<InForce>,
    challenges: Challenges,
    plan: ArcSwap<Plan>,
    wake: Arc<Notify>,
    hosts: Mutex<BTreeMap<String, HostState>>,
    /// The version of the store that was read last.
    seen: Mutex<Option<Vec<u8>>>,
}

/// Orders and renews until the program ends. A panic ends one round.
pub async fn run(acme: Weak<Acme>) {
    loop {
        let Some(this) = acme.upgrade() else { return };
        let wake = Arc::clone(&this.wake);
        let wait = tokio::spawn(async move { this.round().await }).await.unwrap_or_else(|_| {
            tracing::error!("orders of certificates were interrupted by an internal error; they go on in a moment");
            AFTER_A_FAULT
        });
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = wake.notified() => {}
        }
    }
}

impl Acme {
    /// # Errors
    /// If the system gives no random bytes.
    pub fn new(store: Arc<Store>, clock: Clock, config: Arc<Config>) -> Result<Self, random::NoEntropy> {
        let in_force = Arc::<InForce>::default();
        let plan = Plan { wanted: Wanted { config, hosts: BTreeSet::new() }, looked_at: clock.now() };
        Ok(Self {
            holder: data_encoding::BASE32_NOPAD.encode(&random::bytes::<10>()?),
            challenges: Challenges { store: store.clone(), in_force: in_force.clone() },
            store,
            clock,
            in_force,
            plan: ArcSwap::from_pointee(plan),
            wake: Arc::default(),
            hosts: Mutex::default(),
            seen: Mutex::default(),
        })
    }

    /// What listeners show.
    pub const fn in_force(&self) -> &Arc<InForce> {
        &self.in_force
    }

    /// Serves these hosts from now on, with what the store has, else with a self-signed certificate; orders what is missing.
    ///
    /// # Errors
    /// The store's; then the hosts are as they were.
    pub async fn order_for(&self, wanted: Wanted) -> Result<(), StoreError> {
        self.read(&wanted.hosts).await?;
        self.in_force.serve(wanted.hosts.clone());
        self.plan.store(Arc::new(Plan { wanted, looked_at: self.clock.now() }));
        self.wake.notify_one();
        Ok(())
    }

    /// How the certificates are.
    pub fn health(&self) -> Vec<CertificateHealth> {
        let now = self.clock.now();
        self.states().iter().map(|(host, state)| state.health(host, now)).collect()
    }

    fn states(&self) -> MutexGuard<'_, BTreeMap<String, HostState>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn round(&self) -> Duration {
        let plan = self.plan.load_full();
        let Some(config) = plan.wanted.config.acme.as_ref().filter(|_| !plan.wanted.hosts.is_empty()) else { return LONGEST };
        match self.order_due(&plan, config).await {
            Ok(()) => self.pause(&plan, config),
            Err(error) => {
                tracing::error!(%error, "certificates cannot be ordered while the store does not answer; those in force stay");
                AFTER_A_FAULT
            }
        }
    }

    async fn order_due(&self, plan: &Arc<Plan>, config: &config::Acme) -> Result<(), StoreError> {
        if self.store.acme_version().await? != *self.seen.lock().unwrap_or_else(PoisonError::into_inner) {
            self.read(&plan.wanted.hosts).await?;
        }
        if self.due(plan, config).is_empty() || !self.hold_lease().await? {
            return Ok(());
        }
        // Another gateway may have ordered, or failed, between the look and the lease.
        self.read(&plan.wanted.hosts).await?;
        for host in self.due(plan, config) {
            if !Arc::ptr_eq(plan, &self.plan.load()) || !self.hold_lease().await? {
                break;
            }
            self.attempt(plan, config, &host).await?;
        }
        self.store.release_lease(Duty::Certificates, &self.holder).await
    }

    async fn hold_lease(&self) -> Result<bool, StoreError> {
        let now = self.clock.now();
        self.store.take_lease(Duty::Certificates, &self.holder, now.plus(LEASE), now).await
    }

    fn due(&self, plan: &Plan, config: &config::Acme) -> Vec<String> {
        let now = self.clock.now();
        let states = self.states();
        let due = states.iter().filter(|(_, state)| state.due(&config.directory, plan.looked_at) <= now);
        due.map(|(host, _)| host.clone()).collect()
    }

    fn pause(&self, plan: &Plan, config: &config::Acme) -> Duration {
        let next = self.states().values().map(|state| state.due(&config.directory, plan.looked_at)).min();
        let longest = if self.store.kv().is_shared() { FOLLOW } else { LONGEST };
        next.map_or(longest, |next| next.since(self.clock.now())).clamp(SHORTEST, longest)
    }

    /// Takes in what the store has: certificates, what failed, challenges.
    async fn read(&self, hosts: &BTreeSet<Host>) -> Result<(), StoreError> {
        let version = self.store.acme_version().await?;
        let (mut stored, mut failures) = (self.store.acme_certificates().await?, self.store.acme_failures().await?);
        self.challenges.follow(self.clock.now()).await?;
        let mut states = BTreeMap::new();
        for host in hosts {
            let mut state = self.stored_state(host.as_str(), stored.remove(host.as_str()));
            state.failure = failures.remove(host.as_str());
            states.insert(host.as_str().to_owned(), state);
        }
        *self.states() = states;
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = version;
        Ok(())
    }

    /// A host with the certificate from the store in force, or with a self-signed one if nothing is in force yet.
    fn stored_state(&self, host: &str, stored: Option<AcmeCertificate>) -> HostState {
        let read = stored.map(|stored| Usable::read(&stored, host).map(|usable| (usable, stored.directory)));
        match read {
            Some(Ok((usable, directory))) => {
                self.in_force.install(host, &usable.key);
                return HostState { usable: Some(usable), directory, failure: None };
            }
            Some(Err(why)) => tracing::error!(host, why, "the certificate in the store cannot be used; another one is ordered"),
            None => {}
        }
        if !self.in_force.names(host) {
            match certificate::stand_in(host) {
                Ok(key) => self.in_force.install(host, &key),
                Err(why) => tracing::error!(host, why, "no self-signed certificate could be made"),
            }
            tracing::warn!(host, "no certificate yet: a self-signed one is shown until the authority has issued one");
        }
        HostState::default()
    }

    async fn attempt(&self, plan: &Plan, config: &config::Acme, host: &str) -> Result<(), StoreError> {
        let authority = Authority::new(config);
        let outcome = match &authority {
            Ok(authority) => {
                let order = tokio::time::timeout(ATTEMPT, self.order(&plan.wanted.config, config, authority, host)).await;
                order.unwrap_or(Err(Fault::Late(ATTEMPT)))
            }
            Err(why) => Err(Fault::Refused(why.clone())),
        };
        self.challenges.clear().await?;
        match outcome {
            Ok(usable) => {
                tracing::info!(host, until = %usable.not_after, "a certificate was issued and is in force");
                let state = HostState { usable: Some(usable), directory: config.directory.clone(), failure: None };
                self.states().insert(host.to_owned(), state);
                Ok(())
            }
            Err(Fault::TakenOver) => Ok(()),
            Err(fault) => self.note_failure(config, host, &fault, authority.ok().and_then(|authority| authority.asked())).await,
        }
    }

    async fn order(&self, whole: &Config, config: &config::Acme, authority: &Authority, host: &str) -> Result<Usable, Fault> {
        let account = order::account(&self.store, config, authority).await?;
        let mut faults = Vec::new();
        for kind in kinds(whole) {
            let until = self.clock.now().plus(CHALLENGE);
            match order::run(&account, host, kind, &self.challenges, until).await {
                Ok(issued) => {
                    tracing::info!(host, by = kind.name(), "the authority has seen that the host is ours");
                    return self.keep(config, host, issued).await;
                }
                Err(fault @ Fault::NotProved { .. }) => faults.push(fault.to_string()),
                Err(fault) => {
                    if fault.is_unknown_account() {
                        self.store.delete_acme_account(&config.directory).await?;
                    }
                    return Err(fault);
                }
            }
        }
        Err(Fault::Refused(format!("the authority could not see that the host is ours: {}", faults.join("; "))))
    }

    /// Checks a new certificate, writes it down while the lease is ours, and puts it in force.
    async fn keep(&self, config: &config::Acme, host: &str, issued: Issued) -> Result<Usable, Fault> {
        let certificate = AcmeCertificate { directory: config.directory.clone(), chain: issued.chain, key: issued.key };
        let usable = Usable::read(&certificate, host).map_err(Fault::Refused)?;
        if usable.not_after <= self.clock.now() {
            return Err(Fault::Refused(format!("the certificate ended already, at {}: check this machine's clock", usable.not_after)));
        }
        if !self.store.put_acme_certificate(&self.holder, host, &certificate).await? {
            return Err(Fault::TakenOver);
        }
        self.in_force.install(host, &usable.key);
        Ok(usable)
    }

    async fn note_failure(&self, config: &config::Acme, host: &str, fault: &Fault, asked: Option<Duration>) -> Result<(), StoreError> {
        let at = self.clock.now();
        let state = self.states().get(host).cloned().unwrap_or_default();
        let count = state.failures(&config.directory).saturating_add(1);
        let spread = random::bytes::<1>().map_or(0, |[spread]| spread);
        let again = at.plus(schedule::wait(count, asked, spread));
        let failure = AcmeFailure { directory: config.directory.clone(), count, at, again, is_asked: asked.is_some() };
        let shown = state.shown();
        tracing::error!(host, error = %fault, failures = count, %again, shown, "no certificate could be had; the one in force stays");
        self.states().entry(host.to_owned()).or_default().failure = Some(failure.clone());
        self.store.put_acme_failure(host, &failure).await
    }
}

/// The kinds of challenge that this gateway can answer, the likelier first.
fn kinds(config: &Config) -> Vec<Kind> {
    match config.server.listen.as_slice() {
        [] => vec![Kind::Tls],
        plain if plain.iter().any(|address| address.port() == 80) => vec![Kind::Http, Kind::Tls],
        _ => vec![Kind::Tls, Kind::Http],
    }
}
