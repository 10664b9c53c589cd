//! The built program from outside: what it prints, how it ends, what holds after `kill -9`, and what never stands in a log.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use crate::harness::*;
use crate::site::*;

#[tokio::test]
async fn accounts_are_made_while_the_gateway_runs_and_while_it_does_not() {
    let site = Site::new().await;
    assert_eq!(site.adds("before").await.json()["name"], "before");
    let served = site.serve().await;
    assert_eq!(site.adds("during").await.json()["has_password"], true);
    for name in ["before", "during"] {
        at(&served, name).signs_in().await;
    }
    let twice = site.adds("DURING").await;
    assert_eq!((twice.code, twice.err.lines().count()), (1, 1), "{}", twice.err);
    let names =
        |listed: serde_json::Value| listed.as_array().unwrap().iter().map(|u| u["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(names(site.run(&["user", "list", "--json"]).await.json()), ["before", "during"]);
    let (code, took) = served.terminate().await;
    assert_eq!(code, 0);
    assert!(took < Duration::from_secs(2), "an idle gateway ends at once, not after {took:?}");
    site.adds("after").await.ok();
    assert_eq!(names(site.run(&["user", "list", "--json"]).await.json()).len(), 3);
}

#[tokio::test]
async fn what_was_acknowledged_outlives_a_kill() {
    let site = Site::new().await;
    let served = site.serve().await;
    site.adds("alice").await.ok();
    site.adds("bob").await.ok();
    at(&served, "bob").signs_in().await;
    let phone = site.provisions("alice").await;
    let codes = site.recovery_codes("alice").await;
    let mut alice = at(&served, "alice");
    alice.phone = Some(phone);
    alice.visits("/").await;
    alice.types_password().await.is(303);
    alice.follows().await;
    let code = alice.code();
    alice.types_code(&code).await.leads_to("/");
    let mut other = again(&alice, &served).elsewhere(2);
    other.visits("/").await;
    other.types_password().await.is(303);
    other.visits("/.vestibule/mfa/recovery").await;
    other.types_code(&codes[0]).await.is(303);
    served.kill().await;

    let served = site.serve().await;
    let mut alice = again(&alice, &served);
    assert!(alice.is_signed_in().await, "the session is there");
    alice.opens("/payroll").await.is(200);
    let mut thief = again(&alice, &served).elsewhere(3);
    thief.visits("/").await;
    thief.types_password().await.is(303);
    thief.follows().await;
    thief.types_code(&code).await.is(422);
    thief.visits("/.vestibule/mfa/recovery").await;
    thief.types_code(&codes[0]).await.is(422);
    assert!(!thief.is_signed_in().await);
    thief.visits("/.vestibule/mfa/recovery").await;
    thief.types_code(&codes[1]).await.is(303);
    assert!(site.run(&["audit", "verify", "--json"]).await.json()["whole"].as_bool().unwrap());
}

#[tokio::test]
async fn check_tells_of_every_fault_at_once() {
    let site = Site::new().await;
    let faulty = r#"
[server]
listen = ["nowhere"]
treads = 4
[session]
lifetime = "soon"
idle_timeout = 5
[password]
min_length = 3
[mfa]
policy = "sometimes"
methods = ["pigeon"]
[limits]
login_per_ip = "many"
[mail]
url = "gopher://127.0.0.1"
from = "nobody"
[[routes]]
name = "a"
upstreams = ["ftp://x"]
policy = "ajar"
"#;
    site.configure(faulty);
    let done = site.run(&["check"]).await;
    assert_eq!(done.code, 1);
    for key in ["listen", "treads", "lifetime", "idle_timeout", "min_length", "policy", "methods", "login_per_ip", "url", "upstreams"] {
        assert!(done.out.contains(key), "nothing of {key} in\n{}", done.out);
    }
    let problems = site.run(&["check", "--json"]).await;
    let listed: serde_json::Value = serde_json::from_str(&problems.out).unwrap();
    assert!(listed.as_array().unwrap().len() >= 10, "{listed}");
    assert!(listed.as_array().unwrap().iter().all(|p| p["line"].is_u64() && p["what"].is_string() && p["remedy"].is_string()), "{listed}");
    site.configure(PLAIN);
    site.run(&["check"]).await.ok();
}

#[tokio::test]
async fn a_good_reload_holds_at_once_and_a_bad_one_changes_nothing() {
    let site = Site::new().await;
    let served = site.serve().await;
    let mut stranger = at(&served, "nobody");
    stranger.calls("GET", "/public/x").await.is(200);
    stranger.calls("GET", "/x").await.is(401);
    site.configure(&PLAIN.replace("\"bypass\"", "\"deny\""));
    site.run(&["reload"]).await.ok();
    stranger.calls("GET", "/public/x").await.is(403);
    let broken = [
        PLAIN.replace("\"bypass\"", "\"open\""),
        PLAIN.replace("[[routes]]", "[[routes"),
        format!("{}\n[[expect]]\nurl = \"http://app.example/public/x\"\noutcome = \"two_factor\"\n", PLAIN),
        String::from("\u{0}"),
    ];
    for text in broken {
        site.configure(&text);
        let done = site.run(&["reload"]).await;
        assert_eq!(done.code, 1, "{text}");
        assert!(!done.err.is_empty());
        stranger.calls("GET", "/public/x").await.is(403);
        stranger.calls("GET", "/x").await.is(401);
    }
    assert!(!site.log().contains("panicked"), "{}", site.log());
}

#[tokio::test]
async fn explain_answers_in_json() {
    let site = Site::new().await;
    site.adds("alice").await.ok();
    let open = site.run(&["explain", "--json", "http://app.example/public/x"]).await.json();
    assert_eq!((open["route"].as_str(), open["requires"].as_str()), (Some("public"), Some("bypass")), "{open}");
    let served = site.serve().await;
    let shut = site.run(&["explain", "--json", "--user", "alice", "http://app.example/payroll/x"]).await.json();
    assert_eq!((shut["route"].as_str(), shut["requires"].as_str()), (Some("payroll"), Some("two_factor")), "{shut}");
    for key in ["route", "rule", "requires", "factors", "outcome", "reason", "upstream"] {
        assert!(shut.get(key).is_some(), "{key} in {shut}");
    }
    assert_eq!(site.upstream.count(), 0, "nothing is sent");
    served.kill().await;
}

#[tokio::test]
async fn a_revoked_session_is_cut_from_outside() {
    let site = Site::new().await;
    let served = site.serve().await;
    for name in ["alice", "bob"] {
        site.adds(name).await.ok();
    }
    let (mut alice, mut bob) = (at(&served, "alice"), at(&served, "bob"));
    alice.signs_in().await;
    bob.signs_in().await;
    let origin = alice.origin();
    let (mut socket, answer) = alice.opens_socket("/ws", &origin).await;
    answer.is(101);
    socket.say("hello").await;
    assert_eq!(socket.hear().await.as_deref(), Some("hello"));
    let listed = site.run(&["session", "list", "--user", "alice", "--json"]).await.json();
    let id = listed[0]["id"].as_str().unwrap().to_owned();
    let asked = std::time::Instant::now();
    assert_eq!(site.run(&["session", "revoke", &id, "--json"]).await.json()["revoked"], 1);
    assert_eq!(socket.hear().await, None, "the tunnel is cut");
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
    assert!(!alice.is_signed_in().await);
    assert!(bob.is_signed_in().await);
    assert_eq!(site.run(&["session", "revoke", "--user", "bob", "--json"]).await.json()["revoked"], 1);
    assert!(!bob.is_signed_in().await);
    assert_eq!(site.run(&["session", "list", "--json"]).await.json(), serde_json::json!([]));
    let events = site.run(&["audit", "--json"]).await.json();
    assert!(events.as_array().unwrap().iter().any(|e| e["event"].as_str().unwrap().contains("session")), "{events}");
}

#[tokio::test]
async fn the_demo_says_where_and_how_to_sign_in() {
    use tokio::io::{AsyncBufReadExt, BufReader};
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_vestibule"));
    command.args(["demo", "--json", "--listen", "localhost:0"]).kill_on_drop(true);
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = soon(lines.next_line()).await.unwrap().expect("a line");
    let told: serde_json::Value = serde_json::from_str(&line).unwrap();
    let port: u16 = told["url"].as_str().unwrap().rsplit(':').next().unwrap().parse().unwrap();
    let user = &told["users"][1];
    let clock = vestibule::base::Clock::system();
    let mut bob = Person::new(user["name"].as_str().unwrap(), ([127, 0, 0, 1], port).into(), clock, std::sync::Arc::default());
    bob.host = format!("localhost:{port}");
    bob.password = user["password"].as_str().unwrap().to_owned();
    bob.visits("/headers").await;
    bob.is_at("login");
    bob.types_password().await.leads_to("/headers");
    bob.follows().await.is(200);
    let mut root = Person::new("root", ([127, 0, 0, 1], port).into(), vestibule::base::Clock::system(), std::sync::Arc::default());
    root.host = bob.host.clone();
    root.visits("/.vestibule/reset").await.is(200);
    root.sends("reset", &[("username", "root")]).await.is(200);
    let link = format!("http://localhost:{port}/.vestibule/reset?token=");
    soon(async { while !root.calls("GET", "/outbox").await.text().contains(&link) {} }).await;
    // As a page: a script gets the messages alone.
    assert!(root.opens("/outbox").await.text().contains("root's authenticator app"), "the code that the administration wants");
    child.start_kill().unwrap();
    soon(child.wait()).await.unwrap();
}

#[tokio::test]
async fn wrong_usage_is_2_and_no_secret_is_an_argument() {
    let site = Site::new().await;
    for words in [
        ["user", "add", "alice", "--password", PASSWORD].as_slice(),
        &["user", "passwd", "alice", PASSWORD],
        &["user", "mfa", "alice", "--totp-uri", "otpauth://totp/x?secret=AAAA"],
        &["open", "sesame"],
        &["session", "revoke"],
        &["user", "set", "alice"],
        &[],
        &["explain", "--from", "nowhere", "http://app.example/"],
    ] {
        let done = site.run(words).await;
        assert_eq!(done.code, 2, "{words:?}: {}", done.err);
    }
    let help = site.run(&["--help"]).await;
    assert_eq!(help.code, 0);
    let missing = site.run(&["user", "show", "nobody"]).await;
    assert_eq!((missing.code, missing.err.lines().count()), (1, 1), "{}", missing.err);
}

#[tokio::test]
async fn no_secret_stands_in_the_log_or_in_the_process_list() {
    let site = Site::new().await;
    let served = site.serve().await;
    site.adds("alice").await.ok();
    let phone = site.provisions("alice").await;
    let codes = site.recovery_codes("alice").await;
    let mut alice = at(&served, "alice");
    let key = phone.key();
    alice.phone = Some(phone);
    alice.visits("/").await;
    alice.password = "a-wrong-one-with-marks-77".to_owned();
    alice.types_password().await.is(422);
    alice.password = PASSWORD.to_owned();
    alice.types_password().await.is(303);
    alice.follows().await;
    alice.types_code("918273").await.is(422);
    let code = alice.code();
    alice.types_code(&code).await.is(303);
    let mut other = again(&alice, &served).elsewhere(2);
    other.visits("/").await;
    other.types_password().await.is(303);
    other.visits("/.vestibule/mfa/recovery").await;
    other.types_code(&codes[0]).await.is(303);
    let link = site.run(&["user", "add", "carol", "--email", "carol@post.example", "--json"]).await.json().to_string();
    let token = link.split("token=").nth(1).expect("a set-up link").split('"').next().unwrap().to_owned();
    let mut carol = at(&served, "carol");
    carol.visits(&format!("/.vestibule/setup?token={token}")).await.is(200);
    let line = std::fs::read(format!("/proc/{}/cmdline", served.pid())).unwrap();
    let environment = std::fs::read(format!("/proc/{}/environ", served.pid())).unwrap();
    let (code_stop, _) = served.terminate().await;
    assert_eq!(code_stop, 0);
    let cookies = ["vestibule", "vestibule_csrf", "vestibule_device"].map(|name| alice.jar.get(name).unwrap_or_default().to_owned());
    let mut secrets = vec![PASSWORD.to_owned(), "a-wrong-one-with-marks-77".to_owned(), "918273".to_owned(), code, key, token];
    secrets.extend(codes);
    secrets.extend(cookies.into_iter().filter(|value| !value.is_empty()));
    let everywhere =
        [site.log(), String::from_utf8_lossy(&line).into_owned(), String::from_utf8_lossy(&environment).into_owned()].join("\n");
    assert!(everywhere.contains("setup"), "the log has its records");
    for secret in secrets {
        assert!(!everywhere.contains(&secret), "{secret} stands in\n{everywhere}");
    }
}

#[tokio::test]
async fn loose_keys_and_a_second_gateway_are_refused_with_the_remedy() {
    let site = Site::new().await;
    let served = site.serve().await;
    let second = site.run(&["serve"]).await;
    assert_eq!(second.code, 1);
    assert!(second.err.contains("in use") || second.err.contains("another gateway"), "{}", second.err);
    at(&served, "nobody").calls("GET", "/public/x").await.is(200);
    served.kill().await;
    let keys = site.file("data/keys.json");
    std::fs::set_permissions(&keys, PermissionsExt::from_mode(0o644)).unwrap();
    let loose = site.run(&["serve"]).await;
    assert_eq!(loose.code, 1);
    assert!(loose.err.contains("chmod 600"), "{}", loose.err);
    std::fs::set_permissions(&keys, PermissionsExt::from_mode(0o600)).unwrap();
    site.serve().await.kill().await;
    std::fs::write(&keys, "[]").unwrap();
    let empty = site.run(&["serve"]).await;
    assert_eq!(empty.code, 1);
    assert!(empty.err.contains("keys.json") && !empty.err.contains("panicked"), "{}", empty.err);
}
