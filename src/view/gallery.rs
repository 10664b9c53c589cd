//! Every page with sample values: what the tests look at, and what `cargo run --example gallery` writes for people to look at.

mod administration;
mod own;
mod samples;

use std::sync::Arc;
use std::time::Duration;

use maud::Markup;

use self::samples::{HOSTILE, MASKED, ago, sent};
use super::pages::enrol;
use super::pages::enrol::{Offer, Reason, Setup, TotpView};
use super::pages::login::{LoginView, login};
use super::pages::message;
use super::pages::message::{Kept, Problem, ResumeView};
use super::pages::mfa;
use super::pages::mfa::{Choice, Second};
use super::pages::password;
use super::pages::password::LinkView;
use super::pages::provider;
use super::pages::provider::ProviderButton;
use super::pages::recovery;
use super::parts::layout::{Note, Page, Steps};
use super::wording::words_keys::Words;
use crate::config::Brand;
use crate::factor::Method;

const OPTIONS: &str = r#"{"publicKey":{"challenge":"AAAAAAAAAAAAAAAAAAAAAA","timeout":300000,"rpId":"internal.example","userVerification":"preferred","allowCredentials":[{"type":"public-key","id":"AQIDBA"}]}}"#;
const PHONE: &str = "+49 ••• ••42";

/// The request that all samples answer.
pub fn page(words: &'static Words) -> Page {
    Page {
        words,
        prefix: "/.vestibule".into(),
        title: "Sign in".into(),
        host: "payroll.internal.example".into(),
        csrf: "c5r7-sample".into(),
        rd: "/runs/2026?month=11&view=all".into(),
        place: None,
        languages: Arc::default(),
        brand: Arc::new(Brand { support: Some("https://help.internal.example/".into()), ..Brand::default() }),
        inline: false,
    }
}

/// The same in a house with a face of its own.
pub fn branded(words: &'static Words, brand: Arc<Brand>) -> Page {
    Page { place: Some("Payroll".into()), brand, ..page(words) }
}

/// The pages that show the most of a house's face.
pub fn branded_pages(p: &Page) -> Vec<(&'static str, Markup)> {
    let shown = ["login", "mfa", "account", "problem-403-group"];
    [sign_in(p), second_step(p), own::pages(p), problems(p)].into_iter().flatten().filter(|(name, _)| shown.contains(name)).collect()
}

/// Every page: a name for its file, and its markup.
pub fn pages(words: &'static Words) -> Vec<(&'static str, Markup)> {
    let p = page(words);
    [sign_in(&p), second_step(&p), set_up(&p), own::pages(&p), links(&p), messages(&p), problems(&p), administration::pages(&p)]
        .into_iter()
        .flatten()
        .collect()
}

fn sign_in(p: &Page) -> Vec<(&'static str, Markup)> {
    let n = &p.words.note;
    let first = LoginView {
        forgot: true,
        passkey: Some((OPTIONS.into(), "sealed".into())),
        steps: Some(Steps { now: 1, of: 2 }),
        providers: providers(),
        ..LoginView::default()
    };
    let wrong = LoginView { username: "alice".into(), note: Some(Note::Error(n.login_wrong.clone())), ..first.clone() };
    let again = LoginView { username: "alice".into(), reauthenticate: true, ..LoginView::default() };
    let guests = LoginView { guests: true, ..first.clone() };
    vec![
        ("login", login(p, &first)),
        ("login-guests", login(p, &guests)),
        ("login-wrong", login(p, &wrong)),
        ("login-again", login(p, &again)),
    ]
}

fn second() -> Second {
    let trust = Some(Duration::from_secs(30 * 86_400));
    Second { user: "alice".into(), others: true, recovery: true, trust, ..Second::default() }
}

fn second_step(p: &Page) -> Vec<(&'static str, Markup)> {
    let w = p.words;
    let choice = |method, detail: &str, last_used| Choice { method, detail: detail.into(), last_used };
    let choices = [
        choice(Method::Totp, &super::fill(&w.method.totp_detail, &[("digits", "6")]), true),
        choice(Method::Webauthn, "YubiKey blue, Laptop", false),
        choice(Method::Email, MASKED, false),
        choice(Method::Sms, PHONE, false),
    ];
    let span = w.span(Duration::from_secs(900));
    let why = Second { why: Some(super::fill(&w.mfa.why_age, &[("host", &p.host), ("time", &span)])), signed_in: true, ..second() };
    let note = super::fill(&w.note.code_wrong_left, &[("left", "3")]);
    let wrong = Second { note: Some(Note::Error(note)), trust: None, ..second() };
    let fresh = Second { note: Some(Note::Done(w.note.sent.clone())), ..second() };
    vec![
        ("mfa", mfa::choose(p, &second(), &choices)),
        ("mfa-totp", mfa::totp(p, &second(), 6)),
        ("mfa-why", mfa::totp(p, &why, 6)),
        ("mfa-email", mfa::sent_code(p, &wrong, Method::Email, MASKED, 6, sent(272, 18))),
        ("mfa-sms", mfa::sent_code(p, &fresh, Method::Sms, PHONE, 6, sent(300, 0))),
        ("mfa-email-unsent", mfa::sent_code(p, &second(), Method::Email, MASKED, 6, None)),
        ("mfa-recovery", mfa::recovery(p, &second())),
        ("mfa-webauthn", mfa::webauthn(p, &second(), OPTIONS, "sealed", "YubiKey blue, Laptop")),
        ("mfa-external", provider::external(p, &second(), "mfa/external", &providers())),
    ]
}

/// A QR code as the gateway draws it; an empty square where that failed.
fn qr(text: &str) -> String {
    crate::factor::qr::svg(text, "QR code").unwrap_or_else(|_| "<svg/>".into())
}

fn set_up(p: &Page) -> Vec<(&'static str, Markup)> {
    let setup = |now| Setup { steps: Some(Steps { now, of: 4 }), reason: Reason::Required, ..Setup::default() };
    let narrow = Setup { steps: Some(Steps { now: 2, of: 4 }), reason: Reason::Route, takes: vec![Method::Webauthn], ..Setup::default() };
    let offer = |method, destination: &str, set_up| Offer { method, destination: destination.into(), set_up };
    let offers = [
        offer(Method::Totp, "", true),
        offer(Method::Webauthn, "", false),
        offer(Method::Email, MASKED, false),
        offer(Method::Sms, PHONE, false),
    ];
    let uri = "otpauth://totp/Vestibule:alice?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Vestibule&digits=6&period=30";
    let totp = TotpView { qr: qr(uri), secret: "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP".into(), uri: uri.into(), digits: 6, name: String::new() };
    let codes: Vec<String> = (0..10).map(|n| format!("k{n}x7-m2p{n}-q8v4-z{n}c5")).collect();
    let wish = Setup::default();
    vec![
        ("enrol", enrol::choose(p, &setup(2), &offers)),
        ("enrol-wish", enrol::choose(p, &wish, &offers)),
        ("enrol-route", enrol::choose(p, &narrow, offers.get(1..2).unwrap_or_default())),
        ("enrol-nothing", enrol::choose(p, &narrow, &[])),
        ("enrol-verify", enrol::verify(p, &setup(1), Method::Email, MASKED, 6, None)),
        ("enrol-verify-sent", enrol::verify(p, &setup(1), Method::Email, MASKED, 6, sent(300, 30))),
        ("enrol-totp", enrol::totp(p, &setup(3), &totp)),
        ("enrol-webauthn", enrol::webauthn(p, &setup(3), OPTIONS, "")),
        ("enrol-email", enrol::sent_code(p, &setup(3), Method::Email, MASKED, 6, sent(290, 20))),
        ("enrol-sms", enrol::sent_code(p, &setup(3), Method::Sms, PHONE, 6, sent(290, 20))),
        ("enrol-recovery", recovery::codes(p, &setup(4), &codes, recovery::At::FirstEnrolment)),
        ("account-recovery", recovery::codes(p, &wish, &codes, recovery::At::Account)),
        ("enrol-later", enrol::grace(p, ago(-20_000))),
    ]
}

fn providers() -> Vec<ProviderButton> {
    vec![ProviderButton { name: "corp".into(), title: HOSTILE.into() }, ProviderButton { name: "partner".into(), title: "Partner".into() }]
}

fn links(p: &Page) -> Vec<(&'static str, Markup)> {
    let short = super::fill(&p.words.note.password_short, &[("min", "12")]);
    let link = LinkView {
        token: "t0ken-sample".into(),
        user: "alice".into(),
        display_name: HOSTILE.into(),
        min_length: 12,
        providers: providers(),
        note: None,
    };
    let wrong = LinkView { note: Some(Note::Error(short)), ..link.clone() };
    vec![
        ("setup", password::setup(p, &link)),
        ("reset", password::reset_request(p, "", None)),
        ("reset-sent", password::reset_sent(p)),
        ("reset-new", password::reset_set(p, &wrong)),
    ]
}

fn messages(p: &Page) -> Vec<(&'static str, Markup)> {
    let text = |name: &str, value: &str| (name.to_owned(), Kept::Text(value.to_owned()));
    let kept = ResumeView {
        id: "k1".into(),
        method: "POST".into(),
        url: "https://payroll.internal.example/runs/2026/11/notes".into(),
        field: "vestibule-saved-post",
        token: "k1.c5r7-sample".into(),
        fields: vec![
            text("subject", "November run"),
            text("note", &"Please check the overtime of the night shift. ".repeat(8)),
            text("new_password", "hunter2"),
            text("tags", ""),
            ("attachment".into(), Kept::File("hours <nov>.csv".into(), 48_213)),
        ],
    };
    vec![
        ("logout", message::logout(p, HOSTILE, HOSTILE)),
        ("invite", message::invitation(p, "bob@partner.example", "sample")),
        ("signed-out", message::signed_out(p)),
        ("resume", message::resume(p, &kept)),
    ]
}

fn problems(p: &Page) -> Vec<(&'static str, Markup)> {
    let of = |problem| message::problem(p, problem, Some("01K9-7Q2M"));
    vec![
        ("problem-400", of(Problem::Malformed)),
        ("problem-401", message::not_sent(p, &p.link("login"), true, "01K9-7Q2M")),
        ("framed", message::framed(p, &p.link("login"))),
        ("problem-403-denied", of(Problem::Denied)),
        ("problem-403-group", of(Problem::WrongGroup)),
        ("problem-403-off", of(Problem::MfaOff)),
        ("problem-403-csrf", of(Problem::Csrf)),
        ("problem-403-scheme", of(Problem::CsrfScheme)),
        ("problem-403-certificate", of(Problem::CertificateMissing)),
        ("problem-403-certificate-expired", of(Problem::CertificateExpired)),
        ("problem-403-certificate-revoked", of(Problem::CertificateRevoked)),
        ("problem-403-certificate-unknown", of(Problem::CertificateUnknown)),
        ("problem-403-certificate-unchecked", of(Problem::CertificateUnchecked)),
        ("problem-404", of(Problem::NotFound)),
        ("problem-413", of(Problem::TooLarge)),
        ("problem-421", of(Problem::Misdirected)),
        ("problem-429", of(Problem::Throttled(Duration::from_secs(840)))),
        ("problem-500", of(Problem::Internal)),
        ("problem-502", of(Problem::BadGateway)),
        ("problem-503", of(Problem::Unavailable)),
        ("problem-503-busy", of(Problem::Busy)),
        ("problem-504", of(Problem::Timeout)),
    ]
}
