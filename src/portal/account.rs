//! My account. Looking needs a session; changing needs a full and recent sign-in.

use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use axum::routing::{get, post};

use super::Portal;
use super::links::weak_note;
use super::login::signed_in;
use super::mfa::destination;
use super::reply::Reply;
use super::visit::Visit;
use crate::account::{Account, MfaPolicy};
use crate::base::SessionId;
use crate::factor::{Method, recovery};
use crate::service::{EnrolPage, LiveSession, Refused, Removal};
use crate::session::CookieKind;
use crate::view::Note;
use crate::view::account::{self, AccountView, BrowserRow, Enrolled, SessionRow};
use crate::view::enrol::{Reason, Setup};
use crate::view::recovery as fresh_codes;

pub fn routes() -> Router<Arc<Portal>> {
    Router::new()
        .route("/account", get(show))
        .route("/account/password", get(password_page).post(change_password))
        .route("/account/remove", get(ask_removal))
        .route("/account/methods/remove", post(remove))
        .route("/account/methods/rename", post(rename))
        .route("/account/recovery", get(show).post(renew_codes))
        .route("/account/sessions/end", post(end_sessions))
        .route("/account/browsers/revoke", post(forget_browser))
}

/// The session, or the way to the sign-in and back here.
fn session(visit: &Visit) -> Result<&Arc<LiveSession>, Reply> {
    let here = format!("{}/account", visit.request.config.portal.prefix);
    visit.session.as_ref().ok_or_else(|| {
        let mut page = visit.page();
        page.rd = here;
        Reply::go(page.link("login"))
    })
}

/// The outer part of every handler here: needs a session, and comes back to the account after a fresh sign-in.
pub async fn with_session<F: AsyncFnOnce(&Visit, &Arc<LiveSession>) -> Result<Reply, Refused>>(mut visit: Visit, inner: F) -> Response {
    let reply = match session(&visit).cloned() {
        Err(reply) => Ok(reply),
        Ok(session) => inner(&visit, &session).await,
    };
    visit.come_back_to("account");
    visit.answer(reply)
}

pub async fn show(visit: Visit) -> Response {
    with_session(visit, async |visit, session| account_page(visit, session, None).await).await
}

pub async fn account_page(visit: &Visit, session: &LiveSession, note: Option<Note>) -> Result<Reply, Refused> {
    let account = visit.services.store.account(session.user()).await?.ok_or(Refused::Gone)?;
    let wrong = matches!(note, Some(Note::Error(_)));
    let page = account::account(&visit.page(), &account_view(visit, session, account, note));
    Ok(if wrong { Reply::wrong(page) } else { Reply::ok(page) })
}

fn account_view(visit: &Visit, session: &LiveSession, account: Account, note: Option<Note>) -> AccountView {
    let config = &visit.request.config;
    let page = EnrolPage { account, flow: None, session: None };
    let addable = page.offered(config.mfa.methods).iter().filter(|method| visit.services.courier.can_send(*method)).collect();
    let account = page.account;
    let row = |other: &Arc<LiveSession>| {
        let record = other.record();
        SessionRow {
            id: record.id.to_string(),
            browser: record.browser.to_string(),
            address: record.address.to_string(),
            started: record.created,
            last_seen: record.last_seen,
            current: other.id() == session.id(),
        }
    };
    let mut sessions: Vec<SessionRow> = visit.services.live.of(account.id).iter().map(row).collect();
    sessions.sort_by_key(|row| (!row.current, std::cmp::Reverse(row.last_seen)));
    let trusted = |browser: &crate::account::KnownBrowser| {
        let until = browser.trusted_until.filter(|until| visit.request.now < *until)?;
        Some(BrowserRow { id: browser.id.clone(), name: browser.name.clone(), last_seen: browser.last_seen, trusted_until: until })
    };
    AccountView {
        methods: enrolled(visit, &account),
        addable,
        recovery: (!account.enrolled().is_empty()).then(|| (account.recovery_left(), account.recovery.len().max(recovery::COUNT))),
        password_changed: account.password_changed,
        sessions,
        browsers: account.browsers.iter().filter_map(trusted).collect(),
        trust_offered: !config.mfa.trusted_device.is_zero(),
        changeable: [Method::Email, Method::Sms].into_iter().filter(|method| visit.services.offers_contact(*method)).collect(),
        admin: account.groups.iter().any(|group| config.admin.groups.contains(group)),
        user: account.name,
        display_name: account.display_name,
        email: account.email,
        phone: account.phone,
        groups: account.groups,
        note,
    }
}

fn enrolled(visit: &Visit, account: &Account) -> Vec<Enrolled> {
    let required = account.mfa_policy.resolve(visit.request.config.mfa.policy) == MfaPolicy::Required;
    let count = account.enrolled().iter().filter(|method| *method != Method::Webauthn).count() + account.webauthn.len();
    let removable = !required || count > 1;
    let row = |method, id: &str, name: &str, added, last_used| Enrolled {
        method,
        id: id.to_owned(),
        name: name.to_owned(),
        detail: destination(account, method),
        added,
        last_used,
        removable,
    };
    let totp = account.totp.iter().map(|totp| row(Method::Totp, "", &totp.name, totp.added, totp.last_used));
    let keys = account.webauthn.iter().map(|key| row(Method::Webauthn, &key.id, &key.name, key.added, key.last_used));
    let email = account.email_otp.iter().map(|otp| row(Method::Email, "", "", otp.added, otp.last_used));
    let sms = account.sms_otp.iter().map(|otp| row(Method::Sms, "", "", otp.added, otp.last_used));
    totp.chain(keys).chain(email).chain(sms).collect()
}

async fn password_page(visit: Visit) -> Response {
    with_session(visit, async |visit, session| {
        let account = visit.services.own_account(session).await?;
        Ok(Reply::ok(account::change_password(&visit.page(), &account.name, visit.request.config.password.min_length, None)))
    })
    .await
}

async fn change_password(visit: Visit) -> Response {
    with_session(visit, async |visit, session| {
        let (current, chosen) = (visit.form.secret("current"), visit.form.secret("password"));
        let note = match visit.services.change_password(session, current, chosen, &visit.client).await {
            Ok(signed) => return signed_in(visit, &signed).await,
            Err(Refused::WrongPassword) => Note::Error(visit.words.note.password_wrong.clone()),
            Err(Refused::Weak(weak)) => weak_note(visit, weak),
            Err(other) => return Err(other),
        };
        let name = session.identity().person.name.clone();
        Ok(Reply::wrong(account::change_password(&visit.page(), &name, visit.request.config.password.min_length, Some(&note))))
    })
    .await
}

async fn ask_removal(visit: Visit) -> Response {
    with_session(visit, async |visit, session| {
        let account = visit.services.own_account(session).await?;
        let rows = enrolled(visit, &account);
        let (method, id) = (visit.query.get("method"), visit.query.get("id"));
        match rows.iter().find(|row| row.method.name() == method && row.id == id) {
            Some(row) => Ok(Reply::ok(account::confirm_removal(&visit.page(), row, rows.len() == 1))),
            None => Ok(Reply::to(visit, "account")),
        }
    })
    .await
}

async fn remove(visit: Visit) -> Response {
    with_session(visit, async |visit, session| {
        let Ok(method) = visit.form.get("method").parse::<Method>() else { return Ok(Reply::to(visit, "account")) };
        let key = Some(visit.form.get("id")).filter(|id| !id.is_empty());
        match visit.services.remove_method(session, method, key.or(Some("")), &visit.client).await? {
            (Removal::Done, Some(signed)) => signed_in(visit, &signed).await,
            (Removal::Done, None) => Ok(Reply::to(visit, "login").cookie(visit.cookies.expire(CookieKind::Session))),
            (Removal::LastOfRequired, _) => account_page(visit, session, Some(Note::Error(visit.words.note.required_method.clone()))).await,
        }
    })
    .await
}

async fn rename(visit: Visit) -> Response {
    with_session(visit, async |visit, session| {
        let Ok(method) = visit.form.get("method").parse::<Method>() else { return Ok(Reply::to(visit, "account")) };
        let note =
            match visit.services.rename_method(session, method, Some(visit.form.get("id")), visit.form.get("name"), &visit.client).await {
                Ok(()) => Note::Done(visit.words.note.renamed.clone()),
                Err(Refused::NotOffered(_)) => Note::Error(visit.words.note.name_missing.clone()),
                Err(other) => return Err(other),
            };
        account_page(visit, session, Some(note)).await
    })
    .await
}

async fn renew_codes(visit: Visit) -> Response {
    with_session(visit, async |visit, session| {
        let codes = visit.services.renew_codes(session, &visit.client).await?;
        let codes: Vec<String> = codes.iter().map(|code| code.expose().to_owned()).collect();
        let setup = Setup { note: None, steps: None, reason: Reason::Wish };
        Ok(Reply::ok(fresh_codes::codes(&visit.page(), &setup, &codes, fresh_codes::At::Account)))
    })
    .await
}

async fn end_sessions(visit: Visit) -> Response {
    with_session(visit, async |visit, session| {
        if visit.form.has("others") {
            visit.services.end_others(session, &visit.client).await?;
        } else if let Ok(id) = visit.form.get("id").parse::<SessionId>() {
            match visit.services.end_own(session, id, &visit.client).await {
                // Over already: what was asked for is so.
                Ok(()) | Err(Refused::Gone) => {}
                Err(other) => return Err(other),
            }
        }
        account_page(visit, session, Some(Note::Done(visit.words.note.sessions_ended.clone()))).await
    })
    .await
}

async fn forget_browser(visit: Visit) -> Response {
    with_session(visit, async |visit, session| {
        let id = Some(visit.form.get("id")).filter(|_| !visit.form.has("all"));
        visit.services.forget_browser(session, id, &visit.client).await?;
        account_page(visit, session, Some(Note::Done(visit.words.note.browsers_revoked.clone()))).await
    })
    .await
}
