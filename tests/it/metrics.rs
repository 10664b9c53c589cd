//! What Prometheus reads, over HTTP, of a gateway that people use; and that the dashboard asks for nothing else.

use std::collections::BTreeSet;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::*;

/// The `/metrics` page.
async fn scrape(world: &World) -> String {
    let app = world.app();
    let address = vestibule::telemetry::server::start("127.0.0.1:0".parse().unwrap(), app.telemetry.clone(), app.clone()).await.unwrap();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answer
}

/// The value of the line with this name and these labels.
fn value(page: &str, series: &str) -> f64 {
    let found = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    found.unwrap_or_else(|| panic!("no {series} in\n{page}")).parse().unwrap()
}

/// Everything in a text that looks like the name of one of our metrics.
fn names(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("vestibule_")).collect()
}

/// A world with a route that only watches.
async fn busy() -> World {
    let observed = "[[routes]]\nname = \"watched\"\nhosts = [\"watched.example\"]\nupstreams = [\"http://127.0.0.1:1\"]\n\
                    policy = \"two_factor\"\nenforce = false\n";
    let world = World::builder().mfa("first_enrolment = \"password\"").with(observed).build().await;
    let mut alice = world.person_with_app("alice", &[]).await;
    alice.visits("/payroll").await;
    alice.sends("login", &[("username", "alice"), ("password", "nothing-like-it-at-all")]).await;
    alice.jar.clear();
    alice.signs_in_at("/payroll").await;
    let mut stream = tokio::net::TcpStream::connect(world.address()).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: watched.example\r\nConnection: close\r\n\r\n").await.unwrap();
    let _ = stream.read_to_end(&mut Vec::new()).await;
    world
}

#[tokio::test]
async fn a_sign_in_shows_in_the_metrics() {
    let world = busy().await;
    let page = scrape(&world).await;
    assert!(value(&page, "vestibule_authentications_total{factor=\"password\",outcome=\"failure\"}") >= 1.0);
    assert!(value(&page, "vestibule_authentications_total{factor=\"password\",outcome=\"success\"}") >= 1.0);
    assert_eq!(value(&page, "vestibule_authentications_total{factor=\"totp\",outcome=\"success\"}"), 1.0);
    assert_eq!(value(&page, "vestibule_authentications_total{factor=\"sms\",outcome=\"success\"}"), 0.0);
    assert_eq!(value(&page, "vestibule_events_total{event=\"sign_in.finished\"}"), 1.0);
    assert_eq!(value(&page, "vestibule_sessions"), 1.0);
    assert_eq!(value(&page, "vestibule_password_hashes{state=\"running\"}"), 0.0);
    assert_eq!(value(&page, "vestibule_password_hashes_refused_total"), 0.0);
    assert_eq!(value(&page, "vestibule_upstream_up{route=\"watched\",upstream=\"127.0.0.1:1\"}"), 0.0, "nobody listens there");
    assert!(value(&page, "vestibule_store_duration_seconds_count{operation=\"commit\"}") >= 1.0);
    assert_eq!(value(&page, "vestibule_config_last_reload_successful"), 1.0);
    assert_eq!(value(&page, &format!("vestibule_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"))), 1.0);
    assert!(value(&page, "vestibule_observed_total{reason=\"sign_in\",route=\"watched\"}") >= 1.0);
}

#[tokio::test]
async fn the_dashboard_and_the_documents_name_what_there_is() {
    let page = scrape(&busy().await).await;
    let there = names(&page);
    let dashboard = include_str!("../../examples/grafana/vestibule.json");
    let parsed: serde_json::Value = serde_json::from_str(dashboard).unwrap();
    assert!(parsed["panels"].as_array().unwrap().len() >= 10);
    let asked = names(dashboard);
    assert!(asked.len() >= 10, "{asked:?}");
    let missing: Vec<_> = asked.difference(&there).collect();
    assert!(missing.is_empty(), "the dashboard asks for {missing:?}, which the gateway does not have");
    // Each metric is told of in the operator's manual, by the name in its HELP line.
    let manual = names(include_str!("../../docs/guides/monitoring.md"));
    let untold: Vec<_> =
        page.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split(' ').next()).filter(|n| !manual.contains(n)).collect();
    assert!(untold.is_empty(), "docs/guides/monitoring.md does not tell of {untold:?}");
}

#[tokio::test]
async fn a_provider_is_counted_as_the_factor_external() {
    let (world, provider) = crate::providers::world_with("").await;
    let external =
        |page: &str, outcome: &str| value(page, &format!("vestibule_authentications_total{{factor=\"external\",outcome=\"{outcome}\"}}"));
    let before = scrape(&world).await;
    assert_eq!((external(&before, "success"), external(&before, "failure")), (0.0, 0.0), "there from the start");
    let mut alice = world.person("alice", &["staff"]).await;
    alice.visits("/").await;
    let away = alice.presses_the_button().await;
    alice.comes_back(&provider.lets_in(&away)).await.is(403);
    world.links("alice", "ada").await;
    alice.elsewhere(3).comes_by_the_provider(&provider, "/").await;
    let after = scrape(&world).await;
    assert_eq!((external(&after, "success"), external(&after, "failure")), (1.0, 1.0));
}
