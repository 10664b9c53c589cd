//! What `[[providers]]` takes, and what it says about the rest.

use super::*;
use crate::config::tests::{ROUTE, faults, read_with};

const GOOD: &str = "[[providers]]\nname = \"corp\"\nissuer = \"https://idp.example/t\"\nclient_id = \"gate\"\n";

fn read(more: &str) -> Provider {
    read_with(&format!("{ROUTE}{GOOD}{more}"), &[]).unwrap().config.providers.remove(0)
}

#[test]
fn a_provider_needs_three_keys_and_trusts_nothing_more_than_it_must() {
    let provider = read("");
    assert_eq!(provider.title, "corp");
    assert_eq!(provider.uses, Uses { sign_in: true, second_factor: false });
    assert_eq!((provider.create, provider.link_by_email), (Create::Never, false));
    assert!(provider.counts.is_empty() && provider.group_map.is_empty() && provider.client_secret.is_none());
    assert_eq!(provider.scopes, ["openid", "profile", "email"]);
}

#[test]
fn every_key_is_read() {
    let provider = read(
        "title = \"Work\"\nclient_secret = \"s\"\nuse = [\"sign_in\", \"second_factor\"]\nclaims = { groups = \"roles\" }\ncreate = \"groups\"\n\
         link_by = \"email\"\nemail_domains = [\"corp.example\"]\ncounts_as_second_factor = { amr = [\"mfa\"] }\nrefresh = \"1s\"\nmax_stale = \"1s\"\n\
         [providers.group_map]\n\"CN=Payroll, x\" = \"payroll\"\n",
    );
    assert!(provider.uses.second_factor && provider.link_by_email && provider.create == Create::Groups);
    assert_eq!((provider.claims.groups.as_str(), provider.claims.email.as_str()), ("roles", "email"));
    assert_eq!(provider.group_map["CN=Payroll, x"], "payroll");
}

#[test]
fn what_could_be_misread_as_trust_is_an_error() {
    for (line, key, said) in [
        ("use = [\"second_factor\"]", "use", "nothing of the provider's would count"),
        ("use = [\"second_factor\"]\ncounts_as_second_factor = { amr = [] }", "counts_as_second_factor", "nothing"),
        ("use = [\"sign-in\"]", "use[0]", "not known here"),
        ("link_by = \"email\"", "link_by", "in domains that are named"),
        ("create = \"groups\"", "create", "nobody would get an account"),
        ("scopes = [\"profile\"]", "scopes", "openid"),
        ("scopes = [\"openid email\"]", "scopes[0]", "not a scope"),
        ("client_secret = \"\"", "client_secret", "empty"),
        ("refresh = \"2h\"", "refresh", "shorter than refresh"),
        ("max_stale = \"1m\"", "max_stale", "shorter than refresh"),
        ("claims = { group = \"x\" }", "claims.group", "unknown key"),
    ] {
        let found = faults(&format!("{ROUTE}{GOOD}{line}\n"));
        assert!(found.iter().any(|p| p.key == format!("providers[0].{key}") && p.what.contains(said)), "{line}: {found:?}");
    }
}

#[test]
fn an_issuer_is_one_party_on_https() {
    for bad in ["http://idp.example", "https://u@idp.example", "https://idp.example?x", "idp", "https://login.example/common/v2.0"] {
        let found = faults(&format!("{ROUTE}{}", GOOD.replace("https://idp.example/t", bad)));
        assert!(found.len() == 1 && found[0].key == "providers[0].issuer", "{bad}: {found:?}");
    }
    assert_eq!(
        read_with(&format!("{ROUTE}{}", GOOD.replace("https://idp.example/t", "http://127.0.0.1:9000")), &[])
            .unwrap()
            .config
            .providers
            .len(),
        1
    );
}

#[test]
fn names_are_parts_of_a_path_and_stand_once() {
    for bad in ["", "local", "a/b", "..", "Corp", "a.b"] {
        assert_eq!(faults(&format!("{ROUTE}{}", GOOD.replace("\"corp\"", &format!("\"{bad}\"")))).len(), 1, "{bad}");
    }
    assert!(faults(&format!("{ROUTE}{GOOD}{GOOD}"))[0].what.contains("another source is called"));
    let directory = "[[directories]]\nname = \"corp\"\nkind = \"openldap\"\nurls = [\"ldaps://dc.example\"]\nbase_dn = \"dc=example\"\nbind_dn = \"cn=x,dc=example\"\nbind_password = \"secret\"\n";
    assert!(faults(&format!("{ROUTE}{GOOD}{directory}")).iter().any(|fault| fault.what.contains("another source is called")));
}
