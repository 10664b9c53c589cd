//! Sessions bound to a device in a real browser, with keys in software: it registers one after the sign-in, holds what it sends until the bound cookie is
//! there again, and a copied session cookie is worth nothing in another browser.

use std::time::Duration;

use fantoccini::{Client, Locator};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::Driver;
use crate::harness::binary::Machine;
use crate::harness::{PASSWORD, Upstream};

pub const NAME: &str = "app.example";
pub const BOUND: &str = "__Host-vestibule-bound";
pub const SESSION: &str = "__Host-vestibule";
/// A browser on a machine that compiles at the same time.
const PATIENCE: Duration = Duration::from_secs(60);

fn config(upstream: &Upstream) -> String {
    format!(
        "[server]\nlisten = [\"127.0.0.1:0\"]\nthreads = 1\n\
         [[server.tls]]\nlisten = \"127.0.0.1:0\"\ncertificates = [{{ cert = \"app.pem\", key = \"app.key\" }}]\n\
         [password]\nmemory_kib = 64\niterations = 1\n[session.device_bound]\n\
         [[routes]]\nname = \"app\"\nhosts = [\"{NAME}\"]\nupstreams = [\"http://{}\"]\npolicy = \"one_factor\"\ndevice_bound = \"require\"\n",
        upstream.address
    )
}

/// The flags with which Chromium on Linux binds sessions, and takes this one certificate.
fn flags(certificate: &rcgen::Certificate) -> Vec<String> {
    let (_, read) = x509_parser::parse_x509_certificate(certificate.der()).unwrap();
    let pin = data_encoding::BASE64.encode(&Sha256::digest(read.public_key().raw));
    vec![
        "--enable-features=DeviceBoundSessions:RefreshQuota/false,EnableBoundSessionCredentialsSoftwareKeysForManualTesting".to_owned(),
        format!("--ignore-certificate-errors-spki-list={pin}"),
        format!("--host-resolver-rules=MAP {NAME} 127.0.0.1"),
    ]
}

pub struct Browser {
    pub client: Client,
    pub origin: String,
}

impl Browser {
    pub async fn opens(&self, path: &str) {
        self.client.goto(&format!("{}{path}", self.origin)).await.unwrap();
    }

    /// Waits until the page says this.
    pub async fn sees(&self, text: &str) {
        let shown = async {
            loop {
                let source = self.client.source().await.unwrap_or_default();
                if source.contains(text) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, shown).await.is_err() {
            panic!("no {text:?} at {}: {}", self.client.current_url().await.unwrap(), self.client.source().await.unwrap());
        }
    }

    pub async fn cookie(&self, name: &str) -> Option<String> {
        self.client.get_named_cookie(name).await.ok().map(|cookie| cookie.value().to_owned())
    }

    /// As if its time were over.
    pub async fn loses_the_cookie(&self) {
        self.client.delete_cookie(BOUND).await.unwrap();
        assert_eq!(self.cookie(BOUND).await, None);
    }

    pub async fn signs_in(&self, path: &str) {
        self.opens(path).await;
        self.sees("name=\"username\"").await;
        self.client.find(Locator::Css("input[name=username]")).await.unwrap().send_keys("alice").await.unwrap();
        self.client.find(Locator::Css("input[name=password]")).await.unwrap().send_keys(PASSWORD).await.unwrap();
        self.client.find(Locator::Css("form[action*=login] button.go")).await.unwrap().click().await.unwrap();
    }

    /// Waits until the page's stream of events has brought so many.
    pub async fn hears(&self, count: u64) {
        let heard = async {
            while self.client.execute("return window.heard", vec![]).await.unwrap().as_u64() < Some(count) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, heard).await.expect("events");
    }

    pub async fn runs(&self, script: &str) -> Value {
        tokio::time::timeout(PATIENCE, self.client.execute_async(script, vec![])).await.expect("an answer").unwrap()
    }
}

#[tokio::test]
async fn chromium_binds_its_session_holds_what_it_sends_and_a_copied_cookie_opens_nothing() {
    let upstream = Upstream::start().await;
    let machine = Machine::new(&config(&upstream));
    let made = rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap();
    std::fs::write(machine.path("app.pem"), made.cert.pem()).unwrap();
    std::fs::write(machine.path("app.key"), made.signing_key.serialize_pem()).unwrap();
    machine.does_with(&["user", "add", "alice", "--email", "alice@post.example", "--password-stdin"], PASSWORD);
    let gateway = machine.serves();
    let driver = Driver::start().await;
    let origin = format!("https://{NAME}:{}", gateway.tls.unwrap().port());
    let owner = Browser { client: driver.launches("owner", &flags(&made.cert)).await, origin: origin.clone() };

    // A page that waits, and then the application: nothing else was pressed.
    owner.signs_in("/page").await;
    owner.sees("application at /page").await;
    let first = owner.cookie(BOUND).await.expect("a bound cookie");

    // A navigation, a form's worth of a fetch, and a WebSocket are held until the cookie is there again.
    owner.loses_the_cookie().await;
    owner.opens("/held").await;
    owner.sees("application at /held").await;
    assert_ne!(owner.cookie(BOUND).await.expect("another"), first);
    owner.loses_the_cookie().await;
    let post = "const done = arguments[0]; fetch('/posted', { method: 'POST', body: 'x'.repeat(1000) }).then(a => done(a.status), e => done(String(e)));";
    assert_eq!(owner.runs(post).await, json!(200));
    owner.loses_the_cookie().await;
    // The harness's application answers no browser's handshake; that it was asked is what counts here.
    let socket = "const done = arguments[0]; const s = new WebSocket(location.origin.replace('https', 'wss') + '/ws'); s.onopen = s.onerror = () => done(0);";
    owner.runs(socket).await;
    assert_eq!(upstream.last().target(), "/ws", "{}", gateway.log());
    assert!(owner.cookie(BOUND).await.is_some());

    // A link on another site.
    owner.loses_the_cookie().await;
    owner.client.goto(&format!("data:text/html,<a id=there href='{origin}/linked'>there</a>")).await.unwrap();
    owner.client.find(Locator::Id("there")).await.unwrap().click().await.unwrap();
    owner.sees("application at /linked").await;

    // The session cookie in another browser.
    let session = owner.cookie(SESSION).await.unwrap();
    let thief = Browser { client: driver.launches("thief", &flags(&made.cert)).await, origin };
    thief.opens("/.vestibule/login").await;
    thief.client.execute(&format!("document.cookie = '{SESSION}={session}; Path=/; Secure'"), vec![]).await.unwrap();
    assert!(thief.cookie(SESSION).await.is_some());
    let before = upstream.count();
    thief.opens("/stolen").await;
    thief.sees("name=\"password\"").await;
    assert_eq!(upstream.count(), before, "{}", gateway.log());
    let log = machine.does(&["audit", "--user", "alice"]);
    assert!(log.contains("device.bound"), "{log}");
    thief.client.close().await.unwrap();
    owner.client.close().await.unwrap();
}
