//! A second provider, written by others: Glewlwyd from Debian. What its own words are for the same protocol must be understood too.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::process::{Child, Command};
use vestibule::base::Clock;

use crate::harness::*;

const SCHEMA: &str = "/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3";

/// The provider, which ends with the test.
struct Glewlwyd {
    port: u16,
    _process: Child,
    _folder: tempfile::TempDir,
}

impl Glewlwyd {
    async fn start() -> Self {
        for _ in 0..5 {
            if let Some(started) = Self::start_once().await {
                return started;
            }
        }
        panic!("glewlwyd does not start; scripts/test installs it");
    }

    /// `None` if it ended, because somebody else took its port.
    async fn start_once() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let database = folder.path().join("db");
        let made = std::process::Command::new("sqlite3").arg(&database).stdin(std::fs::File::open(SCHEMA).unwrap()).status();
        assert!(made.unwrap().success());
        let config = folder.path().join("conf");
        std::fs::write(&config, configuration(port, &database)).unwrap();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let mut command = Command::new("glewlwyd");
        command.arg("-c").arg(&config).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).kill_on_drop(true);
        let mut process = command.spawn().expect("glewlwyd; scripts/test installs it");
        let is_up = soon(async {
            loop {
                if tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_ok() {
                    return true;
                }
                if process.try_wait().unwrap().is_some() {
                    return false;
                }
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        });
        is_up.await.then_some(Self { port, _process: process, _folder: folder })
    }

    fn issuer(&self) -> String {
        format!("http://127.0.0.1:{}/api/oidc", self.port)
    }

    fn section(&self) -> String {
        format!(
            "[[providers]]\nname = \"corp\"\ntitle = \"Corp\"\nissuer = \"{}\"\nclient_id = \"gate\"\nclient_secret = \"SecretOfTheGate\"\n\
             create = \"always\"\nscopes = [\"openid\"]\n",
            self.issuer()
        )
    }

    /// A browser at the provider's pages.
    fn browser(&self) -> Person {
        let mut browser = Person::new("ada", (Ipv4Addr::LOCALHOST, self.port).into(), Clock::system(), Arc::default());
        browser.host = format!("127.0.0.1:{}", self.port);
        browser
    }
}

fn configuration(port: u16, database: &Path) -> String {
    let lib = "/usr/lib/glewlwyd";
    format!(
        "port={port}\nbind_address=\"127.0.0.1\"\nexternal_url=\"http://127.0.0.1:{port}\"\nlogin_url=\"login.html\"\napi_prefix=\"api\"\n\
         log_mode=\"console\"\nlog_level=\"WARNING\"\ncookie_secure=0\nsession_expiration=2419200\nsession_key=\"SESSION\"\n\
         admin_scope=\"g_admin\"\nprofile_scope=\"g_profile\"\nuser_module_path=\"{lib}/user\"\nclient_module_path=\"{lib}/client\"\n\
         user_auth_scheme_module_path=\"{lib}/scheme\"\nplugin_module_path=\"{lib}/plugin\"\nuse_secure_connection=false\n\
         secure_connection_key_file=\"\"\nsecure_connection_pem_file=\"\"\nsecure_connection_ca_file=\"\"\nhash_algorithm=\"SHA512\"\n\
         database = {{ type = \"sqlite3\"; path = \"{}\"; }};\n",
        database.display()
    )
}

async fn tells(browser: &mut Person, method: &str, path: &str, what: Value) {
    browser.asks(method, path, "Content-Type: application/json\r\n", what.to_string().as_bytes()).await.is(200);
}

/// Sets the protocol up: keys, what tokens may be asked for, and what a token says of groups.
async fn sets_up(admin: &mut Person, issuer: &str) {
    tells(admin, "POST", "/api/auth/", json!({ "username": "admin", "password": "password" })).await;
    let key = rcgen::KeyPair::generate().unwrap();
    let parameters = json!({
        "iss": issuer, "jwt-type": "ecdsa", "jwt-key-size": "256", "key": key.serialize_pem(), "cert": key.public_key_pem(),
        "access-token-duration": 3600, "refresh-token-duration": 86400, "code-duration": 60, "refresh-token-rolling": true,
        "allow-non-oidc": false, "auth-type-code-enabled": true, "auth-type-token-enabled": false, "auth-type-id-token-enabled": true,
        "auth-type-password-enabled": false, "auth-type-client-enabled": false, "auth-type-device-enabled": false,
        "auth-type-refresh-enabled": true, "pkce-allowed": true, "pkce-method-plain-allowed": false, "subject-type": "public",
        "jwks-show": true, "allowed-scope": ["openid"], "scope": [], "additional-parameters": [],
        "claims": [{ "name": "preferred_username", "user-property": "username", "type": "string", "mandatory": true, "scope": ["openid"] }],
        "name-claim": "mandatory", "email-claim": "mandatory",
        "secret-type": "pairwise",
    });
    let plugin = json!({ "module": "oidc", "name": "oidc", "display_name": "OIDC", "enabled": true, "parameters": parameters });
    tells(admin, "POST", "/api/mod/plugin/", plugin).await;
}

#[tokio::test]
async fn another_implementation_of_the_protocol_is_understood() {
    let glewlwyd = Glewlwyd::start().await;
    let mut admin = glewlwyd.browser();
    sets_up(&mut admin, &glewlwyd.issuer()).await;
    let world = World::builder().on_localhost().with(&glewlwyd.section()).build().await;
    world.clock.set(Clock::system().now());
    let callback = "http://localhost/.vestibule/callback/corp";
    let client = json!({
        "client_id": "gate", "name": "gate", "enabled": true, "confidential": true, "client_secret": "SecretOfTheGate",
        "password": "SecretOfTheGate", "redirect_uri": [callback], "authorization_type": ["code", "refresh_token"],
        "token_endpoint_auth_method": ["client_secret_basic"], "scope": ["openid"],
    });
    tells(&mut admin, "POST", "/api/client/?source=database", client).await;
    let ada = json!({
        "username": "ada", "name": "Ada L", "email": "ada@corp.example", "password": "a password of ada", "enabled": true,
        "scope": ["openid", "g_profile"],
    });
    tells(&mut admin, "POST", "/api/user/?source=database", ada).await;

    let mut there = glewlwyd.browser();
    tells(&mut there, "POST", "/api/auth/", json!({ "username": "ada", "password": "a password of ada" })).await;
    tells(&mut there, "PUT", "/api/auth/grant/gate", json!({ "scope": "openid" })).await;
    let mut person = world.at_a_browser("ada");
    person.host = "localhost".to_owned();
    person.opens("/.vestibule/login?local=1&rd=/").await;
    let away = person.presses_the_button().await;
    let asked = away.strip_prefix(&there.origin()).unwrap();
    assert!(there.opens(asked).await.location().contains("/login.html?"), "it asks who it is first");
    let back = there.opens(&format!("{asked}&g_continue")).await.location().to_owned();
    let back = back.strip_prefix("http://localhost").unwrap();
    person.comes_back(back).await.leads_to("/");
    person.calls("GET", "/").await.is(200);
    // It does not say whether the address is verified, so the application is not told it.
    let told = world.upstream.last();
    assert_eq!((told.values("remote-name"), told.values("remote-email")), (vec!["Ada L"], vec![""]));
    person.calls("GET", "/payroll").await.is(401);

    // The same answer again lets nobody in, from nowhere.
    let mut thief = world.at_a_browser("ada");
    thief.host = "localhost".to_owned();
    let again = thief.comes_back(back).await;
    assert!(again.status >= 400, "{}", again.status);
    assert!(!thief.is_signed_in().await);
}
