//! The small pages around a user: a new one, a set-up link that is shown once, and the question before one is deleted.

use maud::{Markup, html};

use super::panel::path;
use super::user::{UserView, person};
use super::{Place, admin};
use crate::view::pages::recovery;
use crate::view::parts::field::{Field, field};
use crate::view::parts::layout::{Card, Note, Page, card, form, link_row, note};
use crate::view::wording::words::fill;

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
    shown_once(
        page,
        name,
        &words.setup_link_lead,
        html! {
            p.key { code #setup-link { (url) } }
            div.tools hidden data-codes="setup-link" { button.second type="button" data-do="copy" data-done=(page.words.enrol.copied) { (page.words.enrol.copy) } }
        },
    )
}

/// Fresh recovery codes of a user, shown this once.
pub fn recovery_codes(page: &Page, name: &str, codes: &[String]) -> Markup {
    shown_once(page, name, &page.words.admin.codes_lead, recovery::list(page, codes, name))
}

/// What a reload would not show again, and the way back to the user.
fn shown_once(page: &Page, name: &str, lead: &str, shown: Markup) -> Markup {
    admin(
        page,
        Place::Users,
        name,
        html! {
            section.narrow {
                p { (lead) }
                (shown)
                a.button.go href=(page.action(&path(name))) { (page.words.common.back) }
            }
        },
    )
}

/// `admin/users/NAME/delete`: asks, and wants the name typed.
pub fn confirm_delete(page: &Page, name: &str, said: Option<&Note>) -> Markup {
    let words = &page.words.admin;
    let lead = fill(&words.delete_lead, &[("user", name)]);
    let head = Card::new(&words.delete, &lead, said);
    let confirm =
        Field { name: "confirm", label: &words.delete_confirm, autofocus: true, invalid: Note::is_error(said), ..Field::default() };
    card(
        page,
        &head,
        html! {
            (form(page, &path(name), html! { input type="hidden" name="action" value="delete"; (field(page, &confirm)) button.go.danger { (words.delete) } }))
            (link_row(&page.action(&path(name)), &page.words.common.cancel))
        },
    )
}
