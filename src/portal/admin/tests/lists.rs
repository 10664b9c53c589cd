//! The lists: searched, paged, narrowed; and the numbers of the overview.

use std::sync::Arc;
use std::time::Duration;

use super::house::{House, NOW};
use crate::factor::{Method, MethodSet};
use crate::policy::{Application, CertificateUse, Level, Proof, ProxyOptions, Requirement, Route};
use crate::service::admin::Period;
use crate::service::audit::{Actor, Event};
use crate::service::audit::{Chain, PageStart, RecordFilter};
use crate::store::kv::{Batch, key};

fn rows(html: &str) -> usize {
    html.matches("<th scope=\"row\">").count()
}

fn route(name: &str, groups: &[&str], factors: Option<MethodSet>, level: Level) -> Route {
    let groups = (!groups.is_empty()).then(|| groups.iter().map(|group| (*group).to_owned()).collect());
    Route {
        name: Arc::from(name),
        hosts: Vec::new(),
        path: format!("/{name}"),
        upstreams: Vec::new(),
        requirement: Requirement { level, groups, factors, max_age: None, client_certificate: CertificateUse::None, enforce: true },
        rules: Vec::new(),
        encoded_slash: false,
        keep_post: true,
        proxy: ProxyOptions::default(),
        application: Application::default(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn users_are_paged_and_searched() {
    let house = House::new().await;
    for n in 0..85 {
        house.add(&format!("user{n:02}"), &["staff"]).await;
    }
    let root = house.root().await;
    let first = root.get("admin/users").await;
    assert!(rows(&first.html) == 40 && first.has("href=\"/.vestibule/admin/users?page=2\"") && first.has(">86 "));
    let last = root.get("admin/users?page=99").await;
    assert!(rows(&last.html) == 6 && last.has("user84@internal.example"));
    let found = root.get("admin/users?q=USER8").await;
    assert!(rows(&found.html) == 5 && !found.has("rel=\"next\""));
    assert_eq!(rows(&root.get("admin/users?q=%3Cscript%3E").await.html), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn users_are_narrowed_and_exported_as_they_are_shown() {
    let house = House::new().await;
    house.add("alice", &["staff"]).await;
    house.add("bob", &["office"]).await;
    house.enrol("bob").await;
    let root = house.root().await;
    let shown = async |query: &str| rows(&root.get(&format!("admin/users?{query}")).await.html);
    for (query, count) in [
        ("factor=with", 2),
        ("factor=without", 1),
        ("group=staff", 1),
        ("group=sta", 0),
        ("state=active", 3),
        ("state=locked", 0),
        ("state=x", 3),
        ("q=o&factor=with&group=office", 1),
    ] {
        assert_eq!(shown(query).await, count, "{query}");
    }
    let csv = root.get("admin/users/export?format=csv&factor=with&q=bob").await;
    assert_eq!(csv.html.lines().count(), 2, "{}", csv.html);
    assert!(csv.html.starts_with("name,display_name,email,groups,") && csv.has("bob@internal.example,office,false,false,"), "{}", csv.html);
    let all: serde_json::Value = serde_json::from_str(&root.get("admin/users/export?format=json").await.html).unwrap();
    assert_eq!(all.as_array().unwrap().len(), 3);
    assert_eq!(root.get("admin/users/export?format=xls").await.status, 404);
    let bob = house.signed_in("bob", Proof::Password).await;
    let page = bob.get("admin/users/export?format=csv").await;
    assert!(page.status != 200 && !page.has("alice"), "only administrators: {}", page.html);
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_searched_and_ended() {
    let house = House::new().await;
    house.add("bob", &["staff"]).await;
    let bob = house.signed_in("bob", Proof::Password).await;
    house.clock.advance(Duration::from_secs(5));
    let root = house.root().await;
    assert_eq!(rows(&root.get("admin/sessions").await.html), 2);
    let found = root.get("admin/sessions?q=bob@internal").await;
    assert_eq!(rows(&found.html), 1);
    let id = found.between("name=\"id\" value=\"", "\"");
    root.post("admin/sessions", &[("id", &id)]).await;
    assert_eq!(bob.get("account").await.status, 303);
    assert_eq!(house.log(1).await, ["session.revoked bob root"]);
    for nonsense in ["", "x", &id] {
        assert_eq!(root.post("admin/sessions", &[("id", nonsense)]).await.status, 200, "over already");
    }
    assert_eq!(house.log(1).await, ["session.revoked bob root"]);
}

/// So many records of alice, an hour apart, every tenth a failure.
async fn history(house: &House, count: u64) {
    for n in 0..count {
        let event = if n % 10 == 0 { Event::PasswordWrong } else { Event::SignedIn };
        house.app.services.audit.record(event, Some("alice"), Actor::Gateway, format!("no {n}")).await.unwrap();
        house.clock.advance(Duration::from_secs(3600));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_paged_both_ways_and_narrowed() {
    let house = House::new().await;
    history(&house, 100).await;
    let root = house.root().await;
    let first = root.get("admin/audit").await;
    assert!(first.has(">no 99<") && first.has(">no 60<") && !first.has(">no 59<") && !first.has("rel=\"prev\""));
    let older = first.between("rel=\"next\" href=\"/.vestibule/", "\"").replace("&amp;", "&");
    let second = root.get(&older).await;
    assert!(second.has(">no 59<") && second.has(">no 20<") && !second.has(">no 60<"));
    let newer = second.between("rel=\"prev\" href=\"/.vestibule/", "\"").replace("&amp;", "&");
    let back = root.get(&newer).await;
    assert!(back.has(">no 99<") && back.has(">no 60<") && !back.has(">no 59<"));
    let failed = root.get("admin/audit?event=password.wrong&user=ALICE").await;
    assert!(failed.has(">no 90<") && failed.has(">no 0<") && !failed.has(">no 99<") && !failed.has("rel=\"next\""));
    // 2023-11-14T22:13:20Z is the first; the second day has the records 2 to 25.
    let day = root.get("admin/audit?since=2023-11-15&until=2023-11-15").await;
    assert!(day.has(">no 2<") && day.has(">no 25<") && !day.has(">no 1<") && !day.has(">no 26<"));
    assert!(!root.get("admin/audit?user=bob").await.has("alice"));
    for odd in ["before=0", "before=18446744073709551615", "after=18446744073709551615", "before=x&since=never", "after=0&until=1000-01-01"]
    {
        assert_eq!(root.get(&format!("admin/audit?{odd}")).await.status, 200, "{odd}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_proved_on_demand_and_tampering_shows() {
    let house = House::new().await;
    history(&house, 20).await;
    let root = house.root().await;
    assert!(!root.get("admin/audit").await.has("The log is whole"));
    assert!(root.get("admin/audit?verify=1").await.has("The log is whole"));
    let services = &house.app.services;
    let mut record = services.store.audit_after(9, 1).await.unwrap().remove(0);
    record.detail = "nothing to see".into();
    let forged = Batch::default().put(key("audit", 10u64.to_be_bytes()), serde_json::to_vec(&record).unwrap());
    services.store.kv().commit(forged).await.unwrap();
    assert_eq!(services.audit_verifier.prove().await.unwrap(), Chain::Broken("10".into()));
    assert!(root.get("admin/audit?verify=1").await.has("does not verify"));
    services.store.kv().commit(Batch::default().delete(key("audit", 10u64.to_be_bytes()))).await.unwrap();
    assert_eq!(services.audit_verifier.prove().await.unwrap(), Chain::Broken("10".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_overview_counts_the_last_day_and_not_more() {
    let house = House::new().await;
    history(&house, 50).await;
    let services = &house.app.services;
    let day = services.overview.over_time(Period::Day, 0).await.unwrap();
    let sums = day.iter().fold((0, 0), |(a, b), (_, tally)| (a + tally.sign_ins, b + tally.failures));
    assert_eq!((day.len(), sums), (24, (21, 2)), "the hour under way is empty; of the records 27 to 49, two are failures");
    services.audit.record(Event::SignedIn, Some("alice"), Actor::Gateway, "").await.unwrap();
    assert_eq!(services.overview.over_time(Period::Day, 0).await.unwrap().last().unwrap().1.sign_ins, 0, "a look holds for a minute");
    house.clock.advance(Duration::from_secs(60));
    assert_eq!(services.overview.over_time(Period::Day, 0).await.unwrap().last().unwrap().1.sign_ins, 1, "and then goes on where it was");
    assert_eq!(house.clock.now().since(NOW), Duration::from_secs(50 * 3600 + 60));
}

/// A long log written in one go: so many records, a second apart, the first of them another's.
async fn long_history(house: &House, count: u64) {
    let mut batch = Batch::default();
    for seq in 1..=count {
        let user = if seq == 1 { "bob" } else { "alice" };
        let record = serde_json::json!({
            "seq": seq, "at": NOW.millis() + 1000 * i64::try_from(seq).unwrap(), "event": "sign_in.finished", "user": user,
            "detail": format!("no {seq}"), "previous": "", "hash": ""
        });
        batch = batch.put(key("audit", seq.to_be_bytes()), record.to_string());
    }
    let head = serde_json::json!({ "seq": count, "hash": "" }).to_string();
    assert!(house.app.services.store.kv().commit(batch.put("audit-head", head)).await.unwrap());
    house.clock.advance(Duration::from_secs(count));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_looks_through_so_many_records_and_says_so() {
    let house = House::new().await;
    long_history(&house, 5_100).await;
    let root = house.root().await;
    let page = root.get("admin/audit?user=bob").await;
    assert!(page.has("5000 records were looked through") && !page.has(">no 1<"));
    let older = page.between("rel=\"next\" href=\"/.vestibule/", "\"").replace("&amp;", "&");
    let rest = root.get(&older).await;
    assert!(rest.has(">no 1<") && !rest.has("looked through") && !rest.has("rel=\"next\""));
    let far = root.get("admin/audit?before=50").await;
    assert!(far.has(">no 49<") && far.has(">no 10<") && !far.has(">no 50<"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_day_reads_so_many_records_and_leaves_out_what_it_read_in_part() {
    let house = House::new().await;
    long_history(&house, 20_100).await;
    let day = house.app.services.overview.over_time(Period::Day, 0).await.unwrap();
    assert!(day.len() < 24 && day.iter().all(|(_, tally)| tally.sign_ins > 0), "an hour that was read in part is left out");
    assert!(day[..day.len() - 1].iter().all(|(_, tally)| tally.sign_ins == 3600));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_found_in_the_log_however_it_is_written() {
    let house = House::new().await;
    let services = &house.app.services;
    for name in ["Alice", "ALICE", "ａｌｉｃｅ", "al\"ice", "Éva", "bob"] {
        services.audit.record(Event::SignedIn, Some(name), Actor::Gateway, format!("of {name}")).await.unwrap();
    }
    let found = async |user: &str| {
        let filter = RecordFilter { user: user.into(), event: "sign_in.finished".into(), ..RecordFilter::default() };
        services.audit_reader.page(&filter, PageStart::End, 40).await.unwrap().records.len()
    };
    assert_eq!((found("alice").await, found("al\"ice").await, found("éVA").await, found("lice").await), (3, 1, 1, 0));
    let filter = RecordFilter { event: "sign_out".into(), ..RecordFilter::default() };
    assert!(services.audit_reader.page(&filter, PageStart::End, 40).await.unwrap().records.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_ready_for_a_route_is_counted_and_listed() {
    let only_totp = Some(MethodSet::EMPTY.with(Method::Totp));
    let house = House::with(|config| {
        config.routes = vec![
            route("payroll", &["staff"], None, Level::TwoFactor),
            route("vault", &[], only_totp, Level::TwoFactor),
            route("wiki", &["staff"], None, Level::OneFactor),
        ];
    })
    .await;
    for name in ["bob", "carol", "dora"] {
        house.add(name, &["staff"]).await;
    }
    house.enrol("bob").await;
    house.edit("dora", |dora| dora.disabled = true).await;
    let census = house.app.services.overview.census(house.app.policy().routes()).await.unwrap();
    let routes: Vec<_> = census.routes.iter().map(|(name, ready, of)| (&**name, *ready, *of)).collect();
    assert_eq!(routes, [("payroll", 1, 2), ("vault", 0, 3)]);
    assert_eq!((census.users, census.enrolled), (4, 2));
    let root = house.root().await;
    assert!(root.get("admin").await.has("href=\"/.vestibule/admin/users?missing=payroll\""));
    let missing = root.get("admin/users?missing=payroll").await;
    assert!(rows(&missing.html) == 1 && missing.has("carol@internal.example"));
    assert_eq!(rows(&root.get("admin/users?missing=vault&q=bob").await.html), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_a_route_would_have_stopped_is_counted_within_bounds() {
    let house = House::new().await;
    let observed = &house.app.services.observed;
    for _ in 0..3 {
        observed.note("wiki", Some("bob"), "second_factor");
    }
    for n in 0..2000 {
        observed.note("wiki", Some(&format!("user{n}")), "enrol");
    }
    observed.note("wiki", Some("bob"), "second_factor");
    let (top, of) = observed.top(1);
    assert_eq!((top[0].0.user.as_str(), top[0].1, of), ("bob", 4, 1000));
    assert!(house.root().await.get("admin").await.has("second_factor"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_week_and_a_month_are_days_of_the_readers_zone() {
    let house = House::new().await;
    // An hour apart from 2023-11-14T22:13:20Z on, for 40 days.
    history(&house, 960).await;
    let overview = &house.app.services.overview;
    let week = overview.over_time(Period::Week, 0).await.unwrap();
    assert_eq!(week.len(), 7);
    assert!(week.iter().all(|(began, _)| began.millis() % 86_400_000 == 0));
    let sums: Vec<u64> = week.iter().map(|(_, tally)| tally.sign_ins + tally.failures).collect();
    assert_eq!((&sums[..6], sums[6]), (&[24; 6][..], 22), "whole days, and the one under way");
    let month = overview.over_time(Period::Month, 330).await.unwrap();
    assert_eq!(month.len(), 30);
    assert!(month.iter().all(|(began, _)| (began.millis() + 330 * 60_000) % 86_400_000 == 0), "midnight there");
    assert!(month[..29].iter().all(|(_, tally)| tally.sign_ins + tally.failures == 24));
    let root = house.root().await;
    let page = root.get("admin?period=month&ahead=330").await;
    assert!(page.has("UTC+05:30") && page.has("aria-current=\"true\">Month") && page.html.matches("data-date=\"own\"").count() > 30);
    for odd in ["period=year&ahead=x", "period=week&ahead=99999", "period=week&ahead=-721", "period=day&ahead=120"] {
        let page = root.get(&format!("admin?{odd}")).await;
        assert!(page.status == 200 && page.has(">UTC</span>"), "{odd}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_log_is_read_in_looks_until_the_month_is_whole() {
    let house = House::new().await;
    long_history(&house, 45_000).await;
    let overview = &house.app.services.overview;
    let mut sums = Vec::new();
    for _ in 0..4 {
        let month = overview.over_time(Period::Day, 0).await.unwrap();
        sums.push(month.iter().map(|(_, tally)| tally.sign_ins).sum::<u64>());
        house.clock.advance(Duration::from_secs(60));
    }
    assert!(sums[0] < 20_000 && sums[1] > sums[0] && sums[2] == 45_000 && sums[3] == 45_000, "{sums:?}");
}
