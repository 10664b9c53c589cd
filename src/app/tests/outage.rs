//! While the database is away, people who are signed in go on for `store.max_stale`. After that nobody is let in, and nobody is told that
//! they are signed out: 503, and when to come back.

use std::time::Duration;

use super::town::{FROM_OUR_PAGE, Town, URLENCODED, town_over};
use crate::store::postgres::server::Own;
use crate::telemetry::server::Health;

/// What a browser that opens a page says.
const NAVIGATION: &str = "Sec-Fetch-Mode: navigate\r\nAccept: text/html\r\n";

async fn opens(town: &Town, path: &str, cookie: &str, lines: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\nCookie: {cookie}\r\n{lines}\r\n");
    town.ask(request.as_bytes()).await
}

/// Signed in and forwarded, once the database's news are followed: on a busy machine they may be late.
async fn is_let_in(town: &Town, cookie: &str) {
    let start = std::time::Instant::now();
    loop {
        let answer = opens(town, "/wiki", cookie, NAVIGATION).await;
        if answer.starts_with("HTTP/1.1 201") {
            return;
        }
        is_unavailable(&answer);
        assert!(start.elapsed() < Duration::from_secs(60), "{answer}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[track_caller]
fn is_unavailable(answer: &str) {
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.to_ascii_lowercase().contains("retry-after: 5"), "{answer}");
    assert!(!answer.contains("Set-Cookie: vestibule=;"), "the cookie may be good: {answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn while_the_database_is_away_a_signed_in_user_is_asked_to_come_back() {
    let mut server = tokio::task::spawn_blocking(Own::start).await.unwrap();
    let town = town_over(&server.url(), "0s").await;
    let browser = town.signs_in("alice").await;
    let cookie = browser.cookie();
    is_let_in(&town, &cookie).await;
    let mut server = tokio::task::spawn_blocking(move || {
        server.stop();
        server
    })
    .await
    .unwrap();
    // What is in memory is believed for five seconds.
    let live = town.app.services.live.clone();
    let start = std::time::Instant::now();
    while !live.is_stale() {
        assert!(start.elapsed() < Duration::from_secs(60), "it was not noticed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let arrived = town.arrived().len();
    let page = opens(&town, "/wiki", &cookie, NAVIGATION).await;
    is_unavailable(&page);
    assert!(page.contains("text/html"), "{page}");
    let script = opens(&town, "/wiki/api", &cookie, "Accept: application/json\r\n").await;
    is_unavailable(&script);
    assert!(script.contains("application/problem+json") && script.contains("\"reason\":\"session_unknown\""), "{script}");
    is_unavailable(&opens(&town, "/pay/", &cookie, NAVIGATION).await);
    is_unavailable(&town.post("/wiki", &cookie, &format!("{FROM_OUR_PAGE}{URLENCODED}"), b"a=1").await);
    for page in ["/.vestibule/account", "/.vestibule/login", "/.vestibule/mfa", "/.vestibule/admin", "/.vestibule/logout"] {
        is_unavailable(&opens(&town, page, &cookie, NAVIGATION).await);
    }
    assert_eq!(town.arrived().len(), arrived, "nothing is forwarded");
    // What needs no session goes on, and who never had one is sent to sign in as ever.
    assert!(opens(&town, "/open/", &cookie, NAVIGATION).await.starts_with("HTTP/1.1 201"));
    assert!(opens(&town, "/wiki", "vestibule=forged", NAVIGATION).await.starts_with("HTTP/1.1 303"));
    assert!(opens(&town, "/wiki", "other=1", NAVIGATION).await.starts_with("HTTP/1.1 303"));
    assert!(town.app.ready().await.is_err());
    // It is back, and so is everybody.
    let _server = tokio::task::spawn_blocking(move || {
        server.start_again();
        server
    })
    .await
    .unwrap();
    is_let_in(&town, &cookie).await;
}

/// Waits for what the database's loss or return brings about.
async fn comes_about(what: impl Fn() -> bool) {
    let start = std::time::Instant::now();
    while !what() {
        assert!(start.elapsed() < Duration::from_secs(60), "it never came about");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn away(mut server: Own) -> Own {
    let stopped = move || {
        server.stop();
        server
    };
    tokio::task::spawn_blocking(stopped).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn within_max_stale_people_who_are_signed_in_go_on_and_who_is_revoked_stays_out() {
    let server = tokio::task::spawn_blocking(Own::start).await.unwrap();
    // Of two servers the first is not there.
    let url = server.url().replacen('@', "@%2Fnowhere,", 1);
    let town = town_over(&format!("{url}?target_session_attrs=read-write"), "1h").await;
    let (alice, bob) = (town.signs_in("alice").await, town.signs_in("bob").await);
    is_let_in(&town, &alice.cookie()).await;
    is_let_in(&town, &bob.cookie()).await;
    let server = away(server).await;
    let live = town.app.services.live.clone();
    comes_about(|| live.is_behind()).await;
    let opened = opens(&town, "/wiki", &alice.cookie(), NAVIGATION).await;
    assert!(opened.starts_with("HTTP/1.1 201"), "{opened}");
    let said = town.app.ready().await.unwrap().unwrap();
    assert!(said.starts_with("serving stale since 2023-11-14T"), "{said}");
    // What needs the database says so, and what is not known here may be known elsewhere.
    is_unavailable(&opens(&town, "/.vestibule/account", &alice.cookie(), NAVIGATION).await);
    let elsewhere = live.token(crate::base::SessionId::from_bytes([9; 16]));
    is_unavailable(&opens(&town, "/wiki", &format!("vestibule={elsewhere}"), NAVIGATION).await);
    let revoked = town.app.services.sessions.end(bob.id, crate::session::EndReason::Revoked).await;
    assert!(revoked.is_err(), "it says that the database does not know yet");
    assert!(!opens(&town, "/wiki", &bob.cookie(), NAVIGATION).await.starts_with("HTTP/1.1 201"));
    let _server = tokio::task::spawn_blocking(move || {
        let mut server = server;
        server.start_again();
        server
    })
    .await
    .unwrap();
    comes_about(|| !live.is_behind()).await;
    is_let_in(&town, &alice.cookie()).await;
    assert_eq!(town.app.ready().await, Ok(None));
    assert!(opens(&town, "/wiki", &bob.cookie(), NAVIGATION).await.starts_with("HTTP/1.1 303"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_is_not_in_memory_is_read_from_the_database_and_waits_while_that_is_away() {
    let server = tokio::task::spawn_blocking(Own::start).await.unwrap();
    let town = town_over(&server.url(), "1h").await;
    let (alice, bob, carol) = (town.signs_in("alice").await, town.signs_in("bob").await, town.signs_in("carol").await);
    is_let_in(&town, &alice.cookie()).await;
    let live = town.app.services.live.clone();
    live.keep(1000);
    let leaves = || {
        let session = live.all().into_iter().next().unwrap();
        let account = crate::account::Account { id: crate::base::UserId::from_bytes([9; 16]), ..account_like(&session) };
        drop(session);
        for n in 0..6000 {
            let later = town.app.services.now().plus(Duration::from_millis(n));
            let record =
                crate::session::SessionRecord::begin(account.id, 0, crate::policy::Proof::Password, later, [127, 0, 0, 1].into(), "");
            live.insert(record.unwrap(), &account);
        }
    };
    // The shards remember the last sessions for some seconds, and hold them.
    comes_about(|| {
        leaves();
        [&alice, &bob, &carol].iter().all(|browser| live.get(browser.id).is_none())
    })
    .await;
    // No page, no redirect to sign in: the request that asked is answered.
    let script = opens(&town, "/wiki/api", &alice.cookie(), "Accept: application/json\r\n").await;
    assert!(script.starts_with("HTTP/1.1 201"), "{script}");
    let framed = opens(&town, "/pay/", &bob.cookie(), "Accept: application/json\r\n").await;
    assert!(framed.starts_with("HTTP/1.1 401") && !framed.contains("\"sign_in\""), "{framed}");
    assert!(opens(&town, "/open/", "vestibule=forged", NAVIGATION).await.starts_with("HTTP/1.1 201"));
    let arrived = town.arrived().len();
    town.app.services.sessions.end(bob.id, crate::session::EndReason::Revoked).await.unwrap();
    assert!(opens(&town, "/wiki", &bob.cookie(), NAVIGATION).await.starts_with("HTTP/1.1 303"));
    // The database is away: who is in memory goes on, who is not waits, and who is known to be out is out.
    let server = away(server).await;
    comes_about(|| live.is_behind()).await;
    assert!(opens(&town, "/wiki", &alice.cookie(), NAVIGATION).await.starts_with("HTTP/1.1 201"));
    is_unavailable(&opens(&town, "/wiki", &carol.cookie(), NAVIGATION).await);
    assert!(opens(&town, "/wiki", &bob.cookie(), "Accept: application/json\r\n").await.starts_with("HTTP/1.1 401"));
    assert_eq!(town.arrived().len(), arrived + 1);
    let _server = tokio::task::spawn_blocking(move || {
        let mut server = server;
        server.start_again();
        server
    })
    .await
    .unwrap();
    is_let_in(&town, &carol.cookie()).await;
    assert!(!opens(&town, "/wiki", &bob.cookie(), NAVIGATION).await.starts_with("HTTP/1.1 201"));
}

/// Somebody else of that name.
fn account_like(session: &crate::service::LiveSession) -> crate::account::Account {
    let name = format!("{}2", session.identity().person.name);
    serde_json::from_value(serde_json::json!({
        "id": session.user(), "name": name, "email": "", "display_name": "", "created": 0,
    }))
    .unwrap()
}
