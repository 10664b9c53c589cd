//! Setting up a second factor: choose, prove that it works, save the recovery codes, sign in with it.

use axum::extract::Path;
use axum::response::Response;

use super::account::changed;
use super::external;
use crate::factor::{Method, qr};
use crate::login::{Enrolling, News};
use crate::policy::Level;
use crate::portal::sign_in::login::{signed_in, with_news};
use crate::portal::sign_in::mfa::{clocks, destination, no_such_page, note, sent_again, unsent};
use crate::portal::web::page_request::PageRequest;
use crate::portal::web::reply::Reply;
use crate::service::{Confirmed, EnrolPage, EnrolProblem, Refused};
use crate::session::CookieKind;
use crate::view::enrol::{self, Offer, Reason, Setup, TotpView};
use crate::view::message::{self, Way};
use crate::view::recovery;
use crate::view::{Note, Steps};

async fn find(req: &PageRequest) -> Result<EnrolPage, Refused> {
    req.services.enrolment.page(req.flow, req.session.clone()).await
}

fn setup(req: &PageRequest, page: &EnrolPage, problem: Option<Note>) -> Setup {
    let demanded = req.wanted().is_some_and(|wanted| wanted.level >= Level::TwoFactor);
    let reason = match (&page.session, demanded) {
        (None, _) => Reason::Required,
        (Some(_), true) => Reason::Route,
        (Some(_), false) => Reason::Wish,
    };
    let takes = req.wanted_factors().filter(|_| reason != Reason::Wish).map(|factors| factors.iter().collect());
    Setup { note: problem, steps: (reason != Reason::Wish).then_some(Steps { now: 2, of: 2 }), reason, takes: takes.unwrap_or_default() }
}

pub async fn choose(req: PageRequest) -> Response {
    let reply = choice(&req).await;
    req.answer(reply)
}

async fn choice(req: &PageRequest) -> Result<Reply, Refused> {
    let page = find(req).await?;
    if page.has_codes() {
        return Ok(Reply::to(req, "enrol/recovery"));
    }
    if !req.query.has("now")
        && let Some(until) = req.services.enrolment.grace(&page)
    {
        return Ok(Reply::ok(enrol::grace(&req.page(), until)));
    }
    if req.services.provider.confirms_elsewhere(&page).await? {
        return Ok(Reply::to(req, "mfa"));
    }
    if req.services.enrolment.needs_vouching(&page) {
        return Ok(Reply::to(req, "enrol/verify"));
    }
    let session = page.session.as_ref().filter(|_| page.flow.is_none());
    if session.is_some_and(|session| !req.services.enrolment.is_fresh(session, &page.account)) {
        return Err(Refused::Enrol(EnrolProblem::NotFresh));
    }
    Ok(Reply::ok(choice_page(req, &page, None)))
}

fn choice_page(req: &PageRequest, page: &EnrolPage, problem: Option<Note>) -> maud::Markup {
    let setup = setup(req, page, problem);
    // A method that the page asked for would not take leads nowhere. Who must have some method is offered any before none.
    let fits = |method: &Method| setup.takes.is_empty() || setup.takes.contains(method);
    let all: Vec<Method> = page
        .offered(req.context.config.mfa.methods)
        .iter()
        .filter(|method| req.services.notices.can_send(*method))
        .filter(|method| *method != Method::Webauthn || !req.context.host.is_address())
        .collect();
    let fitting: Vec<Method> = all.iter().copied().filter(fits).collect();
    let offered = if fitting.is_empty() && setup.reason == Reason::Required { all } else { fitting };
    let offer = |method| Offer { method, destination: destination(&page.account, method), set_up: page.account.has(method) };
    enrol::choose(&req.page(), &setup, &offered.into_iter().map(offer).collect::<Vec<_>>())
}

pub async fn chosen(req: PageRequest) -> Response {
    let reply = choose_method(&req).await;
    req.answer(reply)
}

async fn choose_method(req: &PageRequest) -> Result<Reply, Refused> {
    let page = find(req).await?;
    let Ok(method) = req.form.get("method").parse::<Method>() else { return Err(Refused::NotOffered(Method::Recovery)) };
    let problem = match req.services.enrolment.choose(&page, method, &req.client).await {
        Ok(flow) => return Ok(Reply::to(req, &format!("enrol/{method}")).cookie(req.flow_cookie(flow.id))),
        Err(refused) => unsent(req, refused, method)?,
    };
    Ok(Reply::wrong(choice_page(req, &page, Some(problem))))
}

/// Not now: until the date that the page named.
pub async fn later(req: PageRequest) -> Response {
    let reply = put_off(&req).await;
    req.answer(reply)
}

async fn put_off(req: &PageRequest) -> Result<Reply, Refused> {
    let page = find(req).await?;
    let signed = req.services.enrolment.put_off(&page, &req.client).await?;
    signed_in(req, &signed).await
}

pub async fn verify(req: PageRequest) -> Response {
    let reply = verification(&req).await;
    req.answer(reply)
}

async fn verification(req: &PageRequest) -> Result<Reply, Refused> {
    let page = find(req).await?;
    if !req.services.enrolment.needs_vouching(&page) {
        return Ok(Reply::to(req, "enrol"));
    }
    if !req.services.notices.can_send(Method::Email) {
        let heading = &req.words.enrol.verify_heading;
        let support = &req.context.config.portal.brand;
        let way = support.support.clone().zip(support.support_shown().map(str::to_owned)).map(|(href, label)| Way { label, href });
        return Ok(Reply::ok(message::message(&req.page(), 200, heading, &req.words.enrol.ask_for_link, way.as_slice(), None)));
    }
    Ok(Reply::ok(verify_page(req, &page, None)))
}

fn verify_page(req: &PageRequest, page: &EnrolPage, problem: Option<Note>) -> maud::Markup {
    let sent = page.flow.as_ref().and_then(|flow| flow.sent.as_ref());
    let problem = problem.or_else(|| sent_again(sent, Method::Email, req));
    let sent = clocks(sent, Method::Email, req);
    let digits = req.context.config.mfa.otp.digits;
    enrol::verify(&req.page(), &setup(req, page, problem), Method::Email, &destination(&page.account, Method::Email), digits, sent)
}

pub async fn send_vouching(req: PageRequest) -> Response {
    let reply = vouching_sent(&req).await;
    req.answer(reply)
}

async fn vouching_sent(req: &PageRequest) -> Result<Reply, Refused> {
    let page = find(req).await?;
    if !req.services.enrolment.needs_vouching(&page) {
        return Ok(Reply::to(req, "enrol"));
    }
    let problem = match req.services.enrolment.send_vouching(&page, &req.client).await {
        Ok(flow) => return Ok(Reply::to(req, "enrol/verify").cookie(req.flow_cookie(flow.id))),
        Err(refused) => unsent(req, refused, Method::Email)?,
    };
    Ok(Reply::wrong(verify_page(req, &page, Some(problem))))
}

pub async fn vouch(req: PageRequest) -> Response {
    let reply = vouched(&req).await;
    req.answer(reply)
}

async fn vouched(req: &PageRequest) -> Result<Reply, Refused> {
    let page = find(req).await?;
    match req.services.enrolment.vouch(&page, &req.form.secret("code"), &req.client).await {
        Ok(()) => Ok(Reply::to(req, "enrol")),
        Err(Refused::Second(problem)) => {
            let page = find(req).await?;
            Ok(Reply::wrong(verify_page(req, &page, Some(note(req, problem, Method::Email)))))
        }
        Err(other) => Err(other),
    }
}

pub async fn show(Path(name): Path<String>, req: PageRequest) -> Response {
    let reply = method_page(&req, &name).await;
    req.answer(reply)
}

async fn method_page(req: &PageRequest, name: &str) -> Result<Reply, Refused> {
    let Ok(method) = name.parse::<Method>() else { return Ok(no_such_page(req)) };
    let page = find(req).await?;
    match set_up_page(req, &page, method, None)? {
        Some(markup) => Ok(Reply::ok(markup)),
        None => Ok(Reply::to(req, "enrol")),
    }
}

/// The page of the method that is being set up; `None` where it is another one.
fn set_up_page(req: &PageRequest, page: &EnrolPage, method: Method, problem: Option<Note>) -> Result<Option<maud::Markup>, Refused> {
    let Some(flow) = &page.flow else { return Ok(None) };
    let problem = problem.or_else(|| sent_again(flow.sent.as_ref(), method, req));
    let (base, setup) = (req.page(), setup(req, page, problem));
    Ok(Some(match (method, &flow.enrolling) {
        (Method::Totp, Some(Enrolling::Totp { .. })) => {
            let (secret, uri) = req.services.enrolment.totp_setup(page)?;
            let qr = qr::svg(&uri, &req.words.enrol.totp_qr).unwrap_or_default();
            let view = TotpView {
                qr,
                secret: secret.to_string(),
                uri: uri.to_string(),
                digits: req.context.config.mfa.totp.digits,
                name: req.form.get("name").to_owned(),
            };
            enrol::totp(&base, &setup, &view)
        }
        (Method::Webauthn, Some(Enrolling::Webauthn { options, .. })) => {
            enrol::webauthn(&base, &setup, &options.to_string(), req.form.get("name"))
        }
        (Method::Email | Method::Sms, Some(Enrolling::Sent { method: chosen })) if *chosen == method => {
            let sent = clocks(flow.sent.as_ref(), method, req);
            enrol::sent_code(&base, &setup, method, &destination(&page.account, method), req.context.config.mfa.otp.digits, sent)
        }
        (Method::External, Some(Enrolling::External)) => external::page(req, setup),
        _ => return Ok(None),
    }))
}

pub async fn confirm(Path(name): Path<String>, req: PageRequest) -> Response {
    let reply = confirmed(&req, &name).await;
    req.answer(reply)
}

async fn confirmed(req: &PageRequest, name: &str) -> Result<Reply, Refused> {
    let Ok(method) = name.parse::<Method>() else { return Ok(no_such_page(req)) };
    let page = find(req).await?;
    if method == Method::External {
        return external::to_provider(req, &page).await;
    }
    let typed = req.form.secret(if method == Method::Webauthn { "credential" } else { "code" });
    let problem = match req.services.enrolment.confirm(&page, method, &typed, req.form.get("name"), &req.client).await {
        Ok(Confirmed::ShowCodes) => return Ok(Reply::to(req, "enrol/recovery").cookie(req.cookies.expire(CookieKind::Session))),
        Ok(Confirmed::Kept(signed)) => {
            let wanted = setup(req, &page, None).reason == Reason::Route;
            return if wanted { signed_in(req, &signed).await } else { changed(req, &page.account, &signed, News::MethodAdded).await };
        }
        Ok(Confirmed::Done) => {
            let to = with_news(req, &page.account, News::Enrolled).await?;
            return Ok(to.cookie(req.cookies.expire(CookieKind::Session)));
        }
        Err(Refused::Second(problem)) => note(req, problem, method),
        Err(Refused::Enrol(EnrolProblem::TakenFactor)) if method == Method::Totp => Note::Error(req.words.note.totp_taken.clone()),
        Err(Refused::Enrol(EnrolProblem::TakenFactor)) => Note::Error(req.words.note.webauthn_known.clone()),
        Err(other) => return Err(other),
    };
    if method == Method::Webauthn {
        // A challenge is answered once: the next try gets one of its own.
        req.services.enrolment.choose(&page, method, &req.client).await?;
    }
    let page = find(req).await?;
    match set_up_page(req, &page, method, Some(problem))? {
        Some(markup) => Ok(Reply::wrong(markup)),
        None => Ok(Reply::to(req, "enrol")),
    }
}

pub async fn resend(Path(name): Path<String>, req: PageRequest) -> Response {
    let reply = send_again(&req, &name).await;
    req.answer(reply)
}

async fn send_again(req: &PageRequest, name: &str) -> Result<Reply, Refused> {
    let Ok(method) = name.parse::<Method>() else { return Ok(no_such_page(req)) };
    let page = find(req).await?;
    let problem = match req.services.enrolment.resend_enrolment(&page, method, &req.client).await {
        Ok(_) => return Ok(Reply::to(req, &format!("enrol/{method}"))),
        Err(refused) => unsent(req, refused, method)?,
    };
    match set_up_page(req, &page, method, Some(problem))? {
        Some(markup) => Ok(Reply::wrong(markup)),
        None => Ok(Reply::to(req, "enrol")),
    }
}

pub async fn codes(req: PageRequest) -> Response {
    let reply = show_codes(&req).await;
    req.answer(reply)
}

async fn show_codes(req: &PageRequest) -> Result<Reply, Refused> {
    let page = find(req).await?;
    let codes: Vec<String> = req.services.enrolment.recovery_codes(&page)?.iter().map(|code| code.expose().to_owned()).collect();
    let setup = Setup { reason: Reason::Required, ..Setup::default() };
    Ok(Reply::ok(recovery::codes(&req.page(), &setup, &codes, recovery::At::FirstEnrolment)))
}

pub async fn codes_saved(req: PageRequest) -> Response {
    let reply = saved(&req).await;
    req.answer(reply)
}

async fn saved(req: &PageRequest) -> Result<Reply, Refused> {
    let page = find(req).await?;
    if req.form.get("saved") != "1" || !page.has_codes() {
        return Ok(Reply::to(req, "enrol/recovery"));
    }
    req.services.enrolment.codes_saved(&page).await?;
    with_news(req, &page.account, News::Enrolled).await
}
