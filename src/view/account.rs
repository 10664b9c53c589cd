//! My account: who I am, my second factors, recovery codes, password, sessions and trusted browsers.
//!
//! Forms, all below `account/`: `methods/rename` (`method`, `id`, `name`), `methods/remove` (`method`, `id`), `recovery`, `password`
//! (`current`, `password`), `sessions/end` (`id`, or `others=1`), `browsers/revoke` (`id`, or `all=1`), `link` and `unlink` (`provider`). Adding a method posts `method` to
//! `enrol`. `account/remove?method=…&id=…` asks first.

use maud::{Markup, html};

mod changes;
mod links;
mod methods;
mod values;

pub use changes::{change_password, confirm_removal};
pub use values::{AccountView, BrowserRow, Enrolled, LinkRow, SessionDevice, SessionRow};

use super::parts::layout::{Ask, Page, ask, named_button, note};
use super::parts::time;
use super::wording::words::fill;
use crate::factor::Method;

/// `account`.
pub fn account(page: &Page, view: &AccountView) -> Markup {
    let words = &page.words.account;
    let nav = super::parts::wide::account_tabs(page, view.pages, "account");
    super::parts::wide::wide(
        page,
        &words.heading,
        &nav,
        html! {
            (note(view.note.as_ref()))
            div.panels {
                (methods::methods(page, view))
                (methods::recovery(page, view))
                (profile(page, view))
                (password(page, view))
                @if !view.links.is_empty() { (links::links(page, view)) }
                (sessions(page, view))
                @if view.trust_offered || !view.browsers.is_empty() { (browsers(page, view)) }
            }
        },
    )
}

fn profile(page: &Page, view: &AccountView) -> Markup {
    let words = &page.words.account;
    html! {
        section aria-labelledby="s-profile" {
            h2 #s-profile { (words.profile) }
            dl.facts {
                (fact(&words.display_name, &view.display_name))
                (fact(&words.username, &view.user))
                (own_fact(page, view, Method::Email, &words.email, &view.email))
                @if view.phone.is_some() || view.changeable.contains(&Method::Sms) {
                    (own_fact(page, view, Method::Sms, &words.phone, view.phone.as_deref().unwrap_or("–")))
                }
                @if !view.groups.is_empty() { (fact(&words.groups, &view.groups.join(", "))) }
            }
        }
    }
}

/// With the way to change it, where its owner may.
fn own_fact(page: &Page, view: &AccountView, method: Method, label: &str, value: &str) -> Markup {
    let change = &page.words.contact.change;
    html! {
        div {
            dt { (label) }
            dd { bdi { (value) } @if view.changeable.contains(&method) {
                " " a href=(page.link_with("account/contact", &[("method", method.name())])) aria-label={ (label) ": " (change) } { (change) }
            } }
        }
    }
}

pub(super) fn fact(label: &str, value: &str) -> Markup {
    html! { div { dt { (label) } dd dir="auto" { (value) } } }
}

fn password(page: &Page, view: &AccountView) -> Markup {
    let words = &page.words.account;
    html! {
        section aria-labelledby="s-password" {
            h2 #s-password { (words.password) }
            @if let Some(at) = view.password_changed { p { (words.password_changed) " " (time::day(at)) } }
            a.button.second href=(page.link("account/password")) { (words.password_change) }
        }
    }
}

fn session_device(page: &Page, session: &SessionRow) -> Markup {
    let words = &page.words.account;
    html! {
        @match session.device {
            SessionDevice::Off => {}
            SessionDevice::Unbound => { small { (words.device_none) } }
            SessionDevice::BoundSince(at) if session.current => { small { (words.device) " " (time::moment(at)) } }
            SessionDevice::BoundSince(at) => { small { (words.device_other) " " (time::moment(at)) } }
        }
    }
}

fn sessions(page: &Page, view: &AccountView) -> Markup {
    let words = &page.words.account;
    html! {
        section aria-labelledby="s-sessions" {
            h2 #s-sessions { (words.sessions) }
            ul.rows { @for s in &view.sessions {
                li {
                    div.what {
                        strong { bdi { (s.browser) } @if s.current { " " span.tag { (words.session_this) } } }
                        small { bdi { (s.address) } " · " (words.last_seen) " " (time::moment(s.last_seen)) " · " (words.since) " " (time::moment(s.started)) }
                        (session_device(page, s))
                    }
                    @if !s.current {
                        @let name = fill(&words.end_of, &[("browser", &s.browser)]);
                        div.acts { (named_button(page, "account/sessions/end", &[("id", &s.id)], "act", &words.end, &name)) }
                    }
                }
            } }
            @if view.sessions.iter().any(|s| !s.current) {
                (ask(page, &Ask { path: "account/sessions/end", fields: &[("others", "1")], class: "second", label: &words.end_others, name: "", question: &words.end_others_ask }))
            }
        }
    }
}

fn browsers(page: &Page, view: &AccountView) -> Markup {
    let words = &page.words.account;
    html! {
        section aria-labelledby="s-browsers" {
            h2 #s-browsers { (words.browsers) }
            p.lead { @if view.browsers.is_empty() { (words.browsers_none) } @else { (words.browsers_lead) } }
            ul.rows { @for b in &view.browsers {
                li {
                    div.what {
                        strong { bdi { (b.name) } }
                        small { (words.trusted_until) " " (time::day(b.trusted_until)) " · " (words.last_seen) " " (time::moment(b.last_seen)) }
                    }
                    @let name = fill(&words.revoke_of, &[("browser", &b.name)]);
                    div.acts { (named_button(page, "account/browsers/revoke", &[("id", &b.id)], "act", &words.revoke, &name)) }
                }
            } }
            @if view.browsers.len() > 1 { (ask(page, &Ask { path: "account/browsers/revoke", fields: &[("all", "1")], class: "second", label: &words.revoke_all, name: "", question: &words.revoke_all_ask })) }
        }
    }
}
