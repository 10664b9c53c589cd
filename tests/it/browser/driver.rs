//! A chromedriver of our own, on a port that it chose, for as long as a story lasts.

use std::process::Stdio;
use std::sync::{Arc, Mutex as StdMutex};
use std::time::Duration;

use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, MutexGuard};

use super::Tab;
use crate::harness::World;

/// Two browsers at once are slow enough on a small machine to be mistaken for broken ones.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// A cold browser on a busy machine.
const START: Duration = Duration::from_secs(60);

const FLAGS: [&str; 12] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--hide-scrollbars",
];

/// How a person's browser is set.
#[derive(Clone, Copy, Debug)]
pub struct Habits {
    pub script: bool,
    pub dark: bool,
    pub width: u32,
}

impl Default for Habits {
    fn default() -> Self {
        Self { script: true, dark: false, width: 1000 }
    }
}

/// A running chromedriver and the folder of its browser.
pub struct Driver {
    url: String,
    profile: tempfile::TempDir,
    process: Child,
    _alone: MutexGuard<'static, ()>,
}

impl Driver {
    /// Starts it, when no other story has one.
    ///
    /// # Panics
    /// Where chromedriver or Chromium is missing: a test that was not run is no test that passed.
    pub async fn start() -> Self {
        let alone = ONE_AT_A_TIME.lock().await;
        let mut said = String::new();
        // It takes a free port of IPv6 and ends where somebody has the same one of IPv4.
        for _ in 0..10 {
            match Self::launch().await {
                Ok((process, port)) => {
                    let profile = tempfile::tempdir().unwrap();
                    return Self { url: format!("http://127.0.0.1:{port}"), profile, process, _alone: alone };
                }
                Err(reason) => said = reason,
            }
        }
        panic!("chromedriver names no port: {said}");
    }

    /// A running chromedriver and its port, or what it said instead.
    async fn launch() -> Result<(Child, u16), String> {
        let mut command = Command::new("chromedriver");
        command.args(["--port=0", "--log-level=WARNING"]).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut process =
            command.spawn().unwrap_or_else(|e| panic!("chromedriver does not start ({e}): run scripts/test, which installs it"));
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let said = Arc::new(StdMutex::new(String::new()));
        let port = async {
            while let Ok(Some(line)) = lines.next_line().await {
                said.lock().unwrap().push_str(&line);
                if let Some((_, port)) = line.split_once("started successfully on port ") {
                    return port.trim_end_matches('.').parse::<u16>().ok();
                }
            }
            None
        };
        let port = tokio::time::timeout(START, port).await.ok().flatten();
        let Some(port) = port else { return Err(said.lock().unwrap().clone()) };
        // Read on, so that it never waits for a reader.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok((process, port))
    }

    /// A fresh browser before this world's gateway.
    pub async fn opens(&self, world: &World, habits: Habits) -> Tab {
        let mut arguments: Vec<String> = FLAGS.iter().map(|flag| (*flag).to_owned()).collect();
        arguments.push(format!("--user-data-dir={}", self.profile.path().join("chromium").display()));
        if habits.dark {
            arguments.push("--blink-settings=preferredColorScheme=0".to_owned());
        }
        let script = if habits.script { 1 } else { 2 };
        let wanted = json!({
            "goog:chromeOptions": {
                "args": arguments,
                "prefs": { "profile.managed_default_content_settings.javascript": script, "intl.accept_languages": "en" },
            },
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        });
        let capabilities = wanted.as_object().unwrap().clone();
        let mut builder = ClientBuilder::new(HttpConnector::new());
        let connecting = builder.capabilities(capabilities);
        let client = tokio::time::timeout(START, connecting.connect(&self.url)).await.expect("Chromium takes too long");
        let client = client.unwrap_or_else(|e| panic!("Chromium does not start ({e}): run scripts/test, which installs it"));
        Tab::new(client, world, habits).await
    }

    /// A browser with a profile of this name and further flags, before whatever it is sent to.
    pub async fn launches(&self, profile: &str, more: &[String]) -> Client {
        let mut arguments: Vec<String> = FLAGS.iter().map(|flag| (*flag).to_owned()).collect();
        arguments.push(format!("--user-data-dir={}", self.profile.path().join(profile).display()));
        arguments.extend_from_slice(more);
        let wanted = json!({ "goog:chromeOptions": { "args": arguments, "prefs": { "intl.accept_languages": "en" } } });
        let mut builder = ClientBuilder::new(HttpConnector::new());
        let connecting = builder.capabilities(wanted.as_object().unwrap().clone());
        let client = tokio::time::timeout(START, connecting.connect(&self.url)).await.expect("Chromium takes too long");
        client.unwrap_or_else(|e| panic!("Chromium does not start ({e}): run scripts/test, which installs it"))
    }

    /// The folder of a profile.
    pub fn profile(&self, name: &str) -> std::path::PathBuf {
        self.profile.path().join(name)
    }

    /// Puts everything away.
    pub async fn ends(mut self, tab: Tab) {
        tab.closes().await;
        let _ = self.process.kill().await;
    }
}
