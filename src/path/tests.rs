//! What is refused, and how the rest may be read.

use proptest::prelude::*;

use super::*;

fn refusal(target: &str) -> Option<Refusal> {
    Path::parse(target.as_bytes()).err()
}

fn texts(target: &str) -> Vec<String> {
    Path::parse(target.as_bytes()).unwrap().readings().map(|r| r.text.to_owned()).collect()
}

#[track_caller]
fn may_be_read_as(target: &str, reading: &str) {
    let all = texts(target);
    assert!(all.iter().any(|t| t == reading), "{target} is not read as {reading}: {all:?}");
}

#[test]
fn only_origin_form_is_a_path() {
    for target in ["", "*", "http://a/b", "a", "?x", "%2fa", "\\a"] {
        assert_eq!(refusal(target), Some(Refusal::NotAPath), "{target}");
    }
}

#[test]
fn dot_segments_are_refused_in_every_reading() {
    for target in [
        "/.",
        "/..",
        "/a/../b",
        "/a/./b",
        "/a/%2e%2e/b",
        "/a/.%2E",
        "/a/%252e%252e/b",
        "/a/..;x/b",
        "/a/..%3bx/b",
        "/a/..%2fb",
        "/a/..%252fb",
        "/a/..%255cb",
        "/a/%E2%80%A4%E2%80%A4/b",
        "/a/%E2%80%A5/b",
        "/a/..%EF%BC%8Fb",
        "/a/..%EF%BC%BCb",
        "/a/..%EF%BC%9Bx/b",
        "/a/%EF%BC%852e%EF%BC%852e/b",
        "/a/%EF%BC%8E%EF%BC%8E",
        "/a/..%3Fx",
        "/a/..%23x",
        "/a/..%20/b",
        "/a/.../b",
        "/a/%25u002e%25u002e/b",
        "/a/..%E2%88%95b",
        "/a/.%E2%80%8B./b",
        "/a/%25252e%25252e/b",
        "/a/..::$DATA/b",
    ] {
        assert_eq!(refusal(target), Some(Refusal::DotSegment), "{target}");
    }
}

#[test]
fn dots_in_names_are_nothing_special() {
    for target in ["/.vestibule/login", "/a.b/c", "/..a/b", "/a../b", "/compare/main...other", "/.well-known/x", "/a.%20b"] {
        assert_eq!(refusal(target), None, "{target}");
    }
}

#[test]
fn backslashes_are_refused_plain_and_encoded() {
    for target in ["/a\\b", "/a%5cb", "/a%5Cb"] {
        assert_eq!(refusal(target), Some(Refusal::Backslash), "{target}");
    }
}

#[test]
fn control_characters_are_refused_however_encoded() {
    for target in ["/a\0", "/a\tb", "/a\x7f", "/a%00", "/a%0d%0ab", "/a%7f", "/a%2500", "/a%250a", "/a%C2%85", "/a%25%30%30"] {
        assert_eq!(refusal(target), Some(Refusal::Control), "{target:?}");
    }
}

#[test]
fn what_must_be_encoded_is_refused_where_it_is_not() {
    assert_eq!(refusal("/a b"), Some(Refusal::Unencoded));
    assert_eq!(refusal("/a#b"), Some(Refusal::Unencoded));
    assert_eq!(refusal("/é"), Some(Refusal::NotAscii));
    assert_eq!(Path::parse(b"/\xff").unwrap_err(), Refusal::NotAscii);
}

#[test]
fn malformed_encodings_are_refused() {
    for target in ["/%", "/%4", "/%zz", "/a%", "/%u002e", "/%2"] {
        assert_eq!(refusal(target), Some(Refusal::MalformedEscape), "{target}");
    }
    for target in ["/%ff", "/%c0%ae", "/%ed%a0%80", "/%C3", "/%25c0%25ae", "/%25c0%252e", "/%25e0@n", "/%2580", "/%25da%25ff"] {
        assert_eq!(refusal(target), Some(Refusal::MalformedUtf8), "{target}");
    }
}

#[test]
fn long_paths_are_refused_and_long_queries_are_not() {
    assert_eq!(refusal(&format!("/{}", "a".repeat(MAX_PATH))), Some(Refusal::TooLong));
    assert_eq!(refusal(&format!("/{}", "a".repeat(MAX_PATH - 1))), None);
    assert_eq!(refusal(&format!("/?{}", "a".repeat(MAX_PATH))), None);
}

#[test]
fn the_query_is_split_off_and_never_judged() {
    let path = Path::parse(b"/a?b=/../\\%00?c").unwrap();
    assert_eq!(path.path_bytes(), b"/a");
    assert_eq!(path.query_bytes(), Some(b"b=/../\\%00?c".as_slice()));
    assert_eq!(Path::parse(b"/a").unwrap().query_bytes(), None);
}

#[test]
fn a_simple_path_has_one_reading_borrowed_from_the_target() {
    for target in ["/", "/a", "/a/b.c/d-e_f~g/", "/.vestibule/login", "/a?B//;"] {
        let path = Path::parse(target.as_bytes()).unwrap();
        assert!(matches!(path.readings, Readings::One(text) if std::ptr::eq(text, path.raw)), "{target}");
        assert_eq!(path.readings().count(), 1);
    }
}

#[test]
fn the_primary_reading_is_decoded_once_and_nothing_else() {
    for (target, primary) in [("/A//%62;c/%2541", "/A//b;c/%41"), ("/a/b", "/a/b"), ("/a%2Fb", "/a/b"), ("/%C3%89", "/É")] {
        assert_eq!(Path::parse(target.as_bytes()).unwrap().primary(), primary);
    }
}

#[test]
fn every_plausible_reading_is_found() {
    for target in [
        "/%61dmin",
        "/%2561dmin",
        "/%252561dmin",
        "//admin",
        "/ADMIN",
        "/admin;x=1",
        "/admin%3bx",
        "/admin.",
        "/admin%20",
        "/admin%3Fx",
        "/admin%23x",
        "/%EF%BD%81dmin",
        "/%EF%BC%8561dmin",
        "/adm%C4%B1n",
        "/admin%EF%BC%9Bx",
        "/;x/admin",
        "//x/admin",
        "/%255cadmin",
        "/%EF%BC%BCadmin",
        "/%EF%BC%8Fadmin",
        "/%E2%88%95admin",
        "/ADMIN%252e;y",
        "/a%E2%80%8Bdmin",
        "/admin%EF%BC%9Fx",
        "/%25u0061dmin",
        "/admin::$INDEX_ALLOCATION",
        "/ADM%EF%BC%A9N",
        "/adm%C4%B0n",
        "/%C3%A1dmin",
        "/%25e1dmin",
        "/a%CC%81dmin",
        "/%C3%81DM%C4%B0N",
        "/a%C4%91min",
        "/%C2%A5admin",
        "/%E2%82%A9admin",
        "/%EF%BF%A5admin",
    ] {
        may_be_read_as(target, "/admin");
    }
}

/// Found by fuzzing: what takes away the slashes at the start alone leaves those further on as they are.
#[test]
fn the_slashes_at_the_start_go_without_the_others() {
    for target in ["//admin//keys", "///admin//keys", "/%2f/admin%2f/keys", "////admin//keys", "/%252fadmin//keys"] {
        may_be_read_as(target, "/admin//keys");
    }
}

#[test]
fn a_percent_sign_in_a_name_is_no_fault() {
    for target in ["/100%25dark", "/100%25", "/5%25fun", "/100%25dark/%C3%A9"] {
        assert_eq!(refusal(target), None, "{target}");
    }
}

#[test]
fn an_encoded_slash_is_read_as_a_letter_and_as_a_slash() {
    let path = Path::parse(b"/%61%2Fb").unwrap();
    assert!(path.has_encoded_slash());
    for reading in ["/a/b", "/a%2Fb", "/%61%2Fb"] {
        may_be_read_as("/%61%2Fb", reading);
    }
    assert!(!Path::parse(b"/a%252fb").unwrap().has_encoded_slash());
    may_be_read_as("/a%252fb", "/a/b");
}

#[test]
fn what_can_only_be_sent_encoded_is_no_second_reading() {
    assert_eq!(texts("/my%20files"), ["/my files"]);
    assert_eq!(texts("/caf%C3%A9"), ["/café", "/cafe"], "the second is for those that know no accents");
    assert_eq!(texts("/My%20files"), ["/My files", "/my files"]);
}

#[test]
fn a_reading_knows_what_it_is_compared_with() {
    let path = Path::parse(b"/Admin").unwrap();
    let all: Vec<_> = path.readings().collect();
    assert_eq!(all[0], Reading { text: "/Admin", plain: true, lowered: false, folded: false });
    assert_eq!(all[1], Reading { text: "/admin", plain: false, lowered: true, folded: true });
    assert_eq!(all.len(), 2);
}

#[test]
fn a_path_with_too_many_readings_is_refused() {
    let target = "//A%2525252525252541;x//b.%3Fc%EF%BC%A1%EF%BC%9B/d%20%E2%88%95";
    assert_eq!(refusal(target), Some(Refusal::TooManyReadings));
}

#[test]
fn a_long_path_may_not_have_many_readings() {
    let long = "/Bees".repeat(1200);
    assert_eq!(refusal(&long), None);
    assert_eq!(refusal(&format!("/{long}%252541;x.")), Some(Refusal::TooMuchWork));
}

/// What one target may cost is counted, in bytes touched, so that no machine's speed decides.
#[test]
fn a_path_whose_readings_cost_too_much_is_refused() {
    let units = [
        "%25C3%2584%25C3%2584%E1%BA%9E%EF%B7%BAA",
        "%EF%B7%BA",
        "%25EF%25B7%25BA",
        "%25C4%25B0%2520",
        "%E2%88%95//;x%3Fb%2520",
        "%EA%B0%81%C4%B0",
        "%25u0130%2541%25u0130%3Fb%E1%BA%9E",
    ];
    for unit in units {
        for share in [1, 2] {
            let target = format!("/{}", unit.repeat(MAX_PATH / unit.len() / share));
            assert_eq!(refusal(&target), Some(Refusal::TooMuchWork), "{unit} to 1/{share} of the longest path");
        }
    }
    assert_eq!(refusal(&format!("/{}", units[0].repeat(5))), Some(Refusal::TooMuchWork), "196 bytes are enough");
}

#[test]
fn honest_paths_spend_little_of_the_budget() {
    for (target, most) in [
        ("/Wiki/Articles;v=2/How%20to%20close%20a%20Door".to_owned(), work::BUDGET / 100),
        ("/Documents/Team%20A/Quarterly%20Report.docx".repeat(20), work::BUDGET / 10),
        (format!("/Dokumente/{}", "M%C3%A4rz/".repeat(60)), work::BUDGET / 2),
        (format!("/A/{}", "%E4%BD%A0%E5%A5%BD/".repeat(200)), work::BUDGET / 2),
        (format!("/{}", "%ED%95%9C%EA%B5%AD/".repeat(30)), work::BUDGET / 2),
        (format!("/{}", "%D0%9F%D1%80%D0%B8/".repeat(60)), work::BUDGET / 2),
    ] {
        let spent = readings::work_of(&target).unwrap();
        assert!(spent <= most, "{target}: {spent} of {most}");
    }
}

#[test]
fn folding_is_the_same_for_all_spellings_of_a_name() {
    for (a, b) in [("STRASSE", "straße"), ("ΑΣ", "ας"), ("K", "k"), ("ﬁle", "FILE"), ("e\u{301}", "É"), ("ſ", "S")] {
        assert_eq!(fold(a), fold(b), "{a} {b}");
    }
}

proptest! {
    #[test]
    fn no_reading_has_dots_or_controls_and_every_fold_is_there(target in "/([aA./;%\\\\?]|%2[eEfF5]|%25|%5c|%3[bf]|%EF%BC%8[5EF]|%C3%89|%E2%80%A5|%20){0,12}") {
        if let Ok(path) = Path::parse(target.as_bytes()) {
            let all: Vec<_> = path.readings().map(|r| r.text.to_owned()).collect();
            for text in &all {
                prop_assert!(text.starts_with('/'));
                prop_assert!(!text.split(['/', '\\']).any(|s| s == "." || s == ".."), "{:?}", text);
                prop_assert!(!text.chars().any(char::is_control));
                prop_assert!(all.contains(&fold(text).into_owned()), "{:?}", text);
            }
        }
    }

    #[test]
    fn any_bytes_are_answered(target in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = Path::parse(&target);
    }

    #[test]
    fn what_is_not_refused_is_within_the_budget(
        unit in prop::collection::vec("[A/.;b]|//|%2541|%C3%89|%EF%B7%BA|%25EF%25B7%25BA|%25u0130|%3Fb|%2520|%CC%81|:\\$x", 1..6),
        times in 1_usize..200,
    ) {
        let target = format!("/{}", unit.concat().repeat(times));
        let longest = Path::parse(target.as_bytes()).map_or(0, |path| path.readings().map(|r| r.text.len()).sum());
        prop_assert!(longest <= work::BUDGET / 4, "each byte of a reading was touched four times at least: {}", longest);
    }

    #[test]
    fn folding_twice_changes_nothing(text in "\\PC{0,12}") {
        let once = fold(&text).into_owned();
        prop_assert_eq!(fold(&once).into_owned(), once);
    }
}
