//! Distinguished names (RFC 4514): parsed, compared as names and not as text, and made from a login with every special character escaped.

use std::fmt;

/// One relative name: attribute types in lower case with their values, sorted.
pub type Rdn = Vec<(String, String)>;

/// A distinguished name. Two are equal if they name the same entry as far as can be told without a schema: types and values are compared
/// without case, runs of blanks count as one.
#[derive(Clone, Debug)]
pub struct Dn {
    text: String,
    rdns: Vec<Rdn>,
}

impl PartialEq for Dn {
    fn eq(&self, other: &Self) -> bool {
        self.rdns == other.rdns
    }
}

impl Eq for Dn {}

impl fmt::Display for Dn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The longest name that is read.
const MAX_BYTES: usize = 4096;

impl Dn {
    /// # Errors
    /// Why the text is no name, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_BYTES {
            return Err(format!("the name is longer than {MAX_BYTES} bytes"));
        }
        let mut reader = Reader { rest: text.trim() };
        let mut rdns = Vec::new();
        while !reader.rest.is_empty() {
            let mut rdn = vec![reader.pair()?];
            while reader.take('+') {
                rdn.push(reader.pair()?);
            }
            rdn.sort_unstable();
            rdns.push(rdn);
            if !reader.rest.is_empty() && !reader.take(',') {
                return Err(format!("a comma is wanted before “{}”", reader.rest));
            }
            if reader.rest.is_empty() && text.trim_end().ends_with(',') && !text.trim_end().ends_with("\\,") {
                return Err("the name ends with a comma".into());
            }
        }
        if rdns.is_empty() { Err("the name is empty".into()) } else { Ok(Self { text: text.trim().to_owned(), rdns }) }
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether this is `base` or lies below it.
    pub fn is_within(&self, base: &Self) -> bool {
        self.rdns.ends_with(&base.rdns)
    }

    /// The part of the name that is a DNS domain (`dc=corp,dc=example`); the whole name if there is none.
    pub fn domain(&self) -> String {
        let is_domain = |rdn: &&Rdn| rdn.len() == 1 && rdn.first().is_some_and(|(kind, _)| kind == "dc");
        let labels = self.rdns.iter().rev().take_while(is_domain).flatten();
        let mut labels: Vec<_> = labels.map(|(_, label)| format!("dc={}", escape(label))).collect();
        labels.reverse();
        if labels.is_empty() { self.text.clone() } else { labels.join(",") }
    }

    /// The folded CN of the entry itself, if its name is one.
    pub fn leaf_cn(&self) -> Option<&str> {
        let (kind, value) = self.rdns.first()?.first()?;
        (kind == "cn").then_some(value.as_str())
    }
}

/// The form in which values are compared.
pub(super) fn fold(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn take(&mut self, wanted: char) -> bool {
        let rest = self.rest.strip_prefix(wanted).map(str::trim_start);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// `type=value`, folded.
    fn pair(&mut self) -> Result<(String, String), String> {
        let Some((kind, rest)) = self.rest.split_once('=') else { return Err(format!("“{}” has no “=”", self.rest)) };
        let kind = kind.trim();
        if kind.is_empty() || !kind.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.') {
            return Err(format!("“{kind}” is no attribute"));
        }
        self.rest = rest.trim_start();
        Ok((kind.to_ascii_lowercase(), self.value()?))
    }

    /// A value up to an unescaped `,` or `+` (RFC 4514 section 2.4).
    fn value(&mut self) -> Result<String, String> {
        let mut bytes = Vec::new();
        let mut input = self.rest.char_indices();
        let mut end = self.rest.len();
        while let Some((at, c)) = input.next() {
            match c {
                ',' | '+' => {
                    end = at;
                    break;
                }
                '\\' => {
                    let tail = input.as_str();
                    let hex = tail.get(..2).and_then(|pair| u8::from_str_radix(pair, 16).ok()).filter(|_| !tail.starts_with('+'));
                    match (hex, input.next()) {
                        (Some(byte), _) => {
                            input.next();
                            bytes.push(byte);
                        }
                        (None, Some((_, escaped))) => push(&mut bytes, escaped),
                        (None, None) => return Err("the name ends with a backslash".into()),
                    }
                }
                '"' | ';' | '<' | '>' | '\0' => return Err(format!("“{}” must be escaped", c.escape_default())),
                other => push(&mut bytes, other),
            }
        }
        self.rest = self.rest.get(end..).unwrap_or_default();
        let text = String::from_utf8(bytes).map_err(|_| "a value is not UTF-8".to_owned())?;
        Ok(fold(&text))
    }
}

fn push(bytes: &mut Vec<u8>, c: char) {
    bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

/// A name with one `{login}` in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DnTemplate {
    before: String,
    after: String,
}

impl DnTemplate {
    /// # Errors
    /// Unless there is exactly one `{login}`, as the whole of one value, and the rest is a name.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some((before, after)) = text.split_once("{login}") else { return Err("there is no {login} in it".into()) };
        if after.contains("{login}") {
            return Err("{login} is there twice".into());
        }
        if !before.trim_end().ends_with('=') || !(after.is_empty() || after.trim_start().starts_with(',')) {
            return Err("{login} must be the whole value of one attribute: uid={login},ou=people,…".into());
        }
        Dn::parse(&format!("{before}x{after}"))?;
        Ok(Self { before: before.to_owned(), after: after.to_owned() })
    }

    /// The name for a login, which becomes one value whatever it holds.
    pub fn fill(&self, login: &str) -> String {
        format!("{}{}{}", self.before, escape(login), self.after)
    }

    /// What a name made from a login lies below.
    pub fn example(&self) -> String {
        self.fill("x")
    }
}

/// A text as a value of a name (RFC 4514 section 2.4): everything but letters, digits and a few harmless signs as hexadecimal pairs.
pub fn escape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        if c.is_alphanumeric() || "-._@".contains(c) {
            out.push(c);
        } else {
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                out.push_str(&format!("\\{byte:02x}"));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn dn(text: &str) -> Dn {
        Dn::parse(text).unwrap()
    }

    #[test]
    fn spellings_of_one_name_are_equal() {
        let name = dn("CN=Pay Roll,OU=Groups,DC=corp,DC=example");
        for same in [
            "cn=pay roll,ou=groups,dc=corp,dc=example",
            "CN = Pay  Roll , OU=Groups, DC=corp,DC=EXAMPLE",
            "CN=Pay\\20Roll,OU=Groups,DC=corp,DC=example",
            "CN=\\50ay Roll,OU=Groups,DC=corp,DC=example",
        ] {
            assert_eq!(dn(same), name, "{same}");
        }
        for other in ["CN=Payroll,OU=Groups,DC=corp,DC=example", "CN=Pay Roll,OU=Groups,DC=corp", "OU=Groups,DC=corp,DC=example"] {
            assert_ne!(dn(other), name, "{other}");
        }
        assert_eq!(dn("a=1+b=2,c=3"), dn("B=2+A=1,C=3"));
        assert_eq!(name.leaf_cn(), Some("pay roll"));
        assert_eq!((name.domain().as_str(), dn("o=Acme").domain().as_str()), ("dc=corp,dc=example", "o=Acme"));
    }

    #[test]
    fn an_escaped_comma_does_not_move_a_name_to_another_place() {
        let trick = dn("CN=eve\\,OU=Admins,DC=corp");
        assert!(trick.is_within(&dn("DC=corp")) && !trick.is_within(&dn("OU=Admins,DC=corp")));
        assert!(dn("CN=eve,OU=Admins,DC=corp").is_within(&dn("ou=admins,dc=corp")));
        assert!(!dn("CN=eve,OU=xAdmins,DC=corp").is_within(&dn("ou=admins,dc=corp")));
    }

    #[test]
    fn what_is_no_name_is_refused_in_words() {
        for wrong in ["", " ", "alice", "=x", "cn=a,", "cn=a,,dc=b", "cn=a\\", "cn=\"a\"", "c n=a", "cn=a;dc=b", "cn=\\ff\\fe"] {
            assert!(Dn::parse(wrong).is_err(), "{wrong}");
        }
        for wrong in ["uid=x,dc=a", "uid={login},ou={login}", "uid=a{login},dc=a", "{login}", "{login}@corp.example", "uid={login}x,dc=a"] {
            assert!(DnTemplate::parse(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,40}|[,=+\\\\\" a-f0-9]{0,30}") {
            let _ = Dn::parse(&text);
        }

        /// Whatever is typed, the name that comes out has as many parts as the template, and the typed text as its first value.
        #[test]
        fn a_login_is_one_value_and_nothing_else(login in "\\PC{1,40}|[,=+\\\\\"#; \\x00a-f0-9]{1,30}") {
            let template = DnTemplate::parse("uid={login},ou=people,dc=corp").unwrap();
            let made = Dn::parse(&template.fill(&login)).unwrap();
            prop_assert_eq!(made.rdns.len(), 3);
            prop_assert!(made.is_within(&dn("ou=people,dc=corp")));
            prop_assert_eq!(&made.rdns[0], &vec![("uid".to_owned(), fold(&login))]);
        }
    }
}
