//! Passkeys and security keys, with authenticators that Chromium plays (Web Authentication level 2, section 11).

use super::driver::Habits;
use super::tab::{Key, Tab};
use super::{Driver, world};
use crate::harness::Authenticator;

pub(super) const BUILT_IN: Key = Key { transport: "internal", verifies: true };
const STICK: Key = Key { transport: "usb", verifies: false };

const BY_KEY: &str = "
[[routes]]
name = \"by-key\"
hosts = [\"localhost\"]
path = \"/by-key\"
upstreams = [\"UPSTREAM\"]
policy = \"two_factor\"
factors = [\"webauthn\"]
";

/// From the account page: sets a key up under a name.
pub(super) async fn registers(tab: &Tab, name: &str) {
    tab.opens("/.vestibule/account").await;
    tab.is_at("account").await;
    tab.clicks("button[name=method][value=webauthn]").await;
    tab.is_at("enrol/webauthn").await;
    tab.types("#name", name).await;
    tab.clicks("form[data-webauthn] button.go").await;
}

async fn signs_out(tab: &Tab) {
    tab.opens("/.vestibule/logout").await;
    tab.clicks("form[action$=logout] button").await;
    tab.element("h1").await;
    tab.waits_for_none("form[action$=logout]").await;
}

/// Password, then the key.
async fn signs_in_with_key(tab: &Tab, target: &str) {
    tab.opens(target).await;
    tab.types_password("alice").await;
    tab.is_at("mfa/webauthn").await;
    tab.clicks("form[data-webauthn] button.go").await;
    tab.sees(target).await;
}

#[tokio::test]
async fn a_passkey_is_set_up_used_as_a_second_factor_and_alone() {
    let world = world().with(BY_KEY).build().await;
    world.person("alice", &[]).await;
    let driver = Driver::start().await;
    let tab = driver.opens(&world, Habits::default()).await;
    let built_in = tab.plugs_in(BUILT_IN).await;
    tab.opens("/").await;
    tab.types_password("alice").await;
    tab.sees("/").await;
    registers(&tab, "Blue laptop").await;
    tab.is_at("enrol/recovery").await;
    assert_eq!(tab.count("#recovery-codes code").await, 10);
    let mail = world.outbox.last_to("alice@post.example").expect("a notice").text;
    assert!(mail.contains("“Blue laptop”"), "{mail}");
    tab.clicks("button.go").await;
    tab.is_at("login").await;
    signs_in_with_key(&tab, "/payroll/3").await;
    tab.opens("/.vestibule/account").await;
    assert!(tab.text("main").await.contains("Blue laptop"));
    signs_out(&tab).await;
    // Nothing typed at all.
    tab.opens("/by-key/4?a=b").await;
    tab.is_at("login").await;
    tab.clicks("#passkey").await;
    tab.sees("/by-key/4?a=b").await;
    signs_out(&tab).await;
    // Without the laptop, the password alone leads no further than to the second door.
    tab.pulls_out(&built_in).await;
    tab.plugs_in(STICK).await;
    tab.opens("/by-key/5").await;
    tab.types_password("alice").await;
    tab.is_at("mfa/webauthn").await;
    tab.was_quiet().await;
    driver.ends(tab).await;
}

#[tokio::test]
async fn a_security_key_that_verifies_nobody_is_a_second_factor_and_never_the_only_one() {
    let world = world().with(BY_KEY).build().await;
    world.person("alice", &[]).await;
    let driver = Driver::start().await;
    let tab = driver.opens(&world, Habits::default()).await;
    tab.plugs_in(STICK).await;
    tab.opens("/").await;
    tab.types_password("alice").await;
    tab.sees("/").await;
    registers(&tab, "Old stick").await;
    tab.is_at("enrol/recovery").await;
    tab.clicks("button.go").await;
    tab.is_at("login").await;
    signs_in_with_key(&tab, "/by-key/6").await;
    signs_out(&tab).await;
    tab.opens("/.vestibule/login").await;
    tab.clicks("#passkey").await;
    assert!(!tab.text("form[data-webauthn] [role=alert], [role=alert]").await.is_empty());
    tab.is_at("login").await;
    tab.opens("/by-key/7").await;
    tab.is_at("login").await;
    tab.was_quiet().await;
    driver.ends(tab).await;
}

/// A key's answer that is none, sent past the script.
const BABBLES: &str = "const form = document.querySelector('form[data-webauthn]'); form.elements.credential.value = '{}'; form.submit();";

#[tokio::test]
async fn the_keys_page_begins_and_ends_nothing_and_takes_one_answer() {
    let world = world().with(BY_KEY).build().await;
    let mut alice = world.person("alice", &[]).await;
    let driver = Driver::start().await;
    let tab = driver.opens(&world, Habits::default()).await;
    tab.plugs_in(BUILT_IN).await;
    tab.opens("/").await;
    tab.types_password("alice").await;
    tab.sees("/").await;
    registers(&tab, "Blue laptop").await;
    tab.is_at("enrol/recovery").await;
    tab.clicks("button.go").await;
    signs_in_with_key(&tab, "/payroll/3").await;
    // While she sets an app up, another site leads her browser to the key's page and away again.
    tab.opens("/.vestibule/account").await;
    tab.clicks("button[name=method][value=totp]").await;
    tab.is_at("enrol/totp").await;
    let secret = tab.text("#totp-secret").await;
    let services = world.app().services.clone();
    let flows = async || services.store.kv().scan(b"flow", None, 100, false).await.unwrap();
    let before = flows().await;
    assert!(!before.is_empty());
    tab.opens("/.vestibule/mfa/webauthn?rd=%2Fby-app").await;
    tab.is_at("mfa/webauthn").await;
    assert!(flows().await == before, "a look at a page was written");
    tab.opens("/.vestibule/enrol/totp").await;
    assert_eq!(tab.text("#totp-secret").await, secret);
    alice.phone = Some(Authenticator::from_key(&secret));
    tab.types_code(&alice.code()).await;
    tab.is_at("account").await;
    signs_out(&tab).await;
    tab.opens("/").await;
    // One answer to a challenge, right or wrong, and wrong ones count.
    tab.types_password("alice").await;
    tab.is_at("mfa").await;
    tab.clicks("button[name=method][value=webauthn]").await;
    tab.is_at("mfa/webauthn").await;
    let spent = tab.runs("return document.querySelector('[name=challenge]').value").await;
    tab.runs(BABBLES).await;
    tab.element("[role=alert]").await;
    let failures = services.accounts.named("alice").await.unwrap().browsers.iter().map(|browser| browser.failures.count).sum::<u32>();
    assert_eq!(failures, 1);
    tab.runs(&format!("document.querySelector('[name=challenge]').value = {spent}; {BABBLES}")).await;
    tab.waits_for_none(&format!("[name=challenge][value={spent}]")).await;
    tab.element("[role=alert]").await;
    tab.clicks("form[data-webauthn] button.go").await;
    tab.waits_for_none("form[data-webauthn]").await;
    tab.opens("/payroll/4").await;
    tab.sees("/payroll/4").await;
    driver.ends(tab).await;
}
