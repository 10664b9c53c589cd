//! The subject of a certificate as one text: the whole name in the string form of RFC 4514, in one spelling. Guarantees that two
//! subjects have the same text only if their names have the same attributes with the same values in the same order; letter case counts.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A subject, in its one spelling: `CN=backup,OU=Machines,O=Example`, the most specific part first.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Subject(String);

/// Why a text is no subject.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct BadSubject(&'static str);

/// What an attribute holds.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Value {
    Text(String),
    /// No text: in DER.
    Der(Vec<u8>),
}

/// One relative name: types with their values.
pub type Rdn = Vec<(String, Value)>;

/// The longest text that is read, in bytes.
const MOST: usize = 2048;

/// Attribute types with their names (RFC 4514 section 3, RFC 4519, RFC 2985): the first is how one is written.
const TYPES: [(&str, &[&str]); 15] = [
    ("2.5.4.3", &["CN", "commonName"]),
    ("2.5.4.4", &["SN", "surname"]),
    ("2.5.4.5", &["serialNumber"]),
    ("2.5.4.6", &["C", "countryName"]),
    ("2.5.4.7", &["L", "localityName"]),
    ("2.5.4.8", &["ST", "S", "stateOrProvinceName"]),
    ("2.5.4.9", &["STREET", "streetAddress"]),
    ("2.5.4.10", &["O", "organizationName"]),
    ("2.5.4.11", &["OU", "organizationalUnitName"]),
    ("2.5.4.12", &["title"]),
    ("2.5.4.42", &["GN", "givenName"]),
    ("2.5.4.97", &["organizationIdentifier"]),
    ("0.9.2342.19200300.100.1.1", &["UID", "userId"]),
    ("0.9.2342.19200300.100.1.25", &["DC", "domainComponent"]),
    ("1.2.840.113549.1.9.1", &["emailAddress", "E"]),
];

impl Subject {
    /// Reads what an administrator wrote, as `openssl x509 -subject -nameopt RFC2253` prints it.
    ///
    /// # Errors
    /// If it is no name in the form of RFC 4514.
    pub fn parse(text: &str) -> Result<Self, BadSubject> {
        if text.len() > MOST {
            return Err(BadSubject("the subject is longer than 2048 bytes"));
        }
        let mut rest = text.trim_start_matches(' ');
        let mut rdns = Vec::new();
        loop {
            let mut rdn = Rdn::new();
            let more = loop {
                let (pair, end, after) = pair(rest)?;
                rdn.push(pair);
                rest = after;
                if end != Some('+') {
                    break end == Some(',');
                }
            };
            rdns.push(rdn);
            if !more {
                return Ok(Self::written(rdns));
            }
        }
    }

    /// From a certificate: relative names in its order (the least specific first), types as dotted numbers. `None` if there are none.
    pub fn from_rdns(mut rdns: Vec<Rdn>) -> Option<Self> {
        rdns.reverse();
        (!rdns.is_empty() && rdns.iter().all(|rdn| !rdn.is_empty())).then(|| Self::written(rdns))
    }

    fn written(rdns: Vec<Rdn>) -> Self {
        let rdn = |mut rdn: Rdn| {
            // The parts of a relative name are a set.
            rdn.sort_unstable();
            rdn.iter().map(|(kind, value)| format!("{}={value}", short(kind))).collect::<Vec<_>>().join("+")
        };
        Self(rdns.into_iter().map(rdn).collect::<Vec<_>>().join(","))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How a type is written.
fn short(kind: &str) -> &str {
    TYPES.iter().find(|(number, _)| *number == kind).and_then(|(_, names)| names.first().copied()).unwrap_or(kind)
}

/// The dotted number of a type.
fn number(written: &str) -> Option<String> {
    let is_dotted = written.contains('.') && written.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if is_dotted {
        return Some(written.to_owned());
    }
    let named = TYPES.iter().find(|(_, names)| names.iter().any(|name| name.eq_ignore_ascii_case(written)));
    named.map(|(number, _)| (*number).to_owned())
}

/// RFC 4514 section 2.4.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Der(der) => return write!(f, "#{}", data_encoding::HEXLOWER.encode(der)),
            Self::Text(text) => text,
        };
        let last = text.chars().count().saturating_sub(1);
        for (at, letter) in text.chars().enumerate() {
            match letter {
                '"' | '+' | ',' | ';' | '<' | '>' | '\\' | '=' => write!(f, "\\{letter}")?,
                '#' if at == 0 => f.write_str("\\#")?,
                ' ' if at == 0 || at == last => f.write_str("\\ ")?,
                control if control.is_control() => {
                    control.encode_utf8(&mut [0; 4]).bytes().try_for_each(|byte| write!(f, "\\{byte:02x}"))?;
                }
                other => write!(f, "{other}")?,
            }
        }
        Ok(())
    }
}

/// What was read of a name: a type with its value, what ended it, and what follows.
type Read<'t> = ((String, Value), Option<char>, &'t str);

/// `type=value`.
fn pair(text: &str) -> Result<Read<'_>, BadSubject> {
    let (kind, rest) = text.split_once('=').ok_or(BadSubject("a part of the subject has no “=”: write CN=backup,O=Example"))?;
    let kind = number(kind.trim_matches(' ')).ok_or(BadSubject("an attribute is not known: write its dotted number"))?;
    let rest = rest.trim_start_matches(' ');
    let (value, end, after) = if let Some(hex) = rest.strip_prefix('#') { der(hex)? } else { value(rest)? };
    Ok(((kind, value), end, after))
}

fn der(text: &str) -> Result<(Value, Option<char>, &str), BadSubject> {
    let at = text.find([',', '+']).unwrap_or(text.len());
    let (hex, after) = text.split_at(at);
    let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(hex.trim_end_matches(' ').as_bytes());
    let bytes = bytes.ok().filter(|bytes| !bytes.is_empty()).ok_or(BadSubject("after “#” pairs of hexadecimal digits are wanted"))?;
    let mut after = after.chars();
    Ok((Value::Der(bytes), after.next(), after.as_str()))
}

fn value(text: &str) -> Result<(Value, Option<char>, &str), BadSubject> {
    let (mut bytes, mut kept) = (Vec::new(), 0);
    let mut letters = text.chars();
    let end = loop {
        match letters.next() {
            end @ (None | Some(',' | '+')) => break end,
            Some('\\') => {
                let tail = letters.as_str();
                let pair = tail.get(..2).filter(|pair| pair.bytes().all(|b| b.is_ascii_hexdigit()));
                match pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
                    Some(byte) => {
                        bytes.push(byte);
                        letters.nth(1);
                    }
                    None => match letters.next() {
                        Some(escaped @ ('"' | '+' | ',' | ';' | '<' | '>' | '\\' | '=' | '#' | ' ')) => bytes.push(escaped as u8),
                        _ => return Err(BadSubject("a backslash stands before what needs none")),
                    },
                }
                kept = bytes.len();
            }
            Some('"' | ';' | '<' | '>' | '\0') => return Err(BadSubject("quotes, “;”, “<” and “>” need a backslash before them")),
            Some(plain) => {
                bytes.extend_from_slice(plain.encode_utf8(&mut [0; 4]).as_bytes());
                if plain != ' ' {
                    kept = bytes.len();
                }
            }
        }
    };
    bytes.truncate(kept);
    let text = String::from_utf8(bytes).map_err(|_| BadSubject("a value is not UTF-8"))?;
    if text.is_empty() { Err(BadSubject("a value is empty")) } else { Ok((Value::Text(text), end, letters.as_str())) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(value: &str) -> Value {
        Value::Text(value.to_owned())
    }

    #[test]
    fn every_way_to_write_a_subject_is_one_text() {
        for written in [
            "CN=backup,OU=Machines,O=Example",
            " cn = backup , OU=Machines , organizationName=Example ",
            "2.5.4.3=backup,OU=Machi\\6ees,O=Example",
        ] {
            assert_eq!(Subject::parse(written).unwrap().as_str(), "CN=backup,OU=Machines,O=Example", "{written}");
        }
        assert_eq!(Subject::parse("UID=a+CN=b,C=DE").unwrap(), Subject::parse("CN=b+UID=a,C=DE").unwrap());
        assert_eq!(Subject::parse("CN=a\\, b\\ ,1.2.3=#0403414243").unwrap().as_str(), "CN=a\\, b\\ ,1.2.3=#0403414243");
    }

    #[test]
    fn what_is_no_subject_is_refused_and_case_and_order_count() {
        for bad in
            ["", "backup", "CN=", "CN=a,", "CN=a,,O=b", "NICK=a", "CN=\"a\"", "CN=a;O=b", "CN=a\\", "CN=\\q", "CN=#zz", "CN=\\ff", "=a"]
        {
            assert!(Subject::parse(bad).is_err(), "{bad:?}");
        }
        let read = |text: &str| Subject::parse(text).unwrap();
        for other in ["CN=Backup,O=Example", "O=Example,CN=backup", "CN=backup", "CN=backup,O=Example,C=DE", "CN=backup\\,O=Example"] {
            assert_ne!(read(other), read("CN=backup,O=Example"), "{other}");
        }
    }

    proptest! {
        #[test]
        fn a_certificates_name_is_what_its_text_says_and_nothing_else(
            rdns in prop::collection::vec(prop::collection::vec((prop::sample::select(vec!["2.5.4.3", "2.5.4.10", "1.2.3.4"]), prop_oneof![
                "\\PC{1,6}".prop_map(Value::Text),
                "[ ,+=\\\\#\"a\\x00\\n]{1,5}".prop_map(Value::Text),
                prop::collection::vec(any::<u8>(), 1..4).prop_map(Value::Der),
            ]), 1..3), 1..4),
        ) {
            let rdns: Vec<Rdn> = rdns.into_iter().map(|rdn| rdn.into_iter().map(|(kind, value)| (kind.to_owned(), value)).collect()).collect();
            let subject = Subject::from_rdns(rdns.clone()).unwrap();
            prop_assert_eq!(&Subject::parse(subject.as_str()).unwrap(), &subject);
        }

        #[test]
        fn two_values_never_read_as_one(a in "\\PC{1,8}", b in "\\PC{1,8}") {
            let of = |value: &str| Subject::from_rdns(vec![vec![("2.5.4.3".to_owned(), text(value))]]).unwrap();
            prop_assert_eq!(of(&a) == of(&b), a == b);
        }

        #[test]
        fn no_text_is_too_odd_to_read(written in "\\PC{0,40}") {
            let _ = Subject::parse(&written);
        }
    }
}
