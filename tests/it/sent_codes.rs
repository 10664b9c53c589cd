//! Codes by e-mail and SMS.

use vestibule::factor::Method;

use crate::harness::*;

/// At the page for a code that was just mailed, beside an SMS that could have been chosen.
async fn at_the_code(world: &World, name: &str) -> Person {
    let mut alice = world.person_with(name, &[Method::Email, Method::Sms]).await;
    alice.visits("/payroll?x=1").await;
    alice.types_password().await.leads_to("/.vestibule/mfa");
    alice.follows().await;
    alice.is_at("mfa");
    alice.picks("mfa", "email").await;
    alice.is_at("mfa/email");
    alice
}

fn resend_waits(person: &Person) -> bool {
    person.form("mfa/email/resend").buttons[0].2
}

#[tokio::test]
async fn the_choice_has_what_is_set_up_and_the_last_one_used_first() {
    let world = World::new().await;
    let mut alice = world.person_with_app("alice", &[]).await;
    world.mfa("alice", vestibule::service::admin::MfaChange { enrol: vec![Method::Sms], ..Default::default() }).await;
    alice.visits("/").await;
    alice.types_password().await;
    alice.follows().await;
    let mut choices = alice.choices("mfa");
    choices.sort();
    assert_eq!(choices, ["sms", "totp"]);
    let told = world.outbox.newest_first().len();
    alice.sends("mfa", &[("method", "email")]).await.is(422);
    assert_eq!(world.outbox.newest_first().len(), told, "no code was sent");
    alice.visits("/.vestibule/mfa").await;
    alice.picks("mfa", "sms").await;
    let code = alice.texted_code();
    alice.types_code(&code).await.leads_to("/");
    let mut again = alice.elsewhere(5);
    again.visits("/").await;
    again.types_password().await;
    again.follows().await;
    assert_eq!(again.choices("mfa"), ["sms", "totp"]);
    again.picks("mfa", "totp").await;
    again.types_the_next_code().await.leads_to("/");
    let mut third = alice.elsewhere(6);
    third.visits("/").await;
    third.types_password().await;
    third.follows().await;
    assert_eq!(third.choices("mfa"), ["totp", "sms"]);
}

#[tokio::test]
async fn a_mailed_code_opens_the_door_once() {
    let world = World::new().await;
    let mut alice = at_the_code(&world, "alice").await;
    let page = alice.page.text();
    assert!(page.contains("a•••@post.example") && !page.contains("alice@post.example"), "{page}");
    assert_eq!(html::attribute(&page, "countdown", "data-seconds").as_deref(), Some("300"));
    assert_eq!(html::forms(&page).iter().filter(|form| form.id == "resend").count(), 1);
    let code = alice.mailed_code();
    let late = alice.clone();
    alice.types_code(&format!(" {} {} ", &code[..3], &code[3..])).await.leads_to("/payroll?x=1");
    alice.follows().await;
    alice.sees("/payroll?x=1");
    late.clone().types_code(&code).await.leads_to("/.vestibule/login");
}

#[tokio::test]
async fn where_there_is_no_choice_the_password_sends_the_code() {
    let world = World::new().await;
    let mut alice = world.person_with("alice", &[Method::Email]).await;
    alice.visits("/payroll").await;
    alice.types_password().await.leads_to("/.vestibule/mfa");
    assert_eq!(world.outbox.newest_first().len(), 1);
    alice.follows().await;
    alice.is_at("mfa/email");
    assert!(resend_waits(&alice));
    let code = alice.mailed_code();
    alice.types_code(&code).await.leads_to("/payroll");
}

#[tokio::test]
async fn a_texted_code_goes_to_the_number_shown_masked() {
    let world = World::new().await;
    let mut alice = world.person_with("alice", &[Method::Email, Method::Sms]).await;
    alice.visits("/").await;
    alice.types_password().await;
    alice.follows().await;
    alice.picks("mfa", "sms").await;
    alice.is_at("mfa/sms");
    assert!(alice.page.text().contains("67") && !alice.page.text().contains("1701234"), "{}", alice.page.text());
    let code = alice.texted_code();
    alice.types_code(&code).await.leads_to("/");
}

#[tokio::test]
async fn only_a_post_sends() {
    let world = World::new().await;
    let mut alice = at_the_code(&world, "alice").await;
    assert_eq!(world.outbox.newest_first().len(), 1);
    for page in ["mfa/email", "mfa/sms", "mfa", "mfa/email?resend=1"] {
        alice.visits(&format!("/.vestibule/{page}")).await;
    }
    alice.clone().opens("/.vestibule/mfa/email/resend").await;
    assert_eq!(world.outbox.newest_first().len(), 1);
    // Chosen again while a code is good: nothing new goes out.
    alice.visits("/.vestibule/mfa").await;
    alice.picks("mfa", "email").await;
    assert_eq!(world.outbox.newest_first().len(), 1);
}

#[tokio::test]
async fn another_code_may_be_had_after_a_while_and_kills_the_first() {
    let world = World::new().await;
    let mut alice = at_the_code(&world, "alice").await;
    let first = alice.mailed_code();
    assert!(resend_waits(&alice));
    world.advance(seconds(29));
    alice.visits("/.vestibule/mfa/email?rd=/payroll").await;
    assert!(resend_waits(&alice));
    assert_eq!(html::attribute(&alice.page.text(), "countdown", "data-seconds").as_deref(), Some("271"));
    assert!(alice.clone().sends("mfa/email/resend", &[]).await.is(422).alert().is_some());
    assert_eq!(world.outbox.newest_first().len(), 1);
    world.advance(seconds(1));
    alice.visits("/.vestibule/mfa/email?rd=/payroll").await;
    assert!(!resend_waits(&alice));
    alice.sends("mfa/email/resend", &[]).await.leads_to("/.vestibule/mfa/email");
    alice.follows().await;
    assert!(resend_waits(&alice));
    assert_eq!(html::attribute(&alice.page.text(), "countdown", "data-seconds").as_deref(), Some("300"));
    let second = alice.mailed_code();
    assert_ne!(first, second);
    alice.types_code(&first).await.is(422);
    alice.types_code(&second).await.leads_to("/payroll");
}

#[tokio::test]
async fn five_wrong_tries_void_a_code() {
    let world = World::new().await;
    let mut alice = at_the_code(&world, "alice").await;
    let code = alice.mailed_code();
    let wrong = if code == "000000" { "000001" } else { "000000" };
    for _ in 0..5 {
        assert!(alice.types_code(wrong).await.is(422).alert().is_some());
    }
    alice.types_code(&code).await.is(422);
    // A new one is good.
    world.advance(seconds(30));
    alice.visits("/.vestibule/mfa/email").await;
    alice.sends("mfa/email/resend", &[]).await;
    alice.follows().await;
    let code = alice.mailed_code();
    alice.types_code(&code).await.leads_to("/");
}

#[tokio::test]
async fn five_sends_are_all_that_a_sign_in_has() {
    let world = World::new().await;
    let mut alice = at_the_code(&world, "alice").await;
    let form = alice.form("mfa/email/resend");
    for _ in 1..5 {
        world.advance(seconds(30));
        alice.submits(&form, &[]).await.leads_to("/.vestibule/mfa/email");
    }
    world.advance(seconds(30));
    alice.visits("/.vestibule/mfa/email").await;
    assert!(!alice.has_form("mfa/email/resend"), "nothing more to offer");
    assert!(alice.submits(&form, &[]).await.is(422).alert().is_some());
    // Nor by the other way.
    alice.visits("/.vestibule/mfa").await;
    alice.sends("mfa", &[("method", "sms")]).await.is(422);
    assert_eq!(world.outbox.newest_first().len(), 5);
    // The last one is good all the same.
    alice.visits("/.vestibule/mfa/email").await;
    let code = alice.mailed_code();
    alice.types_code(&code).await.leads_to("/");
}

#[tokio::test]
async fn a_code_expires() {
    let world = World::new().await;
    let mut alice = at_the_code(&world, "alice").await;
    let code = alice.mailed_code();
    world.advance(minutes(5));
    assert!(alice.clone().types_code(&code).await.is(422).alert().is_some());
    alice.visits("/.vestibule/mfa/email").await;
    assert_eq!(html::attribute(&alice.page.text(), "countdown", "data-seconds").as_deref(), Some("0"));
    let mut bob = at_the_code(&world, "bob").await;
    let code = bob.mailed_code();
    world.advance(minutes(5) - seconds(1));
    bob.types_code(&code).await.leads_to("/payroll?x=1");
}

#[tokio::test]
async fn a_code_is_good_for_the_sign_in_that_asked_for_it() {
    let world = World::new().await;
    let mut alice = at_the_code(&world, "alice").await;
    let code = alice.mailed_code();
    let mut other = alice.elsewhere(7);
    other.visits("/").await;
    other.types_password().await;
    other.follows().await;
    other.picks("mfa", "email").await;
    other.types_code(&code).await.is(422);
    alice.types_code(&code).await.leads_to("/payroll?x=1");
}

#[tokio::test]
async fn a_mailed_code_is_no_code_of_the_app() {
    let world = World::new().await;
    let mut alice = world.person_with_app("alice", &[]).await;
    world.mfa("alice", vestibule::service::admin::MfaChange { enrol: vec![Method::Email], ..Default::default() }).await;
    alice.visits("/").await;
    alice.types_password().await;
    alice.follows().await;
    alice.picks("mfa", "email").await;
    let mailed = alice.mailed_code();
    let app = alice.code();
    alice.types_code(&app).await.is(422);
    alice.visits("/.vestibule/mfa/totp").await;
    alice.types_code(&mailed).await.is(422);
    alice.visits("/.vestibule/mfa/recovery").await;
    alice.types_code(&mailed).await.is(422);
    assert!(!alice.is_signed_in().await);
}
