//! Whose house this is: the mark or the operator's logo, the company's name, and the place that was asked for.

use maud::{Markup, html};

use super::page::Page;
use super::{assets, icon};

/// What a page's title ends with: the company, else the place.
pub(in crate::view) fn whose(page: &Page) -> Option<&str> {
    page.brand.company.as_deref().or_else(|| Some(page.place()).filter(|place| !place.is_empty()))
}

/// The links of the head that the operator may put others in the place of: the icon, and a stylesheet over ours.
pub(in crate::view) fn links(page: &Page) -> Markup {
    let icon = page.brand.favicon.as_ref().map_or((assets::icon(), "image/svg+xml"), |own| (own.name(), own.content_type()));
    html! {
        @if let Some(accent) = &page.brand.accent { link rel="stylesheet" href=(page.asset(accent.name())); }
        link rel="icon" type=(icon.1) href=(page.asset(icon.0));
    }
}

/// The logo says the company's name to those who do not see it; without one, the name stands beside the mark.
pub(in crate::view) fn mark(page: &Page) -> Markup {
    let Some(logo) = page.brand.logo.as_ref().filter(|_| !page.inline) else { return icon::mark() };
    html! {
        picture.logo {
            @if let Some(dark) = &page.brand.logo_dark {
                source srcset=(page.asset(dark.name())) media="(prefers-color-scheme: dark)" type=(dark.content_type());
            }
            img src=(page.asset(logo.name())) alt=(page.brand.company.as_deref().unwrap_or_default());
        }
    }
}

/// The company's name, where no logo says it.
pub(in crate::view) fn company(page: &Page) -> Option<&str> {
    page.brand.company.as_deref().filter(|_| page.brand.logo.is_none() || page.inline)
}

/// The head of a card.
pub(in crate::view) fn header(page: &Page, signing_in: bool) -> Markup {
    let under_logo = page.brand.logo.is_some() && !page.inline;
    html! {
        header.brand.house[under_logo] {
            (mark(page))
            p {
                @if let Some(company) = company(page) { strong dir="auto" { (company) } br; }
                @if signing_in { (page.words.common.sign_in_to) br; }
                strong dir="auto" { (page.place()) }
                @if page.place.is_some() && !page.host.is_empty() { " " small { bdi { (page.host) } } }
            }
        }
    }
}

/// A legal text below the sign-in form.
pub(in crate::view) fn notice(page: &Page) -> Markup {
    html! {
        @if !page.brand.notice.is_empty() { div.notice { @for paragraph in &page.brand.notice { p dir="auto" { (paragraph) } } } }
    }
}
