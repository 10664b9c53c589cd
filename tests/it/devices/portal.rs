//! Bound sessions where people sign in on one host: each host's session has a binding of its own.

use super::browser::{Device, offered, refresh};
use super::{BOUND, SERVER};
use crate::harness::*;

const PORTAL: &str = "login.one.example";
const WIKI: &str = "wiki.two.example";
const ROUTES: &str = r#"
[portal]
url = "https://login.one.example"
[session.device_bound]
[[routes]]
name = "wiki"
hosts = ["wiki.two.example"]
upstreams = ["UPSTREAM"]
policy = "one_factor"
"#;

/// Follows redirects over hosts until there are none, or the sign-in page is there; every answer on the way.
async fn travels(person: &mut Person, url: &str) -> Vec<Answer> {
    let (mut url, mut answers) = (url.to_owned(), Vec::new());
    for _ in 0..12 {
        if let Some(rest) = url.strip_prefix("https://") {
            let (host, _) = rest.split_once('/').unwrap();
            (person.host, url) = (host.to_owned(), rest[host.len()..].to_owned());
        }
        let answer = person.opens(&url).await;
        let next = (answer.status == 303).then(|| answer.location().to_owned());
        answers.push(answer);
        match next {
            Some(next) => url = next,
            None => return answers,
        }
    }
    panic!("redirected in circles at {}{url}", person.host);
}

#[tokio::test]
async fn a_hosts_session_is_bound_by_itself_and_comes_anew_where_its_device_is_missing() {
    let world = World::builder().mfa("first_enrolment = \"password\"").with(SERVER).with(ROUTES).build().await;
    let mut alice = world.person("alice", &[]).await;
    alice.https = true;
    travels(&mut alice, &format!("https://{WIKI}/")).await;
    assert_eq!(alice.host, PORTAL);
    let signed_in = alice.types_password().await;
    let mut at_the_portal = Device::new();
    at_the_portal.registers(&mut alice, &signed_in).await.is(200);
    let onward = signed_in.location().to_owned();
    let answers = travels(&mut alice, &onward).await;
    assert_eq!((alice.host.as_str(), answers.last().unwrap().status), (WIKI, 200));
    let offer = answers.iter().rev().find(|answer| offered(answer).is_some()).expect("the host's session is offered a device");
    let mut at_the_host = Device::new();
    at_the_host.registers(&mut alice, offer).await.is(200);
    world.advance(seconds(61));
    alice.calls("GET", "/").await.is(200);

    // A bound cookie of one host shows nothing at the other, nor do its session's cookies.
    let of = |name: &str, host: &str| alice.jar.of(name, host).unwrap().to_owned();
    let session = "__Host-vestibule";
    for (session, bound) in [(of(session, WIKI), of(BOUND, PORTAL)), (of(session, PORTAL), of(BOUND, WIKI))] {
        for host in [WIKI, PORTAL] {
            let mut mixed = alice.clone();
            mixed.host = host.to_owned();
            mixed.jar.clear();
            mixed.jar.set(&format!("__Host-vestibule={session}; Path=/; Secure"), host, true);
            mixed.jar.set(&format!("{BOUND}={bound}; Path=/; Secure"), host, true);
            assert_ne!(mixed.calls("GET", "/").await.status, 200, "{host}");
            assert_ne!(mixed.opens("/.vestibule/account").await.status, 200, "{host}");
        }
    }
    // Nor is one host's key another's.
    for (name, given) in [(&at_the_host.name, &at_the_portal.challenge), (&at_the_host.name, &at_the_host.challenge)] {
        refresh(&mut alice.clone(), name, Some(&at_the_portal.proof(given))).await.is(403);
    }

    // Copied without the bound cookies, neither session opens anything, and the portal hands out no ticket.
    let mut copied = alice.clone();
    copied.jar.drop(BOUND);
    assert_eq!(copied.calls("GET", "/").await.is(401).json()["reason"], "device");
    let answers = travels(&mut copied, &format!("https://{WIKI}/")).await;
    assert_eq!(copied.host, PORTAL, "{}", answers.last().unwrap().text());
    assert_ne!(copied.calls("GET", "/").await.status, 200);
    copied.host = WIKI.to_owned();
    copied.calls("GET", "/").await.is(401);

    // Who has the portal's device, but not the host's, gets a new session there without being asked.
    let mut forgot = alice.clone();
    forgot.jar.drop(BOUND);
    forgot.host = PORTAL.to_owned();
    at_the_portal.refreshes(&mut forgot).await.is(200);
    let answers = travels(&mut forgot, &format!("https://{WIKI}/")).await;
    assert_eq!((forgot.host.as_str(), answers.last().unwrap().status), (WIKI, 200), "{}", answers.last().unwrap().text());
    let offer = answers.iter().rev().find(|answer| offered(answer).is_some()).expect("and is offered a device for it");
    // The session that was replaced has left nothing: there is the portal's binding, and then the new one's.
    let bindings = async || world.app().services.store.kv().scan(b"device/", None, 10, false).await.unwrap().len();
    assert_eq!(bindings().await, 1, "the portal's");
    at_the_host.registers(&mut forgot, offer).await.is(200);
    assert_eq!(bindings().await, 2, "the portal's, and one of the host's");
    let sessions = world.app().services.store.all_sessions().await.unwrap();
    assert_eq!(sessions.iter().filter(|session| session.device.is_some()).count(), 2, "each has its session");
    // What was bound before is gone with its session, the copied cookies too.
    alice.host = WIKI.to_owned();
    alice.calls("GET", "/").await.is(401);
}
