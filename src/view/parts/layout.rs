//! What all pages share: the document, the card of the sign-in pages, forms that carry `csrf` and `rd`, fields, notes.

use maud::{DOCTYPE, Markup, PreEscaped, html};

pub use super::page::Page;
pub(in crate::view) use super::page::segment;
use super::{assets, brand, icon};
use crate::base::language::own_name;
use crate::view::wording::words::fill;

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
                title { (heading) @if let Some(whose) = brand::whose(page) { " · " (whose) } }
                @if page.inline {
                    style { (PreEscaped(assets::STYLE)) }
                } @else {
                    link rel="stylesheet" href=(page.asset(assets::style()));
                    (brand::links(page))
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
            (brand::header(page, card.signing_in))
            @if let Some(steps) = card.steps { (progress(page, steps)) }
            h1 { (card.heading) }
            @if let Some(lead) = &card.lead { p.lead { (lead) } }
            (note(card.note))
            (body)
            @if card.start_over.is_some() || page.brand.support.is_some() {
                footer {
                    span { @if let Some(url) = &card.start_over { (words.not_you) " " a href=(url) { (words.start_over) } } }
                    @if let Some(help) = &page.brand.support { a href=(help) { (words.help) } }
                }
            }
        }
        (languages(page))
    };
    document(page, card.heading, "card", card.refresh.as_ref(), shown)
}

/// The choice of a language, in a fold. A page that cannot take a form has none.
pub(in crate::view) fn languages(page: &Page) -> Markup {
    let choices = html! {
        @for (tag, name) in page.languages.list().filter(|(tag, _)| *tag != page.words.meta.lang) {
            button.link name="language" value=(tag) lang=(tag) { (name) }
        }
    };
    html! {
        @if !page.inline && !page.csrf.is_empty() {
            details.languages {
                summary.act aria-label={ (page.words.common.language) ": " (own_name(&page.words.meta.lang)) } { (own_name(&page.words.meta.lang)) }
                (form(page, "language", choices))
            }
        }
    }
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

/// What is asked before a button does something that cannot be taken back. A fold: it works without script, and asks once.
pub(in crate::view) struct Ask<'a> {
    pub(in crate::view) path: &'a str,
    pub(in crate::view) fields: &'a [(&'a str, &'a str)],
    /// The class of what opens the question: `act` or `second`.
    pub(in crate::view) class: &'a str,
    pub(in crate::view) label: &'a str,
    /// What it is about, for those who hear the button alone; empty: the label says it.
    pub(in crate::view) name: &'a str,
    pub(in crate::view) question: &'a str,
}

pub(in crate::view) fn ask(page: &Page, ask: &Ask<'_>) -> Markup {
    let name = Some(ask.name).filter(|name| !name.is_empty());
    html! {
        details.ask {
            summary class=(ask.class) aria-label=[name] { (ask.label) }
            p { (ask.question) }
            (button_form(page, ask.path, ask.fields, "second danger", ask.label))
        }
    }
}

/// As [`button_form`], with a name that says what the button is about.
pub(in crate::view) fn named_button(page: &Page, path: &str, fields: &[(&str, &str)], class: &str, label: &str, name: &str) -> Markup {
    form(
        page,
        path,
        html! {
            @for (name, value) in fields { input type="hidden" name=(name) value=(value); }
            button class=(class) aria-label=(name) { (label) }
        },
    )
}
