//! Saves a form POST that met a session which had ended (`keep_post`). Guarantees that only a form is saved that a user sent from a page
//! of the same host, with a session cookie of this gateway: what a stranger can make a browser send is never saved, and so never sent
//! in the name of the next user who signs in.

use std::time::Duration;

use http::{HeaderMap, Method, header};
use pingora::Result;
use pingora::http::RequestHeader;
use pingora::proxy::Session;

use crate::base::SavedPostId;
use crate::gateway::authorize::context::Context;
use crate::gateway::authorize::policy::Route;
use crate::gateway::request::body::read_body;
use crate::gateway::request::parse::RequestInfo;
use crate::gateway::request::{navigation, target};
use crate::gateway::saved_post::recognition;
use crate::service::saved_post::{Confirmation, Form};
use crate::session::origin;

/// The largest body of a form that is saved, in bytes.
const MAX_FORM: usize = 256 * 1024;

/// How long the store may take; after that the form is not saved.
const KEEP_DEADLINE: Duration = Duration::from_secs(10);

/// The media types of forms (HTML, `enctype`).
const FORM_TYPES: [&str; 3] = ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain"];

/// Saves the form of a request that is about to be challenged, if it is one; returns the page to come back to.
///
/// # Errors
/// If the client is gone.
pub async fn interrupted(session: &mut Session, context: &mut Context, route: &Route, token: Option<&str>) -> Result<Option<String>> {
    if recognition::may_be(session.req_header(), &context.snapshot.config.portal.prefix) {
        return confirmed_too_late(session, context).await;
    }
    let Some(form) = read(session, context, route) else { return Ok(None) };
    if token.and_then(|token| context.host().owner(token)).is_none() {
        return Ok(None);
    }
    // One that cannot be read, for whatever reason, is not saved: the user signs in and types it again.
    let Ok(body) = read_body(session, MAX_FORM, || context.large_body()).await? else { return Ok(None) };
    Ok(save(context, token, Form { body: body.bytes, ..form }).await)
}

/// The session ended again before the form was confirmed: it is still saved, and its page is where to come back to.
async fn confirmed_too_late(session: &mut Session, context: &mut Context) -> Result<Option<String>> {
    let body = read_body(session, Confirmation::LENGTH + 2, || context.large_body()).await?;
    let page = body.ok().and_then(|body| Confirmation::read(&body.bytes)).map(|confirmation| resume_page(context, confirmation.id));
    context.navigation = context.navigation || page.is_some();
    Ok(page)
}

/// Saves a form for the owner of the session that the cookie's value names or named.
pub async fn save(context: &mut Context, token: Option<&str>, form: Form) -> Option<String> {
    let owner = context.host().owner(token?)?;
    let keeping = context.host().save_post(owner, form);
    let id = tokio::time::timeout(KEEP_DEADLINE, keeping).await.ok().flatten()?;
    context.navigation = true;
    Some(resume_page(context, id))
}

fn resume_page(context: &Context, id: SavedPostId) -> String {
    format!("{}/resume?id={id}", context.snapshot.config.portal.prefix)
}

/// The form as far as the request's header tells, if it may be saved.
fn read(session: &Session, context: &Context, route: &Route) -> Option<Form> {
    let header = session.req_header();
    let info = context.info.as_ref().filter(|_| route.keep_post)?;
    let content_type = keepable(header, info)?;
    let target = std::str::from_utf8(header.raw_path()).ok()?.to_owned();
    Some(Form {
        authority: info.authority.to_string(),
        secure: info.secure,
        target,
        content_type,
        body: bytes::Bytes::new(),
        kept_as: None,
    })
}

/// The content type, if a browser made the request from a form on a page of the same host.
fn keepable(header: &RequestHeader, info: &RequestInfo) -> Option<String> {
    let headers = &header.headers;
    let fits = headers
        .get(header::CONTENT_LENGTH)
        .is_none_or(|length| length.to_str().ok().and_then(|length| length.parse::<usize>().ok()).is_some_and(|length| length <= MAX_FORM));
    let good = info.method == Method::POST
        && fits
        && navigation::loads_a_page(headers)
        && origin::is_own(headers, &info.authority, info.secure)
        && !headers.contains_key(header::CONTENT_ENCODING)
        && target::exact_uri(header.raw_path()).is_some();
    form_type(headers).filter(|_| good)
}

/// The one Content-Type, if it is one of forms.
fn form_type(headers: &HeaderMap) -> Option<String> {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(content_type), None) = (types.next(), types.next()) else { return None };
    let content_type = content_type.to_str().ok()?;
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    FORM_TYPES.iter().any(|known| known.eq_ignore_ascii_case(essence)).then(|| content_type.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{ClientAddr, Host};

    const GOOD: [(&str, &str); 4] = [
        ("Content-Type", "application/x-www-form-urlencoded; charset=utf-8"),
        ("Origin", "http://a.example"),
        ("Sec-Fetch-Mode", "navigate"),
        ("Sec-Fetch-Site", "same-origin"),
    ];

    fn kept(method: &str, target: &[u8], headers: &[(&str, &str)]) -> bool {
        let mut header = RequestHeader::build(method, target, None).unwrap();
        for (name, value) in headers {
            header.append_header((*name).to_owned(), *value).unwrap();
        }
        let peer = [127, 0, 0, 1].into();
        let info = RequestInfo {
            host: Host::parse(b"a.example").unwrap(),
            authority: "a.example".into(),
            method: header.method.clone(),
            client: ClientAddr::new(peer),
            peer,
            trusted: false,
            secure: false,
            form: true,
            certificate: None,
            certificate_fault: None,
        };
        keepable(&header, &info).is_some()
    }

    fn with(changed: &[(&'static str, &'static str)]) -> bool {
        let kept_lines = GOOD.iter().filter(|(name, _)| !changed.iter().any(|(other, _)| other == name));
        let lines: Vec<_> = kept_lines.chain(changed).copied().filter(|(_, value)| !value.is_empty()).collect();
        kept("POST", b"/a?b=c", &lines)
    }

    #[test]
    fn a_form_from_a_page_of_the_hosts_own_is_kept() {
        assert!(with(&[]));
        assert!(with(&[("Sec-Fetch-Mode", ""), ("Sec-Fetch-Site", ""), ("Accept", "text/html")]));
        assert!(with(&[("Content-Type", "Multipart/Form-Data; boundary=x"), ("Content-Length", "262144")]));
        assert!(with(&[("Content-Type", "text/plain")]));
    }

    #[test]
    fn nothing_else_is() {
        assert!(!kept("PUT", b"/", &GOOD) && !kept("GET", b"/", &GOOD));
        let others: [&[(&str, &str)]; 13] = [
            &[("Origin", "")],
            &[("Origin", "null")],
            &[("Origin", "http://evil.example")],
            &[("Origin", "https://a.example")],
            &[("Sec-Fetch-Site", "cross-site")],
            &[("Sec-Fetch-Site", "same-site")],
            &[("Sec-Fetch-Mode", "cors")],
            &[("Sec-Fetch-Mode", ""), ("Sec-Fetch-Site", ""), ("Accept", "application/json")],
            &[("Sec-Fetch-Mode", ""), ("Sec-Fetch-Site", ""), ("Accept", "text/html"), ("X-Requested-With", "XMLHttpRequest")],
            &[("Content-Type", "application/json")],
            &[("Content-Type", "")],
            &[("Content-Length", "262145")],
            &[("Content-Encoding", "gzip")],
        ];
        for other in others {
            assert!(!with(other), "{other:?}");
        }
        assert!(!kept("POST", b"/", &[&GOOD[..], &[("Content-Type", "text/plain")]].concat()));
    }
}
