//! The same done to many users: previewed, done once, and only to those who still are what the preview showed.

use std::sync::atomic::Ordering;

use super::house::{Answer, Browser, House, NOW};
use crate::account::{Account, BulkAction, Seen};
use crate::base::{ClientAddr, Host, Secret};
use crate::factor::Method;
use crate::policy::Proof;
use crate::service::audit::Actor;
use crate::service::tokens::NewToken;
use crate::service::{Client, Entry, Refused};

impl House {
    async fn staff(&self, names: &[&str]) -> Vec<Account> {
        let mut all = Vec::new();
        for name in names {
            all.push(self.add(name, &["staff"]).await);
        }
        all
    }

    async fn password(&self, name: &str, password: &str) {
        self.app.services.accounts.set_password(name, &Secret::new(password), Actor::CommandLine).await.unwrap();
    }

    async fn audited(&self, most: usize) -> Vec<String> {
        let records = self.app.services.store.audit_before(None, most).await.unwrap();
        records.into_iter().map(|r| format!("{} {} {}", r.event, r.user.unwrap_or_default(), r.detail)).collect()
    }
}

impl Browser<'_> {
    /// The preview for these users.
    async fn picks(&self, action: &str, whom: &[Account]) -> Answer {
        let ids: Vec<String> = whom.iter().map(|account| account.id.to_string()).collect();
        let picks = ids.iter().map(|id| ("pick", id.as_str()));
        let fields: Vec<(&str, &str)> = [("action", action), ("scope", "picked")].into_iter().chain(picks).collect();
        self.post("admin/bulk", &fields).await
    }

    async fn goes_on(&self, action: &str, preview: &Answer) -> Answer {
        let people = preview.between("name=\"people\" value=\"", "\"");
        self.post("admin/bulk", &[("action", action), ("people", &people)]).await
    }
}

/// As a preview writes it.
fn people(whom: &[(&Account, Seen)]) -> String {
    let bytes: Vec<u8> = whom.iter().flat_map(|(a, seen)| a.id.as_bytes().iter().chain(seen.as_bytes()).copied()).collect();
    data_encoding::BASE64URL_NOPAD.encode(&bytes)
}

fn client() -> Client {
    Client::of_request(ClientAddr::new("192.0.2.9".parse().unwrap()), Host::parse(b"wiki.internal.example").unwrap(), "request-9".into())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_names_everybody_and_changes_nothing_and_one_answer_does_it() {
    let house = House::new().await;
    let staff = house.staff(&["alice", "bob", "carol"]).await;
    let bob = house.signed_in("bob", Proof::Password).await;
    let root = house.root().await;
    let list = root.get("admin/users").await;
    assert!(list.has(&format!("name=\"pick\" value=\"{}\"", staff[0].id)) && list.has("Preview for all 4"));
    let preview = root.picks("disable", &staff[..2]).await;
    assert!(
        preview.status == 200
            && preview.has("Accounts that will be changed: 2<")
            && preview.has("<bdi>alice</bdi>")
            && preview.has("<bdi>bob</bdi>")
    );
    assert!(preview.has("Nobody can sign in to these accounts") && !preview.has("carol"));
    assert!(!house.account("alice").await.disabled && bob.get("account").await.status == 200, "a preview changes nothing");
    let done = root.goes_on("disable", &preview).await;
    assert!(done.status == 200 && done.has("Accounts changed: 2.") && done.has("role=\"status\""), "{}", done.html);
    assert!(house.account("alice").await.disabled && house.account("bob").await.disabled && !house.account("carol").await.disabled);
    assert_eq!(bob.get("account").await.status, 303);
    assert_eq!(house.log(2).await, ["account.changed bob root", "account.changed alice root"]);
    assert_eq!(house.audited(1).await, ["account.changed bob disabled, one of 2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_the_filter_matches_are_more_than_one_page_and_never_oneself() {
    let house = House::new().await;
    for n in 0..45 {
        house.add(&format!("user{n:02}"), &["staff"]).await;
    }
    house.add("guard", &["office"]).await;
    house.edit("root", |root| root.groups = vec!["admins".into(), "staff".into()]).await;
    let root = house.root().await;
    let preview = root.post("admin/bulk", &[("action", "disable"), ("scope", "all"), ("group", "staff"), ("q", "")]).await;
    assert!(preview.has("Accounts that will be changed: 45<") && !preview.has("guard"), "{}", preview.html);
    assert!(preview.has("because this is your own account") && preview.has("name=\"group\" value=\"staff\""));
    let done = root.goes_on("disable", &preview).await;
    assert!(done.has("Accounts changed: 45."));
    assert!(!house.account("guard").await.disabled && !house.account("root").await.disabled);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_changed_since_the_preview_is_named_and_not_touched() {
    let house = House::new().await;
    let staff = house.staff(&["alice", "bob", "carol", "dora"]).await;
    let root = house.root().await;
    let preview = root.picks("disable", &staff).await;
    house.edit("alice", |alice| alice.groups.push("admins".into())).await;
    house.edit("carol", |carol| carol.failures.count = 2).await;
    house.app.services.accounts.remove("dora", Actor::CommandLine).await.unwrap();
    let done = root.goes_on("disable", &preview).await;
    assert!(done.has("Changed since the preview, so not touched") && done.has("No longer there: 1.") && done.has("role=\"alert\""));
    assert!(done.has("Accounts changed: 2."), "{}", done.html);
    assert!(!house.account("alice").await.disabled, "not touched");
    assert!(house.account("bob").await.disabled && house.account("carol").await.disabled, "a wrong password in between is no change");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_at_once_one_does_it() {
    let house = House::new().await;
    let staff = house.staff(&["alice", "bob", "carol"]).await;
    let root = house.root().await;
    let preview = root.picks("disable", &staff).await;
    let (one, other) = tokio::join!(root.goes_on("disable", &preview), root.goes_on("disable", &preview));
    let counted = |answer: &Answer| answer.has("Accounts changed: 3.");
    assert!(counted(&one) != counted(&other), "one of them changes everybody: {} {}", one.html, other.html);
    for account in &staff {
        let now = house.account(&account.name).await;
        assert!(now.disabled && now.epoch == account.epoch + 1, "once");
    }
    assert_eq!(house.log(50).await.iter().filter(|line| line.starts_with("account.changed")).count(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_does_it_to_themselves_by_any_form() {
    let house = House::new().await;
    let alice = house.add("alice", &["staff"]).await;
    let root = house.root().await;
    let me = house.account("root").await;
    for action in BulkAction::ALL {
        let preview = root.picks(action.name(), std::slice::from_ref(&me)).await;
        assert!(preview.has("because this is your own account") && !preview.has("name=\"people\""), "{action:?}");
        let crafted = people(&[(&me, me.seen())]);
        let done = root.post("admin/bulk", &[("action", action.name()), ("people", &crafted)]).await;
        assert!(done.has("Accounts changed: 0."), "{action:?}: {}", done.html);
    }
    let both = people(&[(&me, me.seen()), (&alice, alice.seen())]);
    assert!(root.post("admin/bulk", &[("action", "disable"), ("people", &both)]).await.has("Accounts changed: 1."));
    let now = house.account("root").await;
    assert_eq!((now.disabled, now.epoch, now.revision), (false, me.epoch, me.revision));
    assert_eq!(root.get("admin").await.status, 200, "still signed in");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_changes_nobody() {
    let house = House::new().await;
    let alice = house.add("alice", &["staff"]).await;
    let root = house.root().await;
    let good = people(&[(&alice, alice.seen())]);
    let guessed = people(&[(&alice, Seen::from_bytes([0; Seen::LEN]))]);
    let twice = people(&[(&alice, alice.seen()), (&alice, alice.seen())]);
    let many = good.repeat(401);
    for (fields, status) in [
        (&[("action", "delete"), ("people", good.as_str())][..], 422),
        (&[("action", ""), ("people", &good)], 422),
        (&[("action", "disable"), ("people", &good[1..])], 422),
        (&[("action", "disable"), ("people", "..%00")], 422),
        (&[("action", "disable"), ("people", &twice)], 422),
        (&[("action", "disable"), ("people", &many)], 422),
        (&[("action", "disable"), ("people", &guessed)], 200),
        (&[("action", "disable"), ("scope", "picked")], 422),
        (&[("action", "disable"), ("scope", "picked"), ("pick", "x"), ("pick", "0")], 422),
        (&[("action", "disable"), ("scope", "all"), ("q", "nobody-at-all")], 422),
    ] {
        let answer = root.post("admin/bulk", fields).await;
        assert_eq!(answer.status, status, "{fields:?}");
        assert!(answer.has("role=\"alert\""), "{fields:?}");
    }
    assert_eq!(root.post_without_token("admin/bulk", &[("action", "disable"), ("people", &good)]).await.status, 403);
    let bob = house.signed_in("alice", Proof::Second { method: Method::Email, at: NOW }).await;
    assert_eq!(bob.post("admin/bulk", &[("action", "disable"), ("people", &good)]).await.status, 403, "no administrator");
    assert_eq!(root.get("admin/bulk").await.location, "/.vestibule/admin/users");
    assert_eq!(house.account("alice").await.revision, alice.revision);
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_end_those_of_the_version_that_was_shown_and_tokens_stay() {
    let house = House::new().await;
    let staff = house.staff(&["alice", "bob", "carol"]).await;
    let (alice, carol) = (house.signed_in("alice", Proof::Password).await, house.signed_in("carol", Proof::Password).await);
    let tokens = &house.app.services.api_tokens;
    let new = NewToken { name: "ci".into(), lifetime: std::time::Duration::from_secs(86_400), ..NewToken::default() };
    tokens.make(&staff[0], &new, Actor::CommandLine).await.unwrap();
    let root = house.root().await;
    let preview = root.picks("end_sessions", &staff).await;
    assert!(
        preview.has("Accounts that will be changed: 2<") && preview.has("because there is nothing to change: <bdi>bob</bdi>"),
        "{}",
        preview.html
    );
    house.edit("carol", |carol| carol.factors_changed()).await;
    let later = house.signed_in("carol", Proof::Password).await;
    let done = root.goes_on("end_sessions", &preview).await;
    assert!(done.has("Accounts changed: 1.") && done.has("<bdi>carol</bdi>"), "{}", done.html);
    assert_eq!((alice.get("account").await.status.as_u16(), carol.get("account").await.status.as_u16()), (303, 303));
    assert_eq!(later.get("account").await.status, 200, "it began after the preview, under another version");
    assert_eq!(house.audited(1).await, ["session.revoked alice 1 sessions, one of 2"]);
    assert_eq!(tokens.of(&house.account("alice").await).len(), 1);
    assert_eq!(house.account("alice").await.revision, staff[0].revision, "the account itself is not written");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_action_leaves_out_whom_it_would_not_change() {
    let house = House::new().await;
    let staff = house.staff(&["alice", "bob", "carol", "dora"]).await;
    house.password("alice", "copper-meadow-77-lamp").await;
    house.enrol("bob").await;
    house.edit("carol", |carol| carol.disabled = true).await;
    house.edit("dora", |dora| dora.failures.locked_until = Some(NOW.plus(std::time::Duration::from_secs(60)))).await;
    let root = house.root().await;
    for (action, only) in [("require_password", "alice"), ("reset_factors", "bob"), ("enable", "carol"), ("unlock", "dora")] {
        let preview = root.picks(action, &staff).await;
        assert!(
            preview.has("Accounts that will be changed: 1<") && preview.has(&format!("<li><bdi>{only}</bdi></li>")),
            "{action}: {}",
            preview.html
        );
        assert!(root.goes_on(action, &preview).await.has("Accounts changed: 1."), "{action}");
        assert!(root.picks(action, &staff).await.has("There is nobody to change."), "{action}");
    }
    assert!(house.account("alice").await.must_change_password && !house.account("carol").await.disabled);
    assert!(house.account("bob").await.enrolled().is_empty() && house.account("dora").await.failures.locked_until.is_none());
    assert!(house.log(9).await.contains(&"factor.removed bob root".to_owned()));
    // The owner hears of it, after the answer.
    for _ in 0..500 {
        if house.outbox.last_to("bob@internal.example").is_some() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("bob was not told");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_required_password_opens_nothing_but_the_page_for_a_new_one() {
    let house = House::new().await;
    let alice = house.add("alice", &["staff"]).await;
    house.password("alice", "copper-meadow-77-lamp").await;
    let before = house.signed_in("alice", Proof::Password).await;
    let root = house.root().await;
    let preview = root.picks("require_password", std::slice::from_ref(&alice)).await;
    root.goes_on("require_password", &preview).await;
    assert_eq!(before.get("account").await.status, 303, "sessions have ended");
    let (services, client) = (&house.app.services, client());
    let (old, new) = (Secret::new("copper-meadow-77-lamp"), Secret::new("granite-window-58-fern"));
    let sign_in = async |password: &Secret| services.password.sign_in("alice", password.clone(), false, &client).await;
    assert!(matches!(sign_in(&new).await, Err(Refused::WrongPassword)));
    let Ok(Entry::ChangePassword(flow)) = sign_in(&old).await else { panic!("no way to change it") };
    let change = async |current: &Secret, chosen: &str| {
        services.profile.change_required(Some(flow.id), current.clone(), Secret::new(chosen), &client).await
    };
    assert!(matches!(change(&new, "granite-window-58-fern").await, Err(Refused::WrongPassword)));
    assert!(matches!(change(&old, "short").await, Err(Refused::Weak(_))));
    assert!(house.account("alice").await.must_change_password);
    change(&old, "granite-window-58-fern").await.unwrap();
    assert!(matches!(change(&old, "granite-window-59-fern").await, Err(Refused::Gone)), "once");
    assert!(!house.account("alice").await.must_change_password);
    assert!(matches!(sign_in(&old).await, Err(Refused::WrongPassword)));
    assert!(matches!(sign_in(&new).await, Ok(Entry::SignedIn(_))));
    // Whoever has a second factor shows it first.
    house.enrol("alice").await;
    house.edit("alice", |alice| alice.must_change_password = true).await;
    assert!(matches!(sign_in(&new).await, Ok(Entry::Second(flow)) if flow.must_change_password));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_fails_in_the_middle_leaves_the_rest_untouched_and_says_so() {
    let (house, commits) = House::filling().await;
    let staff = house.staff(&["alice", "bob", "carol", "dora"]).await;
    let root = house.root().await;
    let preview = root.picks("disable", &staff).await;
    // Two accounts and their records.
    commits.store(4, Ordering::Relaxed);
    let done = root.goes_on("disable", &preview).await;
    commits.store(i64::MAX, Ordering::Relaxed);
    assert!(
        done.has("Accounts changed: 2.") && done.has("Not changed, because the store could not be written") && done.has("role=\"alert\"")
    );
    let mut disabled = Vec::new();
    for name in ["alice", "bob", "carol", "dora"] {
        disabled.push(house.account(name).await.disabled);
    }
    assert_eq!(disabled, [true, true, false, false], "{}", done.html);
    assert!(done.has("<bdi>carol</bdi>") && done.has("<bdi>dora</bdi>"));
    assert_eq!(house.audited(2).await, ["account.changed bob disabled, one of 4", "account.changed alice disabled, one of 4"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_act_changes_so_many_and_the_rest_comes_with_the_next() {
    let house = House::new().await;
    let now = house.clock.now();
    let all: Vec<Account> = (0..450)
        .map(|n| {
            serde_json::from_value(serde_json::json!({
                "id": crate::base::UserId::random().unwrap(), "name": format!("user{n:03}"), "email": format!("u{n}@internal.example"),
                "display_name": "Person", "created": now
            }))
            .unwrap()
        })
        .collect();
    house.app.services.store.create_accounts(&all).await.unwrap().unwrap();
    let root = house.root().await;
    let fields = [("action", "disable"), ("scope", "all"), ("q", "user")];
    let preview = root.post("admin/bulk", &fields).await;
    assert!(preview.has("Accounts that will be changed: 400<") && preview.has("Left for later: 50."), "{}", preview.html.len());
    assert!(preview.html.len() < 50_000, "{}", preview.html.len());
    assert!(root.goes_on("disable", &preview).await.has("Accounts changed: 400."));
    let rest = root.post("admin/bulk", &fields).await;
    assert!(rest.has("Accounts that will be changed: 50<") && rest.has(" + 390"), "those who are done are left out");
    assert!(root.goes_on("disable", &rest).await.has("Accounts changed: 50."));
}
