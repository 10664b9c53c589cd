//! A connection to the mail server, up to where letters can be handed over. Guarantees that a password or a letter never goes out
//! before the protection that the URL asks for is there, and that a port of the other kind is told at once, in plain words.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use lettre::transport::smtp;
use lettre::transport::smtp::client::{AsyncSmtpConnection, AsyncTokioStream};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::hello::Hello;

/// For one address of the server, and for TLS.
pub(super) const CONNECT: Duration = Duration::from_secs(10);
/// An answer of the server's before TLS, in bytes.
const MAX_ANSWER: u64 = 16 * 1024;
/// The port between mail servers, where a client that speaks first is taken for a spammer's.
const RELAY: u16 = 25;

#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("the mail server cannot be reached: {0}")]
    Unreachable(#[from] io::Error),
    #[error("the mail server did not answer in time")]
    Silent,
    #[error("the mail server expects TLS from the first byte on this port: write smtps:// in mail.url")]
    WantsTls,
    #[error("the mail server does not begin with TLS on this port: write smtp+starttls:// or smtp:// in mail.url")]
    WantsPlain,
    #[error("the mail server does not offer STARTTLS on this port: write smtps:// or smtp:// in mail.url")]
    NoStartTls,
    #[error("no TLS with the mail server: {0}")]
    Tls(io::Error),
    #[error("the mail server answered {0}")]
    Answered(String),
    #[error(transparent)]
    Smtp(#[from] smtp::Error),
}

impl ConnectError {
    /// Whether another try would end the same way.
    pub(super) fn is_permanent(&self) -> bool {
        match self {
            Self::WantsTls | Self::WantsPlain | Self::NoStartTls => true,
            Self::Unreachable(_) | Self::Silent | Self::Tls(_) => false,
            Self::Answered(answer) => answer.starts_with('5'),
            Self::Smtp(error) => error.is_permanent() || error.is_client(),
        }
    }
}

/// How a connection is protected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Security {
    None,
    StartTls,
    Tls,
}

/// Where the mail server is, and how it is met.
pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) security: Security,
    pub(super) tls: Arc<ClientConfig>,
    pub(super) name: ServerName<'static>,
    pub(super) hello: Hello,
    /// How long a server may be silent before it is asked whether it waits for TLS.
    pub(super) patience: Duration,
}

impl Server {
    /// # Errors
    /// Whatever stands in the way.
    pub(super) async fn connect(&self) -> Result<AsyncSmtpConnection, ConnectError> {
        let stream = self.dial().await?;
        let hello = self.hello.from(stream.local_addr()?.ip());
        let stream: Box<dyn AsyncTokioStream> = match self.security {
            Security::None => {
                self.await_greeting(&stream).await?;
                Box::new(stream)
            }
            Security::StartTls => {
                self.await_greeting(&stream).await?;
                let stream = start_tls(stream, &hello.to_string()).await?;
                // The letters' library expects the greeting, which came before TLS.
                Box::new(Secured { greeting: b"220 secured\r\n", stream: self.secure(stream).await? })
            }
            Security::Tls => Box::new(Secured { greeting: b"", stream: self.secure(stream).await? }),
        };
        Ok(AsyncSmtpConnection::connect_with_transport(stream, &hello).await?)
    }

    async fn dial(&self) -> Result<TcpStream, ConnectError> {
        let mut last = ConnectError::Unreachable(io::ErrorKind::AddrNotAvailable.into());
        for address in tokio::net::lookup_host((self.host.as_str(), self.port)).await? {
            match tokio::time::timeout(CONNECT, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => last = error.into(),
                Err(_) => last = ConnectError::Silent,
            }
        }
        Err(last)
    }

    /// A server greets first (RFC 5321 section 3.1), unless it waits for TLS.
    async fn await_greeting(&self, stream: &TcpStream) -> Result<(), ConnectError> {
        if tokio::time::timeout(self.patience, stream.readable()).await.is_err()
            && self.port != RELAY
            && self.waits_for_tls(stream.peer_addr()?).await
        {
            return Err(ConnectError::WantsTls);
        }
        Ok(())
    }

    /// Asks on a connection of its own; the first goes on if it does not.
    async fn waits_for_tls(&self, address: SocketAddr) -> bool {
        let asked = async { self.secure(TcpStream::connect(address).await?).await.map(|_| ()) };
        match tokio::time::timeout(self.patience, asked).await {
            Ok(Ok(())) => true,
            // Its certificate need not please us to tell that it speaks TLS.
            Ok(Err(ConnectError::Tls(error))) => error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()),
            Ok(Err(_)) | Err(_) => false,
        }
    }

    async fn secure(&self, stream: TcpStream) -> Result<TlsStream<TcpStream>, ConnectError> {
        let handshake = TlsConnector::from(Arc::clone(&self.tls)).connect(self.name.clone(), stream);
        let secured = tokio::time::timeout(CONNECT, handshake).await.map_err(|_| ConnectError::Silent)?;
        secured.map_err(|error| match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(rustls::Error::InvalidMessage(_)) => ConnectError::WantsPlain,
            _ => ConnectError::Tls(error),
        })
    }
}

/// The dialogue before TLS (RFC 3207). Whatever the server sent beyond it is refused: somebody on the way may have put it there.
async fn start_tls(stream: TcpStream, hello: &str) -> Result<TcpStream, ConnectError> {
    let mut stream = BufReader::new(stream);
    expect(&mut stream, "220").await?;
    stream.write_all(format!("EHLO {hello}\r\n").as_bytes()).await?;
    let offers = expect(&mut stream, "250").await?;
    if !offers.iter().any(|line| line.eq_ignore_ascii_case("STARTTLS")) {
        return Err(ConnectError::NoStartTls);
    }
    stream.write_all(b"STARTTLS\r\n").await?;
    expect(&mut stream, "220").await?;
    if !stream.buffer().is_empty() {
        return Err(ConnectError::Answered("more than was asked before TLS".into()));
    }
    Ok(stream.into_inner())
}

/// Reads one answer and gives its lines without the code.
async fn expect(stream: &mut BufReader<TcpStream>, code: &str) -> Result<Vec<String>, ConnectError> {
    let mut limited = stream.take(MAX_ANSWER);
    let mut lines = Vec::new();
    loop {
        let mut line = Vec::new();
        limited.read_until(b'\n', &mut line).await?;
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        // The code alone: a server's own words may hold anything.
        let Some(rest) = line.strip_prefix(code) else {
            return Err(ConnectError::Answered(line.get(..3).unwrap_or("nothing that is SMTP").to_owned()));
        };
        lines.push(rest.get(1..).unwrap_or_default().to_owned());
        if !rest.starts_with('-') {
            return Ok(lines);
        }
    }
}

/// A connection under TLS, with a greeting that is read first.
#[derive(Debug)]
struct Secured {
    greeting: &'static [u8],
    stream: TlsStream<TcpStream>,
}

impl AsyncTokioStream for Secured {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.get_ref().0.peer_addr()
    }
}

impl AsyncRead for Secured {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.greeting.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let (now, later) = self.greeting.split_at(self.greeting.len().min(buf.remaining()));
        buf.put_slice(now);
        self.greeting = later;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Secured {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
