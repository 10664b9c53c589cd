//! One session for the hosts of a domain: one key and one bound cookie serve all of them.

use super::*;

const COOKIE: &str = "__Secure-vestibule-bound";

#[tokio::test]
async fn one_key_serves_every_host_of_the_domain() {
    let hub = "[[routes]]\nname = \"hub\"\nhosts = [\"example\"]\nupstreams = [\"UPSTREAM\"]\npolicy = \"one_factor\"\n";
    let sections = format!("{SERVER}[session]\ndomain = \"app.example\"\n[session.device_bound]\n{ROUTES}{hub}");
    let world = World::builder().mfa("first_enrolment = \"password\"").with(&sections).build().await;
    let (mut alice, offer) = signed_in(&world, "alice").await;
    let mut device = Device::new();
    let said = device.registers(&mut alice, &offer).await.is(200).json();
    assert_eq!((&said["scope"]["include_site"], &said["scope"]["origin"]), (&true.into(), &"https://app.example".into()));
    assert_eq!(said["credentials"][0]["name"], COOKIE);
    assert_eq!(said["credentials"][0]["attributes"], "Domain=app.example; Path=/; Secure; HttpOnly; SameSite=Lax");
    world.advance(seconds(61));
    for host in ["app.example", "sub.app.example"] {
        alice.host = host.to_owned();
        alice.calls("GET", "/page").await.is(200);
        let mut copied = alice.clone();
        copied.jar.drop(COOKIE);
        copied.calls("GET", "/page").await.is(401);
    }
    let mut stranger = world.at_a_browser("stranger");
    stranger.https = true;
    let told = stranger.calls("GET", "/.well-known/device-bound-sessions").await;
    assert_eq!(told.is(200).json()["registering_origins"], serde_json::json!(["https://app.example"]));
    stranger.host = "sub.app.example".to_owned();
    stranger.calls("GET", "/.well-known/device-bound-sessions").await.is(401);
}
