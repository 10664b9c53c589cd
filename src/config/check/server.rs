//! `[server]` and `[portal]`: where the gateway listens, whom it believes, where its own pages live.

pub(in crate::config) mod portal_url;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use ipnet::IpNet;

use crate::config::document::problem::Fault;
use crate::config::document::section::{Entry, Section};
use crate::config::readers::pem;
use crate::config::readers::value;
use crate::config::typed::{Certificate, ForwardAuth, Portal, Server, TlsListener};

/// Where neither `listen` nor `[[server.tls]]` is given.
const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080);

pub(in crate::config) fn server(s: Section, default: Server) -> Server {
    let taken = Taken::default();
    let listen = s.list("listen", |entry| taken.take(entry)).unwrap_or_else(|| if s.has("tls") { vec![] } else { vec![DEFAULT_LISTEN] });
    let admin_listen = s.maybe("admin_listen", |entry| taken.take(entry));
    let tls: Vec<_> = s.sections("tls").into_iter().filter_map(|t| tls_listener(t, &taken)).collect();
    let server = Server {
        listen,
        data_dir: s.or("data_dir", data_dir(&s, default.data_dir), value::path),
        threads: s.maybe("threads", value::whole(1..=1024)),
        admin_listen,
        trusted_proxies: s.list("trusted_proxies", value::network).unwrap_or_default(),
        tls,
        client_certificate_header: s.or("client_certificate_header", default.client_certificate_header, value::flag),
        redirect_to_https: s.or("redirect_to_https", default.redirect_to_https, value::flag),
        reload_on_change: s.or("reload_on_change", default.reload_on_change, value::flag),
    };
    if server.client_certificate_header && server.trusted_proxies.is_empty() && is_real(&s) {
        let what = "nobody is believed about client certificates: there are no trusted proxies";
        s.error("client_certificate_header", Fault::new(what, "set trusted_proxies, or remove client_certificate_header"));
    }
    s.finish();
    server
}

const fn is_real(s: &Section) -> bool {
    s.collector.outline.is_none()
}

fn data_dir(s: &Section, default: PathBuf) -> PathBuf {
    s.collector.base().join(default)
}

/// The addresses that are spoken for, with their places.
#[derive(Default)]
struct Taken(std::cell::RefCell<Vec<(SocketAddr, String)>>);

impl Taken {
    fn take(&self, entry: &Entry) -> Result<SocketAddr, Fault> {
        let address = value::listen(entry)?;
        let mut taken = self.0.borrow_mut();
        if let Some((_, place)) = taken.iter().find(|(other, _)| *other == address && address.port() != 0) {
            return Err(Fault::new(format!("{address} is listened on already ({place})"), "give each listener an address of its own"));
        }
        taken.push((address, entry.collector.place(&entry.node.origin)));
        Ok(address)
    }
}

fn tls_listener(s: Section, taken: &Taken) -> Option<TlsListener> {
    let listen = s.required("listen", "write ADDRESS:PORT: 0.0.0.0:8443", |entry| taken.take(entry));
    let acme = s.or("acme", false, value::flag);
    if !acme && s.entries("certificates").is_none_or(|entries| entries.is_empty()) {
        let remedy = "write certificates = [{ cert = \"wiki.pem\", key = \"wiki.key\" }], or acme = true";
        s.error("certificates", Fault::new("a TLS listener needs a certificate", remedy));
    }
    let certificates = s.sections("certificates").into_iter().filter_map(|c| {
        let certificate = pem::certificate(&c);
        let clients = pem::client_ca(&c);
        c.finish();
        certificate.map(|certificate| Certificate { clients, ..certificate })
    });
    let certificates = certificates.collect();
    let clients = pem::client_ca(&s);
    s.finish();
    Some(TlsListener { listen: listen?, certificates, acme, clients })
}

/// `None` if the section is left out: then nobody may ask.
pub(in crate::config) fn forward_auth(s: Section, trusted: &[IpNet]) -> Option<ForwardAuth> {
    let remedy = "write from = [\"127.0.0.1\"]: the addresses or networks of the proxies that ask";
    let from = s.list("from", value::network);
    if s.is_present() && from.as_ref().is_none_or(Vec::is_empty) {
        s.error("from", Fault::new("no proxy may ask", remedy));
    }
    s.finish();
    let from = from?;
    let believed = from.iter().chain(trusted).copied().collect();
    Some(ForwardAuth { from, believed })
}

pub(in crate::config) fn portal(s: Section, default: Portal) -> Portal {
    let portal = Portal {
        prefix: s.or("prefix", default.prefix, prefix),
        url: s.maybe("url", portal_url::read),
        title: s.or("title", default.title, value::label),
        templates: s.maybe("templates", templates),
        change_contact: s.or("change_contact", default.change_contact, value::flag),
        hsts: s.or("hsts", default.hsts, value::flag),
        brand: Arc::new(crate::config::brand::brand(&s)),
    };
    s.finish();
    portal
}

/// A folder that is there: a misspelt one would leave every text as it was, unnoticed.
fn templates(entry: &Entry) -> Result<PathBuf, Fault> {
    let folder = value::path(entry)?;
    if folder.is_dir() {
        return Ok(folder);
    }
    Err(Fault::new(format!("there is no folder {}", folder.display()), "make it, with messages/ or words/ in it, or leave the key out"))
}

fn prefix(entry: &Entry) -> Result<String, Fault> {
    let path = crate::config::readers::path::prefix(entry)?;
    if path.is_empty() {
        return Err(Fault::new("the portal cannot take the whole host", "give it a path of its own: /.vestibule"));
    }
    if path != path.to_ascii_lowercase() {
        return Err(Fault::new("the prefix has upper-case letters", format!("write {}", path.to_ascii_lowercase())));
    }
    Ok(path)
}
