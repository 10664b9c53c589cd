//! Which of several upstreams a request goes to: the same one for a browser, and none that a health check left out.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::sync::watch;

use crate::gateway::tests::support::*;
use crate::policy::{HealthCheck, Level};

/// Answers with its name, and `/healthz` with what it is told; counts those.
async fn named(name: &'static str) -> (SocketAddr, watch::Sender<u16>, watch::Receiver<usize>) {
    let (health, (asked, is_asked)) = (watch::Sender::new(200), watch::channel(0));
    let status = health.subscribe();
    let app = upstream(move |mut stream| {
        let (asked, status) = (asked.clone(), status.clone());
        async move {
            while let Some(head) = read_head(&mut stream).await {
                let code = if head.starts_with("GET /healthz ") {
                    assert!(head.contains("\r\nHost: 127.0.0.1:") || head.contains("\r\nhost: 127.0.0.1:"), "{head}");
                    let code = *status.borrow();
                    asked.send_modify(|count| *count += 1);
                    code
                } else {
                    200
                };
                let answer = format!("HTTP/1.1 {code} X\r\nSet-Cookie: vestibule_at_app=evil\r\nContent-Length: 1\r\n\r\n{name}");
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
        }
    })
    .await;
    (app, health, is_asked)
}

/// The cookie that an answer leads the browser with, and who answered.
fn led(answer: &str) -> (Option<String>, char) {
    let cookie = answer.lines().find_map(|line| line.strip_prefix("Set-Cookie: vestibule_at_app="));
    let value = cookie.map(|rest| {
        assert!(rest.ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{rest}");
        rest.split(';').next().unwrap().to_owned()
    });
    (value, answer.chars().last().unwrap())
}

#[tokio::test]
async fn a_browser_goes_to_the_same_upstream_and_to_another_if_that_is_down() {
    let apps = [named("a").await.0, named("b").await.0, named("c").await.0];
    let mut sticky = route("app", "", Level::Bypass, &apps);
    sticky.proxy.sticky = true;
    let (house, running) = gateway(vec![sticky, route("other", "/other", Level::Bypass, &apps)]);
    let (cookie, first) = led(&get(&running, "/", "").await);
    let cookie = cookie.unwrap();
    assert!(cookie.starts_with("signed-"), "what an upstream sets under the name is dropped: {cookie}");
    let returning = format!("Cookie: x=1; vestibule_at_app={cookie}\r\n");
    for _ in 0..6 {
        let (again, name) = led(&get(&running, "/", &returning).await);
        assert_eq!((again, name), (None, first));
    }
    let strangers: Vec<char> = [get(&running, "/", "").await, get(&running, "/", "").await].iter().map(|answer| led(answer).1).collect();
    assert!(strangers.iter().any(|name| *name != first), "others take their turn");
    for forged in [format!("{cookie}0"), "signed-00".into(), String::new(), cookie.to_uppercase()] {
        assert!(led(&get(&running, "/", &format!("Cookie: vestibule_at_app={forged}\r\n")).await).0.is_some(), "{forged}");
    }
    assert_eq!(led(&get(&running, "/other", &returning).await).0, None, "another route is not sticky");
    let snapshot = Arc::clone(&house.snapshot.lock().unwrap());
    let at = "abc".find(first).unwrap();
    let (_, pool) = snapshot.upstreams.pools().next().unwrap();
    pool.get(at).unwrap().mark_down();
    let (moved, second) = led(&get(&running, "/", &returning).await);
    assert!(second != first && moved.is_some_and(|moved| moved != cookie), "a new cookie for the new one");
}

#[tokio::test]
async fn what_a_health_check_finds_is_left_out_and_comes_back() {
    let (a, health, mut asked) = named("a").await;
    let (b, ..) = named("b").await;
    let mut checked = route("app", "", Level::Bypass, &[a, b]);
    checked.proxy.health = Some(HealthCheck { path: "/healthz".into(), interval: Duration::from_millis(20) });
    let (house, running) = gateway(vec![checked]);
    let checks = house.snapshot.lock().unwrap().upstreams.watch(&tokio::runtime::Handle::current());
    let is_up = || house.snapshot.lock().unwrap().upstreams.health().next().unwrap().2;
    let becomes = async |up: bool| {
        soon(async {
            while is_up() != up {
                tokio::task::yield_now().await;
            }
        })
        .await;
    };
    health.send_replace(503);
    becomes(false).await;
    for _ in 0..6 {
        assert_eq!(led(&get(&running, "/", "").await).1, 'b');
    }
    health.send_replace(204);
    becomes(true).await;
    let who: Vec<char> = [get(&running, "/", "").await, get(&running, "/", "").await].iter().map(|answer| led(answer).1).collect();
    assert!(who.contains(&'a') && who.contains(&'b'), "{who:?}");
    // A configuration that is gone asks no more, but for what was on its way.
    drop(checks);
    let before = *asked.borrow_and_update();
    let more = tokio::time::timeout(Duration::from_millis(300), asked.wait_for(|count| *count > before + 1)).await;
    assert!(more.is_err(), "the checks of the old configuration go on");
}
