//! The two pages of my account that come before a change: is a method really to go, and which password is to be the new one.

use maud::{Markup, html};

use super::values::Enrolled;
use crate::view::pages::password;
use crate::view::parts::field::{Field, field};
use crate::view::parts::icon;
use crate::view::parts::layout::{Card, Note, Page, button_form, card, form, link_row};
use crate::view::wording::words::fill;

/// `account/remove`: asks before a method goes. `last`: nothing else is set up. `own`: this session was signed in with it and ends.
pub fn confirm_removal(page: &Page, enrolled: &Enrolled, last: bool, own: bool) -> Markup {
    let words = &page.words.account;
    let kind = page.words.method(enrolled.method);
    let name = if enrolled.name.is_empty() { kind } else { &enrolled.name };
    let heading = fill(&words.remove_heading, &[("method", kind)]);
    let head = Card::new(&heading, &fill(&words.remove_lead, &[("name", name)]), None);
    card(
        page,
        &head,
        html! {
            @if last { p.note.warn { (icon::warning()) span { (words.remove_lead_last) } } }
            @if own { p.note.warn { (icon::warning()) span { (words.remove_lead_session) } } }
            (button_form(page, "account/methods/remove", &[("method", enrolled.method.name()), ("id", &enrolled.id)], "go danger", &page.words.common.remove))
            a.button.second href=(page.link("account")) { (page.words.common.cancel) }
        },
    )
}

/// `account/password`: the fields `current` and `password`.
pub fn change_password(page: &Page, user: &str, min_length: usize, said: Option<&Note>) -> Markup {
    let words = &page.words.password;
    let head = Card::new(&words.change_heading, &words.change_lead, said);
    let current = Field {
        name: "current",
        label: &words.current,
        kind: "password",
        autocomplete: "current-password",
        autofocus: true,
        invalid: Note::is_error(said),
        ..Field::default()
    };
    card(
        page,
        &head,
        html! {
            (form(page, "account/password", html! {
                (password::for_managers(user))
                (field(page, &current))
                (password::new_password(page, min_length, false, false))
                button.go { (page.words.account.password_change) }
            }))
            (link_row(&page.link("account"), &page.words.common.cancel))
        },
    )
}
