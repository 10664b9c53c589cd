//! Pages that say something and perhaps ask one thing: signing out, every way to be refused, and the form that is sent again.

use std::time::Duration;

use crate::account::Closed;
use maud::{Markup, html};

use crate::view::parts::layout::{Card, Page, Refresh, button_form, card};
use crate::view::parts::time;
use crate::view::wording::words::fill;

/// `logout` by GET: asks; posts to `logout`, with the field `of` where another host says whose session it is.
pub fn logout(page: &Page, user: &str, of: &str) -> Markup {
    let words = &page.words.logout;
    let of_field = [("of", of)];
    let head = Card::new(&words.heading, &fill(&words.lead, &[("user", user)]), None);
    card(
        page,
        &head,
        html! {
            (button_form(page, "logout", if of.is_empty() { &[] } else { &of_field }, "go", &words.button))
            a.button.second href=(page.link("account")) { (words.stay) }
        },
    )
}

/// `invite` by GET: asks; posts to `invite` with the field `token`.
pub fn invitation(page: &Page, address: &str, token: &str) -> Markup {
    let words = &page.words.login;
    let head = Card::new(&words.invite_heading, &fill(&words.invite_lead, &[("user", address)]), None);
    card(page, &head, button_form(page, "invite", &[("token", token)], "go", &page.words.common.proceed))
}

/// After signing out.
pub fn signed_out(page: &Page) -> Markup {
    let words = &page.words.logout;
    let head = Card::new(&words.done_heading, &words.done_lead, None);
    card(page, &head, html! { a.button.second href=(page.link_with("login", &[("local", "1")])) { (words.again) } })
}

/// Every way in which the gateway refuses a navigation, with its status and its words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Problem {
    Malformed,
    /// A route that is closed to everybody.
    Denied,
    /// Signed in, and not in a group that the route wants.
    WrongGroup,
    /// Two factors wanted of a user whose policy is `off`.
    MfaOff,
    Csrf,
    /// The Origin differs by its scheme alone.
    CsrfScheme,
    NotFound,
    /// A hand-over from the portal that is not this browser's, not this host's, late, or used.
    Ticket,
    TooLarge,
    Misdirected,
    /// Too much, for so long.
    Throttled(Duration),
    Internal,
    BadGateway,
    /// The application refused what the configuration tells it.
    UpstreamCredentials,
    Unavailable,
    /// A session that is over, and not in the store yet.
    EndPending,
    Timeout,
    /// The directory or provider that knows the user cannot be asked.
    SourceAway,
    /// The password was right, and the source lets the user in no more.
    Closed(Closed),
    /// What the source keeps is not changed here.
    Managed,
    /// Only sessions that are bound to a device get here.
    DeviceRequired,
    /// The browser cannot show the device for the moment.
    DeviceBusy,
    /// Too many do the same just now.
    Busy,
    /// A client's certificate is required, and none came.
    CertificateMissing,
    CertificateExpired,
    CertificateRevoked,
    /// By an authority that does not count here.
    CertificateUnknown,
    /// The revocation list cannot be used.
    CertificateUnchecked,
}

impl Problem {
    pub const fn status(self) -> u16 {
        match self {
            Self::Malformed => 400,
            Self::Denied
            | Self::WrongGroup
            | Self::MfaOff
            | Self::Csrf
            | Self::CsrfScheme
            | Self::Closed(_)
            | Self::Managed
            | Self::Ticket
            | Self::DeviceRequired
            | Self::CertificateMissing
            | Self::CertificateExpired
            | Self::CertificateRevoked
            | Self::CertificateUnknown
            | Self::CertificateUnchecked => 403,
            Self::NotFound => 404,
            Self::TooLarge => 413,
            Self::Misdirected => 421,
            Self::Throttled(_) => 429,
            Self::Internal => 500,
            Self::BadGateway | Self::UpstreamCredentials => 502,
            Self::Unavailable | Self::EndPending | Self::SourceAway | Self::DeviceBusy | Self::Busy => 503,
            Self::Timeout => 504,
        }
    }

    fn words(self, page: &Page) -> (&str, &str) {
        let w = &page.words.problem;
        match self {
            Self::Malformed => (&w.malformed_heading, &w.malformed_text),
            Self::Denied => (&w.denied_heading, &w.denied_text),
            Self::WrongGroup => (&w.group_heading, &w.group_text),
            Self::MfaOff => (&w.mfa_off_heading, &w.mfa_off_text),
            Self::Csrf | Self::CsrfScheme => (&w.csrf_heading, &w.csrf_text),
            Self::NotFound => (&w.not_found_heading, &w.not_found_text),
            Self::Ticket => (&w.ticket_heading, &w.ticket_text),
            Self::TooLarge => (&w.too_large_heading, &w.too_large_text),
            Self::Misdirected => (&w.misdirected_heading, &w.misdirected_text),
            Self::Throttled(_) => (&w.throttled_heading, &w.throttled_text),
            Self::Internal => (&w.internal_heading, &w.internal_text),
            Self::BadGateway => (&w.bad_gateway_heading, &w.bad_gateway_text),
            Self::UpstreamCredentials => (&w.credentials_heading, &w.credentials_text),
            Self::Unavailable => (&w.unavailable_heading, &w.unavailable_text),
            Self::EndPending => (&w.end_pending_heading, &w.end_pending_text),
            Self::Timeout => (&w.timeout_heading, &w.timeout_text),
            Self::SourceAway => (&w.source_away_heading, &w.source_away_text),
            Self::Closed(closed) => (&w.closed_heading, reason(closed, page)),
            Self::Managed => (&w.managed_heading, &w.managed_text),
            Self::DeviceRequired => (&w.device_heading, &w.device_text),
            Self::DeviceBusy => (&w.device_busy_heading, &w.device_busy_text),
            Self::Busy => (&w.busy_heading, &w.busy_text),
            Self::CertificateMissing => (&w.certificate_heading, &w.certificate_text),
            Self::CertificateExpired => (&w.certificate_heading, &w.certificate_expired),
            Self::CertificateRevoked => (&w.certificate_heading, &w.certificate_revoked),
            Self::CertificateUnknown => (&w.certificate_heading, &w.certificate_unknown),
            Self::CertificateUnchecked => (&w.certificate_heading, &w.certificate_unchecked),
        }
    }

    /// Where one may go from here, the likeliest first.
    fn ways_on(self, page: &Page) -> Vec<Way> {
        let w = &page.words.problem;
        let to = |label: &str, href: String| Way { label: label.to_owned(), href };
        // What was asked for, else the start page of the host; never another host from here.
        let local = page.rd.strip_prefix('/').is_some_and(|rest| !rest.starts_with(['/', '\\']));
        let again = if local { page.rd.clone() } else { "/".to_owned() };
        match self {
            Self::WrongGroup | Self::MfaOff => vec![to(&w.home, "/".into()), to(&w.other_account, page.link("logout"))],
            Self::Malformed | Self::Denied | Self::NotFound | Self::TooLarge => vec![to(&w.home, "/".into())],
            Self::Csrf | Self::CsrfScheme | Self::SourceAway | Self::Ticket => vec![to(&w.retry, page.link("login"))],
            Self::Closed(_) => vec![to(&w.other_account, page.link("login"))],
            Self::Managed | Self::DeviceRequired | Self::CertificateRevoked => vec![to(&w.home, "/".into())],
            Self::EndPending | Self::UpstreamCredentials => Vec::new(),
            Self::Misdirected
            | Self::Throttled(_)
            | Self::Internal
            | Self::BadGateway
            | Self::Unavailable
            | Self::Timeout
            | Self::DeviceBusy
            | Self::Busy
            | Self::CertificateMissing
            | Self::CertificateExpired
            | Self::CertificateUnknown
            | Self::CertificateUnchecked => {
                vec![to(&w.retry, again)]
            }
        }
    }
}

/// Why a source lets nobody in by a right password.
fn reason(closed: Closed, page: &Page) -> &str {
    let w = &page.words.problem;
    match closed {
        Closed::Deleted | Closed::Disabled | Closed::SourceRemoved => &w.closed_disabled,
        Closed::Expired => &w.closed_expired,
        Closed::Hours => &w.closed_hours,
        Closed::NotAllowed => &w.closed_group,
        Closed::PasswordExpired => &w.closed_password,
    }
}

/// A button that leads on.
#[derive(Clone, Debug)]
pub struct Way {
    pub label: String,
    pub href: String,
}

/// The page for a problem; `reference` is the request's id in the log. Answer it with [`Problem::status`].
pub fn problem(page: &Page, problem: Problem, reference: Option<&str>) -> Markup {
    let (heading, text) = problem.words(page);
    let text = match problem {
        Problem::Throttled(wait) => return throttled(page, wait, reference),
        Problem::CsrfScheme => format!("{text} {}", page.words.problem.scheme_hint),
        _ => text.to_owned(),
    };
    message(page, problem.status(), heading, &text, &problem.ways_on(page), reference)
}

/// Counts down, and leads to the sign-in; without script the page goes there by itself.
fn throttled(page: &Page, wait: Duration, reference: Option<&str>) -> Markup {
    let words = &page.words.problem;
    let head = Card {
        heading: &words.throttled_heading,
        refresh: Some(Refresh { seconds: time::seconds(wait).saturating_add(1), url: page.link("login") }),
        ..Card::default()
    };
    let text = fill(&words.throttled_text, &[("time", &page.words.span(wait))]);
    card(
        page,
        &head,
        html! {
            p.lead role="alert" { (text) }
            p.row.middle #validity data-expired=(words.throttled_over) {
                (words.throttled_left) " " time #countdown data-seconds=(time::seconds(wait)) { (time::countdown(wait)) }
            }
            a.button.go href=(page.link("login")) { (page.words.password.to_login) }
            p.fine {
                span { "429" }
                @if let Some(id) = reference { span { (fill(&page.words.common.reference, &[("id", id)])) } }
            }
        },
    )
}

/// Goes on to `url` by itself, if it is answered with a `Refresh` header: a browser that can shows the device on the way. `waits`: the session is being
/// bound. Answer it with 200, or 403.
pub fn moment(page: &Page, waits: bool, url: &str) -> Markup {
    let words = &page.words.problem;
    let (heading, text) =
        if waits { (&words.device_wait_heading, &words.device_wait_text) } else { (&words.device_check_heading, &words.device_check_text) };
    let head = Card { heading, ..Card::default() };
    card(
        page,
        &head,
        html! {
            p.lead role="alert" { (text) }
            a.button.go href=(url) { (page.words.common.proceed) }
        },
    )
}

/// Somebody's groups are more than an application can be told. Answer it with 431.
pub fn many_groups(page: &Page, user: &str, reference: &str) -> Markup {
    let words = &page.words.problem;
    let way = Way { label: words.other_account.clone(), href: page.link("logout") };
    message(page, 431, &words.groups_heading, &fill(&words.groups_text, &[("user", user)]), &[way], Some(reference))
}

/// The application asks for a name and password of the user's own: none is stored, or what is stored was refused. Answer it with 502.
pub fn application_password(page: &Page, refused: bool, reference: &str) -> Markup {
    let words = &page.words.applications;
    let (heading, text) =
        if refused { (&words.refused_heading, &words.refused_text) } else { (&words.missing_heading, &words.missing_text) };
    let way = Way { label: words.go.clone(), href: page.link("account/applications") };
    message(page, 502, heading, text, &[way], Some(reference))
}

/// A form that went no further because nobody was signed in, or not in full; `login` is where one does. Answer it with 401.
///
/// `from_another_site`: what another service sends is mostly an answer to its own sign-in (SAML), which an administrator can let through.
pub fn not_sent(page: &Page, login: &str, from_another_site: bool, reference: &str) -> Markup {
    let words = &page.words.problem;
    let hint = if from_another_site { format!(" {}", words.not_sent_hint) } else { String::new() };
    let way = Way { label: page.words.login.heading.clone(), href: login.to_owned() };
    message(page, 401, &words.not_sent_heading, &format!("{}{hint}", words.not_sent_text), &[way], Some(reference))
}

/// A page in a frame, where nobody can sign in: a link that opens `login` in the top window. Answer it with 401.
pub fn framed(page: &Page, login: &str) -> Markup {
    let words = &page.words.problem;
    let head = Card { heading: &words.framed_heading, lead: None, ..Card::default() };
    card(page, &head, html! { a.button.go href=(login) target="_top" { (page.words.login.heading) } })
}

/// A page of a heading, a text (`role="alert"`), and where to go from here.
pub fn message(page: &Page, status: u16, heading: &str, text: &str, ways: &[Way], reference: Option<&str>) -> Markup {
    let head = Card { heading, lead: None, ..Card::default() };
    card(
        page,
        &head,
        html! {
            p.lead role="alert" { (text) }
            @for (n, way) in ways.iter().enumerate() { a.button.go[n == 0].second[n > 0] href=(way.href) { (way.label) } }
            p.fine {
                span { (status) }
                @if let Some(id) = reference { span { (fill(&page.words.common.reference, &[("id", id)])) } }
            }
        },
    )
}

/// A form that was interrupted by the end of a session.
#[derive(Clone, Debug, Default)]
pub struct ResumeView {
    /// Goes back as the hidden field `id`.
    pub id: String,
    pub method: String,
    /// The whole URL that it goes to.
    pub url: String,
    /// What the form carries to that URL: the name of its one field, and the value.
    pub field: &'static str,
    pub token: String,
    /// Names and values in order, as sent; what looks like a password is hidden here.
    pub fields: Vec<(String, Kept)>,
}

/// What a field of a kept form held.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Kept {
    Text(String),
    /// A file: its name and its size in bytes.
    File(String, usize),
}

/// How many fields are shown, and how much of each: a page stays small whatever the form was.
const SHOWN_FIELDS: usize = 40;
const SHOWN_CHARS: usize = 160;

/// `resume`: posts the token to the URL of the form itself, or `id` and `action=discard` to `resume`.
pub fn resume(page: &Page, view: &ResumeView) -> Markup {
    let words = &page.words.resume;
    let head = Card { signing_in: true, ..Card::new(&words.heading, &words.lead, None) };
    let more = view.fields.len().saturating_sub(SHOWN_FIELDS);
    card(
        page,
        &head,
        html! {
            dl.kept {
                div { dt { (words.to) } dd dir="auto" { span.tag { (view.method) } " " (shortened(&view.url, 300)) } }
                @if !view.fields.is_empty() { div { dt.head { (words.fields) } dd {} } }
                @for (name, value) in view.fields.iter().take(SHOWN_FIELDS) {
                    div { dt { bdi { (shortened(name, 60)) } } dd dir="auto" { (kept(page, name, value)) } }
                }
            }
            @if more > 0 { p.hint { (fill(&words.more, &[("n", &more.to_string())])) } }
            form method="post" action=(view.url) enctype="text/plain" {
                input type="hidden" name=(view.field) value=(view.token);
                button.go { (words.send) }
            }
            (button_form(page, "resume", &[("id", &view.id), ("action", "discard")], "second", &words.discard))
        },
    )
}

fn kept(page: &Page, name: &str, value: &Kept) -> Markup {
    let words = &page.words.resume;
    html! {
        @match value {
            Kept::File(file, size) => { (words.file) ": " (shortened(file, 80)) " (" (size.div_ceil(1024)) " KB)" }
            Kept::Text(text) if text.is_empty() => { span.soft { (words.empty) } }
            Kept::Text(_) if is_secret(name) => "••••••••",
            Kept::Text(text) => (shortened(text, SHOWN_CHARS)),
        }
    }
}

fn shortened(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Whether a field's name says that its value is not for the screen.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let part = ["pass", "pwd", "secret", "token", "csrf", "kennwort", "contrase"].iter().any(|s| name.contains(s));
    part || name.split(|c: char| !c.is_alphanumeric()).any(|word| ["pin", "cvv", "cvc", "otp"].contains(&word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_password_is_not_shown() {
        for name in ["password", "new_Passwd", "api-token", "pwd2", "csrf_token", "PIN"] {
            assert!(is_secret(name), "{name}");
        }
        assert!(!is_secret("comment") && !is_secret("shipping"));
    }

    #[test]
    fn texts_are_shortened_between_characters() {
        assert_eq!(shortened("ééé", 2), "éé…");
        assert_eq!(shortened("ééé", 3), "ééé");
    }

    #[test]
    fn a_problem_never_leads_to_another_host() {
        let mut page = crate::view::gallery::page(crate::view::Words::english());
        for rd in ["//evil.example/", "/\\evil.example/", "https://evil.example/", "javascript:alert(1)", ""] {
            page.rd = rd.into();
            assert!(Problem::Timeout.ways_on(&page).iter().all(|way| way.href == "/"), "{rd}");
        }
    }
}
