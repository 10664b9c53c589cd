//! The readings against naive applications, each of which reads a query in a way that real ones do.

use proptest::prelude::*;

use super::*;

fn conditions(all: &[(&str, &[&str])]) -> Vec<Condition> {
    all.iter().map(|(name, values)| Condition::new(name, &values.iter().map(|v| (*v).to_owned()).collect::<Vec<_>>())).collect()
}

fn matches(query: &str) -> bool {
    may_match(&conditions(&[("do", &["admin", "revisions"])]), Some(query.as_bytes()))
}

#[test]
fn each_occurrence_in_each_reading_counts() {
    for query in [
        "do=admin",
        "a=b&do=revisions&c=d",
        "do=show&do=admin",
        "do=admin&do=show",
        "a=b;do=admin",
        "DO=Admin",
        "do=%61dmin",
        "%64o=admin",
        "do=%2561dmin",
        "do[]=admin",
        "do[0]=admin",
        "do%5B%5D=admin",
        "do[admin]=1",
        "do[x][admin]=1",
        "do=+admin+",
        "do=admin%00",
        "do=admin%00.php",
        "%20do=admin",
        "do=%EF%BD%81dmin",
        "do=%u0061dmin",
        "do=%c1%a1dmin",
        "do=%ffadmin",
        "x=1%26do%3Dadmin",
        "x?do=admin",
        "=&&do=admin",
    ] {
        assert!(matches(query), "{query}");
    }
}

#[test]
fn what_no_reading_says_does_not_match() {
    for query in ["", "do", "do=", "do=show", "todo=admin", "do=administrator", "x=do", "admin=do", "do.x=admin"] {
        assert!(!matches(query), "{query}");
    }
    assert!(!may_match(&conditions(&[("do", &["admin"])]), None));
}

#[test]
fn several_conditions_hold_together() {
    let both = conditions(&[("do", &["admin"]), ("page", &["users"])]);
    assert!(may_match(&both, Some(b"page=users&do=admin")));
    assert!(!may_match(&both, Some(b"do=admin")));
    assert!(!may_match(&both, Some(b"do=users&page=admin")));
}

#[test]
fn more_than_can_be_read_counts_as_a_match_and_costs_no_more() {
    let bomb = "%25C3%2584%25C3%2584%E1%BA%9E%EF%B7%BA&".repeat(400);
    assert!(bomb.len() <= 16 * 1024);
    let _ = matches(&bomb);
    assert!(matches(&format!("do={}", "x".repeat(MOST_TEXT))));
}

/// As most frameworks do: split at `&`, decode once, `+` is a blank.
fn once(query: &str, separators: &[char]) -> Vec<(String, String)> {
    let decode = |text: &str| percent_encoding::percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let pairs = query.split(separators).map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.map(|(name, value)| (decode(name), decode(value))).collect()
}

/// As PHP does: `name[...]` is `name`, dots and blanks are `_`, blanks before a name are cut.
fn php(query: &str) -> Vec<(String, String)> {
    let name = |name: &str| name.trim_start().split('[').next().unwrap_or_default().replace([' ', '.'], "_");
    once(query, &['&']).into_iter().map(|(full, value)| (name(&full), value)).collect()
}

/// As a front in front of an application does: decoded before it is split, and again after.
fn twice(query: &str) -> Vec<(String, String)> {
    once(&percent_encoding::percent_decode_str(query).decode_utf8_lossy(), &['&', ';'])
}

fn an_application_reads(query: &str) -> bool {
    let all = [once(query, &['&']), once(query, &['&', ';']), php(query), twice(query)];
    let says = |(name, value): &(String, String)| name.to_lowercase() == "do" && value.trim().to_lowercase() == "admin";
    all.iter().any(|pairs| pairs.iter().any(says))
}

/// A text in some spelling: each character as it is, encoded once or encoded twice.
fn spelt(text: &'static str) -> impl Strategy<Value = String> {
    proptest::collection::vec(0u8..6, text.len()).prop_map(move |ways| {
        let spell = |(letter, way): (char, u8)| match way {
            0 => format!("%{:02x}", u32::from(letter)),
            1 => format!("%{:02X}", u32::from(letter.to_ascii_uppercase())),
            2 => format!("%25{:02x}", u32::from(letter)),
            3 => letter.to_ascii_uppercase().to_string(),
            _ => letter.to_string(),
        };
        text.chars().zip(ways).map(spell).collect()
    })
}

fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        spelt("do"),
        spelt("admin"),
        spelt("="),
        spelt("&"),
        spelt("[]"),
        spelt(" "),
        Just("=".to_owned()),
        Just("&".to_owned()),
        Just(";".to_owned()),
        Just("+".to_owned()),
        "[a-z%=&;+.\\[\\]]{0,3}",
    ]
}

proptest! {
    #[test]
    fn a_query_in_any_encoding_never_lowers_a_demand(pieces in proptest::collection::vec(piece(), 0..10)) {
        let query = pieces.concat();
        prop_assert!(!an_application_reads(&query) || matches(&query), "{query}");
    }

    #[test]
    fn every_spelling_of_the_pair_matches(name in spelt("do"), value in spelt("admin"), before in "([a-z]{1,3}=[a-z]{1,3}&)?", after in "(&[a-z]{1,3}=[a-z]{1,3})?") {
        let query = format!("{before}{name}={value}{after}");
        prop_assert!(matches(&query), "{query}");
    }

    #[test]
    fn no_bytes_make_it_panic(query in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = may_match(&conditions(&[("do", &["admin"])]), Some(&query));
    }
}
