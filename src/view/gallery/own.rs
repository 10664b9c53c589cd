//! The pages of my account with sample values, a name that wants to be markup among them.

use maud::Markup;

use super::samples::{HOSTILE, MASKED, ago, sent};
use crate::factor::Method;
use crate::view::account::{self, AccountView, BrowserRow, Enrolled, LinkRow, SessionDevice, SessionRow};
use crate::view::pages::applications::{ApplicationRow, ApplicationsView};
use crate::view::pages::tokens::{TokenRow, TokensView, Typed};
use crate::view::pages::{applications, contact, tokens};
use crate::view::parts::layout::{Note, Page};
use crate::view::parts::wide::AccountPages;

fn enrolled() -> Vec<Enrolled> {
    let of = |method, id: &str, name: &str, detail: &str, added, used: Option<i64>| Enrolled {
        method,
        id: id.into(),
        name: name.into(),
        detail: detail.into(),
        added: ago(added),
        last_used: used.map(ago),
        removable: true,
    };
    vec![
        of(Method::Totp, "", "Work phone", "", 90_000, Some(12)),
        of(Method::Webauthn, "AQIDBA", HOSTILE, "", 40_000, None),
        of(Method::Email, "", "", MASKED, 90_000, Some(20_000)),
    ]
}

fn view(p: &Page) -> AccountView {
    let session = |id: &str, browser: &str, address: &str, seen, current| SessionRow {
        id: id.into(),
        browser: browser.into(),
        address: address.into(),
        started: ago(seen + 200),
        last_seen: ago(seen),
        current,
        device: if current { SessionDevice::BoundSince(ago(seen + 100)) } else { SessionDevice::Unbound },
    };
    AccountView {
        links: vec![
            LinkRow { name: "corp".into(), title: HOSTILE.into(), linked: true, removable: true },
            LinkRow { name: "partner".into(), title: "Partner".into(), linked: false, removable: true },
        ],
        user: "alice".into(),
        display_name: HOSTILE.into(),
        email: "alice@internal.example".into(),
        phone: Some("+49 170 0000042".into()),
        groups: vec!["staff".into(), "admins".into()],
        note: Some(Note::Done(p.words.note.saved.clone())),
        methods: enrolled(),
        addable: vec![Method::Webauthn, Method::Sms],
        recovery: Some((3, 10)),
        password_changed: Some(ago(300_000)),
        sessions: vec![
            session("s1", "Firefox 145 · Linux", "192.0.2.17", 0, true),
            session("s2", "Safari 26 · iPhone", "2001:db8::1:42", 190, false),
        ],
        browsers: vec![BrowserRow { id: "b1".into(), name: "Firefox · Linux".into(), last_seen: ago(0), trusted_until: ago(-30_000) }],
        changeable: vec![Method::Email, Method::Sms],
        trust_offered: true,
        pages: AccountPages { tokens: true, applications: true, admin: true },
    }
}

fn tokens_view(p: &Page) -> TokensView {
    let row = |id: &str, name: &str, routes: &[&str], used: Option<i64>| TokenRow {
        id: id.into(),
        name: name.into(),
        routes: routes.iter().map(|route| (*route).to_owned()).collect(),
        expires: ago(-50_000),
        last_used: used.map(ago),
        last_used_from: "192.0.2.17".into(),
    };
    TokensView {
        tokens: vec![row("t1", "Backup of the wiki", &["wiki"], Some(90)), row("t2", HOSTILE, &[], None)],
        routes: vec![("wiki".into(), "Wiki".into()), ("git".into(), "git".into())],
        most_days: 366,
        typed: Typed { days: "90".into(), ..Typed::default() },
        pages: AccountPages { tokens: true, applications: false, admin: true },
        note: Some(Note::Error(p.words.tokens.bad_network.clone())),
    }
}

fn applications_view() -> ApplicationsView {
    let row = |route: &str, stored: Option<(&str, bool)>| ApplicationRow {
        route: route.into(),
        stored: stored.map(|(name, refused)| (name.to_owned(), refused)),
    };
    ApplicationsView {
        applications: vec![row("wiki", None), row("payroll", Some(("alice", false))), row("tickets", Some((HOSTILE, true)))],
        pages: AccountPages { tokens: true, applications: true, admin: true },
        note: None,
    }
}

/// The pages of my account.
pub(super) fn pages(p: &Page) -> Vec<(&'static str, Markup)> {
    let view = view(p);
    let only = Enrolled { removable: false, ..enrolled().swap_remove(0) };
    let bare = AccountView {
        methods: vec![only.clone()],
        recovery: None,
        sessions: Vec::new(),
        browsers: Vec::new(),
        pages: AccountPages::default(),
        ..view.clone()
    };
    vec![
        ("account", account::account(p, &view)),
        ("account-bare", account::account(p, &bare)),
        ("account-remove", account::confirm_removal(p, &only, true, false)),
        ("account-remove-own", account::confirm_removal(p, &only, false, true)),
        ("account-contact", contact::change(p, Method::Email, "", None)),
        ("account-contact-wrong", contact::change(p, Method::Sms, HOSTILE, Some(&Note::Error(p.words.contact.bad_phone.clone())))),
        ("account-contact-code", contact::confirm(p, Method::Email, MASKED, 6, sent(290, 20), None)),
        ("account-password", account::change_password(p, "alice", 12, None)),
        ("account-tokens", tokens::tokens(p, &tokens_view(p))),
        ("account-tokens-none", tokens::tokens(p, &TokensView { most_days: 366, ..TokensView::default() })),
        ("account-applications", applications::applications(p, &applications_view())),
        ("account-applications-none", applications::applications(p, &ApplicationsView::default())),
        ("account-tokens-made", tokens::made(p, HOSTILE, "vst_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")),
    ]
}
