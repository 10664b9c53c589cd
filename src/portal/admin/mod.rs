//! The administration: users and their second factors, sessions, the audit log, an overview. Every handler takes a [`gate::Desk`],
//! which nobody gets who is not an administrator with a fresh second factor at this very request; every change is audited under the
//! administrator's name.

mod faults;
mod gate;
mod logs;
mod orders;
mod overview;
mod user;
mod users;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

use super::Portal;
use crate::base::Time;
use crate::service::admin::directory::Locked;
use crate::view::admin::State;

pub fn routes() -> Router<Arc<Portal>> {
    Router::new()
        .route("/admin", get(overview::show))
        .route("/admin/users", get(users::list).post(users::create))
        .route("/admin/users/new", get(users::new))
        .route("/admin/users/{name}", get(user::show).post(user::act))
        .route("/admin/users/{name}/delete", get(user::ask_delete))
        .route("/admin/sessions", get(logs::sessions).post(logs::end_session))
        .route("/admin/audit", get(logs::audit))
}

/// Whether an account can be used.
fn state(disabled: bool, locked: Option<Locked>, now: Time) -> State {
    match locked.filter(|locked| locked.holds(now)) {
        _ if disabled => State::Disabled,
        Some(Locked::Until(until)) => State::Locked(until),
        Some(Locked::ForGood) => State::Locked(now),
        None => State::Active,
    }
}

/// A page's number in a query; the first where it is none.
fn page_number(text: &str) -> usize {
    text.parse().unwrap_or(1)
}

#[cfg(test)]
mod tests;
