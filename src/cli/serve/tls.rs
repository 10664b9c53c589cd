//! The TLS listeners' certificates while the gateway runs: a reload reads them all and takes all or none; between reloads a changed
//! file is taken in by itself, and a broken one leaves the old certificate in place and is logged.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use crate::acme::{InForce, Wanted};
use crate::app::App;
use crate::base::{Host, Time};
use crate::config::{self, Config, TlsListener};
use crate::gateway::{BadCertificate, Certificates, Fresh};

/// How often certificate files are looked at.
const LOOK: Duration = Duration::from_secs(5);

/// The files of one listener.
#[derive(Clone)]
struct Files {
    own: Vec<config::Certificate>,
    /// Authorities of client certificates, and revocation lists.
    clients: Vec<PathBuf>,
}

fn client_files(listener: &TlsListener) -> Vec<PathBuf> {
    let of_files = listener.certificates.iter().filter_map(|certificate| certificate.clients.as_ref());
    of_files.chain(&listener.clients).flat_map(|clients| [Some(&clients.ca), clients.crl.as_ref()]).flatten().cloned().collect()
}

/// One listener's certificates, and the files that they come from.
struct Kept {
    certificates: Arc<Certificates>,
    files: Mutex<Files>,
}

impl Kept {
    /// Held while files are read and put in force, so that a reload is not undone.
    fn files(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Every TLS listener's certificates, in the configuration's order, and those by ACME.
#[derive(Default)]
pub struct Tls {
    listeners: Vec<Kept>,
    issued: Arc<InForce>,
}

/// What a reload found in the files, for each listener that it names.
pub struct Prepared<'t>(Vec<(&'t Kept, Files, Fresh)>);

impl Tls {
    pub fn new(issued: &Arc<InForce>) -> Self {
        Self { listeners: Vec::new(), issued: issued.clone() }
    }

    /// Reads a listener's certificates at the start.
    ///
    /// # Errors
    /// Names the first file that cannot be used, and why.
    pub fn add(&mut self, listener: &TlsListener) -> Result<Arc<Certificates>, BadCertificate> {
        let files = &listener.certificates;
        let certificates = Certificates::load_with(files, listener.clients.as_ref(), self.issued_for(listener))?;
        let files = Files { own: files.clone(), clients: client_files(listener) };
        self.listeners.push(Kept { certificates: certificates.clone(), files: Mutex::new(files) });
        Ok(certificates)
    }

    fn issued_for(&self, listener: &TlsListener) -> Option<Arc<InForce>> {
        listener.acme.then(|| self.issued.clone())
    }

    /// The hosts to order certificates for: those that no file has a certificate for.
    pub fn wanted(&self, config: &Arc<Config>) -> Wanted {
        let has_file = |host: &Host| self.listeners.iter().any(|kept| kept.certificates.files_name(host.as_str()));
        let hosts: BTreeSet<Host> = config.acme_hosts().into_iter().filter(|host| !has_file(host)).collect();
        Wanted { config: config.clone(), hosts }
    }

    /// Reads what `next` names for the listeners that run at `addresses`, and changes nothing yet. A listener that `next` no longer
    /// has keeps what it has until the program starts again.
    ///
    /// # Errors
    /// Names the first file that cannot be used, and why.
    pub fn prepare(&self, next: &Config, addresses: &[SocketAddr]) -> Result<Prepared<'_>, BadCertificate> {
        let running = self.listeners.iter().zip(addresses);
        let named = running.filter_map(|(kept, address)| Some((kept, next.server.tls.iter().find(|tls| tls.listen == *address)?)));
        let read = named.map(|(kept, tls)| {
            let fresh = Certificates::read(&tls.certificates, tls.clients.as_ref(), self.issued_for(tls))?;
            Ok((kept, Files { own: tls.certificates.clone(), clients: client_files(tls) }, fresh))
        });
        read.collect::<Result<_, _>>().map(Prepared)
    }
}

impl Prepared<'_> {
    /// Puts it in force, for connections from now on.
    pub fn take(self) {
        for (kept, files, fresh) in self.0 {
            let mut known = kept.files();
            *known = files;
            kept.certificates.exchange(fresh);
        }
    }
}

/// When any of these files was written last; `None` for one that cannot be looked at just now.
type Seen = Vec<(PathBuf, Option<SystemTime>)>;

fn written<'f>(files: impl Iterator<Item = &'f PathBuf>) -> Seen {
    files.map(|file| (file.clone(), std::fs::metadata(file).and_then(|about| about.modified()).ok())).collect()
}

/// What a watcher saw of a listener at its last look. Nothing at first: what changed between the start's reading and the first look is
/// loaded by it.
#[derive(Default)]
struct Watched {
    own: Option<Seen>,
    clients: Option<Seen>,
    /// The revocation lists that were told to have expired.
    expired: Vec<(PathBuf, Time)>,
}

/// Takes new certificates in when their files change; broken ones leave the old in place, and are logged once for each change. Where a
/// client authority or its revocation list is broken, or the list has expired, no client certificate is taken. What client certificates carry is looked
/// at again whenever one of that changes, and once in each `LOOK` while there are any.
pub async fn watch(tls: Arc<Tls>, app: Arc<App>) {
    let mut watched: Vec<Watched> = tls.listeners.iter().map(|_| Watched::default()).collect();
    let mut tick = tokio::time::interval(LOOK);
    loop {
        tick.tick().await;
        let mut asks = false;
        for (kept, watched) in tls.listeners.iter().zip(&mut watched) {
            kept.look(watched, app.services.now());
            asks |= kept.certificates.asks();
        }
        // A certificate may have expired under a tunnel since the last look.
        if asks || app.config().server.client_certificate_header {
            app.services.live.recheck();
        }
    }
}

impl Kept {
    fn look(&self, watched: &mut Watched, now: Time) {
        let files = self.files();
        let own = Some(written(files.own.iter().flat_map(|pair| [&pair.cert, &pair.key])));
        if own != watched.own {
            let is_first = std::mem::replace(&mut watched.own, own).is_none();
            match self.certificates.reload(&files.own) {
                Ok(()) if is_first => {}
                Ok(()) => tracing::info!("certificates reloaded"),
                Err(e) => tracing::error!(error = %e, "new certificates cannot be used; the old ones stay"),
            }
        }
        let clients = Some(written(files.clients.iter()));
        if clients != watched.clients {
            let is_first = std::mem::replace(&mut watched.clients, clients).is_none();
            let faults = self.certificates.reload_clients();
            for fault in &faults {
                tracing::error!(error = %fault, "no client certificate is taken there until this is corrected");
            }
            if faults.is_empty() && !is_first {
                tracing::info!("client authorities and revocation lists reloaded");
            }
        }
        let expired: Vec<_> = self.certificates.lists().into_iter().filter(|(_, ends)| *ends <= now).collect();
        for (list, ends) in expired.iter().filter(|list| !watched.expired.contains(list)) {
            tracing::error!(list = %list.display(), since = %ends, "a revocation list has expired: no client certificate is taken there until it is renewed");
        }
        watched.expired = expired;
    }
}
