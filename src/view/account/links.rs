//! The part of my account about providers: which are linked, and the buttons that link one or take a link away.

use maud::{Markup, html};

use super::values::{AccountView, LinkRow};
use crate::view::parts::icon;
use crate::view::parts::layout::{Page, button_form};
use crate::view::wording::words::fill;

pub(super) fn links(page: &Page, view: &AccountView) -> Markup {
    let words = &page.words.provider;
    html! {
        section aria-labelledby="s-links" {
            h2 #s-links { (words.links) }
            p.lead { (words.links_lead) }
            ul.rows { @for link in view.links.iter().filter(|link| link.linked) { (linked(page, link)) } }
            @for link in view.links.iter().filter(|link| !link.linked) {
                (button_form(page, "account/link", &[("provider", &link.name)], "second", &fill(&words.link, &[("title", &link.title)])))
            }
        }
    }
}

fn linked(page: &Page, link: &LinkRow) -> Markup {
    html! {
        li {
            (icon::method(crate::factor::Method::External))
            div.what { strong dir="auto" { (link.title) } }
            @if link.removable { div.acts { (button_form(page, "account/unlink", &[("provider", &link.name)], "act", &page.words.provider.unlink)) } }
        }
    }
}
