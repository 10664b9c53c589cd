//! A small directory inside this program, over the same protocol: for `vestibule demo --directory`, and for tests, which make it slow, silent or
//! hostile. It speaks plain LDAP on loopback and keeps nothing.
//!
//! Like some servers it calls a bind with an empty password a success, so that a test notices if one ever arrives.

mod answer;
mod state;
mod tree;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::BytesMut;
use ldap3_lber::Parser;
use ldap3_lber::structure::StructureTag;
use ldap3_proto::proto::{LdapMsg, LdapOp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub use self::state::{Seen, Trouble};
pub use self::tree::{Record, Tree};

use self::state::{State, locked};

/// A running server; it stops when dropped.
pub struct Embedded {
    address: SocketAddr,
    state: Arc<State>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Embedded {
    /// Starts on a free port of loopback.
    ///
    /// # Errors
    /// The operating system's.
    pub async fn start(tree: Tree) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(State { tree: Mutex::new(tree), ..State::default() });
        let accepting = tokio::spawn(accept(listener, state.clone()));
        Ok(Self { address, state, accepting })
    }

    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self) -> String {
        format!("ldap://{}", self.address)
    }

    /// What is in it, to be changed.
    pub fn tree(&self) -> MutexGuard<'_, Tree> {
        locked(&self.state.tree)
    }

    pub fn make_trouble(&self, trouble: Trouble) {
        *locked(&self.state.trouble) = trouble;
    }

    /// What was asked since this was asked last.
    pub fn seen(&self) -> Seen {
        std::mem::take(&mut *locked(&self.state.seen))
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    let mut served = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    locked(&state.seen).connections += 1;
                    served.spawn(serve(stream, state.clone()));
                }
                Err(_) => tokio::task::yield_now().await,
            },
            Some(_) = served.join_next() => {}
        }
    }
}

/// One connection, until the client goes or says what is no LDAP.
async fn serve(mut stream: TcpStream, state: Arc<State>) {
    let (mut read, mut bound) = (BytesMut::new(), String::new());
    loop {
        let message = match next(&mut read) {
            Ok(Some(message)) => message,
            Ok(None) => match stream.read_buf(&mut read).await {
                Ok(0) | Err(_) => return,
                Ok(_) => continue,
            },
            Err(()) => return,
        };
        if matches!(message.op, LdapOp::UnbindRequest) {
            return;
        }
        let trouble = locked(&state.trouble).clone();
        let replies = answer::replies(&state, &mut bound, message);
        if send(&mut stream, replies, &trouble, !bound.is_empty()).await.is_none() {
            return;
        }
    }
}

/// Sends the answer, or what is sent in its place; `None`: the connection ends.
async fn send(stream: &mut TcpStream, replies: Vec<LdapMsg>, trouble: &Trouble, is_bound: bool) -> Option<()> {
    let is_bind = matches!(replies.first().map(|reply| &reply.op), Some(LdapOp::BindResponse(_)));
    match trouble {
        Trouble::Silent => return Some(()),
        Trouble::Closes if is_bound && !is_bind => return None,
        Trouble::Sends(bytes) => return stream.write_all(bytes).await.ok(),
        Trouble::Floods if !is_bind => return flood(stream, replies).await,
        Trouble::Slow(span) => tokio::time::sleep(*span).await,
        Trouble::None | Trouble::Closes | Trouble::Floods | Trouble::WrongId | Trouble::Busy => {}
    }
    for reply in replies {
        let reply = match trouble {
            Trouble::WrongId if !is_bind => LdapMsg { msgid: reply.msgid.wrapping_add(1000), ..reply },
            Trouble::Busy if !is_bind => answer::busy(&reply),
            _ => reply,
        };
        stream.write_all(&written(reply)).await.ok()?;
    }
    Some(())
}

async fn flood(stream: &mut TcpStream, replies: Vec<LdapMsg>) -> Option<()> {
    let entry = replies.into_iter().find(|reply| matches!(reply.op, LdapOp::SearchResultEntry(_)))?;
    let bytes = written(entry);
    loop {
        stream.write_all(&bytes).await.ok()?;
    }
}

fn written(message: LdapMsg) -> BytesMut {
    let mut out = BytesMut::new();
    let _ = ldap3_lber::write::encode_into(&mut out, StructureTag::from(message));
    out
}

fn next(read: &mut BytesMut) -> Result<Option<LdapMsg>, ()> {
    if read.is_empty() {
        return Ok(None);
    }
    let whole = read.clone();
    match Parser::new(64).parse(&whole) {
        Ok((rest, tag)) => {
            let _ = read.split_to(whole.len() - rest.len());
            LdapMsg::try_from(tag).map(Some).map_err(drop)
        }
        Err(e) if e.is_incomplete() => Ok(None),
        Err(_) => Err(()),
    }
}
