//! Whatever is let through, an independent and naive reader agrees: its readings, decoded up to three times and bent in any order, are among ours; the
//! primary one is the path decoded once; no reading has a dot segment or a control character; the bytes stay what they were; and what the policy
//! admits from a stranger leads to nothing that wants more, to no application.
#![no_main]

mod naive;

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use naive::{ascii_head, is_below};
use vestibule::base::{ClientAddr, Host, Time};
use vestibule::path::Path;
use vestibule::policy::{Ask, CertificateUse, Decision, Level, Policy, Requirement, Route, Rule, decide};

static POLICY: LazyLock<Policy> = LazyLock::new(|| {
    let wants = |level| Requirement { level, groups: None, factors: None, max_age: None, client_certificate: CertificateUse::None, enforce: true };
    let rule = |path: &str, level| Rule { paths: vec![path.to_owned()], patterns: Vec::new(), methods: Vec::new(), networks: Vec::new(), query: Vec::new(), whereabouts: None, requirement: wants(level), comment: None };
    let root = Route {
        name: Arc::from("root"),
        hosts: Vec::new(),
        path: String::new(),
        upstreams: Vec::new(),
        requirement: wants(Level::Bypass),
        rules: vec![rule("/admin", Level::TwoFactor), rule("/Kunde", Level::OneFactor), rule("/s/k", Level::Deny)],
        encoded_slash: true,
        keep_post: false,
        proxy: Default::default(),
        application: Default::default(),
    };
    Policy::new(vec![root], "/.vestibule")
});

static HOST: LazyLock<Host> = LazyLock::new(|| Host::parse(b"a.example").expect("a host"));

fuzz_target!(|target: &[u8]| {
    let Ok(path) = Path::parse(target) else { return };
    let sent = target.split(|b| *b == b'?').next().unwrap_or_default();
    assert_eq!(path.path_bytes(), sent);
    assert_eq!(path.query_bytes(), target.get(sent.len() + 1..));
    assert_eq!(path.primary(), naive::decoded(path.as_sent()).expect("what is not UTF-8 is refused"));
    for reading in path.readings() {
        assert!(reading.text.starts_with('/'));
        assert!(!reading.text.chars().any(char::is_control));
        assert!(!reading.text.split('/').any(|segment| segment == "." || segment == ".."), "{reading:?}");
    }
    if sent.len() > 200 {
        return;
    }
    let naive = naive::readings(path.as_sent(), 600);
    let heads: Vec<String> = path.readings().map(|reading| ascii_head(reading.text)).collect();
    for text in &naive {
        let head = ascii_head(text);
        let is_there = heads.iter().any(|known| *known == head || known.strip_prefix(&head).is_some_and(|rest| rest.starts_with('/')));
        // Of the root and of nothing there is nothing to know.
        assert!(head.len() < 2 || is_there, "{text:?} is none of {heads:?}");
    }
    let ask = Ask { host: &HOST, method: &http::Method::GET, client: ClientAddr::new([192, 0, 2, 1].into()), path: &path, form: false, certificate: vestibule::policy::Certificate::Absent };
    if let Decision::Allow(admission) = decide(&POLICY, &ask, None, Time::from_secs(0)) {
        assert!(admission.person().is_none());
        let forms: [fn(&str) -> String; 4] = [str::to_owned, str::to_lowercase, naive::simple, naive::without_accents];
        for (text, form) in naive.iter().flat_map(|text| forms.iter().map(move |form| (text, form))) {
            let found = ["/admin", "/Kunde", "/s/k", "/.vestibule"].iter().find(|prefix| is_below(&form(text), &form(prefix)));
            assert!(found.is_none(), "{found:?} is reached as {text:?}");
        }
    }
});
