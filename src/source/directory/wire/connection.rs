//! One connection to one server, with one operation under way at a time. Whatever a server sends is bounded in size and number, and what is no
//! LDAP is an error, never a panic. A connection on which an operation was left off in the middle is not used again.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use ldap3_lber::Parser;
use ldap3_lber::structure::StructureTag;
use ldap3_proto::control::LdapControl;
use ldap3_proto::proto::{LdapExtendedRequest, LdapMsg, LdapOp, LdapResult, LdapResultCode, LdapSearchRequest};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::ber;
use super::tls;
use crate::base::Secret;
use crate::config::directory::{Protection, Server};
use crate::source::Cause;
use crate::source::directory::entry::Entry;
use crate::source::directory::state::{PolicyError, Reply, password_policy};

/// The longest message that is read: an entry with thousands of groups fits.
const MAX_MESSAGE: usize = 1024 * 1024;

/// Entries and references in one answer, and bytes of all of them together.
const MAX_ENTRIES: usize = 5000;
const MAX_REFERENCES: usize = 1000;
const MAX_ANSWER: usize = 8 * 1024 * 1024;

/// How many entries a page has: fewer than any server's limit. And all pages together.
const PAGE: i64 = 500;
const MAX_IN_PAGES: usize = 20_000;

/// How deep the elements of a message may be nested: the deepest honest one is 8.
const MAX_DEPTH: usize = 32;

const START_TLS: &str = "1.3.6.1.4.1.1466.20037";

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection.
pub(in crate::source::directory) struct Connection {
    stream: Box<dyn Stream>,
    read: BytesMut,
    last_id: i32,
    /// An operation was begun and its answer not yet read to the end.
    is_busy: bool,
}

fn next_page(controls: Vec<LdapControl>) -> Option<Vec<u8>> {
    controls.into_iter().find_map(|control| match control {
        LdapControl::SimplePagedResults { cookie, .. } => Some(cookie),
        _ => None,
    })
}

impl Connection {
    /// Connects and makes it safe, within `limit` for both together.
    pub async fn open(server: &Server, tls: Option<&Arc<ClientConfig>>, limit: Duration) -> Result<Self, Cause> {
        let opening = Self::open_unlimited(server, tls);
        tokio::time::timeout(limit, opening).await.unwrap_or_else(|_| Err(Cause::TimedOut(format!("connecting to {}", server.url))))
    }

    async fn open_unlimited(server: &Server, tls: Option<&Arc<ClientConfig>>) -> Result<Self, Cause> {
        let connected = TcpStream::connect((server.host.as_str(), server.port)).await;
        let stream = connected.map_err(|e| Cause::Connect(format!("{}: {e}", server.url)))?;
        let _ = stream.set_nodelay(true);
        let stream: Box<dyn Stream> = Box::new(stream);
        match (server.protection, tls) {
            (Protection::None, _) => Ok(Self::over(stream)),
            (_, None) => Err(Cause::Tls(format!("{}: there is no TLS configuration", server.url))),
            (Protection::Tls, Some(tls)) => Self::secured(stream, server, tls).await,
            (Protection::StartTls, Some(tls)) => {
                let stream = start_tls(stream).await?;
                Self::secured(stream, server, tls).await
            }
        }
    }

    async fn secured(stream: Box<dyn Stream>, server: &Server, tls: &Arc<ClientConfig>) -> Result<Self, Cause> {
        let name = ServerName::try_from(server.host.clone()).map_err(|_| Cause::Tls(format!("{} is no host name", server.host)))?;
        let connected = TlsConnector::from(tls.clone()).connect(name, stream).await;
        connected.map(|stream| Self::over(Box::new(stream))).map_err(|e| Cause::Tls(format!("{}: {}", server.url, tls::explain(&e))))
    }

    fn over(stream: Box<dyn Stream>) -> Self {
        Self { stream, read: BytesMut::new(), last_id: 0, is_busy: false }
    }

    /// Whether the last answer was read to its end, so that the next one cannot be mistaken for it.
    pub fn is_clean(&self) -> bool {
        !self.is_busy && self.read.is_empty()
    }

    /// A simple bind. The caller has made sure that the password is not empty.
    pub async fn bind(&mut self, dn: &str, password: &Secret) -> Result<Reply, Cause> {
        let id = self.begin();
        self.send(&ber::bind(id, dn, password.expose())).await?;
        let (message, policy) = self.receive(id).await?;
        match message.op {
            LdapOp::BindResponse(response) => self.end(response.res, policy),
            _ => Err(unexpected("a bind")),
        }
    }

    /// A search to its end, `in_pages` (RFC 2696) if the answer may be larger than a server gives at once; one that knows no pages gives what it
    /// gives. References are passed over: nobody is asked elsewhere with our credentials.
    pub async fn search(&mut self, request: LdapSearchRequest, in_pages: bool) -> Result<(Vec<Entry>, Reply), Cause> {
        let (mut all, mut cookie) = (Vec::new(), Vec::new());
        loop {
            let page = in_pages.then_some(LdapControl::SimplePagedResults { size: PAGE, cookie });
            let (entries, reply, next) = self.search_page(request.clone(), page).await?;
            all.extend(entries);
            if all.len() > MAX_IN_PAGES {
                return Err(Cause::Protocol(format!("a search has more than {MAX_IN_PAGES} answers")));
            }
            match next {
                Some(next) if in_pages && !next.is_empty() && reply.code == LdapResultCode::Success => cookie = next,
                _ => return Ok((all, reply)),
            }
        }
    }

    /// Also the cookie of the next page, if the server speaks of pages.
    async fn search_page(
        &mut self,
        request: LdapSearchRequest,
        page: Option<LdapControl>,
    ) -> Result<(Vec<Entry>, Reply, Option<Vec<u8>>), Cause> {
        let id = self.begin();
        let limit = usize::try_from(request.sizelimit).ok().filter(|limit| *limit > 0).unwrap_or(MAX_ENTRIES).min(MAX_ENTRIES);
        self.send_message(id, LdapOp::SearchRequest(request), page.into_iter().collect()).await?;
        let (mut entries, mut references, mut size) = (Vec::new(), 0, 0);
        loop {
            let (message, policy) = self.receive(id).await?;
            match message.op {
                LdapOp::SearchResultEntry(entry) => {
                    size += entry.size();
                    entries.push(Entry::from(entry));
                }
                LdapOp::SearchResultReference(_) => references += 1,
                LdapOp::SearchResultDone(result) => return Ok((entries, self.end(result, policy)?, next_page(message.ctrl))),
                _ => return Err(unexpected("a search")),
            }
            if entries.len() > limit || references > MAX_REFERENCES || size > MAX_ANSWER {
                return Err(Cause::Protocol("the answer to a search is larger than what was asked for".into()));
            }
        }
    }

    /// Sends a request that was written by hand, and reads the result of a modification or extended operation.
    pub async fn change(&mut self, write: impl FnOnce(i32) -> ber::Bytes + Send) -> Result<Reply, Cause> {
        let id = self.begin();
        self.send(&write(id)).await?;
        let (message, policy) = self.receive(id).await?;
        match message.op {
            LdapOp::ModifyResponse(result) => self.end(result, policy),
            LdapOp::ExtendedResponse(response) => self.end(response.res, policy),
            _ => Err(unexpected("a change")),
        }
    }

    /// Says goodbye; nothing comes back.
    pub async fn close(mut self) {
        let id = self.begin();
        let farewell = async {
            let _ = self.send_message(id, LdapOp::UnbindRequest, Vec::new()).await;
            let _ = self.stream.shutdown().await;
        };
        let _ = tokio::time::timeout(Duration::from_secs(1), farewell).await;
    }

    fn begin(&mut self) -> i32 {
        self.is_busy = true;
        self.last_id = self.last_id.checked_add(1).unwrap_or(1);
        self.last_id
    }

    fn end(&mut self, result: LdapResult, policy: Option<PolicyError>) -> Result<Reply, Cause> {
        self.is_busy = false;
        let message = result.message.trim_end_matches('\0').chars().take(400).filter(|c| !c.is_control()).collect();
        Ok(Reply { code: result.code, message, policy })
    }

    async fn send_message(&mut self, id: i32, op: LdapOp, controls: Vec<LdapControl>) -> Result<(), Cause> {
        let mut out = BytesMut::new();
        let tag = StructureTag::from(LdapMsg::new_with_ctrls(id, op, controls));
        ldap3_lber::write::encode_into(&mut out, tag).map_err(|e| Cause::Protocol(format!("a request cannot be written: {e}")))?;
        self.send(&out).await
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), Cause> {
        let sent = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        sent.await.map_err(|e| lost(&e))
    }

    /// The next message, which must be the answer to this request.
    async fn receive(&mut self, id: i32) -> Result<(LdapMsg, Option<PolicyError>), Cause> {
        let tag = self.next().await?;
        let policy = password_policy(&tag);
        let message = LdapMsg::try_from(tag).map_err(|e| Cause::Protocol(e.to_string()))?;
        match (message.msgid, &message.op) {
            (got, _) if got == id => Ok((message, policy)),
            (0, LdapOp::ExtendedResponse(notice)) => Err(Cause::Connect(format!("the server ends the connection: {:?}", notice.res.code))),
            _ => Err(Cause::Protocol("an answer to a request that was not made".into())),
        }
    }

    async fn next(&mut self) -> Result<StructureTag, Cause> {
        loop {
            if let Some(length) = frame(&self.read)?.filter(|length| self.read.len() >= *length) {
                let frame = self.read.split_to(length);
                let parsed = Parser::new(MAX_DEPTH).parse(&frame);
                return parsed.map(|(_, tag)| tag).map_err(|_| Cause::Protocol("a message that is not BER".into()));
            }
            self.read.reserve(8192);
            let count = self.stream.read_buf(&mut self.read).await.map_err(|e| lost(&e))?;
            if count == 0 {
                return Err(Cause::Connect("the server closed the connection".into()));
            }
        }
    }
}

/// The plain socket on which the server has agreed to begin TLS, with nothing read beyond that answer: what came before the handshake must not be
/// taken for something that came under its protection.
async fn start_tls(stream: Box<dyn Stream>) -> Result<Box<dyn Stream>, Cause> {
    let mut plain = Connection::over(stream);
    let id = plain.begin();
    let request = LdapExtendedRequest { name: START_TLS.to_owned(), value: None };
    plain.send_message(id, LdapOp::ExtendedRequest(request), Vec::new()).await?;
    let (message, _) = plain.receive(id).await?;
    let LdapOp::ExtendedResponse(response) = message.op else { return Err(unexpected("StartTLS")) };
    if response.res.code != LdapResultCode::Success {
        return Err(Cause::Tls(format!("the server refuses StartTLS: {:?} {}", response.res.code, response.res.message)));
    }
    if !plain.read.is_empty() {
        return Err(Cause::Tls("the server sent something in the clear after it agreed to StartTLS".into()));
    }
    Ok(plain.stream)
}

/// How long the message at the beginning of the buffer is; `None`: it cannot be told yet.
fn frame(read: &[u8]) -> Result<Option<usize>, Cause> {
    let (tag, first, rest) = match read {
        [] | [0x30] => return Ok(None),
        [tag, first, rest @ ..] => (*tag, *first, rest),
        [_] => return Err(Cause::Protocol("this is not LDAP".into())),
    };
    if tag != 0x30 {
        return Err(Cause::Protocol("this is not LDAP".into()));
    }
    let octets = usize::from(first & 0x7f);
    let length = match first {
        0x80 | 0x85.. => return Err(Cause::Protocol("a message of no definite length".into())),
        0x81.. if rest.len() < octets => return Ok(None),
        0x81.. => 2 + octets + rest.iter().take(octets).fold(0, |sum, byte| (sum << 8) | usize::from(*byte)),
        short => 2 + usize::from(short),
    };
    if length > MAX_MESSAGE { Err(Cause::Protocol(format!("a message of {length} bytes"))) } else { Ok(Some(length)) }
}

fn unexpected(operation: &str) -> Cause {
    Cause::Protocol(format!("the answer to {operation} is of another kind"))
}

fn lost(e: &io::Error) -> Cause {
    match e.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(_) => Cause::Tls(tls::explain(e)),
        None => Cause::Connect(format!("the connection broke: {e}")),
    }
}
