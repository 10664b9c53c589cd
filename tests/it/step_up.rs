//! Stepping up: a factor that is too old, or not one that the route takes.

use vestibule::factor::Method;
use vestibule::service::admin::MfaChange;

use crate::harness::*;

#[tokio::test]
async fn a_factor_grows_old_and_is_asked_for_again() {
    let world = World::new().await;
    let mut alice = world.person_with_app("alice", &[]).await;
    alice.signs_in_at("/fresh").await;
    alice.sees("/fresh");
    world.advance(minutes(15) + seconds(1));
    let (mut old, before) = (alice.clone(), world.upstream.count());
    alice.opens("/fresh/pay?sum=1%202").await.leads_to("/.vestibule/mfa?rd=");
    assert_eq!(alice.calls("GET", "/fresh").await.is(401).json()["reason"], "second_factor");
    alice.asks("POST", "/fresh", "", b"a=1").await.is(401);
    alice.opens_socket("/fresh/ws", "http://app.example").await.1.is(401);
    assert_eq!(world.upstream.count(), before);
    // Elsewhere the session is as good as ever.
    alice.clone().calls("GET", "/payroll").await.is(200);
    alice.visits("/fresh/pay?sum=1%202").await;
    alice.is_at("mfa/totp");
    alice.types_code("000000").await.is(422);
    alice.types_the_code().await.leads_to("/fresh/pay?sum=1%202");
    alice.follows().await;
    alice.sees("/fresh/pay?sum=1%202");
    assert_ne!(alice.jar.get("vestibule"), old.jar.get("vestibule"), "a new id");
    assert!(!old.is_signed_in().await, "the old one is dead");
}

#[tokio::test]
async fn stepping_up_cuts_nothing_and_the_end_of_the_session_all() {
    let world = World::new().await;
    let mut alice = world.person_with_app("alice", &[]).await;
    alice.signs_in().await;
    let (mut socket, answer) = alice.opens_socket("/ws", "http://app.example").await;
    answer.is(101);
    world.advance(minutes(15) + seconds(1));
    alice.visits("/fresh").await;
    alice.types_the_code().await.leads_to("/fresh");
    socket.say("still here").await;
    assert_eq!(socket.hear().await.as_deref(), Some("still here"));
    alice.visits("/.vestibule/logout").await;
    alice.sends("logout", &[]).await;
    assert_eq!(socket.hear().await, None, "the tunnel is cut");
}

#[tokio::test]
async fn stepping_up_makes_no_session_longer() {
    let world = World::new().await;
    let mut alice = world.person_with_app("alice", &[]).await;
    alice.signs_in_at("/fresh").await;
    for _ in 0..14 {
        world.advance(minutes(50));
        alice.visits("/fresh").await;
        alice.types_the_code().await.leads_to("/fresh");
    }
    world.advance(minutes(20));
    assert!(!alice.is_signed_in().await);
}

#[tokio::test]
async fn a_route_gets_the_factor_that_it_names() {
    let world = World::new().await;
    let mut alice = world.person_with_app("alice", &[]).await;
    world.mfa("alice", MfaChange { enrol: vec![Method::Email], ..MfaChange::default() }).await;
    alice.visits("/payroll").await;
    alice.types_password().await;
    alice.follows().await;
    alice.picks("mfa", "email").await;
    let code = alice.mailed_code();
    alice.types_code(&code).await.leads_to("/payroll");
    alice.calls("GET", "/payroll").await.is(200);
    assert_eq!(alice.calls("GET", "/by-app").await.is(401).json()["reason"], "second_factor");
    alice.visits("/by-app/x?y=z").await;
    alice.is_at("mfa/totp");
    assert!(alice.page.text().contains("app.example takes only: Authenticator app."), "it says why: {}", alice.page.text());
    let sent = world.outbox.newest_first().len();
    // Nor by asking for another one.
    let form = html::Form { action: "/.vestibule/mfa?rd=%2Fby-app".into(), ..alice.form("mfa/totp") };
    alice.clone().submits(&form, &[("method", "email"), ("rd", "/by-app")]).await.is(422);
    assert_eq!(world.outbox.newest_first().len(), sent);
    alice.types_the_code().await.leads_to("/by-app/x?y=z");
    alice.follows().await;
    alice.sees("/by-app/x?y=z");
}

#[tokio::test]
async fn another_way_back_lends_no_other_factor() {
    let world = World::new().await;
    let mut alice = world.person_with_app("alice", &[]).await;
    world.mfa("alice", MfaChange { enrol: vec![Method::Email], ..MfaChange::default() }).await;
    // Signs in for a lax route by mail, then goes to the strict one by hand.
    alice.visits("/.vestibule/login?rd=/payroll").await;
    alice.types_password().await;
    alice.follows().await;
    alice.picks("mfa", "email").await;
    let code = alice.mailed_code();
    alice.types_code(&code).await.is(303);
    alice.calls("GET", "/by-app").await.is(401);
}

#[tokio::test]
async fn who_lacks_the_factor_is_sent_to_set_it_up() {
    let world = World::new().await;
    let mut alice = world.person_with("alice", &[Method::Sms]).await;
    alice.visits("/payroll").await;
    alice.types_password().await;
    alice.follows().await;
    let code = alice.texted_code();
    alice.types_code(&code).await.leads_to("/payroll");
    assert_eq!(alice.calls("GET", "/by-app").await.is(401).json()["reason"], "enrol");
    alice.opens("/by-app").await.leads_to("/.vestibule/enrol?rd=");
    alice.visits("/by-app").await;
    assert_eq!(alice.choices("enrol"), ["totp"], "only what the route takes");
    assert!(alice.page.text().contains("app.example takes only: Authenticator app."), "{}", alice.page.text());
}

/// A sign-in that is under way goes on whatever pages of ours another site makes the browser open in between.
#[tokio::test]
async fn a_link_from_elsewhere_ends_no_sign_in_that_is_under_way() {
    let world = World::new().await;
    let mut alice = world.person_with_app("alice", &[]).await;
    alice.visits("/payroll").await;
    alice.types_password().await;
    let navigates = "Accept: text/html\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Site: cross-site\r\n";
    for page in ["enrol", "enrol/totp", "enrol/recovery", "account/contact/email", "resume?id=x"] {
        alice.asks("GET", &format!("{PREFIX}/{page}"), navigates, b"").await;
    }
    alice.opens(&format!("{PREFIX}/mfa/totp?rd=%2Fpayroll")).await.is(200);
    alice.types_the_code().await.leads_to("/payroll");
}

/// Another site can make a browser open any of our pages.
#[tokio::test]
async fn a_link_from_elsewhere_to_a_page_of_the_second_door_changes_nothing_that_counts() {
    let world = World::new().await;
    let mut alice = world.person_with_app("alice", &[]).await;
    alice.signs_in_at("/payroll").await;
    let services = &world.app().services;
    let state = async || {
        let account = services.accounts.named("alice").await.unwrap();
        let audit = services.store.audit_head().await.unwrap().map(|head| head.seq);
        (account.epoch, account.revision, account.failures, services.store.all_sessions().await.unwrap().len(), audit)
    };
    let (before, mails) = (state().await, world.outbox.newest_first().len());
    let navigates = "Accept: text/html\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Site: cross-site\r\nReferer: https://evil.example/\r\n";
    for page in ["mfa", "mfa/webauthn", "mfa/totp", "mfa/email", "mfa/recovery", "enrol", "enrol/totp", "enrol/verify", "account", "logout"]
    {
        alice.asks("GET", &format!("{PREFIX}/{page}?rd=%2Ffresh"), navigates, b"").await;
        assert!(alice.is_signed_in().await, "{page}");
    }
    assert_eq!((state().await, world.outbox.newest_first().len()), (before, mails));
    alice.opens("/payroll").await.is(200);
}
