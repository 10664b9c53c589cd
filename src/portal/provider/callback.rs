//! Back from a provider: the answer that the browser brings, and what the provider says behind its back.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;

use crate::portal::profile::external;
use crate::portal::sign_in::login::{second, signed_in};
use crate::portal::sign_in::provider::failed;
use crate::portal::web::fields::Fields;
use crate::portal::web::headers::plain;
use crate::portal::web::page_request::PageRequest;
use crate::portal::web::reply::Reply;
use crate::portal::web::state::Portal;
use crate::service::provider::Answered;
use crate::service::refused::ProviderProblem;
use crate::service::{Entry, Refused};
use crate::source::provider::Answer;

/// Of an answer's parts; what is longer is none of a provider's.
const LONGEST: usize = 8 * 1024;

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
        Ok(Answered::OwnLinked) => Ok(Reply::to(req, "account")),
        Ok(Answered::Linked(linked)) => external::set_up(req, *linked).await,
        Err(Refused::Provider(problem)) => Ok(failed(req, name, Some(&question), problem)),
        // The question is used up; the sign-in that it belonged to may be over too.
        Err(Refused::Gone | Refused::NotOffered(_)) => Ok(failed(req, name, Some(&question), ProviderProblem::Stale)),
        Err(other) => Err(other),
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
