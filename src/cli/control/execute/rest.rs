//! `session`, `key`, `audit` and `store`.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{json as to_json, said};
use crate::base::{SessionId, Time};
use crate::cli::control::Which;
use crate::service::audit::{Actor, Event};
use crate::service::{LiveSession, Services};
use crate::session::EndReason;
use crate::store::fold;

const ACTOR: Actor<'static> = Actor::CommandLine;

pub(super) async fn sessions(services: &Services, user: Option<&str>) -> Result<Value, String> {
    let mut sessions = match user {
        Some(name) => services.live.of(services.named(name).await.map_err(said)?.id),
        None => services.live.all(),
    };
    sessions.sort_by_key(|session| (session.record().created, session.id()));
    Ok(sessions.iter().map(|session| one_session(services, session)).collect())
}

fn one_session(services: &Services, session: &LiveSession) -> Value {
    let (record, config) = (session.record(), services.config());
    let ends = record.created.plus(config.session.lifetime);
    json!({
        "id": record.id.to_string(),
        "user": session.identity().person.name,
        "created": record.created.rfc3339(),
        "last_seen": record.last_seen.rfc3339(),
        "address": record.address.to_string(),
        "browser": record.browser,
        "method": record.second.map(|(method, _)| method.name()),
        "trusted_browser": record.trusted_browser,
        "expires": ends.rfc3339(),
        "idle_expires": record.last_seen.plus(config.session.idle_timeout).min(ends).rfc3339(),
    })
}

pub(super) async fn revoke(services: &Services, which: Which) -> Result<Value, String> {
    let revoked = match which {
        Which::OfUser(name) => services.revoke_sessions(Some(&name), ACTOR).await.map_err(said)?,
        Which::All => services.revoke_sessions(None, ACTOR).await.map_err(said)?,
        Which::One(id) => revoke_one(services, &id).await?,
    };
    Ok(json!({ "revoked": revoked }))
}

async fn revoke_one(services: &Services, text: &str) -> Result<usize, String> {
    let unknown = || format!("there is no session “{text}”; `vestibule session list` shows all");
    let id: SessionId = text.parse().map_err(|_| unknown())?;
    let name = services.live.get(id).ok_or_else(unknown)?.identity().person.name.clone();
    services.store.delete_sessions(&[id]).await.map_err(said)?;
    services.live.end(id, EndReason::Revoked);
    services.audit(Event::SessionRevoked, Some(&name), ACTOR, "1 session").await.map_err(said)?;
    Ok(1)
}

pub(super) async fn rotate(services: &Arc<Services>, wait: bool) -> Result<Value, String> {
    let rotation = services.rotate_keys(ACTOR).await.map_err(said)?;
    let mut value = to_json(&rotation)?;
    if wait {
        let resealed = services.reseal().await.map_err(said)?;
        if let Some(object) = value.as_object_mut() {
            object.insert("resealed".to_owned(), to_json(resealed)?);
        }
        return Ok(value);
    }
    let services = services.clone();
    tokio::spawn(async move {
        match services.reseal().await {
            Ok(done) => tracing::info!(sealed = done.sealed, unreadable = done.unreadable, "secrets were sealed under the new key"),
            Err(e) => tracing::error!(error = %e, "secrets stay under the old key, which is kept, until the next rotation"),
        }
    });
    Ok(value)
}

/// `{records, last, more}`: what fits of the records looked at, the last number looked at, and whether there may be more.
pub(super) async fn audit(services: &Services, user: Option<&str>, since: Option<Time>, after: u64, limit: usize) -> Result<Value, String> {
    let page = services.store.audit_after(after, limit.clamp(1, 10_000)).await.map_err(said)?;
    let last = page.last().map_or(after, |record| record.seq);
    let more = page.len() >= limit.clamp(1, 10_000);
    let wanted = user.map(fold);
    let fits = |name: &Option<String>| wanted.is_none() || name.as_deref().map(fold) == wanted;
    let mut records = Vec::new();
    for record in page.iter().filter(|record| since.is_none_or(|since| record.at >= since)).filter(|r| fits(&r.user) || fits(&r.by)) {
        let mut value = to_json(record)?;
        if let Some(object) = value.as_object_mut() {
            object.insert("at".to_owned(), record.at.rfc3339().into());
        }
        records.push(value);
    }
    Ok(json!({ "records": records, "last": last, "more": more }))
}

/// The export's lines.
pub(super) async fn export(services: &Services) -> Result<Value, String> {
    let text = services.export_store(ACTOR).await.map_err(said)?;
    Ok(text.lines().map(Value::from).collect())
}

pub(super) async fn import(services: &Services, text: &str, replace: bool) -> Result<Value, String> {
    let records = services.import_store(text, replace, ACTOR).await.map_err(said)?;
    Ok(json!({ "records": records }))
}
