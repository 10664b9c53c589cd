//! My account: API tokens. Looking needs a session, making one a full and recent sign-in.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use axum::routing::{get, post};
use ipnet::IpNet;

use super::account::{pages as account_pages, with_session};
use crate::base::{Time, TokenId};
use crate::policy::Route;
use crate::portal::Portal;
use crate::portal::web::page_request::PageRequest;
use crate::portal::web::reply::Reply;
use crate::service::audit::Actor;
use crate::service::tokens::{NewToken, TokenError, TokenView};
use crate::service::{LiveSession, Refused};
use crate::view::tokens::{self as pages, TokenRow, TokensView, Typed};
use crate::view::{Note, fill};

const DAY: u64 = 86_400;
/// What the form proposes.
const PROPOSED_DAYS: u64 = 90;

pub fn routes() -> Router<Arc<Portal>> {
    Router::new().route("/account/tokens", get(show).post(create)).route("/account/tokens/revoke", post(revoke))
}

async fn show(mut req: PageRequest) -> Response {
    req.come_back_to("account/tokens");
    with_session(req, async |req, session| page(req, session, typed_days(req), None).await).await
}

fn most_days(req: &PageRequest) -> u64 {
    req.context.config.tokens.max_lifetime.as_secs() / DAY
}

fn typed_days(req: &PageRequest) -> Typed {
    Typed { days: PROPOSED_DAYS.min(most_days(req)).to_string(), ..Typed::default() }
}

async fn page(req: &PageRequest, session: &LiveSession, typed: Typed, note: Option<Note>) -> Result<Reply, Refused> {
    let account = req.services.store.account(session.user()).await?.ok_or(Refused::Gone)?;
    let tokens = req.services.api_tokens.list(Some(&account)).await?;
    let config = &req.context.config;
    let takes = |route: &&Route| !route.application.tokens.is_none();
    let wrong = matches!(note, Some(Note::Error(_)));
    let view = TokensView {
        tokens: tokens.into_iter().map(|token| row(token, &config.routes)).collect(),
        routes: config.routes.iter().filter(takes).map(|route| (route.name.to_string(), route.called().to_owned())).collect(),
        most_days: most_days(req),
        typed,
        pages: account_pages(req, &account),
        note,
    };
    let page = pages::tokens(&req.page(), &view);
    Ok(if wrong { Reply::wrong(page) } else { Reply::ok(page) })
}

pub fn row(token: TokenView, routes: &[Route]) -> TokenRow {
    let called =
        |name: &String| routes.iter().find(|route| *route.name == **name).map_or_else(|| name.clone(), |route| route.called().to_owned());
    TokenRow {
        id: token.id,
        name: token.name,
        routes: token.routes.iter().map(called).collect(),
        expires: Time::parse(&token.expires).unwrap_or_default(),
        last_used: token.last_used.and_then(|at| Time::parse(&at)),
        last_used_from: token.last_used_from.unwrap_or_default(),
    }
}

/// What was typed, shortened to what a form shows again.
fn typed(req: &PageRequest) -> Typed {
    let short = |name: &str| req.form.get(name).chars().take(256).collect::<String>();
    Typed {
        name: short("name"),
        days: short("days"),
        routes: req.form.all("route").map(str::to_owned).collect(),
        methods: short("methods"),
        networks: short("networks"),
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', ' ']).map(str::trim).filter(|word| !word.is_empty())
}

/// The token that was asked for, or what is wrong with it.
fn read(req: &PageRequest, typed: &Typed) -> Result<NewToken, Note> {
    let said = &req.words.tokens;
    let days = typed.days.trim().trim_end_matches('d').parse::<u64>().ok().filter(|days| (1..=most_days(req).max(1)).contains(days));
    let days = days.ok_or_else(|| Note::Error(fill(&said.bad_days, &[("days", &most_days(req).to_string())])))?;
    let network = |word: &str| word.parse::<IpNet>().ok().or_else(|| word.parse::<std::net::IpAddr>().ok().map(IpNet::from));
    let networks = words(&typed.networks).map(|word| network(word).map(|net| net.trunc())).collect::<Option<Vec<_>>>();
    Ok(NewToken {
        name: typed.name.clone(),
        lifetime: Duration::from_secs(days * DAY),
        routes: typed.routes.clone(),
        methods: words(&typed.methods).map(str::to_ascii_uppercase).collect(),
        networks: networks.ok_or_else(|| Note::Error(said.bad_network.clone()))?,
    })
}

fn note(req: &PageRequest, error: TokenError) -> Result<Note, Refused> {
    let said = &req.words.tokens;
    Ok(Note::Error(match error {
        TokenError::BadName => said.bad_name.clone(),
        TokenError::BadLifetime(days) => fill(&said.bad_days, &[("days", &days.to_string())]),
        TokenError::UnknownRoute(_) => said.bad_route.clone(),
        TokenError::BadMethod(_) => said.bad_method.clone(),
        TokenError::TooMany => said.too_many.clone(),
        TokenError::Changed => said.changed.clone(),
        TokenError::Refused(refused) => return Err(refused),
    }))
}

async fn create(mut req: PageRequest) -> Response {
    req.come_back_to("account/tokens");
    with_session(req, async |req, session| {
        let typed = typed(req);
        let new = match read(req, &typed) {
            Ok(new) => new,
            Err(wrong) => return page(req, session, typed, Some(wrong)).await,
        };
        match req.services.api_tokens.make_own(session, &new, &req.client).await {
            Ok((token, view)) => Ok(Reply::ok(pages::made(&req.page(), &view.name, token.expose()))),
            Err(error) => page(req, session, typed, Some(note(req, error)?)).await,
        }
    })
    .await
}

async fn revoke(mut req: PageRequest) -> Response {
    req.come_back_to("account/tokens");
    with_session(req, async |req, session| {
        if let Ok(id) = req.form.get("id").parse::<TokenId>() {
            req.services.api_tokens.revoke(id, Some(session.user()), Actor::User(&req.client)).await?;
        }
        page(req, session, typed_days(req), Some(Note::Done(req.words.tokens.revoked.clone()))).await
    })
    .await
}
