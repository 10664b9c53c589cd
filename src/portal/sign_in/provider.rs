//! The way to a provider and back. What goes wrong ends on a page with a way on that somebody has to choose: nothing here leads around in
//! circles by itself.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;

use super::login::{second, signed_in};
use crate::login::{ProviderPurpose, ProviderRequest};
use crate::portal::profile::enrol;
use crate::portal::web::fields::Fields;
use crate::portal::web::headers::plain;
use crate::portal::web::page_request::PageRequest;
use crate::portal::web::reply::Reply;
use crate::portal::web::state::Portal;
use crate::service::provider::{Answered, Ask};
use crate::service::refused::ProviderProblem;
use crate::service::{Entry, Refused};
use crate::source::provider::Answer;
use crate::view::fill;
use crate::view::message::{self, Way};

/// Of an answer's parts; what is longer is none of a provider's.
const LONGEST: usize = 8 * 1024;

pub async fn begin(Path(name): Path<String>, req: PageRequest) -> Response {
    let reply = begun(&req, &name).await;
    req.answer(reply)
}

/// The browser goes to the provider.
pub(super) async fn begun(req: &PageRequest, name: &str) -> Result<Reply, Refused> {
    let is_way_in = req.context.config.providers.iter().any(|provider| provider.name == name && provider.uses.sign_in);
    if !is_way_in {
        return Ok(failed(req, name, None, ProviderProblem::Unknown));
    }
    let again = req.session.as_ref().filter(|_| req.form.has("fresh") || req.query.has("fresh"));
    let wanted = req.wanted();
    let second_factor = wanted.as_ref().is_some_and(|wanted| wanted.level >= crate::policy::Level::TwoFactor);
    let ask = Ask {
        provider: name,
        purpose: again.map_or(ProviderPurpose::SignIn, |session| ProviderPurpose::Again { user: session.user() }),
        flow: req.flow,
        rd: req.rd.as_str(),
        second_factor,
        max_age: wanted.and_then(|wanted| wanted.max_age).map(|age| age.as_secs()),
        login_hint: again.map(|session| session.identity().person.name.clone()),
    };
    match req.services.provider.begin(ask, &req.client).await {
        Ok(begun) => Ok(Reply::go(begun.location).cookie(req.flow_cookie(begun.flow))),
        Err(Refused::Provider(problem)) => Ok(failed(req, name, None, problem)),
        Err(other) => Err(other),
    }
}

pub async fn callback(Path(name): Path<String>, mut req: PageRequest) -> Response {
    let reply = answered(&mut req, &name).await;
    req.answer(reply)
}

async fn answered(req: &mut PageRequest, name: &str) -> Result<Reply, Refused> {
    let state = req.query.secret("state");
    let question = match req.services.provider.question(name, state.expose(), req.flow).await {
        Ok(question) => question,
        Err(Refused::Provider(problem)) => return Ok(failed(req, name, None, problem)),
        Err(other) => return Err(other),
    };
    req.goes_on_to(&question.rd);
    let short = |name: &str| Some(req.query.get(name)).filter(|text| text.len() <= LONGEST).unwrap_or_default();
    let issuer = Some(short("iss")).filter(|issuer| !issuer.is_empty());
    let answer = Answer { code: short("code"), issuer, error: short("error"), error_description: short("error_description") };
    let outcome = req.services.provider.answer(question.clone(), answer, req.flow, req.session.clone(), &req.client).await;
    match outcome {
        Ok(Answered::Entered(Entry::SignedIn(signed)) | Answered::Second(signed)) => signed_in(req, &signed).await,
        Ok(Answered::Entered(Entry::Second(flow))) => second(req, flow.id).await,
        Ok(Answered::Entered(Entry::Enrol(flow))) => Ok(Reply::to(req, "enrol").cookie(req.flow_cookie(flow.id))),
        // A provider's word needs no password of a directory's; there is none to change here.
        Ok(Answered::Entered(Entry::ChangePassword(_))) => Ok(failed(req, name, Some(&question), ProviderProblem::Refused)),
        Ok(Answered::Linked(linked)) => enrol::set_up(req, linked).await,
        Err(Refused::Provider(problem)) => Ok(failed(req, name, Some(&question), problem)),
        // The question is used up; the sign-in that it belonged to may be over too.
        Err(Refused::Gone | Refused::NotOffered(_)) => Ok(failed(req, name, Some(&question), ProviderProblem::Stale)),
        Err(other) => Err(other),
    }
}

/// Why not, and where to go on.
pub fn failed(req: &PageRequest, name: &str, question: Option<&ProviderRequest>, problem: ProviderProblem) -> Reply {
    let words = &req.words.provider;
    let title = req.context.config.providers.iter().find(|provider| provider.name == name).map_or("", |provider| provider.title.as_str());
    let text = match problem {
        ProviderProblem::Away => &words.away,
        ProviderProblem::Stale | ProviderProblem::Unknown => &words.stale,
        ProviderProblem::Denied => &words.denied,
        ProviderProblem::Interaction => &words.interaction,
        ProviderProblem::Refused => &words.refused,
        ProviderProblem::Clock => &words.clock,
        ProviderProblem::NotLinked => &words.not_linked,
        ProviderProblem::Name => &words.name,
        ProviderProblem::Closed => &words.closed,
        ProviderProblem::TooManyGroups => &words.groups,
        ProviderProblem::NoSecondFactor => &words.no_second,
        ProviderProblem::SomebodyElse => &words.somebody_else,
        ProviderProblem::Taken => &words.taken,
    };
    let way = Way { label: words.again.clone(), href: way_on(req, question) };
    let id = Some(req.context.request_id.as_str());
    let page = message::message(&req.page(), status(problem), &words.error_heading, &fill(text, &[("title", title)]), &[way], id);
    let status = StatusCode::from_u16(status(problem)).unwrap_or(StatusCode::FORBIDDEN);
    let retry = (problem == ProviderProblem::Away).then_some(Duration::from_secs(5));
    Reply::page(status, page).status(status, retry)
}

/// To the form, never straight back to the provider.
fn way_on(req: &PageRequest, question: Option<&ProviderRequest>) -> String {
    let page = req.page();
    match question.map(|question| &question.purpose) {
        Some(ProviderPurpose::Second { .. }) => page.link("mfa"),
        Some(ProviderPurpose::Link { .. }) => page.link("enrol"),
        Some(ProviderPurpose::Again { .. }) => page.link_with("login", &[("fresh", "1")]),
        Some(ProviderPurpose::SignIn) | None => page.link_with("login", &[("local", "1")]),
    }
}

const fn status(problem: ProviderProblem) -> u16 {
    match problem {
        ProviderProblem::Unknown => 404,
        ProviderProblem::Stale => 422,
        ProviderProblem::Away => 503,
        ProviderProblem::Clock => 502,
        ProviderProblem::Denied
        | ProviderProblem::Interaction
        | ProviderProblem::Refused
        | ProviderProblem::NotLinked
        | ProviderProblem::Name
        | ProviderProblem::Closed
        | ProviderProblem::TooManyGroups
        | ProviderProblem::NoSecondFactor
        | ProviderProblem::SomebodyElse
        | ProviderProblem::Taken => 403,
    }
}

/// From server to server: no cookie, no form token; what is signed speaks for itself (OpenID Connect Back-Channel Logout section 2.5).
pub async fn backchannel(State(portal): State<Arc<Portal>>, Path(name): Path<String>, body: Bytes) -> Response {
    let form = Fields::parse(&body);
    let status = match portal.services.provider.end_by_token(&name, form.get("logout_token")).await {
        Ok(_) => StatusCode::OK,
        Err(Refused::Provider(ProviderProblem::Unknown)) => StatusCode::NOT_FOUND,
        Err(Refused::Store(error)) => {
            tracing::error!(%error, provider = name, "the store failed; a logout of the provider's was not carried out");
            StatusCode::SERVICE_UNAVAILABLE
        }
        Err(error) => {
            tracing::warn!(%error, provider = name, "a logout token was refused");
            StatusCode::BAD_REQUEST
        }
    };
    let mut response = plain(status);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
