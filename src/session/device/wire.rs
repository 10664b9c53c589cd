//! The protocol's headers (RFC 9651 structured fields, as far as they occur): written as the specification has them, read as browsers send them,
//! quoted or bare.

/// Starts a binding's name: ours are told from an application's by it.
pub const MARK: &str = "vestibule-";

/// The string in a header that browsers send bare or quoted; `None` if it is neither.
pub fn text(value: &[u8]) -> Option<&str> {
    let value = std::str::from_utf8(value).ok()?.trim();
    let inner = value.strip_prefix('"').map_or(Some(value), |rest| rest.strip_suffix('"'))?;
    let plain = |b: u8| b.is_ascii_graphic() && b != b'"' && b != b'\\' && b != b',' && b != b';';
    (!inner.is_empty() && inner.bytes().all(plain)).then_some(inner)
}

/// The name of a binding as browsers know it.
pub fn name(id: crate::base::BindingId) -> String {
    format!("{MARK}{id}")
}

/// The binding of a name.
pub fn id(name: &str) -> Option<crate::base::BindingId> {
    name.strip_prefix(MARK)?.parse().ok()
}

/// `Secure-Session-Registration`; neither part has a quote in it.
pub fn registration(path: &str, challenge: &str) -> String {
    format!("(ES256 RS256);path=\"{path}\";challenge=\"{challenge}\"")
}

/// `Secure-Session-Challenge`.
pub fn challenge(challenge: &str, id: crate::base::BindingId) -> String {
    format!("\"{challenge}\";id=\"{}\"", name(id))
}

/// The members of a list, by the commas outside of strings.
fn members(list: &str) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    list.split(move |c: char| {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ',' if !quoted => return true,
            _ => {}
        }
        false
    })
    .map(str::trim)
    .filter(|member| !member.is_empty())
}

/// A list without the members that name one of our bindings; `None` if it may stay as it is, an empty text if nothing is left of it. What is no text
/// is dropped whole.
pub fn without_ours(value: &[u8]) -> Option<String> {
    let Ok(list) = std::str::from_utf8(value) else { return Some(String::new()) };
    if !list.contains(MARK) {
        return None;
    }
    Some(members(list).filter(|member| !member.contains(MARK)).collect::<Vec<_>>().join(", "))
}

/// Why a browser says that it could not show the device, from `Secure-Session-Skipped`: a word of three. Anybody can say it.
pub fn skipped(value: &[u8]) -> Option<&'static str> {
    let list = std::str::from_utf8(value).ok()?;
    let ours = members(list).find(|member| member.contains(MARK))?;
    ["unreachable", "server_error", "quota_exceeded"].into_iter().find(|reason| ours.starts_with(reason))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::BindingId;

    #[test]
    fn strings_are_read_bare_and_quoted() {
        assert_eq!(text(b"\"a.b-c\""), Some("a.b-c"));
        assert_eq!(text(b" a.b-c "), Some("a.b-c"));
        for wrong in [&b""[..], b"\"", b"\"a", b"a\"", b"\"a\", \"b\"", b"a b", b"a;b", b"\xff", b"\"\"", b"\"a\\\"\""] {
            assert_eq!(text(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn ours_are_taken_out_of_lists_and_others_stay() {
        let id = BindingId::from_bytes([7; 16]);
        assert_eq!(super::id(&name(id)), Some(id));
        assert_eq!(super::id(&id.to_string()), None);
        let ours = format!("unreachable;session_identifier=\"{}\"", name(id));
        assert_eq!(without_ours(ours.as_bytes()).as_deref(), Some(""));
        let both = format!("quota_exceeded;session_identifier=\"a,\\\"b\", {ours}");
        assert_eq!(without_ours(both.as_bytes()).as_deref(), Some("quota_exceeded;session_identifier=\"a,\\\"b\""));
        assert_eq!(without_ours(b"server_error;session_identifier=\"x\""), None);
        assert_eq!((skipped(both.as_bytes()), skipped(b"server_error")), (Some("unreachable"), None));
    }
}
