//! The small pages around a user: a new one, a set-up link that is shown once, and the question before one is deleted.

use maud::{Markup, html};

use super::user::{UserView, path, person};
use super::{Place, admin};
use crate::view::field::{Field, field};
use crate::view::layout::{Card, Note, Page, card, form, note};
use crate::view::words::fill;

/// `admin/users/new`: posts `username` and the profile's fields to `admin/users`; `mail=1` where the link is to be mailed.
pub fn new_user(page: &Page, view: &UserView) -> Markup {
    let words = &page.words.admin;
    let invalid = Note::is_error(view.note.as_ref());
    let name =
        Field { name: "username", label: &page.words.account.username, value: &view.name, autofocus: true, invalid, ..Field::default() };
    admin(
        page,
        Place::Users,
        &words.new_user,
        html! {
            (note(view.note.as_ref()))
            section.narrow { (form(page, "admin/users", html! { (field(page, &name))
                (person(page, view))
                button.go { (words.create) }
                @if view.can_mail { button.second name="mail" value="1" { (words.create_mail) } }
            })) }
        },
    )
}

/// A set-up link, shown this once.
pub fn setup_link(page: &Page, name: &str, url: &str) -> Markup {
    let words = &page.words.admin;
    admin(
        page,
        Place::Users,
        name,
        html! {
            section.narrow {
                p { (words.setup_link_lead) }
                p.key { code #setup-link { (url) } }
                div.tools hidden data-codes="setup-link" { button.second type="button" data-do="copy" data-done=(page.words.enrol.copied) { (page.words.enrol.copy) } }
                a.button.go href=(page.action(&path(name))) { (page.words.common.back) }
            }
        },
    )
}

/// Fresh recovery codes of a user, shown this once.
pub fn recovery_codes(page: &Page, name: &str, codes: &[String]) -> Markup {
    let words = &page.words.enrol;
    admin(
        page,
        Place::Users,
        name,
        html! {
            section.narrow {
                p { (page.words.admin.codes_lead) }
                ol.codes #recovery-codes aria-label=(words.codes_list) { @for code in codes { li { code { (code) } } } }
                div.tools hidden data-codes="recovery-codes" data-file={ "recovery-codes-" (name) ".txt" } {
                    button.second type="button" data-do="copy" data-done=(words.copied) { (words.copy) }
                    button.second type="button" data-do="download" { (words.download) }
                    button.second type="button" data-do="print" { (words.print) }
                }
                a.button.go href=(page.action(&path(name))) { (page.words.common.back) }
            }
        },
    )
}

/// `admin/users/NAME/delete`: asks, and wants the name typed.
pub fn confirm_delete(page: &Page, name: &str, said: Option<&Note>) -> Markup {
    let words = &page.words.admin;
    let lead = fill(&words.delete_lead, &[("user", name)]);
    let head = Card { heading: &words.delete, lead: Some(html! { (lead) }), note: said, ..Card::default() };
    let confirm =
        Field { name: "confirm", label: &words.delete_confirm, autofocus: true, invalid: Note::is_error(said), ..Field::default() };
    card(
        page,
        &head,
        html! {
            (form(page, &path(name), html! { input type="hidden" name="action" value="delete"; (field(page, &confirm)) button.go.danger { (words.delete) } }))
            p.row.links { a href=(page.action(&path(name))) { (page.words.common.cancel) } }
        },
    )
}
