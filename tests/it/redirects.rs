//! The way back leads to a place behind this gateway, whatever is asked for.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::harness::*;

/// What open redirects have been made of.
const ASTRAY: [&str; 74] = [
    "//evil.example",
    "//evil.example/x",
    "///evil.example",
    "////evil.example",
    "/\\evil.example",
    "\\/evil.example",
    "\\\\evil.example",
    "/\\/evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "/\r/evil.example",
    "\t//evil.example",
    " //evil.example",
    "\u{a0}//evil.example",
    "/%09/evil.example",
    "/%5cevil.example",
    "/%2f/evil.example",
    "/.//evil.example",
    "/..//evil.example",
    "/x/..//evil.example",
    "/./\\evil.example",
    "http://evil.example",
    "https://evil.example",
    "HTTP://evil.example",
    "http:evil.example",
    "http:/evil.example",
    "http:///evil.example",
    "http:\\\\evil.example",
    "http:/\\evil.example",
    "https:evil.example",
    "ht\ttp://evil.example",
    "h\nttp://evil.example",
    "ftp://evil.example",
    "ws://evil.example",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\tscript:alert(1)",
    "data:text/html,x",
    "vbscript:x",
    "file:///etc/passwd",
    "blob:http://evil.example/x",
    "http://app.example@evil.example/",
    "http://app.example:80@evil.example/",
    "http://app.example%40evil.example/",
    "http://evil.example#app.example",
    "http://evil.example?app.example",
    "http://evil.example\\app.example",
    "http://evil.example\\@app.example",
    "http://evil.example/app.example",
    "http://app.example.evil.example/",
    "http://app.example%2eevil.example/",
    "http://app.exampleevil.example/",
    "http://evilapp.example/",
    "http://app.example\u{3002}evil.example/",
    "http://app.example%00.evil.example/",
    "http://app.example\u{0}.evil.example/",
    "http://[::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://127.0.0.1/",
    "http://2130706433/",
    "http://0x7f.1/",
    "http://app.example:8080/",
    "http://app.example:443@evil.example/",
    "//app.example@evil.example/",
    "//app.example:80\\@evil.example/",
    "http://unknown.example/",
    "http://evil.app.example.evil.example/",
    "//%65vil.example",
    "/%0d%0aLocation:%20http://evil.example",
    "/x\r\nLocation: http://evil.example",
    "/x\r\nSet-Cookie: a=b",
    "?//evil.example",
    "x//evil.example",
    "@evil.example",
];

/// Where a browser would go from a page of ours (the WHATWG URL standard, as lenient as they are).
fn goes_to(location: &str) -> url::Url {
    url::Url::parse("http://app.example/.vestibule/login").unwrap().join(location).unwrap()
}

#[track_caller]
fn stays(rd: &str, answer: &Answer) {
    let there = goes_to(answer.is(303).location());
    assert_eq!((there.scheme(), there.host_str(), there.port()), ("http", Some("app.example"), None), "{rd:?} leads to {there}");
    assert!(there.username().is_empty());
    assert!(answer.all("set-cookie").all(|cookie| !cookie.starts_with("a=")));
}

#[tokio::test]
async fn nothing_leads_astray() {
    let world = World::new().await;
    let mut alice = world.person("alice", &[]).await;
    alice.signs_in().await;
    for rd in ASTRAY {
        let encoded = utf8_percent_encode(rd, NON_ALPHANUMERIC);
        for page in ["login", "mfa"] {
            let answer = alice.clone().opens(&format!("/.vestibule/{page}?rd={encoded}")).await;
            if page == "login" || answer.status == 303 {
                stays(rd, &answer);
            }
        }
    }
}

#[tokio::test]
async fn nothing_leads_astray_after_a_sign_in() {
    let world = World::new().await;
    let mut alice = world.person("alice", &[]).await;
    alice.signs_in().await;
    for rd in ASTRAY {
        alice.jar.drop("vestibule");
        alice.visits("/.vestibule/login").await;
        let answer = alice.sends("login", &[("rd", rd), ("username", "alice"), ("password", PASSWORD)]).await;
        stays(rd, &answer);
    }
}

#[tokio::test]
async fn no_page_links_astray() {
    let world = World::new().await;
    let mut alice = world.person_with_app("alice", &[]).await;
    alice.visits("/").await;
    alice.types_password().await;
    for rd in ASTRAY {
        let encoded = utf8_percent_encode(rd, NON_ALPHANUMERIC);
        for page in ["login", "mfa/totp", "mfa/recovery", "logout"] {
            let page = alice.clone().opens(&format!("/.vestibule/{page}?rd={encoded}")).await.text();
            assert!(!page.contains("href=\"http") && !page.contains("href=\"//") && !page.contains("javascript:"), "{rd:?}: {page}");
        }
    }
}

#[tokio::test]
async fn honest_ways_back_are_kept() {
    let world = World::new().await;
    let mut alice = world.person("alice", &[]).await;
    alice.signs_in().await;
    for (rd, place) in [
        ("/reports?x=1", "/reports?x=1"),
        ("http://app.example/reports?x=1", "/reports?x=1"),
        ("/a?url=http://evil.example/", "/a?url=http://evil.example/"),
        ("/a?x=//evil.example", "/a?x=//evil.example"),
    ] {
        let encoded = utf8_percent_encode(rd, NON_ALPHANUMERIC);
        let answer = alice.opens(&format!("/.vestibule/login?rd={encoded}")).await;
        assert_eq!(answer.is(303).location(), place);
    }
}

#[tokio::test]
async fn one_sign_in_leads_to_every_host_of_the_domain_and_no_other() {
    let world = World::builder().mfa("first_enrolment = \"password\"").with("[session]\ndomain = \"app.example\"").build().await;
    let mut alice = world.person("alice", &[]).await;
    alice.visits("/.vestibule/login?rd=http%3A%2F%2Fwiki.app.example%2Fpage").await;
    let answer = alice.types_password().await;
    assert_eq!(answer.is(303).location(), "http://wiki.app.example/page");
    alice.host = "wiki.app.example".to_owned();
    alice.visits("/page").await;
    alice.sees("/page");
    alice.host = HOST.to_owned();
    let answer = alice.opens("/.vestibule/login?rd=http%3A%2F%2Flegacy.example%2Fpage").await;
    assert_eq!(answer.is(303).location(), "/", "a host that the domain does not cover");
}
