//! `session`, `key`, `audit` and `store`.

use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::answer::{json as to_json, said, with_reach};
use crate::app::App;
use crate::base::{SessionId, Time};
use crate::cli::control::Which;
use crate::service::Services;
use crate::service::audit::{Actor, Event};
use crate::service::backup::Opener;
use crate::session::device::DeviceBinding;
use crate::session::{EndReason, SessionRecord};
use crate::store::{AuditRecord, StoreError, fold};
use crate::telemetry::server::Health;

const ACTOR: Actor<'static> = Actor::CommandLine;

/// # Errors
/// Why the gateway is not ready.
pub(super) async fn health(app: &App) -> Result<Value, String> {
    app.ready().await.map_err(|reason| format!("not ready: {reason}; the gateway's log has more"))?;
    Ok(json!({ "ready": true }))
}

pub(super) async fn sessions(services: &Services, user: Option<&str>) -> Result<Value, String> {
    let mut sessions = match user {
        Some(name) => {
            let account = services.accounts.named(name).await.map_err(said)?;
            let own = services.sessions.signed_in(&account).await.map_err(said)?;
            own.into_iter().map(|record| (record, account.name.clone())).collect()
        }
        None => services.admin_sessions.all().await.map_err(said)?,
    };
    sessions.sort_by_key(|(record, _)| (record.created, record.id));
    let ids: Vec<_> = sessions.iter().map(|(record, _)| record.id).collect();
    let devices = services.store.devices(&ids).await.map_err(said)?;
    Ok(sessions.iter().zip(devices).map(|(session, device)| one_session(services, session, device.as_ref())).collect())
}

fn one_session(services: &Services, (record, name): &(SessionRecord, String), device: Option<&DeviceBinding>) -> Value {
    let config = services.config();
    let ends = record.created.plus(config.session.lifetime);
    json!({
        "id": record.id.to_string(),
        "user": name,
        "created": record.created.rfc3339(),
        "last_seen": record.last_seen.rfc3339(),
        "address": record.address.to_string(),
        "browser": record.browser,
        "method": record.second.map(|(method, _)| method.name()),
        "trusted_browser": record.trusted_browser,
        "device": device.map(|device| json!({ "bound_since": device.since.rfc3339(), "proved_at": device.proved_at.rfc3339() })),
        "expires": ends.rfc3339(),
        "idle_expires": record.last_seen.plus(config.session.idle_timeout).min(ends).rfc3339(),
    })
}

pub(super) async fn revoke(services: &Services, which: Which) -> Result<Value, String> {
    let revoked = match which {
        Which::OfUser(name) => services.admin_sessions.revoke(Some(&name), ACTOR).await.map_err(said)?,
        Which::All => services.admin_sessions.revoke(None, ACTOR).await.map_err(said)?,
        Which::One(id) => revoke_one(services, &id).await?,
    };
    Ok(with_reach(services, json!({ "revoked": revoked })).await)
}

async fn revoke_one(services: &Services, text: &str) -> Result<usize, String> {
    let unknown = || format!("there is no session “{text}”; `vestibule session list` shows all");
    let id: SessionId = text.parse().map_err(|_| unknown())?;
    // A host's session has the portal's end with it.
    let found = services.sessions.find(id).await.map_err(said)?;
    let session = found.and_then(|session| services.live.portals(&session)).ok_or_else(unknown)?;
    let name = session.identity().person.name.clone();
    services.sessions.end(session.id(), EndReason::Revoked).await.map_err(said)?;
    services.audit.record(Event::SessionRevoked, Some(&name), ACTOR, "1 session").await.map_err(said)?;
    Ok(1)
}

pub(super) async fn rotate(services: &Arc<Services>, wait: bool) -> Result<Value, String> {
    let rotation = services.keys.rotate(ACTOR).await.map_err(said)?;
    services.keys.wait_for(&rotation).await.map_err(said)?;
    let mut value = to_json(&rotation)?;
    let mut add = |name: &str, what: Value| {
        if let Some(object) = value.as_object_mut() {
            object.insert(name.to_owned(), what);
        }
    };
    if let Some(from) = rotation.from {
        add("signs_from", from.rfc3339().into());
    }
    if wait {
        add("resealed", to_json(services.keys.reseal().await.map_err(said)?)?);
        return Ok(value);
    }
    let services = services.clone();
    tokio::spawn(async move {
        match services.keys.reseal().await {
            Ok(done) => tracing::info!(sealed = done.sealed, unreadable = done.unreadable, "secrets were sealed under the new key"),
            Err(e) => tracing::error!(error = %e, "secrets stay under the old key, which is kept, until the next rotation"),
        }
    });
    Ok(value)
}

/// How far the clocks of several gateways, and one that was set, may be apart.
const DISORDER: Duration = Duration::from_secs(60);

/// `{records, last, more}`: what fits of the records looked at, the last number looked at, and whether there may be more.
pub(super) async fn audit(
    services: &Services,
    user: Option<&str>,
    (since, until): (Option<Time>, Option<Time>),
    after: u64,
    limit: usize,
) -> Result<Value, String> {
    let limit = limit.clamp(1, 10_000);
    let page = records(services, user, since, after, limit).await.map_err(said)?;
    let is_past = |record: &AuditRecord| until.is_some_and(|until| record.at >= until.plus(DISORDER));
    let is_over = page.last().and_then(|(_, record)| record.as_ref()).is_some_and(is_past);
    let (last, more) = (page.last().map_or(after, |(seq, _)| *seq), page.len() >= limit && !is_over);
    let is_then = |record: &&AuditRecord| since.is_none_or(|since| record.at >= since) && until.is_none_or(|until| record.at < until);
    let wanted = user.map(fold);
    let fits = |name: &Option<String>| wanted.is_none() || name.as_deref().map(fold) == wanted;
    let mut records = Vec::new();
    let named = |record: &&AuditRecord| fits(&record.user) || fits(&record.by);
    for record in page.iter().filter_map(|(_, record)| record.as_ref()).filter(is_then).filter(named) {
        let mut value = to_json(record)?;
        if let Some(object) = value.as_object_mut() {
            object.insert("at".to_owned(), record.at.rfc3339().into());
        }
        records.push(value);
    }
    Ok(json!({ "records": records, "last": last, "more": more }))
}

/// The records that are looked at, with their numbers: by name where they can be found so. One that was removed meanwhile is none.
async fn records(
    services: &Services,
    user: Option<&str>,
    since: Option<Time>,
    mut after: u64,
    limit: usize,
) -> Result<Vec<(u64, Option<AuditRecord>)>, StoreError> {
    if let Some(since) = since {
        after = after.max(services.audit_reader.first_at(since.minus(DISORDER)).await?.saturating_sub(1));
    }
    match user {
        Some(name) if services.store.audit_is_indexed().await? => services.store.audit_of(&fold(name), after, limit, false, |_| true).await,
        _ => services.store.audit_sifted(after, limit, false, |_| true).await,
    }
}

/// What exports on their way are called.
const ON_ITS_WAY: &str = "export-";

/// `{file, records}`: a file of the data folder.
pub(super) async fn export(services: &Services) -> Result<Value, String> {
    let folder = services.config().server.data_dir.clone();
    let made = move || {
        let folder = folder.canonicalize()?;
        // What nobody took away.
        let left =
            std::fs::read_dir(&folder)?.filter_map(Result::ok).filter(|entry| entry.file_name().to_string_lossy().starts_with(ON_ITS_WAY));
        left.for_each(|entry| drop(std::fs::remove_file(entry.path())));
        let id = SessionId::random().map_err(std::io::Error::other)?;
        let path = folder.join(format!("{ON_ITS_WAY}{id}.jsonl"));
        let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        Ok::<_, std::io::Error>((path, file))
    };
    let (path, file) =
        tokio::task::spawn_blocking(made).await.map_err(said)?.map_err(|e| format!("the data folder cannot be written: {e}"))?;
    match services.backup.export_to(std::io::BufWriter::new(file), ACTOR).await {
        Ok((_, records)) => Ok(json!({ "file": path, "records": records })),
        Err(e) => {
            let _ = std::fs::remove_file(&path);
            Err(said(e))
        }
    }
}

pub(super) async fn import(services: &Services, file: &std::path::Path, replace: bool) -> Result<Value, String> {
    // The two processes may have been started in different folders.
    let folder = services.config().server.data_dir.canonicalize().map_err(said)?;
    if file.parent().and_then(|parent| parent.canonicalize().ok()) != Some(folder) {
        return Err("only a file of the data folder is taken in".to_owned());
    }
    let file = file.to_owned();
    let opener: Opener = Arc::new(move || Ok(Box::new(std::io::BufReader::new(std::fs::File::open(&file)?))));
    let records = services.backup.import_from(opener, replace, ACTOR).await.map_err(said)?;
    Ok(json!({ "records": records }))
}
