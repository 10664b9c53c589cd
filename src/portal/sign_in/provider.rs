//! The way to a provider, and the page on which it ends that something went wrong: always with a way on that somebody has to choose, so
//! that nothing here leads around in circles by itself.

use std::time::Duration;

use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;

use crate::login::{ProviderPurpose, ProviderRequest};
use crate::portal::web::page_request::PageRequest;
use crate::portal::web::reply::Reply;
use crate::service::Refused;
use crate::service::provider::Ask;
use crate::service::refused::ProviderProblem;
use crate::view::fill;
use crate::view::message::{self, Way};

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
        ProviderProblem::SignInThere => &words.sign_in_there,
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
        Some(ProviderPurpose::OwnLink { .. }) => page.link("account"),
        Some(ProviderPurpose::SignIn | ProviderPurpose::SetUp { .. }) | None => page.link_with("login", &[("local", "1")]),
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
        | ProviderProblem::Taken
        | ProviderProblem::SignInThere => 403,
    }
}
