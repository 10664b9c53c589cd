//! The session cookie of a request, and the live session behind it. Guarantees that two cookies of its name, or a forged one, are nobody's.

use std::sync::Arc;

use http::header;
use pingora::http::RequestHeader;

use crate::gateway::authorize::context::Context;
use crate::gateway::authorize::revocation::with_cache;
use crate::gateway::host::{Lookup, UserSession};
use crate::gateway::request::cookies::Presented;
use crate::gateway::request::parse::RequestInfo;

/// The value of the one session cookie, and the live session behind it.
pub type Identified<'s> = (Option<&'s str>, Option<Arc<dyn UserSession>>);

pub fn identify<'s>(header: &'s RequestHeader, context: &mut Context, info: &RequestInfo) -> Identified<'s> {
    let lines = header.headers.get_all(header::COOKIE);
    match context.snapshot.cookies.presented(lines.iter(), info.secure) {
        Presented::None => (None, None),
        Presented::Unusable => {
            context.expire_cookie = true;
            (None, None)
        }
        Presented::One(token) => match look_up(token, info, context) {
            Lookup::Live(user_session) => (Some(token), Some(user_session)),
            Lookup::Ended => (Some(token), None),
            Lookup::Unknown => {
                context.session_unknown = true;
                (Some(token), None)
            }
            Lookup::Elsewhere => {
                context.session_elsewhere = true;
                (Some(token), None)
            }
            Lookup::Forged => {
                context.expire_cookie = true;
                (None, None)
            }
        },
    }
}

/// Most requests carry a cookie that an earlier request carried too.
fn look_up(token: &str, info: &RequestInfo, context: &mut Context) -> Lookup {
    if context.session_found.is_some() {
        return found(token, info, context);
    }
    let recent = with_cache(|cache| cache.session(token)).flatten();
    if let Some(user_session) = recent.filter(|user_session| user_session.accepts(token, info.secure, context.at)) {
        return Lookup::Live(user_session);
    }
    let found = context.host().session(token, info.secure, context.at);
    if let Lookup::Live(user_session) = &found {
        with_cache(|cache| cache.remember_session(token, user_session));
    }
    found
}

/// What was found of a session that was not in memory, if it still stands.
fn found(token: &str, info: &RequestInfo, context: &mut Context) -> Lookup {
    let found = match context.session_found.take() {
        Some(Lookup::Live(session)) if !session.accepts(token, info.secure, context.at) => Lookup::Ended,
        Some(Lookup::Elsewhere) | None => Lookup::Unknown,
        Some(found) => found,
    };
    if let Lookup::Live(user_session) = &found {
        with_cache(|cache| cache.remember_session(token, user_session));
    }
    found
}

/// The cookie's value of the session that is not in memory, if the decision waits for it.
pub fn waits_for_session(header: &RequestHeader, context: &Context) -> Option<String> {
    if !context.session_elsewhere {
        return None;
    }
    let secure = context.info.as_ref()?.secure;
    match context.snapshot.cookies.presented(header.headers.get_all(header::COOKIE).iter(), secure) {
        Presented::One(token) => Some(token.to_owned()),
        Presented::None | Presented::Unusable => None,
    }
}
