//! What all pages share: the document, the card of the sign-in pages, forms that carry `csrf` and `rd`, fields, notes.

use std::borrow::Cow;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{assets, icon};
use crate::view::wording::words::fill;
use crate::view::wording::words_keys::Words;

/// Unreserved characters stay as they are (RFC 3986 section 2.3); all else in a query value or path segment is encoded.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What every page needs to know of the request that it answers.
#[derive(Clone, Debug)]
pub struct Page {
    pub words: &'static Words,
    /// `/.vestibule`, without a trailing slash.
    pub prefix: String,
    /// `portal.title`: the heading of the sign-in page where it is not the default one.
    pub title: String,
    /// The host that was asked for, for "Sign in to continue to".
    pub host: String,
    pub csrf: String,
    /// Where to go in the end; empty: nowhere in particular.
    pub rd: String,
    /// A page or `mailto:` address for those who are stuck.
    pub help: Option<String>,
    /// The style stands in the page and nothing is loaded: for a host that serves none of our files.
    pub inline: bool,
}

impl Page {
    /// The address of a page of the gateway, with the way back in its query.
    pub fn link(&self, path: &str) -> String {
        self.link_with(path, &[])
    }

    /// The same, with more in its query; values are percent-encoded here.
    pub fn link_with(&self, path: &str, query: &[(&str, &str)]) -> String {
        let mut url = self.action(path);
        let rd = [("rd", self.rd.as_str())];
        for (name, value) in query.iter().chain(&rd).filter(|(_, value)| !value.is_empty()) {
            url.push(if url.contains('?') { '&' } else { '?' });
            url.extend([*name, "="]);
            url.extend(utf8_percent_encode(value, VALUE));
        }
        url
    }

    /// Where a form posts to.
    pub fn action(&self, path: &str) -> String {
        format!("{}/{path}", self.prefix)
    }

    pub(in crate::view) fn asset(&self, name: &str) -> String {
        format!("{}/assets/{name}", self.prefix)
    }
}

/// Text for one segment of a path.
pub(in crate::view) fn segment(text: &str) -> Cow<'_, str> {
    utf8_percent_encode(text, VALUE).into()
}

/// How far along one is: `now` of `of`, from one.
#[derive(Clone, Copy, Debug)]
pub struct Steps {
    pub now: u8,
    pub of: u8,
}

/// A line of text above a form.
#[derive(Clone, Debug)]
pub enum Note {
    /// Something was refused: `role="alert"`, and the page's field is marked invalid.
    Error(String),
    /// Something was done: `role="status"`.
    Done(String),
}

impl Note {
    pub(in crate::view) fn is_error(note: Option<&Self>) -> bool {
        matches!(note, Some(Self::Error(_)))
    }
}

pub(in crate::view) fn note(note: Option<&Note>) -> Markup {
    html! {
        @match note {
            Some(Note::Error(text)) => { p.note.bad #note role="alert" { (icon::warning()) span { (text) } } }
            Some(Note::Done(text)) => { p.note.good #note role="status" { (icon::check()) span { (text) } } }
            None => {}
        }
    }
}

/// Reloads the page by itself where there is no script to animate it.
pub(in crate::view) struct Refresh {
    pub(in crate::view) seconds: u64,
    pub(in crate::view) url: String,
}

/// The whole document.
pub(in crate::view) fn document(page: &Page, heading: &str, class: &str, refresh: Option<&Refresh>, body: Markup) -> Markup {
    let words = page.words;
    html! {
        (DOCTYPE)
        html lang=(words.meta.lang) dir=(words.meta.dir) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                title { (heading) @if !page.host.is_empty() { " · " (page.host) } }
                @if page.inline {
                    style { (PreEscaped(assets::STYLE)) }
                } @else {
                    link rel="stylesheet" href=(page.asset(assets::style()));
                    link rel="icon" type="image/svg+xml" href=(page.asset(assets::icon()));
                    script type="module" src=(page.asset(assets::script())) {}
                }
                @if let Some(refresh) = refresh {
                    noscript { meta http-equiv="refresh" content={ (refresh.seconds) ";url=" (refresh.url) }; }
                }
            }
            body class=(class) { (body) }
        }
    }
}

/// The head and foot of a card.
#[derive(Default)]
pub(in crate::view) struct Card<'a> {
    pub(in crate::view) heading: &'a str,
    pub(in crate::view) lead: Option<Markup>,
    pub(in crate::view) steps: Option<Steps>,
    pub(in crate::view) note: Option<&'a Note>,
    pub(in crate::view) refresh: Option<Refresh>,
    /// Whether this is on the way to the host that was asked for.
    pub(in crate::view) signing_in: bool,
    /// Where "Not you? Start over" leads.
    pub(in crate::view) start_over: Option<String>,
}

impl<'a> Card<'a> {
    pub(in crate::view) fn new(heading: &'a str, lead: &str, note: Option<&'a Note>) -> Self {
        Self { heading, lead: Some(html! { (lead) }), note, ..Self::default() }
    }
}

/// A page of one small card: all of the sign-in and what is like it.
pub(in crate::view) fn card(page: &Page, card: &Card<'_>, body: Markup) -> Markup {
    let words = &page.words.common;
    let shown = html! {
        main {
            header.brand {
                (icon::mark())
                p {
                    @if card.signing_in { (words.sign_in_to) br; }
                    strong dir="auto" { (page.host) }
                }
            }
            @if let Some(steps) = card.steps { (progress(page, steps)) }
            h1 { (card.heading) }
            @if let Some(lead) = &card.lead { p.lead { (lead) } }
            (note(card.note))
            (body)
            @if card.start_over.is_some() || page.help.is_some() {
                footer {
                    span { @if let Some(url) = &card.start_over { (words.not_you) " " a href=(url) { (words.start_over) } } }
                    @if let Some(help) = &page.help { a href=(help) { (words.help) } }
                }
            }
        }
    };
    document(page, card.heading, "card", card.refresh.as_ref(), shown)
}

fn progress(page: &Page, steps: Steps) -> Markup {
    let label = fill(&page.words.common.step, &[("now", &steps.now.to_string()), ("of", &steps.of.to_string())]);
    html! {
        div.steps role="img" aria-label=(label) { @for n in 1..=steps.of { i.on[n <= steps.now] {} } }
    }
}

/// A form of the gateway: POST, with what every POST carries.
pub(in crate::view) fn form(page: &Page, path: &str, body: Markup) -> Markup {
    html! { form method="post" action=(page.action(path)) { (hidden(page)) (body) } }
}

/// The one link below a card's form: the way back, or out.
pub(in crate::view) fn link_row(url: &str, text: &str) -> Markup {
    html! { p.row.links { a href=(url) { (text) } } }
}

/// The hidden fields of every form.
pub(in crate::view) fn hidden(page: &Page) -> Markup {
    html! {
        input type="hidden" name="csrf" value=(page.csrf);
        input type="hidden" name="rd" value=(page.rd);
    }
}

/// A form that is one button.
pub(in crate::view) fn button_form(page: &Page, path: &str, fields: &[(&str, &str)], class: &str, label: &str) -> Markup {
    form(
        page,
        path,
        html! {
            @for (name, value) in fields { input type="hidden" name=(name) value=(value); }
            button class=(class) { (label) }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_is_encoded_and_left_out_where_there_is_none() {
        let mut page = crate::view::gallery::page(Words::english());
        page.rd = "/a b?x=1&y=é".into();
        assert_eq!(page.link("mfa"), "/.vestibule/mfa?rd=%2Fa%20b%3Fx%3D1%26y%3D%C3%A9");
        assert_eq!(page.link_with("x", &[("q", "1"), ("none", "")]), "/.vestibule/x?q=1&rd=%2Fa%20b%3Fx%3D1%26y%3D%C3%A9");
        page.rd = String::new();
        assert_eq!(page.link("mfa"), "/.vestibule/mfa");
    }
}
