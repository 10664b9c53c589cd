//! The same upstream for a browser each time, by a cookie that holds the gateway's signature of the upstream's name and nothing else.
//! Guarantees that nobody learns an upstream's address from it or chooses one; without the cookie, or if its upstream is down, the next
//! in turn is taken.

use http::{HeaderMap, HeaderValue, header};
use sha2::{Digest, Sha256};

use crate::gateway::authorize::context::Context;
use crate::gateway::authorize::policy;
use crate::gateway::request::cookies::{OwnCookies, Presented};
use crate::gateway::request::parse::RequestInfo;

/// What stands for an upstream of a route in the signature.
fn name(route: &str, label: &str) -> [u8; 32] {
    Sha256::new().chain_update((route.len() as u64).to_be_bytes()).chain_update(route).chain_update(label).finalize().into()
}

/// The endpoint that the browser was led to before, if its route is sticky.
pub fn preferred(headers: &HeaderMap, info: &RequestInfo, context: &Context) -> Option<usize> {
    let admission = context.admission.as_ref();
    let pool = policy::pool(&context.snapshot, admission).filter(|pool| pool.is_sticky())?;
    let route = policy::route(&context.snapshot, admission)?;
    let wanted = context.snapshot.cookies.upstream_name(&route.name, info.secure);
    let Presented::One(value) = OwnCookies::one(headers.get_all(header::COOKIE).iter(), wanted.as_bytes()) else { return None };
    pool.endpoints().iter().position(|endpoint| context.host().is_upstream(value, &name(&route.name, &endpoint.label)))
}

/// The `Set-Cookie` for the endpoint that answers now, if the browser was led to another before, or to none.
pub fn set_cookie(context: &Context) -> Option<HeaderValue> {
    let admission = context.admission.as_ref();
    let pool = policy::pool(&context.snapshot, admission).filter(|pool| pool.is_sticky())?;
    let at = context.tried.last().copied().filter(|at| context.preferred != Some(*at))?;
    let (route, info) = (policy::route(&context.snapshot, admission)?, context.info.as_ref()?);
    let value = context.host().sign_upstream(&name(&route.name, &pool.get(at)?.label))?;
    let cookie = context.snapshot.cookies.upstream_name(&route.name, info.secure);
    let mark = if info.secure { "; Secure" } else { "" };
    HeaderValue::try_from(format!("{cookie}={value}; Path=/{mark}; HttpOnly; SameSite=Lax")).ok()
}
