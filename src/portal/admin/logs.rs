//! Who is signed in, and what happened.

use axum::response::Response;
use tokio::sync::Semaphore;

use super::gate::AdminRequest;
use super::listing::page_number;
use crate::base::{SessionId, Time};
use crate::portal::web::reply::Reply;
use crate::service::Refused;
use crate::service::audit::{Chain, Event, LOOKED_THROUGH, PageStart, RecordFilter};
use crate::session::SessionRecord;
use crate::store::AuditRecord;
use crate::view::Note;
use crate::view::admin::{self, AuditFilter, AuditRow, AuditView, PAGE_ROWS, Paging, SessionRow, SessionsView, Trail};

const DAY: std::time::Duration = std::time::Duration::from_secs(24 * 3600);

/// Proving the log reads all of it: one at a time.
static PROOF: Semaphore = Semaphore::const_new(1);

pub async fn sessions(admin: AdminRequest) -> Response {
    let reply = session_page(&admin, None).await;
    admin.req.answer(reply)
}

async fn session_page(admin: &AdminRequest, note: Option<Note>) -> Result<Reply, Refused> {
    let (req, query) = (&admin.req, admin.req.query.get("q"));
    let found = req.services.admin_sessions.find(query, page_number(req.query.get("page")), PAGE_ROWS).await?;
    let row = |(record, name): &(SessionRecord, String)| SessionRow {
        id: record.id.to_string(),
        user: name.clone(),
        browser: record.browser.to_string(),
        address: record.address.to_string(),
        started: record.created,
        last_seen: record.last_seen,
        method: record.second.map(|(method, _)| method),
        current: record.id == admin.admin.session().id(),
    };
    let view = SessionsView {
        query: query.to_owned(),
        note,
        rows: found.rows.iter().map(row).collect(),
        paging: Paging { page: found.page, total: found.total },
    };
    Ok(Reply::ok(admin::sessions(&req.page(), &view)))
}

pub async fn end_session(admin: AdminRequest) -> Response {
    let reply = session_ended(&admin).await;
    admin.req.answer(reply)
}

async fn session_ended(admin: &AdminRequest) -> Result<Reply, Refused> {
    if let Ok(id) = admin.req.form.get("id").parse::<SessionId>() {
        admin.req.services.admin_sessions.end(id, admin.actor()).await?;
    }
    let said = admin.with_reach(&admin.req.words.note.sessions_ended).await;
    session_page(admin, Some(Note::Done(said))).await
}

/// The beginning of a day, in UTC.
fn day(text: &str) -> Option<Time> {
    if text.len() == 10 { Time::parse(&format!("{text}T00:00:00Z")) } else { None }
}

pub async fn audit(admin: AdminRequest) -> Response {
    let reply = audit_page(&admin).await;
    admin.req.answer(reply)
}

async fn audit_page(admin: &AdminRequest) -> Result<Reply, Refused> {
    let (services, query) = (&admin.req.services, &admin.req.query);
    let text = |name| query.get(name).trim().to_owned();
    let filter = AuditFilter { user: text("user"), event: text("event"), since: text("since"), until: text("until") };
    let wanted = RecordFilter {
        user: filter.user.clone(),
        event: filter.event.clone(),
        since: day(&filter.since),
        until: day(&filter.until).map(|day| day.plus(DAY)),
    };
    let from = match (query.get("before").parse(), query.get("after").parse()) {
        (Ok(seq), _) => PageStart::Before(seq),
        (Err(_), Ok(seq)) => PageStart::After(seq),
        (Err(_), Err(_)) => PageStart::End,
    };
    let found = services.audit_reader.page(&wanted, from, PAGE_ROWS).await?;
    let view = AuditView {
        filter,
        events: Event::ALL.map(|event| event.name().to_owned()).to_vec(),
        rows: found.records.into_iter().map(audit_row).collect(),
        trail: Trail { newer: found.newer, older: found.older, bounded: found.bounded.then_some(LOOKED_THROUGH) },
        chain: if query.has("verify") { Some(proof(admin).await?) } else { None },
    };
    Ok(Reply::ok(admin::audit(&admin.req.page(), &view)))
}

async fn proof(admin: &AdminRequest) -> Result<Result<(), String>, Refused> {
    let _one = PROOF.try_acquire().map_err(|_| Refused::Busy)?;
    Ok(match admin.req.services.audit_verifier.prove().await? {
        Chain::Whole(_) => Ok(()),
        Chain::Broken(at) => Err(format!("#{at}")),
    })
}

/// A record as the pages show it.
pub fn audit_row(record: AuditRecord) -> AuditRow {
    let failed = Event::ALL.into_iter().any(|event| event.is_failure() && event.name() == record.event);
    AuditRow {
        at: record.at,
        event: record.event,
        user: record.user.unwrap_or_default(),
        by: record.by.unwrap_or_default(),
        address: record.address.unwrap_or_default(),
        ok: !failed,
        detail: record.detail,
    }
}
