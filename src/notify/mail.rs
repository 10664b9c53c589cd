//! E-mail over SMTP: plain, STARTTLS (never fallen back from) or TLS, over a small pool of connections.

use std::time::{Duration, SystemTime};

use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::{self, PoolConfig};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use tokio::runtime::Handle;

use super::queue::Failure;
use super::texts::Written;
use crate::base::Time;
use crate::config::Mail;

/// For each connect and each command.
const STEP: Duration = Duration::from_secs(10);
/// For one try as a whole.
const WHOLE: Duration = Duration::from_secs(30);

/// Why the mail configuration cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
    #[error("url must be smtp://, smtp+starttls:// or smtps:// with a host, and user:password@ percent-encoded where needed")]
    Url,
    #[error("from must be an address, or a name with one: Vestibule <no-reply@internal.example>")]
    From,
}

/// The address was refused.
#[derive(Debug)]
pub(super) struct BadAddress;

/// Writes letters in the sender's name.
#[derive(Debug)]
pub(super) struct Writer {
    from: Mailbox,
}

impl Writer {
    pub(super) fn new(from: &str) -> Result<Self, MailError> {
        from.parse().map(|from| Self { from }).map_err(|_| MailError::From)
    }

    /// A letter with a text and an HTML part, marked as no person's (RFC 3834 section 5.1), so that nobody's out-of-office answers it.
    pub(super) fn write(&self, to: &str, written: &Written, now: Time) -> Result<lettre::Message, BadAddress> {
        let to: Address = to.parse().map_err(|_| BadAddress)?;
        let id = format!("<{}@{}>", uuid::Uuid::new_v4(), self.from.email.domain());
        let date = SystemTime::UNIX_EPOCH + Duration::from_secs(now.unix());
        lettre::Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(written.subject.clone())
            .date(date)
            .message_id(Some(id))
            .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".into()))
            .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("X-Auto-Response-Suppress"), "All".into()))
            .multipart(MultiPart::alternative_plain_html(written.text.clone(), written.html.clone()))
            .map_err(|_| BadAddress)
    }
}

/// The pool spawns tasks when it is made and when it is dropped, and panics where there is no runtime around it: so it carries its own.
#[derive(Debug)]
pub(super) struct Transport {
    smtp: Option<AsyncSmtpTransport<Tokio1Executor>>,
    runtime: Handle,
}

impl Drop for Transport {
    fn drop(&mut self) {
        let _inside = self.runtime.enter();
        self.smtp = None;
    }
}

impl Transport {
    pub(super) fn new(config: &Mail, runtime: &Handle) -> Result<Self, MailError> {
        let _inside = runtime.enter();
        let mut url = url::Url::parse(config.url.expose()).map_err(|_| MailError::Url)?;
        url.set_query(None);
        match url.scheme() {
            "smtp" | "smtps" => {}
            "smtp+starttls" => {
                url.set_scheme("smtp").map_err(|()| MailError::Url)?;
                url.set_query(Some("tls=required"));
            }
            _ => return Err(MailError::Url),
        }
        let pool = PoolConfig::new().max_size(4).idle_timeout(Duration::from_secs(60));
        let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.as_str()).map_err(|_| MailError::Url)?;
        Ok(Self { smtp: Some(builder.timeout(Some(STEP)).pool_config(pool).build()), runtime: runtime.clone() })
    }

    pub(super) async fn deliver(&self, letter: &lettre::Message) -> Result<(), Failure> {
        let Some(smtp) = &self.smtp else { return Err(Failure { transient: false, reason: "the gateway is stopping".into() }) };
        match tokio::time::timeout(WHOLE, smtp.send(letter.clone())).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(Failure { transient: !error.is_permanent(), reason: reason(&error) }),
            Err(_) => Err(Failure { transient: true, reason: "the mail server did not answer in time".into() }),
        }
    }
}

/// What to tell the operator. A server's own words may hold the recipient's address, so of an answer only its code is kept.
fn reason(error: &smtp::Error) -> String {
    match error.status() {
        Some(code) => format!("the mail server answered {code}"),
        None if error.is_timeout() => "the mail server did not answer in time".into(),
        None if error.is_tls() => format!("no TLS with the mail server: {error}"),
        None => format!("no conversation with the mail server: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Secret;

    fn transport(url: &str) -> Result<Transport, MailError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Transport::new(&Mail { url: Secret::new(url), from: String::new() }, runtime.handle())
    }

    /// Each is dropped after its runtime, as happens when the gateway stops.
    #[test]
    fn the_three_schemes_are_understood_and_no_other() {
        for url in ["smtp://127.0.0.1:25", "smtp+starttls://user:p%40ss@mail.example", "smtps://user:pw@mail.example:465"] {
            assert!(transport(url).is_ok(), "{url}");
        }
        for url in ["http://mail.example", "smtp:", "mail.example:25", ""] {
            assert_eq!(transport(url).unwrap_err(), MailError::Url, "{url}");
        }
    }

    #[test]
    fn a_letter_is_dated_numbered_and_marked_as_automatic() {
        let writer = Writer::new("Vestibule <no-reply@internal.example>").unwrap();
        let written = Written { subject: "Grüße\r\nBcc: eve@evil.example".into(), text: "Text".into(), html: "<p>Text</p>".into() };
        let letter = writer.write("alice@internal.example", &written, Time::from_secs(1_700_000_000)).unwrap();
        let text = String::from_utf8(letter.formatted()).unwrap();
        for line in
            ["Date: Tue, 14 Nov 2023 22:13:20 +0000", "Auto-Submitted: auto-generated", "@internal.example>", "multipart/alternative"]
        {
            assert!(text.contains(line), "{line} in {text}");
        }
        assert!(!text.lines().any(|line| line.starts_with("Bcc:")), "{text}");
        assert_eq!(letter.envelope().to().len(), 1);
    }

    #[test]
    fn an_address_cannot_carry_more_than_itself() {
        let writer = Writer::new("no-reply@internal.example").unwrap();
        let written = Written { subject: "s".into(), text: "t".into(), html: "h".into() };
        for to in ["", "alice", "a@b.example, c@d.example", "a@b.example\r\nBcc: c@d.example", "a b@c.example"] {
            assert!(writer.write(to, &written, Time::from_secs(0)).is_err(), "{to:?}");
        }
        assert!(matches!(Writer::new("nobody"), Err(MailError::From)));
    }
}
