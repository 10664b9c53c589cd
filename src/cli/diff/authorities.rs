//! Whose client certificates are taken, by what is in the files: the authorities of `client_ca` and the certificates that `client_crl`
//! revokes, as sets. The same content in another file is no difference.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use serde::Serialize;
use sha2::{Digest, Sha256};
use x509_parser::prelude::{CertificateRevocationList, FromDer, GeneralName, X509Certificate};

use crate::config::{ClientCa, Config, TlsListener};
use crate::policy::Direction;

/// What changes for clients that show a certificate.
#[derive(PartialEq, Eq, Debug, Serialize)]
pub struct AuthorityChange {
    pub direction: Direction,
    /// The names of the server's certificate; `*`: every other host of the listener.
    pub hosts: Vec<String>,
    /// Authorities that count from now on, by their names.
    pub trusted: Vec<String>,
    pub no_longer_trusted: Vec<String>,
    /// Certificates, by `SERIAL of ISSUER`; and issuers that have a list now, by `all others of ISSUER`.
    pub revoked: Vec<String>,
    pub no_longer_revoked: Vec<String>,
    /// A file could not be read, so that the difference is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
}

/// Every difference between two configurations.
pub fn changes(old: &Config, new: &Config) -> Vec<AuthorityChange> {
    let several = old.server.tls.len() > 1 || new.server.tls.len() > 1;
    let (old, new) = (places(old, several), places(new, several));
    let all: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    all.into_iter().filter_map(|place| change(place, old.get(place).copied(), new.get(place).copied())).collect()
}

/// Which listener, if there are several, and which of its hosts.
type Place = (String, Vec<String>);

fn places(config: &Config, several: bool) -> BTreeMap<Place, &ClientCa> {
    let of = |listener: &TlsListener| if several { listener.listen.to_string() } else { String::new() };
    let listeners = config.server.tls.iter().flat_map(|listener| {
        let at = of(listener);
        let own = listener.certificates.iter().filter_map({
            let at = at.clone();
            move |file| Some(((at.clone(), names(&file.cert)), file.clients.as_ref().or(listener.clients.as_ref())?))
        });
        own.chain(listener.clients.iter().map(move |clients| ((at.clone(), vec!["*".to_owned()]), clients)))
    });
    // The first file that names a host is the one that is shown.
    let mut all = BTreeMap::new();
    for (place, clients) in listeners {
        all.entry(place).or_insert(clients);
    }
    all
}

/// The names in a server's certificate; its path if there are none.
fn names(path: &Path) -> Vec<String> {
    let read = CertificateDer::from_pem_file(path).ok();
    let names = read.and_then(|der| {
        let parsed = X509Certificate::from_der(&der).ok()?.1;
        let names = &parsed.subject_alternative_name().ok()??.value.general_names;
        let mut names: Vec<_> =
            names.iter().filter_map(|name| if let GeneralName::DNSName(name) = name { Some((*name).to_owned()) } else { None }).collect();
        names.sort();
        Some(names)
    });
    names.filter(|names| !names.is_empty()).unwrap_or_else(|| vec![path.display().to_string()])
}

/// Something in a file: what it is told apart by, and how it is called.
type Set = BTreeMap<Vec<u8>, String>;

#[derive(Default, PartialEq, Eq)]
struct Content {
    authorities: Set,
    /// Whether there are lists at all.
    listed: bool,
    revoked: Set,
    /// Who has a list: certificates of everybody else are refused.
    issuers: Set,
}

fn change((_, hosts): &Place, old: Option<&ClientCa>, new: Option<&ClientCa>) -> Option<AuthorityChange> {
    let read = |clients: Option<&ClientCa>| clients.map_or_else(|| Ok(Content::default()), content);
    let nothing = |direction| AuthorityChange {
        direction,
        hosts: hosts.clone(),
        trusted: Vec::new(),
        no_longer_trusted: Vec::new(),
        revoked: Vec::new(),
        no_longer_revoked: Vec::new(),
        unreadable: None,
    };
    let (old, new) = match (read(old), read(new)) {
        (Ok(old), Ok(new)) => (old, new),
        (Err(why), _) | (_, Err(why)) => return Some(AuthorityChange { unreadable: Some(why), ..nothing(Direction::Different) }),
    };
    let (trusted, no_longer_trusted) = (beyond(&new.authorities, &old.authorities), beyond(&old.authorities, &new.authorities));
    let (mut revoked, mut no_longer_revoked) = (beyond(&new.revoked, &old.revoked), beyond(&old.revoked, &new.revoked));
    let others = |issuer: String| format!("all others of {issuer}");
    match (old.listed, new.listed) {
        (false, true) => revoked.push("all of issuers without a list".to_owned()),
        (true, false) => no_longer_revoked.push("all of issuers without a list".to_owned()),
        // Without a list of its issuer a certificate is refused.
        _ => {
            revoked.extend(beyond(&old.issuers, &new.issuers).into_iter().map(others));
            no_longer_revoked.extend(beyond(&new.issuers, &old.issuers).into_iter().map(others));
        }
    }
    let laxer = !trusted.is_empty() || !no_longer_revoked.is_empty();
    let stricter = !no_longer_trusted.is_empty() || !revoked.is_empty();
    let direction = match (laxer, stricter) {
        (false, false) => return None,
        (true, false) => Direction::Laxer,
        (false, true) => Direction::Stricter,
        (true, true) => Direction::Different,
    };
    Some(AuthorityChange { trusted, no_longer_trusted, revoked, no_longer_revoked, ..nothing(direction) })
}

/// What the first has and the second has not.
fn beyond(all: &Set, others: &Set) -> Vec<String> {
    all.iter().filter(|(key, _)| !others.contains_key(*key)).map(|(_, name)| name.clone()).collect()
}

fn content(files: &ClientCa) -> Result<Content, String> {
    let mut content = Content { authorities: authorities(&files.ca)?, ..Content::default() };
    if let Some(path) = &files.crl {
        content.listed = true;
        lists(path, &mut content)?;
    }
    Ok(content)
}

fn authorities(path: &Path) -> Result<Set, String> {
    let told = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
    let read: Vec<_> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect).map_err(|e| told(&e))?;
    let one = |der: &CertificateDer<'_>| {
        let name = X509Certificate::from_der(der).map_or_else(|_| "?".to_owned(), |(_, parsed)| parsed.subject().to_string());
        (Sha256::digest(der).to_vec(), name)
    };
    Ok(read.iter().map(one).collect())
}

fn lists(path: &Path, content: &mut Content) -> Result<(), String> {
    let told = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
    let read: Vec<_> = CertificateRevocationListDer::pem_file_iter(path).and_then(Iterator::collect).map_err(|e| told(&e))?;
    for der in &read {
        let list = CertificateRevocationList::from_der(der).map_err(|e| told(&e))?.1;
        let (issuer, name) = (list.issuer().as_raw(), list.issuer().to_string());
        content.issuers.insert(issuer.to_vec(), name.clone());
        for revoked in list.iter_revoked_certificates() {
            let key = [issuer, &[0], revoked.raw_serial()].concat();
            content.revoked.insert(key, format!("{} of {name}", revoked.raw_serial_as_string()));
        }
    }
    Ok(())
}
