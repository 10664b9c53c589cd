//! `[[directories]]`: where the servers are, how the way to them is protected, and who asks.

use std::net::IpAddr;

use super::presence::is_real;
use crate::base::Secret;
use crate::config::directory::{BindPassword, Protection, Server, ServiceAccount, TlsFiles};
use crate::config::document::outline::Shape;
use crate::config::document::problem::Fault;
use crate::config::document::section::{Entry, Section};
use crate::config::readers::secret::{is_given, secret};
use crate::config::readers::{pem, value};
use crate::config::typed::Certificate;

pub(super) fn servers(s: &Section) -> Option<Vec<Server>> {
    let start_tls = s.or("start_tls", false, value::flag);
    let remedy = "write urls = [\"ldaps://dc1.corp.example\"]";
    if !s.has("urls") {
        s.error("urls", Fault::new("missing", remedy));
    }
    let servers = s.some("urls", |entry| server(entry, start_tls))?;
    let starts = servers.iter().any(|server| server.protection == Protection::StartTls);
    if start_tls && !starts && !servers.is_empty() {
        s.warn("start_tls", "no URL is ldap://, so there is nothing to start", "remove start_tls: ldaps:// is TLS from the first byte");
    }
    (!servers.is_empty()).then_some(servers)
}

/// `ldaps://HOST[:636]`; `ldap://HOST[:389]` with StartTLS, or to this machine by a literal.
fn server(entry: &Entry, start_tls: bool) -> Result<Server, Fault> {
    entry.takes(|| Shape::Pattern("^ldaps?://"));
    let text = value::text(entry)?;
    let remedy = "write ldaps://HOST, or ldap://HOST with start_tls = true";
    let url = url::Url::parse(&text).map_err(|e| Fault::new(format!("not a URL: {e}"), remedy))?;
    let (is_tls, port) = match url.scheme() {
        "ldaps" => (true, 636),
        "ldap" => (false, 389),
        _ => return Err(Fault::new("the scheme is not ldap or ldaps", remedy)),
    };
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    let is_bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    if host.is_empty() || !is_bare || rustls::pki_types::ServerName::try_from(host.as_str()).is_err() {
        return Err(Fault::new(format!("“{}” names more than a host and a port, or no host", text.escape_default()), remedy));
    }
    let is_local = host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    let protection = match (is_tls, start_tls) {
        (true, _) => Protection::Tls,
        (false, true) => Protection::StartTls,
        (false, false) if is_local => Protection::None,
        (false, false) => {
            let what = "passwords would travel in the clear";
            return Err(Fault::new(what, format!("write ldaps://{host}, or set start_tls = true")));
        }
    };
    Ok(Server { url: text, port: url.port().unwrap_or(port), host, protection })
}

pub(super) fn tls(s: &Section) -> TlsFiles {
    let ca = s.maybe("ca", |entry| pem::authorities(entry).and_then(|_| value::path(entry)));
    let (cert, key) = (s.maybe("client_cert", value::path), s.maybe("client_key", value::path));
    if is_real(s) && s.has("client_cert") != s.has("client_key") {
        let (given, missing) = if s.has("client_cert") { ("client_cert", "client_key") } else { ("client_key", "client_cert") };
        s.error(given, Fault::new(format!("{missing} is missing"), "a client certificate needs its key: give both"));
    }
    let files = cert.zip(key).map(|(cert, key)| Certificate { cert, key, clients: None });
    let client = files.and_then(|files| pem::belongs(s, "client_cert", "client_key", files));
    TlsFiles { ca, client: client.map(|files| (files.cert, files.key)) }
}

pub(super) fn account(s: &Section) -> Option<ServiceAccount> {
    let remedy = "write the service account's name: bind_dn = \"CN=vestibule,OU=Services,DC=corp,DC=example\"";
    let dn = s.required("bind_dn", remedy, value::label);
    let read = secret(s, "bind_password");
    let key = if s.has("bind_password_file") { "bind_password_file" } else { "bind_password" };
    if !is_given(s, "bind_password") {
        s.error(
            "bind_password_file",
            Fault::new("missing", "name the file with the service account's password: bind_password_file = \"corp.secret\""),
        );
    }
    if read.as_ref().is_some_and(Secret::is_empty) {
        s.error(key, Fault::new("the password is empty, which would be a sign-in as nobody", "write the service account's password"));
        return None;
    }
    let password = match s.has("bind_password_file") {
        // Read whenever a connection is made; here it was only looked at.
        true => read.and_then(|_| s.maybe("bind_password_file", value::path)).map(BindPassword::File),
        false => read.map(BindPassword::Inline),
    };
    Some(ServiceAccount { dn: dn?, password: password? })
}
