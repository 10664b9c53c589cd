//! `[acme]`: certificates by an authority that speaks ACME, and whether anything uses them.

use data_encoding::BASE64URL_NOPAD;

use crate::base::Secret;
use crate::config::document::outline::Shape;
use crate::config::document::problem::Fault;
use crate::config::document::section::{Entry, Section};
use crate::config::readers::secret::{is_given, secret};
use crate::config::readers::{pem, value};
use crate::config::typed::{Acme, Config, Eab};

const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

pub(in crate::config) fn acme(s: Section) -> Option<Acme> {
    let is_present = s.is_present();
    let acme = Acme {
        contact: s.maybe("contact", contact),
        directory: s.or("directory", LETS_ENCRYPT.to_owned(), directory),
        ca: s.maybe("ca", pem::authorities),
        eab: eab(&s),
    };
    s.finish();
    is_present.then_some(acme)
}

fn contact(entry: &Entry) -> Result<String, Fault> {
    let text = value::label(entry)?;
    let address = text.strip_prefix("mailto:").unwrap_or(&text);
    let is_address = address.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.'));
    if !is_address || address.contains([' ', ',', '?', '<']) {
        return Err(Fault::new(format!("“{text}” is not an e-mail address"), "write one address: ops@internal.example"));
    }
    Ok(address.to_owned())
}

fn directory(entry: &Entry) -> Result<String, Fault> {
    entry.takes(|| Shape::Pattern("^https?://"));
    let (text, remedy) =
        (value::text(entry)?, "write the directory URL that the authority names: https://ca.internal.example/acme/directory");
    let url = url::Url::parse(&text).map_err(|e| Fault::new(format!("not a URL: {e}"), remedy))?;
    let is_plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    match url.scheme() {
        "https" if url.has_host() && is_plain => Ok(url.into()),
        "http" if is_loopback(&url) && is_plain => Ok(url.into()),
        "http" => {
            Err(Fault::new("an account key would travel over plain HTTP", "use https; http is for an authority on this machine only"))
        }
        _ => Err(Fault::new("not an https URL without user information", remedy)),
    }
}

fn is_loopback(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

fn eab(s: &Section) -> Option<Eab> {
    let eab = s.section("eab");
    let (is_wanted, kid) = (s.has("eab"), eab.maybe("kid", value::label));
    let hmac = secret(&eab, "hmac");
    if is_wanted && kid.is_none() && !eab.has("kid") {
        eab.error("kid", Fault::new("missing", "write kid = \"…\" as the authority gave it"));
    }
    if is_wanted && !is_given(&eab, "hmac") {
        eab.error("hmac", Fault::new("missing", "write hmac_file = \"acme.hmac\", a file with the key that belongs to the kid"));
    }
    let key = if eab.has("hmac") { "hmac" } else { "hmac_file" };
    if hmac.as_ref().is_some_and(|hmac| !is_key(hmac)) {
        eab.error(key, Fault::new("not a key in base64url", "give the key as the authority printed it: letters, digits, - and _"));
    }
    eab.finish();
    Some(Eab { kid: kid?, hmac: hmac? })
}

fn is_key(hmac: &Secret) -> bool {
    BASE64URL_NOPAD.decode(hmac.expose().trim_end_matches('=').as_bytes()).is_ok_and(|key| key.len() >= 16)
}

/// What only the whole configuration shows: a listener without an authority, an authority without a listener, no host to order for.
pub(in crate::config) fn uses(root: &Section, config: &Config) {
    let listeners = root.section("server").sections("tls");
    let asks = |section: &&Section| section.entry("acme").is_some_and(|entry| value::flag(&entry).is_ok_and(|asks| asks));
    let using: Vec<_> = listeners.iter().filter(asks).collect();
    if config.acme.is_none() {
        for section in using {
            section.error("acme", Fault::new("there is no [acme]", "add [acme] with contact = \"ops@internal.example\""));
        }
        return;
    }
    if using.is_empty() {
        root.section("acme").warn("contact", "no listener uses [acme]", "write acme = true in a [[server.tls]]");
    } else if config.acme_hosts().is_empty() {
        let what = "no route names a host that a certificate can be ordered for";
        let remedy = "give a route an exact host: hosts = [\"wiki.internal.example\"]";
        for section in using {
            match section.entries("certificates").is_none_or(|entries| entries.is_empty()) {
                true => section.error("acme", Fault::new(what, remedy)),
                false => section.warn("acme", what, remedy),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::tests::{ROUTE, faults};
    use crate::config::{Severity, parse};

    const HOSTS: &str = "hosts = [\"wiki.example\", \"*.wiki.example\", \"10.0.0.1\", \"intranet\"]\n";
    const LISTENER: &str = "[[server.tls]]\nlisten = \"127.0.0.1:0\"\nacme = true\n";

    fn wrong(text: &str) -> Vec<String> {
        faults(text).into_iter().filter(|problem| problem.severity == Severity::Error).map(|problem| problem.key).collect()
    }

    #[test]
    fn certificates_are_ordered_for_exact_names_alone() {
        let text = format!("{LISTENER}[acme]\ncontact = \"ops@example.com\"\n{ROUTE}{HOSTS}");
        let config = parse(&text, std::path::Path::new("test.toml"), []).map_err(|p| p.to_string()).unwrap().config;
        assert_eq!(config.acme_hosts().iter().map(|host| host.as_str()).collect::<Vec<_>>(), ["wiki.example"]);
        let acme = config.acme.unwrap();
        assert_eq!(acme.contact.as_deref(), Some("ops@example.com"));
        assert!(acme.directory.starts_with("https://acme-v02.api.letsencrypt.org/"));
    }

    #[test]
    fn what_cannot_work_is_said_at_the_check() {
        for (acme, key) in [
            ("contact = \"nobody\"", "acme.contact"),
            ("directory = \"http://ca.example/dir\"", "acme.directory"),
            ("directory = \"ca.example\"", "acme.directory"),
            ("ca = \"nowhere.pem\"", "acme.ca"),
            ("eab = { kid = \"a\" }", "acme.eab.hmac"),
            ("eab = { kid = \"a\", hmac = \"not/base64url\" }", "acme.eab.hmac"),
            ("eab = { hmac = \"AAAAAAAAAAAAAAAAAAAAAA\" }", "acme.eab.kid"),
        ] {
            assert_eq!(wrong(&format!("{LISTENER}[acme]\n{acme}\n{ROUTE}{HOSTS}")), [key], "{acme}");
        }
        assert_eq!(wrong(&format!("{LISTENER}[acme]\ndirectory = \"http://127.0.0.1:14000/dir\"\n{ROUTE}{HOSTS}")), [""; 0]);
        assert_eq!(wrong(&format!("{LISTENER}{ROUTE}{HOSTS}")), ["server.tls[0].acme"]);
        assert_eq!(wrong(&format!("{LISTENER}[acme]\n{ROUTE}")), ["server.tls[0].acme"]);
    }
}
