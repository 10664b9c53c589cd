//! Rules by country and network operator, with databases of a few bytes: 1.0.0.0/8 is in Germany and of AS64500, 2.0.0.0/8 is in France
//! and of the same, 3.0.0.0/8 is in Germany and of another. In the second database 2.0.0.0/8 is in Germany, and nothing else anywhere.

use std::sync::Arc;
use std::time::{Duration, Instant};

use vestibule::base::Clock;

use crate::harness::binary::Machine;
use crate::harness::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_takes_clients_from_a_country_and_an_operator_and_follows_the_database() {
    let upstream = Upstream::start().await;
    let machine = Machine::new(&format!(
        "[server]\nlisten = [\"127.0.0.1:0\"]\nthreads = 1\ntrusted_proxies = [\"127.0.0.1\"]\n[geo]\ndatabases = [\"geo.mmdb\"]\n\
         [[routes]]\nname = \"wiki\"\nhosts = [\"wiki.example\"]\nupstreams = [\"http://{}\"]\npolicy = \"deny\"\n\
         [[routes.rules]]\ncountries = [\"DE\", \"AT\"]\nasns = [64500]\npolicy = \"bypass\"\n",
        upstream.address
    ));
    let missing = machine.refuses(&["check"]);
    assert!(missing.contains("geo.mmdb"), "{missing}");
    std::fs::write(machine.path("geo.mmdb"), include_bytes!("geo/first.mmdb")).unwrap();
    let gateway = machine.serves();
    let mut proxy = Person::new("nobody", gateway.address, Clock::system(), Arc::default());
    proxy.host = "wiki.example".to_owned();
    for (chain, status) in
        [("1.2.3.4", 200), ("2.2.3.4", 403), ("3.2.3.4", 403), ("9.2.3.4", 403), ("1.2.3.4, 9.9.9.9", 403), ("::ffff:1.2.3.4", 200)]
    {
        proxy.asks("GET", "/a", &format!("X-Forwarded-For: {chain}\r\n"), b"").await.is(status);
    }
    proxy.calls("GET", "/a").await.is(403);
    for (from, outcome) in [("1.2.3.4", "bypass"), ("2.2.3.4", "deny")] {
        let explained = machine.json(&["explain", "--from", from, "http://wiki.example/a"]);
        assert_eq!(explained["requires"], outcome, "{explained}");
    }
    std::fs::write(machine.path("new.mmdb"), include_bytes!("geo/second.mmdb")).unwrap();
    std::fs::rename(machine.path("new.mmdb"), machine.path("geo.mmdb")).unwrap();
    let start = Instant::now();
    while proxy.asks("GET", "/a", "X-Forwarded-For: 2.2.3.4\r\n", b"").await.status != 200 {
        assert!(start.elapsed() < Duration::from_secs(60), "{}", gateway.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    proxy.asks("GET", "/a", "X-Forwarded-For: 1.2.3.4\r\n", b"").await.is(403);
}
