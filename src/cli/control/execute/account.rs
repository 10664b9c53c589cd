//! `vestibule user …`.

use std::sync::Arc;

use serde_json::{Value, json};

use super::answer::{json as to_json, said, with_reach};
use crate::account::Account;
use crate::base::Secret;
use crate::cli::control::portal_url;
use crate::factor::Method;
use crate::service::Services;
use crate::service::accounts::AccountError;
use crate::service::accounts::NewAccount;
use crate::service::admin::{AccountChange, AccountView, MfaChange, SeenView};
use crate::service::audit::Actor;
use crate::service::import::{Entry, Fault, Meter};

const ACTOR: Actor<'static> = Actor::CommandLine;

/// As the listings show it, with the certificate that this gateway saw last.
fn view(services: &Services, account: &Account) -> AccountView {
    let holder = account.certificate_subject.as_ref().and_then(|subject| services.tokens.holders().find(subject));
    let seen = holder.and_then(|holder| holder.seen());
    let seen = seen.map(|seen| SeenView { fingerprint: seen.fingerprint(), expires: seen.ends.rfc3339(), last_used: seen.at.rfc3339() });
    AccountView { certificate_seen: seen, ..services.accounts.view(account) }
}

/// The account as it is now, with more about it.
async fn shown(services: &Services, name: &str, more: &[(&str, Value)]) -> Result<Value, String> {
    let account = services.accounts.named(name).await.map_err(said)?;
    let mut value = to_json(view(services, &account))?;
    if let Some(object) = value.as_object_mut() {
        object.extend(more.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
    }
    Ok(value)
}

fn setup_url(services: &Services, token: &Secret) -> Value {
    Value::String(format!("{}/setup?token={}", portal_url(&services.config()), token.expose()))
}

pub(super) async fn add(services: &Services, new: NewAccount, password: Option<Secret>) -> Result<Value, String> {
    let token = services.accounts.add(&new, password, ACTOR).await.map_err(said)?;
    let link = token.map(|token| ("setup_link", setup_url(services, &token)));
    shown(services, &new.name, link.as_slice()).await
}

pub(super) async fn list(services: &Services) -> Result<Value, String> {
    let mut views: Vec<_> = services.store.all_accounts().await.map_err(said)?.iter().map(|account| view(services, account)).collect();
    views.sort_by_cached_key(|view| crate::store::fold(&view.name));
    to_json(views)
}

pub(super) async fn show(services: &Services, name: &str) -> Result<Value, String> {
    let account = services.accounts.named(name).await.map_err(said)?;
    let allowed = to_json(account.may_enrol(services.config().mfa.methods).iter().collect::<Vec<_>>())?;
    let sessions = services.sessions.signed_in(&account).await.map_err(said)?.len();
    shown(services, name, &[("allowed_methods", allowed), ("sessions", sessions.into())]).await
}

pub(super) async fn delete(services: &Services, name: &str) -> Result<Value, String> {
    let account = services.accounts.named(name).await.map_err(said)?;
    services.accounts.remove(&account.name, ACTOR).await.map_err(said)?;
    Ok(with_reach(services, json!({ "name": account.name, "deleted": true })).await)
}

pub(super) async fn rebind(services: &Services, name: &str) -> Result<Value, String> {
    let account = services.rebind.rebind(name, ACTOR).await.map_err(said)?;
    shown(services, &account.name, &[]).await
}

pub(super) async fn unlock(services: &Services, name: &str) -> Result<Value, String> {
    services.accounts.unlock(name, ACTOR).await.map_err(said)?;
    shown(services, name, &[]).await
}

pub(super) async fn passwd(services: &Services, name: &str, password: &Secret) -> Result<Value, String> {
    services.accounts.set_password(name, password, ACTOR).await.map_err(said)?;
    shown(services, name, &[]).await
}

pub(super) async fn set(services: &Services, name: &str, change: &AccountChange) -> Result<Value, String> {
    let account = services.accounts.change(name, change, ACTOR).await.map_err(said)?;
    let value = shown(services, &account.name, &[]).await?;
    Ok(if change.disabled == Some(true) { with_reach(services, value).await } else { value })
}

pub(super) async fn link(services: &Services, name: &str) -> Result<Value, String> {
    let token = services.accounts.setup_link(name, ACTOR).await.map_err(said)?;
    let account = services.accounts.named(name).await.map_err(said)?;
    Ok(json!({ "name": account.name, "setup_link": setup_url(services, &token) }))
}

pub(super) async fn link_provider(services: &Services, name: &str, provider: &str, subject: &str) -> Result<Value, String> {
    services.provider.link_by_hand(name, provider, subject, ACTOR).await.map_err(said)?;
    shown(services, name, &[]).await
}

pub(super) async fn unlink_provider(services: &Services, name: &str, provider: &str) -> Result<Value, String> {
    services.provider.unlink_by_hand(name, provider, ACTOR).await.map_err(said)?;
    shown(services, name, &[]).await
}

/// `{imported: [...]}`, or `{faults: [...]}`: a refusal with more to say than one line.
pub(super) async fn import(services: &Services, entries: &[Entry], links: bool, meter: &Meter) -> Result<Value, String> {
    match services.import.run(entries, links, ACTOR, meter).await {
        Ok(imported) => {
            let one = |one: &crate::service::import::Imported| {
                let link = one.setup.as_ref().map(|token| setup_url(services, token));
                json!({ "name": one.name, "setup_link": link })
            };
            Ok(json!({ "imported": imported.iter().map(one).collect::<Vec<_>>() }))
        }
        Err(faults) => Ok(json!({ "faults": faults.iter().map(Fault::clone).collect::<Vec<_>>() })),
    }
}

pub(super) async fn mfa(services: &Services, name: &str, change: &MfaChange, recovery: bool) -> Result<Value, String> {
    if change.enrol.iter().any(|method| !services.notices.can_send(*method)) {
        return Err("this gateway cannot send such codes; set [mail] or [sms] in the configuration first".to_owned());
    }
    // What is not there is not removed, and not recorded as removed.
    let before = services.accounts.named(name).await.map_err(said)?;
    let reset =
        change.reset.iter().copied().filter(|method| before.has(*method) || (*method == Method::Sms && before.sms_otp.is_some())).collect();
    let change = &MfaChange { reset, ..change.clone() };
    let account = services.accounts.change_mfa(name, change, ACTOR).await.map_err(said)?;
    if !recovery {
        return shown(services, &account.name, &[]).await;
    }
    let codes = services.accounts.recovery_codes(&account.name, ACTOR).await.map_err(|e: AccountError| e.to_string())?;
    let codes: Vec<&str> = codes.iter().map(Secret::expose).collect();
    shown(services, &account.name, &[("recovery_codes", json!(codes))]).await
}

pub(super) async fn groups(services: &Arc<Services>, names: &[String]) -> Result<Value, String> {
    let mut found = serde_json::Map::new();
    for name in names {
        if let Some(account) = services.store.account_by_login(name).await.map_err(said)? {
            found.insert(name.clone(), json!(account.groups));
        }
    }
    Ok(Value::Object(found))
}

/// Every group that an account is in, once; null if there is no account.
pub(super) async fn groups_in_use(services: &Services) -> Result<Value, String> {
    let accounts = services.store.all_accounts().await.map_err(said)?;
    if accounts.is_empty() {
        return Ok(Value::Null);
    }
    let names: std::collections::BTreeSet<String> = accounts.into_iter().flat_map(|account| account.groups).collect();
    Ok(names.into_iter().map(Value::from).collect())
}
