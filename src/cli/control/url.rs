//! Where a person reaches the gateway's pages, for links that the command line prints.

use crate::config::Config;

/// The portal's address: `portal.url` if it is set; else `https` where there is TLS here or a proxy in front, else `http`; the first host that a route names, else the
/// address that is listened on (`localhost` for this machine itself); a port where it is not the scheme's own.
pub fn portal_url(config: &Config) -> String {
    if let Some(url) = &config.portal.url {
        return format!("{}{}", url.origin(), config.portal.prefix);
    }
    portal_url_at(config, &config.home())
}

/// The same at another host.
pub(super) fn portal_url_at(config: &Config, host: &str) -> String {
    if let Some(url) = &config.portal.url {
        return format!("{}{}", url.beside(host), config.portal.prefix);
    }
    let tls = config.server.tls.first().map(|listener| listener.listen);
    let behind = !config.server.trusted_proxies.is_empty();
    let listen = tls.or(config.server.listen.first().copied());
    let (scheme, port) = match (tls, behind, listen) {
        (Some(tls), false, _) => ("https", Some(tls.port()).filter(|port| *port != 443)),
        (_, true, _) => ("https", None),
        (None, false, listen) => ("http", listen.map(|listen| listen.port()).filter(|port| *port != 80)),
    };
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    format!("{scheme}://{host}{port}{}", config.portal.prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str, routes: &str) -> String {
        let text = format!(
            "[server]\n{text}\n[[routes]]\nname = \"a\"\n{routes}\nupstreams = [\"http://127.0.0.1:1\"]\npolicy = \"one_factor\"\n"
        );
        portal_url(&crate::config::parse(&text, std::path::Path::new("v.toml"), []).unwrap().config)
    }

    #[test]
    fn links_lead_to_where_people_come_in() {
        let hosts = "hosts = [\"*.x.example\", \"wiki.example\"]";
        assert_eq!(url("listen = [\"127.0.0.1:8080\"]", hosts), "http://wiki.example:8080/.vestibule");
        assert_eq!(url("listen = [\"127.0.0.1:80\"]", hosts), "http://wiki.example/.vestibule");
        assert_eq!(url("trusted_proxies = [\"10.0.0.1\"]", hosts), "https://wiki.example/.vestibule");
        assert_eq!(url("listen = [\"0.0.0.0:8080\"]", ""), "http://localhost:8080/.vestibule");
        assert_eq!(url("listen = [\"127.0.0.1:8080\"]", ""), "http://localhost:8080/.vestibule", "a passkey works there");
        assert_eq!(url("listen = [\"[::1]:8080\"]", ""), "http://localhost:8080/.vestibule");
        assert_eq!(url("listen = [\"127.0.0.2:8080\"]", ""), "http://127.0.0.2:8080/.vestibule");
        assert_eq!(url("listen = [\"192.0.2.7:8080\"]", ""), "http://192.0.2.7:8080/.vestibule");
    }
}
