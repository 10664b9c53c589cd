//! The few requests that carry a password, written out byte by byte (RFC 4511, X.690), so that every copy of the password is wiped.

use zeroize::Zeroizing;

/// Bytes that are wiped when dropped.
pub(in crate::source::directory) type Bytes = Zeroizing<Vec<u8>>;

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const ENUMERATED: u8 = 0x0a;

/// One element: tag, length in the shortest form, content.
fn element(tag: u8, parts: &[&[u8]]) -> Bytes {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    // Room for all of it, so that growing leaves no copy behind.
    let mut out = Zeroizing::new(Vec::with_capacity(length + 6));
    out.push(tag);
    match u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes() {
        [0, 0, 0, short] if short < 0x80 => out.push(short),
        [0, 0, 0, one] => out.extend([0x81, one]),
        [0, 0, a, b] => out.extend([0x82, a, b]),
        all => {
            out.push(0x84);
            out.extend(all);
        }
    }
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out
}

fn message(id: i32, operation: &[u8], controls: &[u8]) -> Bytes {
    let id = element(INTEGER, &[&id.to_be_bytes()]);
    element(SEQUENCE, &[&id, operation, controls])
}

/// What asks the server to say why (draft-behera-ldap-password-policy section 6.1). Not critical: who does not know it ignores it.
fn password_policy_control() -> Bytes {
    let oid = element(OCTETS, &[crate::source::directory::state::PASSWORD_POLICY.as_bytes()]);
    element(0xa0, &[&element(SEQUENCE, &[&oid])])
}

/// A simple bind (RFC 4511 section 4.2).
pub(in crate::source::directory) fn bind(id: i32, dn: &str, password: &str) -> Bytes {
    let parts = [element(INTEGER, &[&[3]]), element(OCTETS, &[dn.as_bytes()]), element(0x80, &[password.as_bytes()])];
    let operation = element(0x60, &[&parts[0], &parts[1], &parts[2]]);
    message(id, &operation, &password_policy_control())
}

/// The password-modify operation (RFC 3062) by its owner.
pub(in crate::source::directory) fn password_modify(id: i32, dn: &str, current: &str, new: &str) -> Bytes {
    let parts = [element(0x80, &[dn.as_bytes()]), element(0x81, &[current.as_bytes()]), element(0x82, &[new.as_bytes()])];
    let value = element(SEQUENCE, &[&parts[0], &parts[1], &parts[2]]);
    let name = element(0x80, &[ldap3_proto::proto::OID_PASSWORD_MODIFY.as_bytes()]);
    let operation = element(0x77, &[&name, &element(0x81, &[&value])]);
    message(id, &operation, &password_policy_control())
}

/// Active Directory's change by its owner: the current password deleted and the new one added, in one request.
pub(in crate::source::directory) fn unicode_password(id: i32, dn: &str, current: &str, new: &str) -> Bytes {
    let change = |operation: u8, password: &str| {
        let value = element(SET, &[&element(OCTETS, &[&quoted(password)])]);
        let attribute = element(SEQUENCE, &[&element(OCTETS, &[b"unicodePwd"]), &value]);
        element(SEQUENCE, &[&element(ENUMERATED, &[&[operation]]), &attribute])
    };
    let changes = element(SEQUENCE, &[&change(1, current), &change(0, new)]);
    let operation = element(0x66, &[&element(OCTETS, &[dn.as_bytes()]), &changes]);
    message(id, &operation, &[])
}

/// In quotes, as UTF-16LE.
fn quoted(password: &str) -> Bytes {
    let units = std::iter::once(u16::from(b'"')).chain(password.encode_utf16()).chain(std::iter::once(u16::from(b'"')));
    let mut out = Zeroizing::new(Vec::with_capacity(password.len() * 2 + 4));
    units.for_each(|unit| out.extend(unit.to_le_bytes()));
    out
}

#[cfg(test)]
mod tests {
    use ldap3_lber::Parser;
    use ldap3_proto::proto::{LdapBindCred, LdapModifyType, LdapMsg, LdapOp, LdapPasswordModifyRequest};

    use super::*;

    /// What a server with the protocol crate reads.
    fn read(bytes: &[u8]) -> LdapMsg {
        let (rest, tag) = Parser::default().parse(bytes).unwrap();
        assert!(rest.is_empty());
        LdapMsg::try_from(tag).unwrap()
    }

    #[test]
    fn a_server_reads_what_was_written() {
        for length in [1, 100, 127, 128, 300, 70_000] {
            let password = "ü".repeat(length);
            let message = read(&bind(7, "cn=a,dc=b", &password));
            let LdapOp::BindRequest(request) = message.op else { panic!("no bind") };
            assert_eq!((message.msgid, request.version, request.dn.as_str()), (7, 3, "cn=a,dc=b"));
            assert!(request.cred == LdapBindCred::Simple(password));
        }
        let LdapOp::ExtendedRequest(request) = read(&password_modify(1, "cn=a", "old", "new")).op else { panic!("no extended request") };
        let request = LdapPasswordModifyRequest::try_from(&request).unwrap();
        assert!(request.user_identity.as_deref() == Some("cn=a") && request.new_password.as_deref() == Some("new"));
        let LdapOp::ModifyRequest(request) = read(&unicode_password(1, "cn=a", "o", "né")).op else { panic!("no modify") };
        assert_eq!(request.changes[0].operation, LdapModifyType::Delete);
        assert_eq!(request.changes[0].modification.vals, [b"\"\0o\0\"\0".to_vec()]);
        assert_eq!(request.changes[1].modification.vals, [b"\"\0n\0\xe9\0\"\0".to_vec()]);
    }
}
