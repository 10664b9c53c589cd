//! People change their own address and number: after a second factor, and once the code that went to the new one is entered.

use vestibule::factor::Method;
use vestibule::service::admin::MfaChange;

use crate::harness::*;

const NEW: &str = "alice@elsewhere.example";

fn code_sent_to(world: &World, to: &str) -> String {
    let text = world.outbox.last_to(to).unwrap_or_else(|| panic!("nothing for {to}")).text;
    text.split(|c: char| !c.is_ascii_digit()).find(|word| word.len() == 6).unwrap().to_owned()
}

fn another(code: &str) -> String {
    format!("{:06}", (code.parse::<u32>().unwrap() + 1) % 1_000_000)
}

async fn email_of(world: &World, name: &str) -> String {
    world.app().services.accounts.named(name).await.unwrap().email
}

/// Signed in with everything, on the page for a new address.
async fn at_contact(world: &World) -> Person {
    let mut alice = world.person_with_app("alice", &[]).await;
    alice.signs_in_at("/.vestibule/account").await;
    assert!(alice.page.text().contains("/.vestibule/account/contact?method=email"));
    alice.visits("/.vestibule/account/contact?method=email").await.is(200);
    alice
}

#[tokio::test]
async fn a_new_address_counts_once_its_code_is_entered_and_both_are_told() {
    let world = World::new().await;
    let mut alice = at_contact(&world).await;
    let mut elsewhere = alice.elsewhere(5);
    world.advance(seconds(30));
    elsewhere.signs_in().await;
    let told = world.mail_to("alice").len();
    for bad in ["", "nobody", "a b@c.example", "alice@post.example"] {
        assert!(alice.sends("account/contact", &[("to", bad)]).await.is(422).alert().is_some(), "{bad}");
    }
    alice.sends("account/contact", &[("to", NEW)]).await.leads_to("/.vestibule/account/contact/email");
    alice.follows().await;
    let page = alice.page.text();
    assert!(page.contains(NEW) && page.contains("id=\"countdown\"") && page.contains("id=\"resend\""), "{page}");
    let code = code_sent_to(&world, NEW);
    assert!(alice.sends("account/contact/email", &[("code", &another(&code))]).await.is(422).alert().is_some());
    assert_eq!(email_of(&world, "alice").await, "alice@post.example", "until then the old one stays");
    assert_eq!(world.mail_to("alice").len(), told);
    let mut tab = alice.clone();
    alice.sends("account/contact/email", &[("code", &code)]).await.leads_to("/.vestibule/account");
    assert_eq!(email_of(&world, "alice").await, NEW);
    alice.follows().await;
    alice.is_at("account");
    assert!(alice.page.text().contains(NEW) && alice.is_signed_in().await);
    assert!(!elsewhere.is_signed_in().await, "the others end");
    tab.sends("account/contact/email", &[("code", &code)]).await.is(303);
    assert_eq!(world.mail_to("alice")[told..], ["Your e-mail address was changed"]);
    assert!(world.outbox.last_to(NEW).unwrap().subject.unwrap().contains("now the address"));
    let mut again = alice.elsewhere(6);
    again.name = NEW.to_owned();
    again.visits("/").await;
    again.types_password().await.leads_to("/.vestibule/mfa");
}

#[tokio::test]
async fn a_password_alone_changes_no_address() {
    let world = World::new().await;
    let mut alice = world.person("alice", &[]).await;
    alice.signs_in_at("/.vestibule/account").await;
    let rename = alice.form("enrol");
    let asked = alice.visits("/.vestibule/account/contact?method=email").await;
    assert!(asked.is(422).alert().is_some_and(|said| said.contains("second factor")), "{}", asked.text());
    let form = html::Form { action: format!("{PREFIX}/account/contact"), ..rename };
    alice.submits(&form, &[("method", "email"), ("to", NEW)]).await.is(422);
    assert!(world.outbox.newest_first().is_empty() && email_of(&world, "alice").await == "alice@post.example");
}

#[tokio::test]
async fn a_session_left_open_changes_no_address() {
    let world = World::new().await;
    let mut alice = at_contact(&world).await;
    let typed = alice.form("account/contact");
    alice.sends("account/contact", &[("to", NEW)]).await.is(303);
    alice.follows().await;
    let code = code_sent_to(&world, NEW);
    world.advance(minutes(4));
    let confirm = alice.form("account/contact/email");
    world.advance(minutes(12));
    alice.submits(&typed, &[("to", "alice@third.example")]).await.leads_to("/.vestibule/login?fresh=1");
    alice.submits(&confirm, &[("code", &code)]).await.is(303);
    assert_eq!(email_of(&world, "alice").await, "alice@post.example");
    assert!(world.outbox.last_to("alice@third.example").is_none());
}

#[tokio::test]
async fn codes_by_mail_go_to_the_new_address_from_then_on() {
    let world = World::new().await;
    let mut alice = world.person_with("alice", &[Method::Email]).await;
    alice.visits("/.vestibule/account").await;
    alice.types_password().await;
    alice.follows().await;
    let code = alice.mailed_code();
    alice.types_code(&code).await;
    alice.visits("/.vestibule/account/contact?method=email").await;
    alice.sends("account/contact", &[("to", NEW)]).await.is(303);
    alice.follows().await;
    alice.sends("account/contact/email", &[("code", &code_sent_to(&world, NEW))]).await.is(303);
    let account = world.app().services.accounts.named("alice").await.unwrap();
    assert!(account.email_otp.is_some(), "the factor stays");
    let mut again = alice.elsewhere(5);
    again.visits("/payroll").await;
    again.types_password().await.leads_to("/.vestibule/mfa/email");
    again.follows().await;
    again.types_code(&code_sent_to(&world, NEW)).await.leads_to("/payroll");
}

#[tokio::test]
async fn somebody_elses_address_is_refused_and_only_its_reader_learns_so() {
    let world = World::new().await;
    world.person("bob", &[]).await;
    let mut alice = at_contact(&world).await;
    alice.sends("account/contact", &[("to", "bob@post.example")]).await.leads_to("/.vestibule/account/contact/email");
    alice.follows().await;
    let code = code_sent_to(&world, "bob@post.example");
    let answer = alice.sends("account/contact/email", &[("code", &code)]).await;
    assert!(answer.is(422).alert().is_some_and(|said| said.contains("cannot be used")));
    assert_eq!(email_of(&world, "alice").await, "alice@post.example");
}

#[tokio::test]
async fn guesses_and_sends_are_limited() {
    let world = World::new().await;
    let mut alice = at_contact(&world).await;
    alice.sends("account/contact", &[("to", NEW)]).await.is(303);
    alice.follows().await;
    let code = code_sent_to(&world, NEW);
    alice.sends("account/contact/email/resend", &[]).await.is(422);
    for _ in 0..5 {
        alice.sends("account/contact/email", &[("code", &another(&code))]).await.is(422);
    }
    assert!(alice.sends("account/contact/email", &[("code", &code)]).await.is(422).alert().is_some(), "five wrong ones end it");
    assert_eq!(world.app().services.accounts.named("alice").await.unwrap().browsers[0].failures.count, 5, "counted with all others");
    let before = world.outbox.newest_first().len();
    let mut refused = false;
    for n in 0..40 {
        alice.visits("/.vestibule/account/contact?method=email").await;
        if !alice.has_form("account/contact") {
            break;
        }
        refused |= alice.sends("account/contact", &[("to", &format!("n{n}@flood.example"))]).await.status == 429;
    }
    assert!(refused && world.outbox.newest_first().len() < before + 25, "{}", world.outbox.newest_first().len());
}

#[tokio::test]
async fn a_number_is_changed_by_a_code_to_it_and_nobody_elses_flow_is_of_use() {
    let world = World::new().await;
    let mut alice = at_contact(&world).await;
    let mut bob = world.person_with_app("bob", &[]).await;
    bob.signs_in_at("/.vestibule/account").await;
    alice.visits("/.vestibule/account/contact?method=sms").await;
    alice.sends("account/contact", &[("to", "+49 171 / 555-1234")]).await.leads_to("/.vestibule/account/contact/sms");
    alice.follows().await;
    let code = code_sent_to(&world, "+491715551234");
    let own = bob.form("enrol");
    bob.submits(&html::Form { action: format!("{PREFIX}/account/contact/sms"), ..own }, &[("code", &code)])
        .await
        .leads_to("/.vestibule/account");
    assert_eq!(world.app().services.accounts.named("bob").await.unwrap().phone.as_deref(), Some("+491701234567"));
    alice.sends("account/contact/sms", &[("code", &code)]).await.is(303);
    assert_eq!(world.app().services.accounts.named("alice").await.unwrap().phone.as_deref(), Some("+491715551234"));
    let told = world.outbox.last_to("alice@post.example").unwrap();
    assert!(told.subject.unwrap().contains("phone number") && told.text.contains("••• ••34"), "{}", told.text);
}

#[tokio::test]
async fn an_operator_may_keep_it_to_administrators() {
    let world = World::builder().mfa("first_enrolment = \"password\"").with("[portal]\nchange_contact = false\n").build().await;
    let mut alice = world.person_with_app("alice", &[]).await;
    world.mfa("alice", MfaChange::default()).await;
    alice.signs_in_at("/.vestibule/account").await;
    assert!(!alice.page.text().contains("account/contact"));
    let own = alice.form("account/recovery");
    alice.opens("/.vestibule/account/contact?method=email").await.leads_to("/.vestibule/account");
    let form = html::Form { action: format!("{PREFIX}/account/contact"), ..own };
    alice.submits(&form, &[("method", "email"), ("to", NEW)]).await.is(422);
    assert!(world.outbox.last_to(NEW).is_none());
}
