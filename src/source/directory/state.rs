//! What servers say of an account, and what it means: Active Directory's codes, OpenLDAP's password policy, and the attributes in which either keeps
//! an account's state. What a server says for a wrong password too is told to nobody; what it says only after a right one is.

use ldap3_lber::structure::{PL, StructureTag};
use ldap3_proto::proto::LdapResultCode;

use super::entry::Entry;
use crate::base::Time;
use crate::source::{Cause, Closed};

/// The password policy's control (draft-behera-ldap-password-policy section 6).
pub(super) const PASSWORD_POLICY: &str = "1.3.6.1.4.1.42.2.27.8.5.1";

/// What is asked of an entry to know its state, and when its password changed.
pub(super) const STATE: [&str; 7] =
    ["userAccountControl", "accountExpires", "pwdLastSet", "pwdChangedTime", "pwdAccountLockedTime", "pwdReset", "nsAccountLock"];

/// The errors of the password policy's control.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum PolicyError {
    Expired,
    Locked,
    ChangeAfterReset,
    /// Why a new password was refused.
    Refused(&'static str),
}

impl PolicyError {
    const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::Expired,
            1 => Self::Locked,
            2 => Self::ChangeAfterReset,
            3 => Self::Refused("the directory does not let people change their passwords"),
            4 => Self::Refused("the current password must be given"),
            5 => Self::Refused("it is not good enough"),
            6 => Self::Refused("it is too short"),
            7 => Self::Refused("the current one is too young to be changed"),
            8 => Self::Refused("it was used before"),
            _ => return None,
        })
    }
}

/// What the control in an answer says. The protocol crate drops its value, so it is read from the message itself.
pub(super) fn password_policy(message: &StructureTag) -> Option<PolicyError> {
    let PL::C(parts) = &message.payload else { return None };
    let controls = parts.get(2).and_then(constructed)?;
    let ours =
        controls.iter().filter_map(constructed).find(|control| control.first().and_then(primitive) == Some(PASSWORD_POLICY.as_bytes()))?;
    let value = ours.last().and_then(primitive)?;
    let (_, value) = ldap3_lber::Parser::new(8).parse(value).ok()?;
    let error = constructed(&value)?.iter().find(|part| part.id == 1).and_then(primitive)?;
    error.last().copied().and_then(PolicyError::from_code)
}

fn constructed(tag: &StructureTag) -> Option<&Vec<StructureTag>> {
    if let PL::C(parts) = &tag.payload { Some(parts) } else { None }
}

fn primitive(tag: &StructureTag) -> Option<&[u8]> {
    if let PL::P(bytes) = &tag.payload { Some(bytes) } else { None }
}

/// What a bind says of a password.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum BindVerdict {
    Right,
    /// Right, and of no use until it is changed.
    MustChange,
    /// Right, and of no use.
    Closed(Closed),
    Wrong,
    /// Locked, which says nothing of the password.
    Locked,
}

/// What a server says of an operation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Reply {
    pub code: LdapResultCode,
    pub message: String,
    /// What the password policy's control says: the error, and whether the password must be changed.
    pub policy: Option<PolicyError>,
}

/// # Errors
/// Answers that are no verdict: the server could not or would not look.
pub(super) fn bind_verdict(reply: &Reply) -> Result<BindVerdict, Cause> {
    match reply.code {
        LdapResultCode::Success if reply.policy == Some(PolicyError::ChangeAfterReset) => Ok(BindVerdict::MustChange),
        LdapResultCode::Success => Ok(BindVerdict::Right),
        LdapResultCode::InvalidCredentials => Ok(refused(reply)),
        // 389 Directory Server: a locked account, an inactivated one.
        LdapResultCode::ConstraintViolation | LdapResultCode::UnwillingToPerform => Ok(BindVerdict::Locked),
        LdapResultCode::NoSuchObject | LdapResultCode::InappropriateAuthentication | LdapResultCode::InvalidDNSyntax => {
            Ok(BindVerdict::Wrong)
        }
        _ => Err(Cause::Protocol(format!("a bind is answered {:?}: {}", reply.code, reply.message))),
    }
}

fn refused(reply: &Reply) -> BindVerdict {
    match (data_code(&reply.message), reply.policy) {
        (Some(code), _) => of_code(code),
        // Without grace the expired password is refused, after it was found right.
        (None, Some(PolicyError::Expired)) => BindVerdict::Closed(Closed::PasswordExpired),
        (None, Some(PolicyError::Locked)) => BindVerdict::Locked,
        (None, _) => BindVerdict::Wrong,
    }
}

/// Active Directory's codes (the Win32 error in hexadecimal).
fn of_code(code: u32) -> BindVerdict {
    match code {
        0x530 | 0x531 => BindVerdict::Closed(Closed::Hours),
        0x532 | 0x773 => BindVerdict::MustChange,
        0x533 => BindVerdict::Closed(Closed::Disabled),
        0x701 => BindVerdict::Closed(Closed::Expired),
        0x775 => BindVerdict::Locked,
        _ => BindVerdict::Wrong,
    }
}

/// The `data 52e` in Active Directory's message.
fn data_code(message: &str) -> Option<u32> {
    let (_, rest) = message.split_once("data ")?;
    let digits: String = rest.chars().take_while(char::is_ascii_hexdigit).collect();
    u32::from_str_radix(&digits, 16).ok()
}

/// In words, for the log and `directory test`.
pub(super) fn explain_refusal(reply: &Reply) -> String {
    let why = match data_code(&reply.message) {
        Some(0x52e | 0x525) => "wrong password, or no such account",
        Some(0x530) => "outside its hours",
        Some(0x531) => "not from this machine",
        Some(0x532) => "its password has expired",
        Some(0x533) => "it is disabled",
        Some(0x701) => "it has expired",
        Some(0x773) => "its password must be changed",
        Some(0x775) => "it is locked",
        Some(_) | None => return format!("{:?} {}", reply.code, reply.message).trim_end().to_owned(),
    };
    format!("{why} ({:?} {})", reply.code, reply.message)
}

/// Whether the account is closed now, by what its entry says. A lock does not close it: it passes, and says nothing of who is in already.
pub(super) fn closed(entry: &Entry, now: Time) -> Option<Closed> {
    const DISABLED: i64 = 0x2;
    let is = |attribute: &str| entry.text(attribute).is_some_and(|text| text.eq_ignore_ascii_case("true"));
    if entry.number("userAccountControl").is_some_and(|flags| flags & DISABLED != 0) || is("nsAccountLock") {
        return Some(Closed::Disabled);
    }
    // The time that stands for "locked for good, by an administrator".
    if entry.text("pwdAccountLockedTime").is_some_and(|time| time.starts_with("000001010000")) {
        return Some(Closed::Disabled);
    }
    let expires = entry.number("accountExpires").and_then(file_time);
    expires.is_some_and(|expires| expires <= now).then_some(Closed::Expired)
}

/// Windows' time, in tenths of microseconds since 1601; zero and the largest number are "never".
fn file_time(ticks: i64) -> Option<Time> {
    const EPOCH_MILLIS: i64 = 11_644_473_600_000;
    (ticks > 0 && ticks < i64::MAX).then(|| Time::from_millis(ticks / 10_000 - EPOCH_MILLIS))
}

/// Whether the next sign-in must change the password.
pub(super) fn must_change(entry: &Entry) -> bool {
    entry.number("pwdLastSet") == Some(0) || entry.text("pwdReset").is_some_and(|text| text.eq_ignore_ascii_case("true"))
}

/// What is another one once the password has changed.
pub(super) fn password_mark(entry: &Entry) -> Option<String> {
    entry.text("pwdLastSet").or_else(|| entry.text("pwdChangedTime")).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::super::entry::entry;
    use super::*;

    fn reply(code: LdapResultCode, message: &str, policy: Option<PolicyError>) -> Reply {
        Reply { code, message: message.into(), policy }
    }

    fn ad(data: &str) -> BindVerdict {
        let message = format!("80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data {data}, v1db1");
        bind_verdict(&reply(LdapResultCode::InvalidCredentials, &message, None)).unwrap()
    }

    #[test]
    fn every_code_of_active_directory_has_its_meaning() {
        assert_eq!((ad("52e"), ad("525"), ad("57")), (BindVerdict::Wrong, BindVerdict::Wrong, BindVerdict::Wrong));
        assert_eq!((ad("530"), ad("531")), (BindVerdict::Closed(Closed::Hours), BindVerdict::Closed(Closed::Hours)));
        assert_eq!((ad("532"), ad("773")), (BindVerdict::MustChange, BindVerdict::MustChange));
        assert_eq!((ad("533"), ad("701")), (BindVerdict::Closed(Closed::Disabled), BindVerdict::Closed(Closed::Expired)));
        assert_eq!(ad("775"), BindVerdict::Locked, "comes for right and wrong passwords alike");
    }

    #[test]
    fn a_server_that_would_not_look_gives_no_verdict() {
        use LdapResultCode::*;
        for code in [OperationsError, ProtocolError, StrongerAuthRequired, Referral, Busy, Unavailable, InsufficentAccessRights, Other] {
            assert!(bind_verdict(&reply(code.clone(), "", None)).is_err(), "{code:?}");
        }
    }

    #[test]
    fn the_password_policy_is_understood() {
        let refused = |policy| bind_verdict(&reply(LdapResultCode::InvalidCredentials, "", policy)).unwrap();
        assert_eq!(refused(None), BindVerdict::Wrong);
        assert_eq!(refused(Some(PolicyError::Expired)), BindVerdict::Closed(Closed::PasswordExpired));
        assert_eq!(refused(Some(PolicyError::Locked)), BindVerdict::Locked);
        let reset = reply(LdapResultCode::Success, "", Some(PolicyError::ChangeAfterReset));
        assert_eq!(bind_verdict(&reset).unwrap(), BindVerdict::MustChange);
    }

    #[test]
    fn the_control_is_read_from_the_message() {
        // A bind response, 49, with the control's value { [1] error }.
        let with = |error: u8| {
            let mut message = vec![0x30, 0x33, 2, 1, 1, 0x61, 7, 0x0a, 1, 49, 4, 0, 4, 0, 0xa0, 0x25, 0x30, 0x23, 4, 0x19];
            message.extend(PASSWORD_POLICY.as_bytes());
            message.extend([4, 5, 0x30, 3, 0x81, 1, error]);
            let size = u8::try_from(message.len() - 2).unwrap();
            message[1] = size;
            let control = u8::try_from(message.len() - 16).unwrap();
            (message[15], message[17]) = (control, control - 2);
            let (_, tag) = ldap3_lber::Parser::default().parse(&message).unwrap();
            password_policy(&tag)
        };
        assert_eq!(
            (with(0), with(1), with(2)),
            (Some(PolicyError::Expired), Some(PolicyError::Locked), Some(PolicyError::ChangeAfterReset))
        );
        assert_eq!(with(200), None);
    }

    #[test]
    fn an_entry_says_whether_the_account_is_closed() {
        let now = Time::from_secs(1_800_000_000);
        let state = |attributes: &[(&str, &[u8])]| closed(&entry("cn=a", attributes), now);
        assert_eq!(state(&[("userAccountControl", b"512")]), None);
        assert_eq!(state(&[("userAccountControl", b"514")]), Some(Closed::Disabled));
        assert_eq!(state(&[("useraccountcontrol", b"66050")]), Some(Closed::Disabled));
        for never in [&b"0"[..], b"9223372036854775807"] {
            assert_eq!(state(&[("accountExpires", never)]), None);
        }
        // 2020-01-01
        assert_eq!(state(&[("accountExpires", b"132223104000000000")]), Some(Closed::Expired));
        assert_eq!(state(&[("accountExpires", b"150000000000000000")]), None);
        assert_eq!(state(&[("pwdAccountLockedTime", b"000001010000Z")]), Some(Closed::Disabled));
        assert_eq!(state(&[("pwdAccountLockedTime", b"20261130000000Z")]), None);
    }
}
