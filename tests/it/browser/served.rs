//! axe-core looks at the pages as people meet them: served by the gateway, with real values, in the course of real sign-ins, wide
//! by day and 320 CSS pixels narrow by night. Each is light in weight, and none asks anybody else for anything.

use vestibule::service::audit::Actor;
use vestibule::store::LinkKind;

use super::axe::{MOST, is_clean};
use super::driver::Habits;
use super::tab::{ENTER, Key, Tab};
use super::{Driver, world};
use crate::harness::*;

const MAIL: &str = "[mail]\nurl = \"smtp://127.0.0.1:25\"\nfrom = \"Door <door@post.example>\"";

/// The page on the screen, as it was served.
async fn is_fine(tab: &Tab, name: &str) {
    tab.has_loaded().await;
    let weight = tab.runs("return performance.getEntriesByType('navigation')[0].decodedBodySize").await;
    assert!(weight.as_u64().is_some_and(|bytes| (500..MOST).contains(&bytes)), "{name} weighs {weight}");
    is_clean(tab, name).await;
    tab.is_set(false, 1000).await;
}

async fn looks_at(tab: &Tab, page: &str) {
    tab.is_at(page).await;
    is_fine(tab, page).await;
}

async fn goes_to(tab: &Tab, page: &str) {
    tab.opens(&format!("{PREFIX}/{page}")).await;
    looks_at(tab, page.split('?').next().unwrap()).await;
}

/// The page once more, with what was wrong on it.
async fn looks_at_the_fault(tab: &Tab, page: &str) {
    tab.element("[role=alert]").await;
    looks_at(tab, page).await;
}

async fn signs_out(tab: &Tab) {
    goes_to(tab, "logout").await;
    tab.clicks("form[action$=logout] button").await;
    tab.waits_for_none("form[action$=logout]").await;
    looks_at(tab, "logout").await;
}

/// Who has no account yet, or has forgotten the password.
async fn the_ways_in(world: &World, tab: &Tab) {
    let (_, token) = world.newcomer("carla").await;
    let bob = world.app().services.accounts.named("bob").await.unwrap();
    let reset = world.app().services.links.make(&bob, LinkKind::Reset, Actor::CommandLine).await.unwrap();
    goes_to(tab, "setup?token=nobodys").await;
    goes_to(tab, &format!("reset?token={}", reset.expose())).await;
    goes_to(tab, &format!("setup?token={token}")).await;
    tab.types("#password", &format!("password1234{ENTER}")).await;
    looks_at_the_fault(tab, "setup").await;
    goes_to(tab, "reset").await;
    tab.types("#username", &format!("bob{ENTER}")).await;
    tab.waits_for_none("#username").await;
    looks_at(tab, "reset").await;
}

async fn the_first_sign_in(tab: &Tab, root: &mut Person) {
    tab.opens("/payroll").await;
    looks_at(tab, "login").await;
    tab.types("#username", "root").await;
    tab.types("#password", &format!("wrong{ENTER}")).await;
    looks_at_the_fault(tab, "login").await;
    tab.opens("/payroll").await;
    tab.types_password("root").await;
    looks_at(tab, "enrol").await;
    tab.clicks("button[name=method][value=totp]").await;
    looks_at(tab, "enrol/totp").await;
    root.phone = Some(Authenticator::from_key(&tab.text("#totp-secret").await));
    tab.types_code("000000").await;
    looks_at_the_fault(tab, "enrol/totp").await;
    tab.types_code(&root.code()).await;
    looks_at(tab, "enrol/recovery").await;
    tab.clicks("button.go").await;
    tab.element("[role=status]").await;
    looks_at(tab, "login").await;
}

async fn the_second_door(tab: &Tab, root: &Person) {
    root.waits_for_the_next_code();
    tab.types_password("root").await;
    looks_at(tab, "mfa/totp").await;
    tab.types_code("000000").await;
    looks_at_the_fault(tab, "mfa/totp").await;
    goes_to(tab, "mfa/recovery?rd=%2Fpayroll").await;
    tab.types_code("aaaa-bbbb-cccc-dddd").await;
    looks_at_the_fault(tab, "mfa/recovery").await;
    tab.opens(&format!("{PREFIX}/mfa/totp?rd=%2Fpayroll")).await;
    tab.types_code(&root.code()).await;
    tab.sees("/payroll").await;
}

/// One more way to sign in, which is set up, chosen and used.
async fn a_further_method(tab: &Tab, root: &Person, method: &str) {
    let code = || if method == "email" { root.mailed_code() } else { root.texted_code() };
    goes_to(tab, "account").await;
    tab.clicks(&format!("button[name=method][value={method}]")).await;
    looks_at(tab, &format!("enrol/{method}")).await;
    if method == "webauthn" {
        tab.types("#name", "Blue laptop").await;
        tab.clicks("form[data-webauthn] button.go").await;
    } else {
        tab.types_code(&code()).await;
    }
    tab.element("[role=status]").await;
    looks_at(tab, "account").await;
    signs_out(tab).await;
    tab.opens("/").await;
    tab.types_password("root").await;
    looks_at(tab, "mfa").await;
    tab.clicks(&format!("button[name=method][value={method}]")).await;
    looks_at(tab, &format!("mfa/{method}")).await;
    if method == "webauthn" {
        tab.clicks("form[data-webauthn] button.go").await;
    } else {
        tab.types_code(&code()).await;
    }
    tab.sees("/").await;
}

/// What is refused, and by whom.
async fn the_refusals(tab: &Tab) {
    for (target, status) in [("/closed", 403), ("/staff", 403), ("/a%2fb", 400), ("/.vestibule/nowhere", 404)] {
        tab.opens(target).await;
        assert_eq!(tab.runs("return performance.getEntriesByType('navigation')[0].responseStatus").await, status, "{target}");
        is_fine(tab, target).await;
    }
    // A form whose token is not ours.
    tab.opens(&format!("{PREFIX}/logout")).await;
    tab.runs("document.querySelector('form [name=csrf]').value = 'forged'").await;
    tab.clicks("form button").await;
    tab.waits_for_none("form button").await;
    is_fine(tab, "a forged form").await;
}

/// A form that was filled in for longer than the session lasted.
async fn the_interrupted_form(world: &World, tab: &Tab, root: &Person) {
    let sends = "const form = document.createElement('form'); form.method = 'post'; form.action = '/payroll/42';
        document.body.append(form); form.submit();";
    tab.opens("/payroll").await;
    world.advance(minutes(120));
    tab.runs(sends).await;
    tab.types_password("root").await;
    tab.is_at("mfa").await;
    tab.clicks("button[name=method][value=totp]").await;
    tab.types_code(&root.code()).await;
    looks_at(tab, "resume").await;
    signs_out(tab).await;
    tab.opens("/public/form").await;
    tab.runs(sends).await;
    tab.element("a[href*='login']").await;
    is_fine(tab, "a form that nobody was signed in for").await;
}

#[tokio::test]
async fn the_pages_as_people_meet_them_are_clean_too() {
    let world = world().with(MAIL).build().await;
    let mut root = world.person("root", &["admins"]).await;
    world.person("bob", &[]).await;
    let driver = Driver::start().await;
    let tab = driver.opens(&world, Habits::default()).await;
    tab.plugs_in(Key { transport: "internal", verifies: true }).await;
    the_ways_in(&world, &tab).await;
    the_first_sign_in(&tab, &mut root).await;
    the_second_door(&tab, &root).await;
    for method in ["email", "sms", "webauthn"] {
        a_further_method(&tab, &root, method).await;
    }
    for page in ["account/password", "account/contact?method=email", "account/remove?method=sms", "enrol", "login?fresh=1"] {
        goes_to(&tab, page).await;
    }
    for page in ["admin", "admin/users", "admin/users/new", "admin/users/bob", "admin/users/bob/delete", "admin/sessions", "admin/audit"] {
        goes_to(&tab, page).await;
    }
    the_refusals(&tab).await;
    the_interrupted_form(&world, &tab, &root).await;
    tab.asked_nobody_else().await;
    driver.ends(tab).await;
}
