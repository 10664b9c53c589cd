//! E-mail over SMTP: plain, STARTTLS (never fallen back from) or TLS, over a small pool of connections.

mod connect;
mod hello;
mod sign_in;

use std::borrow::Cow;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use lettre::Address;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment, Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use rustls::pki_types::ServerName;

use super::failure::Failure;
use super::texts::Written;
use crate::base::Time;
use crate::config::Mail;
use crate::notify::trust;
use connect::{CONNECT, ConnectError, Security, Server};
use hello::Hello;
use sign_in::Login;

/// For one try as a whole.
const WHOLE: Duration = Duration::from_secs(30);
/// How long a server may be silent before it is asked whether it waits for TLS: longer than an honest one thinks.
const PATIENCE: Duration = Duration::from_secs(3);
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
    #[error("{0}")]
    Tls(String),
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
            .multipart(parts(written)?)
            .map_err(|_| BadAddress)
    }
}

/// The text, and the HTML with the picture that it shows.
fn parts(written: &Written) -> Result<MultiPart, BadAddress> {
    let Some(logo) = &written.logo else { return Ok(MultiPart::alternative_plain_html(written.text.clone(), written.html.clone())) };
    let kind = ContentType::parse(logo.content_type()).map_err(|_| BadAddress)?;
    let picture = Attachment::new_inline("logo".into()).body(logo.bytes().to_vec(), kind);
    let html = MultiPart::related().singlepart(SinglePart::html(written.html.clone())).singlepart(picture);
    Ok(MultiPart::alternative().singlepart(SinglePart::plain(written.text.clone())).multipart(html))
}

/// A way to the mail server, with the connections that were used last. The library's own pool takes a connection back when a delivery
/// is cut short by a timeout, in the middle of a letter; here such a connection is dropped, which closes it.
pub(super) struct Transport {
    server: Server,
    login: Option<Login>,
    parked: Mutex<Vec<(Instant, AsyncSmtpConnection)>>,
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Transport({}:{})", self.server.host, self.server.port)
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
        let (security, usual) = match url.scheme() {
            "smtp" => (Security::None, smtp::SMTP_PORT),
            "smtp+starttls" => (Security::StartTls, smtp::SUBMISSION_PORT),
            "smtps" => (Security::Tls, smtp::SUBMISSIONS_PORT),
            _ => return Err(MailError::Url),
        };
        let name = ServerName::try_from(host.clone()).map_err(|_| MailError::Url)?;
        let tls = trust::client(config.ca.as_deref().map(Vec::as_slice)).map_err(MailError::Tls)?;
        let (port, hello) = (url.port().unwrap_or(usual), Hello::new(config.hello.as_deref()));
        let server = Server { host, port, security, tls, name, hello, patience: PATIENCE };
        Ok(Self { server, login: login(&url)?, parked: Mutex::default() })
    }

    /// One try, within `limit`.
    pub(super) async fn deliver(&self, letter: &lettre::Message, limit: Duration) -> Result<(), Failure> {
        match tokio::time::timeout(limit.min(WHOLE), self.send(letter)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Failure { transient: !error.is_permanent(), reason: reason(&error) }),
            Err(_) => Err(Failure { transient: true, reason: ConnectError::Silent.to_string() }),
        }
    }

    async fn send(&self, letter: &lettre::Message) -> Result<(), ConnectError> {
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

    async fn connect(&self) -> Result<AsyncSmtpConnection, ConnectError> {
        let mut connection = self.server.connect().await?;
        if let Some(login) = &self.login {
            login.sign_in(&mut connection).await?;
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

fn login(url: &url::Url) -> Result<Option<Login>, MailError> {
    let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8().map(Cow::into_owned).map_err(|_| MailError::Url);
    match url.password() {
        Some(password) => Ok(Some(Login { user: decode(url.username())?, password: decode(password)? })),
        None if url.username().is_empty() => Ok(None),
        None => Err(MailError::Url),
    }
}

/// What to tell the operator. A server's own words may hold the recipient's address, so of an answer only its code is kept.
fn reason(error: &ConnectError) -> String {
    match error {
        ConnectError::Smtp(error) => match error.status() {
            Some(code) => format!("the mail server answered {code}"),
            None if error.is_timeout() => ConnectError::Silent.to_string(),
            None => format!("no conversation with the mail server: {error}"),
        },
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
