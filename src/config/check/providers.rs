//! `[[providers]]`: OpenID Connect providers. What could be misread as trust is an error here, not a surprise at the first sign-in.

use std::collections::{BTreeMap, HashMap};

use crate::config::directory::Directory;
use crate::config::document::outline::Shape;
use crate::config::document::problem::Fault;
use crate::config::document::section::{Entry, Section};
use crate::config::readers::pem;
use crate::config::readers::secret::secret;
use crate::config::readers::value::{self, MAX_SPAN, MINUTE, SECOND};
use crate::config::typed::{ClaimNames, Config, Counts, Create, Provider, Uses};
use crate::factor::Method;

/// A name is one source's: a directory's is no provider's.
pub(in crate::config) fn providers(root: &Section, directories: &[Directory]) -> Vec<Provider> {
    let taken = directories.iter().map(|directory| (directory.name.clone(), "of a directory".to_owned()));
    let mut names: HashMap<String, String> = taken.collect();
    root.sections("providers").into_iter().filter_map(|s| provider(s, &mut names)).collect()
}

/// What follows from the providers for other sections: which of them may vouch for a second factor; and the method `external` is offered
/// if a provider is one: by default then, and never otherwise.
pub(in crate::config) fn offer(root: &Section, config: &mut Config) {
    let vouching = config.providers.iter().filter(|provider| provider.uses.sign_in && !provider.counts.is_empty());
    config.mfa.vouching = vouching.map(|provider| (provider.name.clone(), provider.issuer.clone())).collect();
    let (s, is_one) = (root.section("mfa"), config.providers.iter().any(|provider| provider.uses.second_factor));
    if is_one && !s.has("methods") {
        config.mfa.methods = config.mfa.methods.with(Method::External);
    }
    if !is_one && config.mfa.methods.contains(Method::External) {
        s.warn("methods", "no provider is used as a second factor", "add use = [\"second_factor\"] to a provider, or leave external out");
        config.mfa.methods = config.mfa.methods.without(Method::External);
    }
}

fn provider(s: Section, names: &mut HashMap<String, String>) -> Option<Provider> {
    let name = s.required("name", "give the provider a short name: it stands in the address of its answer", name);
    if let Some(name) = &name
        && let Some(place) = names.insert(name.clone(), s.place("name"))
    {
        s.error("name", Fault::new(format!("another source is called “{name}” ({place})"), "give each a name of its own"));
    }
    let issuer = s.required("issuer", "write the issuer exactly as the provider's discovery document does", issuer);
    let client_id = s.required("client_id", "write the id that the provider gave this gateway", value::label);
    let client_secret = client_secret(&s);
    let (uses, counts) = (uses(&s), counts(s.section("counts_as_second_factor")));
    if uses.second_factor && counts.is_empty() {
        let remedy =
            "write what proves it: counts_as_second_factor = { amr = [\"mfa\"] }, by the provider's guide in docs/guides/providers.md";
        let what = "as a second factor nothing of the provider's would count";
        s.error(if s.has("counts_as_second_factor") { "counts_as_second_factor" } else { "use" }, Fault::new(what, remedy));
    }
    let (create, group_map) = (create(&s), group_map(s.section("group_map")));
    if create == Create::Groups && group_map.is_empty() {
        s.error("create", Fault::new("no group is in group_map, so nobody would get an account", "add [providers.group_map]"));
    }
    let (link_by_email, email_domains) = link_by(&s);
    let refresh = s.or("refresh", 5 * MINUTE, value::span(SECOND..=MAX_SPAN));
    let max_stale = s.or("max_stale", 60 * MINUTE, value::span(SECOND..=MAX_SPAN));
    if max_stale < refresh {
        let what = format!("max_stale ({}) is shorter than refresh ({})", value::written(max_stale), value::written(refresh));
        s.error(if s.has("max_stale") { "max_stale" } else { "refresh" }, Fault::new(what, "set max_stale to at least refresh"));
    }
    let title = s.or("title", name.clone().unwrap_or_default(), value::label);
    let (ca, scopes, claims) = (s.maybe("ca", pem::authorities), scopes(&s), claims(s.section("claims")));
    s.finish();
    let (name, issuer, client_id) = (name?, issuer?, client_id?);
    Some(Provider {
        name,
        title,
        issuer,
        client_id,
        client_secret,
        ca,
        scopes,
        uses,
        claims,
        create,
        link_by_email,
        email_domains,
        counts,
        refresh,
        max_stale,
        group_map,
    })
}

/// Part of a path, and a user's `source`.
pub(in crate::config) fn name(entry: &Entry) -> Result<String, Fault> {
    entry.takes(|| Shape::Pattern("^[a-z0-9_-]{1,64}$"));
    let text = value::text(entry)?;
    let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    if text.is_empty() || text.len() > 64 || !text.bytes().all(is_plain) {
        return Err(Fault::new(format!("“{}” cannot be a name here", text.escape_default()), "use 1 to 64 of a-z, 0-9, “-” and “_”"));
    }
    if text == "local" {
        return Err(Fault::new("“local” stands for the accounts of this gateway", "choose another name"));
    }
    if text == crate::account::SourceId::GUEST {
        return Err(Fault::new("“guest” stands for guests", "choose another name"));
    }
    Ok(text)
}

/// Kept as it is written: it is compared byte for byte.
fn issuer(entry: &Entry) -> Result<String, Fault> {
    entry.takes(|| Shape::Pattern("^https?://"));
    let text = value::text(entry)?;
    let remedy = "write it as in the provider's discovery document: https://HOST/PATH";
    let url = url::Url::parse(&text).map_err(|e| Fault::new(format!("not a URL: {e}"), remedy))?;
    let local = match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => return Err(Fault::new("the URL names no host", remedy)),
    };
    if url.scheme() != "https" && !(url.scheme() == "http" && local) {
        return Err(Fault::new("an issuer is https (http is for one on the loopback)", remedy));
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err(Fault::new("an issuer has no user, query or fragment", remedy));
    }
    if text.contains("/common/") || text.contains("/organizations/") {
        let what = "every tenant's users could sign in through this issuer";
        return Err(Fault::new(what, "write your own tenant's id in place of “common” or “organizations”"));
    }
    Ok(text)
}

fn client_secret(s: &Section) -> Option<crate::base::Secret> {
    let secret = secret(s, "client_secret")?;
    if secret.is_empty() {
        let key = if s.has("client_secret") { "client_secret" } else { "client_secret_file" };
        s.error(key, Fault::new("the secret is empty", "write the client's secret, or leave the key out for a public client"));
        return None;
    }
    Some(secret)
}

fn uses(s: &Section) -> Uses {
    const USES: [(&str, bool); 2] = [("sign_in", true), ("second_factor", false)];
    let uses = s.some("use", value::choice(&USES)).unwrap_or_else(|| vec![true]);
    Uses { sign_in: uses.contains(&true), second_factor: uses.contains(&false) }
}

fn counts(s: Section) -> Counts {
    let list = |key| s.list(key, value::label).unwrap_or_default();
    let counts = Counts { amr: list("amr"), acr: list("acr"), acrs: list("acrs") };
    s.finish();
    counts
}

fn claims(s: Section) -> ClaimNames {
    let default = ClaimNames::default();
    let claims = ClaimNames {
        name: s.or("name", default.name, value::label),
        display_name: s.or("display_name", default.display_name, value::label),
        email: s.or("email", default.email, value::label),
        groups: s.or("groups", default.groups, value::label),
    };
    s.finish();
    claims
}

fn scopes(s: &Section) -> Vec<String> {
    let default = || ["openid", "profile", "email"].map(str::to_owned).to_vec();
    let scopes = s.some("scopes", scope).unwrap_or_else(default);
    if !scopes.iter().any(|scope| scope == "openid") {
        s.error("scopes", Fault::new("without the scope “openid” a provider says nothing of who somebody is", "add \"openid\""));
    }
    scopes
}

/// RFC 6749 section 3.3.
fn scope(entry: &Entry) -> Result<String, Fault> {
    let text = value::text(entry)?;
    let is_token = |b: u8| (0x21..=0x7e).contains(&b) && b != b'"' && b != b'\\';
    if text.is_empty() || !text.bytes().all(is_token) {
        return Err(Fault::new(format!("“{}” is not a scope", text.escape_default()), "write one scope an entry, without spaces"));
    }
    Ok(text)
}

fn create(s: &Section) -> Create {
    const CREATE: [(&str, Create); 3] = [("never", Create::Never), ("always", Create::Always), ("groups", Create::Groups)];
    s.or("create", Create::Never, value::choice(&CREATE))
}

fn link_by(s: &Section) -> (bool, Vec<String>) {
    let by_email = s.or("link_by", false, value::choice(&[("subject", false), ("email", true)]));
    let domains = s.list("email_domains", value::domain).unwrap_or_default();
    if by_email && domains.is_empty() {
        let what = "an address is believed only in domains that are named, and none is";
        s.error("link_by", Fault::new(what, "write email_domains = [\"corp.example\"]: domains that the provider answers for"));
    }
    (by_email, domains)
}

fn group_map(s: Section) -> BTreeMap<String, String> {
    let names = s.names();
    let map = names.into_iter().filter_map(|name| Some((name.to_owned(), s.maybe(name, value::group)?))).collect();
    s.finish();
    map
}

#[cfg(test)]
mod tests;
