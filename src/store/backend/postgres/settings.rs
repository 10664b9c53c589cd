//! How the database is reached: what `store.url` says, and TLS wherever the way leads over a network.
//!
//! Sessions and password hashes travel here. Over a network the default is TLS with a verified certificate; it is left out only
//! where the URL says `sslmode=disable`. Between processes of one machine (a loopback address, a socket) the default is none.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::base::Secret;
use crate::store::StoreError;

/// No connection, and no single use of the store, takes longer than this.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// A server that vanished without a word is given up on after this.
const TCP_PATIENCE: Duration = Duration::from_secs(5);

/// All that a connection needs.
#[derive(Clone)]
pub struct Settings {
    pub config: tokio_postgres::Config,
    /// For the connection that listens: as `config`, past a pooler if the URL says where (`listen=HOST:PORT`).
    pub listen: tokio_postgres::Config,
    pub tls: MakeRustlsConnect,
}

impl Settings {
    /// Reads `postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=MODE&sslrootcert=FILE&listen=HOST:PORT`.
    ///
    /// # Errors
    /// Where it is no such URL, or its certificates cannot be read. Nothing of the URL is repeated.
    pub fn read(url: &Secret) -> Result<Self, StoreError> {
        let (base, query) = url.expose().split_once('?').unwrap_or((url.expose(), ""));
        let (mut mode, mut roots, mut listen, mut rest) = (None, None, None, Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sslmode", value)) => mode = Some(value),
                Some(("sslrootcert", value)) => roots = Some(value),
                Some(("listen", value)) => listen = Some(value),
                _ => rest.push(pair),
            }
        }
        let options = rest.join("&");
        let config = config(base, &options, mode)?;
        let listen = match listen {
            Some(hosts) => self::config(&zeroize::Zeroizing::new(at(base, hosts)?), &options, mode)?,
            None => config.clone(),
        };
        Ok(Self { tls: connector(roots)?, config, listen })
    }
}

/// The URL with other hosts.
fn at(base: &str, hosts: &str) -> Result<String, StoreError> {
    let (scheme, rest) = base.split_once("://").ok_or_else(|| refused("store.url cannot be read"))?;
    let (authority, tail) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let user = authority.rfind('@').map_or("", |end| authority.get(..=end).unwrap_or_default());
    if hosts.is_empty() || hosts.contains(['/', '@', '?']) {
        return Err(refused("listen in store.url names no host"));
    }
    Ok(format!("{scheme}://{user}{hosts}{tail}"))
}

fn config(base: &str, options: &str, mode: Option<&str>) -> Result<tokio_postgres::Config, StoreError> {
    let plain = zeroize::Zeroizing::new(format!("{base}?{options}"));
    let mut config: tokio_postgres::Config = plain.parse().map_err(|_| refused("store.url cannot be read"))?;
    // Of several hosts, one that does not answer leaves time for the next.
    let hosts = u32::try_from(config.get_hosts().len()).unwrap_or(u32::MAX).max(1);
    config.connect_timeout(PATIENCE / hosts).tcp_user_timeout(TCP_PATIENCE).keepalives_idle(TCP_PATIENCE);
    if config.get_application_name().is_none() {
        config.application_name("vestibule");
    }
    config.ssl_mode(ssl_mode(mode, &config)?);
    Ok(config)
}

fn refused(what: &str) -> StoreError {
    StoreError::Backend(what.to_owned())
}

/// What other clients call `require` verifies no certificate; here each mode that has TLS does.
fn ssl_mode(mode: Option<&str>, config: &tokio_postgres::Config) -> Result<SslMode, StoreError> {
    match mode {
        Some("disable") => Ok(SslMode::Disable),
        Some("require" | "verify-ca" | "verify-full") => Ok(SslMode::Require),
        None if config.get_hosts().iter().all(is_near) => Ok(SslMode::Disable),
        None => Ok(SslMode::Require),
        Some(_) => Err(refused("sslmode in store.url is neither disable nor require nor verify-full")),
    }
}

fn is_near(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback()),
    }
}

/// Trusts the certificates in the file, or else the web's authorities.
fn connector(roots: Option<&str>) -> Result<MakeRustlsConnect, StoreError> {
    let mut trusted = rustls::RootCertStore::empty();
    match roots {
        None => trusted.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(path) => {
            let path = percent_encoding::percent_decode_str(path).decode_utf8_lossy();
            let path = std::path::Path::new(path.as_ref());
            let pem = std::fs::read(path).map_err(|e| StoreError::file(path, &e))?;
            for certificate in CertificateDer::pem_slice_iter(&pem) {
                let certificate = certificate.map_err(|_| refused("the file that sslrootcert names is no PEM file"))?;
                trusted.add(certificate).map_err(|e| StoreError::Backend(format!("a certificate in sslrootcert: {e}")))?;
            }
            if trusted.is_empty() {
                return Err(refused("the file that sslrootcert names holds no certificate"));
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| StoreError::Backend(e.to_string()))?
        .with_root_certificates(trusted)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(url: &str) -> Result<SslMode, StoreError> {
        Settings::read(&Secret::new(url)).map(|settings| settings.config.get_ssl_mode())
    }

    #[test]
    fn over_a_network_there_is_tls_unless_the_url_says_otherwise() {
        assert_eq!(mode("postgres://u:p@db.internal.example/v").unwrap(), SslMode::Require);
        assert_eq!(mode("postgres://u:p@127.0.0.1:1,db.internal.example/v").unwrap(), SslMode::Require);
        assert_eq!(mode("postgres://u:p@db.internal.example/v?sslmode=disable").unwrap(), SslMode::Disable);
        assert_eq!(mode("postgres://u:p@127.0.0.1/v").unwrap(), SslMode::Disable);
        assert_eq!(mode("postgres://u:p@127.0.0.1/v?application_name=x&sslmode=require").unwrap(), SslMode::Require);
        assert_eq!(mode("postgres://u@%2Frun%2Fpostgresql/v").unwrap(), SslMode::Disable);
    }

    #[test]
    fn the_connection_that_listens_goes_past_a_pooler() {
        let settings =
            Settings::read(&Secret::new("postgres://u:p@127.0.0.1:6432/v?listen=db1.internal.example:5433,%2Frun&sslmode=require"))
                .unwrap();
        assert_eq!(settings.config.get_hosts(), [Host::Tcp("127.0.0.1".into())]);
        assert_eq!(settings.listen.get_hosts(), [Host::Tcp("db1.internal.example".into()), Host::Unix("/run".into())]);
        assert_eq!((settings.listen.get_user(), settings.listen.get_password()), (Some("u"), Some(&b"p"[..])));
        assert_eq!((settings.listen.get_dbname(), settings.listen.get_ssl_mode()), (Some("v"), SslMode::Require));
        let near = Settings::read(&Secret::new("postgres://u:p@127.0.0.1/v?listen=db.internal.example")).unwrap();
        assert_eq!((near.config.get_ssl_mode(), near.listen.get_ssl_mode()), (SslMode::Disable, SslMode::Require));
    }

    #[test]
    fn what_cannot_be_read_is_refused_without_a_word_of_it() {
        for url in [
            "postgres://u:hunter2@h/v?sslmode=prefer",
            "postgres://u:hunter2@h:x/v",
            "postgres://u:hunter2@h/v?sslrootcert=/none",
            "postgres://u:hunter2@h/v?listen=a@b",
        ] {
            let said = mode(url).unwrap_err().to_string();
            assert!(!said.contains("hunter2"), "{said}");
        }
    }
}
