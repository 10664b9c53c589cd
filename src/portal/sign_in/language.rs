//! The reader's own choice of a language, kept in a cookie that opens nothing.

use std::time::Duration;

use axum::response::Response;

use crate::portal::web::page_request::PageRequest;
use crate::portal::web::reply::Reply;
use crate::session::CookieKind;

/// As long as a browser is known for.
const AGE: Duration = Duration::from_secs(400 * 24 * 3600);

/// Ends of paths that only take forms: there is no page to come back to.
const FORMS: [&str; 10] = [
    "/sessions/end",
    "/browsers/revoke",
    "/methods/rename",
    "/methods/remove",
    "/tokens/revoke",
    "/resend",
    "/login/passkey",
    "/verify/send",
    "/reset/new",
    "/language",
];

/// Back to the page that the choice was made on.
pub async fn choose(req: PageRequest) -> Response {
    let page = req.came_from.clone().filter(|page| !FORMS.iter().any(|end| page.split('?').next().unwrap_or_default().ends_with(end)));
    let reply = Reply::go(page.unwrap_or_else(|| req.page().link("login")));
    let reply = match req.languages.named(req.form.get("language")) {
        Some(words) => reply.cookie(req.cookies.set(CookieKind::Language, &words.meta.lang, Some(AGE))),
        None => reply,
    };
    req.answer(Ok(reply))
}
