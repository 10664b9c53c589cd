//! What a route changes in requests and answers beside the gateway's own headers: a prefix that the application does not know, and
//! headers that its operator sets or removes.

use http::{HeaderName, HeaderValue, header};
use pingora::Result;
use pingora::http::{RequestHeader, ResponseHeader};
use smallvec::SmallVec;

use crate::gateway::authorize::context::Context;
use crate::gateway::authorize::policy;
use crate::gateway::proxy::fields::{Outgoing, Unsendable, set};
use crate::gateway::request::{header_names, prefix};
use crate::policy::HeaderChange;

const DESTINATION: HeaderName = HeaderName::from_static("destination");

/// Changes a request as it goes out; its target is in origin-form by now.
///
/// # Errors
/// If the prefix cannot be cut off, which was seen to before.
pub fn request(header: &mut RequestHeader, out: &Outgoing<'_>) -> Result<(), Unsendable> {
    if let Some(prefix) = &out.route.proxy.strip_prefix {
        let sent = prefix::strip(header.raw_path(), prefix).ok_or(Unsendable("the path"))?.into_owned();
        header.set_raw_path(&sent).map_err(|_| Unsendable("the path"))?;
        set(header, "X-Forwarded-Prefix", prefix.as_bytes())?;
        if let Some(destination) = header.headers.get(&DESTINATION) {
            let moved = prefix::strip_destination(destination, prefix, &out.info.authority).ok_or(Unsendable("the destination"))?;
            header.insert_header(DESTINATION, moved).map_err(|_| Unsendable("the destination"))?;
        }
    }
    for change in &out.route.application.request_headers {
        remove_alike(header, &change.header);
        match &change.value {
            Some(value) => header.insert_header(change.name.clone(), value.clone()).map_err(|_| Unsendable("a header"))?,
            None => drop(header.remove_header(&change.header)),
        }
    }
    Ok(())
}

/// Other spellings of a name, which some applications take for it: a client could say there what the operator sets or removes.
fn remove_alike(header: &mut RequestHeader, name: &HeaderName) {
    let alike = |other: &&HeaderName| *other != name && header_names::alike(other.as_str(), name.as_str());
    let found: SmallVec<[HeaderName; 2]> = header.headers.keys().filter(alike).cloned().collect();
    for other in found {
        header.remove_header(&other);
    }
}

/// Changes an answer of the application.
///
/// # Errors
/// None that is known; pingora's header type may refuse a value.
pub fn response(response: &mut ResponseHeader, context: &Context) -> Result<()> {
    let Some(route) = policy::route(&context.snapshot, context.admission.as_ref()) else { return Ok(()) };
    if let (Some(prefix), Some(info)) = (&route.proxy.strip_prefix, &context.info) {
        restore(response, prefix, &info.authority)?;
    }
    if response.status.is_informational() {
        return Ok(());
    }
    route.application.response_headers.iter().try_for_each(|change| apply(response, change))
}

fn apply(response: &mut ResponseHeader, change: &HeaderChange) -> Result<()> {
    match &change.value {
        Some(value) => response.insert_header(change.name.clone(), value.clone()),
        None => {
            response.remove_header(&change.header);
            Ok(())
        }
    }
}

/// The application's own paths, below the prefix.
fn restore(response: &mut ResponseHeader, prefix: &str, authority: &str) -> Result<()> {
    for name in [header::LOCATION, header::CONTENT_LOCATION] {
        if let Some(moved) = response.headers.get(&name).and_then(|value| prefix::restore_location(value, prefix, authority)) {
            response.insert_header(name, moved)?;
        }
    }
    let lines: Vec<HeaderValue> = response.headers.get_all(header::SET_COOKIE).iter().cloned().collect();
    let moved: Vec<Option<HeaderValue>> = lines.iter().map(|line| prefix::restore_cookie(line, prefix)).collect();
    if moved.iter().any(Option::is_some) {
        response.remove_header(&header::SET_COOKIE);
        for (line, moved) in lines.into_iter().zip(moved) {
            response.append_header(header::SET_COOKIE, moved.unwrap_or(line))?;
        }
    }
    Ok(())
}
