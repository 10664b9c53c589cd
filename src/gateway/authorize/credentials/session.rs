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
            Lookup::Forged => {
                context.expire_cookie = true;
                (None, None)
            }
        },
    }
}

/// Most requests carry a cookie that an earlier request carried too.
fn look_up(token: &str, info: &RequestInfo, context: &Context) -> Lookup {
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
