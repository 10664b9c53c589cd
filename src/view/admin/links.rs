//! The part of a user's page about providers: who the user is there, and the forms that say so.

use maud::{Markup, html};

use super::panel::{action, panel, path};
use crate::view::parts::field::{Field, field};
use crate::view::parts::icon;
use crate::view::parts::layout::{Page, button_form, form};

/// Who a user is at a provider.
#[derive(Clone, Debug)]
pub struct LinkedRow {
    /// As the configuration calls it.
    pub provider: String,
    pub title: String,
    pub subject: String,
}

/// `name`: the user. `providers`: those that the user may still be linked to, by name and title.
pub(super) fn links(page: &Page, name: &str, links: &[LinkedRow], providers: &[(String, String)]) -> Markup {
    panel(
        "s-links",
        &page.words.provider.links,
        html! {
            ul.rows { @for link in links { (row(page, name, link)) } }
            @if !providers.is_empty() { (link_form(page, name, providers)) }
        },
    )
}

fn row(page: &Page, name: &str, link: &LinkedRow) -> Markup {
    html! {
        li {
            (icon::method(crate::factor::Method::External))
            div.what { strong dir="auto" { (link.title) } small dir="auto" { (link.subject) } }
            div.acts { (button_form(page, &path(name), &[("action", "unlink"), ("provider", &link.provider)], "act", &page.words.provider.unlink)) }
        }
    }
}

fn link_form(page: &Page, user: &str, providers: &[(String, String)]) -> Markup {
    let words = &page.words.provider;
    let subject = Field { name: "subject", label: &words.subject, hint: Some(&words.subject_hint), ..Field::default() };
    let choices = html! {
        (action("link"))
        div role="radiogroup" aria-labelledby="s-links" {
            @for (n, (name, title)) in providers.iter().enumerate() {
                label.check { input type="radio" name="provider" value=(name) checked[n == 0]; span { (title) } }
            }
        }
        (field(page, &subject))
        button.second { (words.link_button) }
    };
    form(page, &path(user), choices)
}
