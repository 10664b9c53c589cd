//! An entry as a server sent it: attributes found without regard to case and options, values read as text or bytes.

use std::collections::HashMap;
use std::fmt::Write as _;

use ldap3_proto::proto::LdapSearchResultEntry;

/// An entry.
#[derive(Clone, Debug, Default)]
pub(super) struct Entry {
    pub dn: String,
    attributes: HashMap<String, Vec<Vec<u8>>>,
}

/// The longest text that is taken from an attribute.
const MAX_TEXT: usize = 1024;

impl From<LdapSearchResultEntry> for Entry {
    fn from(entry: LdapSearchResultEntry) -> Self {
        let mut attributes: HashMap<String, Vec<Vec<u8>>> = HashMap::new();
        for attribute in entry.attributes {
            // `memberOf;range=0-1499`, `displayName;lang-de`: the values count, the option does not.
            let name = attribute.atype.split(';').next().unwrap_or_default().to_ascii_lowercase();
            attributes.entry(name).or_default().extend(attribute.vals);
        }
        Self { dn: entry.dn, attributes }
    }
}

impl Entry {
    pub fn values(&self, attribute: &str) -> &[Vec<u8>] {
        self.attributes.get(&attribute.to_ascii_lowercase()).map(Vec::as_slice).unwrap_or_default()
    }

    /// Every value that is text.
    pub fn texts(&self, attribute: &str) -> impl Iterator<Item = &str> {
        self.values(attribute).iter().filter_map(|value| std::str::from_utf8(value).ok())
    }

    /// The first value that is a printable text of sensible length.
    pub fn text(&self, attribute: &str) -> Option<&str> {
        self.texts(attribute).map(str::trim).find(|text| !text.is_empty() && text.len() <= MAX_TEXT && !text.chars().any(char::is_control))
    }

    /// A whole number.
    pub fn number(&self, attribute: &str) -> Option<i64> {
        self.text(attribute)?.parse().ok()
    }

    /// What tells the entry apart from all others: exactly one value, as a GUID if it is Active Directory's, as text if it is text, else in
    /// hexadecimal.
    pub fn id(&self, attribute: &str) -> Option<String> {
        let [value] = self.values(attribute) else { return None };
        if attribute.eq_ignore_ascii_case("objectGUID") {
            return <[u8; 16]>::try_from(value.as_slice()).ok().map(guid);
        }
        let text = std::str::from_utf8(value).ok().filter(|text| !text.chars().any(|c| c.is_control() || c.is_whitespace()));
        let id = text.map_or_else(|| hex(value), str::to_lowercase);
        (!id.is_empty() && id.len() <= 255).then_some(id)
    }
}

/// Microsoft's form of the sixteen bytes: the first three groups are little-endian.
fn guid(bytes: [u8; 16]) -> String {
    const ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    let mut out = String::with_capacity(36);
    for (place, index) in ORDER.into_iter().enumerate() {
        if [4, 6, 8, 10].contains(&place) {
            out.push('-');
        }
        let _ = write!(out, "{:02x}", bytes.get(index).copied().unwrap_or_default());
    }
    out
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// A security identifier in its written form (MS-DTYP section 2.4.2); `None`: it is none.
pub(super) fn sid(bytes: &[u8]) -> Option<String> {
    let (head, parts) = bytes.split_at_checked(8)?;
    let [revision, count, authority @ ..] = head else { return None };
    if parts.len() != usize::from(*count) * 4 {
        return None;
    }
    let authority = authority.iter().fold(0u64, |sum, byte| (sum << 8) | u64::from(*byte));
    let mut out = format!("S-{revision}-{authority}");
    for part in parts.as_chunks::<4>().0 {
        let _ = write!(out, "-{}", u32::from_le_bytes(*part));
    }
    Some(out)
}

#[cfg(test)]
pub(super) fn entry(dn: &str, attributes: &[(&str, &[u8])]) -> Entry {
    let mut made = Entry { dn: dn.to_owned(), ..Entry::default() };
    for (name, value) in attributes {
        made.attributes.entry(name.to_ascii_lowercase()).or_default().push(value.to_vec());
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_written_as_the_servers_write_them() {
        let bytes = [0x67, 0x45, 0x23, 0x01, 0xab, 0x89, 0xef, 0xcd, 1, 2, 3, 4, 5, 6, 7, 8];
        let made = entry("cn=a", &[("objectGUID", &bytes), ("entryUUID", b"0F1E-2D"), ("two", b"1"), ("two", b"2"), ("raw", b"\xff\0")]);
        assert_eq!(made.id("OBJECTguid").unwrap(), "01234567-89ab-cdef-0102-030405060708");
        assert_eq!(made.id("entryuuid").unwrap(), "0f1e-2d");
        assert_eq!(made.id("raw").unwrap(), "ff00");
        assert_eq!((made.id("two"), made.id("none")), (None, None));
        assert_eq!(entry("cn=a", &[("objectGUID", b"short")]).id("objectGUID"), None);
    }

    #[test]
    fn a_sid_is_read_and_nonsense_is_not() {
        let bytes = [1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x20, 2, 0, 0];
        assert_eq!(sid(&bytes).unwrap(), "S-1-5-32-544");
        assert_eq!((sid(&bytes[..15]), sid(&[]), sid(&[1, 255, 0, 0, 0, 0, 0, 5])), (None, None, None));
    }

    #[test]
    fn text_with_control_characters_is_no_text() {
        let made = entry("cn=a", &[("mail", b"a\r\nBcc: b"), ("mail", b" a@b ")]);
        assert_eq!(made.text("MAIL"), Some("a@b"));
    }
}
