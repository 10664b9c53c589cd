//! The same done to many users: chosen in the list, previewed, then done once. A preview changes nothing, and what is done is done only to accounts that
//! still are what the preview showed. It goes on to the end if the browser goes away.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;
use data_encoding::BASE64URL_NOPAD;

use super::filter;
use super::gate::AdminRequest;
use super::users::list_page;
use crate::account::{BulkAction, Seen};
use crate::base::UserId;
use crate::portal::web::reply::Reply;
use crate::service::Refused;
use crate::service::admin::bulk::{LeftOut, MOST, Outcome, Picked};
use crate::service::admin::directory::Row;
use crate::service::audit::Actor;
use crate::view::admin::{self, BulkDone, BulkPreview, BulkSkipped};
use crate::view::{Note, fill};

/// How many names of those who are left out are shown, for each reason.
const NAMES: usize = 10;

/// Nothing is here to be read: back to the list.
pub async fn show(admin: AdminRequest) -> Response {
    let reply = Ok(Reply::to(&admin.req, "admin/users"));
    admin.req.answer(reply)
}

pub async fn submit(admin: AdminRequest) -> Response {
    let reply = submitted(&admin).await;
    admin.req.answer(reply)
}

async fn submitted(admin: &AdminRequest) -> Result<Reply, Refused> {
    let (form, words) = (&admin.req.form, &admin.req.words.admin);
    let Some(action) = BulkAction::named(form.get("action")) else { return again(admin, &words.form_unread).await };
    if !form.has("people") {
        return preview(admin, action).await;
    }
    match read(form.get("people")) {
        Some(picked) => done(admin, action, picked).await,
        None => again(admin, &words.form_unread).await,
    }
}

/// The list as it was, with what is wrong.
async fn again(admin: &AdminRequest, what: &str) -> Result<Reply, Refused> {
    let page = list_page(admin, &admin.req.form, Some(Note::Error(what.to_owned()))).await?;
    Ok(Reply::page(StatusCode::UNPROCESSABLE_ENTITY, page))
}

async fn preview(admin: &AdminRequest, action: BulkAction) -> Result<Reply, Refused> {
    let (req, form) = (&admin.req, &admin.req.form);
    let directory = req.services.users.directory().await?;
    let filter = filter::read(form);
    let rows: Vec<Arc<Row>> = if form.get("scope") == "all" {
        let fits = filter::fits(admin, form, &filter);
        directory.find(form.get("q"), 1, usize::MAX, Some(&fits)).rows
    } else {
        let ids: Vec<UserId> = form.all("pick").filter_map(|id| id.parse().ok()).collect();
        ids.into_iter().filter_map(|id| directory.row(id)).collect()
    };
    if rows.is_empty() {
        return again(admin, &req.words.admin.bulk_none).await;
    }
    let found = req.services.bulk.preview(&rows, action, admin.admin.id()).await?;
    let (picked, names): (Vec<Picked>, Vec<String>) = found.picked.into_iter().unzip();
    let view = BulkPreview {
        action,
        names,
        people: written(&picked),
        more: found.more,
        most: MOST,
        skipped: skipped(admin, found.left_out),
        back: filter::carried(form),
    };
    Ok(Reply::ok(admin::bulk_preview(&req.page(), &view)))
}

fn skipped(admin: &AdminRequest, left_out: BTreeMap<LeftOut, Vec<String>>) -> Vec<BulkSkipped> {
    let words = &admin.req.words.admin;
    let row = |(why, mut names): (LeftOut, Vec<String>)| {
        let more = names.len().saturating_sub(NAMES);
        names.truncate(NAMES);
        let why = match why {
            LeftOut::Yourself => &words.bulk_yourself,
            LeftOut::NoPassword => &words.bulk_no_password,
            LeftOut::Already => &words.bulk_already,
        };
        BulkSkipped { why: why.clone(), names, more }
    };
    left_out.into_iter().map(row).collect()
}

async fn done(admin: &AdminRequest, action: BulkAction, picked: Vec<Picked>) -> Result<Reply, Refused> {
    let req = &admin.req;
    let (bulk, client, name) = (req.services.bulk.clone(), req.client.clone(), admin.admin.name().to_owned());
    let acting = admin.admin.id();
    let (said, heard) = tokio::sync::oneshot::channel();
    // A task of its own: whoever hangs up in the middle leaves no account changed and unrecorded.
    tokio::spawn(async move {
        let actor = Actor::Admin(&client, &name);
        let mut outcome = bulk.run(action, &picked, acting, actor).await;
        let changes = std::mem::take(&mut outcome.changes);
        let _ = said.send(outcome);
        bulk.tell(&changes, actor).await;
    });
    let Outcome { done, changed, gone, failed, end_pending, .. } = heard.await.map_err(|_| Refused::Busy)?;
    let words = &req.words.admin;
    let mut told = fill(&words.bulk_done, &[("n", &done.len().to_string())]);
    if matches!(action, BulkAction::Disable | BulkAction::EndSessions | BulkAction::RequirePassword) && !done.is_empty() {
        told = admin.with_reach(&told).await;
    }
    if end_pending {
        told = format!("{told} {}", req.words.problem.end_pending_text);
    }
    let whole = changed.is_empty() && failed.is_empty() && gone == 0 && !end_pending;
    let note = if whole { Note::Done(told) } else { Note::Error(told) };
    let view = BulkDone { action, note, done, changed, gone, failed, back: filter::carried(&req.form) };
    Ok(Reply::ok(admin::bulk_done(&req.page(), &view)))
}

/// Whom a preview showed and what each looked like, for the form that follows it. It needs no seal: who may send it may do all of this anyway, and an
/// account that is not what it says is not touched.
fn written(picked: &[Picked]) -> String {
    let bytes: Vec<u8> = picked.iter().flat_map(|one| one.id.as_bytes().iter().chain(one.seen.as_bytes()).copied()).collect();
    BASE64URL_NOPAD.encode(&bytes)
}

/// `None` if it is not what [`written`] makes: nothing of it is done then.
fn read(text: &str) -> Option<Vec<Picked>> {
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
    let mut people: Vec<Picked> = Vec::new();
    let mut chunks = bytes.chunks_exact(16 + Seen::LEN);
    for chunk in chunks.by_ref() {
        let (id, seen) = chunk.split_first_chunk::<16>()?;
        let one = Picked { id: UserId::from_bytes(*id), seen: Seen::from_bytes(seen.try_into().ok()?) };
        if people.iter().any(|other| other.id == one.id) {
            return None;
        }
        people.push(one);
    }
    let fits = chunks.remainder().is_empty() && (1..=MOST).contains(&people.len());
    fits.then_some(people)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(n: u16) -> Picked {
        let mut id = [0; 16];
        id[..2].copy_from_slice(&n.to_be_bytes());
        Picked { id: UserId::from_bytes(id), seen: Seen::from_bytes([7; Seen::LEN]) }
    }

    #[test]
    fn what_a_preview_writes_is_read_and_nothing_else() {
        let people: Vec<Picked> = (0..400).map(one).collect();
        assert_eq!(read(&written(&people)), Some(people.clone()));
        assert!(written(&people).len() < 16_000);
        let whole = written(&people[..2]);
        for wrong in ["", "x", "====", &whole[..whole.len() - 2], &format!("{whole}AA"), &written(&[one(1), one(1)])] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        assert_eq!(read(&written(&(0..401).map(one).collect::<Vec<_>>())), None, "more than one act changes");
    }
}
