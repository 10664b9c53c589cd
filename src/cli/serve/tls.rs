//! The TLS listeners' certificates while the gateway runs: a reload reads them all and takes all or none; between reloads a changed
//! file is taken in by itself, and a broken one leaves the old certificate in place and is logged.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use crate::acme::{InForce, Wanted};
use crate::base::Host;
use crate::config::{self, Config, TlsListener};
use crate::gateway::{BadCertificate, Certificates, Fresh};

/// How often certificate files are looked at.
const LOOK: Duration = Duration::from_secs(5);

type Files = Vec<config::Certificate>;

/// One listener's certificates, and the files that they come from.
struct Kept {
    certificates: Arc<Certificates>,
    files: Mutex<Files>,
}

impl Kept {
    fn files(&self) -> Files {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).clone()
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
        let certificates = Certificates::load_with(files, self.issued_for(listener))?;
        self.listeners.push(Kept { certificates: certificates.clone(), files: Mutex::new(files.clone()) });
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
            let fresh = Certificates::read(&tls.certificates, self.issued_for(tls))?;
            Ok((kept, tls.certificates.clone(), fresh))
        });
        read.collect::<Result<_, _>>().map(Prepared)
    }
}

impl Prepared<'_> {
    /// Puts it in force, for connections from now on.
    pub fn take(self) {
        for (kept, files, fresh) in self.0 {
            *kept.files.lock().unwrap_or_else(PoisonError::into_inner) = files;
            kept.certificates.exchange(fresh);
        }
    }
}

/// When any of these files was written last; `None` for one that cannot be looked at just now.
type Seen = Vec<(std::path::PathBuf, Option<SystemTime>)>;

fn written(files: &[config::Certificate]) -> Seen {
    let all = files.iter().flat_map(|pair| [&pair.cert, &pair.key]);
    all.map(|file| (file.clone(), std::fs::metadata(file).and_then(|about| about.modified()).ok())).collect()
}

/// Takes new certificates in when their files change; broken ones leave the old in place, and are logged once for each change.
pub async fn watch(tls: Arc<Tls>) {
    // Nothing was seen yet: what changed between the start's reading and the first look is loaded by it.
    let mut seen: Vec<Option<Seen>> = tls.listeners.iter().map(|_| None).collect();
    let mut tick = tokio::time::interval(LOOK);
    loop {
        tick.tick().await;
        for (kept, seen) in tls.listeners.iter().zip(&mut seen) {
            let files = kept.files();
            let now = Some(written(&files));
            if now == *seen {
                continue;
            }
            let is_first = std::mem::replace(seen, now).is_none();
            match kept.certificates.reload(&files) {
                Ok(()) if is_first => {}
                Ok(()) => tracing::info!("certificates reloaded"),
                Err(e) => tracing::error!(error = %e, "new certificates cannot be used; the old ones stay"),
            }
        }
    }
}
