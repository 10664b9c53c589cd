//! The second door: the choice of a method, a page for each, and sending codes. All pages work without script, the key's aside.

use axum::extract::Path;
use axum::response::Response;
use std::time::Duration;

use super::external;
use super::login::signed_in;
use crate::factor::otp::{SentCode, mask_email, mask_phone};
use crate::factor::{Method, MethodSet};
use crate::policy::{Demand, Level, Proof};
use crate::portal::web::page_request::PageRequest;
use crate::portal::web::reply::Reply;
use crate::service::{Given, Pending, Refused, SecondProblem, Shown};
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
    async fn find(req: &PageRequest) -> Result<Self, Refused> {
        let pending = req.services.second_factor.pending(req.flow, req.session.clone()).await?;
        let route = req.wanted_factors();
        let methods = pending.methods(req.context.config.mfa.methods, route);
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

    fn second(&self, req: &PageRequest, note: Option<Note>) -> Second {
        let trust = if self.pending.is_guest() { Duration::ZERO } else { req.context.config.mfa.trusted_device };
        let wanted = req.wanted();
        // Where a trusted browser does not count, it is not offered: one would be asked again all the same.
        let counts = wanted.is_none_or(|wanted| wanted.factors.is_none() && wanted.max_age.is_none());
        Second {
            user: self.pending.account.display_name.clone(),
            note,
            others: self.methods.iter().count() > 1,
            recovery: self.recovery,
            trust: (!trust.is_zero() && counts).then_some(trust),
            why: self.pending.session.as_ref().and_then(|session| why(req, session.proof(), wanted?)),
            signed_in: self.pending.session.is_some(),
        }
    }

    /// A session that already has what its destination wants need not be here.
    fn is_needless(&self, req: &PageRequest) -> bool {
        self.pending.flow.is_none()
            && !req.misses_device()
            && self.pending.session.as_ref().is_some_and(|session| {
                req.wanted().is_none_or(|wanted| wanted.level < Level::TwoFactor || wanted.is_met_by(session.proof(), req.context.now))
            })
    }
}

/// Why a session that has shown this is asked for more.
fn why(req: &PageRequest, proof: Proof, wanted: Demand) -> Option<String> {
    let (words, place) = (&req.words.mfa, req.place_called());
    match (proof, wanted.factors, wanted.max_age) {
        _ if wanted.level < Level::TwoFactor || wanted.is_met_by(proof, req.context.now) => None,
        (Proof::Second { method, .. }, _, Some(age)) if wanted.accepts(method) => {
            Some(fill(&words.why_age, &[("host", &place), ("time", &req.words.span(age))]))
        }
        (_, Some(factors), _) => Some(fill(&words.why_factors, &[("host", &place), ("methods", &req.words.methods(factors.iter()))])),
        _ => Some(fill(&words.why_second, &[("host", &place)])),
    }
}

/// Where a code for this account goes, as it may be shown.
pub fn destination(account: &crate::account::Account, method: Method) -> String {
    match method {
        Method::Email => mask_email(&account.email),
        Method::Sms => account.phone.as_deref().map(mask_phone).unwrap_or_default(),
        Method::Totp | Method::Webauthn | Method::External | Method::Recovery => String::new(),
    }
}

/// A sent code's clocks, as the page shows them. `None`: none is on its way.
pub fn clocks(sent: Option<&SentCode>, method: Method, req: &PageRequest) -> Option<Sent> {
    let sent = sent.filter(|sent| sent.method == method)?;
    let (rules, now) = (&req.context.config.mfa.otp, req.context.now);
    let resend_in = (sent.sends < rules.max_sends).then(|| sent.sent_at.plus(rules.resend_after).since(now));
    Some(Sent { expires_in: sent.remaining(now), resend_in })
}

/// After a resend, for as long as the next one must wait: the page says that the earlier code is void.
pub fn sent_again(sent: Option<&SentCode>, method: Method, req: &PageRequest) -> Option<Note> {
    let sent = sent.filter(|sent| sent.method == method && sent.sends > 1 && sent.attempts == 0)?;
    let recent = sent.sent_at.plus(req.context.config.mfa.otp.resend_after) > req.context.now;
    recent.then(|| Note::Done(req.words.note.sent.clone()))
}

/// What the page says where no message was sent.
///
/// # Errors
/// What is not about the message.
pub fn unsent(req: &PageRequest, refused: Refused, method: Method) -> Result<Note, Refused> {
    match refused {
        Refused::Second(problem) => Ok(note(req, problem, method)),
        Refused::CannotSend => Ok(Note::Error(req.words.note.send_failed.clone())),
        other => Err(other),
    }
}

/// What was wrong, in words.
pub fn note(req: &PageRequest, problem: SecondProblem, method: Method) -> Note {
    let words = &req.words.note;
    Note::Error(match problem {
        SecondProblem::Wrong { .. } if method == Method::Recovery => words.recovery_wrong.clone(),
        SecondProblem::Spent if method == Method::Webauthn => words.webauthn_wrong.clone(),
        SecondProblem::Wrong { left: Some(0) } | SecondProblem::Spent => words.code_void.clone(),
        SecondProblem::Wrong { left: Some(left) } => fill(&words.code_wrong_left, &[("left", &left.to_string())]),
        SecondProblem::Wrong { left: None } => words.code_wrong.clone(),
        SecondProblem::Replayed => words.code_used.clone(),
        SecondProblem::Expired => words.code_expired.clone(),
        SecondProblem::Wait(wait) => fill(&words.send_wait, &[("time", &req.words.span(wait.max(Duration::from_secs(1))))]),
        SecondProblem::Exhausted => words.sends_used_up.clone(),
        SecondProblem::Key => words.webauthn_wrong.clone(),
    })
}

/// A page that is not there is no reason to end a sign-in.
pub fn no_such_page(req: &PageRequest) -> Reply {
    Reply::problem(req, Problem::NotFound)
}

pub async fn choose(req: PageRequest) -> Response {
    let reply = choice(&req).await;
    req.answer(reply)
}

async fn choice(req: &PageRequest) -> Result<Reply, Refused> {
    let door = Door::find(req).await?;
    if door.is_needless(req) {
        return Ok(Reply::go(req.rd.as_str()));
    }
    match door.ordered().as_slice() {
        // Only a sign-in is left to show who it is.
        [] if req.misses_device() => Ok(Reply::go(req.page().link_with("login", &[("fresh", "1")]))),
        [] if door.pending.flow.is_none() => Ok(Reply::to(req, "enrol")),
        // A GET sends no code: where none is on its way, the page of the one method has a button for it.
        [only] => Ok(Reply::to(req, &format!("mfa/{only}"))),
        _ => Ok(Reply::ok(choice_page(req, &door, None))),
    }
}

fn choice_page(req: &PageRequest, door: &Door, problem: Option<Note>) -> maud::Markup {
    let account = &door.pending.account;
    let choice = |method: Method| Choice {
        method,
        detail: match method {
            Method::Webauthn => account.webauthn.iter().map(|key| key.name.as_str()).collect::<Vec<_>>().join(", "),
            Method::Totp => account.totp.as_ref().map(|totp| totp.name.clone()).unwrap_or_default(),
            Method::External => external::titles(&door.pending),
            other => destination(account, other),
        },
        last_used: account.last_method == Some(method),
    };
    let choices: Vec<Choice> = door.ordered().into_iter().map(choice).collect();
    mfa::choose(&req.page(), &door.second(req, problem), &choices)
}

pub async fn chosen(req: PageRequest) -> Response {
    let reply = choose_method(&req).await;
    req.answer(reply)
}

async fn choose_method(req: &PageRequest) -> Result<Reply, Refused> {
    let door = Door::find(req).await?;
    let method = req.form.get("method").parse::<Method>().ok().filter(|method| offered(&door, *method));
    let Some(method) = method else {
        return Ok(Reply::wrong(choice_page(req, &door, Some(Note::Error(req.words.problem.malformed_text.clone())))));
    };
    let to = Reply::to(req, &format!("mfa/{method}"));
    if !method.is_sent() {
        return Ok(to);
    }
    match req.services.one_time_codes.send(&door.pending, method, false, &req.client).await {
        Ok(flow) => Ok(to.cookie(req.flow_cookie(flow.id))),
        Err(Refused::Second(problem)) => Ok(Reply::wrong(code_page(req, &door, method, Some(note(req, problem, method))))),
        Err(Refused::CannotSend) => Ok(Reply::wrong(choice_page(req, &door, Some(Note::Error(req.words.note.send_failed.clone()))))),
        Err(other) => Err(other),
    }
}

fn offered(door: &Door, method: Method) -> bool {
    door.methods.contains(method) || method == Method::Recovery && door.recovery
}

pub async fn show(Path(name): Path<String>, req: PageRequest) -> Response {
    let reply = method_page(&req, &name).await;
    req.answer(reply)
}

async fn method_page(req: &PageRequest, name: &str) -> Result<Reply, Refused> {
    let Ok(method) = name.parse::<Method>() else { return Ok(no_such_page(req)) };
    let door = Door::find(req).await?;
    if door.is_needless(req) {
        return Ok(Reply::go(req.rd.as_str()));
    }
    if !offered(&door, method) {
        return Ok(Reply::to(req, "mfa"));
    }
    match method {
        Method::Webauthn => key_page(req, &door, None),
        Method::External => Ok(Reply::ok(external::page(req, &door.pending, &door.second(req, None)))),
        _ => Ok(Reply::ok(code_page(req, &door, method, None))),
    }
}

fn code_page(req: &PageRequest, door: &Door, method: Method, problem: Option<Note>) -> maud::Markup {
    let sent = door.pending.flow.as_ref().and_then(|flow| flow.sent.as_ref());
    let note = problem.or_else(|| sent_again(sent, method, req));
    let (page, second) = (req.page(), door.second(req, note));
    let account = &door.pending.account;
    match method {
        Method::Recovery => mfa::recovery(&page, &second),
        Method::Email | Method::Sms => {
            let sent = clocks(sent, method, req);
            mfa::sent_code(&page, &second, method, &destination(account, method), req.context.config.mfa.otp.digits, sent)
        }
        Method::Totp | Method::Webauthn | Method::External => {
            mfa::totp(&page, &second, account.totp.as_ref().map_or(6, |totp| totp.digits))
        }
    }
}

fn key_page(req: &PageRequest, door: &Door, problem: Option<Note>) -> Result<Reply, Refused> {
    let wrong = problem.is_some();
    let (options, challenge) = req.services.security_keys.challenge(&door.pending, &req.client)?;
    let keys: Vec<&str> = door.pending.account.webauthn.iter().map(|key| key.name.as_str()).collect();
    let page = mfa::webauthn(&req.page(), &door.second(req, problem), &options.to_string(), &challenge, &keys.join(", "));
    Ok(if wrong { Reply::wrong(page) } else { Reply::ok(page) })
}

pub async fn submit(Path(name): Path<String>, req: PageRequest) -> Response {
    let reply = prove(&req, &name).await;
    req.answer(reply)
}

async fn prove(req: &PageRequest, name: &str) -> Result<Reply, Refused> {
    let Ok(method) = name.parse::<Method>() else { return Ok(no_such_page(req)) };
    let door = Door::find(req).await?;
    if !offered(&door, method) {
        return Err(Refused::NotOffered(method));
    }
    if method == Method::External {
        return external::to_provider(req, &door.pending).await;
    }
    let typed = req.form.secret(if method == Method::Webauthn { "credential" } else { "code" });
    let given = Given { method, typed: &typed, challenge: req.form.get("challenge") };
    match req.services.second_factor.verify(door.pending.clone(), given, req.form.has("trust_device"), &req.client).await {
        Ok(Shown::SignedIn(signed)) => signed_in(req, &signed).await,
        Ok(Shown::MustChangePassword(flow)) => Ok(Reply::to(req, "login/password").cookie(req.flow_cookie(flow.id))),
        Err(Refused::Second(problem)) => {
            // What the wrong attempt left behind is what the page must show.
            let door = Door::find(req).await?;
            let note = Some(note(req, problem, method));
            match method {
                Method::Webauthn => key_page(req, &door, note),
                _ => Ok(Reply::wrong(code_page(req, &door, method, note))),
            }
        }
        Err(other) => Err(other),
    }
}

pub async fn resend(Path(name): Path<String>, req: PageRequest) -> Response {
    let reply = send_again(&req, &name).await;
    req.answer(reply)
}

async fn send_again(req: &PageRequest, name: &str) -> Result<Reply, Refused> {
    let Ok(method) = name.parse::<Method>() else { return Ok(no_such_page(req)) };
    let door = Door::find(req).await?;
    if !method.is_sent() || !offered(&door, method) {
        return Err(Refused::NotOffered(method));
    }
    let problem = match req.services.one_time_codes.send(&door.pending, method, true, &req.client).await {
        Ok(flow) => return Ok(Reply::to(req, &format!("mfa/{method}")).cookie(req.flow_cookie(flow.id))),
        Err(refused) => unsent(req, refused, method)?,
    };
    Ok(Reply::wrong(code_page(req, &door, method, Some(problem))))
}
