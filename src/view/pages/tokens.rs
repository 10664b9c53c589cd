//! My account: API tokens. A new one is shown once, on the page that answers its creation, and nowhere else.

use maud::{Markup, html};

use crate::base::Time;
use crate::view::parts::field::{Field, field};
use crate::view::parts::layout::{Ask, Card, Note, Page, ask, card, form, note};
use crate::view::parts::time;
use crate::view::parts::wide::{AccountPages, account_tabs, wide};
use crate::view::wording::words::fill;

/// A token as its owner sees it.
#[derive(Clone, Debug)]
pub struct TokenRow {
    pub id: String,
    pub name: String,
    pub routes: Vec<String>,
    pub expires: Time,
    pub last_used: Option<Time>,
    pub last_used_from: String,
}

/// What was typed, for a form that is shown again.
#[derive(Clone, Debug, Default)]
pub struct Typed {
    pub name: String,
    pub days: String,
    pub routes: Vec<String>,
    pub methods: String,
    pub networks: String,
}

/// The page.
#[derive(Clone, Debug, Default)]
pub struct TokensView {
    pub tokens: Vec<TokenRow>,
    /// The routes that take tokens: the name, and what people read.
    pub routes: Vec<(String, String)>,
    pub most_days: u64,
    pub typed: Typed,
    pub pages: AccountPages,
    pub note: Option<Note>,
}

/// `account/tokens`: the fields `name`, `days`, `route` (again for more), `methods` and `networks`.
pub fn tokens(page: &Page, view: &TokensView) -> Markup {
    let words = &page.words.tokens;
    let tabs = account_tabs(page, view.pages, "account/tokens");
    wide(
        page,
        &words.heading,
        &tabs,
        html! {
            (note(view.note.as_ref()))
            div.panels {
                section aria-labelledby="s-tokens" {
                    h2 #s-tokens { (words.heading) }
                    p.lead { @if view.tokens.is_empty() { (words.none) } @else { (words.lead) } }
                    ul.rows { @for token in &view.tokens { (row(page, token)) } }
                }
                section aria-labelledby="s-new" {
                    h2 #s-new { (words.new) }
                    (form(page, "account/tokens", fields(page, view)))
                }
            }
        },
    )
}

fn row(page: &Page, token: &TokenRow) -> Markup {
    let words = &page.words.tokens;
    let name = format!("{}: {}", words.revoke, token.name);
    html! {
        li {
            (about(page, token))
            div.acts { (ask(page, &Ask { path: "account/tokens/revoke", fields: &[("id", &token.id)], class: "act", label: &words.revoke, name: &name, question: &words.revoke_ask })) }
        }
    }
}

/// What a token is and when it was used, for its owner and for administrators.
pub(in crate::view) fn about(page: &Page, token: &TokenRow) -> Markup {
    let words = &page.words.tokens;
    html! {
        div.what {
            strong { bdi { (token.name) } }
            small {
                @if token.routes.is_empty() { (words.every_route) } @else { bdi { (token.routes.join(", ")) } }
                " · " (words.expires) " " (time::day(token.expires)) " · " (page.words.account.last_used) " "
                @match token.last_used {
                    Some(at) => { (time::moment(at)) " " bdi { (token.last_used_from) } }
                    None => (page.words.common.never),
                }
            }
        }
    }
}

fn fields(page: &Page, view: &TokensView) -> Markup {
    let (words, typed) = (&page.words.tokens, &view.typed);
    let days = fill(&words.days_hint, &[("days", &view.most_days.to_string())]);
    let text = |name, label, value, hint, optional| Field { name, label, value, hint: Some(hint), optional, ..Field::default() };
    html! {
        (field(page, &Field { name: "name", label: &words.name, value: &typed.name, placeholder: Some(&words.name_example), ..Field::default() }))
        (field(page, &text("days", &words.days, &typed.days, days.as_str(), false)))
        @if !view.routes.is_empty() {
            div.field role="group" aria-labelledby="routes" aria-describedby="routes-hint" {
                strong #routes { (words.routes) }
                @for (route, title) in &view.routes {
                    label.check { input type="checkbox" name="route" value=(route) checked[typed.routes.contains(route)]; span { bdi { (title) } } }
                }
                small #routes-hint { (words.routes_hint) }
            }
        }
        (field(page, &text("methods", &words.methods, &typed.methods, words.methods_hint.as_str(), true)))
        (field(page, &text("networks", &words.networks, &typed.networks, words.networks_hint.as_str(), true)))
        button.go { (words.create) }
    }
}

/// The new token in `#token`, this once.
pub fn made(page: &Page, name: &str, token: &str) -> Markup {
    let words = &page.words.tokens;
    let head = Card::new(&words.made_heading, &words.made_lead, None);
    card(
        page,
        &head,
        html! {
            p { strong { bdi { (name) } } }
            p { code #token { (token) } }
            p.after { (words.made_use) }
            a.button.go href=(page.link("account/tokens")) { (words.done) }
        },
    )
}
