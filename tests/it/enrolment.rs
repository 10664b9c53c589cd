//! Setting up a second factor: required, or wanted by a route; and the sign-in with it that follows.

mod vouching;

use vestibule::account::UserMfaPolicy;
use vestibule::base::Secret;
use vestibule::factor::Method;
use vestibule::service::admin::MfaChange;
use vestibule::service::audit::Actor;

use crate::harness::*;

const TARGET: &str = "/payroll/2026?month=11&who=%C3%A9";

#[tokio::test]
async fn who_must_enrol_does_so_after_the_password_and_lands_where_they_wanted() {
    let world = World::builder().mfa("policy = \"required\"\nfirst_enrolment = \"password\"").build().await;
    let mut alice = world.person("alice", &[]).await;
    // Whatever the route.
    let target = "/reports?a=b%20c";
    alice.visits(target).await;
    alice.types_password().await.leads_to("/.vestibule/enrol");
    assert!(alice.jar.get("vestibule").is_none());
    alice.follows().await;
    alice.is_at("enrol");
    assert_eq!(alice.clone().calls("GET", "/").await.status, 401);
    alice.picks("enrol", "totp").await;
    alice.is_at("enrol/totp");
    let page = alice.page.text();
    let key = html::text_of(&page, "totp-secret").unwrap();
    assert!(page.contains("<svg") && page.contains("href=\"otpauth://totp/"), "{page}");
    let plain: String = key.chars().filter(|c| !c.is_whitespace()).collect();
    assert!(page.contains(&format!("secret={plain}")), "the link has the same key");
    assert!(plain.len() >= 32, "160 bits");
    alice.phone = Some(Authenticator::from_key(&key));
    let wrong = alice.phone.as_ref().unwrap().code_at(world.now() + 3600);
    assert!(alice.types_code(&wrong).await.is(422).alert().is_some());
    assert_eq!(html::text_of(&alice.page.text(), "totp-secret").as_deref(), Some(key.as_str()), "the key stays the same");
    let confirming = alice.code();
    alice.types_code(&confirming).await.leads_to("/.vestibule/enrol/recovery");
    alice.follows().await;
    let codes = html::codes_in(&alice.page.text(), "recovery-codes");
    assert_eq!(codes.len(), 10);
    assert!(codes.iter().all(|code| code.chars().filter(char::is_ascii_alphanumeric).count() >= 12), "{codes:?}");
    // Readable until they are saved.
    let url = alice.url.clone();
    alice.visits(&url).await;
    assert_eq!(html::codes_in(&alice.page.text(), "recovery-codes"), codes);
    assert!(!alice.clone().is_signed_in().await);
    alice.sends("enrol/recovery", &[]).await.leads_to("/.vestibule/login?rd=");
    alice.clone().opens("/.vestibule/enrol/recovery").await.leads_to("/.vestibule/login");
    alice.follows().await;
    alice.types_password().await.leads_to("/.vestibule/mfa");
    alice.follows().await;
    alice.types_code(&confirming).await.is(422);
    alice.types_the_next_code().await.is(303);
    alice.follows().await;
    alice.sees(target);
    assert_eq!(world.mail_to("alice").len(), 1, "the owner is told: {:?}", world.mail_to("alice"));
    // The codes are good.
    let mut elsewhere = alice.elsewhere(5);
    elsewhere.visits("/").await;
    elsewhere.types_password().await;
    elsewhere.visits("/.vestibule/mfa/recovery").await;
    elsewhere.types_code(&codes[9]).await.leads_to("/");
}

#[tokio::test]
async fn a_route_for_two_factors_sends_to_enrol_and_gets_its_visitor_back() {
    let world = World::new().await;
    let mut alice = world.person("alice", &[]).await;
    alice.signs_in().await;
    let before = alice.clone();
    alice.visits(TARGET).await;
    alice.is_at("enrol");
    assert_eq!(alice.enrols_an_app("Pixel").await.len(), 10);
    // Signed out, here and everywhere.
    assert!(alice.jar.get("vestibule").is_none());
    assert!(!before.clone().is_signed_in().await);
    alice.types_password().await;
    alice.follows().await;
    alice.types_the_next_code().await;
    alice.follows().await;
    alice.sees(TARGET);
}

#[tokio::test]
async fn without_a_second_factor_a_password_goes_on_being_enough_elsewhere() {
    let world = World::new().await;
    let mut alice = world.person("alice", &[]).await;
    alice.signs_in().await;
    alice.visits(TARGET).await;
    alice.is_at("enrol");
    alice.visits("/reports").await;
    alice.sees("/reports");
}

#[tokio::test]
async fn the_confirmed_method_has_a_name_and_can_be_seen() {
    let world = World::new().await;
    let mut alice = world.person("alice", &[]).await;
    alice.signs_in_at(TARGET).await;
    alice.enrols_an_app("Pixel of mine").await;
    let view = world.app().services.accounts.view(&world.app().services.accounts.named("alice").await.unwrap());
    assert_eq!((view.methods, view.recovery_codes_left), (vec![Method::Totp], 10));
    alice.signs_in_at("/.vestibule/account").await;
    assert!(alice.page.text().contains("Pixel of mine"));
}

#[tokio::test]
async fn a_secret_that_somebody_has_is_refused() {
    let world = World::new().await;
    let alice = world.person_with_app("alice", &[]).await;
    world.person("bob", &[]).await;
    let uri = format!("otpauth://totp/x:bob?secret={}", alice.phone.unwrap().key());
    let change = MfaChange { totp_uri: Some(Secret::new(uri)), ..MfaChange::default() };
    assert!(world.app().services.accounts.change_mfa("bob", &change, Actor::CommandLine).await.is_err());
    assert!(world.app().services.accounts.named("bob").await.unwrap().totp.is_none());
}

#[tokio::test]
async fn who_is_never_asked_cannot_go_where_two_factors_are_wanted() {
    let world = World::new().await;
    let mut alice = world.person("alice", &[]).await;
    world.mfa("alice", MfaChange { policy: Some(UserMfaPolicy::Off), ..MfaChange::default() }).await;
    alice.signs_in().await;
    alice.opens("/payroll").await.is(403);
    assert_eq!(alice.calls("GET", "/payroll").await.is(403).json()["reason"], "mfa_off");
    alice.opens_socket("/payroll/ws", "http://app.example").await.1.is(403);
}

#[tokio::test]
async fn only_what_an_administrator_allows_is_offered() {
    let world = World::new().await;
    let mut alice = world.person("alice", &[]).await;
    world.mfa("alice", MfaChange { allow: Some(vec![Method::Email, Method::Totp]), ..MfaChange::default() }).await;
    alice.signs_in_at(TARGET).await;
    let mut offered = alice.choices("enrol");
    offered.sort();
    assert_eq!(offered, ["email", "totp"]);
    let answer = alice.sends("enrol", &[("method", "sms")]).await;
    assert_eq!(answer.status, 422);
    assert!(world.outbox.newest_first().is_empty());
}

#[tokio::test]
async fn a_method_by_mail_is_confirmed_by_its_code() {
    let world = World::new().await;
    let mut alice = world.person("alice", &[]).await;
    alice.signs_in_at(TARGET).await;
    alice.picks("enrol", "email").await;
    alice.is_at("enrol/email");
    assert_eq!(html::attribute(&alice.page.text(), "countdown", "data-seconds").as_deref(), Some("300"));
    alice.sends("enrol/email", &[("code", "000000")]).await.is(422);
    let code = alice.mailed_code();
    alice.sends("enrol/email", &[("code", &code)]).await.leads_to("/.vestibule/enrol/recovery");
    alice.follows().await;
    alice.sends("enrol/recovery", &[]).await;
    alice.follows().await;
    alice.types_password().await;
    alice.follows().await;
    alice.is_at("mfa/email");
}

#[tokio::test]
async fn an_enrolment_outlives_a_restart() {
    let mut world = World::new().await;
    let mut alice = world.person("alice", &[]).await;
    alice.signs_in_at(TARGET).await;
    alice.enrols_an_app("Pixel").await;
    world.restart().await;
    let mut again = world.at_a_browser("alice");
    again.phone = alice.phone;
    again.signs_in_at(TARGET).await;
    again.sees(TARGET);
}

#[tokio::test]
async fn the_grace_runs_from_the_first_sign_in_that_was_stopped_and_looking_starts_nothing() {
    let world = World::builder().mfa("policy = \"required\"\ngrace = \"7d\"\nfirst_enrolment = \"password\"").build().await;
    let mut alice = world.person("alice", &[]).await;
    let started = async || world.app().services.accounts.named("alice").await.unwrap().grace_started.map(|at| at.unix());
    alice.visits("/.vestibule/enrol").await;
    alice.visits("/").await;
    assert_eq!(started().await, None);
    let first = world.now();
    alice.types_password().await.leads_to("/.vestibule/enrol");
    assert_eq!(started().await, Some(first), "the password's POST starts it");
    world.advance(minutes(5));
    alice.follows().await;
    assert!(alice.has_form("enrol/later"));
    alice.sends("enrol/later", &[]).await.leads_to("/");
    assert!(alice.is_signed_in().await);
    assert_eq!(started().await, Some(first), "and nothing moves it");
    world.advance(minutes(7 * 24 * 60));
    let mut later = alice.elsewhere(5);
    later.visits("/").await;
    later.types_password().await.leads_to("/.vestibule/enrol");
    later.follows().await;
    assert!(!later.has_form("enrol/later") && later.has_form("enrol"));
}
