//! Signing in at the company's provider: what its word opens, and what no word of its or of anybody else's does.

pub mod certified;
mod ends;
mod external;
mod glewlwyd;
mod hostile;
mod links;
mod people;
mod second_factor;

use serde_json::json;
use tokio::task::JoinSet;

use crate::harness::*;

/// A world with a provider, which knows Ada. She is `alice` here.
pub async fn world_with(more: &str) -> (World, Provider) {
    let provider = Provider::start().await;
    provider
        .has(json!({ "sub": "ada", "preferred_username": "ada", "name": "Ada L", "email": "ada@corp.example", "email_verified": true }));
    let world = World::builder().mfa("first_enrolment = \"password\"").with(&provider.section(more)).build().await;
    provider.follows(&world.clock);
    (world, provider)
}

impl World {
    pub async fn links(&self, name: &str, subject: &str) {
        use vestibule::service::audit::Actor;
        self.app().services.provider.link_by_hand(name, "corp", subject, Actor::CommandLine).await.unwrap();
    }

    /// What the audit log says, the newest first.
    pub async fn audited(&self) -> Vec<(String, String)> {
        use vestibule::service::audit::{PageStart, RecordFilter};
        let found = self.app().services.audit_reader.page(&RecordFilter::default(), PageStart::End, 200).await.unwrap().records;
        found.into_iter().map(|record| (record.event, record.detail)).collect()
    }
}

impl Person {
    /// Presses the provider's button on the sign-in page on the screen; where the browser is sent.
    pub async fn presses_the_button(&mut self) -> String {
        self.sends("login/with/corp", &[]).await.is(303).location().to_owned()
    }

    /// From wherever it leads, by the provider's button, to wherever it ends.
    pub async fn comes_by_the_provider(&mut self, provider: &Provider, target: &str) -> Answer {
        self.visits(target).await;
        self.is_at("login");
        let away = self.presses_the_button().await;
        self.comes_back(&provider.lets_in(&away)).await;
        self.follows().await
    }

    /// The provider sends the browser back, from another site.
    pub async fn comes_back(&mut self, target: &str) -> Answer {
        let lines = "Accept: text/html\r\nSec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Site: cross-site\r\n";
        let answer = self.asks("GET", target, lines, b"").await;
        (self.url, self.page) = (target.to_owned(), answer.clone());
        answer
    }

    /// An error page of the gateway's that has a way on, and nobody is signed in.
    pub async fn is_told(&mut self, status: u16, words: &str) {
        self.page.is(status);
        assert!(self.page.text().contains(words), "{}", self.page.text());
        assert!(self.page.text().contains("/.vestibule/"), "a way on: {}", self.page.text());
        assert!(!self.is_signed_in().await);
    }
}

#[tokio::test]
async fn the_button_leads_to_the_provider_and_back_to_the_very_page() {
    let (world, provider) = world_with("").await;
    let mut alice = world.person("alice", &["staff"]).await;
    world.links("alice", "ada").await;
    alice.visits("/staff/a?b=c%2f").await;
    let away = alice.presses_the_button().await;
    let asked = provider.asked_for(&away);
    assert_eq!(asked["redirect_uri"], "http://app.example/.vestibule/callback/corp");
    assert_eq!(asked["scope"], "openid profile email");
    assert!(asked["state"].len() == 43 && asked["nonce"].len() == 43 && asked["code_challenge"].len() == 43);
    alice.comes_back(&provider.lets_in(&away)).await.leads_to("/staff/a?b=c%2f");
    alice.follows().await;
    alice.sees("/staff/a?b=c%2f");
    assert_eq!(world.upstream.last().values("remote-user"), ["alice"]);
    let signed_in = world.audited().await.into_iter().find(|(event, _)| event == "sign_in.finished").unwrap();
    assert_eq!(signed_in.1, "provider corp");
}

#[tokio::test]
async fn our_second_factor_stands_behind_the_provider() {
    let (world, provider) = world_with("").await;
    let mut alice = world.person_with_app("alice", &[]).await;
    world.links("alice", "ada").await;
    // What nobody named counts for nothing.
    provider.says(json!({ "amr": ["mfa"], "acr": "gold" }));
    alice.comes_by_the_provider(&provider, "/payroll").await;
    alice.is_at("mfa/totp");
    assert!(!alice.is_signed_in().await, "not before the second factor");
    alice.types_the_code().await.leads_to("/payroll");
    alice.follows().await;
    alice.sees("/payroll");
    let signed_in = world.audited().await.into_iter().find(|(event, _)| event == "sign_in.finished").unwrap();
    assert_eq!(signed_in.1, "provider corp, totp");
}

#[tokio::test]
async fn of_fifty_answers_with_one_code_one_counts() {
    let (world, provider) = world_with("").await;
    let mut alice = world.person("alice", &[]).await;
    world.links("alice", "ada").await;
    alice.visits("/").await;
    let back = provider.lets_in(&alice.presses_the_button().await);
    let mut all = JoinSet::new();
    for _ in 0..50 {
        let (mut one, back) = (alice.clone(), back.clone());
        all.spawn(async move {
            one.comes_back(&back).await;
            one.is_signed_in().await
        });
    }
    assert_eq!(all.join_all().await.into_iter().filter(|signed_in| *signed_in).count(), 1);
    assert_eq!(provider.count("token"), 1, "the code is handed in once");
}

#[tokio::test]
async fn another_browsers_answer_is_nothing_and_spends_nothing() {
    let (world, provider) = world_with("").await;
    let mut alice = world.person("alice", &[]).await;
    world.links("alice", "ada").await;
    alice.visits("/").await;
    let back = provider.lets_in(&alice.presses_the_button().await);
    let mut mallory = alice.elsewhere(9);
    mallory.comes_back(&back).await;
    mallory.is_told(422, "no longer under way").await;
    // With a sign-in of its own under way it is no better off.
    mallory.visits("/").await;
    mallory.presses_the_button().await;
    mallory.comes_back(&back).await;
    mallory.is_told(422, "no longer under way").await;
    assert_eq!(provider.count("token"), 0);
    alice.comes_back(&back).await.leads_to("/");
    alice.comes_back(&back).await.is(422);
    assert!(alice.is_signed_in().await);
}

#[tokio::test]
async fn two_tabs_are_two_sign_ins_of_one_browser() {
    let (world, provider) = world_with("").await;
    let mut alice = world.person("alice", &["staff"]).await;
    world.links("alice", "ada").await;
    alice.visits("/staff").await;
    let first = alice.presses_the_button().await;
    alice.visits("/other").await;
    let second = alice.presses_the_button().await;
    alice.comes_back(&provider.lets_in(&first)).await.leads_to("/staff");
    alice.comes_back(&provider.lets_in(&second)).await;
    assert!(alice.page.status == 303 || alice.page.status == 422);
    assert!(alice.is_signed_in().await);
}

#[tokio::test]
async fn what_goes_wrong_ends_on_a_page_with_a_way_on() {
    let (world, provider) = world_with("").await;
    let mut alice = world.person("alice", &[]).await;
    world.links("alice", "ada").await;
    for (error, status, words) in [
        ("access_denied", 403, "did not let you in"),
        ("login_required", 403, "wants you to sign in there"),
        ("interaction_required", 403, "wants you to sign in there"),
        ("temporarily_unavailable", 503, "cannot be reached"),
        ("invalid_scope", 403, "was not accepted"),
    ] {
        alice.visits("/").await;
        let away = alice.presses_the_button().await;
        alice.comes_back(&provider.refuses(&away, error)).await;
        alice.is_told(status, words).await;
    }
    for stale in ["?code=x&state=nobodys", "?code=x", "", "?error=access_denied&state=", "?state=%00&code=%0d%0a"] {
        alice.comes_back(&format!("/.vestibule/callback/corp{stale}")).await;
        alice.is_told(422, "no longer under way").await;
    }
    alice.opens("/.vestibule/callback/nobody?state=x").await;
    alice.is_told(422, "no longer under way").await;
}

#[tokio::test]
async fn a_provider_that_is_away_stops_neither_the_start_nor_the_password() {
    let provider = Provider::start().await;
    provider.answers_instead("discovery", 503, "ill");
    let world = World::builder().with(&provider.section("")).build().await;
    provider.follows(&world.clock);
    let mut alice = world.person("alice", &[]).await;
    world.links("alice", "ada").await;
    alice.visits("/").await;
    alice.sends("login/with/corp", &[]).await;
    alice.is_told(503, "cannot be reached").await;
    alice.signs_in().await;
    let mut again = alice.elsewhere(3);
    provider.is_honest_again();
    provider.has(json!({ "sub": "ada" }));
    world.advance(seconds(30));
    again.comes_by_the_provider(&provider, "/").await;
    again.sees("/");
}

#[tokio::test]
async fn the_only_way_in_is_gone_to_directly_with_a_way_back() {
    let (world, provider) = world_with("create = \"always\"").await;
    let mut ada = world.at_a_browser("ada");
    ada.opens("/a").await.leads_to("/.vestibule/login?rd=");
    let login = ada.page.location().to_owned();
    let away = ada.opens(&login).await.is(303).location().to_owned();
    ada.comes_back(&provider.refuses(&away, "access_denied")).await;
    ada.is_told(403, "did not let you in").await;
    assert!(ada.page.text().contains("local"), "an error leads to the form, not around in circles");
    ada.opens("/.vestibule/login?local=1&rd=%2Fa").await.is(200);
    assert!(ada.has_form("login") && ada.has_form("login/with/corp"));
    let away = ada.presses_the_button().await;
    ada.comes_back(&provider.lets_in(&away)).await.leads_to("/a");
    // With a local password there is a choice.
    world.person("bob", &[]).await;
    let mut bob = world.at_a_browser("bob");
    bob.visits("/a").await;
    bob.is_at("login");
}
