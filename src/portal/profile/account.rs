//! My account. Looking needs a session; changing needs a full and recent sign-in.

use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use axum::routing::{get, post};

use crate::account::{Account, MfaPolicy};
use crate::base::SessionId;
use crate::factor::{Method, recovery};
use crate::login::News;
use crate::portal::sign_in::expired_password::{is_same, refusal};
use crate::portal::sign_in::links::weak_note;
use crate::portal::sign_in::login::{goes_on, with_news};
use crate::portal::sign_in::mfa::destination;
use crate::portal::web::page_request::PageRequest;
use crate::portal::web::reply::Reply;
use crate::portal::web::state::Portal;
use crate::service::{EnrolPage, LiveSession, Refused, Removal, Signed};
use crate::session::{CookieKind, SessionRecord};
use crate::view::account::{self, AccountView, BrowserRow, Enrolled, LinkRow, SessionDevice, SessionRow};
use crate::view::enrol::Setup;
use crate::view::message::Problem;
use crate::view::recovery as fresh_codes;
use crate::view::{AccountPages, Note, fill};

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
fn session(req: &PageRequest) -> Result<&Arc<LiveSession>, Reply> {
    let here = format!("{}/account", req.context.config.portal.prefix);
    req.session.as_ref().ok_or_else(|| {
        let mut page = req.page();
        page.rd = here;
        Reply::go(page.link("login"))
    })
}

/// The outer part of every handler here: needs a session, and comes back to the account after a fresh sign-in.
pub async fn with_session<F: AsyncFnOnce(&PageRequest, &Arc<LiveSession>) -> Result<Reply, Refused>>(
    mut req: PageRequest,
    inner: F,
) -> Response {
    let reply = match session(&req).cloned() {
        Err(reply) => Ok(reply),
        // Guests have nothing here that is theirs to change.
        Ok(session) if session.identity().person.guest.is_some() => Ok(Reply::problem(&req, Problem::WrongGroup)),
        Ok(session) => inner(&req, &session).await,
    };
    req.come_back_to("account");
    req.answer(reply)
}

pub async fn show(req: PageRequest) -> Response {
    with_session(req, async |req, session| {
        let news = req.services.flows.take_news(req.flow, session.user()).await?;
        let reply = account_page(req, session, news.map(|news| Note::Done(told(req, news).to_owned()))).await?;
        Ok(if news.is_some() { reply.cookie(req.cookies.expire(CookieKind::Flow)) } else { reply })
    })
    .await
}

/// What was done, in words.
fn told(req: &PageRequest, news: News) -> &str {
    let words = &req.words.note;
    match news {
        News::Enrolled | News::MethodAdded => &words.method_added,
        News::MethodRemoved => &words.method_removed,
        News::PasswordSet | News::PasswordChanged => &words.password_changed,
        News::ContactChanged => &words.contact_changed,
    }
}

/// The session goes on under another id: back to my account, which says what was done.
pub async fn changed(req: &PageRequest, account: &Account, signed: &Signed, news: News) -> Result<Reply, Refused> {
    let flow = req.services.flows.leave_news(account, news, &req.client).await?;
    let account = format!("{}/account", req.context.config.portal.prefix);
    goes_on(req, signed, Reply::go(account).cookie(req.flow_cookie(flow.id))).await
}

pub async fn account_page(req: &PageRequest, session: &LiveSession, note: Option<Note>) -> Result<Reply, Refused> {
    let account = req.services.store.account(session.user()).await?.ok_or(Refused::Gone)?;
    let wrong = matches!(note, Some(Note::Error(_)));
    let sessions = req.services.sessions.signed_in(&account).await?;
    let page = account::account(&req.page(), &account_view(req, (session, &sessions), account, note));
    Ok(if wrong { Reply::wrong(page) } else { Reply::ok(page) })
}

fn account_view(
    req: &PageRequest,
    (session, sessions): (&LiveSession, &[SessionRecord]),
    account: Account,
    note: Option<Note>,
) -> AccountView {
    let config = &req.context.config;
    let page = EnrolPage { account, flow: None, session: None };
    let addable = page.offered(config.mfa.methods).iter().filter(|method| req.services.notices.can_send(*method)).collect();
    let account = page.account;
    let row = |record: &SessionRecord| SessionRow {
        id: record.id.to_string(),
        browser: record.browser.to_string(),
        address: record.address.to_string(),
        started: record.created,
        last_seen: record.last_seen,
        current: record.id == session.id(),
        device: match (config.session.device_bound, &record.device) {
            (None, _) => SessionDevice::Off,
            (Some(_), None) => SessionDevice::Unbound,
            (Some(_), Some(device)) => SessionDevice::BoundSince(device.since),
        },
    };
    let has_password = account.password.is_some();
    let links = req.services.provider.own_links(&account).into_iter();
    let links = links.map(|link| LinkRow { name: link.name, title: link.title, linked: link.subject.is_some(), removable: has_password });
    let mut sessions: Vec<SessionRow> = sessions.iter().map(row).collect();
    sessions.sort_by_key(|row| (!row.current, std::cmp::Reverse(row.last_seen)));
    let trusted = |browser: &crate::account::KnownBrowser| {
        let until = browser.trusted_until.filter(|until| req.context.now < *until)?;
        Some(BrowserRow { id: browser.id.clone(), name: browser.name.clone(), last_seen: browser.last_seen, trusted_until: until })
    };
    AccountView {
        methods: enrolled(req, &account),
        addable,
        recovery: (!account.enrolled().is_empty()).then(|| (account.recovery_left(), account.recovery.len().max(recovery::COUNT))),
        password_changed: account.password_changed,
        sessions,
        browsers: account.browsers.iter().filter_map(trusted).collect(),
        trust_offered: !config.mfa.trusted_device.is_zero(),
        changeable: [Method::Email, Method::Sms].into_iter().filter(|method| req.services.contact.offers(*method)).collect(),
        links: links.collect(),
        pages: pages(req, &account),
        user: account.name,
        display_name: account.display_name,
        email: account.email,
        phone: account.phone,
        groups: account.groups,
        note,
    }
}

/// What of an account has pages of its own here.
pub fn pages(req: &PageRequest, account: &Account) -> AccountPages {
    let config = &req.context.config;
    AccountPages {
        tokens: config.routes.iter().any(|route| !route.application.tokens.is_none()),
        applications: req.services.applications.any(),
        admin: account.groups.iter().any(|group| config.admin.groups.contains(group)),
    }
}

fn enrolled(req: &PageRequest, account: &Account) -> Vec<Enrolled> {
    let required = account.mfa_policy.resolve(req.context.config.mfa.policy) == MfaPolicy::Required;
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
    let external = account.external.iter().map(|otp| row(Method::External, "", "", otp.added, otp.last_used));
    totp.chain(keys).chain(email).chain(sms).chain(external).collect()
}

async fn password_page(req: PageRequest) -> Response {
    with_session(req, async |req, session| {
        let account = req.services.profile.own_account(session).await?;
        Ok(Reply::ok(account::change_password(&req.page(), &account.name, req.context.config.password.min_length, None)))
    })
    .await
}

async fn change_password(req: PageRequest) -> Response {
    with_session(req, async |req, session| {
        let (current, chosen) = (req.form.secret("current"), req.form.secret("password"));
        let account = req.services.profile.account(session).await?;
        if is_same(&current, &chosen) {
            let note = Note::Error(req.words.note.password_same.clone());
            let least = req.context.config.password.min_length;
            return Ok(Reply::wrong(account::change_password(&req.page(), &account.name, least, Some(&note))));
        }
        let note = match req.services.profile.change_password(session, current, chosen, &req.client).await {
            Ok(signed) => return changed(req, &account, &signed, News::PasswordChanged).await,
            Err(Refused::WrongPassword) => Note::Error(req.words.note.password_wrong.clone()),
            Err(Refused::Weak(weak)) => weak_note(req, weak),
            Err(other) => match refusal(req, &other) {
                Some(note) => note,
                None => return Err(other),
            },
        };
        let name = session.identity().person.name.clone();
        Ok(Reply::wrong(account::change_password(&req.page(), &name, req.context.config.password.min_length, Some(&note))))
    })
    .await
}

async fn ask_removal(req: PageRequest) -> Response {
    with_session(req, async |req, session| {
        let account = req.services.profile.own_account(session).await?;
        let rows = enrolled(req, &account);
        let (method, id) = (req.query.get("method"), req.query.get("id"));
        match rows.iter().find(|row| row.method.name() == method && row.id == id) {
            Some(row) => {
                let last = rows.len() == 1;
                let own = !last && session.record().second.is_some_and(|(shown, _)| shown == row.method && sole(&rows, shown));
                Ok(Reply::ok(account::confirm_removal(&req.page(), row, last, own)))
            }
            None => Ok(Reply::to(req, "account")),
        }
    })
    .await
}

/// Whether there is one of this method only.
fn sole(rows: &[Enrolled], method: Method) -> bool {
    rows.iter().filter(|row| row.method == method).count() == 1
}

async fn remove(req: PageRequest) -> Response {
    with_session(req, async |req, session| {
        let Ok(method) = req.form.get("method").parse::<Method>() else { return Ok(Reply::to(req, "account")) };
        let key = Some(req.form.get("id")).filter(|id| !id.is_empty());
        let account = req.services.profile.account(session).await?;
        match req.services.profile.remove_method(session, method, key.or(Some("")), &req.client).await? {
            (Removal::Done, Some(signed)) => changed(req, &account, &signed, News::MethodRemoved).await,
            (Removal::Done, None) => {
                let reply = with_news(req, &account, News::MethodRemoved).await?;
                Ok(reply.cookie(req.cookies.expire(CookieKind::Session)))
            }
            (Removal::LastOfRequired, _) => account_page(req, session, Some(Note::Error(req.words.note.required_method.clone()))).await,
        }
    })
    .await
}

async fn rename(req: PageRequest) -> Response {
    with_session(req, async |req, session| {
        let Ok(method) = req.form.get("method").parse::<Method>() else { return Ok(Reply::to(req, "account")) };
        let note =
            match req.services.profile.rename_method(session, method, Some(req.form.get("id")), req.form.get("name"), &req.client).await {
                Ok(()) => Note::Done(req.words.note.renamed.clone()),
                Err(Refused::NotOffered(_)) => Note::Error(req.words.note.name_missing.clone()),
                Err(other) => return Err(other),
            };
        account_page(req, session, Some(note)).await
    })
    .await
}

async fn renew_codes(req: PageRequest) -> Response {
    with_session(req, async |req, session| {
        let codes = req.services.profile.renew_codes(session, &req.client).await?;
        let codes: Vec<String> = codes.iter().map(|code| code.expose().to_owned()).collect();
        let setup = Setup::default();
        Ok(Reply::ok(fresh_codes::codes(&req.page(), &setup, &codes, fresh_codes::At::Account)))
    })
    .await
}

async fn end_sessions(req: PageRequest) -> Response {
    with_session(req, async |req, session| {
        let mut count = 1;
        if req.form.has("others") {
            count = req.services.profile.end_others(session, &req.client).await?;
        } else if let Ok(id) = req.form.get("id").parse::<SessionId>() {
            match req.services.profile.end_own(session, id, &req.client).await {
                // Over already: what was asked for is so.
                Ok(()) | Err(Refused::Gone) => {}
                Err(other) => return Err(other),
            }
        }
        let note = fill(&req.words.note.sessions_ended_n, &[("n", &count.to_string())]);
        account_page(req, session, Some(Note::Done(note))).await
    })
    .await
}

async fn forget_browser(req: PageRequest) -> Response {
    with_session(req, async |req, session| {
        let id = Some(req.form.get("id")).filter(|_| !req.form.has("all"));
        req.services.profile.forget_browser(session, id, &req.client).await?;
        account_page(req, session, Some(Note::Done(req.words.note.browsers_revoked.clone()))).await
    })
    .await
}
