//! Without a mouse: the focus goes to every control in the order of the page, and Enter sends.

use vestibule::factor::Method;
use vestibule::service::admin::MfaChange;

use super::driver::Habits;
use super::tab::{ENTER, TAB, Tab};
use super::{Driver, world};
use crate::harness::*;

/// Marks what can be reached by hand, in the order of the page.
const CONTROLS: &str = "
    const all = [...document.querySelectorAll('a[href], button, input, select, summary')]
        .filter((e) => e.type !== 'hidden' && !e.disabled && e.checkVisibility() && e.getClientRects().length > 0);
    all.forEach((e, n) => { e.dataset.turn = n; });
    document.activeElement.blur();
    return all.length";

/// Tabs once around the page: every control has its turn, in the order of the page, with a focus that can be seen.
async fn tabs_through(tab: &Tab) {
    let count = tab.runs(CONTROLS).await.as_u64().unwrap();
    assert!(count > 1);
    let mut turns = Vec::new();
    // Once around leads over the page itself, which is nobody's turn.
    for _ in 0..=count {
        tab.presses(TAB).await;
        let focus = tab.runs("const e = document.activeElement; return [e.dataset.turn ?? '', getComputedStyle(e).outlineStyle]").await;
        if let Some(turn) = focus[0].as_str().and_then(|turn| turn.parse::<u64>().ok()) {
            assert_ne!(focus[1], "none", "the focus cannot be seen at {} {focus}", tab.target().await);
            turns.push(turn);
        }
    }
    let start = turns.iter().position(|turn| *turn == 0).unwrap_or_default();
    turns.rotate_left(start);
    turns.dedup();
    assert_eq!(turns, (0..count).collect::<Vec<_>>(), "{}", tab.target().await);
}

/// Tabs until the focus is there.
async fn tabs_to(tab: &Tab, css: &str) {
    for _ in 0..30 {
        let there = tab.runs(&format!("return document.activeElement.matches({css:?})")).await;
        if there == true {
            return;
        }
        tab.presses(TAB).await;
    }
    panic!("{css} is out of reach at {}", tab.target().await);
}

#[tokio::test]
async fn who_has_no_mouse_reaches_everything() {
    let world = world().build().await;
    let alice = world.person_with_app("alice", &[]).await;
    world.mfa("alice", MfaChange { enrol: vec![Method::Email], ..MfaChange::default() }).await;
    let driver = Driver::start().await;
    let tab = driver.opens(&world, Habits::default()).await;
    tab.opens("/payroll/2").await;
    tab.is_at("login").await;
    tabs_through(&tab).await;
    // Where the page puts the focus itself, a person starts to type.
    tab.opens("/payroll/2").await;
    tab.is_at("login").await;
    tabs_to(&tab, "#username").await;
    tab.presses("alice").await;
    tabs_to(&tab, "#password").await;
    tab.presses(&format!("{PASSWORD}{ENTER}")).await;
    tab.is_at("mfa").await;
    tabs_through(&tab).await;
    tabs_to(&tab, "button[value=totp]").await;
    tab.presses(ENTER).await;
    tab.is_at("mfa/totp").await;
    assert_eq!(tab.runs("return document.activeElement.id").await, "code");
    tabs_through(&tab).await;
    tabs_to(&tab, "a[href*='mfa?'], a[href$=mfa]").await;
    tab.presses(ENTER).await;
    tab.is_at("mfa").await;
    tabs_to(&tab, "button[value=totp]").await;
    tab.presses(" ").await;
    tab.is_at("mfa/totp").await;
    alice.waits_for_the_next_code();
    tab.presses(&format!("{}{ENTER}", alice.code())).await;
    tab.sees("/payroll/2").await;
    tab.was_quiet().await;
    driver.ends(tab).await;
}
