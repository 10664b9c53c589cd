//! What a reload cannot change: the keys that count when the program starts. A reload that changes one takes effect in all else and
//! says so.

use super::{Config, Mail, Sms, StoreUrl};

impl Config {
    /// The keys in which `next` differs from what the program was started with and that stay as they are until it starts again.
    pub fn fixed_until_restart(&self, next: &Self) -> Vec<&'static str> {
        let (server, limits) = ((&self.server, &next.server), (&self.limits, &next.limits));
        let differs = [
            ("server.listen", server.0.listen != server.1.listen),
            ("server.data_dir", server.0.data_dir != server.1.data_dir),
            ("server.threads", server.0.threads != server.1.threads),
            ("server.admin_listen", server.0.admin_listen != server.1.admin_listen),
            // The certificates of a listener are exchanged by a reload; the listeners themselves are not.
            ("server.tls", !server.0.tls.iter().map(|tls| tls.listen).eq(server.1.tls.iter().map(|tls| tls.listen))),
            ("limits.max_hashes", limits.0.max_hashes != limits.1.max_hashes),
            ("limits.header_timeout", limits.0.header_timeout != limits.1.header_timeout),
            ("limits.idle_timeout", limits.0.idle_timeout != limits.1.idle_timeout),
            ("limits.connections", limits.0.connections != limits.1.connections),
            ("limits.connections_per_ip", limits.0.connections_per_ip != limits.1.connections_per_ip),
            ("store.url", !same_store(&self.store, &next.store)),
            ("telemetry.otlp", self.telemetry.otlp != next.telemetry.otlp),
            ("mail", mail(self.mail.as_ref()) != mail(next.mail.as_ref())),
            ("sms", sms(self.sms.as_ref()) != sms(next.sms.as_ref())),
        ];
        differs.into_iter().filter_map(|(key, differs)| differs.then_some(key)).collect()
    }
}

fn same_store(a: &StoreUrl, b: &StoreUrl) -> bool {
    match (a, b) {
        (StoreUrl::Sled(a), StoreUrl::Sled(b)) => a == b,
        (StoreUrl::Postgres(a), StoreUrl::Postgres(b)) => a.matches(b.expose()),
        // What is in the file is followed without a restart.
        (StoreUrl::PostgresIn { file: a, .. }, StoreUrl::PostgresIn { file: b, .. }) => a == b,
        (StoreUrl::Sled(_) | StoreUrl::Postgres(_) | StoreUrl::PostgresIn { .. }, _) => false,
    }
}

/// Where mails go, who sends them, as what the gateway introduces itself, and whom it trusts.
type Post<'a> = (&'a str, &'a str, Option<&'a str>, Option<&'a [u8]>);

fn mail(mail: Option<&Mail>) -> Option<Post<'_>> {
    mail.map(|mail| (mail.url.expose(), mail.from.as_str(), mail.hello.as_deref(), mail.ca.as_deref().map(Vec::as_slice)))
}

type Headers<'a> = Vec<(&'a str, &'a str)>;

fn sms(sms: Option<&Sms>) -> Option<(&str, &str, Headers<'_>)> {
    sms.map(|sms| {
        let headers = sms.headers.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
        (sms.url.as_str(), sms.body.as_str(), headers)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Secret;

    #[test]
    fn what_counts_at_the_start_alone_is_named() {
        let old = Config::default();
        let mut next = old.clone();
        assert!(old.fixed_until_restart(&next).is_empty());
        next.portal.prefix = "/.gate".into();
        next.session.lifetime *= 2;
        assert!(old.fixed_until_restart(&next).is_empty(), "these a reload can change");
        next.server.threads = Some(3);
        next.limits.max_hashes = 7;
        next.store = StoreUrl::Postgres(Secret::new("postgres://a/b"));
        next.mail = Some(Mail { url: Secret::new("smtp://a"), from: "a@b".into(), hello: None, ca: None });
        assert_eq!(old.fixed_until_restart(&next), ["server.threads", "limits.max_hashes", "store.url", "mail"]);
    }
}
