//! The gateway's own headers, ready to be sent with a client's. Guarantees the same header as writing them among the client's does;
//! it costs less where a client sends few. pingora reads, copies and places each name that is inserted, twice; the names here are
//! read once for a connection and shared from then on.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::header::{COOKIE, HOST};
use http::{HeaderValue, Method, Version};
use pingora::http::RequestHeader;

use super::{Outgoing, Unsendable, insert, is_ours, join_crumbs, origin_form, write_fixed};
use crate::gateway::line;
use crate::gateway::upstream::Pool;
use crate::policy::Person;

/// Lines that a header has room for from the start: ours, and a client's.
const ROOM: usize = 10 + super::FEW;

/// The part of a header that does not change from request to request, and what it was made for.
pub struct Prepared {
    header: RequestHeader,
    pool: Arc<Pool>,
    at: usize,
    authority: Arc<str>,
    peer: IpAddr,
    secure: bool,
    person: Option<Arc<Person>>,
}

/// Without the person's names.
impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared").finish_non_exhaustive()
    }
}

impl Prepared {
    fn new(out: &Outgoing<'_>) -> Result<Self, Unsendable> {
        let mut header = RequestHeader::build(Method::GET, b"/", Some(ROOM)).map_err(|_| Unsendable("a header"))?;
        write_fixed(&mut header, out)?;
        insert(&mut header, "X-Request-Id", HeaderValue::from_static(""))?;
        let (pool, authority, person) = (Arc::clone(out.pool), Arc::clone(&out.asked.authority), out.person.cloned());
        Ok(Self { header, pool, at: out.at, authority, peer: out.asked.peer, secure: out.asked.secure, person })
    }

    /// By place in memory: it keeps alive what it was made for, so that nothing else can have come there.
    fn is_for(&self, out: &Outgoing<'_>) -> bool {
        let same_person = match (&self.person, out.person) {
            (Some(own), Some(other)) => Arc::ptr_eq(own, other),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        same_person
            && Arc::ptr_eq(&self.pool, out.pool)
            && Arc::ptr_eq(&self.authority, &out.asked.authority)
            && (self.at, self.peer, self.secure) == (out.at, out.asked.peer, out.asked.secure)
    }
}

/// The client's header with the gateway's: what is not the gateway's to say, copied onto what is.
///
/// # Errors
/// Where a name or the target cannot be sent.
pub fn join(header: &RequestHeader, out: &Outgoing<'_>) -> Result<RequestHeader, Unsendable> {
    let mut joined = match line::last_prepared(|known| known.is_for(out).then(|| known.header.clone())) {
        Some(ready) => ready,
        None => prepare(out)?,
    };
    joined.set_method(header.method.clone());
    joined.set_version(header.version);
    aim(&mut joined, header)?;
    // Over HTTP/2 no name is spelt in a way of its own.
    let mut spelt = header.case_header_iter().map(|(name, _)| name);
    for (name, value) in &header.headers {
        let spelt = spelt.next();
        if *name == HOST || is_ours(name, &header.method) {
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

fn prepare(out: &Outgoing<'_>) -> Result<RequestHeader, Unsendable> {
    let prepared = Prepared::new(out)?;
    let header = prepared.header.clone();
    line::remember_prepared(prepared);
    Ok(header)
}

/// The same target, in the bytes in which it came.
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
