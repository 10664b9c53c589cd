//! What leads to a provider: the buttons of the sign-in page, and the page of the second factor there.

use maud::{Markup, html};

use super::mfa::Second;
use crate::view::parts::icon;
use crate::view::parts::layout::{Card, Page, Steps, card, form};
use crate::view::wording::words::fill;

/// A provider to go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderButton {
    pub name: String,
    pub title: String,
}

/// `login/with/NAME`: a button each. `fresh`: somebody who is signed in confirms who they are.
pub(in crate::view) fn buttons(page: &Page, providers: &[ProviderButton], fresh: bool) -> Markup {
    html! {
        @if !providers.is_empty() { p.or { span { (page.words.login.or) } } }
        @for provider in providers {
            (form(page, &format!("login/with/{}", provider.name), html! {
                @if fresh { input type="hidden" name="fresh" value="1"; }
                button.second { (fill(&page.words.provider.with, &[("title", &provider.title)])) }
            }))
        }
    }
}

/// `setup/with/NAME`: a button each, in place of a password; posts the link's `token`.
pub(in crate::view) fn set_up_buttons(page: &Page, providers: &[ProviderButton], token: &str) -> Markup {
    html! {
        @if !providers.is_empty() { p.or { span { (page.words.login.or) } } }
        @for provider in providers {
            (form(page, &format!("setup/with/{}", provider.name), html! {
                input type="hidden" name="token" value=(token);
                button.second { (fill(&page.words.provider.with, &[("title", &provider.title)])) }
            }))
        }
    }
}

/// `mfa/external` and `enrol/external`: a button for each provider that can confirm, in the field `provider`.
pub fn external(page: &Page, second: &Second, path: &str, providers: &[ProviderButton]) -> Markup {
    let words = &page.words.provider;
    let setting_up = path.starts_with("enrol");
    let (heading, lead) = if setting_up { (&words.link_heading, &words.link_lead) } else { (&words.factor_heading, &words.factor_lead) };
    let titles: Vec<&str> = providers.iter().map(|provider| provider.title.as_str()).collect();
    let lead = fill(lead, &[("title", &titles.join(", "))]);
    let head = Card {
        heading,
        lead: Some(html! { (lead) }),
        steps: Some(Steps { now: 2, of: 2 }),
        note: second.note.as_ref(),
        signing_in: !setting_up,
        start_over: (!setting_up).then(|| page.link(if second.signed_in { "logout" } else { "login" })),
        ..Card::default()
    };
    let ways = html! {
        @for provider in providers {
            button.go name="provider" value=(provider.name) { (icon::method(crate::factor::Method::External)) (fill(&words.with, &[("title", &provider.title)])) }
        }
    };
    card(page, &head, html! { (form(page, path, ways)) (super::mfa::ways_out(page, second)) })
}
