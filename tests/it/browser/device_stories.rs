//! More of sessions bound to a device in a real browser: forms, downloads and event streams that are held, a proof on demand, the browser's own limit, and a
//! profile that was copied. The gateway's clock is set by hand; the browser's is real.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::Driver;
use super::devices::{BOUND, Browser, NAME, SESSION};
use crate::harness::door::Door;
use crate::harness::*;

const SECTIONS: &str = "[server]\ndata_dir = \"data\"\nlisten = [\"127.0.0.1:80\"]\ntrusted_proxies = [\"127.0.0.1\"]\n[session.device_bound]\n\
    [[routes]]\nname = \"vault\"\nhosts = [\"app.example\"]\npath = \"/vault\"\nupstreams = [\"UPSTREAM\"]\npolicy = \"one_factor\"\ndevice_bound = \"require\"\n\
    [[routes]]\nname = \"bank\"\nhosts = [\"app.example\"]\npath = \"/bank\"\nupstreams = [\"UPSTREAM\"]\npolicy = \"one_factor\"\n\
    device_bound = \"require\"\ndevice_age = \"3m\"\n";

/// A gateway with TLS, an application behind it, and Chromium.
struct Scene {
    world: World,
    door: Door,
    driver: Driver,
}

impl Scene {
    async fn new() -> Self {
        let world = World::builder().mfa("first_enrolment = \"password\"").with(SECTIONS).build().await;
        world.person("alice", &[]).await;
        let door = Door::before(&world, NAME);
        Self { world, door, driver: Driver::start().await }
    }

    fn flags(&self, quota: bool) -> Vec<String> {
        let more = if quota { "" } else { ":RefreshQuota/false" };
        vec![
            format!("--enable-features=DeviceBoundSessions{more},EnableBoundSessionCredentialsSoftwareKeysForManualTesting"),
            format!("--ignore-certificate-errors-spki-list={}", self.door.pin),
            format!("--host-resolver-rules=MAP {NAME} 127.0.0.1"),
        ]
    }

    async fn browser(&self, profile: &str, quota: bool) -> Browser {
        let origin = format!("https://{NAME}:{}", self.door.entrance().0.port());
        Browser { client: self.driver.launches(profile, &self.flags(quota)).await, origin }
    }

    /// Somebody's browser, whose session is bound.
    async fn bound(&self, profile: &str, quota: bool) -> Browser {
        let browser = self.browser(profile, quota).await;
        browser.signs_in("/vault").await;
        browser.sees("application at /vault").await;
        assert!(browser.cookie(BOUND).await.is_some());
        // From here on nothing goes without the cookie.
        self.world.advance(seconds(61));
        browser
    }
}

/// Sends a form of this page's.
const FORM: &str = "const form = document.createElement('form'); form.method = 'post'; form.action = arguments[0]; \
    const field = document.createElement('input'); field.name = 'a'; field.value = 'x'.repeat(2000); \
    form.append(field); document.body.append(form); form.submit();";

#[tokio::test]
async fn forms_downloads_and_event_streams_are_held_until_the_device_is_shown() {
    let scene = Scene::new().await;
    let (world, owner) = (&scene.world, scene.bound("owner", false).await);
    // A form of 2000 bytes, sent when the bound cookie's time is over: it arrives once, whole.
    owner.loses_the_cookie().await;
    let before = world.upstream.count();
    owner.client.execute(FORM, vec![json!("/vault/posted")]).await.unwrap();
    owner.sees("application at /vault/posted").await;
    let seen = world.upstream.seen().split_off(before);
    let posts: Vec<_> = seen.iter().filter(|seen| seen.line().starts_with("POST /vault/posted")).collect();
    assert_eq!((posts.len(), posts[0].body.len()), (1, 2002));
    // A link that downloads.
    owner.loses_the_cookie().await;
    owner
        .client
        .execute("const a = document.createElement('a'); a.href = '/vault/file'; a.download = 'file'; a.click();", vec![])
        .await
        .unwrap();
    comes_about(|| world.upstream.seen().iter().any(|seen| seen.target() == "/vault/file")).await;
    assert!(owner.cookie(BOUND).await.is_some());
    // A stream of events; once the key was not used for too long it closes, and the browser opens it again by itself.
    owner.loses_the_cookie().await;
    owner
        .client
        .execute("window.heard = 0; new EventSource('/vault/sse').onmessage = () => { window.heard += 1; };", vec![])
        .await
        .unwrap();
    let streams = || world.upstream.seen().iter().filter(|seen| seen.target() == "/vault/sse").count();
    comes_about(|| streams() == 1).await;
    owner.hears(1).await;
    world.advance(minutes(12));
    owner.loses_the_cookie().await;
    world.sweeps();
    comes_about(|| streams() == 2).await;
    owner.hears(2).await;
    owner.client.close().await.unwrap();
}

#[tokio::test]
async fn an_old_proof_is_renewed_on_demand_and_the_request_goes_on_whole() {
    let scene = Scene::new().await;
    let (world, owner) = (&scene.world, scene.bound("owner", false).await);
    let is_old = || world.advance(minutes(3) + seconds(1));
    let arrived = |line: &str| {
        world.upstream.seen().iter().filter(|seen| seen.line().starts_with(line)).map(|seen| seen.body.len()).collect::<Vec<_>>()
    };
    owner.opens("/bank").await;
    owner.sees("application at /bank").await;
    // 303 for a navigation, 307 for what has a body: a fetch, and a form.
    is_old();
    let first = owner.cookie(BOUND).await;
    owner.opens("/bank/page").await;
    owner.sees("application at /bank/page").await;
    assert_ne!(owner.cookie(BOUND).await, first);
    is_old();
    let post = "const done = arguments[0]; fetch('/bank/fetched', { method: 'POST', body: 'x'.repeat(1000) }).then(a => done(a.status), e => done(String(e)));";
    assert_eq!(owner.runs(post).await, json!(200));
    assert_eq!(arrived("POST /bank/fetched"), [1000]);
    is_old();
    owner.client.execute(FORM, vec![json!("/bank/posted")]).await.unwrap();
    owner.sees("application at /bank/posted").await;
    assert_eq!(arrived("POST /bank/posted"), [2002]);
    owner.client.close().await.unwrap();
}

#[tokio::test]
async fn a_browser_that_may_not_sign_any_more_is_told_to_come_back() {
    let scene = Scene::new().await;
    let (world, owner) = (&scene.world, scene.bound("owner", true).await);
    // Six signatures in nine minutes: one was the registration's.
    let mut shown = 0;
    let busy = loop {
        let before = world.upstream.count();
        owner.loses_the_cookie().await;
        owner.opens("/vault/again").await;
        let page = owner.client.source().await.unwrap();
        if !page.contains("application at /vault/again") {
            assert_eq!(world.upstream.count(), before, "nothing is forwarded");
            break page;
        }
        shown += 1;
        assert!(shown < 12, "no limit");
    };
    assert!((4..=6).contains(&shown), "{shown}");
    assert!(busy.contains("Your device could not be checked"), "{busy}");
    // It is still signed in: nobody asks for the password.
    assert!(!busy.contains("name=\"password\""));
    owner.client.close().await.unwrap();
}

/// Copies a folder, without the files in which Chromium keeps bound sessions and their keys. Says how many those are.
fn copies(from: &Path, to: &Path) -> usize {
    std::fs::create_dir_all(to).unwrap();
    let mut left_out = 0;
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let (name, target): (_, PathBuf) = (entry.file_name(), to.join(entry.file_name()));
        let kind = entry.file_type().unwrap();
        if name.to_string_lossy().contains("Device Bound Sessions") {
            left_out += 1;
        } else if kind.is_dir() {
            left_out += copies(&entry.path(), &target);
        } else if kind.is_file() {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
    left_out
}

#[tokio::test]
async fn a_profile_folder_that_was_copied_without_the_machines_key_is_refused_within_the_bound() {
    let scene = Scene::new().await;
    let (world, owner) = (&scene.world, scene.bound("owner", false).await);
    let session = owner.cookie(SESSION).await.unwrap();
    // The folder is written when the browser ends. The key is left out: in a chip it is not in the folder.
    owner.client.close().await.unwrap();
    let left_out = copies(&scene.driver.profile("owner"), &scene.driver.profile("copied"));
    assert!(left_out > 0, "Chromium keeps its bound sessions elsewhere");
    let thief = scene.browser("copied", false).await;
    thief.opens("/.vestibule/login").await;
    thief.client.execute(&format!("document.cookie = '{SESSION}={session}; Path=/; Secure'"), vec![]).await.unwrap();
    // The bound cookie is in the folder, and lasts as long as it says.
    thief.opens("/vault/early").await;
    thief.sees("application at /vault/early").await;
    world.advance(minutes(11));
    let before = world.upstream.count();
    for path in ["/vault/late", "/page"] {
        thief.opens(path).await;
        thief.sees("name=\"password\"").await;
    }
    assert_eq!(world.upstream.count(), before);
    thief.client.close().await.unwrap();
}

/// Waits for what the browser does by itself.
async fn comes_about(what: impl Fn() -> bool) {
    let wait = async {
        while !what() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    soon(wait).await;
}
