//! Passwords without a sign-in: the one-time set-up link, and the forgotten password.

use maud::{Markup, html};

use super::provider::{ProviderButton, set_up_buttons};
use crate::view::parts::field::{Field, field};
use crate::view::parts::layout::{Card, Note, Page, card, form, link_row};
use crate::view::wording::words::fill;

/// The field for a new password: one, which can be shown, rather than two to compare (NIST SP 800-63B-4 section 3.1.1.2).
pub(in crate::view) fn new_password(page: &Page, min_length: usize, invalid: bool, autofocus: bool) -> Markup {
    let words = &page.words.password;
    let hint = fill(&words.hint, &[("min", &min_length.to_string())]);
    let password = Field {
        name: "password",
        label: &words.new,
        kind: "password",
        autocomplete: "new-password",
        hint: Some(&hint),
        minlength: Some(min_length),
        invalid,
        autofocus,
        ..Field::default()
    };
    field(page, &password)
}

/// The user name, unseen, so that a password manager knows whose password this is.
pub(in crate::view) fn for_managers(user: &str) -> Markup {
    html! { input.sr type="text" name="username" value=(user) autocomplete="username" readonly tabindex="-1" aria-hidden="true"; }
}

/// A link from a mail or an administrator, while it is good.
#[derive(Clone, Debug, Default)]
pub struct LinkView {
    /// Goes back as the hidden field `token`.
    pub token: String,
    pub user: String,
    /// What people call the user.
    pub display_name: String,
    /// Code points.
    pub min_length: usize,
    /// The providers that can be chosen in place of a password.
    pub providers: Vec<ProviderButton>,
    pub note: Option<Note>,
}

/// `setup?token=…`: posts `token` and `password` to `setup`.
pub fn setup(page: &Page, view: &LinkView) -> Markup {
    let words = &page.words.password;
    let heading = fill(&words.setup_heading, &[("user", &view.display_name)]);
    by_link(page, view, "setup", &heading, &words.setup_lead)
}

/// `reset?token=…`: posts `token` and `password` to `reset/new`.
pub fn reset_set(page: &Page, view: &LinkView) -> Markup {
    let words = &page.words.password;
    by_link(page, view, "reset/new", &words.reset_set_heading, &words.reset_set_lead)
}

fn by_link(page: &Page, view: &LinkView, path: &str, heading: &str, lead: &str) -> Markup {
    let head = Card::new(heading, lead, view.note.as_ref());
    let fields = html! {
        input type="hidden" name="token" value=(view.token);
        (for_managers(&view.user))
        (new_password(page, view.min_length, Note::is_error(view.note.as_ref()), true))
        button.go { (page.words.password.setup_button) }
    };
    card(page, &head, html! { (form(page, path, fields)) (set_up_buttons(page, &view.providers, &view.token)) })
}

/// `login/password`: the fields `current` and `password`, before a sign-in goes on. `min_length`: of a password that is kept here.
pub fn expired(page: &Page, user: &str, min_length: Option<usize>, said: Option<&Note>) -> Markup {
    let words = &page.words.password;
    let head = Card::new(&words.expired_heading, &words.expired_lead, said);
    let current = Field {
        name: "current",
        label: &words.current,
        kind: "password",
        autocomplete: "current-password",
        autofocus: true,
        invalid: Note::is_error(said),
        ..Field::default()
    };
    let new = Field { name: "password", label: &words.new, kind: "password", autocomplete: "new-password", ..Field::default() };
    let fields = html! {
        (for_managers(user))
        (field(page, &current))
        @match min_length { Some(least) => (new_password(page, least, false, false)), None => (field(page, &new)) }
        button.go { (words.expired_button) }
    };
    card(page, &head, html! { (form(page, "login/password", fields)) (link_row(&page.link("login"), &words.to_login)) })
}

/// `reset`: posts `username`, a name or an e-mail address.
pub fn reset_request(page: &Page, username: &str, said: Option<&Note>) -> Markup {
    let words = &page.words.password;
    let head = Card::new(&words.reset_heading, &words.reset_lead, said);
    let name = Field {
        name: "username",
        label: &page.words.login.username,
        value: username,
        autocomplete: "username",
        autofocus: true,
        invalid: Note::is_error(said),
        ..Field::default()
    };
    card(
        page,
        &head,
        html! {
            (form(page, "reset", html! { (field(page, &name)) button.go { (words.reset_button) } }))
            (link_row(&page.link("login"), &words.to_login))
        },
    )
}

/// After `reset`: the same words whether there is such an account or not.
pub fn reset_sent(page: &Page) -> Markup {
    let words = &page.words.password;
    let head = Card::new(&words.reset_sent_heading, &words.reset_sent_lead, None);
    card(
        page,
        &head,
        html! {
            p.hint { (words.reset_sent_hint) }
            a.button.second href=(page.link("login")) { (words.to_login) }
        },
    )
}
