//! The gateway's headers, prepared once and cloned for each request. Guarantees the same result as writing them among the client's
//! headers; it costs less if a client sends few. pingora parses, copies and stores each name that is inserted, twice; these names are
//! parsed once and shared from then on.

use std::sync::Arc;

use http::header::{AUTHORIZATION, CONNECTION, COOKIE, HOST};
use http::{HeaderValue, Method, Version};
use pingora::http::RequestHeader;

use crate::base::Time;
use crate::gateway::authorize::cache::{HeaderKey, PreparedHeaders};
use crate::gateway::authorize::revocation::with_cache;
use crate::gateway::proxy::fields::{Outgoing, Unsendable, insert, join_crumbs, origin_form, write_forwarding};
use crate::gateway::proxy::identity;
use crate::gateway::request::header_names::is_ours;

/// Lines for which a header has room from the start: ours, and a client's.
const ROOM: usize = 18;

fn key(out: &Outgoing<'_>) -> HeaderKey {
    HeaderKey {
        pool: Arc::as_ptr(out.pool).addr(),
        at: out.at,
        authority: Arc::as_ptr(&out.info.authority).addr(),
        person: out.person.map_or(0, |person| Arc::as_ptr(person).addr()),
        peer: out.info.peer,
        secure: out.info.secure,
    }
}

/// What requests of one user over one connection to one host have in common; and until when.
///
/// # Errors
/// If a value cannot be sent.
pub fn write_fixed(header: &mut RequestHeader, out: &Outgoing<'_>) -> Result<Option<Time>, Unsendable> {
    write_forwarding(header, out)?;
    let Some(told) = identity::told(out)? else { return Ok(None) };
    for (name, value) in &told.headers {
        header.insert_header(name.clone(), value.clone()).map_err(|_| Unsendable("an identity"))?;
    }
    Ok(told.renew)
}

fn build(out: &Outgoing<'_>) -> Result<PreparedHeaders, Unsendable> {
    let mut header = RequestHeader::build(Method::GET, b"/", Some(ROOM)).map_err(|_| Unsendable("a header"))?;
    let renew = write_fixed(&mut header, out)?;
    insert(&mut header, "X-Request-Id", HeaderValue::from_static(""))?;
    let keeps_alive = (Arc::clone(out.pool), Arc::clone(&out.info.authority), out.person.cloned());
    Ok(PreparedHeaders { header, renew, _keeps_alive: keeps_alive })
}

/// The client's header with the gateway's: the client's lines, except those that are the gateway's to say, are added to the prepared ones.
///
/// # Errors
/// If a name or the target cannot be sent.
pub fn join(header: &RequestHeader, out: &Outgoing<'_>) -> Result<RequestHeader, Unsendable> {
    let key = key(out);
    let mut joined = match with_cache(|cache| cache.headers(&key, out.now).map(|known| known.header.clone())).flatten() {
        Some(ready) => ready,
        None => prepare(key, out)?,
    };
    joined.set_method(header.method.clone());
    joined.set_version(header.version);
    aim(&mut joined, header)?;
    // Over HTTP/2 there is no original spelling of names.
    let mut spelt = header.case_header_iter().map(|(name, _)| name);
    for (name, value) in &header.headers {
        let spelt = spelt.next();
        if *name == HOST || *name == CONNECTION || (out.token_came && *name == AUTHORIZATION) || is_ours(out.names, name, &header.method) {
            continue;
        }
        let changed = if *name == COOKIE { out.cookies.without_own(value) } else { None };
        let value = match changed {
            None => value.clone(),
            Some(nothing) if nothing.is_empty() => continue,
            Some(others) => HeaderValue::try_from(others).map_err(|_| Unsendable("a cookie"))?,
        };
        let added = match spelt {
            Some(spelt) => joined.append_header(spelt.clone(), value),
            None => joined.append_header(name, value),
        };
        added.map_err(|_| Unsendable("a client's header"))?;
    }
    if out.version == Version::HTTP_2 {
        join_crumbs(&mut joined);
    }
    Ok(joined)
}

fn prepare(key: HeaderKey, out: &Outgoing<'_>) -> Result<RequestHeader, Unsendable> {
    let prepared = build(out)?;
    let header = prepared.header.clone();
    with_cache(|cache| cache.remember_headers(key, prepared));
    Ok(header)
}

/// Sets the same target, byte for byte.
fn aim(joined: &mut RequestHeader, header: &RequestHeader) -> Result<(), Unsendable> {
    if header.uri.authority().is_some() {
        joined.set_uri(origin_form(header)?);
    } else if header.raw_path_is_utf8() {
        joined.set_uri(header.uri.clone());
    } else {
        joined.set_raw_path(header.raw_path()).map_err(|_| Unsendable("the path"))?;
    }
    if joined.raw_path() == header.raw_path() { Ok(()) } else { Err(Unsendable("the path")) }
}
