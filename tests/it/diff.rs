//! A configuration changes: what `diff` and `reload --dry-run` say before, and what the audit log keeps after.

use std::io::Write;

use serde_json::{Value, json};

use crate::harness::binary::{Machine, get};

fn config(admin: &str) -> String {
    format!(
        "[server]\nlisten = [\"127.0.0.1:0\"]\nthreads = 1\n[password]\nmemory_kib = 64\niterations = 1\n\
         [[routes]]\nname = \"wiki\"\nhosts = [\"wiki.example\"]\nupstreams = [\"http://127.0.0.1:1\"]\npolicy = \"one_factor\"\n{admin}"
    )
}

const TWO: &str = "[[routes.rules]]\npaths = [\"/admin\"]\npolicy = \"two_factor\"\n";
const OPEN: &str = "[[routes.rules]]\npaths = [\"/admin\"]\npolicy = \"bypass\"\n";

/// The exit status of a comparison, and what it said.
fn diff(machine: &Machine, text: &str, more: &[&str]) -> (i32, Value) {
    let file = machine.path("new.toml");
    std::fs::write(&file, config(text)).unwrap();
    let output = machine.run(&[&["diff", "--json", file.to_str().unwrap()], more].concat());
    let said = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code().unwrap(), said)
}

fn line(path: &str, user: Option<&str>) -> String {
    let mut line = json!({ "timestamp": "2026-01-01T00:00:00.000Z", "client": "192.0.2.1", "method": "GET", "host": "wiki.example", "path": path, "target": "access" });
    if let Some(user) = user {
        line["user"] = user.into();
    }
    format!("{line}\n")
}

#[test]
fn a_difference_has_a_direction_and_an_exit_status() {
    let machine = Machine::new(&config(""));
    let (code, said) = diff(&machine, "", &[]);
    assert_eq!((code, &said["verdict"], &said["changes"]), (0, &json!("same"), &json!([])));
    let (code, said) = diff(&machine, TWO, &[]);
    assert_eq!((code, &said["verdict"]), (3, &json!("stricter")));
    let change = json!({ "direction": "stricter", "route": "wiki", "hosts": ["wiki.example"], "path": "/admin", "methods": ["*"], "who": "everybody",
        "before": { "outcome": "one_factor" }, "after": { "outcome": "two_factor" } });
    assert_eq!(said["changes"], json!([change]));
    assert!(said.get("traffic").is_none());
    assert_eq!(diff(&machine, OPEN, &[]).0, 4);
    assert_eq!(diff(&machine, OPEN, &["--fail-on", "laxer"]).0, 1);
    assert_eq!(diff(&machine, TWO, &["--fail-on", "laxer"]).0, 0);
    assert_eq!(diff(&machine, TWO, &["--fail-on", "any"]).0, 1);
    assert!(!machine.data().exists(), "a comparison makes no store");
    std::fs::write(machine.path("broken.toml"), "[[[").unwrap();
    assert!(machine.refuses(&["diff", machine.path("broken.toml").to_str().unwrap()]).contains("broken.toml"));
}

#[test]
fn a_log_says_whom_a_change_would_have_met() {
    let machine = Machine::new(&config(""));
    for name in ["alice", "bob"] {
        machine.does(&["user", "add", name, "--email", &format!("{name}@post.example")]);
    }
    machine.does_with(&["user", "mfa", "bob", "--totp-uri-stdin"], "otpauth://totp/V:bob?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=V");
    let log = [
        line("/", Some("alice")),
        line("/admin/x", Some("alice")),
        line("/admin", Some("bob")),
        line("/Admin/y", Some("alice")),
        "no line\n".into(),
    ];
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(log.concat().as_bytes()).unwrap();
    std::fs::write(machine.path("log.gz"), packed.finish().unwrap()).unwrap();
    let (code, said) = diff(&machine, TWO, &["--log", machine.path("log.gz").to_str().unwrap()]);
    assert_eq!(code, 3);
    let row = &said["traffic"][0];
    assert_eq!((&row["requests"], &row["users"], &row["not_ready"]), (&json!(3), &json!(["alice", "bob"]), &json!(["alice"])));
    assert_eq!(
        (&row["path"], &row["after"]["outcome"], said["traffic"].as_array().unwrap().len()),
        (&json!("/admin"), &json!("two_factor"), 1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_is_told_before_and_kept_after() {
    let machine = Machine::new(&config(""));
    let gateway = machine.serves();
    assert!(get(gateway.address, "wiki.example", "/admin", "").unwrap().starts_with("HTTP/1.1 401"));
    machine.configure(&config(OPEN));
    let output = machine.run(&["reload", "--dry-run"]);
    assert_eq!(output.status.code(), Some(4));
    let words = String::from_utf8(output.stdout).unwrap();
    assert!(words.contains("laxer") && words.contains("wiki.example /admin") && words.contains("one factor, now open"), "{words}");
    assert!(get(gateway.address, "wiki.example", "/admin", "").unwrap().starts_with("HTTP/1.1 401"), "nothing has changed");
    machine.does(&["reload"]);
    assert_eq!(machine.run(&["reload", "--dry-run"]).status.code(), Some(0));
    let records = machine.json(&["audit"]);
    let kept = records.as_array().unwrap().iter().rev().find(|record| record["event"] == "policy.reloaded").unwrap();
    assert!(kept["detail"].as_str().unwrap().contains("decisions: 1 laxer: wiki.example/admin"), "{kept}");
    gateway.stops();
}
