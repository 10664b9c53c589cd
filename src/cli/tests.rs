//! The commands end to end: real sled, a real socket, with and without a gateway.

mod documents;
mod gateways;
mod imports;
mod usage;

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;
use tokio::runtime::Runtime;

use super::ConfigSource;
use super::access::Access;
use super::control::{self, Command, Connection, ControlGuard, Reload, Unreached, Which};
use crate::app::{App, Post};
use crate::base::{Clock, Time, UserId};
use crate::policy::Proof;
use crate::service::accounts::NewAccount;
use crate::service::admin::MfaChange;
use crate::session::{Purpose, SessionRecord};
use crate::store::AuditRecord;
use crate::store::kv::{Batch, decode, encode, key};

const TOTP: &str = "otpauth://totp/Old:alice?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Old";

/// A configuration in a folder of its own, whose name is longer than a socket address may be.
struct Place {
    folder: tempfile::TempDir,
    source: ConfigSource,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("v.toml");
        let data = folder.path().join("d".repeat(60)).join("e".repeat(60));
        let text = "[password]\nmemory_kib = 64\niterations = 1\n[[routes]]\nname = \"wiki\"\nhosts = [\"wiki.example\"]\nupstreams = [\"http://127.0.0.1:1\"]\npolicy = \"two_factor\"\n";
        std::fs::write(&file, text).unwrap();
        Self { source: ConfigSource::new(file, Some(data)).unwrap(), folder }
    }

    fn data_dir(&self) -> PathBuf {
        self.source.data_dir.clone().unwrap()
    }

    fn run(&self, command: Command) -> Result<Value, String> {
        Access::open(&self.source).map_err(|e| e.to_string())?.run(command).map_err(|e| e.to_string())
    }

    fn add(&self, name: &str) -> Value {
        self.run(add(name)).unwrap()
    }

    fn gateway(&self) -> Gateway {
        let runtime = Runtime::new().unwrap();
        let config = Arc::new(self.source.load().unwrap().config);
        let (app, _control) = runtime.block_on(async {
            let app = App::open(config, Clock::system(), Post::Configured).await.unwrap();
            let control = control::serve(app.clone(), reload(), &self.data_dir()).unwrap();
            (app, control)
        });
        Gateway { app, _control, runtime }
    }
}

struct Gateway {
    app: Arc<App>,
    _control: ControlGuard,
    runtime: Runtime,
}

fn reload() -> Reload {
    Arc::new(|_| Box::pin(async { Err("line 3: wrong".to_owned()) }))
}

fn add(name: &str) -> Command {
    let new = NewAccount { name: name.to_owned(), email: format!("{name}@example.org"), ..NewAccount::default() };
    Command::UserAdd { new, password: None }
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|user| user["name"].as_str().unwrap()).collect()
}

fn with_totp(name: &str) -> Command {
    let change = MfaChange { totp_uri: Some(crate::base::Secret::new(TOTP)), ..MfaChange::default() };
    Command::UserMfa { name: name.to_owned(), change, recovery_codes: true }
}

#[test]
fn the_same_commands_work_with_a_gateway_and_without() {
    let place = Place::new();
    let added = place.add("alice");
    assert!(added["setup_link"].as_str().unwrap().starts_with("http://wiki.example:8080/.vestibule/setup?token="), "{added}");
    let gateway = place.gateway();
    assert!(Access::open(&place.source).unwrap().is_gateway());
    place.add("bob");
    assert_eq!(names(&place.run(Command::UserList).unwrap()), ["alice", "bob"]);
    assert!(place.run(Command::UserShow { name: "carol".to_owned() }).unwrap_err().contains("there is no user “carol”"));
    assert_eq!(place.run(Command::Reload).unwrap_err(), "line 3: wrong");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(place.data_dir().join("control.sock")).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    drop(gateway);
    assert!(!place.data_dir().join("control.sock").exists());
    assert_eq!(names(&place.run(Command::UserList).unwrap()), ["alice", "bob"]);
    assert!(place.run(Command::Reload).unwrap_err().contains("no gateway runs"));
}

#[test]
fn a_broken_configuration_does_not_cut_the_gateway_off() {
    let place = Place::new();
    let _gateway = place.gateway();
    std::fs::write(&place.source.file, "[[[").unwrap();
    assert_eq!(place.run(Command::UserList).unwrap(), Value::Array(vec![]));
}

#[test]
fn a_socket_that_a_killed_gateway_left_is_in_nobodys_way() {
    let place = Place::new();
    place.add("alice");
    let left = std::os::unix::net::UnixListener::bind(short(&place)).unwrap();
    drop(left);
    assert!(matches!(Connection::open(&place.data_dir()), Err(Unreached::Nobody)));
    assert_eq!(names(&place.run(Command::UserList).unwrap()), ["alice"]);
    let gateway = place.gateway();
    assert!(Access::open(&place.source).unwrap().is_gateway());
    let second = gateway.runtime.block_on(async { control::serve(gateway.app.clone(), reload(), &place.data_dir()).map(drop) });
    assert!(format!("{:#}", second.unwrap_err()).contains("another gateway runs"));
}

/// The socket's place, by a name that fits.
fn short(place: &Place) -> PathBuf {
    let link = place.folder.path().join("l");
    std::os::unix::fs::symlink(place.data_dir(), &link).unwrap();
    link.join("control.sock")
}

#[test]
fn tampering_with_the_audit_log_shows() {
    let place = Place::new();
    ["alice", "bob", "carol"].iter().for_each(|name| drop(place.add(name)));
    let gateway = place.gateway();
    let kv = gateway.app.services.store.kv().clone();
    let at = |seq: u64| key("audit", seq.to_be_bytes());
    let get = |seq: u64| gateway.runtime.block_on(kv.get(&at(seq))).unwrap().unwrap();
    let put = |batch: Batch| assert!(gateway.runtime.block_on(kv.commit(batch)).unwrap());
    let faults = || {
        let report = place.run(Command::AuditVerify).unwrap();
        assert_eq!(report["whole"], Value::from(report["faults"].as_array().unwrap().is_empty()));
        report["faults"].as_array().unwrap().iter().map(|fault| fault.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(faults(), Vec::<String>::new());
    let (two, three, last) = (get(2), get(3), get(6));

    let mut changed: AuditRecord = decode(&two).unwrap();
    changed.user = Some("mallory".to_owned());
    put(Batch::default().put(at(2), encode(&changed).unwrap()));
    assert_eq!(faults(), ["record 2 was changed"]);
    changed.hash = changed.digest().unwrap();
    put(Batch::default().put(at(2), encode(&changed).unwrap()));
    assert_eq!(faults(), ["record 3 does not follow the record before it"]);

    put(Batch::default().put(at(2), three.clone()).put(at(3), two.clone()));
    assert!(faults().iter().any(|fault| fault == "record 3 stands in the place of record 2"));
    put(Batch::default().put(at(3), three).delete(at(2)));
    assert_eq!(faults(), ["record 2 is missing"]);
    put(Batch::default().put(at(2), two).delete(at(6)));
    assert_eq!(faults(), ["the log ends at record 5 and should go on to 6"]);
    put(Batch::default().put(at(6), last));
    assert_eq!(faults(), Vec::<String>::new());
}

#[test]
fn a_rotation_signs_nobody_out_and_seals_anew() {
    let place = Place::new();
    place.add("alice");
    place.run(with_totp("alice")).unwrap();
    let gateway = place.gateway();
    let services = &gateway.app.services;
    let account = gateway.runtime.block_on(services.accounts.named("alice")).unwrap();
    let now = Clock::system().now();
    let session = services.live.insert(record(account.id, account.epoch, now), &account);
    let token = services.live.token(session.id());
    let done = place.run(Command::KeyRotate { wait: true }).unwrap();
    assert_eq!((&done["id"], &done["dropped"]), (&Value::from(2), &serde_json::json!([])));
    assert!(matches!(services.live.lookup(&token, now), crate::service::sessions::Found::Live(_)));
    assert_ne!(services.live.token(session.id()), token);
    let account = gateway.runtime.block_on(services.accounts.named("alice")).unwrap();
    let sealed = account.totp.unwrap().sealed_secret;
    assert!(services.store.keys().is_fresh(&sealed));
    assert!(services.store.open_sealed(account.id, &sealed).is_ok());
    let keys = place.run(Command::KeyList).unwrap();
    assert_eq!((&keys[0]["sealed_secrets"], &keys[1]["sealed_secrets"], &keys[1]["newest"]), (&0.into(), &1.into(), &true.into()));
    let mut buffer = [0; 256];
    assert!(services.store.keys().verify(Purpose::Session, &token, &mut buffer).is_some());
}

fn record(user: UserId, epoch: u32, now: Time) -> SessionRecord {
    SessionRecord::begin(user, epoch, Proof::Password, now, [192, 0, 2, 1].into(), "Firefox on Linux").unwrap()
}

#[test]
fn sessions_are_listed_and_ended() {
    let place = Place::new();
    place.add("alice");
    let gateway = place.gateway();
    let services = &gateway.app.services;
    let account = gateway.runtime.block_on(services.accounts.named("alice")).unwrap();
    let record = record(account.id, account.epoch, Clock::system().now());
    assert!(gateway.runtime.block_on(services.store.put_session(&record, None)).unwrap());
    let session = services.live.insert(record.clone(), &account);
    let listed = place.run(Command::SessionList { user: Some("alice".to_owned()) }).unwrap();
    for key in ["id", "user", "created", "last_seen", "address", "browser", "method", "expires", "idle_expires"] {
        assert!(listed[0].get(key).is_some(), "{key}");
    }
    let revoke = || place.run(Command::SessionRevoke { which: Which::One(record.id.to_string()) });
    assert_eq!(revoke().unwrap()["revoked"], 1);
    assert!(session.is_ended());
    assert!(revoke().unwrap_err().contains("there is no session"));
    assert!(gateway.runtime.block_on(services.store.all_sessions()).unwrap().is_empty());
}

#[test]
fn an_export_restores_where_its_keys_are() {
    let (place, other) = (Place::new(), Place::new());
    place.add("alice");
    place.run(with_totp("alice")).unwrap();
    let made = place.run(Command::StoreExport).unwrap();
    let made = std::path::PathBuf::from(made["file"].as_str().unwrap());
    assert_eq!(made.parent().unwrap(), place.data_dir().canonicalize().unwrap());
    let import = |place: &Place, replace| {
        let file = place.data_dir().join("import-1.jsonl");
        std::fs::copy(&made, &file).unwrap();
        place.run(Command::StoreImport { file, replace })
    };
    assert!(place.run(Command::StoreImport { file: "/etc/passwd".into(), replace: true }).unwrap_err().contains("data folder"));
    assert!(import(&place, false).unwrap_err().contains("--replace"));
    other.add("bob");
    assert!(import(&other, true).unwrap_err().contains("keys.json"));
    assert_eq!(names(&other.run(Command::UserList).unwrap()), ["bob"], "a refusal changes nothing");
    std::fs::copy(place.data_dir().join("keys.json"), other.data_dir().join("keys.json")).unwrap();
    import(&other, true).unwrap();
    let alice = &other.run(Command::UserList).unwrap()[0];
    assert_eq!((&alice["name"], &alice["methods"]), (&"alice".into(), &serde_json::json!(["totp"])));
    assert_eq!(other.run(Command::AuditVerify).unwrap()["whole"], true);
}
