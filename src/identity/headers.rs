//! Who asks, as header values under an application's names. Guarantees that a value says one thing: what cannot be told apart
//! in a list, or cannot be in a header, is an error, and the request fails rather than go out with half an identity.

use bytes::Bytes;
use http::HeaderValue;

use super::table::{Groups, Table};

/// Names and values together, in bytes. Servers take 8 KiB in a line or in all (Apache 8190, nginx 8 KiB, Tomcat 8 KiB).
pub const MAX_BYTES: usize = 8 * 1024;

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    pub user: &'a str,
    pub name: &'a str,
    pub email: &'a str,
    pub groups: &'a [String],
}

/// Why an identity cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsendable {
    #[error("a {0} cannot be sent as a header")]
    Value(&'static str),
    #[error("the identity takes {0} bytes, more than the 8 KiB that applications take")]
    TooLarge(usize),
}

/// The headers of a table for somebody, in the order user, name, e-mail, groups.
///
/// # Errors
/// Where a value cannot be sent, or all of them are longer than [`MAX_BYTES`].
pub fn write(table: &Table, who: &Subject<'_>) -> Result<Vec<(Bytes, HeaderValue)>, Unsendable> {
    let mut headers = Vec::with_capacity(4);
    let fields = [(&table.user, who.user, "user name"), (&table.name, who.name, "name"), (&table.email, who.email, "e-mail address")];
    for (header, text, what) in fields {
        if let Some(header) = header {
            headers.push((header.clone(), value(&table.encoding.encode(text), what)?));
        }
    }
    if let Some(groups) = &table.groups {
        headers.push((groups.header.clone(), value(&list(table, groups, who.groups)?, "group")?));
    }
    let bytes = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > MAX_BYTES { Err(Unsendable::TooLarge(bytes)) } else { Ok(headers) }
}

fn list(table: &Table, groups: &Groups, names: &[String]) -> Result<String, Unsendable> {
    let mut out = String::with_capacity(names.iter().map(|name| name.len() + 3).sum());
    for (place, name) in names.iter().enumerate() {
        let name = table.encoding.encode(name);
        let apart = if groups.quoted { '"' } else { groups.separator };
        if name.contains(apart) {
            return Err(Unsendable::Value("group with a separator in its name"));
        }
        if place > 0 {
            out.push(groups.separator);
        }
        let quote = if groups.quoted { "\"" } else { "" };
        out.extend([quote, &name, quote]);
    }
    Ok(out)
}

/// A tab is the one control character that a header's value may hold otherwise.
fn value(text: &str, what: &'static str) -> Result<HeaderValue, Unsendable> {
    if text.contains('\t') {
        return Err(Unsendable::Value(what));
    }
    HeaderValue::from_bytes(text.as_bytes()).map_err(|_| Unsendable::Value(what))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Encoding, Preset};
    use super::*;

    fn told(table: &Table, groups: &[&str]) -> Result<Vec<(String, String)>, Unsendable> {
        let groups: Vec<String> = groups.iter().map(|group| (*group).to_owned()).collect();
        let who = Subject { user: "alice", name: "Alice Ä.", email: "alice@internal.example", groups: &groups };
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Ok(write(table, &who)?.iter().map(|(name, value)| (text(name), text(value.as_bytes()))).collect())
    }

    fn pairs(expected: &[(&str, &str)]) -> Result<Vec<(String, String)>, Unsendable> {
        Ok(expected.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect())
    }

    #[test]
    fn each_preset_speaks_its_own_words() {
        let groups = ["staff", "Domain Users"];
        let email = "alice@internal.example";
        let expect = |preset: Preset, expected: &[(&str, &str)]| assert_eq!(told(&preset.table(), &groups), pairs(expected), "{preset:?}");
        expect(
            Preset::Remote,
            &[("Remote-User", "alice"), ("Remote-Name", "Alice Ä."), ("Remote-Email", email), ("Remote-Groups", "staff,Domain Users")],
        );
        expect(
            Preset::Authentik,
            &[
                ("X-authentik-username", "alice"),
                ("X-authentik-name", "Alice Ä."),
                ("X-authentik-email", email),
                ("X-authentik-groups", "staff|Domain Users"),
            ],
        );
        expect(Preset::Siteminder, &[("SM_USER", "alice")]);
        expect(Preset::Webseal, &[("iv-user", "alice"), ("iv-groups", "\"staff\",\"Domain Users\"")]);
        expect(Preset::None, &[]);
    }

    #[test]
    fn nobody_is_in_two_groups_by_the_name_of_one() {
        let cannot = Err(Unsendable::Value("group with a separator in its name"));
        assert_eq!(told(&Preset::Remote.table(), &["a,admins"]), cannot);
        assert_eq!(told(&Preset::Authentik.table(), &["a|admins"]), cannot);
        assert_eq!(told(&Preset::Webseal.table(), &["a\",\"admins"]), cannot);
        assert!(told(&Preset::Webseal.table(), &["a,b"]).is_ok(), "the quotes tell it apart");
        let percent = Table { encoding: Encoding::Percent, ..Preset::Remote.table() };
        assert_eq!(told(&percent, &["a,admins", "b"]).unwrap()[3].1, "a%2Cadmins,b");
    }

    #[test]
    fn no_control_character_is_sent() {
        for bad in ["a\tb", "a\r\nX: y", "a\0"] {
            assert!(told(&Preset::Remote.table(), &[bad]).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn more_groups_than_an_application_takes_are_an_error_that_says_so() {
        let many: Vec<String> = (0..600).map(|n| format!("department-{n:04}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(matches!(told(&Preset::Remote.table(), &many), Err(Unsendable::TooLarge(bytes)) if bytes > MAX_BYTES));
        assert!(told(&Preset::Remote.table(), &many[..400]).is_ok());
        assert!(told(&Preset::Siteminder.table(), &many).is_ok(), "which is told no groups");
    }

    proptest! {
        #[test]
        fn the_groups_are_read_back_as_they_were(groups in proptest::collection::vec("[ -~äö]{1,12}", 1..6), pick in 0usize..3) {
            let table = Table { encoding: Encoding::ALL[pick], ..Preset::Remote.table() };
            let names: Vec<&str> = groups.iter().map(String::as_str).collect();
            if let Ok(headers) = told(&table, &names) {
                prop_assert_eq!(headers[3].1.split(',').count(), groups.len());
            }
        }
    }
}
