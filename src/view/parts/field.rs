//! The fields of forms: labelled, tied to their hints and to the page's note, ready for password managers and pasted codes.

use maud::{Markup, html};

use super::layout::{Page, hidden};

/// A labelled text field. `id` and `name` are the same.
#[derive(Default)]
pub(in crate::view) struct Field<'a> {
    pub(in crate::view) name: &'a str,
    pub(in crate::view) label: &'a str,
    /// `text` where empty.
    pub(in crate::view) kind: &'a str,
    pub(in crate::view) value: &'a str,
    pub(in crate::view) autocomplete: &'a str,
    pub(in crate::view) hint: Option<&'a str>,
    pub(in crate::view) placeholder: Option<&'a str>,
    pub(in crate::view) minlength: Option<usize>,
    pub(in crate::view) optional: bool,
    pub(in crate::view) autofocus: bool,
    pub(in crate::view) readonly: bool,
    pub(in crate::view) invalid: bool,
}

pub(in crate::view) fn field(page: &Page, f: &Field<'_>) -> Markup {
    let secret = f.kind == "password";
    let kind = if f.kind.is_empty() { "text" } else { f.kind };
    let hint_id = f.hint.map(|_| format!("{}-hint", f.name));
    let described = described_by(f.invalid, hint_id.as_deref());
    // What is typed here is no prose: phones must not capitalise or correct it.
    let verbatim = kind != "search" && !matches!(f.name, "display_name" | "name");
    html! {
        div.field {
            label for=(f.name) { (f.label) }
            div.box {
                input id=(f.name) name=(f.name) type=(kind) value=[(!f.value.is_empty()).then_some(f.value)]
                    autocomplete=(if f.autocomplete.is_empty() { "off" } else { f.autocomplete })
                    autocapitalize=[verbatim.then_some("none")] spellcheck=[verbatim.then_some("false")]
                    placeholder=[f.placeholder] minlength=[f.minlength] maxlength="1024" required[!f.optional] readonly[f.readonly]
                    autofocus[f.autofocus] aria-describedby=[described] aria-invalid=[f.invalid.then_some("true")];
                @if secret { (reveal(page, f.name)) }
            }
            @if let (Some(hint), Some(id)) = (f.hint, &hint_id) { small id=(id) { (hint) } }
        }
    }
}

/// The button that shows a password; it appears with the script that makes it work.
fn reveal(page: &Page, field: &str) -> Markup {
    let words = &page.words.common;
    html! {
        button.reveal type="button" hidden data-reveal=(field) aria-label=(words.show_password) data-show=(words.show) data-hide=(words.hide)
            data-show-name=(words.show_password) data-hide-name=(words.hide_password) { (words.show) }
    }
}

fn described_by(invalid: bool, hint: Option<&str>) -> Option<String> {
    match (invalid, hint) {
        (true, Some(hint)) => Some(format!("note {hint}")),
        (true, None) => Some("note".to_owned()),
        (false, Some(hint)) => Some(hint.to_owned()),
        (false, None) => None,
    }
}

/// The field for a code of digits; there is room for the blanks and dashes that a paste brings along.
pub(in crate::view) fn code_field(label: &str, digits: u8, invalid: bool, autofocus: bool) -> Markup {
    html! {
        div.field {
            label for="code" { (label) }
            input.code #code name="code" inputmode="numeric" autocomplete="one-time-code" autocapitalize="none" spellcheck="false"
                maxlength=(u16::from(digits) * 2 + 8) required autofocus[autofocus]
                aria-describedby=[described_by(invalid, None)] aria-invalid=[invalid.then_some("true")];
        }
    }
}

/// A form around a WebAuthn ceremony: the script reads the options, asks the browser, and posts the result as `credential`.
pub(in crate::view) struct Ceremony<'a> {
    pub(in crate::view) path: &'a str,
    /// `get` or `create`.
    pub(in crate::view) kind: &'a str,
    /// The options as JSON.
    pub(in crate::view) options: &'a str,
    /// Hidden until the script finds that it can run.
    pub(in crate::view) hidden: bool,
    /// Whether to offer passkeys in the user name field's own list.
    pub(in crate::view) conditional: bool,
}

pub(in crate::view) fn ceremony(page: &Page, c: &Ceremony<'_>, body: Markup) -> Markup {
    let words = &page.words.mfa;
    html! {
        form method="post" action=(page.action(c.path)) hidden[c.hidden] data-webauthn=(c.kind) data-options=(c.options)
            data-conditional[c.conditional] data-failed=(words.webauthn_failed) data-unsupported=(words.webauthn_unsupported) {
            (hidden(page))
            input type="hidden" name="credential";
            (body)
        }
    }
}
