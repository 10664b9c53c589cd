//! What an application is told of the person, under its own names: made once for a person on a route and cached by the shard, renewed
//! when the assertion in it is due. Guarantees that nothing goes out where not all of it can.

use std::sync::Arc;

use http::HeaderValue;

use crate::base::Time;
use crate::config::PortalUrl;
use crate::gateway::authorize::cache::{Told, ToldKey};
use crate::gateway::authorize::revocation::with_cache;
use crate::gateway::proxy::fields::{Outgoing, TOO_LARGE, Unsendable};
use crate::identity::assertion::Claims;
use crate::identity::{self, MAX_BYTES, Subject};
use crate::policy::{Assertion, Person};

/// The headers that say who asks; `None` if the application is told nothing.
///
/// # Errors
/// If a value cannot be sent, there is too much of it, or the assertion cannot be signed.
pub fn told(out: &Outgoing<'_>) -> Result<Option<Arc<Told>>, Unsendable> {
    let Some(person) = out.person else { return Ok(None) };
    let key = ToldKey {
        pool: Arc::as_ptr(out.pool).addr(),
        authority: Arc::as_ptr(&out.info.authority).addr(),
        person: Arc::as_ptr(person).addr(),
        secure: out.info.secure,
    };
    let known = with_cache(|cache| cache.told(&key)).flatten().filter(|told| told.is_current(out.now));
    if known.is_some() {
        return Ok(known);
    }
    let told = Arc::new(tell(person, out)?);
    with_cache(|cache| cache.remember_told(key, &told));
    Ok(Some(told))
}

fn tell(person: &Arc<Person>, out: &Outgoing<'_>) -> Result<Told, Unsendable> {
    let who = Subject { user: &person.name, name: &person.display_name, email: &person.email, groups: &person.groups };
    let mut headers = identity::write(&out.route.application.identity, &who).map_err(|e| match e {
        identity::Unsendable::TooLarge(bytes) => {
            tracing::warn!(user = person.name, groups = person.groups.len(), bytes, "the identity is larger than 8 KiB");
            TOO_LARGE
        }
        identity::Unsendable::Value(what) => Unsendable(what),
    })?;
    let mut renew = None;
    if let Some(assertion) = &out.route.application.assertion {
        let (value, until) = assert(assertion, person, out)?;
        headers.push((assertion.header.clone(), value));
        renew = Some(until);
    }
    let keeps_alive = (Arc::clone(out.pool), Arc::clone(&out.info.authority), Arc::clone(person));
    Ok(Told { headers, renew, _keeps_alive: keeps_alive })
}

fn assert(assertion: &Assertion, person: &Person, out: &Outgoing<'_>) -> Result<(HeaderValue, Time), Unsendable> {
    let unsigned = Unsendable("an assertion that is not signed");
    let speaker = out.speaker.as_ref().ok_or(unsigned)?;
    let facts = speaker.session.facts().ok_or(unsigned)?;
    let own = || format!("{}://{}", if out.info.secure { "https" } else { "http" }, out.info.authority);
    let issuer = speaker.portal.map_or_else(own, PortalUrl::origin);
    let claims = Claims {
        iss: &issuer,
        aud: &assertion.audience,
        sub: &facts.subject,
        preferred_username: &person.name,
        name: &person.display_name,
        email: &person.email,
        groups: &person.groups,
        auth_time: facts.auth_time.unix(),
        amr: &facts.amr,
        sid: &facts.session,
    };
    let signed = speaker.host.assert(&claims, assertion.lifetime, out.now).map_err(|_| unsigned)?;
    if signed.value.len() + assertion.header.len() > MAX_BYTES {
        tracing::warn!(user = person.name, groups = person.groups.len(), bytes = signed.value.len(), "the assertion is larger than 8 KiB");
        return Err(TOO_LARGE);
    }
    Ok((signed.value, signed.renew))
}
