//! Faults of what stands beside the gateway: the application, the mail server, the SMS gateway. Pages go on, and nothing opens.

use std::time::{Duration, Instant};

use crate::harness::*;
use crate::misbehaving::{self, Kind};
use crate::site::{self, Site, until};

#[tokio::test]
async fn an_application_that_fails_is_answered_for() {
    let world = World::new().await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut more = String::new();
    let kinds = [Kind::Silent, Kind::Hangs, Kind::DiesHalfway, Kind::Garbage, Kind::EndlessHeader];
    let mut places = vec![("refusing".to_owned(), closed)];
    for kind in kinds {
        places.push((format!("{kind:?}").to_lowercase(), misbehaving::start(kind).await));
    }
    for (name, address) in &places {
        more.push_str(&format!(
            "\n[[routes]]\nname = \"{name}\"\nhosts = [\"{name}.bad.example\"]\nupstreams = [\"http://{address}\"]\npolicy = \"bypass\"\nproxy = {{ read_timeout = \"1s\" }}\n"
        ));
    }
    world.reload(|text| text + &more).await;
    for (name, expected) in [("refusing", 502), ("silent", 504), ("hangs", 502), ("garbage", 502), ("endlessheader", 502)] {
        for method in ["GET", "POST"] {
            let mut person = world.at_a_browser("x");
            person.host = format!("{name}.bad.example");
            let answer = person.asks(method, "/x", "", b"").await;
            assert_eq!(answer.status, expected, "{name}: {}", answer.text());
            assert!(!answer.text().contains("127.0.0.1"), "nothing internal: {}", answer.text());
        }
    }
    for _ in 0..20 {
        let mut wire = world.at_a_browser("x").wire().await;
        wire.send(b"GET /x HTTP/1.1\r\nHost: dieshalfway.bad.example\r\n\r\n").await;
        wire.head().await.expect("a head").is(200);
        assert_eq!(wire.rest().await, b"0123456789", "the connection ends, so that nobody takes it for whole");
    }
    world.at_a_browser("x").calls("GET", "/public/x").await.is(200);
}

/// The code that cannot be sent is asked for at once, and another is none.
async fn is_asked_soon_for_a_code(person: &mut Person, page: &str) {
    let started = Instant::now();
    person.visits("/").await;
    person.types_password().await.is(303);
    person.follows().await.is(200);
    person.is_at(page);
    person.types_code("123456").await.is(422);
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert!(!person.is_signed_in().await);
}

#[tokio::test]
async fn mail_that_hangs_or_is_refused_neither_hangs_the_page_nor_opens_the_gate() {
    let hanging = misbehaving::start(Kind::Silent).await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for server in [hanging, closed] {
        let config = format!("{}\n[mail]\nurl = \"smtp://{server}\"\nfrom = \"Vestibule <no-reply@post.example>\"\n", site::PLAIN);
        let site = Site::with(&config).await;
        site.adds("alice").await.ok();
        site.run(&["user", "mfa", "alice", "--enrol", "email"]).await.ok();
        let served = site.serve().await;
        is_asked_soon_for_a_code(&mut site::at(&served, "alice"), "mfa/email").await;
        until("the failure in the log", || async { server == hanging || site.log().to_lowercase().contains("mail") }).await;
        assert!(!site.log().contains("panicked"));
        served.kill().await;
    }
}

#[tokio::test]
async fn an_sms_gateway_that_hangs_holds_up_no_page_and_opens_nothing() {
    let hanging = misbehaving::start(Kind::Silent).await;
    let sms = "body = '{\"to\": {{ phone | tojson }}, \"text\": {{ text | tojson }}}'";
    let site = Site::with(&format!("{}\n[sms]\nurl = \"http://{hanging}/messages\"\n{sms}\n", site::PLAIN)).await;
    site.adds("alice").await.ok();
    site.run(&["user", "set", "alice", "--phone", "+491701234567"]).await.ok();
    site.run(&["user", "mfa", "alice", "--enrol", "sms"]).await.ok();
    let served = site.serve().await;
    let mut alice = site::at(&served, "alice");
    is_asked_soon_for_a_code(&mut alice, "mfa/sms").await;
    alice.calls("GET", "/public/x").await.is(200);
    served.kill().await;
}
