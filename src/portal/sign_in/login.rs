//! The first door: the password page, and the passkey that stands for both doors.

use axum::response::Response;

use crate::account::Account;
use crate::base::FlowId;
use crate::factor::Method;
use crate::login::News;
use crate::portal::web::page_request::PageRequest;
use crate::portal::web::reply::Reply;
use crate::service::{Entry, Refused, Signed, SignedDevice};
use crate::session::CookieKind;
use crate::session::device::wire;
use crate::view::login::{self, LoginView};
use crate::view::provider::ProviderButton;
use crate::view::{Note, Steps};

/// The name field takes a name or an address; nothing longer is one.
const LONGEST_NAME: usize = 512;

pub async fn show(req: PageRequest) -> Response {
    let reply = page_or_pass(&req).await;
    req.answer(reply)
}

/// Who is signed in already goes on, unless a fresh sign-in was asked for.
async fn page_or_pass(req: &PageRequest) -> Result<Reply, Refused> {
    match &req.session {
        Some(_) if !req.query.has("fresh") && !req.misses_device() => Ok(Reply::go(req.rd.as_str())),
        Some(session) => Ok(Reply::ok(form(req, &session.identity().person.name, None, true))),
        None => match news(req).await {
            None if !req.query.has("local") && !req.query.has("fresh") => only_way_in(req).await,
            news => Ok(Reply::ok(form(req, "", news.or_else(|| form_is_saved(req)), false))),
        },
    }
}

/// The form; a provider that is the only way in is gone to at once.
async fn only_way_in(req: &PageRequest) -> Result<Reply, Refused> {
    match ways_in(req).as_slice() {
        [only] if req.context.config.directories.is_empty() && !req.services.users.has_passwords().await => {
            super::provider::begun(req, &only.name).await
        }
        _ => Ok(Reply::ok(form(req, "", form_is_saved(req), false))),
    }
}

/// What this browser was told to expect here.
async fn news(req: &PageRequest) -> Option<Note> {
    let words = &req.words.note;
    Some(Note::Done(match req.services.flows.news(req.flow).await? {
        News::Enrolled => words.enrolled.clone(),
        News::PasswordSet => words.password_set.clone(),
        News::MethodRemoved => words.method_removed_again.clone(),
        News::MethodAdded | News::PasswordChanged | News::ContactChanged => return None,
    }))
}

/// Whoever was interrupted hears that nothing is lost before they type a password.
fn form_is_saved(req: &PageRequest) -> Option<Note> {
    let page = format!("{}/resume?id=", req.context.config.portal.prefix);
    req.rd.target().starts_with(&page).then(|| Note::Done(req.words.note.form_saved.clone()))
}

/// To the sign-in page, which says what was done and why one is there.
pub async fn with_news(req: &PageRequest, account: &Account, news: News) -> Result<Reply, Refused> {
    let flow = req.services.flows.leave_news(account, news, &req.client).await?;
    Ok(Reply::to(req, "login").cookie(req.flow_cookie(flow.id)))
}

fn form(req: &PageRequest, username: &str, note: Option<Note>, again: bool) -> maud::Markup {
    let config = &req.context.config;
    let passkey = req.services.passkeys.challenge(&req.client).map(|(options, challenge)| (options.to_string(), challenge));
    let view = LoginView {
        username: username.to_owned(),
        note,
        reauthenticate: again,
        forgot: config.mail.is_some() || req.services.notices.can_send(Method::Email),
        passkey,
        // A page that starts a ceremony by itself takes the keyboard from who types a password.
        autofill: false,
        guests: !again && req.welcomes_guests(),
        steps: (!again).then_some(Steps { now: 1, of: 2 }),
        providers: ways_in(req),
    };
    login::login(&req.page(), &view)
}

/// The providers that people sign in with.
fn ways_in(req: &PageRequest) -> Vec<ProviderButton> {
    let providers = req.context.config.providers.iter().filter(|provider| provider.uses.sign_in);
    providers.map(|provider| ProviderButton { name: provider.name.clone(), title: provider.title.clone() }).collect()
}

pub async fn submit(req: PageRequest) -> Response {
    let reply = submitted(&req).await;
    req.answer(reply)
}

async fn submitted(req: &PageRequest) -> Result<Reply, Refused> {
    let (name, password) = (req.form.get("username"), req.form.secret("password"));
    let again = req.session.is_some();
    let refuse = || {
        let note = Some(Note::Error(req.words.note.login_wrong.clone()));
        let name: String = name.chars().take(LONGEST_NAME).collect();
        Ok(Reply::wrong(form(req, &name, note, again)))
    };
    // The button for guests, or an address alone where guests are let in.
    let is_guest = req.form.has("guest") || (password.is_empty() && name.contains('@'));
    if is_guest && !again && name.len() <= LONGEST_NAME && req.welcomes_guests() {
        return match req.services.guests.begin(name, &req.client).await {
            Ok(flow) => second(req, flow.id).await,
            Err(Refused::WrongPassword) => refuse(),
            Err(other) => Err(other),
        };
    }
    if name.is_empty() || name.len() > LONGEST_NAME || password.is_empty() {
        return refuse();
    }
    match req.services.password.sign_in(name, password, again, &req.client).await {
        Ok(Entry::SignedIn(signed)) => signed_in(req, &signed).await,
        Ok(Entry::Second(flow)) => second(req, flow.id).await,
        Ok(Entry::ChangePassword(flow)) => Ok(Reply::to(req, "login/password").cookie(req.flow_cookie(flow.id))),
        Ok(Entry::Enrol(flow)) => Ok(Reply::to(req, "enrol").cookie(req.flow_cookie(flow.id))),
        Err(Refused::WrongPassword) => refuse(),
        Err(other) => Err(other),
    }
}

/// On to the second door. Where a sent code is all that can be asked for, the password's POST sends it.
pub async fn second(req: &PageRequest, flow: FlowId) -> Result<Reply, Refused> {
    let pending = req.services.second_factor.pending(Some(flow), None).await?;
    let methods: Vec<Method> = pending.methods(req.context.config.mfa.methods, req.wanted_factors()).iter().collect();
    let to = match methods.as_slice() {
        [only] if only.is_sent() => match req.services.one_time_codes.send(&pending, *only, false, &req.client).await {
            // Its page says that nothing was sent yet, and has the button.
            Ok(_) | Err(Refused::CannotSend | Refused::Second(_) | Refused::Throttled(_)) => format!("mfa/{only}"),
            Err(other) => return Err(other),
        },
        _ => "mfa".to_owned(),
    };
    Ok(Reply::to(req, &to).cookie(req.flow_cookie(flow)))
}

/// Sets the cookies of a finished sign-in and goes where the user was going. A session that was there before is over.
pub async fn signed_in(req: &PageRequest, signed: &Signed) -> Result<Reply, Refused> {
    goes_on(req, signed, Reply::go(req.rd.as_str()).cookie(req.cookies.expire(CookieKind::Flow))).await
}

/// The same with another answer.
pub async fn goes_on(req: &PageRequest, signed: &Signed, mut reply: Reply) -> Result<Reply, Refused> {
    if let Some(old) = req.session.as_ref().filter(|old| old.id() != signed.session) {
        req.services.sessions.end(old.id(), crate::session::EndReason::SignedOut).await?;
    }
    for (kind, value) in &signed.cookies {
        let age = (*kind == CookieKind::Device).then_some(DEVICE_AGE);
        reply = reply.cookie(req.cookies.set(*kind, value, age));
    }
    Ok(shows_device(req, signed, reply))
}

/// The offer to bind the session that the answer begins, if there is one.
pub fn offers(req: &PageRequest, challenge: Option<String>, reply: Reply) -> Reply {
    let Some(challenge) = challenge else { return reply };
    let path = format!("{}/device/register", req.context.config.portal.prefix);
    reply.header("secure-session-registration", wire::registration(&path, &challenge))
}

/// What the browser is told of the device that the session is, or may be, bound to.
fn shows_device(req: &PageRequest, signed: &Signed, reply: Reply) -> Reply {
    match &signed.device {
        SignedDevice::Nothing => reply,
        SignedDevice::Offer(challenge) => offers(req, Some(challenge.clone()), reply),
        SignedDevice::Shows(shows) => {
            let cookie = req.cookies.set(CookieKind::Bound, &shows.cookie, Some(shows.max_age));
            reply.cookie(cookie).header("secure-session-challenge", shows.challenge.clone())
        }
    }
}

/// How long a browser is known for: longer than anybody's holidays.
const DEVICE_AGE: std::time::Duration = std::time::Duration::from_secs(400 * 24 * 3600);

pub async fn passkey(req: PageRequest) -> Response {
    let reply = passkey_answer(&req).await;
    req.answer(reply)
}

async fn passkey_answer(req: &PageRequest) -> Result<Reply, Refused> {
    match req.services.passkeys.sign_in(req.form.get("challenge"), &req.form.secret("credential"), &req.client).await {
        Ok(signed) => signed_in(req, &signed).await,
        Err(Refused::WrongPassword) => {
            let note = Some(Note::Error(req.words.note.webauthn_wrong.clone()));
            Ok(Reply::wrong(form(req, "", note, false)))
        }
        Err(Refused::Provider(problem)) => Ok(super::provider::failed(req, "", None, problem)),
        Err(other) => Err(other),
    }
}
