//! The session's cookie: how it is set, and what is none.

use crate::harness::*;

fn session_line(answer: &Answer, name: &str) -> String {
    let start = format!("{name}=");
    answer.all("set-cookie").find(|line| line.starts_with(&start)).unwrap_or_else(|| panic!("no {name} in {:?}", answer.headers)).to_owned()
}

#[tokio::test]
async fn the_cookie_is_strict() {
    let world = World::new().await;
    let mut alice = world.person("alice", &[]).await;
    alice.visits("/").await;
    let line = session_line(&alice.types_password().await, "vestibule");
    let attributes: Vec<String> = line.split(';').skip(1).map(|part| part.trim().to_ascii_lowercase()).collect();
    for wanted in ["httponly", "samesite=lax", "path=/"] {
        assert!(attributes.iter().any(|a| a == wanted), "{wanted}: {line}");
    }
    assert!(!line.to_ascii_lowercase().contains("domain"), "{line}");
    assert!(line.len() < 4096);
}

#[tokio::test]
async fn over_https_the_cookie_is_bound_to_the_host() {
    let world = World::builder().with("[server]\ndata_dir = \"data\"\ntrusted_proxies = [\"127.0.0.0/8\"]").build().await;
    let mut alice = world.person("alice", &[]).await;
    alice.https = true;
    alice.visits("/").await;
    let answer = alice.types_password().await;
    let line = session_line(&answer, "__Host-vestibule");
    assert!(line.contains("; Secure") && !line.contains("Domain"), "{line}");
    assert!(answer.header("strict-transport-security").is_some());
    for line in answer.all("set-cookie") {
        assert!(line.contains("Secure"), "{line}");
    }
    alice.follows().await;
    alice.sees("/");
    assert_eq!(world.upstream.last().values("x-forwarded-proto"), ["https"]);
    // The bare name is not ours there.
    let value = alice.jar.get("__Host-vestibule").unwrap().to_owned();
    let mut thief = world.at_a_browser("alice");
    thief.https = true;
    thief.jar.put("vestibule", &value, HOST);
    thief.calls("GET", "/").await.is(401);
}

#[tokio::test]
async fn over_https_with_a_domain_the_cookie_says_so() {
    let sections =
        "[server]\ndata_dir = \"data\"\ntrusted_proxies = [\"127.0.0.0/8\"]\n[session]\ndomain = \"app.example\"\ncookie = \"door\"";
    let world = World::builder().with(sections).build().await;
    let mut alice = world.person("alice", &[]).await;
    alice.https = true;
    alice.visits("/").await;
    let line = session_line(&alice.types_password().await, "__Secure-door");
    assert!(line.contains("; Secure") && line.contains("Domain=app.example"), "{line}");
}

#[tokio::test]
async fn a_tampered_cookie_is_no_cookie_and_is_expired() {
    let world = World::new().await;
    let mut alice = world.person("alice", &[]).await;
    alice.signs_in().await;
    let good = alice.jar.get("vestibule").unwrap().to_owned();
    let flipped = |at: usize| {
        let mut bytes = good.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        String::from_utf8(bytes).unwrap()
    };
    let device = alice.jar.get("vestibule_device").unwrap().to_owned();
    let form = alice.jar.get("vestibule_csrf").unwrap().to_owned();
    let mut bad: Vec<String> = (0..good.len()).step_by(7).map(flipped).collect();
    bad.extend([String::new(), "x".into(), good[..good.len() - 1].into(), format!("{good}A"), format!("{good}="), format!("\"{good}\"")]);
    bad.extend([device, form, "A".repeat(3000), "%00".into(), "null".into()]);
    for value in bad {
        let mut thief = world.at_a_browser("thief");
        thief.jar.put("vestibule", &value, HOST);
        let answer = thief.calls("GET", "/").await;
        answer.is(401);
        assert!(answer.all("set-cookie").any(|line| line.starts_with("vestibule=;") && line.contains("Max-Age=0")), "{value}");
        thief.jar.put("vestibule", &value, HOST);
        thief.opens("/x").await.leads_to("/.vestibule/login");
        thief.jar.put("vestibule", &value, HOST);
        thief.opens("/.vestibule/account").await.leads_to("/.vestibule/login");
    }
    assert!(alice.is_signed_in().await);
}

#[tokio::test]
async fn two_cookies_of_the_name_are_none() {
    let world = World::new().await;
    let mut alice = world.person("alice", &[]).await;
    alice.signs_in().await;
    let good = alice.jar.get("vestibule").unwrap().to_owned();
    for line in [
        format!("Cookie: vestibule={good}; vestibule={good}\r\n"),
        format!("Cookie: vestibule={good}\r\nCookie: vestibule=x\r\n"),
        format!("Cookie: vestibule=x; a=b; vestibule={good}\r\n"),
        format!("Cookie: vestibule={good}; vestibule=\r\n"),
    ] {
        let answer = world.at_a_browser("thief").asks("GET", "/", &line, b"").await;
        answer.is(401);
        assert!(answer.all("set-cookie").any(|line| line.starts_with("vestibule=;")), "{line}");
    }
}
