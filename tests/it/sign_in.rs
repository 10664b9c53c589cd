//! Signing in: both doors, in order, and back to exactly the place that was asked for.

use crate::harness::*;

#[tokio::test]
async fn a_password_is_enough_for_who_has_nothing_else() {
    let world = World::new().await;
    let mut alice = world.person("alice", &[]).await;
    alice.signs_in_at("/reports?week=47").await;
    alice.sees("/reports?week=47");
    assert_eq!(world.upstream.last().values("remote-user"), ["alice"]);
}

#[tokio::test]
async fn a_wrong_password_is_told_in_an_alert_and_opens_nothing() {
    let world = World::new().await;
    let mut alice = world.person("alice", &[]).await;
    alice.visits("/reports").await;
    for wrong in ["violet-harbour-tuning-42", "violet-harbour-tuning-4", "Violet-harbour-tuning-41", " violet-harbour-tuning-41", ""] {
        let answer = alice.sends("login", &[("username", "alice"), ("password", wrong)]).await;
        assert!(answer.is(422).alert().is_some_and(|words| !words.is_empty()), "{}", answer.text());
        assert!(!answer.text().contains("harbour"), "the page repeats the password");
        alice.is_at("login");
    }
    assert!(!alice.is_signed_in().await);
    alice.visits("/reports").await;
    alice.types_password().await.leads_to("/reports");
}

#[tokio::test]
async fn name_and_address_are_one_person_in_any_case() {
    let world = World::new().await;
    world.person("alice", &[]).await;
    for name in ["alice", "ALICE", "alice@post.example", "Alice@Post.Example", " alice "] {
        let mut alice = world.at_a_browser(name);
        alice.signs_in().await;
        assert_eq!(world.upstream.last().values("remote-user"), ["alice"], "{name}");
    }
}

#[tokio::test]
async fn password_and_code_land_on_exactly_the_place_asked_for() {
    let world = World::new().await;
    let mut alice = world.person_with_app("alice", &[]).await;
    for target in [
        "/payroll/2026?month=11&who=a%20b",
        "/payroll/%C3%BCber/a+b?x=%26&y=%3D&z=%2B&amp;=1",
        "/payroll/a;b=c?next=http://other.example/&rd=/x",
        "/payroll/a//b/?",
        "/payroll/~x/$&'()*,:@?q=[1]|{2}^`!~",
        "/payroll/?",
        "/payroll/%25%41%2e%5B",
    ] {
        alice.jar.clear();
        alice.signs_in_at(target).await;
        alice.sees(target);
        assert_eq!(world.upstream.last().target(), target);
    }
}

#[tokio::test]
async fn a_half_finished_sign_in_opens_nothing() {
    let world = World::new().await;
    let mut alice = world.person_with_app("alice", &[]).await;
    alice.visits("/payroll").await;
    alice.types_password().await.leads_to("/.vestibule/mfa");
    alice.follows().await;
    alice.is_at("mfa/totp");
    assert!(alice.jar.get("vestibule").is_none(), "a session before the second door");
    for target in ["/", "/payroll", "/staff", "/fresh"] {
        let mut tab = alice.clone();
        tab.opens(target).await.leads_to("/.vestibule/login?rd=");
        assert_eq!(tab.calls("GET", target).await.is(401).json()["reason"], "sign_in");
        tab.asks("POST", target, "", b"a=1").await.is(401);
        tab.opens_socket(&format!("{target}/ws").replace("//", "/"), "http://app.example").await.1.is(401);
    }
    alice.clone().opens("/.vestibule/account").await.leads_to("/.vestibule/login");
    // Nor does its cookie, under the session's name.
    let mut thief = alice.clone();
    let flow = alice.jar.get("vestibule_flow").unwrap().to_owned();
    thief.jar.clear();
    thief.jar.put("vestibule", &flow, HOST);
    thief.calls("GET", "/").await.is(401);
    assert!(thief.jar.get("vestibule").is_none(), "a forged session cookie is expired");
    assert_eq!(world.upstream.count(), 0);
}

#[tokio::test]
async fn a_one_factor_session_is_worth_nothing_on_a_two_factor_route() {
    let world = World::new().await;
    let mut alice = world.person("alice", &[]).await;
    alice.signs_in().await;
    let before = world.upstream.count();
    alice.opens("/payroll/x?y=1").await.leads_to("/.vestibule/enrol?rd=");
    assert_eq!(alice.calls("GET", "/payroll").await.is(401).json()["reason"], "enrol");
    alice.asks("POST", "/payroll", "", b"a=1").await.is(401);
    alice.opens_socket("/payroll/ws", "http://app.example").await.1.is(401);
    assert_eq!(world.upstream.count(), before);
}

#[tokio::test]
async fn a_code_is_good_once_and_its_replay_is_told_to_wait() {
    let world = World::new().await;
    let mut alice = world.person_with_app("alice", &[]).await;
    alice.signs_in().await;
    let used = alice.code();
    let mut thief = alice.elsewhere(7);
    thief.visits("/payroll").await;
    thief.types_password().await;
    thief.follows().await;
    let answer = thief.types_code(&used).await;
    let told = answer.is(422).alert().unwrap();
    assert!(told.contains("next"), "{told}");
    assert!(!thief.is_signed_in().await);
    thief.types_the_next_code().await.leads_to("/payroll");
}

#[tokio::test]
async fn a_code_may_be_one_step_late_or_early_and_no_more() {
    let world = World::new().await;
    for (name, offset, good) in [("early", 30i64, true), ("late", -30, true), ("tooearly", 60, false), ("toolate", -60, false)] {
        let mut person = world.person_with_app(name, &[]).await;
        person.visits("/").await;
        person.types_password().await;
        person.follows().await;
        let code = person.phone.as_ref().unwrap().code_at(world.now().saturating_add_signed(offset));
        person.types_code(&code).await.is(if good { 303 } else { 422 });
    }
}

#[tokio::test]
async fn a_code_may_have_blanks_and_dashes() {
    let world = World::new().await;
    let mut alice = world.person_with_app("alice", &[]).await;
    for (glue, pad) in [(" ", ""), ("-", ""), ("", " "), ("\u{a0}", "\t")] {
        alice.jar.clear();
        alice.visits("/").await;
        alice.types_password().await;
        alice.follows().await;
        alice.waits_for_the_next_code();
        let code = alice.code();
        alice.types_code(&format!("{pad}{}{glue}{}{pad}", &code[..3], &code[3..])).await.leads_to("/");
    }
}

#[tokio::test]
async fn the_page_of_the_app_neither_counts_down_nor_resends() {
    let world = World::new().await;
    let mut alice = world.person_with_app("alice", &[]).await;
    alice.visits("/").await;
    alice.types_password().await;
    alice.follows().await;
    let page = alice.page.text();
    assert!(!page.contains("countdown") && !page.contains("id=\"resend\""), "{page}");
    assert!(page.contains("autocomplete=\"one-time-code\"") && page.contains("inputmode=\"numeric\""));
}

#[tokio::test]
async fn a_recovery_code_stands_in_once_and_its_owner_is_told() {
    let world = World::new().await;
    let mut alice = world.person_with_app("alice", &[]).await;
    let codes = world.recovery_codes("alice").await;
    assert_eq!(codes.len(), 10);
    for expected in [303, 422] {
        alice.jar.clear();
        alice.visits("/payroll").await;
        alice.types_password().await;
        alice.visits("/.vestibule/mfa/recovery?rd=/payroll").await;
        let shouted = codes[0].to_uppercase();
        alice.types_code(&shouted).await.is(expected);
    }
    assert_eq!(world.mail_to("alice").len(), 1, "{:?}", world.mail_to("alice"));
    // With one, a route for two factors opens, and a route that names its factors does not.
    alice.jar.clear();
    alice.visits("/payroll").await;
    alice.types_password().await;
    alice.visits("/.vestibule/mfa/recovery?rd=/payroll").await;
    alice.types_code(&codes[1]).await.leads_to("/payroll");
    alice.follows().await;
    alice.sees("/payroll");
    alice.opens("/by-app").await.leads_to("/.vestibule/mfa?rd=");
}

#[tokio::test]
async fn passwords_are_hashed_by_default_as_they_should_be() {
    let world = World::builder().default_hashing().build().await;
    let mut alice = world.person("alice", &[]).await;
    alice.signs_in().await;
    let account = world.app().services.accounts.named("alice").await.unwrap();
    let phc = account.password.unwrap();
    assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{phc}");
}

#[tokio::test]
async fn the_tabs_of_a_browser_keep_their_places() {
    let world = World::new().await;
    let mut alice = world.person_with_app("alice", &[]).await;
    let mut tabs = Vec::new();
    for n in 0..10 {
        let mut tab = alice.clone();
        tab.visits(&format!("/payroll/tab?n={n}&m=%2F")).await;
        alice.jar = tab.jar.clone();
        tabs.push(tab);
    }
    // Passwords in all of them first, then a code in each: one after the other, in one browser.
    for tab in &mut tabs {
        tab.jar = alice.jar.clone();
        tab.types_password().await.leads_to("/.vestibule/mfa");
        tab.follows().await;
        alice.jar = tab.jar.clone();
    }
    for (n, tab) in tabs.iter_mut().enumerate() {
        tab.jar = alice.jar.clone();
        if n == 0 {
            tab.types_the_next_code().await;
        } else {
            // Signed in meanwhile: loading the page again is enough.
            let url = tab.url.clone();
            tab.visits(&url).await;
        }
        tab.follows().await;
        tab.sees(&format!("/payroll/tab?n={n}&m=%2F"));
        alice.jar = tab.jar.clone();
    }
}
