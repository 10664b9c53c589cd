//! The first door: user name and password, or a passkey instead of both.

use maud::{Markup, html};

use super::provider::{ProviderButton, buttons};
use crate::view::parts::field::{Ceremony, Field, ceremony, field};
use crate::view::parts::layout::{Card, Note, Page, Steps, card, form};

/// `portal.title` as it is where nobody set it; then the heading is in the reader's language.
const DEFAULT_TITLE: &str = "Sign in";

/// The sign-in page.
#[derive(Clone, Debug, Default)]
pub struct LoginView {
    /// What was typed before, or who is to confirm.
    pub username: String,
    pub note: Option<Note>,
    /// The user is signed in and must prove it again; the name cannot be changed.
    pub reauthenticate: bool,
    /// Whether `reset` is offered.
    pub forgot: bool,
    /// Options of a discoverable WebAuthn sign-in as JSON, and the sealed challenge that goes back with the answer; absent: no
    /// passkey is offered.
    pub passkey: Option<(String, String)>,
    /// Whether passkeys also stand in the user name field's own list of suggestions (conditional mediation).
    pub autofill: bool,
    pub steps: Option<Steps>,
    /// The providers that can be gone to instead.
    pub providers: Vec<ProviderButton>,
    /// Whether an address without an account may ask for a code.
    pub guests: bool,
}

/// `login`: posts `username`, `password`, or `username` and `guest`; or to `login/passkey` the field `credential`.
pub fn login(page: &Page, view: &LoginView) -> Markup {
    let words = &page.words.login;
    let own_title = !page.title.is_empty() && page.title != DEFAULT_TITLE;
    let (heading, lead) = match view.reauthenticate {
        true => (words.confirm_heading.as_str(), &words.confirm_lead),
        false if own_title => (page.title.as_str(), &words.lead),
        false => (words.heading.as_str(), &words.lead),
    };
    let head = Card {
        heading,
        lead: Some(html! { (lead) }),
        steps: view.steps,
        note: view.note.as_ref(),
        signing_in: !view.reauthenticate,
        start_over: view.reauthenticate.then(|| page.link("logout")),
        ..Card::default()
    };
    card(
        page,
        &head,
        html! {
            (form(page, "login", credentials(page, view)))
            @if let Some((options, challenge)) = &view.passkey { (passkey(page, options, challenge, view.autofill)) }
            (buttons(page, &view.providers, view.reauthenticate))
            @if view.forgot && !view.reauthenticate {
                p.row.middle { a href=(page.link("reset")) { (words.forgot) } }
            }
            (crate::view::parts::brand::notice(page))
        },
    )
}

fn credentials(page: &Page, view: &LoginView) -> Markup {
    let words = &page.words.login;
    let invalid = Note::is_error(view.note.as_ref());
    let known = !view.username.is_empty();
    let username = Field {
        name: "username",
        label: &words.username,
        value: &view.username,
        autocomplete: "username webauthn",
        readonly: view.reauthenticate,
        autofocus: !known,
        invalid,
        ..Field::default()
    };
    let password = Field {
        name: "password",
        label: &words.password,
        kind: "password",
        autocomplete: "current-password",
        autofocus: known,
        invalid,
        ..Field::default()
    };
    html! {
        (field(page, &username))
        (field(page, &password))
        button.go { (page.words.common.proceed) }
        @if view.guests {
            p.row { (words.guest_lead) }
            button.second name="guest" value="1" formnovalidate { (words.guest_button) }
        }
    }
}

fn passkey(page: &Page, options: &str, challenge: &str, conditional: bool) -> Markup {
    let words = &page.words.login;
    let c = Ceremony { path: "login/passkey", kind: "get", options, hidden: true, conditional };
    ceremony(
        page,
        &c,
        html! {
            input type="hidden" name="challenge" value=(challenge);
            p.or { span { (words.or) } }
            button.second #passkey { (crate::view::parts::icon::method(crate::factor::Method::Webauthn)) (words.passkey) }
        },
    )
}
