//! The gateway's own pages: form in, use case, page out. axum routes them in process; the bridge brings the requests.
//!
//! Every handler takes a [`web::page_request::PageRequest`], which nobody gets without the checks that all pages share: navigation only, and for a
//! POST the form token and the Origin. What a use case refuses is mapped to a page in one place, [`reply`].

mod admin;
mod assets;
mod device;
mod handover;
mod jwks;
mod profile;
mod provider;
mod saved_post;
mod sign_in;
mod web;

pub use web::reply;

use std::sync::Arc;

use axum::routing::{any, get, post};
use axum::{Extension, Router};

use web::extract::KnownPage;
pub use web::page_request::{RequestContext, secure_url};
pub use web::state::Portal;

/// The pages, below the prefix.
pub fn router(portal: Arc<Portal>, prefix: &str) -> Router {
    let pages = Router::new()
        .route("/login", get(sign_in::login::show).post(sign_in::login::submit))
        .route("/login/password", get(sign_in::expired_password::show).post(sign_in::expired_password::submit))
        .route("/login/passkey", post(sign_in::login::passkey))
        .route("/login/with/{name}", post(sign_in::provider::begin))
        .route("/callback/{name}", get(provider::callback::callback))
        .route("/backchannel/{name}", post(provider::callback::backchannel))
        .route("/account/link", post(provider::link::link))
        .route("/account/unlink", post(provider::link::unlink))
        .route("/setup/with/{name}", post(provider::link::set_up))
        .route("/mfa", get(sign_in::mfa::choose).post(sign_in::mfa::chosen))
        .route("/mfa/{method}", get(sign_in::mfa::show).post(sign_in::mfa::submit))
        .route("/mfa/{method}/resend", post(sign_in::mfa::resend))
        .route("/enrol", get(profile::enrol::choose).post(profile::enrol::chosen))
        .route("/enrol/later", post(profile::enrol::later))
        .route("/enrol/verify", get(profile::enrol::verify).post(profile::enrol::vouch))
        .route("/enrol/verify/send", post(profile::enrol::send_vouching))
        .route("/enrol/recovery", get(profile::enrol::codes).post(profile::enrol::codes_saved))
        .route("/enrol/{method}", get(profile::enrol::show).post(profile::enrol::confirm))
        .route("/enrol/{method}/resend", post(profile::enrol::resend))
        .route("/setup", get(sign_in::links::setup).post(sign_in::links::set_up))
        .route("/invite", get(sign_in::invitation::show).post(sign_in::invitation::submit))
        .route("/reset", get(sign_in::links::reset).post(sign_in::links::ask))
        .route("/reset/new", post(sign_in::links::set_new))
        .route("/language", post(sign_in::language::choose))
        .route("/logout", get(sign_in::logout::ask).post(sign_in::logout::end))
        .route("/resume", get(saved_post::page::show).post(saved_post::page::submit))
        .route("/handover", any(handover::hand_over))
        .route("/enter", any(handover::enter))
        .merge(profile::account::routes())
        .merge(profile::contact::routes())
        .merge(profile::tokens::routes())
        .merge(profile::applications::routes())
        .merge(admin::routes())
        .route_layer(Extension(KnownPage))
        .route("/device/register", post(device::register))
        .route("/device/refresh", post(device::refresh))
        .route("/prove", get(device::prove))
        .route("/jwks.json", get(jwks::serve))
        .route("/assets/{name}", get(assets::serve))
        .fallback(web::reply::not_found)
        .method_not_allowed_fallback(web::reply::not_allowed)
        .with_state(portal);
    Router::new().nest(prefix, pages).route("/", get(handover::front))
}
