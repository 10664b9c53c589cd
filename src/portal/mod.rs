//! The gateway's own pages: form in, use case, page out. axum routes them in process; the bridge brings the requests.
//!
//! Every handler takes a [`visit::Visit`], which nobody gets without the checks that all pages share: navigation only, and for a
//! POST the form token and the Origin. What a use case refuses is mapped to a page in one place, [`reply`].

mod account;
mod admin;
mod assets;
mod contact;
mod csrf;
mod enrol;
mod fields;
mod links;
mod login;
mod logout;
mod mfa;
pub mod reply;
mod resume;
mod shown;
mod visit;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::service::Services;
use crate::view::Languages;

pub use visit::{Request, secure_url};

/// What the pages work with.
pub struct Portal {
    pub services: Arc<Services>,
    pub languages: Arc<Languages>,
}

/// The pages, below the prefix.
pub fn router(portal: Arc<Portal>, prefix: &str) -> Router {
    let pages = Router::new()
        .route("/login", get(login::show).post(login::submit))
        .route("/login/passkey", post(login::passkey))
        .route("/mfa", get(mfa::choose).post(mfa::chosen))
        .route("/mfa/{method}", get(mfa::show).post(mfa::submit))
        .route("/mfa/{method}/resend", post(mfa::resend))
        .route("/enrol", get(enrol::choose).post(enrol::chosen))
        .route("/enrol/later", post(enrol::later))
        .route("/enrol/verify", get(enrol::verify).post(enrol::vouch))
        .route("/enrol/verify/send", post(enrol::send_vouching))
        .route("/enrol/recovery", get(enrol::codes).post(enrol::codes_saved))
        .route("/enrol/{method}", get(enrol::show).post(enrol::confirm))
        .route("/enrol/{method}/resend", post(enrol::resend))
        .route("/setup", get(links::setup).post(links::set_up))
        .route("/reset", get(links::reset).post(links::ask))
        .route("/reset/new", post(links::set_new))
        .route("/logout", get(logout::ask).post(logout::end))
        .route("/resume", get(resume::show).post(resume::submit))
        .route("/assets/{name}", get(assets::serve))
        .merge(account::routes())
        .merge(contact::routes())
        .merge(admin::routes())
        .fallback(reply::not_found)
        .method_not_allowed_fallback(reply::not_allowed)
        .with_state(portal);
    Router::new().nest(prefix, pages)
}
