//! One host for signing in, in a real browser: two root domains that share nothing but the portal, ten tabs, a lost form, a step up, a key,
//! and a sign-out that is everybody's.

use super::driver::Habits;
use super::passkeys::BUILT_IN;
use super::tab::Tab;
use super::{Driver, world};
use crate::harness::*;

const ROUTES: &str = r#"
[[routes]]
name = "wiki"
hosts = ["wiki.one.localhost"]
upstreams = ["UPSTREAM"]
policy = "one_factor"
[[routes]]
name = "shop"
hosts = ["shop.two.localhost"]
upstreams = ["UPSTREAM"]
policy = "one_factor"
  [[routes.rules]]
  paths = ["/fresh"]
  policy = "two_factor"
  max_age = "15m"
"#;

/// The origins of the portal, of the wiki beside it, and of the shop in another root domain.
struct Origins {
    portal: String,
    wiki: String,
    shop: String,
}

/// The portal's port is known once the gateway listens.
async fn world_with_a_portal() -> (World, Origins) {
    let world = world().with(ROUTES).build().await;
    let at = |host: &str| format!("http://{host}:{}", world.address().port());
    let origins = Origins { portal: at("login.one.localhost"), wiki: at("wiki.one.localhost"), shop: at("shop.two.localhost") };
    world.reload(|text| format!("{text}\n[portal]\nurl = \"{}\"\n", origins.portal)).await;
    (world, origins)
}

async fn opens(tab: &mut Tab, origin: &str, target: &str) {
    tab.goes_on_at(origin);
    tab.opens(target).await;
}

async fn is_at(tab: &mut Tab, origin: &str, page: &str) {
    tab.goes_on_at(origin);
    tab.is_at(page).await;
}

async fn sees(tab: &mut Tab, origin: &str, target: &str) {
    tab.goes_on_at(origin);
    tab.sees(target).await;
}

async fn types_the_next_code(tab: &mut Tab, at: &Origins, alice: &Person) {
    is_at(tab, &at.portal, "mfa/totp").await;
    alice.waits_for_the_next_code();
    tab.types_code(&alice.code()).await;
}

async fn ten_tabs_keep_ten_targets(tab: &mut Tab, at: &Origins, alice: &Person) {
    let mut tabs = vec![tab.window().await];
    for _ in 1..10 {
        tabs.push(tab.opens_a_tab().await);
    }
    let place = |n: usize| (if n.is_multiple_of(2) { &at.wiki } else { &at.shop }, format!("/page/{n}?n={n}&x=%26"));
    for (n, handle) in tabs.iter().enumerate() {
        tab.looks_at(handle).await;
        let (origin, target) = place(n);
        opens(tab, origin, &target).await;
        is_at(tab, &at.portal, "login").await;
    }
    tab.looks_at(&tabs[4]).await;
    tab.types_password("alice").await;
    types_the_next_code(tab, at, alice).await;
    let (origin, target) = place(4);
    sees(tab, origin, &target).await;
    for n in (0..10).rev().filter(|n| *n != 4) {
        tab.looks_at(&tabs[n]).await;
        tab.reloads().await;
        let (origin, target) = place(n);
        sees(tab, origin, &target).await;
    }
    tab.looks_at(&tabs[0]).await;
}

async fn a_lost_form_arrives(tab: &mut Tab, at: &Origins, world: &World, alice: &Person) {
    opens(tab, &at.shop, "/fresh/form").await;
    sees(tab, &at.shop, "/fresh/form").await;
    world.advance(minutes(120));
    tab.runs(
        "const form = document.createElement('form'); form.method = 'post'; form.action = '/fresh/orders?id=7';
         const field = document.createElement('input'); field.name = 'text'; field.value = 'three hours of work';
         form.append(field); document.body.append(form); form.submit();",
    )
    .await;
    is_at(tab, &at.portal, "login").await;
    tab.types_password("alice").await;
    types_the_next_code(tab, at, alice).await;
    is_at(tab, &at.shop, "resume").await;
    tab.clicks("form[action*='/fresh/orders'] button").await;
    sees(tab, &at.shop, "/fresh/orders?id=7").await;
    let posted: Vec<_> = world.upstream.seen().into_iter().filter(|seen| seen.line().starts_with("POST ")).collect();
    assert_eq!(
        posted.iter().map(|seen| (seen.target(), seen.body.as_slice())).collect::<Vec<_>>(),
        [("/fresh/orders?id=7", b"text=three+hours+of+work".as_slice())]
    );
}

async fn a_step_up_is_shown_once(tab: &mut Tab, at: &Origins, world: &World, alice: &Person) {
    world.advance(minutes(16));
    opens(tab, &at.shop, "/fresh/1").await;
    types_the_next_code(tab, at, alice).await;
    sees(tab, &at.shop, "/fresh/1").await;
    opens(tab, &at.wiki, "/2").await;
    sees(tab, &at.wiki, "/2").await;
}

async fn signs_out_from(tab: &mut Tab, at: &Origins, origin: &str) {
    opens(tab, origin, "/.vestibule/logout").await;
    is_at(tab, &at.portal, "logout").await;
    tab.clicks("form button").await;
    tab.waits_for_none("form[action*='logout']").await;
    for origin in [&at.wiki, &at.shop] {
        opens(tab, origin, "/").await;
        is_at(tab, &at.portal, "login").await;
    }
}

#[tokio::test]
async fn one_sign_in_and_one_sign_out_serve_two_root_domains() {
    let (world, at) = world_with_a_portal().await;
    let alice = world.person_with_app("alice", &[]).await;
    let driver = Driver::start().await;
    let mut tab = driver.opens(&world, Habits::default()).await;
    ten_tabs_keep_ten_targets(&mut tab, &at, &alice).await;
    a_step_up_is_shown_once(&mut tab, &at, &world, &alice).await;
    a_lost_form_arrives(&mut tab, &at, &world, &alice).await;
    signs_out_from(&mut tab, &at, &at.wiki).await;
    tab.was_quiet().await;
    driver.ends(tab).await;
}

/// Made at the portal, it opens what lies in another root domain.
#[tokio::test]
async fn one_key_serves_two_root_domains() {
    let (world, at) = world_with_a_portal().await;
    world.person("alice", &[]).await;
    let driver = Driver::start().await;
    let mut tab = driver.opens(&world, Habits::default()).await;
    tab.plugs_in(BUILT_IN).await;
    opens(&mut tab, &at.shop, "/fresh/1").await;
    is_at(&mut tab, &at.portal, "login").await;
    tab.types_password("alice").await;
    is_at(&mut tab, &at.portal, "enrol").await;
    tab.clicks("button[name=method][value=webauthn]").await;
    is_at(&mut tab, &at.portal, "enrol/webauthn").await;
    tab.types("#name", "Blue laptop").await;
    tab.clicks("form[data-webauthn] button.go").await;
    is_at(&mut tab, &at.portal, "enrol/recovery").await;
    tab.clicks("button.go").await;
    is_at(&mut tab, &at.portal, "login").await;
    // Nothing typed at all.
    tab.clicks("#passkey").await;
    sees(&mut tab, &at.shop, "/fresh/1").await;
    opens(&mut tab, &at.wiki, "/2").await;
    sees(&mut tab, &at.wiki, "/2").await;
    signs_out_from(&mut tab, &at, &at.shop).await;
    tab.was_quiet().await;
    driver.ends(tab).await;
}

#[tokio::test]
async fn no_step_needs_script() {
    let (world, at) = world_with_a_portal().await;
    let alice = world.person_with_app("alice", &[]).await;
    let driver = Driver::start().await;
    let mut tab = driver.opens(&world, Habits { script: false, ..Habits::default() }).await;
    opens(&mut tab, &at.shop, "/a?b=c%2f").await;
    is_at(&mut tab, &at.portal, "login").await;
    tab.types_password("alice").await;
    is_at(&mut tab, &at.portal, "mfa/totp").await;
    alice.waits_for_the_next_code();
    tab.types("#code", &alice.code()).await;
    tab.clicks("button.go").await;
    sees(&mut tab, &at.shop, "/a?b=c%2f").await;
    opens(&mut tab, &at.wiki, "/").await;
    sees(&mut tab, &at.wiki, "/").await;
    signs_out_from(&mut tab, &at, &at.wiki).await;
    tab.was_quiet().await;
    driver.ends(tab).await;
}
