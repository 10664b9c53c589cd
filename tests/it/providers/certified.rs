//! The certified provider `oidc-provider` from npm: the whole walk over its own pages, and what it does behind our back.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use vestibule::base::Clock;

use crate::harness::*;

/// The provider, which ends with the test.
pub struct Certified {
    pub issuer: String,
    _process: Child,
}

impl Certified {
    pub async fn start() -> Self {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/provider");
        let mut process = Command::new("node")
            .arg("server.mjs")
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("node; scripts/test installs it");
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let issuer = loop {
            let line =
                soon(lines.next_line()).await.unwrap().expect("the provider of tests/provider starts; scripts/test installs it with npm");
            if line.starts_with("http://") {
                break line;
            }
        };
        Self { issuer, _process: process }
    }

    pub fn section(&self) -> String {
        format!(
            "[[providers]]\nname = \"corp\"\ntitle = \"Corp\"\nissuer = \"{}\"\nclient_id = \"gate\"\nclient_secret = \"a secret of the gate\"\n\
             create = \"groups\"\nrefresh = \"1m\"\ncounts_as_second_factor = {{ acr = [\"urn:mfa\"] }}\n\
             [providers.group_map]\n\"the-staff\" = \"staff\"\n",
            self.issuer
        )
    }

    /// The same person's browser at the provider's pages.
    fn browser(&self, world: &World) -> Person {
        let address = self.issuer.trim_start_matches("http://").parse().unwrap();
        let mut browser = Person::new("ada", address, world.clock.clone(), world.outbox.clone());
        browser.host = self.issuer.trim_start_matches("http://").to_owned();
        browser
    }

    /// Tells it something, server to server.
    pub async fn told(&self, world: &World, path: &str, what: Value) {
        self.browser(world).asks("POST", path, "Content-Type: application/json\r\n", what.to_string().as_bytes()).await.is(200);
    }
}

/// Signs in on the provider's own page; where it sends the browser in the end.
async fn signs_in_there(browser: &mut Person, location: &str, typed: &str) -> String {
    let mut to = location.to_owned();
    for _ in 0..6 {
        let target = to.strip_prefix(&browser.origin()).unwrap_or(&to).to_owned();
        if !target.starts_with('/') {
            return to;
        }
        let mut answer = browser.opens(&target).await;
        if answer.status == 200 {
            let lines = "Content-Type: application/x-www-form-urlencoded\r\n";
            answer = browser.asks("POST", &target, lines, typed.as_bytes()).await;
        }
        to = answer.location().to_owned();
    }
    panic!("the provider leads around in circles: {to}")
}

#[tokio::test]
async fn a_certified_provider_signs_in_refreshes_and_signs_out() {
    let certified = Certified::start().await;
    let world = World::builder().on_localhost().with(&certified.section()).build().await;
    world.clock.set(Clock::system().now());
    let ada = |groups: Value| json!({ "sub": "ada", "claims": { "preferred_username": "ada", "name": "Ada L", "groups": groups, "email": "ada@corp.example", "email_verified": true } });
    certified.told(&world, "/test/people", ada(json!(["the-staff"]))).await;
    let uri = format!("http://localhost:{}/.vestibule/backchannel/corp", world.address().port());
    certified.told(&world, "/test/backchannel", json!({ "uri": uri })).await;
    let (mut person, mut there) = (world.at_a_browser("ada"), certified.browser(&world));
    person.host = "localhost".to_owned();

    // One factor there opens no two-factor route here.
    person.opens("/.vestibule/login?local=1&rd=/payroll").await;
    let away = person.presses_the_button().await;
    let back = signs_in_there(&mut there, &away, "name=ada").await;
    person.comes_back(back.strip_prefix("http://localhost").unwrap()).await.leads_to("/payroll");
    person.calls("GET", "/payroll").await.is(401);
    person.calls("GET", "/staff").await.is(200);
    assert_eq!(world.upstream.last().values("remote-email"), ["ada@corp.example"]);

    // Its second factor does, shown now.
    person.visits("/payroll").await;
    person.is_at("mfa/external");
    let away = person.sends("mfa/external", &[]).await.is(303).location().to_owned();
    let back = signs_in_there(&mut there, &away, "name=ada&mfa=1").await;
    person.comes_back(back.strip_prefix("http://localhost").unwrap()).await.leads_to("/payroll");
    person.calls("GET", "/payroll").await.is(200);

    certified.told(&world, "/test/people", ada(json!([]))).await;
    world.advance(minutes(1));
    world.app().services.provider.refresh_all().await.unwrap();
    person.calls("GET", "/staff").await.is(403);
    assert!(person.is_signed_in().await);

    certified.told(&world, "/test/logout", json!({ "sub": "ada" })).await;
    assert!(!person.is_signed_in().await);
}

#[tokio::test]
async fn somebody_who_says_no_there_is_told_so_here() {
    let certified = Certified::start().await;
    let world = World::builder().on_localhost().with(&certified.section()).build().await;
    world.clock.set(Clock::system().now());
    let (mut person, mut there) = (world.at_a_browser("ada"), certified.browser(&world));
    person.host = "localhost".to_owned();
    person.opens("/.vestibule/login?local=1").await;
    let away = person.presses_the_button().await;
    let back = signs_in_there(&mut there, &away, "refuse=1").await;
    person.comes_back(back.strip_prefix("http://localhost").unwrap()).await;
    person.is_told(403, "did not let you in").await;
}
