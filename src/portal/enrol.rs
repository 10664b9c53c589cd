//! Setting up a second factor: choose, prove that it works, save the recovery codes, sign in with it.

use axum::extract::Path;
use axum::response::Response;

use super::login::{signed_in, with_news};
use super::mfa::{clocks, destination, no_such_page, note, sent_again, unsent};
use super::reply::Reply;
use super::visit::Visit;
use crate::factor::{Method, qr};
use crate::login::{Enrolling, News};
use crate::policy::Level;
use crate::service::{Confirmed, EnrolPage, EnrolProblem, Refused};
use crate::session::CookieKind;
use crate::view::enrol::{self, Offer, Reason, Setup, TotpView};
use crate::view::message;
use crate::view::recovery;
use crate::view::{Note, Steps};

async fn find(visit: &Visit) -> Result<EnrolPage, Refused> {
    visit.services.enrolment(visit.flow, visit.session.clone()).await
}

fn setup(visit: &Visit, page: &EnrolPage, problem: Option<Note>) -> Setup {
    let demanded = visit.wanted().is_some_and(|wanted| wanted.level >= Level::TwoFactor);
    let reason = match (&page.session, demanded) {
        (None, _) => Reason::Required,
        (Some(_), true) => Reason::Route,
        (Some(_), false) => Reason::Wish,
    };
    Setup { note: problem, steps: (reason != Reason::Wish).then_some(Steps { now: 2, of: 2 }), reason }
}

pub async fn choose(visit: Visit) -> Response {
    let reply = choice(&visit).await;
    visit.answer(reply)
}

async fn choice(visit: &Visit) -> Result<Reply, Refused> {
    let page = find(visit).await?;
    if page.has_codes() {
        return Ok(Reply::to(visit, "enrol/recovery"));
    }
    if !visit.query.has("now")
        && let Some(until) = visit.services.grace(&page)
    {
        return Ok(Reply::ok(enrol::grace(&visit.page(), until)));
    }
    if visit.services.needs_vouching(&page) {
        return Ok(Reply::to(visit, "enrol/verify"));
    }
    let session = page.session.as_ref().filter(|_| page.flow.is_none());
    if session.is_some_and(|session| !visit.services.is_fresh(session, &page.account)) {
        return Err(Refused::Enrol(EnrolProblem::NotFresh));
    }
    Ok(Reply::ok(choice_page(visit, &page, None)))
}

fn choice_page(visit: &Visit, page: &EnrolPage, problem: Option<Note>) -> maud::Markup {
    let offers: Vec<Offer> = page
        .offered(visit.request.config.mfa.methods)
        .iter()
        .filter(|method| visit.services.courier.can_send(*method))
        .filter(|method| *method != Method::Webauthn || !visit.request.host.is_address())
        .map(|method| Offer { method, destination: destination(&page.account, method), set_up: page.account.has(method) })
        .collect();
    enrol::choose(&visit.page(), &setup(visit, page, problem), &offers)
}

pub async fn chosen(visit: Visit) -> Response {
    let reply = choose_method(&visit).await;
    visit.answer(reply)
}

async fn choose_method(visit: &Visit) -> Result<Reply, Refused> {
    let page = find(visit).await?;
    let Ok(method) = visit.form.get("method").parse::<Method>() else { return Err(Refused::NotOffered(Method::Recovery)) };
    let problem = match visit.services.choose(&page, method, &visit.client).await {
        Ok(flow) => return Ok(Reply::to(visit, &format!("enrol/{method}")).cookie(visit.flow_cookie(flow.id))),
        Err(refused) => unsent(visit, refused, method)?,
    };
    Ok(Reply::wrong(choice_page(visit, &page, Some(problem))))
}

/// Not now: until the date that the page named.
pub async fn later(visit: Visit) -> Response {
    let reply = put_off(&visit).await;
    visit.answer(reply)
}

async fn put_off(visit: &Visit) -> Result<Reply, Refused> {
    let page = find(visit).await?;
    let signed = visit.services.put_off(&page, &visit.client).await?;
    signed_in(visit, &signed).await
}

pub async fn verify(visit: Visit) -> Response {
    let reply = verification(&visit).await;
    visit.answer(reply)
}

async fn verification(visit: &Visit) -> Result<Reply, Refused> {
    let page = find(visit).await?;
    if !visit.services.needs_vouching(&page) {
        return Ok(Reply::to(visit, "enrol"));
    }
    if !visit.services.courier.can_send(Method::Email) {
        let heading = &visit.words.enrol.verify_heading;
        return Ok(Reply::ok(message::message(&visit.page(), 200, heading, &visit.words.enrol.ask_for_link, &[], None)));
    }
    Ok(Reply::ok(verify_page(visit, &page, None)))
}

fn verify_page(visit: &Visit, page: &EnrolPage, problem: Option<Note>) -> maud::Markup {
    let sent = page.flow.as_ref().and_then(|flow| flow.sent.as_ref());
    let problem = problem.or_else(|| sent_again(sent, Method::Email, visit));
    let sent = clocks(sent, Method::Email, visit);
    let digits = visit.request.config.mfa.otp.digits;
    enrol::verify(&visit.page(), &setup(visit, page, problem), Method::Email, &destination(&page.account, Method::Email), digits, sent)
}

pub async fn send_vouching(visit: Visit) -> Response {
    let reply = vouching_sent(&visit).await;
    visit.answer(reply)
}

async fn vouching_sent(visit: &Visit) -> Result<Reply, Refused> {
    let page = find(visit).await?;
    if !visit.services.needs_vouching(&page) {
        return Ok(Reply::to(visit, "enrol"));
    }
    let problem = match visit.services.send_vouching(&page, &visit.client).await {
        Ok(flow) => return Ok(Reply::to(visit, "enrol/verify").cookie(visit.flow_cookie(flow.id))),
        Err(refused) => unsent(visit, refused, Method::Email)?,
    };
    Ok(Reply::wrong(verify_page(visit, &page, Some(problem))))
}

pub async fn vouch(visit: Visit) -> Response {
    let reply = vouched(&visit).await;
    visit.answer(reply)
}

async fn vouched(visit: &Visit) -> Result<Reply, Refused> {
    let page = find(visit).await?;
    match visit.services.vouch(&page, &visit.form.secret("code"), &visit.client).await {
        Ok(()) => Ok(Reply::to(visit, "enrol")),
        Err(Refused::Second(problem)) => {
            let page = find(visit).await?;
            Ok(Reply::wrong(verify_page(visit, &page, Some(note(visit, problem, Method::Email)))))
        }
        Err(other) => Err(other),
    }
}

pub async fn show(Path(name): Path<String>, visit: Visit) -> Response {
    let reply = method_page(&visit, &name).await;
    visit.answer(reply)
}

async fn method_page(visit: &Visit, name: &str) -> Result<Reply, Refused> {
    let Ok(method) = name.parse::<Method>() else { return Ok(no_such_page(visit)) };
    let page = find(visit).await?;
    match set_up_page(visit, &page, method, None)? {
        Some(markup) => Ok(Reply::ok(markup)),
        None => Ok(Reply::to(visit, "enrol")),
    }
}

/// The page of the method that is being set up; `None` where it is another one.
fn set_up_page(visit: &Visit, page: &EnrolPage, method: Method, problem: Option<Note>) -> Result<Option<maud::Markup>, Refused> {
    let Some(flow) = &page.flow else { return Ok(None) };
    let problem = problem.or_else(|| sent_again(flow.sent.as_ref(), method, visit));
    let (base, setup) = (visit.page(), setup(visit, page, problem));
    Ok(Some(match (method, &flow.enrolling) {
        (Method::Totp, Some(Enrolling::Totp { .. })) => {
            let (secret, uri) = visit.services.totp_setup(page)?;
            let qr = qr::svg(&uri, &visit.words.enrol.totp_qr).unwrap_or_default();
            let view = TotpView {
                qr,
                secret: secret.to_string(),
                uri: uri.to_string(),
                digits: visit.request.config.mfa.totp.digits,
                name: visit.form.get("name").to_owned(),
            };
            enrol::totp(&base, &setup, &view)
        }
        (Method::Webauthn, Some(Enrolling::Webauthn { options, .. })) => {
            enrol::webauthn(&base, &setup, &options.to_string(), visit.form.get("name"))
        }
        (Method::Email | Method::Sms, Some(Enrolling::Sent { method: chosen })) if *chosen == method => {
            let sent = clocks(flow.sent.as_ref(), method, visit);
            enrol::sent_code(&base, &setup, method, &destination(&page.account, method), visit.request.config.mfa.otp.digits, sent)
        }
        _ => return Ok(None),
    }))
}

pub async fn confirm(Path(name): Path<String>, visit: Visit) -> Response {
    let reply = confirmed(&visit, &name).await;
    visit.answer(reply)
}

async fn confirmed(visit: &Visit, name: &str) -> Result<Reply, Refused> {
    let Ok(method) = name.parse::<Method>() else { return Ok(no_such_page(visit)) };
    let page = find(visit).await?;
    let typed = visit.form.secret(if method == Method::Webauthn { "credential" } else { "code" });
    let problem = match visit.services.confirm(&page, method, &typed, visit.form.get("name"), &visit.client).await {
        Ok(Confirmed::ShowCodes) => return Ok(Reply::to(visit, "enrol/recovery").cookie(visit.cookies.expire(CookieKind::Session))),
        Ok(Confirmed::Done) => {
            let to = with_news(visit, &page.account, News::Enrolled).await?;
            return Ok(to.cookie(visit.cookies.expire(CookieKind::Session)));
        }
        Err(Refused::Second(problem)) => note(visit, problem, method),
        Err(Refused::Enrol(EnrolProblem::TakenFactor)) if method == Method::Totp => Note::Error(visit.words.note.totp_taken.clone()),
        Err(Refused::Enrol(EnrolProblem::TakenFactor)) => Note::Error(visit.words.note.webauthn_known.clone()),
        Err(other) => return Err(other),
    };
    if method == Method::Webauthn {
        // A challenge is answered once: the next try gets one of its own.
        visit.services.choose(&page, method, &visit.client).await?;
    }
    let page = find(visit).await?;
    match set_up_page(visit, &page, method, Some(problem))? {
        Some(markup) => Ok(Reply::wrong(markup)),
        None => Ok(Reply::to(visit, "enrol")),
    }
}

pub async fn resend(Path(name): Path<String>, visit: Visit) -> Response {
    let reply = send_again(&visit, &name).await;
    visit.answer(reply)
}

async fn send_again(visit: &Visit, name: &str) -> Result<Reply, Refused> {
    let Ok(method) = name.parse::<Method>() else { return Ok(no_such_page(visit)) };
    let page = find(visit).await?;
    let problem = match visit.services.resend_enrolment(&page, method, &visit.client).await {
        Ok(_) => return Ok(Reply::to(visit, &format!("enrol/{method}"))),
        Err(refused) => unsent(visit, refused, method)?,
    };
    match set_up_page(visit, &page, method, Some(problem))? {
        Some(markup) => Ok(Reply::wrong(markup)),
        None => Ok(Reply::to(visit, "enrol")),
    }
}

pub async fn codes(visit: Visit) -> Response {
    let reply = show_codes(&visit).await;
    visit.answer(reply)
}

async fn show_codes(visit: &Visit) -> Result<Reply, Refused> {
    let page = find(visit).await?;
    let codes: Vec<String> = visit.services.codes(&page)?.iter().map(|code| code.expose().to_owned()).collect();
    let setup = Setup { note: None, steps: None, reason: Reason::Required };
    Ok(Reply::ok(recovery::codes(&visit.page(), &setup, &codes, recovery::At::FirstEnrolment)))
}

pub async fn codes_saved(visit: Visit) -> Response {
    let reply = saved(&visit).await;
    visit.answer(reply)
}

async fn saved(visit: &Visit) -> Result<Reply, Refused> {
    let page = find(visit).await?;
    if visit.form.get("saved") != "1" || !page.has_codes() {
        return Ok(Reply::to(visit, "enrol/recovery"));
    }
    visit.services.codes_saved(&page).await?;
    with_news(visit, &page.account, News::Enrolled).await
}
