//! The embedded directory's answers.

use ldap3_proto::control::LdapControl;
use ldap3_proto::proto::{
    LdapBindCred, LdapBindRequest, LdapBindResponse, LdapExtendedRequest, LdapExtendedResponse, LdapMsg, LdapOp, LdapPartialAttribute,
    LdapPasswordModifyRequest, LdapResult, LdapResultCode, LdapSearchRequest, LdapSearchResultEntry,
};

use super::state::{State, locked};
use super::tree::Record;
use crate::source::directory::state::PASSWORD_POLICY;

/// How many entries it gives at once, as servers do.
const MOST: usize = 1000;

/// The shortest password that it takes.
const MIN_LENGTH: usize = 8;

fn result(code: LdapResultCode) -> LdapResult {
    LdapResult { code, matcheddn: String::new(), message: String::new(), referral: Vec::new() }
}

/// The same answer from a server that is busy.
pub(super) fn busy(reply: &LdapMsg) -> LdapMsg {
    let op = match &reply.op {
        LdapOp::SearchResultEntry(_) | LdapOp::SearchResultDone(_) => LdapOp::SearchResultDone(result(LdapResultCode::Busy)),
        other => other.clone(),
    };
    LdapMsg::new(reply.msgid, op)
}

/// What a request is answered with. `bound` is who has bound on this connection.
pub(super) fn replies(state: &State, bound: &mut String, message: LdapMsg) -> Vec<LdapMsg> {
    let id = message.msgid;
    match message.op {
        LdapOp::BindRequest(request) => vec![bind(state, bound, id, request)],
        LdapOp::SearchRequest(request) => search(state, bound, id, &request, &message.ctrl),
        LdapOp::ExtendedRequest(request) => vec![extended(state, bound, id, &request)],
        _ => Vec::new(),
    }
}

fn bind(state: &State, bound: &mut String, id: i32, request: LdapBindRequest) -> LdapMsg {
    locked(&state.seen).binds.push(request.dn.clone());
    let (code, policy) = match request.cred {
        LdapBindCred::Simple(password) if password.is_empty() => {
            locked(&state.seen).empty_passwords += 1;
            (LdapResultCode::Success, None)
        }
        LdapBindCred::Simple(password) => locked(&state.tree).at(&request.dn).map_or(WRONG, |record| judge(record, &password)),
        LdapBindCred::SASL(_) | LdapBindCred::Unsupported => (LdapResultCode::AuthMethodNotSupported, None),
    };
    *bound = if code == LdapResultCode::Success { request.dn } else { String::new() };
    let op = LdapOp::BindResponse(LdapBindResponse { res: result(code), saslcreds: None });
    LdapMsg::new_with_ctrls(id, op, policy.map(policy_control).into_iter().collect())
}

const WRONG: (LdapResultCode, Option<u8>) = (LdapResultCode::InvalidCredentials, None);

/// As slapd with its password policy: a lock before the password is looked at, everything else after.
fn judge(record: &Record, password: &str) -> (LdapResultCode, Option<u8>) {
    let is = |attribute: &str| record.values(attribute).next().is_some();
    if is("pwdAccountLockedTime") || record.password.as_deref() != Some(password) {
        return WRONG;
    }
    if is("pwdExpired") {
        return (LdapResultCode::InvalidCredentials, Some(0));
    }
    (LdapResultCode::Success, is("pwdReset").then_some(2))
}

fn policy_control(error: u8) -> LdapControl {
    LdapControl::Unknown { oid: PASSWORD_POLICY.into(), criticality: false, value: Some(vec![0x30, 3, 0x81, 1, error]) }
}

fn search(state: &State, bound: &str, id: i32, request: &LdapSearchRequest, controls: &[LdapControl]) -> Vec<LdapMsg> {
    locked(&state.seen).searches.push(format!("{} {:?}", request.base, request.filter));
    let done = |code| LdapMsg::new(id, LdapOp::SearchResultDone(result(code)));
    if bound.is_empty() {
        return vec![done(LdapResultCode::InsufficentAccessRights)];
    }
    let tree = locked(&state.tree);
    let found = tree.search(&request.base, &request.scope, &request.filter);
    let entry = |record| LdapMsg::new(id, LdapOp::SearchResultEntry(shown(record, &request.attrs)));
    if let Some((from, size)) = controls.iter().find_map(page) {
        let left = found.len().saturating_sub(from.saturating_add(size));
        let cookie = if left > 0 { from.saturating_add(size).to_string().into_bytes() } else { Vec::new() };
        let next = LdapControl::SimplePagedResults { size: 0, cookie };
        let end = LdapMsg::new_with_ctrls(id, LdapOp::SearchResultDone(result(LdapResultCode::Success)), vec![next]);
        return found.into_iter().skip(from).take(size).map(entry).chain([end]).collect();
    }
    let limit = usize::try_from(request.sizelimit).ok().filter(|limit| *limit > 0).unwrap_or(MOST).min(MOST);
    let code = if found.len() > limit { LdapResultCode::SizeLimitExceeded } else { LdapResultCode::Success };
    found.into_iter().take(limit).map(entry).chain([done(code)]).collect()
}

/// Where the wanted page begins, and how long it is (RFC 2696). The cookie is a number of entries.
fn page(control: &LdapControl) -> Option<(usize, usize)> {
    let LdapControl::SimplePagedResults { size, cookie } = control else { return None };
    let from = std::str::from_utf8(cookie).ok()?.parse().unwrap_or(0);
    Some((from, usize::try_from(*size).ok()?.min(MOST)))
}

fn shown(record: &Record, wanted: &[String]) -> LdapSearchResultEntry {
    let mut attributes: Vec<LdapPartialAttribute> = Vec::new();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == "*" || wanted.eq_ignore_ascii_case(name));
    for (name, value) in record.attributes.iter().filter(|(name, _)| is_wanted(name)) {
        match attributes.iter_mut().find(|attribute| attribute.atype.eq_ignore_ascii_case(name)) {
            Some(attribute) => attribute.vals.push(value.clone()),
            None => attributes.push(LdapPartialAttribute { atype: name.clone(), vals: vec![value.clone()] }),
        }
    }
    LdapSearchResultEntry { dn: record.dn.clone(), attributes }
}

/// The one extended operation that it knows: a password changed by its owner.
fn extended(state: &State, bound: &str, id: i32, request: &LdapExtendedRequest) -> LdapMsg {
    let (code, policy) = match LdapPasswordModifyRequest::try_from(request) {
        Ok(change) => modify(state, bound, &change),
        Err(_) => (LdapResultCode::ProtocolError, None),
    };
    let op = LdapOp::ExtendedResponse(LdapExtendedResponse { res: result(code), name: None, value: None });
    LdapMsg::new_with_ctrls(id, op, policy.map(policy_control).into_iter().collect())
}

fn modify(state: &State, bound: &str, change: &LdapPasswordModifyRequest) -> (LdapResultCode, Option<u8>) {
    let mut tree = locked(&state.tree);
    let Some(record) = tree.at(bound) else { return (LdapResultCode::InsufficentAccessRights, None) };
    if record.password != change.old_password {
        return (LdapResultCode::UnwillingToPerform, None);
    }
    match &change.new_password {
        Some(new) if new.chars().count() < MIN_LENGTH => (LdapResultCode::ConstraintViolation, Some(6)),
        Some(new) => {
            record.password = Some(new.clone());
            record.remove("pwdReset");
            let changes = record.values("pwdChangedTime").next().and_then(|last| last.trim_end_matches('Z').parse::<u64>().ok());
            record.set("pwdChangedTime", &format!("{:014}Z", changes.unwrap_or_default() + 1));
            (LdapResultCode::Success, None)
        }
        None => (LdapResultCode::UnwillingToPerform, None),
    }
}
