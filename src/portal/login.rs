//! The first door: the password page, and the passkey that stands for both doors.

use axum::response::Response;

use super::reply::Reply;
use super::visit::Visit;
use crate::account::Account;
use crate::base::FlowId;
use crate::factor::Method;
use crate::login::News;
use crate::service::{Entry, Refused, Signed};
use crate::session::CookieKind;
use crate::view::login::{self, LoginView};
use crate::view::{Note, Steps};

/// The name field takes a name or an address; nothing longer is one.
const LONGEST_NAME: usize = 512;

pub async fn show(visit: Visit) -> Response {
    let reply = page_or_pass(&visit).await;
    visit.answer(reply)
}

/// Who is signed in already goes on, unless a fresh sign-in was asked for.
async fn page_or_pass(visit: &Visit) -> Result<Reply, Refused> {
    match &visit.session {
        Some(session) if !visit.query.has("fresh") => Ok(Reply::go(visit.rd.as_str())),
        Some(session) => Ok(Reply::ok(form(visit, &session.identity().person.name, None, true))),
        None => Ok(Reply::ok(form(visit, "", news(visit).await, false))),
    }
}

/// What this browser was told to expect here.
async fn news(visit: &Visit) -> Option<Note> {
    let words = &visit.words.note;
    Some(Note::Done(match visit.services.news(visit.flow).await? {
        News::Enrolled => words.enrolled.clone(),
        News::PasswordSet => words.password_set.clone(),
    }))
}

/// To the sign-in page, which says what was done and why one is there.
pub async fn with_news(visit: &Visit, account: &Account, news: News) -> Result<Reply, Refused> {
    let flow = visit.services.leave_news(account, news, &visit.client).await?;
    Ok(Reply::to(visit, "login").cookie(visit.flow_cookie(flow.id)))
}

fn form(visit: &Visit, username: &str, note: Option<Note>, again: bool) -> maud::Markup {
    let config = &visit.request.config;
    let passkey = visit.services.passkey_challenge(&visit.client).map(|(options, challenge)| (options.to_string(), challenge));
    let view = LoginView {
        username: username.to_owned(),
        note,
        reauthenticate: again,
        forgot: config.mail.is_some() || visit.services.courier.can_send(Method::Email),
        passkey,
        // A page that starts a ceremony by itself takes the keyboard from who types a password.
        autofill: false,
        steps: (!again).then_some(Steps { now: 1, of: 2 }),
    };
    login::login(&visit.page(), &view)
}

pub async fn submit(visit: Visit) -> Response {
    let reply = submitted(&visit).await;
    visit.answer(reply)
}

async fn submitted(visit: &Visit) -> Result<Reply, Refused> {
    let (name, password) = (visit.form.get("username"), visit.form.secret("password"));
    let again = visit.session.is_some();
    let refuse = || {
        let note = Some(Note::Error(visit.words.note.login_wrong.clone()));
        let name: String = name.chars().take(LONGEST_NAME).collect();
        Ok(Reply::wrong(form(visit, &name, note, again)))
    };
    if name.is_empty() || name.len() > LONGEST_NAME || password.is_empty() {
        return refuse();
    }
    match visit.services.password(name, password, again, &visit.client).await {
        Ok(Entry::SignedIn(signed)) => signed_in(visit, &signed).await,
        Ok(Entry::Second(flow)) => second(visit, flow.id).await,
        Ok(Entry::Enrol(flow)) => Ok(Reply::to(visit, "enrol").cookie(visit.flow_cookie(flow.id))),
        Err(Refused::WrongPassword) => refuse(),
        Err(other) => Err(other),
    }
}

/// On to the second door. Where a sent code is all that can be asked for, the password's POST sends it.
async fn second(visit: &Visit, flow: FlowId) -> Result<Reply, Refused> {
    let pending = visit.services.pending(Some(flow), None).await?;
    let methods: Vec<Method> = pending.methods(visit.request.config.mfa.methods, visit.wanted_factors()).iter().collect();
    let to = match methods.as_slice() {
        [only] if only.is_sent() => match visit.services.send_code(&pending, *only, false, &visit.client).await {
            // Its page says that nothing was sent yet, and has the button.
            Ok(_) | Err(Refused::CannotSend | Refused::Second(_) | Refused::Throttled(_)) => format!("mfa/{only}"),
            Err(other) => return Err(other),
        },
        _ => "mfa".to_owned(),
    };
    Ok(Reply::to(visit, &to).cookie(visit.flow_cookie(flow)))
}

/// Sets the cookies of a finished sign-in and goes where the user was going. A session that was there before is over.
pub async fn signed_in(visit: &Visit, signed: &Signed) -> Result<Reply, Refused> {
    if let Some(old) = visit.session.as_ref().filter(|old| old.id() != signed.session) {
        visit.services.end_session(old.id(), crate::session::EndReason::SignedOut).await?;
    }
    let mut reply = Reply::go(visit.rd.as_str()).cookie(visit.cookies.expire(CookieKind::Flow));
    for (kind, value) in &signed.cookies {
        let age = (*kind == CookieKind::Device).then_some(DEVICE_AGE);
        reply = reply.cookie(visit.cookies.set(*kind, value, age));
    }
    Ok(reply)
}

/// How long a browser is known for: longer than anybody's holidays.
const DEVICE_AGE: std::time::Duration = std::time::Duration::from_secs(400 * 24 * 3600);

pub async fn passkey(visit: Visit) -> Response {
    let reply = passkey_answer(&visit).await;
    visit.answer(reply)
}

async fn passkey_answer(visit: &Visit) -> Result<Reply, Refused> {
    match visit.services.passkey(visit.form.get("challenge"), &visit.form.secret("credential"), &visit.client).await {
        Ok(signed) => signed_in(visit, &signed).await,
        Err(Refused::WrongPassword) => {
            let note = Some(Note::Error(visit.words.note.webauthn_wrong.clone()));
            Ok(Reply::wrong(form(visit, "", note, false)))
        }
        Err(other) => Err(other),
    }
}
