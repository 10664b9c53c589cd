//! The gateway's own headers, ready to be sent with a client's. Guarantees the same header as writing them among the client's does;
//! it costs less where a client sends few. pingora reads, copies and places each name that is inserted, twice; the names here are
//! read once and shared from then on.

use std::net::IpAddr;
use std::sync::Arc;

use http::header::{COOKIE, HOST};
use http::{HeaderValue, Method, Version};
use pingora::http::RequestHeader;

use super::{Outgoing, Unsendable, insert, is_ours, join_crumbs, origin_form, write_fixed};
use crate::gateway::memory;
use crate::gateway::upstream::Pool;
use crate::policy::Person;

/// Lines that a header has room for from the start: ours, and a client's.
const ROOM: usize = 10 + super::FEW;

/// What the part of a header that does not change from request to request is made from: places in memory, which [`Prepared`] keeps alive, so that
/// nothing else can come there while it is remembered.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Basis {
    pool: usize,
    at: usize,
    authority: usize,
    person: usize,
    peer: IpAddr,
    secure: bool,
}

impl Basis {
    fn new(out: &Outgoing<'_>) -> Self {
        Self {
            pool: Arc::as_ptr(out.pool).addr(),
            at: out.at,
            authority: Arc::as_ptr(&out.asked.authority).addr(),
            person: out.person.map_or(0, |person| Arc::as_ptr(person).addr()),
            peer: out.asked.peer,
            secure: out.asked.secure,
        }
    }
}

/// That part.
pub struct Prepared {
    header: RequestHeader,
    _pool: Arc<Pool>,
    _authority: Arc<str>,
    _person: Option<Arc<Person>>,
}

impl Prepared {
    fn new(out: &Outgoing<'_>) -> Result<Self, Unsendable> {
        let mut header = RequestHeader::build(Method::GET, b"/", Some(ROOM)).map_err(|_| Unsendable("a header"))?;
        write_fixed(&mut header, out)?;
        insert(&mut header, "X-Request-Id", HeaderValue::from_static(""))?;
        Ok(Self { header, _pool: Arc::clone(out.pool), _authority: Arc::clone(&out.asked.authority), _person: out.person.cloned() })
    }
}

/// The client's header with the gateway's: what is not the gateway's to say, copied onto what is.
///
/// # Errors
/// Where a name or the target cannot be sent.
pub fn join(header: &RequestHeader, out: &Outgoing<'_>) -> Result<RequestHeader, Unsendable> {
    let basis = Basis::new(out);
    let mut joined = match memory::last_prepared(&basis, |known| known.header.clone()) {
        Some(ready) => ready,
        None => prepare(basis, out)?,
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

fn prepare(basis: Basis, out: &Outgoing<'_>) -> Result<RequestHeader, Unsendable> {
    let prepared = Prepared::new(out)?;
    let header = prepared.header.clone();
    memory::remember_prepared(basis, prepared);
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
