//! The second factor: the choice of a factor, and a page for each.

use std::time::Duration;

use maud::{Markup, html};

use crate::factor::Method;
use crate::view::parts::field::{Ceremony, ceremony, code_field};
use crate::view::parts::layout::{Card, Note, Page, Refresh, Steps, card, form};
use crate::view::parts::{icon, time};
use crate::view::wording::words::fill;

/// What all pages of the second factor share.
#[derive(Clone, Debug, Default)]
pub struct Second {
    pub user: String,
    pub note: Option<Note>,
    /// More than one method could be chosen.
    pub others: bool,
    /// A recovery code would do.
    pub recovery: bool,
    /// How long the browser may be trusted, where that is offered.
    pub trust: Option<Duration>,
    /// Why a session is asked again.
    pub why: Option<String>,
    /// A step-up of a session rather than a sign-in: starting over means signing out.
    pub signed_in: bool,
}

/// A method that this user has set up and this route accepts.
#[derive(Clone, Debug)]
pub struct Choice {
    pub method: Method,
    /// The masked address, or the names of the keys; empty: what the method is.
    pub detail: String,
    pub last_used: bool,
}

/// A code on its way.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    pub expires_in: Duration,
    /// Zero: now. Absent: no more can be sent.
    pub resend_in: Option<Duration>,
}

fn head<'a>(page: &Page, heading: &'a str, second: &'a Second) -> Card<'a> {
    Card {
        heading,
        steps: Some(Steps { now: 2, of: 2 }),
        note: second.note.as_ref(),
        signing_in: true,
        start_over: Some(page.link(if second.signed_in { "logout" } else { "login" })),
        ..Card::default()
    }
}

/// Why one is here, and what to do.
fn lead(second: &Second, what: Markup) -> Markup {
    html! { @if let Some(why) = &second.why { (why) " " } (what) }
}

/// `mfa`: one button each, `name="method"`; in the order given.
pub fn choose(page: &Page, second: &Second, choices: &[Choice]) -> Markup {
    let words = &page.words.mfa;
    let mut head = head(page, &words.choose_heading, second);
    head.lead = Some(lead(second, html! { (fill(&words.choose_lead, &[("user", &second.user)])) }));
    let buttons = html! {
        ul.ways { @for choice in choices { li { (way(page, choice.method, &choice.detail, choice.last_used.then_some(&page.words.method.last_used))) } } }
    };
    card(
        page,
        &head,
        html! {
            (form(page, "mfa", buttons))
            @if second.recovery {
                p.row { span { (words.none_at_hand) } a href=(page.link("mfa/recovery")) { (words.use_recovery) } }
            }
        },
    )
}

/// A big button for a method, on the pages to choose one.
pub(in crate::view) fn way(page: &Page, method: Method, detail: &str, tag: Option<&String>) -> Markup {
    let about = match method {
        _ if !detail.is_empty() => detail,
        Method::Totp => &page.words.method.totp_about,
        Method::Webauthn => &page.words.method.webauthn_about,
        Method::External => &page.words.method.external_about,
        _ => "",
    };
    html! {
        button.way name="method" value=(method) {
            (icon::method(method))
            span.what {
                (page.words.method(method))
                @if let Some(tag) = tag { " " span.tag { (tag) } }
                @if !about.is_empty() { small dir="auto" { (about) } }
            }
            (icon::chevron())
        }
    }
}

/// `mfa/totp`: the field `code`, and nothing that counts down or resends.
pub fn totp(page: &Page, second: &Second, digits: u8) -> Markup {
    let words = &page.words.mfa;
    let mut head = head(page, &words.totp_heading, second);
    head.lead = Some(lead(second, html! { (words.totp_lead) }));
    card(page, &head, html! { (form(page, "mfa/totp", code_form(page, second, digits))) (ways_out(page, second)) })
}

/// `mfa/email`, `mfa/sms`: the field `code`, `#countdown` and `#resend`. Where nothing was sent yet, only the button that sends.
pub fn sent_code(page: &Page, second: &Second, method: Method, destination: &str, digits: u8, sent: Option<Sent>) -> Markup {
    let words = &page.words.mfa;
    let (heading, path) = match method {
        Method::Sms => (&words.sms_heading, "mfa/sms"),
        _ => (&words.email_heading, "mfa/email"),
    };
    let mut head = head(page, heading, second);
    head.lead = Some(lead(second, destination_lead(page, destination, sent.is_some())));
    head.refresh = refresh(page, path, sent);
    let body = html! {
        @if sent.is_some() { (form(page, path, code_form(page, second, digits))) }
        (resend(page, &format!("{path}/resend"), sent))
        (ways_out(page, second))
    };
    card(page, &head, body)
}

/// "We sent a code to a•••@example.org", the address isolated from the direction of the text around it.
pub(in crate::view) fn destination_lead(page: &Page, destination: &str, sent: bool) -> Markup {
    let words = &page.words.mfa;
    addressed(if sent { &words.sent_to } else { &words.send_lead }, destination)
}

/// A sentence with an address in the place of `{to}`.
pub(in crate::view) fn addressed(sentence: &str, destination: &str) -> Markup {
    let (before, after) = sentence.split_once("{to}").unwrap_or((sentence, ""));
    html! { (before) bdi.address { (destination) } (after) }
}

/// Without script, the page reloads itself when the next code may be sent.
pub(in crate::view) fn refresh(page: &Page, path: &str, sent: Option<Sent>) -> Option<Refresh> {
    let wait = sent?.resend_in.filter(|wait| !wait.is_zero())?;
    Some(Refresh { seconds: time::seconds(wait).saturating_add(1), url: page.link(path) })
}

fn code_form(page: &Page, second: &Second, digits: u8) -> Markup {
    html! {
        (code_field(&page.words.common.code, digits, Note::is_error(second.note.as_ref()), true))
        (trust(page, second))
        button.go { (page.words.common.verify) }
    }
}

fn trust(page: &Page, second: &Second) -> Markup {
    let words = &page.words.mfa;
    html! {
        @if let Some(span) = second.trust {
            label.check {
                input type="checkbox" name="trust_device" value="1" aria-describedby="trust-hint";
                span { (fill(&words.trust, &[("days", &page.words.span(span))])) small #trust-hint { (words.trust_hint) } }
            }
        }
    }
}

/// How long the code is good for, and the form that sends another; the first one's button where none was sent.
pub(in crate::view) fn resend(page: &Page, path: &str, sent: Option<Sent>) -> Markup {
    let words = &page.words.mfa;
    let Some(sent) = sent else {
        return html! { form #resend method="post" action=(page.action(path)) { (crate::view::parts::layout::hidden(page)) button.go { (words.send) } } };
    };
    let wait = sent.resend_in.filter(|wait| !wait.is_zero());
    html! {
        div.row {
            span #validity data-expired=(words.expired) {
                @if sent.expires_in.is_zero() { (words.expired) } @else { (words.valid_for) }
                " "
                time #countdown data-seconds=(time::seconds(sent.expires_in)) hidden[sent.expires_in.is_zero()] { (time::countdown(sent.expires_in)) }
            }
            @if sent.resend_in.is_some() {
                form #resend method="post" action=(page.action(path)) {
                    (crate::view::parts::layout::hidden(page))
                    button.link disabled[wait.is_some()] data-wait=[wait.map(time::seconds)] data-label=(words.resend) data-waiting=(words.resend_in) {
                        @match wait {
                            Some(wait) => (fill(&words.resend_in, &[("time", &time::countdown(wait))])),
                            None => (words.resend),
                        }
                    }
                }
            }
        }
    }
}

/// The other ways, under every page of the second factor.
pub(super) fn ways_out(page: &Page, second: &Second) -> Markup {
    html! {
        @if second.others || second.recovery {
            p.row.links {
                @if second.others { a href=(page.link("mfa")) { (page.words.common.another_way) } }
                @if second.recovery { a href=(page.link("mfa/recovery")) { (page.words.mfa.use_recovery) } }
            }
        }
    }
}

/// `mfa/recovery`: the field `code`.
pub fn recovery(page: &Page, second: &Second) -> Markup {
    let words = &page.words.mfa;
    let mut head = head(page, &words.recovery_heading, second);
    head.lead = Some(lead(second, html! { (words.recovery_lead) }));
    let invalid = Note::is_error(second.note.as_ref());
    let fields = html! {
        div.field {
            label for="code" { (words.recovery_label) }
            input.code.long #code name="code" autocomplete="off" autocapitalize="none" autocorrect="off" spellcheck="false" maxlength="64"
                required autofocus aria-describedby=[invalid.then_some("note")] aria-invalid=[invalid.then_some("true")];
        }
        button.go { (page.words.common.verify) }
    };
    let out = Second { recovery: false, ..second.clone() };
    card(page, &head, html! { (form(page, "mfa/recovery", fields)) (ways_out(page, &out)) })
}

/// `mfa/webauthn`: the field `credential`. `options` is the JSON for `navigator.credentials.get`, `challenge` what goes back sealed with
/// the answer; `keys` are their names.
pub fn webauthn(page: &Page, second: &Second, options: &str, challenge: &str, keys: &str) -> Markup {
    let words = &page.words.mfa;
    let mut head = head(page, &words.webauthn_heading, second);
    head.lead = Some(lead(second, html! { (words.webauthn_lead) }));
    let c = Ceremony { path: "mfa/webauthn", kind: "get", options, hidden: false, conditional: false };
    let button = html! {
        input type="hidden" name="challenge" value=(challenge);
        div.touch { (icon::method(Method::Webauthn)) @if !keys.is_empty() { span dir="auto" { (keys) } } }
        (trust(page, second))
        button.go autofocus { (words.webauthn_start) }
    };
    card(
        page,
        &head,
        html! {
            noscript { p.note.bad role="alert" { (icon::warning()) span { (words.webauthn_no_script) } } }
            (ceremony(page, &c, button))
            (ways_out(page, second))
        },
    )
}
