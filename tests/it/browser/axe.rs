//! axe-core looks at every page: as it is by day on a wide screen, and by night on a phone of 320 CSS pixels (WCAG 2.2, 1.4.10).
//! Every page with sample values, in the place of a page of the gateway and so under its policy.

use serde_json::{Value, json};
use vestibule::view::{Words, gallery};

use super::driver::Habits;
use super::tab::Tab;
use super::{Driver, world};

const AXE: &str = include_str!("axe/axe.min.js");

/// What it finds, in a line each. Animations are put to their end; one without an end is stopped. Whatever happens, there is an answer.
const RUN: &str = "
    const done = arguments[arguments.length - 1];
    const still = (animation) => { try { animation.finish(); } catch { animation.cancel(); } };
    const settled = new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(() => {
        document.getAnimations().forEach(still);
        go();
    })));
    setTimeout(() => done(['axe takes too long at ' + location.pathname + ', ' + document.visibilityState]), 25000);
    settled.then(() => axe.run(document, { resultTypes: ['violations'] })).then(
        (found) => done(found.violations.map((v) => v.id + ': ' + v.help + ' ' + v.nodes.map((n) => n.html + n.failureSummary).join(' | '))),
        (error) => done(['axe failed: ' + error]));";

/// The most that a page may weigh, in bytes.
pub const MOST: u64 = 50_000;

async fn finds(tab: &Tab) -> Vec<Value> {
    if tab.runs("return typeof axe").await != "object" {
        tab.runs(AXE).await;
    }
    tab.runs_to_an_end(RUN).await.as_array().unwrap().clone()
}

pub async fn is_clean(tab: &Tab, name: &str) {
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
    tab.asked_nobody_else().await;
    driver.ends(tab).await;
}
