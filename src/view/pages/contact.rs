//! My account: another address or number. The new one is typed, and then the code that was sent there.

use maud::{Markup, html};

use super::mfa::{Sent, destination_lead, refresh, resend};
use crate::factor::Method;
use crate::view::parts::field::{Field, code_field, field};
use crate::view::parts::layout::{Card, Note, Page, card, form, link_row};

fn heading(page: &Page, method: Method) -> &str {
    let words = &page.words.contact;
    if method == Method::Sms { &words.sms_heading } else { &words.email_heading }
}

fn cancel(page: &Page) -> Markup {
    link_row(&page.link("account"), &page.words.common.cancel)
}

/// `account/contact?method=…`: the fields `method` and `to`.
pub fn change(page: &Page, method: Method, typed: &str, note: Option<&Note>) -> Markup {
    let words = &page.words.contact;
    let head = Card::new(heading(page, method), &words.lead, note);
    let sms = method == Method::Sms;
    let to = Field {
        name: "to",
        label: if sms { &words.sms_label } else { &words.email_label },
        kind: if sms { "tel" } else { "email" },
        value: typed,
        autocomplete: if sms { "tel" } else { "email" },
        hint: sms.then_some(words.sms_hint.as_str()),
        autofocus: true,
        invalid: Note::is_error(note),
        ..Field::default()
    };
    let fields = html! {
        input type="hidden" name="method" value=(method);
        (field(page, &to))
        button.go { (page.words.mfa.send) }
    };
    card(page, &head, html! { (form(page, "account/contact", fields)) (cancel(page)) })
}

/// `account/contact/METHOD`: the field `code`, `#countdown` and `#resend`.
pub fn confirm(page: &Page, method: Method, destination: &str, digits: u8, sent: Option<Sent>, note: Option<&Note>) -> Markup {
    let path = format!("account/contact/{method}");
    let head = Card {
        heading: heading(page, method),
        lead: Some(html! { (destination_lead(page, destination, sent.is_some())) " " (page.words.contact.until) }),
        note,
        refresh: refresh(page, &path, sent),
        ..Card::default()
    };
    let fields = html! {
        (code_field(&page.words.common.code, digits, Note::is_error(note), true))
        button.go { (page.words.enrol.confirm) }
    };
    card(
        page,
        &head,
        html! {
            @if sent.is_some() { (form(page, &path, fields)) }
            (resend(page, &format!("{path}/resend"), sent))
            (cancel(page))
        },
    )
}
