//! Trusted browsers skip the second factor, and nothing beyond.

use crate::harness::*;

async fn world() -> World {
    World::builder().mfa("first_enrolment = \"password\"\ntrusted_device = \"30d\"").build().await
}

/// Signs in with both factors, trusts the browser, and signs out.
async fn with_a_trusted_browser(world: &World) -> Person {
    let mut alice = world.person_with_app("alice", &[]).await;
    alice.visits("/").await;
    alice.types_password().await;
    alice.follows().await;
    assert!(alice.page.text().contains("name=\"trust_device\""));
    let code = alice.code();
    alice.sends("mfa/totp", &[("code", &code), ("trust_device", "1")]).await.leads_to("/");
    signs_out(&mut alice).await;
    alice
}

async fn signs_out(person: &mut Person) {
    person.visits("/.vestibule/logout").await;
    person.sends("logout", &[]).await.is(200);
}

#[tokio::test]
async fn a_trusted_browser_is_asked_for_the_password_alone() {
    let world = world().await;
    let mut alice = with_a_trusted_browser(&world).await;
    alice.visits("/payroll").await;
    alice.types_password().await.leads_to("/payroll");
    alice.follows().await;
    alice.sees("/payroll");
    // Another browser is not, nor is another user at this one.
    let mut elsewhere = alice.elsewhere(5);
    elsewhere.visits("/").await;
    elsewhere.types_password().await.leads_to("/.vestibule/mfa");
    let mut bob = world.person_with_app("bob", &[]).await;
    signs_out(&mut alice).await;
    bob.jar = alice.jar.clone();
    bob.visits("/").await;
    bob.types_password().await.leads_to("/.vestibule/mfa");
}

#[tokio::test]
async fn trust_is_not_a_fresh_factor_nor_a_named_one() {
    let world = world().await;
    let mut alice = with_a_trusted_browser(&world).await;
    alice.visits("/").await;
    alice.types_password().await.leads_to("/");
    for target in ["/fresh", "/by-app"] {
        alice.opens(target).await.leads_to("/.vestibule/mfa?rd=");
        assert_eq!(alice.calls("GET", target).await.is(401).json()["reason"], "second_factor");
    }
    alice.visits("/fresh/x").await;
    assert!(!alice.page.text().contains("trust_device"), "not offered where it does not count");
    assert!(alice.page.text().contains("app.example asks for a second factor"), "{}", alice.page.text());
    alice.types_the_next_code().await.leads_to("/fresh/x");
    alice.follows().await;
    alice.sees("/fresh/x");
}

#[tokio::test]
async fn trust_changes_no_account_and_a_full_sign_in_there_does() {
    let world = world().await;
    let mut alice = with_a_trusted_browser(&world).await;
    alice.visits("/").await;
    alice.types_password().await.leads_to("/");
    alice.visits("/.vestibule/account/password").await;
    alice.is_at("login");
    // Who confirms who they are is asked for everything, trusted browser or not.
    alice.types_password().await.leads_to("/.vestibule/mfa");
    alice.follows().await;
    alice.types_the_next_code().await.leads_to("/.vestibule/account");
    alice.visits("/.vestibule/account/password").await;
    alice.is_at("account/password");
}

#[tokio::test]
async fn trust_ends_with_the_password_and_with_time() {
    let world = world().await;
    let mut alice = with_a_trusted_browser(&world).await;
    let mut later = alice.clone();
    world.advance(minutes(30 * 24 * 60));
    later.visits("/").await;
    later.types_password().await.leads_to("/.vestibule/mfa");
    later.follows().await;
    let code = later.code();
    later.sends("mfa/totp", &[("code", &code), ("trust_device", "1")]).await.leads_to("/");
    let new = "quiet-mountain-lantern-7";
    let password = vestibule::base::Secret::new(new);
    let actor = vestibule::service::audit::Actor::CommandLine;
    world.app().services.accounts.set_password("alice", &password, actor).await.unwrap();
    alice.jar = later.jar.clone();
    alice.password = new.to_owned();
    alice.visits("/").await;
    alice.types_password().await.leads_to("/.vestibule/mfa");
}

#[tokio::test]
async fn trust_can_be_taken_back() {
    let world = world().await;
    let mut alice = with_a_trusted_browser(&world).await;
    alice.visits("/.vestibule/account").await;
    alice.types_password().await;
    alice.follows().await;
    alice.is_at("account");
    alice.sends("account/browsers/revoke", &[]).await.is(200);
    signs_out(&mut alice).await;
    alice.visits("/").await;
    alice.types_password().await.leads_to("/.vestibule/mfa");
}

#[tokio::test]
async fn no_trust_after_a_recovery_code() {
    let world = world().await;
    let mut alice = world.person_with_app("alice", &[]).await;
    let codes = world.recovery_codes("alice").await;
    alice.visits("/").await;
    alice.types_password().await;
    alice.visits("/.vestibule/mfa/recovery").await;
    assert!(!alice.page.text().contains("trust_device"));
    alice.sends("mfa/recovery", &[("code", &codes[0]), ("trust_device", "1")]).await.leads_to("/");
    signs_out(&mut alice).await;
    alice.visits("/").await;
    alice.types_password().await.leads_to("/.vestibule/mfa");
}

#[tokio::test]
async fn no_trust_where_it_is_not_offered() {
    let world = World::new().await;
    let mut alice = world.person_with_app("alice", &[]).await;
    alice.visits("/").await;
    alice.types_password().await;
    alice.follows().await;
    assert!(!alice.page.text().contains("trust_device"));
    let code = alice.code();
    alice.sends("mfa/totp", &[("code", &code), ("trust_device", "1")]).await.leads_to("/");
    signs_out(&mut alice).await;
    alice.visits("/").await;
    alice.types_password().await.leads_to("/.vestibule/mfa");
}
