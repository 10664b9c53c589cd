//! `vestibule explain`: the live policy's answer to a request that is never sent.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use serde_json::{Value, json};

use super::answer::{json as to_json, said};
use crate::account::{Account, MfaPolicy};
use crate::app::App;
use crate::base::{ClientAddr, Host, Time};
use crate::cli::control::Question;
use crate::config::Config;
use crate::factor::Method;
use crate::path::Path;
use crate::policy::{Ask, Certificate, DeviceState, Explanation, Grant, Identity, Policy, Proof};
use crate::service::sessions::person;
use crate::token::Way;

/// Where a question that says no `from` comes from: a documentation address (RFC 5737), in nobody's network.
const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

pub(super) async fn explain(app: &Arc<App>, question: Question) -> Result<Value, String> {
    let account = match &question.user {
        Some(name) => Some(app.services.accounts.named(name).await.map_err(said)?),
        None => None,
    };
    answer(&app.policy(), &app.config(), account.as_ref(), &question, app.services.now())
}

/// Explains; the account is the one that the question names.
fn answer(policy: &Policy, config: &Config, account: Option<&Account>, question: &Question, now: Time) -> Result<Value, String> {
    let method =
        http::Method::from_bytes(question.method.as_bytes()).map_err(|_| "the method is no HTTP method; say --method GET".to_owned())?;
    let (host, target) = split(&question.url)?;
    let client = ClientAddr::new(question.from.unwrap_or(STRANGER));
    let path = match Path::parse(target.as_bytes()) {
        Ok(path) => path,
        Err(refusal) => return refused(&refusal.to_string()),
    };
    let device = device(question.device.as_deref(), now)?;
    let named =
        account.map(|account| Identity { person: Arc::new(person(account, &config.mfa)), proof: Proof::Password, token: None, device });
    // A service account has no session: it comes by its certificate.
    let (mut who, holder) = match named {
        Some(named) if question.certificate && account.is_some_and(|account| account.service) => {
            let grant = Grant { scope: Arc::default(), way: Way::Certificate };
            (None, Some(Identity { token: Some(grant), ..named }))
        }
        named => (named, None),
    };
    let certificate = if question.certificate { Certificate::Valid(holder.as_ref()) } else { Certificate::Absent };
    let ask = Ask { host: &host, method: &method, client, path: &path, form: true, certificate };
    let mut explanation = crate::policy::explain(policy, &ask, who.as_ref(), now);
    if let Some(who) = &mut who {
        who.proof = proof(who, question.proof.as_deref(), &explanation, now)?;
        explanation = crate::policy::explain(policy, &ask, Some(who), now);
    }
    let mut value = to_json(&explanation)?;
    if let Some(object) = value.as_object_mut() {
        let shown = who.map(|who| shown(who.proof)).or_else(|| holder.map(|_| "certificate"));
        object.insert("signed_in_with".to_owned(), shown.map_or(Value::Null, Value::from));
        if let Some(account) = account {
            object.insert("source".to_owned(), account.source_name().into());
            object.insert("groups".to_owned(), account.groups.clone().into());
        }
    }
    Ok(value)
}

/// What a finished sign-in of this user shows: a method that the route accepts, if they have one; else any; else the password.
fn proof(who: &Identity, wanted: Option<&str>, explanation: &Explanation, now: Time) -> Result<Proof, String> {
    let second = |method| Proof::Second { method, at: now };
    match wanted {
        Some("password") => Ok(Proof::Password),
        Some(name) => Ok(second(name.parse::<Method>().map_err(said)?)),
        None if who.person.mfa == MfaPolicy::Off => Ok(Proof::Password),
        None => {
            let own = || who.person.methods.iter().filter(|method| *method != Method::Recovery);
            let best = own().find(|method| explanation.factors.contains(method)).or_else(|| own().next());
            Ok(best.map_or(Proof::Password, second))
        }
    }
}

/// What the session shows of the device that it is bound to.
fn device(wanted: Option<&str>, now: Time) -> Result<DeviceState, String> {
    match wanted {
        None => Ok(DeviceState::Unbound),
        Some("shown") => Ok(DeviceState::Proved(now)),
        Some("missing") => Ok(DeviceState::Missing),
        Some(other) => Err(format!("“{other}” is nothing that a session shows of its device; say --device-bound shown, or missing")),
    }
}

const fn shown(proof: Proof) -> &'static str {
    match proof {
        Proof::Password => "password",
        Proof::TrustedBrowser => "trusted_browser",
        Proof::Second { method, .. } => method.name(),
    }
}

/// A path that no honest client sends never reaches a rule.
fn refused(why: &str) -> Result<Value, String> {
    Ok(json!({
        "route": null, "rule": null, "requires": "deny", "factors": [], "client_certificate": "none", "device_bound": null, "device_age": null, "outcome": "refuse", "reason": why, "upstream": null,
        "considered": [], "signed_in_with": null,
    }))
}

/// Host and request target, the target byte for byte: a URL parser would remove the dot segments that are asked about.
fn split(url: &str) -> Result<(Host, String), String> {
    let wanted = || format!("“{url}” is no URL of this gateway; http://HOST/PATH is wanted");
    let (scheme, rest) = url.split_once("://").ok_or_else(wanted)?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Err(wanted());
    }
    let rest = rest.split('#').next().unwrap_or_default();
    let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let host = Host::parse(authority.as_bytes()).map_err(|_| wanted())?;
    Ok((host, if target.starts_with('/') { target.to_owned() } else { format!("/{target}") }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(url: &str) -> Result<Value, String> {
        let text = "[server]\n[[routes]]\nname = \"a\"\nhosts = [\"wiki.example\"]\nupstreams = [\"http://127.0.0.1:1\"]\npolicy = \"one_factor\"\n";
        let config = crate::config::parse(text, std::path::Path::new("v.toml"), []).unwrap().config;
        let policy = Policy::new(config.routes.clone(), &config.portal.prefix);
        let question = Question {
            user: None,
            from: None,
            method: "GET".to_owned(),
            url: url.to_owned(),
            proof: None,
            certificate: false,
            device: None,
        };
        answer(&policy, &config, None, &question, Time::default())
    }

    #[test]
    fn a_url_is_taken_as_it_would_be_sent() {
        assert_eq!(ask("http://wiki.example:8080?x=1").unwrap()["outcome"], "challenge");
        assert_eq!(ask("https://WIKI.example/a#b").unwrap()["reason"], "sign_in");
        let refused = ask("http://wiki.example/a/../b").unwrap();
        assert_eq!((&refused["outcome"], &refused["route"]), (&Value::from("refuse"), &Value::Null));
        assert_eq!(ask("http://other.example/").unwrap()["outcome"], "no_route");
        for bad in ["wiki.example/x", "ftp://wiki.example/", "http://", "http://a b/"] {
            assert!(ask(bad).is_err(), "{bad}");
        }
    }
}
