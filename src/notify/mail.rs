//! E-mail over SMTP: plain, STARTTLS (never fallen back from) or TLS, over a small pool of connections.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use lettre::Address;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::extension::ClientId;

use super::failure::Failure;
use super::texts::Written;
use crate::base::Time;
use crate::config::Mail;

const CONNECT: Duration = Duration::from_secs(10);
/// For one try as a whole.
const WHOLE: Duration = Duration::from_secs(30);
/// Connections kept for the next letter, and for how long.
const PARKED: usize = 4;
const IDLE: Duration = Duration::from_secs(60);

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

/// How a connection is protected.
enum Security {
    None,
    StartTls(TlsParameters),
    Tls(TlsParameters),
}

/// A way to the mail server, with the connections that were used last. The library's own pool takes a connection back when a delivery
/// is cut short by a timeout, in the middle of a letter; here such a connection is dropped, which closes it.
pub(super) struct Transport {
    host: String,
    port: u16,
    security: Security,
    credentials: Option<Credentials>,
    hello: ClientId,
    parked: Mutex<Vec<(Instant, AsyncSmtpConnection)>>,
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Transport({}:{})", self.host, self.port)
    }
}

impl Transport {
    pub(super) fn new(config: &Mail) -> Result<Self, MailError> {
        let url = url::Url::parse(config.url.expose()).map_err(|_| MailError::Url)?;
        let host = match url.host() {
            Some(url::Host::Domain(name)) if !name.is_empty() => name.to_owned(),
            Some(url::Host::Ipv4(address)) => address.to_string(),
            Some(url::Host::Ipv6(address)) => address.to_string(),
            _ => return Err(MailError::Url),
        };
        let tls = || TlsParameters::new(host.clone()).map_err(|_| MailError::Url);
        let (security, usual) = match url.scheme() {
            "smtp" => (Security::None, smtp::SMTP_PORT),
            "smtp+starttls" => (Security::StartTls(tls()?), smtp::SUBMISSION_PORT),
            "smtps" => (Security::Tls(tls()?), smtp::SUBMISSIONS_PORT),
            _ => return Err(MailError::Url),
        };
        let credentials = credentials(&url)?;
        let port = url.port().unwrap_or(usual);
        Ok(Self { host, port, security, credentials, hello: ClientId::default(), parked: Mutex::default() })
    }

    /// One try, within `limit`.
    pub(super) async fn deliver(&self, letter: &lettre::Message, limit: Duration) -> Result<(), Failure> {
        match tokio::time::timeout(limit.min(WHOLE), self.send(letter)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Failure { transient: !error.is_permanent() && !error.is_client(), reason: reason(&error) }),
            Err(_) => Err(Failure { transient: true, reason: "the mail server did not answer in time".into() }),
        }
    }

    async fn send(&self, letter: &lettre::Message) -> Result<(), smtp::Error> {
        let mut connection = match self.parked_connection().await {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        connection.send(letter.envelope(), &letter.formatted()).await?;
        let mut parked = self.parked.lock().unwrap_or_else(PoisonError::into_inner);
        if parked.len() < PARKED {
            parked.push((Instant::now(), connection));
        }
        Ok(())
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, smtp::Error> {
        let tls = if let Security::Tls(tls) = &self.security { Some(tls.clone()) } else { None };
        let server = (self.host.as_str(), self.port);
        let mut connection = AsyncSmtpConnection::connect_tokio1(server, Some(CONNECT), &self.hello, tls, None).await?;
        if let Security::StartTls(tls) = &self.security {
            connection.starttls(tls.clone(), &self.hello).await?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await?;
        }
        Ok(connection)
    }

    /// The connection used last that the server still answers on.
    async fn parked_connection(&self) -> Option<AsyncSmtpConnection> {
        loop {
            let (since, mut connection) = self.parked.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
            let answers = async { since.elapsed() < IDLE && connection.test_connected().await };
            if tokio::time::timeout(CONNECT, answers).await.unwrap_or(false) {
                return Some(connection);
            }
        }
    }
}

fn credentials(url: &url::Url) -> Result<Option<Credentials>, MailError> {
    let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8().map(Cow::into_owned).map_err(|_| MailError::Url);
    match url.password() {
        Some(password) => Ok(Some(Credentials::new(decode(url.username())?, decode(password)?))),
        None if url.username().is_empty() => Ok(None),
        None => Err(MailError::Url),
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
        Transport::new(&Mail { url: Secret::new(url), from: String::new() })
    }

    #[test]
    fn the_three_schemes_are_understood_and_no_other() {
        for url in
            ["smtp://127.0.0.1:25", "smtp+starttls://user:p%40ss@mail.example", "smtps://user:pw@mail.example:465", "smtp://[::1]:25"]
        {
            assert!(transport(url).is_ok(), "{url}");
        }
        let transport_of = |url| transport(url).map(|t: Transport| (t.host.clone(), t.port));
        assert_eq!(transport_of("smtp://[::1]"), Ok(("::1".to_owned(), 25)));
        assert_eq!(transport_of("smtp+starttls://mail.example"), Ok(("mail.example".to_owned(), 587)));
        assert_eq!(transport_of("smtps://mail.example"), Ok(("mail.example".to_owned(), 465)));
        assert!(!format!("{:?}", transport("smtps://user:hunter2@mail.example").unwrap()).contains("hunter2"));
        for url in ["http://mail.example", "smtp:", "mail.example:25", "", "smtp://user@mail.example", "smtp://u:%ff@mail.example"] {
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
