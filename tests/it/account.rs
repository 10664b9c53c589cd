//! My account: seen by a session, changed after a full and recent sign-in.

use vestibule::account::UserMfaPolicy;
use vestibule::service::admin::MfaChange;
use vestibule::service::audit::Actor;

use crate::harness::*;

const NEW: &str = "quiet-mountain-lantern-7";

async fn with_a_named_app(world: &World) -> Person {
    let mut alice = world.person("alice", &["staff"]).await;
    alice.signs_in_at("/payroll").await;
    alice.enrols_an_app("Pixel").await;
    alice.signs_in_at("/.vestibule/account").await;
    alice.is_at("account");
    alice
}

#[tokio::test]
async fn the_page_needs_a_sign_in_and_shows_who_one_is() {
    let world = World::new().await;
    let mut alice = world.person_with_app("alice", &["staff"]).await;
    alice.opens("/.vestibule/account").await.leads_to("/.vestibule/login?rd=");
    alice.signs_in_at("/.vestibule/account").await;
    alice.is_at("account");
    let page = alice.page.text();
    for part in ["alice Example", "alice@post.example", "staff", "127.0.0.1", "Firefox"] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains(&alice.phone.as_ref().unwrap().key()));
}

#[tokio::test]
async fn a_method_can_be_renamed() {
    let world = World::new().await;
    let mut alice = with_a_named_app(&world).await;
    alice.sends("account/methods/rename", &[("name", "Fair <Phone>")]).await.is(200);
    alice.visits("/.vestibule/account").await;
    assert!(alice.page.text().contains("Fair &lt;Phone&gt;") && !alice.page.text().contains("Pixel"));
}

#[tokio::test]
async fn a_method_can_be_removed_and_the_password_is_enough_again() {
    let world = World::new().await;
    let mut alice = with_a_named_app(&world).await;
    let mut elsewhere = alice.elsewhere(5);
    elsewhere.signs_in().await;
    alice.visits("/.vestibule/account/remove?method=totp").await.is(200);
    alice.sends("account/methods/remove", &[]).await.is(303);
    assert!(alice.is_signed_in().await, "this session goes on");
    assert!(!elsewhere.is_signed_in().await, "the others do not");
    assert!(world.mail_to("alice").len() >= 2, "{:?}", world.mail_to("alice"));
    let mut again = alice.elsewhere(6);
    again.visits("/").await;
    again.types_password().await.leads_to("/");
    again.opens("/payroll").await.leads_to("/.vestibule/enrol");
}

#[tokio::test]
async fn the_last_method_stays_where_one_is_required() {
    let world = World::new().await;
    let mut alice = with_a_named_app(&world).await;
    alice.visits("/.vestibule/account/remove?method=totp").await;
    world.mfa("alice", MfaChange { policy: Some(UserMfaPolicy::Required), ..MfaChange::default() }).await;
    let answer = alice.sends("account/methods/remove", &[]).await;
    assert!(answer.is(422).alert().is_some());
    assert!(world.app().services.accounts.named("alice").await.unwrap().totp.is_some());
}

#[tokio::test]
async fn a_new_password_ends_the_other_sessions() {
    let world = World::new().await;
    let mut alice = world.person_with_app("alice", &[]).await;
    let mut elsewhere = alice.elsewhere(5);
    elsewhere.signs_in().await;
    alice.signs_in_at("/.vestibule/account").await;
    alice.visits("/.vestibule/account/password").await;
    for (current, new) in [("not-the-right-password", NEW), (PASSWORD, "short"), (PASSWORD, "password1234"), ("", NEW)] {
        let answer = alice.sends("account/password", &[("current", current), ("password", new)]).await;
        assert!(answer.is(422).alert().is_some(), "{current} {new}");
    }
    let mut old = alice.clone();
    alice.sends("account/password", &[("current", PASSWORD), ("password", NEW)]).await.is(303);
    assert!(alice.is_signed_in().await);
    assert!(!old.is_signed_in().await, "under a new id");
    assert!(!elsewhere.is_signed_in().await);
    let mut third = alice.elsewhere(6);
    third.visits("/").await;
    third.types_password().await.is(422);
    third.password = NEW.to_owned();
    third.types_password().await.leads_to("/.vestibule/mfa");
    let subjects = world.mail_to("alice");
    assert!(subjects.iter().any(|subject| subject.to_lowercase().contains("password")), "{subjects:?}");
}

#[tokio::test]
async fn sessions_are_listed_and_ended() {
    let world = World::new().await;
    let mut alice = world.person("alice", &[]).await;
    let mut others = Vec::new();
    for n in 5..8 {
        let mut other = alice.elsewhere(n);
        other.signs_in().await;
        others.push(other);
        world.advance(seconds(2));
    }
    alice.signs_in_at("/.vestibule/account").await;
    for n in 5..8 {
        assert!(alice.page.text().contains(&format!("127.0.0.{n}")));
    }
    // The newest stands first.
    alice.sends("account/sessions/end", &[]).await.is(200);
    let ended = others.iter_mut().map(|other| other.clone());
    let mut left = 0;
    for mut other in ended {
        left += usize::from(other.is_signed_in().await);
    }
    assert_eq!(left, 2);
    // Nobody ends somebody else's.
    let mut bob = world.person("bob", &[]).await;
    bob.elsewhere(9).signs_in().await;
    bob.signs_in_at("/.vestibule/account").await;
    let id = alice.form("account/sessions/end").fields.iter().find(|(name, _)| name == "id").unwrap().1.clone();
    let form = html::Form { fields: bob.form("account/sessions/end").fields, ..bob.form("account/sessions/end") };
    bob.submits(&form, &[("id", &id)]).await;
    let mut still = 0;
    for other in &mut others {
        still += usize::from(other.is_signed_in().await);
    }
    assert_eq!(still, 2);
    let others_form = html::Form { fields: alice.form("account/sessions/end").fields, ..alice.form("account/sessions/end") };
    alice.submits(&others_form, &[("id", ""), ("others", "1")]).await.is(200);
    for other in &mut others {
        assert!(!other.is_signed_in().await);
    }
    assert!(alice.is_signed_in().await);
}

#[tokio::test]
async fn fresh_recovery_codes_void_the_old_ones() {
    let world = World::new().await;
    let mut alice = world.person_with_app("alice", &[]).await;
    let old = world.recovery_codes("alice").await;
    alice.signs_in_at("/.vestibule/account").await;
    alice.sends("account/recovery", &[]).await.is(200);
    let new = html::codes_in(&alice.page.text(), "recovery-codes");
    assert_eq!(new.len(), 10);
    assert!(new.iter().all(|code| !old.contains(code)));
    let mut again = alice.elsewhere(5);
    again.visits("/").await;
    again.types_password().await;
    again.visits("/.vestibule/mfa/recovery").await;
    again.types_code(&old[0]).await.is(422);
    again.types_code(&new[0]).await.leads_to("/");
}

#[tokio::test]
async fn changes_want_a_recent_sign_in() {
    let world = World::new().await;
    let mut alice = world.person_with_app("alice", &[]).await;
    alice.signs_in_at("/.vestibule/account").await;
    alice.visits("/.vestibule/account/password").await;
    let form = alice.form("account/password");
    let codes = {
        alice.visits("/.vestibule/account").await;
        alice.form("account/recovery")
    };
    world.advance(minutes(16));
    alice.visits("/.vestibule/account").await;
    alice.is_at("account");
    alice.submits(&form, &[("current", PASSWORD), ("password", NEW)]).await.leads_to("/.vestibule/login");
    alice.submits(&codes, &[]).await.leads_to("/.vestibule/login");
    alice.opens("/.vestibule/account/remove?method=totp").await.leads_to("/.vestibule/login");
    // Both factors again, and on with it.
    alice.visits("/.vestibule/account/password").await;
    alice.is_at("login");
    alice.types_password().await.leads_to("/.vestibule/mfa");
    alice.follows().await;
    alice.types_the_next_code().await.leads_to("/.vestibule/account");
    alice.visits("/.vestibule/account/password").await;
    alice.sends("account/password", &[("current", PASSWORD), ("password", NEW)]).await.is(303);
}

#[tokio::test]
async fn removing_a_method_makes_nobody_fresh_again() {
    let world = World::new().await;
    let mut alice = world.person_with_app("alice", &[]).await;
    world.mfa("alice", MfaChange { enrol: vec![vestibule::factor::Method::Sms], ..MfaChange::default() }).await;
    alice.visits("/").await;
    alice.types_password().await;
    alice.follows().await;
    alice.picks("mfa", "totp").await;
    alice.types_the_code().await.leads_to("/");
    world.advance(minutes(14));
    alice.visits("/.vestibule/account/remove?method=sms").await;
    alice.sends("account/methods/remove", &[]).await.is(303);
    world.advance(minutes(2));
    alice.opens("/.vestibule/account/password").await.leads_to("/.vestibule/login");
}

#[tokio::test]
async fn a_further_method_keeps_the_session_that_vouches_for_it_and_ends_all_others() {
    let world = World::new().await;
    let mut alice = world.person_with_app("alice", &[]).await;
    let mut elsewhere = alice.elsewhere(5);
    elsewhere.signs_in().await;
    world.advance(minutes(1));
    alice.signs_in_at("/.vestibule/account").await;
    alice.picks("enrol", "email").await;
    alice.is_at("enrol/email");
    let (mut old, code) = (alice.clone(), alice.mailed_code());
    alice.sends("enrol/email", &[("code", &code)]).await.leads_to("/.vestibule/account");
    alice.follows().await;
    let told = "Your new method is set up.";
    assert!(alice.page.text().contains("role=\"status\"") && alice.page.text().contains(told), "{}", alice.page.text());
    alice.visits("/.vestibule/account").await;
    assert!(!alice.page.text().contains(told), "it is told once");
    assert!(alice.is_signed_in().await);
    assert!(!old.is_signed_in().await, "under a new id");
    assert!(!elsewhere.is_signed_in().await, "the others end");
    // As old as it was: the change has made nobody fresh again.
    world.advance(minutes(16));
    alice.opens("/.vestibule/account/password").await.leads_to("/.vestibule/login");
    let mut again = alice.elsewhere(6);
    again.visits("/").await;
    again.types_password().await;
    again.follows().await;
    assert_eq!(again.choices("mfa").len(), 2);
    let mut stranger = world.at_a_browser("stranger");
    for query in ["", "?news=enrolled", "?note=enrolled", "?fresh=1"] {
        stranger.visits(&format!("/.vestibule/login{query}")).await;
        assert!(!stranger.page.text().contains("set up"), "nobody else is told: {query}");
    }
}

#[tokio::test]
async fn a_session_that_was_ended_meanwhile_adds_no_method_and_does_not_come_back() {
    let world = World::new().await;
    let mut alice = world.person_with_app("alice", &[]).await;
    alice.signs_in_at("/.vestibule/account").await;
    alice.picks("enrol", "email").await;
    let code = alice.mailed_code();
    world.app().services.admin_sessions.revoke(Some("alice"), Actor::CommandLine).await.unwrap();
    alice.sends("enrol/email", &[("code", &code)]).await.leads_to("/.vestibule/login");
    assert!(!alice.is_signed_in().await);
    assert!(world.app().services.accounts.named("alice").await.unwrap().email_otp.is_none());
}

#[tokio::test]
async fn removing_the_method_of_this_session_says_that_it_ends() {
    let world = World::new().await;
    let mut alice = world.person_with_app("alice", &[]).await;
    world.mfa("alice", MfaChange { enrol: vec![vestibule::factor::Method::Email], ..MfaChange::default() }).await;
    alice.visits("/.vestibule/account").await;
    alice.types_password().await;
    alice.follows().await;
    alice.picks("mfa", "totp").await;
    alice.types_the_code().await;
    let mut other = alice.clone();
    other.visits("/.vestibule/account/remove?method=email").await;
    assert!(!other.page.text().contains("you are signed out here"));
    alice.visits("/.vestibule/account/remove?method=totp").await;
    assert!(alice.page.text().contains("you are signed out here"), "{}", alice.page.text());
    alice.sends("account/methods/remove", &[]).await.leads_to("/.vestibule/login");
    alice.follows().await;
    assert!(alice.page.text().contains("The method is removed. Please sign in again."), "{}", alice.page.text());
}

#[tokio::test]
async fn a_forgotten_password_is_set_by_mail_and_removes_no_factor() {
    let world = World::builder().with("[mail]\nurl = \"smtp://127.0.0.1:25\"\nfrom = \"Door <door@post.example>\"").build().await;
    let mut alice = world.person_with_app("alice", &[]).await;
    alice.visits("/.vestibule/reset").await;
    let unknown = alice.clone().sends("reset", &[("username", "nosuch")]).await;
    let known = alice.sends("reset", &[("username", "alice@post.example")]).await;
    assert_eq!((known.status, known.body), (unknown.status, unknown.body), "the same words for everybody");
    let link = soon(async {
        loop {
            if let Some(mail) = world.outbox.last_to("alice@post.example") {
                let at = mail.text.find("/.vestibule/reset?token=").expect("a link");
                break mail.text[at..].split_whitespace().next().unwrap().to_owned();
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    let mut elsewhere = alice.elsewhere(5);
    elsewhere.visits(&link).await.is(200);
    elsewhere.sends("reset/new", &[("password", NEW)]).await.leads_to("/.vestibule/login");
    elsewhere.follows().await;
    assert!(elsewhere.page.text().contains("Your password was changed. You can sign in with it now."));
    elsewhere.password = NEW.to_owned();
    elsewhere.types_password().await.leads_to("/.vestibule/mfa");
    elsewhere.visits(&link).await.is(422);
}
