//! The part of my account about second factors and recovery codes. A method that must stay has no button to remove it.

use maud::{Markup, html};

use super::values::{AccountView, Enrolled};
use crate::base::Time;
use crate::view::parts::layout::{Ask, Page, ask, button_form, form};
use crate::view::parts::{icon, time};
use crate::view::wording::words::fill;

/// From how many codes left the page urges to make new ones.
const FEW_CODES: usize = 3;

pub(super) fn methods(page: &Page, view: &AccountView) -> Markup {
    let words = &page.words.account;
    html! {
        section aria-labelledby="s-methods" {
            h2 #s-methods { (words.methods) }
            @if view.methods.is_empty() { p.lead { (words.methods_none) } } @else { p.lead { (words.methods_lead) } }
            ul.rows { @for (n, enrolled) in view.methods.iter().enumerate() { (method(page, enrolled, n)) } }
            @if view.methods.iter().any(|m| !m.removable) { p.hint { (words.remove_last) } }
            @if !view.addable.is_empty() {
                h3 { (words.add) }
                (form(page, "enrol", html! {
                    div.adds { @for method in &view.addable {
                        button.second name="method" value=(method) { (icon::method(*method)) (page.words.method(*method)) }
                    } }
                }))
            }
        }
    }
}

fn method(page: &Page, enrolled: &Enrolled, n: usize) -> Markup {
    let words = &page.words.account;
    let kind = page.words.method(enrolled.method);
    let title = if enrolled.name.is_empty() { kind } else { &enrolled.name };
    let remove = page.link_with("account/remove", &[("method", enrolled.method.name()), ("id", &enrolled.id)]);
    html! {
        li {
            (icon::method(enrolled.method))
            div.what {
                strong dir="auto" { (title) }
                @if title != kind { small { (kind) } }
                @if !enrolled.detail.is_empty() { small dir="auto" { (enrolled.detail) } }
                small { (words.added) " " (time::day(enrolled.added)) " · " (words.last_used) " " (used(page, enrolled.last_used)) }
            }
            div.acts {
                @if !enrolled.name.is_empty() { (rename(page, enrolled, n)) }
                @if enrolled.removable { a.act href=(remove) aria-label={ (page.words.common.remove) ": " (title) } { (page.words.common.remove) } }
            }
        }
    }
}

fn used(page: &Page, at: Option<Time>) -> Markup {
    html! { @match at { Some(at) => (time::moment(at)), None => (page.words.common.never) } }
}

/// A fold with a form in it, which opens without script.
fn rename(page: &Page, enrolled: &Enrolled, n: usize) -> Markup {
    let words = &page.words.common;
    let id = format!("name-{n}");
    html! {
        details {
            summary.act aria-label={ (words.rename) ": " (enrolled.name) } { (words.rename) }
            (form(page, "account/methods/rename", html! {
                input type="hidden" name="method" value=(enrolled.method);
                input type="hidden" name="id" value=(enrolled.id);
                label.sr for=(id) { (words.name) }
                input id=(id) name="name" value=(enrolled.name) maxlength="64" required autocomplete="off";
                button.second { (words.save) }
            }))
        }
    }
}

pub(super) fn recovery(page: &Page, view: &AccountView) -> Markup {
    let words = &page.words.account;
    html! {
        section aria-labelledby="s-recovery" {
            h2 #s-recovery { (words.recovery) }
            @match view.recovery {
                None => { p.lead { (words.recovery_none) } }
                Some((left, total)) => {
                    p { (fill(&words.recovery_left, &[("left", &left.to_string()), ("total", &total.to_string())])) }
                    @match left {
                        0 => { p.note.warn { (icon::warning()) span { (words.recovery_out) } } }
                        1..=FEW_CODES => { p.note.warn { (icon::warning()) span { (fill(&words.recovery_low, &[("left", &left.to_string())])) } } }
                        _ => {}
                    }
                    @if left > 0 {
                        (ask(page, &Ask { path: "account/recovery", fields: &[], class: "second", label: &words.recovery_new, name: "", question: &words.recovery_new_hint }))
                    } @else { (button_form(page, "account/recovery", &[], "second", &words.recovery_new)) }
                }
            }
        }
    }
}
