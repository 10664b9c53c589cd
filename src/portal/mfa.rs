//! The second door: the choice of a method, a page for each, and sending codes. All pages work without script, the key's aside.

use axum::extract::Path;
use axum::response::Response;
use std::time::Duration;

use super::login::signed_in;
use super::reply::Reply;
use super::visit::Visit;
use crate::factor::otp::{SentCode, mask_email, mask_phone};
use crate::factor::{Method, MethodSet};
use crate::service::{Given, Pending, Refused, SecondProblem};
use crate::view::message::Problem;
use crate::view::mfa::{self, Choice, Second, Sent};
use crate::view::{Note, fill};

/// The user at the second door, and what may be asked for there.
pub struct Door {
    pub pending: Pending,
    pub methods: MethodSet,
    pub recovery: bool,
}

impl Door {
    async fn find(visit: &Visit) -> Result<Self, Refused> {
        let pending = visit.services.pending(visit.flow, visit.session.clone()).await?;
        let route = visit.wanted_factors();
        let methods = pending.methods(visit.request.config.mfa.methods, route);
        let recovery = pending.may_recover(route);
        Ok(Self { pending, methods, recovery })
    }

    /// The methods in the order of the choice: the last one used first.
    fn ordered(&self) -> Vec<Method> {
        let last = self.pending.account.last_method;
        let mut methods: Vec<Method> = self.methods.iter().collect();
        methods.sort_by_key(|method| Some(*method) != last);
        methods
    }

    fn second(&self, visit: &Visit, note: Option<Note>) -> Second {
        let trust = visit.request.config.mfa.trusted_device;
        Second {
            user: self.pending.account.display_name.clone(),
            note,
            others: self.methods.iter().count() > 1,
            recovery: self.recovery,
            trust: (!trust.is_zero()).then_some(trust),
            signed_in: self.pending.session.is_some(),
        }
    }

    /// A session that already has what its destination wants need not be here.
    fn is_needless(&self, visit: &Visit) -> bool {
        self.pending.flow.is_none()
            && self.pending.session.as_ref().is_some_and(|session| {
                visit.wanted().is_none_or(|wanted| {
                    wanted.level < crate::policy::Level::TwoFactor || wanted.is_met_by(session.record().proof(), visit.request.now)
                })
            })
    }
}

/// Where a code for this account goes, as it may be shown.
pub fn destination(account: &crate::account::Account, method: Method) -> String {
    match method {
        Method::Email => mask_email(&account.email),
        Method::Sms => account.phone.as_deref().map(mask_phone).unwrap_or_default(),
        Method::Totp | Method::Webauthn | Method::Recovery => String::new(),
    }
}

/// A sent code's clocks, as the page shows them. `None`: none is on its way.
pub fn clocks(sent: Option<&SentCode>, method: Method, visit: &Visit) -> Option<Sent> {
    let sent = sent.filter(|sent| sent.method == method)?;
    let (rules, now) = (&visit.request.config.mfa.otp, visit.request.now);
    let resend_in = (sent.sends < rules.max_sends).then(|| sent.sent_at.plus(rules.resend_after).since(now));
    Some(Sent { expires_in: sent.remaining(now), resend_in })
}

/// After a resend, for as long as the next one must wait: the page says that the earlier code is void.
pub fn sent_again(sent: Option<&SentCode>, method: Method, visit: &Visit) -> Option<Note> {
    let sent = sent.filter(|sent| sent.method == method && sent.sends > 1 && sent.attempts == 0)?;
    let recent = sent.sent_at.plus(visit.request.config.mfa.otp.resend_after) > visit.request.now;
    recent.then(|| Note::Done(visit.words.note.sent.clone()))
}

/// What the page says where no message was sent.
///
/// # Errors
/// What is not about the message.
pub fn unsent(visit: &Visit, refused: Refused, method: Method) -> Result<Note, Refused> {
    match refused {
        Refused::Second(problem) => Ok(note(visit, problem, method)),
        Refused::CannotSend => Ok(Note::Error(visit.words.note.send_failed.clone())),
        other => Err(other),
    }
}

/// What was wrong, in words.
pub fn note(visit: &Visit, problem: SecondProblem, method: Method) -> Note {
    let words = &visit.words.note;
    Note::Error(match problem {
        SecondProblem::Wrong { .. } if method == Method::Recovery => words.recovery_wrong.clone(),
        SecondProblem::Spent if method == Method::Webauthn => words.webauthn_wrong.clone(),
        SecondProblem::Wrong { left: Some(0) } | SecondProblem::Spent => words.code_void.clone(),
        SecondProblem::Wrong { left: Some(left) } => fill(&words.code_wrong_left, &[("left", &left.to_string())]),
        SecondProblem::Wrong { left: None } => words.code_wrong.clone(),
        SecondProblem::Replayed => words.code_used.clone(),
        SecondProblem::Expired => words.code_expired.clone(),
        SecondProblem::Wait(wait) => fill(&words.send_wait, &[("time", &visit.words.span(wait.max(Duration::from_secs(1))))]),
        SecondProblem::Exhausted => words.sends_used_up.clone(),
        SecondProblem::Key => words.webauthn_wrong.clone(),
    })
}

/// A page that is not there is no reason to end a sign-in.
pub fn no_such_page(visit: &Visit) -> Reply {
    Reply::problem(visit, Problem::NotFound)
}

pub async fn choose(visit: Visit) -> Response {
    let reply = choice(&visit).await;
    visit.answer(reply)
}

async fn choice(visit: &Visit) -> Result<Reply, Refused> {
    let door = Door::find(visit).await?;
    if door.is_needless(visit) {
        return Ok(Reply::go(visit.rd.as_str()));
    }
    match door.ordered().as_slice() {
        [] if door.pending.flow.is_none() => Ok(Reply::to(visit, "enrol")),
        // A GET sends no code: where none is on its way, the page of the one method has a button for it.
        [only] => Ok(Reply::to(visit, &format!("mfa/{only}"))),
        _ => Ok(Reply::ok(choice_page(visit, &door, None))),
    }
}

fn choice_page(visit: &Visit, door: &Door, problem: Option<Note>) -> maud::Markup {
    let account = &door.pending.account;
    let choice = |method: Method| Choice {
        method,
        detail: match method {
            Method::Webauthn => account.webauthn.iter().map(|key| key.name.as_str()).collect::<Vec<_>>().join(", "),
            Method::Totp => account.totp.as_ref().map(|totp| totp.name.clone()).unwrap_or_default(),
            other => destination(account, other),
        },
        last_used: account.last_method == Some(method),
    };
    let choices: Vec<Choice> = door.ordered().into_iter().map(choice).collect();
    mfa::choose(&visit.page(), &door.second(visit, problem), &choices)
}

pub async fn chosen(visit: Visit) -> Response {
    let reply = choose_method(&visit).await;
    visit.answer(reply)
}

async fn choose_method(visit: &Visit) -> Result<Reply, Refused> {
    let door = Door::find(visit).await?;
    let method = visit.form.get("method").parse::<Method>().ok().filter(|method| offered(&door, *method));
    let Some(method) = method else {
        return Ok(Reply::wrong(choice_page(visit, &door, Some(Note::Error(visit.words.problem.malformed_text.clone())))));
    };
    let to = Reply::to(visit, &format!("mfa/{method}"));
    if !method.is_sent() {
        return Ok(to);
    }
    match visit.services.send_code(&door.pending, method, false, &visit.client).await {
        Ok(flow) => Ok(to.cookie(visit.flow_cookie(flow.id))),
        Err(Refused::Second(problem)) => Ok(Reply::wrong(code_page(visit, &door, method, Some(note(visit, problem, method))))),
        Err(Refused::CannotSend) => Ok(Reply::wrong(choice_page(visit, &door, Some(Note::Error(visit.words.note.send_failed.clone()))))),
        Err(other) => Err(other),
    }
}

fn offered(door: &Door, method: Method) -> bool {
    door.methods.contains(method) || method == Method::Recovery && door.recovery
}

pub async fn show(Path(name): Path<String>, visit: Visit) -> Response {
    let reply = method_page(&visit, &name).await;
    visit.answer(reply)
}

async fn method_page(visit: &Visit, name: &str) -> Result<Reply, Refused> {
    let Ok(method) = name.parse::<Method>() else { return Ok(no_such_page(visit)) };
    let door = Door::find(visit).await?;
    if door.is_needless(visit) {
        return Ok(Reply::go(visit.rd.as_str()));
    }
    if !offered(&door, method) {
        return Ok(Reply::to(visit, "mfa"));
    }
    match method {
        Method::Webauthn => key_page(visit, &door, None),
        _ => Ok(Reply::ok(code_page(visit, &door, method, None))),
    }
}

fn code_page(visit: &Visit, door: &Door, method: Method, problem: Option<Note>) -> maud::Markup {
    let sent = door.pending.flow.as_ref().and_then(|flow| flow.sent.as_ref());
    let note = problem.or_else(|| sent_again(sent, method, visit));
    let (page, second) = (visit.page(), door.second(visit, note));
    let account = &door.pending.account;
    match method {
        Method::Recovery => mfa::recovery(&page, &second),
        Method::Email | Method::Sms => {
            let sent = clocks(sent, method, visit);
            mfa::sent_code(&page, &second, method, &destination(account, method), visit.request.config.mfa.otp.digits, sent)
        }
        Method::Totp | Method::Webauthn => mfa::totp(&page, &second, account.totp.as_ref().map_or(6, |totp| totp.digits)),
    }
}

fn key_page(visit: &Visit, door: &Door, problem: Option<Note>) -> Result<Reply, Refused> {
    let wrong = problem.is_some();
    let (options, challenge) = visit.services.key_challenge(&door.pending, &visit.client)?;
    let keys: Vec<&str> = door.pending.account.webauthn.iter().map(|key| key.name.as_str()).collect();
    let page = mfa::webauthn(&visit.page(), &door.second(visit, problem), &options.to_string(), &challenge, &keys.join(", "));
    Ok(if wrong { Reply::wrong(page) } else { Reply::ok(page) })
}

pub async fn submit(Path(name): Path<String>, visit: Visit) -> Response {
    let reply = prove(&visit, &name).await;
    visit.answer(reply)
}

async fn prove(visit: &Visit, name: &str) -> Result<Reply, Refused> {
    let Ok(method) = name.parse::<Method>() else { return Ok(no_such_page(visit)) };
    let door = Door::find(visit).await?;
    if !offered(&door, method) {
        return Err(Refused::NotOffered(method));
    }
    let typed = visit.form.secret(if method == Method::Webauthn { "credential" } else { "code" });
    let given = Given { method, typed: &typed, challenge: visit.form.get("challenge") };
    match visit.services.second(door.pending.clone(), given, visit.form.has("trust_device"), &visit.client).await {
        Ok(signed) => signed_in(visit, &signed).await,
        Err(Refused::Second(problem)) => {
            // What the wrong attempt left behind is what the page must show.
            let door = Door::find(visit).await?;
            let note = Some(note(visit, problem, method));
            match method {
                Method::Webauthn => key_page(visit, &door, note),
                _ => Ok(Reply::wrong(code_page(visit, &door, method, note))),
            }
        }
        Err(other) => Err(other),
    }
}

pub async fn resend(Path(name): Path<String>, visit: Visit) -> Response {
    let reply = send_again(&visit, &name).await;
    visit.answer(reply)
}

async fn send_again(visit: &Visit, name: &str) -> Result<Reply, Refused> {
    let Ok(method) = name.parse::<Method>() else { return Ok(no_such_page(visit)) };
    let door = Door::find(visit).await?;
    if !method.is_sent() || !offered(&door, method) {
        return Err(Refused::NotOffered(method));
    }
    let problem = match visit.services.send_code(&door.pending, method, true, &visit.client).await {
        Ok(flow) => return Ok(Reply::to(visit, &format!("mfa/{method}")).cookie(visit.flow_cookie(flow.id))),
        Err(refused) => unsent(visit, refused, method)?,
    };
    Ok(Reply::wrong(code_page(visit, &door, method, Some(problem))))
}
