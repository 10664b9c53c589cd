//! Setting up a second factor: the choice, the check that comes before the first one, and a page for each.

use maud::{Markup, PreEscaped, html};

use super::mfa::{Sent, addressed, destination_lead, refresh, resend, way};
use crate::base::Time;
use crate::factor::Method;
use crate::view::parts::field::{Ceremony, Field, ceremony, code_field, field};
use crate::view::parts::layout::{Card, Note, Page, Steps, button_form, card, form, link_row};
use crate::view::parts::{icon, time};
use crate::view::wording::words::fill;

/// Why one is here.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Reason {
    /// Of one's own will, from the account page.
    #[default]
    Wish,
    /// The user's policy demands it.
    Required,
    /// The page that was asked for demands it.
    Route,
}

/// What all pages of the set-up share.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    pub note: Option<Note>,
    pub steps: Option<Steps>,
    pub reason: Reason,
    /// The methods that the page that was asked for takes; empty: any.
    pub takes: Vec<Method>,
}

/// A method that may be set up.
#[derive(Clone, Debug)]
pub struct Offer {
    pub method: Method,
    /// The masked address of e-mail or SMS; else empty.
    pub destination: String,
    /// There is one already; another key can be added all the same.
    pub set_up: bool,
}

pub(in crate::view) fn head<'a>(page: &Page, heading: &'a str, setup: &'a Setup) -> Card<'a> {
    let own = setup.reason == Reason::Wish;
    Card {
        heading,
        steps: setup.steps,
        note: setup.note.as_ref(),
        signing_in: !own,
        start_over: (!own).then(|| page.link("logout")),
        ..Card::default()
    }
}

/// The way back: to the account for those who came from there, else to the choice.
fn way_back(page: &Page, path: &str) -> Markup {
    link_row(&page.link(path), &page.words.common.back)
}

/// `enrol`: one button each, `name="method"`.
pub fn choose(page: &Page, setup: &Setup, offers: &[Offer]) -> Markup {
    let words = &page.words.enrol;
    let mut head = head(page, &words.heading, setup);
    head.lead = Some(html! {
        @match setup.reason {
            Reason::Wish => (words.lead),
            Reason::Required => (words.lead_required),
            Reason::Route if setup.takes.is_empty() => (fill(&words.lead_route, &[("host", page.place())])),
            Reason::Route => (takes(page, &words.lead_route_factors, setup)),
        }
    });
    card(
        page,
        &head,
        html! {
            @if offers.is_empty() { p.note.bad role="alert" { (icon::warning()) span {
                @if setup.takes.is_empty() { (words.nothing) } @else { (takes(page, &words.nothing_for_route, setup)) }
            } } }
            (form(page, "enrol", html! { ul.ways { @for offer in offers { li { (offered(page, offer)) } } } }))
            @if setup.reason == Reason::Wish { (way_back(page, "account")) }
        },
    )
}

fn takes(page: &Page, text: &str, setup: &Setup) -> String {
    fill(text, &[("host", page.place()), ("methods", &page.words.methods(setup.takes.iter().copied()))])
}

fn offered(page: &Page, offer: &Offer) -> Markup {
    let words = &page.words.method;
    let about = match offer.method {
        Method::Email => fill(&words.email_about, &[("to", &offer.destination)]),
        Method::Sms => fill(&words.sms_about, &[("to", &offer.destination)]),
        _ => String::new(),
    };
    let tag = match offer.method {
        _ if offer.set_up => Some(&page.words.enrol.set_up),
        Method::Webauthn => Some(&words.recommended),
        _ => None,
    };
    way(page, offer.method, &about, tag)
}

/// `enrol/verify`: a code to the registered address comes before the first factor. Sent by `enrol/verify/send` only.
pub fn verify(page: &Page, setup: &Setup, method: Method, destination: &str, digits: u8, sent: Option<Sent>) -> Markup {
    let words = &page.words.enrol;
    let mut head = head(page, &words.verify_heading, setup);
    let before = if method == Method::Sms { &words.verify_lead_sms } else { &words.verify_lead_email };
    head.lead = Some(if sent.is_some() { destination_lead(page, destination, true) } else { addressed(before, destination) });
    head.refresh = refresh(page, "enrol/verify", sent);
    let fields = confirm_fields(page, setup, &page.words.common.code, digits);
    card(
        page,
        &head,
        html! {
            @if sent.is_some() { (form(page, "enrol/verify", fields)) }
            (resend(page, "enrol/verify/send", sent))
        },
    )
}

fn confirm_fields(page: &Page, setup: &Setup, label: &str, digits: u8) -> Markup {
    html! {
        (code_field(label, digits, Note::is_error(setup.note.as_ref()), true))
        button.go { (page.words.enrol.confirm) }
    }
}

/// What the page for an authenticator app shows.
#[derive(Clone, Debug)]
pub struct TotpView {
    /// An SVG that the gateway drew; goes into the page as it is.
    pub qr: String,
    /// Base32; grouped in fours here.
    pub secret: String,
    pub uri: String,
    pub digits: u8,
    pub name: String,
}

/// `enrol/totp`: `#totp-secret`, the fields `code` and `name`.
pub fn totp(page: &Page, setup: &Setup, view: &TotpView) -> Markup {
    let words = &page.words.enrol;
    let mut head = head(page, &words.totp_heading, setup);
    head.lead = Some(html! { (words.totp_scan) });
    let name = Field {
        name: "name",
        label: &words.totp_name,
        value: &view.name,
        placeholder: Some(&words.totp_name_example),
        optional: true,
        ..Field::default()
    };
    let fields = html! {
        (code_field(&words.totp_confirm, view.digits, Note::is_error(setup.note.as_ref()), true))
        (field(page, &name))
        button.go { (words.confirm) }
    };
    card(
        page,
        &head,
        html! {
            div.qr role="img" aria-label=(words.totp_qr) { (PreEscaped(drawn(&view.qr))) }
            p.row.middle { a href=(view.uri) { (words.totp_open) } }
            p.key { span #totp-key-label { (words.totp_key) } code #totp-secret aria-labelledby="totp-key-label" { (grouped(&view.secret)) } }
            (form(page, "enrol/totp", fields))
            (way_back(page, "enrol"))
        },
    )
}

/// The drawing without the XML declaration before it, which has no place inside HTML.
fn drawn(svg: &str) -> &str {
    svg.find("<svg").and_then(|at| svg.get(at..)).unwrap_or_default()
}

/// A key in groups of four, which people can read out and type.
fn grouped(secret: &str) -> String {
    let mut out = String::with_capacity(secret.len() * 5 / 4);
    for (n, c) in secret.chars().enumerate() {
        if n > 0 && n % 4 == 0 {
            out.push(' ');
        }
        out.push(c);
    }
    out
}

/// `enrol/webauthn`: the fields `name` and `credential`. `options` is the JSON for `navigator.credentials.create`.
pub fn webauthn(page: &Page, setup: &Setup, options: &str, name: &str) -> Markup {
    let words = &page.words.enrol;
    let mut head = head(page, &words.webauthn_heading, setup);
    head.lead = Some(html! { (words.webauthn_lead) });
    let c = Ceremony { path: "enrol/webauthn", kind: "create", options, hidden: false, conditional: false };
    let field_name = Field {
        name: "name",
        label: &words.webauthn_name,
        value: name,
        placeholder: Some(&words.webauthn_name_example),
        autofocus: true,
        invalid: Note::is_error(setup.note.as_ref()),
        ..Field::default()
    };
    card(
        page,
        &head,
        html! {
            noscript { p.note.bad role="alert" { (icon::warning()) span { (page.words.mfa.webauthn_no_script) } } }
            (ceremony(page, &c, html! { (field(page, &field_name)) button.go { (words.webauthn_start) } }))
            (way_back(page, "enrol"))
        },
    )
}

/// `enrol/email`, `enrol/sms`: the field `code`, `#countdown` and `#resend`.
pub fn sent_code(page: &Page, setup: &Setup, method: Method, destination: &str, digits: u8, sent: Option<Sent>) -> Markup {
    let words = &page.words.enrol;
    let (heading, path) = match method {
        Method::Sms => (&words.sms_heading, "enrol/sms"),
        _ => (&words.email_heading, "enrol/email"),
    };
    let mut head = head(page, heading, setup);
    head.lead = Some(destination_lead(page, destination, sent.is_some()));
    head.refresh = refresh(page, path, sent);
    let fields = confirm_fields(page, setup, &page.words.common.code, digits);
    card(
        page,
        &head,
        html! {
            @if sent.is_some() { (form(page, path, fields)) }
            (resend(page, &format!("{path}/resend"), sent))
            (way_back(page, "enrol"))
        },
    )
}

/// `enrol/later`: a required set-up that may still be put off, until a date.
pub fn grace(page: &Page, until: Time) -> Markup {
    let words = &page.words.enrol;
    let (before, after) = words.grace_lead.split_once("{date}").unwrap_or((&words.grace_lead, ""));
    let head = Card {
        heading: &words.grace_heading,
        lead: Some(html! { (before) strong { (time::day(until)) } (after) }),
        signing_in: true,
        ..Card::default()
    };
    card(
        page,
        &head,
        html! {
            a.button.go href=(page.link_with("enrol", &[("now", "1")])) { (words.grace_now) }
            (button_form(page, "enrol/later", &[], "second", &words.grace_later))
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_grouped_in_fours() {
        assert_eq!(grouped("JBSWY3DPEHPK3PXP2"), "JBSW Y3DP EHPK 3PXP 2");
    }

    #[test]
    fn only_the_drawing_of_a_qr_code_is_taken() {
        assert_eq!(drawn("<?xml version=\"1.0\"?><svg/>"), "<svg/>");
        assert_eq!(drawn("nothing"), "");
    }
}
