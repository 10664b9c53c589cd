//! A tab, and what a person does in it: types, presses, looks, waits a moment.

use std::time::Duration;

use fantoccini::elements::Element;
use fantoccini::wd::{WebDriverCompatibleCommand, WindowHandle};
use fantoccini::{Client, Locator};
use http::Method;
use serde_json::{Value, json};

use super::driver::Habits;
use crate::harness::{PASSWORD, PREFIX, World};

/// Nothing takes a person's browser this long; on a machine that compiles at the same time it may take half of it.
const PATIENCE: Duration = Duration::from_secs(30);

pub const ENTER: &str = "\u{e007}";
pub const TAB: &str = "\u{e004}";

/// A command of Chromium's or of WebAuthn's (Web Authentication level 2, section 11), which the client does not know.
#[derive(Debug)]
struct Raw {
    method: Method,
    path: String,
    body: Value,
}

impl WebDriverCompatibleCommand for Raw {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &url::Url) -> (Method, Option<String>) {
        (self.method.clone(), (self.method == Method::POST).then(|| self.body.to_string()))
    }
}

/// What a plugged-in authenticator can do.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    pub transport: &'static str,
    /// Keeps credentials itself and asks its user for a finger or a PIN.
    pub verifies: bool,
}

pub struct Tab {
    client: Client,
    /// Of the host that the story is at.
    origin: String,
    /// Every origin that may be asked.
    known: Vec<String>,
    habits: Habits,
}

impl Tab {
    pub(super) async fn new(client: Client, world: &World, habits: Habits) -> Self {
        let origin = format!("http://localhost:{}", world.address().port());
        let it = Self { client, known: vec![origin.clone()], origin, habits };
        // A headless window may be narrower than a real one only through the device metrics.
        it.resizes(habits.width).await;
        // What the browser's own first page does is not the gateway's.
        it.client.goto("about:blank").await.unwrap();
        it.log("performance").await;
        it.log("browser").await;
        it
    }

    async fn raw(&self, method: Method, path: &str, body: Value) -> Value {
        let command = Raw { method, path: path.to_owned(), body };
        self.client.issue_cmd(command).await.unwrap_or_else(|e| panic!("{path}: {e}"))
    }

    async fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.raw(Method::POST, "goog/cdp/execute", json!({ "cmd": command, "params": parameters })).await
    }

    async fn resizes(&self, width: u32) {
        let size = json!({ "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.devtools("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// Another width, and day or night.
    pub async fn is_set(&self, dark: bool, width: u32) {
        self.resizes(width).await;
        let scheme = json!({ "features": [{ "name": "prefers-color-scheme", "value": if dark { "dark" } else { "light" } }] });
        self.devtools("Emulation.setEmulatedMedia", scheme).await;
    }

    /// From here on the story is at another origin.
    pub fn goes_on_at(&mut self, origin: &str) {
        origin.clone_into(&mut self.origin);
        if !self.known.contains(&self.origin) {
            self.known.push(self.origin.clone());
        }
    }

    /// Opens another tab, and looks at it from here on; what finds it again.
    pub async fn opens_a_tab(&self) -> WindowHandle {
        let handle = self.client.new_window(true).await.unwrap().handle;
        self.client.switch_to_window(handle.clone()).await.unwrap();
        handle
    }

    pub async fn looks_at(&self, tab: &WindowHandle) {
        self.client.switch_to_window(tab.clone()).await.unwrap();
    }

    pub async fn window(&self) -> WindowHandle {
        self.client.window().await.unwrap()
    }

    pub async fn reloads(&self) {
        self.client.refresh().await.unwrap();
    }

    /// Types an address on this host.
    pub async fn opens(&self, target: &str) {
        self.client.goto(&format!("{}{target}", self.origin)).await.unwrap();
    }

    /// The address in the bar, without the origin, which never changes.
    pub async fn target(&self) -> String {
        let url = self.client.current_url().await.unwrap().to_string();
        url.strip_prefix(&self.origin).unwrap_or_else(|| panic!("{url} is elsewhere")).to_owned()
    }

    /// Waits until the bar shows a page of the gateway's.
    #[track_caller]
    pub fn is_at(&self, page: &str) -> impl Future<Output = ()> {
        let path = format!("{PREFIX}/{page}");
        self.until(format!("be at {page}"), move |target| target.split('?').next() == Some(&path))
    }

    /// Waits until the bar shows an address on this other origin.
    pub async fn is_elsewhere(&self, origin: &str) {
        let there = async {
            while !self.client.current_url().await.unwrap().as_str().starts_with(origin) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, there).await.unwrap_or_else(|_| panic!("does not come to {origin}"));
    }

    /// Waits until the application's own page is there, at exactly this address.
    pub async fn sees(&self, target: &str) {
        self.until(format!("see {target}"), |now| now == target).await;
        assert_eq!(self.text("body").await, format!("application at {target}"));
    }

    async fn until(&self, what: String, there: impl Fn(&str) -> bool) {
        let look = async {
            loop {
                // On its way back from a provider the bar still shows that one's address.
                let url = self.client.current_url().await.unwrap().to_string();
                if url.strip_prefix(&self.origin).is_some_and(&there) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, look).await.is_err() {
            let url = self.client.current_url().await.unwrap();
            panic!("did not {what}, but stays at {url}\n{}", self.text("body").await);
        }
    }

    /// The element, as soon as it is there.
    pub async fn element(&self, css: &str) -> Element {
        let found = self.client.wait().at_most(PATIENCE).every(Duration::from_millis(50)).for_element(Locator::Css(css)).await;
        match found {
            Ok(element) => element,
            Err(e) => panic!("no {css} at {} ({e})\n{}", self.target().await, self.client.source().await.unwrap_or_default()),
        }
    }

    pub async fn count(&self, css: &str) -> usize {
        self.client.find_all(Locator::Css(css)).await.unwrap().len()
    }

    pub async fn text(&self, css: &str) -> String {
        self.element(css).await.text().await.unwrap()
    }

    pub async fn texts(&self, css: &str) -> Vec<String> {
        let mut all = Vec::new();
        for element in self.client.find_all(Locator::Css(css)).await.unwrap() {
            all.push(element.text().await.unwrap());
        }
        all
    }

    pub async fn types(&self, css: &str, text: &str) {
        self.element(css).await.send_keys(text).await.unwrap();
    }

    pub async fn clicks(&self, css: &str) {
        let element = self.element(css).await;
        if let Err(e) = element.click().await {
            panic!("{css} cannot be clicked at {}: {e}", self.target().await);
        }
    }

    /// Keys to whatever has the focus, as from a keyboard.
    pub async fn presses(&self, keys: &str) {
        self.client.active_element().await.unwrap().send_keys(keys).await.unwrap();
    }

    /// Waits until nothing of the kind is on the page.
    pub async fn waits_for_none(&self, css: &str) {
        let gone = async {
            while self.count(css).await > 0 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, gone).await.unwrap_or_else(|_| panic!("{css} stays"));
    }

    /// Waits until a button can be pressed.
    pub async fn waits_for_enabled(&self, css: &str) {
        let opened = async {
            while !self.element(css).await.is_enabled().await.unwrap() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, opened).await.unwrap_or_else(|_| panic!("{css} stays disabled"));
    }

    /// Name and password into the sign-in page, and Enter.
    pub async fn types_password(&self, name: &str) {
        self.is_at("login").await;
        self.types("#username", name).await;
        self.types("#password", &format!("{PASSWORD}{ENTER}")).await;
    }

    pub async fn types_code(&self, code: &str) {
        self.types("#code", &format!("{code}{ENTER}")).await;
    }

    /// What a script in the page returns.
    pub async fn runs(&self, script: &str) -> Value {
        self.client.execute(script, vec![]).await.unwrap_or_else(|e| panic!("{script}: {e}"))
    }

    /// What a script in the page gives to the callback that is its last argument.
    pub async fn runs_to_an_end(&self, script: &str) -> Value {
        self.client.execute_async(script, vec![]).await.unwrap_or_else(|e| panic!("{script}: {e}"))
    }

    /// Waits until the page is there whole: styled, and with its script run.
    pub async fn has_loaded(&self) {
        let there = async {
            while self.runs("return document.readyState").await != "complete" {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, there).await.expect("a page that loads");
    }

    /// Nothing sticks out at the side, and the colours are those that the person set.
    pub async fn fits(&self) {
        let page = self
            .runs("return [document.documentElement.scrollWidth, innerWidth, matchMedia('(prefers-color-scheme: dark)').matches]")
            .await;
        assert_eq!(page[1], json!(self.habits.width));
        assert!(page[0].as_u64() <= page[1].as_u64(), "{} is {} wide in a window of {}", self.target().await, page[0], page[1]);
        assert_eq!(page[2], json!(self.habits.dark));
    }

    /// Plugs an authenticator in; its id.
    pub async fn plugs_in(&self, key: Key) -> String {
        let what = json!({
            "protocol": "ctap2",
            "transport": key.transport,
            "hasResidentKey": key.verifies,
            "hasUserVerification": key.verifies,
            "isUserVerified": key.verifies,
            "isUserConsenting": true,
        });
        self.raw(Method::POST, "webauthn/authenticator", what).await.as_str().expect("an id").to_owned()
    }

    pub async fn pulls_out(&self, id: &str) {
        self.raw(Method::DELETE, &format!("webauthn/authenticator/{id}"), Value::Null).await;
    }

    async fn log(&self, kind: &str) -> Vec<Value> {
        self.raw(Method::POST, "se/log", json!({ "type": kind })).await.as_array().cloned().unwrap_or_default()
    }

    /// Nothing was asked of anybody else, and the console has nothing to complain of but answers that were meant to refuse.
    pub async fn was_quiet(&self) {
        for entry in self.log("browser").await {
            let text = entry["message"].as_str().unwrap_or_default();
            let refused = text.contains("Failed to load resource") && text.contains("422");
            assert!(refused || entry["level"] == "INFO" || entry["level"] == "DEBUG", "the console says {entry}");
        }
        self.asked_nobody_else().await;
    }

    /// No request went anywhere but here.
    pub async fn asked_nobody_else(&self) {
        let mut own = 0;
        for entry in self.log("performance").await {
            let event: Value = serde_json::from_str(entry["message"].as_str().unwrap_or_default()).unwrap();
            if event["message"]["method"] != "Network.requestWillBeSent" {
                continue;
            }
            let url = event["message"]["params"]["request"]["url"].as_str().unwrap_or_default().to_owned();
            let is_known = self.known.iter().any(|origin| url.starts_with(&format!("{origin}/")));
            assert!(is_known || url.starts_with("data:") || url.starts_with("blob:"), "asked {url}");
            own += 1;
        }
        assert!(own > 0, "no request was seen at all");
    }

    pub(super) async fn closes(self) {
        let _ = tokio::time::timeout(PATIENCE, self.client.close()).await;
    }
}
