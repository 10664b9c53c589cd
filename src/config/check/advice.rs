//! Warnings: what is legal, but unwise, once everything is read.

use crate::account::MfaPolicy;
use crate::config::document::problem::Fault;
use crate::config::document::section::Section;
use crate::config::readers::value;
use crate::config::typed::{Config, FirstEnrolment, Password, TlsListener};
use crate::factor::Method;
use crate::policy::{HostPattern, Level, Requirement, Route};

/// Memory in KiB and iterations that OWASP holds equal (Password Storage Cheat Sheet, Argon2id).
const OWASP: [(u32, u32); 5] = [(47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5)];

/// Domains that strangers register names below: a cookie for one of them would be everybody's. Browsers hold the full list.
const PUBLIC: [&str; 22] = [
    "co.uk",
    "org.uk",
    "ac.uk",
    "com.au",
    "net.au",
    "co.nz",
    "co.jp",
    "co.kr",
    "co.in",
    "co.za",
    "com.br",
    "com.cn",
    "com.mx",
    "com.tr",
    "github.io",
    "gitlab.io",
    "pages.dev",
    "workers.dev",
    "herokuapp.com",
    "vercel.app",
    "netlify.app",
    "azurewebsites.net",
];

pub(in crate::config) fn give(root: &Section, config: &Config) {
    if !root.has("routes") {
        root.warn("routes", "there are no [[routes]]: every request gets 404", "add a route");
    }
    listeners(&root.section("server"), config);
    session(&root.section("session"), config);
    second_factors(&root.section("mfa"), config, [root.has("mail"), root.has("sms")]);
    if root.has("mail") {
        codes_by_mail(root, config);
    }
    client_certificates(root, config);
    let limits = root.section("limits");
    if config.limits.lockout_after > 100 {
        limits.warn("lockout_after", "more than 100 failures in a row (NIST SP 800-63B-4 section 3.2.2)", "set it to 100 at most");
    }
    let password = root.section("password");
    if password.is_present() && !is_strong(config.password) {
        let remedy = "set memory_kib = 19456, iterations = 2, or more";
        password.warn("memory_kib", "weaker than OWASP's minimum for Argon2id", remedy);
    }
}

fn is_strong(password: Password) -> bool {
    OWASP.iter().any(|(memory, iterations)| password.memory_kib >= *memory && password.iterations >= *iterations)
}

/// A demand that nobody can meet, and an acceptance that never comes to anything.
fn client_certificates(root: &Section, config: &Config) {
    let listeners = &config.server.tls;
    let asks = |tls: &TlsListener| tls.clients.is_some() || tls.certificates.iter().any(|certificate| certificate.clients.is_some());
    if listeners.iter().any(asks) || config.server.client_certificate_header {
        return;
    }
    let routes = root.sections("routes");
    let rules = routes.iter().flat_map(|route| route.sections("rules"));
    let named = |s: &Section| value_of(s).is_some_and(|word| word != "none");
    let (what, remedy) = (
        "no client can show a certificate here",
        "set client_ca in [[server.tls]], or server.client_certificate_header for a proxy in front",
    );
    routes.iter().filter(|route| named(route)).for_each(|route| route.error("client_certificate", Fault::new(what, remedy)));
    rules.filter(named).for_each(|rule| rule.error("client_certificate", Fault::new(what, remedy)));
}

fn value_of(s: &Section) -> Option<String> {
    s.entry("client_certificate").and_then(|entry| value::text(&entry).ok())
}

fn listeners(s: &Section, config: &Config) {
    let server = &config.server;
    if server.trusted_proxies.iter().any(|network| network.prefix_len() == 0) {
        s.warn("trusted_proxies", "everybody is believed about their own address", "name the proxies' own addresses");
    }
    if !server.redirect_to_https && !server.listen.is_empty() && !server.tls.is_empty() {
        let what = "plain HTTP takes passwords for hosts that have a certificate";
        s.warn("redirect_to_https", what, "leave it out: such requests are then redirected to HTTPS");
    }
    let open = server.listen.iter().find(|address| !address.ip().to_canonical().is_loopback());
    if let Some(address) = open.filter(|_| server.tls.is_empty() && server.trusted_proxies.is_empty()) {
        let what = format!("{address} takes passwords over plain HTTP");
        s.warn("listen", what, "use [[server.tls]], or name the TLS proxy in front in trusted_proxies");
    }
}

fn session(s: &Section, config: &Config) {
    let Some(domain) = &config.session.domain else { return };
    if !domain.contains('.') || PUBLIC.contains(&domain.as_str()) {
        let what = format!("“{domain}” is not one organisation's: browsers refuse its cookies, or share them with strangers");
        s.warn("domain", what, "name a domain of your own: internal.example");
    }
    if let Some(host) = outside(config, domain) {
        let remedy = "give every route a host below the domain, or leave the domain out";
        s.warn("domain", format!("{host} is not below it: nobody can stay signed in there"), remedy);
    }
}

/// The first route's host that is neither `domain` nor below it.
fn outside<'c>(config: &'c Config, domain: &str) -> Option<&'c str> {
    let signed_in = config.routes.iter().filter(|route| !matches!(route.requirement.level, Level::Bypass | Level::Deny));
    let mut hosts = signed_in.flat_map(|route| &route.hosts).map(|pattern| match pattern {
        HostPattern::Exact(host) | HostPattern::Below(host) => host.as_str(),
    });
    hosts.find(|host| *host != domain && !host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.')))
}

/// `mail` and `sms`: whether the section is there, right or wrong.
fn second_factors(s: &Section, config: &Config, [mail, sms]: [bool; 2]) {
    let mfa = &config.mfa;
    if config.portal.url.is_none()
        && let Some((rp_id, host)) = mfa.rp_id.as_deref().and_then(|rp_id| Some((rp_id, outside(config, rp_id)?)))
    {
        let webauthn = s.section("webauthn");
        webauthn.warn("rp_id", format!("{host} is not below {rp_id}: no key works there"), "name a domain that all hosts are below");
    }
    if mfa.first_enrolment == FirstEnrolment::Password {
        s.warn("first_enrolment", "a stolen password is enough to enrol a thief's phone", "set first_enrolment = \"verified\"");
    } else if !mail && mfa.policy != MfaPolicy::Off {
        let remedy = "configure [mail], or hand out set-up links (vestibule user add)";
        s.warn("first_enrolment", "without [mail] no code can be sent: users need a set-up link to enrol", remedy);
    }
    if mfa.policy == MfaPolicy::Off && config.routes.iter().any(wants_second) {
        let remedy = "set policy = \"optional\", or give users a policy of their own";
        s.warn("policy", "routes want two factors, which policy “off” closes to everybody", remedy);
    }
    for (method, missing) in [(Method::Email, !mail), (Method::Sms, !sms)] {
        if s.has("methods") && mfa.methods.contains(method) && missing {
            let section = if method == Method::Email { "[mail]" } else { "[sms]" };
            s.warn(
                "methods",
                format!("{method} cannot be enrolled without {section}"),
                format!("configure {section}, or leave {method} out"),
            );
        }
    }
}

fn requirements(route: &Route) -> impl Iterator<Item = &Requirement> {
    std::iter::once(&route.requirement).chain(route.rules.iter().map(|rule| &rule.requirement))
}

fn wants_second(route: &Route) -> bool {
    requirements(route).any(|requirement| requirement.level == Level::TwoFactor)
}

/// Routes that name their factors are warned of one by one; those that take whatever there is, once and together.
fn codes_by_mail(root: &Section, config: &Config) {
    let takes_any = |requirement: &Requirement| requirement.level == Level::TwoFactor && requirement.factors.is_none();
    let routes: Vec<&str> =
        config.routes.iter().filter(|route| requirements(route).any(takes_any)).map(|route| route.name.as_ref()).collect();
    if !config.mfa.methods.contains(Method::Email) || routes.is_empty() {
        return;
    }
    let what = format!(
        "codes by e-mail, which are no AAL2 authenticator (NIST SP 800-63B-4 section 3.1.3.1), open the two-factor routes {}",
        routes.join(", ")
    );
    root.section("mfa").warn("methods", what, "set factors = [\"totp\", \"webauthn\"] on them, or methods without “email”");
}
