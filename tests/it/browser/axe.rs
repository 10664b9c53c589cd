//! axe-core looks at every page: as it is by day on a wide screen, and by night on a phone of 320 CSS pixels (WCAG 2.2, 1.4.10).
//! First every page with sample values, in the place of a page of the gateway and so under its policy; then the pages as people meet them.

use serde_json::{Value, json};
use vestibule::factor::Method;
use vestibule::view::{Words, gallery};

use super::driver::Habits;
use super::tab::Tab;
use super::{Driver, world};
use crate::harness::*;

const AXE: &str = include_str!("axe/axe.min.js");

/// What it finds, in a line each.
const RUN: &str = "
    const done = arguments[arguments.length - 1];
    const settled = new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(() => {
        document.getAnimations().forEach((a) => a.finish());
        go();
    })));
    settled.then(() => axe.run(document, { resultTypes: ['violations'] })).then(
        (found) => done(found.violations.map((v) => v.id + ': ' + v.help + ' ' + v.nodes.map((n) => n.html + n.failureSummary).join(' | '))),
        (error) => done(['axe failed: ' + error]));";

/// The most that a page may weigh, in bytes.
const MOST: u64 = 50_000;

async fn finds(tab: &Tab) -> Vec<Value> {
    if tab.runs("return typeof axe").await != "object" {
        tab.runs(AXE).await;
    }
    tab.runs_to_an_end(RUN).await.as_array().unwrap().clone()
}

async fn is_clean(tab: &Tab, name: &str) {
    for (dark, width) in [(false, 1000), (true, 320)] {
        tab.is_set(dark, width).await;
        let found = finds(tab).await;
        assert!(found.is_empty(), "{name}, dark: {dark}, {width} wide: {found:#?}");
        fits(tab, name, width).await;
    }
}

async fn fits(tab: &Tab, name: &str, width: u32) {
    let wide = tab.runs("return document.documentElement.scrollWidth").await.as_u64().unwrap();
    assert!(wide <= u64::from(width), "{name} is {wide} wide in a window of {width}");
}

/// Puts other markup in the place of the page that is there.
async fn shows(tab: &Tab, markup: &str) {
    let ready = "const done = arguments[arguments.length - 1];
        const styled = () => [...document.styleSheets].length > 0 && document.readyState === 'complete' ? done(true) : setTimeout(styled, 5);";
    tab.runs(&format!("document.open(); document.write({}); document.close();", json!(markup))).await;
    tab.runs_to_an_end(&format!("{ready} styled();")).await;
}

#[tokio::test]
async fn axe_finds_nothing_on_any_page() {
    let world = world().build().await;
    let driver = Driver::start().await;
    let tab = driver.opens(&world, Habits::default()).await;
    tab.opens("/.vestibule/login").await;
    for (name, markup) in gallery::pages(Words::english()) {
        let markup = markup.into_string();
        assert!((markup.len() as u64) < MOST, "{name} weighs {}", markup.len());
        shows(&tab, &markup).await;
        is_clean(&tab, name).await;
    }
    // Words are longer elsewhere.
    tab.is_set(false, 320).await;
    for words in Words::all() {
        for (name, markup) in gallery::pages(words) {
            shows(&tab, &markup.into_string()).await;
            fits(&tab, &format!("{name} in {}", words.meta.lang), 320).await;
        }
    }
    driver.ends(tab).await;
}

/// The page on the screen, as it was served.
async fn looks_at(tab: &Tab, page: &str) {
    tab.is_at(page).await;
    let weight = tab.runs("return performance.getEntriesByType('navigation')[0].decodedBodySize").await;
    assert!(weight.as_u64().is_some_and(|bytes| bytes < MOST), "{page} weighs {weight}");
    is_clean(tab, page).await;
    tab.is_set(false, 1000).await;
}

async fn goes_to(tab: &Tab, page: &str) {
    tab.opens(&format!("{PREFIX}/{page}")).await;
    looks_at(tab, page.split('?').next().unwrap()).await;
}

#[tokio::test]
async fn the_pages_as_people_meet_them_are_clean_too() {
    let world = world().with("[mail]\nurl = \"smtp://127.0.0.1:25\"\nfrom = \"Door <door@post.example>\"").build().await;
    let mut root = world.person("root", &["admins"]).await;
    world.person("bob", &[]).await;
    let driver = Driver::start().await;
    let tab = driver.opens(&world, Habits::default()).await;
    // Nobody is known yet.
    goes_to(&tab, "reset").await;
    tab.opens("/payroll").await;
    looks_at(&tab, "login").await;
    tab.types("#username", "root").await;
    tab.types("#password", &format!("wrong{}", super::tab::ENTER)).await;
    tab.element("[role=alert]").await;
    looks_at(&tab, "login").await;
    tab.opens("/payroll").await;
    tab.types_password("root").await;
    looks_at(&tab, "enrol").await;
    tab.clicks("button[name=method][value=totp]").await;
    looks_at(&tab, "enrol/totp").await;
    root.phone = Some(Authenticator::from_key(&tab.text("#totp-secret").await));
    tab.types_code("000000").await;
    tab.element("[role=alert]").await;
    looks_at(&tab, "enrol/totp").await;
    tab.types_code(&root.code()).await;
    looks_at(&tab, "enrol/recovery").await;
    tab.clicks("button.go").await;
    tab.element("[role=status]").await;
    looks_at(&tab, "login").await;
    root.waits_for_the_next_code();
    tab.types_password("root").await;
    looks_at(&tab, "mfa/totp").await;
    goes_to(&tab, "mfa/recovery").await;
    tab.opens(&format!("{PREFIX}/mfa/totp?rd=%2Fpayroll")).await;
    tab.types_code(&root.code()).await;
    tab.sees("/payroll").await;
    // A further method, and then the choice.
    for method in ["email", "sms"] {
        goes_to(&tab, "account").await;
        tab.clicks(&format!("button[name=method][value={method}]")).await;
        looks_at(&tab, &format!("enrol/{method}")).await;
        let code = if method == "email" { root.mailed_code() } else { root.texted_code() };
        tab.types_code(&code).await;
        tab.types_password("root").await;
        looks_at(&tab, "mfa").await;
        tab.clicks(&format!("button[name=method][value={method}]")).await;
        looks_at(&tab, &format!("mfa/{method}")).await;
        let code = if method == "email" { root.mailed_code() } else { root.texted_code() };
        tab.types_code(&code).await;
        tab.waits_for_none("#code").await;
    }
    for page in ["account/password", "account/contact?method=email", "account/remove?method=sms", "enrol", "logout", "nowhere"] {
        goes_to(&tab, page).await;
    }
    for page in ["admin", "admin/users", "admin/users/new", "admin/users/bob", "admin/users/bob/delete", "admin/sessions", "admin/audit"] {
        goes_to(&tab, page).await;
    }
    // What the gateway itself says.
    tab.opens("/closed").await;
    tab.element("[role=alert]").await;
    is_clean(&tab, "a closed route").await;
    tab.asked_nobody_else().await;
    driver.ends(tab).await;
    assert_eq!(
        world.app().services.named("root").await.unwrap().enrolled().iter().collect::<Vec<_>>().len(),
        3,
        "{:?}",
        Method::ENROLLABLE
    );
}
