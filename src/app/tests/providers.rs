//! A provider before several gateways over one database: begun at one, answered at another, ended at a third.

use std::sync::Arc;
use std::time::Duration;

use crate::app::*;
use crate::base::{Clock, FlowId, Host, Time};
use crate::config::{self, Config, StoreUrl};
use crate::gateway::{GatewayHost, Lookup};
use crate::login::ProviderPurpose;
use crate::service::audit::Actor;
use crate::service::client::Client;
use crate::service::provider::{Answered, Ask};
use crate::service::sessions::replication::tests::alice;
use crate::service::{Entry, Refused};
use crate::session::CookieKind;
use crate::source::provider::Answer;
use crate::store::postgres::server;

#[path = "../../../tests/it/harness/provider.rs"]
#[allow(dead_code, reason = "other tests use the rest of it")]
mod harness;

use harness::{CLIENT, Provider, SECRET};

const NOW: Time = Time::from_secs(1_800_000_015);

fn configured(provider: &Provider, folder: &std::path::Path, url: StoreUrl) -> Arc<Config> {
    let mut config = Config::default();
    config.server.data_dir = folder.join("data");
    config.store = url;
    config.providers = vec![config::Provider {
        name: "corp".into(),
        title: "Corp".into(),
        issuer: provider.issuer.clone(),
        client_id: CLIENT.into(),
        client_secret: Some(crate::base::Secret::new(SECRET)),
        ca: None,
        scopes: vec!["openid".into()],
        uses: config::Uses { sign_in: true, second_factor: false },
        claims: config::ClaimNames::default(),
        create: config::Create::Never,
        link_by_email: false,
        email_domains: Vec::new(),
        counts: config::Counts::default(),
        refresh: Duration::from_secs(300),
        max_stale: Duration::from_secs(3600),
        group_map: std::collections::BTreeMap::default(),
    }];
    Arc::new(config)
}

async fn gateway(config: &Arc<Config>) -> Arc<App> {
    App::open(config.clone(), Clock::manual(NOW), Post::Outbox(Arc::default())).await.unwrap()
}

fn client() -> Client {
    Client {
        address: crate::base::ClientAddr::new([127, 0, 0, 1].into()),
        browser: "Firefox on Linux".into(),
        device: None,
        request_id: "r".into(),
        origin: "http://app.example".into(),
        host: Host::parse(b"app.example").unwrap(),
        language: "en",
        binding: Default::default(),
        hangup: crate::base::Hangup::never(),
    }
}

/// Begins at one gateway; the question's answer, as the browser brings it, and the flow.
async fn begins(at: &App, provider: &Provider) -> (String, String, FlowId) {
    let ask = Ask {
        provider: "corp",
        purpose: ProviderPurpose::SignIn,
        flow: None,
        rd: "/",
        second_factor: false,
        max_age: None,
        login_hint: None,
    };
    let begun = at.services.provider.begin(ask, &client()).await.unwrap();
    let back = url::Url::parse(&format!("http://app.example{}", provider.lets_in(&begun.location))).unwrap();
    let of = |wanted: &str| back.query_pairs().find(|(name, _)| name == wanted).unwrap().1.into_owned();
    (of("state"), of("code"), begun.flow)
}

async fn answers(at: &App, (state, code, flow): &(String, String, FlowId)) -> Result<String, Refused> {
    let question = at.services.provider.question("corp", state, Some(*flow)).await?;
    let answer = Answer { code, ..Answer::default() };
    match at.services.provider.answer(question, answer, Some(*flow), None, &client()).await? {
        Answered::Entered(Entry::SignedIn(signed)) => {
            Ok(signed.cookies.into_iter().find(|(kind, _)| *kind == CookieKind::Session).unwrap().1)
        }
        other => panic!("{other:?}"),
    }
}

async fn soon(what: impl Fn() -> bool) {
    let waits = async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waits).await.expect("it never came about");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn three_gateways_are_one_to_a_provider() {
    let (folder, provider) = (tempfile::tempdir().unwrap(), Provider::start().await);
    provider.follows(&Clock::manual(NOW));
    let config = configured(&provider, folder.path(), StoreUrl::Postgres(server::url(&server::database().await)));
    let (a, b, c) = (gateway(&config).await, gateway(&config).await, gateway(&config).await);
    alice(&a.services).await;
    a.services.provider.link_by_hand("alice", "corp", "ada", Actor::CommandLine).await.unwrap();
    let back = begins(&a, &provider).await;
    let token = answers(&b, &back).await.unwrap();
    for other in [&a, &c] {
        assert!(matches!(answers(other, &back).await, Err(Refused::Provider(_))), "one answer, wherever it is brought again");
    }
    let lookup = |at: &App| at.session(&token, true, GatewayHost::now(at));
    for at in [&a, &b, &c] {
        assert!(matches!(super::look_up(at, &token).await, Lookup::Live(_)));
    }
    assert_eq!(c.services.provider.end_by_token("corp", &provider.logout_token(serde_json::json!({}))).await.unwrap(), 1);
    for at in [&a, &b, &c] {
        soon(|| matches!(lookup(at), Lookup::Ended)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_logout_token_counts_once_at_all_gateways_together() {
    let (folder, provider) = (tempfile::tempdir().unwrap(), Provider::start().await);
    provider.follows(&Clock::manual(NOW));
    let config = configured(&provider, folder.path(), StoreUrl::Postgres(server::url(&server::database().await)));
    let (a, b) = (gateway(&config).await, gateway(&config).await);
    let token = provider.logout_token(serde_json::json!({}));
    a.services.provider.end_by_token("corp", &token).await.unwrap();
    assert!(b.services.provider.end_by_token("corp", &token).await.is_err());
}
