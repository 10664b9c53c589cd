//! The pages of the administration with sample values, lists as long as they get.

use maud::Markup;

use super::samples::{HOSTILE, ago};
use crate::account::{BulkAction, MfaPolicy, UserMfaPolicy};
use crate::factor::Method;
use crate::view::admin::{
    self, AuditRow, AuditView, BulkDone, BulkPreview, BulkSkipped, CertificateFacts, DevicesView, GatewayRow, LinkedRow, MethodRow,
    ObservedRow, OverTime, OverviewView, Paging, PolicyChoice, RouteDevicesRow, RouteProgress, Span, State, Trail, UserRow, UserView,
};
use crate::view::fill;
use crate::view::pages::tokens::TokenRow;
use crate::view::parts::layout::{Note, Page};

/// The pages of the administration.
pub(super) fn pages(p: &Page) -> Vec<(&'static str, Markup)> {
    let paging = Paging { page: 2, total: 273 };
    let users =
        admin::UsersView { query: String::new(), rows: (0..admin::PAGE_ROWS).map(user_row).collect(), paging, ..Default::default() };
    let empty = admin::UsersView { query: "nobody".into(), ..Default::default() };
    vec![
        ("admin", admin::overview(p, &overview())),
        ("admin-day", admin::overview(p, &OverviewView { over_time: over_time(Span::Day), ..overview() })),
        ("admin-users", admin::users(p, &users)),
        ("admin-users-none", admin::users(p, &empty)),
        ("admin-bulk", admin::bulk_preview(p, &bulk(p))),
        ("admin-bulk-done", admin::bulk_done(p, &bulk_done(p))),
        ("admin-user", admin::user(p, &user())),
        ("admin-user-service", admin::user(p, &machine())),
        ("admin-user-new", admin::new_user(p, &UserView::default())),
        ("admin-user-link", admin::setup_link(p, "alice", "https://payroll.internal.example/.vestibule/setup?token=t0ken")),
        ("admin-user-codes", admin::recovery_codes(p, "alice", &["abcd-efgh-ijkl-mnop".to_owned()])),
        ("admin-user-delete", admin::confirm_delete(p, "alice", None)),
        ("admin-sessions", admin::sessions(p, &sessions(paging))),
        ("admin-audit", admin::audit(p, &audit())),
    ]
}

fn user_row(n: usize) -> UserRow {
    let states = [State::Active, State::Active, State::Locked(ago(-10)), State::Disabled];
    UserRow {
        id: format!("{n:032x}"),
        name: format!("user{n}.of-the-house"),
        display_name: if n == 0 { HOSTILE.into() } else { format!("Person Number {n}") },
        email: format!("user{n}.of-the-house@internal.example"),
        state: states.get(n % 4).copied().unwrap_or_default(),
        policy: UserMfaPolicy::Inherit,
        methods: Method::ENROLLABLE.into_iter().take(n % 5).collect(),
        last_sign_in: (!n.is_multiple_of(3)).then(|| ago(n as i64 * 90)),
    }
}

/// As many as one act changes.
fn bulk(p: &Page) -> BulkPreview {
    let most = 400;
    BulkPreview {
        action: BulkAction::RequirePassword,
        names: (1..=most).map(|n| if n == most { HOSTILE.into() } else { format!("user{n}.of-the-house") }).collect(),
        people: "A".repeat(most * 28 * 4 / 3),
        more: 1200,
        most,
        skipped: vec![BulkSkipped { why: p.words.admin.bulk_no_password.clone(), names: vec!["grace".into(), "erin".into()], more: 7 }],
        back: vec![("q", "house".into()), ("state", "active".into())],
    }
}

fn bulk_done(p: &Page) -> BulkDone {
    let names = |from: usize, to: usize| (from..to).map(|n| format!("user{n}.of-the-house")).collect();
    BulkDone {
        action: BulkAction::Disable,
        note: Note::Error(fill(&p.words.admin.bulk_done, &[("n", "18")])),
        done: names(0, 18),
        changed: names(20, 22),
        gone: 1,
        failed: names(30, 32),
        back: Vec::new(),
    }
}

fn user() -> UserView {
    UserView {
        name: "alice".into(),
        display_name: HOSTILE.into(),
        email: "alice@internal.example".into(),
        phone: "+491700000042".into(),
        groups: vec!["staff".into(), "admins".into()],
        note: None,
        state: State::Locked(ago(-10)),
        created: ago(600_000),
        last_sign_in: Some(ago(30)),
        sessions: 2,
        policy: PolicyChoice { own: UserMfaPolicy::Required, server: MfaPolicy::Optional },
        methods: vec![MethodRow { method: Method::Webauthn, detail: "YubiKey blue".into(), added: ago(40_000), last_used: Some(ago(30)) }],
        recovery: Some((10, 10)),
        allowed: None,
        server_methods: Method::ENROLLABLE.into_iter().collect(),
        links: vec![LinkedRow { provider: "corp".into(), title: HOSTILE.into(), subject: "248289761001".into() }],
        providers: vec![("partner".into(), "Partner".into())],
        has_password: true,
        must_change_password: false,
        can_mail: true,
        tokens: vec![TokenRow {
            id: "t1".into(),
            name: HOSTILE.into(),
            routes: vec!["wiki".into()],
            expires: ago(-50_000),
            last_used: Some(ago(90)),
            last_used_from: "192.0.2.17".into(),
        }],
        service: false,
        certificate: None,
        source: None,
    }
}

fn machine() -> UserView {
    let seen = Some((["5C:0E"; 16].join(":"), ago(-500_000), ago(3)));
    UserView {
        name: "backup".into(),
        display_name: "backup".into(),
        service: true,
        certificate: Some(CertificateFacts { subject: format!("CN={HOSTILE},O=Example"), seen }),
        ..user()
    }
}

fn events(count: usize) -> Vec<AuditRow> {
    let row = |n: usize| AuditRow {
        at: ago(n as i64 * 7),
        event: ["sign_in", "totp_wrong", "recovery_used", "method_added"].get(n % 4).copied().unwrap_or_default().into(),
        user: format!("user{n}.of-the-house"),
        by: if n % 4 == 3 { "admin".into() } else { String::new() },
        address: format!("192.0.2.{n}"),
        ok: n % 4 != 1,
        detail: "route payroll, second factor totp, Firefox 145 on Linux".into(),
    };
    (0..count).map(row).collect()
}

/// A month of days, or a day of hours.
fn over_time(span: Span) -> OverTime {
    let (count, minutes) = if span == Span::Day { (24, 60) } else { (30, 1440) };
    let of = |n: i64| (ago((count - n) * minutes), u64::try_from(120 + n * 37 % 83).unwrap_or(0), u64::try_from(n * 13 % 29).unwrap_or(0));
    OverTime { span, ahead: None, periods: (1..=count).map(of).collect() }
}

fn overview() -> OverviewView {
    let row = |wants, refused: &[&str], more| RouteDevicesRow {
        route: HOSTILE.into(),
        wants,
        bound: 100,
        all: 184,
        refused: refused.iter().map(|name| (*name).to_owned()).collect(),
        more,
    };
    OverviewView {
        devices: Some(DevicesView { bound: 120, all: 184, routes: vec![row("prefer", &["alice", "bob"], 62), row("require", &[], 0)] }),
        active_sessions: 184,
        users: 273,
        enrolled: 201,
        locked: 2,
        over_time: over_time(Span::Month),
        in_use: vec![(Method::Totp, 142), (Method::Webauthn, 77), (Method::Email, 61), (Method::Sms, 12)],
        routes: vec![
            RouteProgress { route: "payroll".into(), ready: 24, of: 31 },
            RouteProgress { route: "wiki".into(), ready: 201, of: 273 },
        ],
        observed: vec![ObservedRow { route: "wiki".into(), user: "user4".into(), reason: "second_factor".into(), count: 31 }],
        gateways: ["web1", "web2"].map(gateway).to_vec(),
        gateways_differ: true,
        recent: events(6),
    }
}

fn gateway(name: &str) -> GatewayRow {
    let own = name == "web1";
    GatewayRow {
        name: name.into(),
        listeners: vec!["https://192.0.2.7:443".into()],
        version: "1.0.0".into(),
        fingerprint: if own { "3f2a01b2c3d4" } else { "91bc5d0e7f10" }.into(),
        heard: ago(0),
        sessions: 184,
        live: own,
        own,
    }
}

fn sessions(paging: Paging) -> admin::SessionsView {
    let row = |n: usize| admin::SessionRow {
        id: "abcdefghijklmnopqrstuvwxyz".into(),
        user: format!("user{n}.of-the-house"),
        browser: "Firefox 145 · Linux".into(),
        address: format!("192.0.2.{n}"),
        started: ago(n as i64 * 10 + 300),
        last_seen: ago(n as i64),
        method: (!n.is_multiple_of(3)).then_some(Method::Totp),
        current: n == 0,
    };
    admin::SessionsView { rows: (0..admin::PAGE_ROWS).map(row).collect(), paging, ..Default::default() }
}

fn audit() -> AuditView {
    AuditView {
        events: ["sign_in", "totp_wrong", "recovery_used", "method_added"].map(str::to_owned).to_vec(),
        rows: events(admin::PAGE_ROWS),
        trail: Trail { newer: Some(9_000), older: Some(8_000), bounded: None },
        chain: Some(Ok(())),
        ..Default::default()
    }
}
