//! A week of an operator's life, with the program as it is installed: a thousand people from a file, watching, enforcing, new keys, good
//! and bad reloads under load, a store that is lost, and the auditor's question.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use vestibule::base::Clock;

use crate::harness::binary::{Crowd, Gateway, Machine, get};
use crate::harness::*;

const PEOPLE: usize = 1000;

fn config(upstream: &Upstream, payroll: &str) -> String {
    format!(
        "[server]\nlisten = [\"127.0.0.1:0\"]\nadmin_listen = \"127.0.0.1:0\"\nthreads = 1\n\
         [password]\nmemory_kib = 64\niterations = 1\n[store]\nsnapshot_every = \"1s\"\n\
         [[routes]]\nname = \"payroll\"\nhosts = [\"app.example\"]\npath = \"/payroll\"\nupstreams = [\"http://{0}\"]\npolicy = \"two_factor\"\n{payroll}\n\
         [[routes]]\nname = \"public\"\nhosts = [\"app.example\"]\npath = \"/public\"\nupstreams = [\"http://{0}\"]\npolicy = \"bypass\"\n\
         [[routes]]\nname = \"wiki\"\nhosts = [\"app.example\"]\nupstreams = [\"http://{0}\"]\npolicy = \"one_factor\"\n",
        upstream.address
    )
}

fn people(machine: &Machine, extra: &str) -> String {
    let rows: String = (0..PEOPLE).map(|n| format!("u{n:04},u{n:04}@post.example,staff\n")).collect();
    let file = machine.path("people.csv");
    std::fs::write(&file, format!("name,email,groups\n{rows}{extra}")).unwrap();
    file.display().to_string()
}

fn person(name: &str, gateway: &Gateway) -> Person {
    Person::new(name, gateway.address, Clock::system(), Arc::default())
}

/// A person's password and authenticator app, as an administrator sets them up.
fn equips(machine: &Machine, person: &mut Person) {
    let name = person.name.clone();
    machine.does_with(&["user", "passwd", &name, "--password-stdin"], PASSWORD);
    let phone = Authenticator::from_key(&data_encoding::BASE32_NOPAD.encode(format!("{name:-<20}").as_bytes()));
    machine.does_with(&["user", "mfa", &name, "--totp-uri-stdin"], &format!("otpauth://totp/V:{name}?secret={}&issuer=V", phone.key()));
    person.phone = Some(phone);
}

/// Waits until the newest snapshot holds what is in the store now: one that was found to be current two seconds from now began after this.
fn is_saved(gateway: &Gateway) {
    let start = std::time::Instant::now();
    let wanted = vestibule::base::Clock::system().now().unix() + 2;
    let saved = || {
        let metrics = gateway.tells("/metrics");
        let line = metrics.lines().find_map(|line| line.strip_prefix("vestibule_snapshot_last_success_timestamp_seconds "));
        line.and_then(|value| value.trim().parse::<u64>().ok()).is_some_and(|at| at >= wanted)
    };
    while !saved() {
        assert!(start.elapsed() < Duration::from_secs(60), "{}", gateway.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn newest(folder: &Path) -> String {
    let all = std::fs::read_dir(folder.join("snapshots")).unwrap().map(|entry| entry.unwrap().path());
    all.filter(|path| path.extension().is_some_and(|e| e == "jsonl")).max().unwrap().display().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_week_of_an_operators_life() {
    let upstream = Upstream::start().await;
    let (watching, enforcing) = (config(&upstream, "enforce = false"), config(&upstream, ""));
    let machine = Machine::new(&watching);

    // Monday: check, and everybody from a file; one wrong line, and nobody comes in.
    machine.does(&["check"]);
    let gateway = machine.serves();
    let said = machine.refuses(&["user", "import", &people(&machine, "broken,no-address,staff\n"), "--format", "csv"]);
    assert!(said.contains("1002"), "{said}");
    assert_eq!(machine.json(&["user", "list"]).as_array().unwrap().len(), 0);
    machine.does(&["user", "import", &people(&machine, ""), "--format", "csv"]);
    assert_eq!(machine.json(&["user", "list"]).as_array().unwrap().len(), PEOPLE);
    let link = machine.does(&["user", "link", "u0002"]);
    assert!(link.contains(&format!(":{}/.vestibule/setup?token=", gateway.address.port())), "{link}");

    // Tuesday: who would be stopped.
    assert!(get(gateway.address, HOST, "/payroll", "").unwrap().starts_with("HTTP/1.1 200"));
    let metrics = gateway.tells("/metrics");
    assert!(metrics.contains("vestibule_observed_total{reason=\"sign_in\",route=\"payroll\"} 1"), "{metrics}");

    // Wednesday: in earnest; then a bad file. Nobody else notices either.
    let crowd = Crowd::asks(gateway.address, HOST, "/public");
    crowd.gets(20);
    machine.configure(&enforcing);
    machine.does(&["reload"]);
    crowd.gets(20);
    assert!(get(gateway.address, HOST, "/payroll", "").unwrap().starts_with("HTTP/1.1 401"));
    machine.configure(&enforcing.replace("two_factor", "three_factor"));
    let said = machine.refuses(&["reload"]);
    assert!(said.contains("two_factor") && said.contains("vestibule.toml:"), "{said}");
    crowd.gets(20);
    assert!(get(gateway.address, HOST, "/payroll", "").unwrap().starts_with("HTTP/1.1 401"), "the old one is in force");
    assert!(gateway.tells("/metrics").contains("vestibule_config_last_reload_successful 0"));
    machine.configure(&enforcing);
    machine.does(&["reload"]);
    crowd.gets(20);
    assert_eq!(crowd.leaves(), Vec::<String>::new());

    // Thursday: somebody signs in to payroll; new keys sign nobody out.
    let mut alice = person("u0001", &gateway);
    equips(&machine, &mut alice);
    alice.signs_in_at("/payroll/november").await;
    alice.sees("/payroll/november");
    machine.does(&["key", "rotate"]);
    assert!(alice.is_signed_in().await, "a rotation signs nobody out");
    assert!(gateway.tells("/health/ready").starts_with("HTTP/1.1 200"));

    // Friday: the store's file is garbage. The start says what is wrong and what to do, and that works.
    is_saved(&gateway);
    gateway.dies();
    let store = machine.data().join("store");
    let db = store.join("db");
    let good = std::fs::read(&db).unwrap();
    for bad in [vec![0xa5; good.len()], vec![0; good.len()], good[..good.len() / 8].to_vec(), Vec::new()] {
        std::fs::write(&db, bad).unwrap();
        let said = machine.does_not_serve();
        assert!(said.contains("vestibule store import") && said.contains(&newest(&machine.data())), "{said}");
    }
    std::fs::rename(&store, machine.data().join("store.broken")).unwrap();
    assert!(machine.does_not_serve().contains("has lost records"), "an empty store is not taken for a new one");
    machine.does(&["store", "import", &newest(&machine.data()), "--replace"]);
    let gateway = machine.serves();
    assert_eq!(machine.json(&["user", "list"]).as_array().unwrap().len(), PEOPLE);
    assert_eq!(machine.json(&["user", "show", "u0001"])["methods"], serde_json::json!(["totp"]));
    let mut bob = person("u0003", &gateway);
    machine.does_with(&["user", "passwd", "u0003", "--password-stdin"], PASSWORD);
    bob.signs_in_at("/wiki").await;
    bob.sees("/wiki");

    // And the auditor: who signed in to payroll?
    let audit = machine.json(&["audit", "--user", "u0001", "--since", "1h"]);
    let events: Vec<_> = audit.as_array().unwrap().iter().map(|record| record["event"].as_str().unwrap()).collect();
    assert!(events.contains(&"sign_in.finished"), "{events:?}");
    assert_eq!(machine.json(&["audit", "verify"])["whole"], true);
    let log = gateway.log();
    let visits: Vec<_> = log.lines().filter(|line| line.contains("route=\"payroll\"") && line.contains("outcome=\"forwarded\"")).collect();
    assert!(visits.iter().any(|line| line.contains("user=\"u0001\"") && line.contains("/payroll/november")), "{visits:?}");
    gateway.stops();
}
