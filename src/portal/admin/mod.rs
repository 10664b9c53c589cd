//! The administration: users and their second factors, sessions, the audit log, an overview. Every handler takes a [`gate::AdminRequest`],
//! which nobody gets who is not an administrator with a fresh second factor at this very request; every change is audited under the
//! administrator's name.

mod bulk;
mod faults;
mod filter;
mod gate;
mod listing;
mod logs;
mod orders;
mod overview;
mod user;
mod users;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

use super::web::state::Portal;

pub fn routes() -> Router<Arc<Portal>> {
    Router::new()
        .route("/admin", get(overview::show))
        .route("/admin/users", get(users::list).post(users::create))
        .route("/admin/users/new", get(users::new))
        .route("/admin/users/export", get(filter::export))
        .route("/admin/users/{name}", get(user::show).post(user::act))
        .route("/admin/users/{name}/delete", get(user::ask_delete))
        .route("/admin/bulk", get(bulk::show).post(bulk::submit))
        .route("/admin/sessions", get(logs::sessions).post(logs::end_session))
        .route("/admin/audit", get(logs::audit))
}

#[cfg(test)]
mod tests;
