//! Notices of what other gateways changed: sent within the transaction of the change, heard on a connection of their own.
//!
//! A payload is `ORIGIN SIGN KEY`, the key in hexadecimal; the sign `*` says that the whole store was replaced, and `~` that sessions were used, with
//! their ids and times in place of a key: so thousands in use at once are a few notices a second, and nobody reads them again. `?` asks who has followed
//! all that came before, and `!` answers. `=` proves a new line: it is sent over a connection of the pool and must be heard on the line, which it is not where a
//! pooler gives the line's connection to others. The origin tells a gateway its own notices. It leaves out those of
//! its own sessions written, of which it knows more than the store; it follows its own deletions and its own accounts, so that
//! whatever it read of another's change meanwhile is put right by a second look.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio_postgres::AsyncMessage;
use tokio_postgres::types::Type;

use super::pool::words;
use super::settings::{PATIENCE, Settings};
use super::source::Source;
use crate::base::random::{self, NoEntropy};
use crate::base::{SessionId, Time};
use crate::store::backend::kv::{Change, Word};

/// Sends each of an array.
pub const NOTIFY: &str = "SELECT pg_notify('vestibule', word) FROM unnest($1) AS word";

/// How often the line is tried, and how soon after a loss.
const BEAT: Duration = Duration::from_secs(1);

/// How many changes may wait for whoever follows them. Where it is full the line stalls, counts as lost, and all is read anew.
const WAITING: usize = 4096;

/// Which process a notice comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Origin([u8; 8]);

impl Origin {
    pub fn random() -> Result<Self, NoEntropy> {
        random::bytes().map(Self)
    }

    /// In hexadecimal.
    pub fn text(self) -> String {
        HEXLOWER.encode(&self.0)
    }
}

/// The notice of a written or deleted key, where somebody keeps such a record in memory.
pub fn notice(origin: Origin, deleted: bool, key: &[u8]) -> Option<String> {
    let kept = [&b"account/"[..], b"session/", b"token/", b"keyring"].iter().any(|kind| key.starts_with(kind));
    // A binding ends with its session, which is told.
    let kept = kept || (!deleted && key.starts_with(b"device/"));
    kept.then(|| format!("{} {} {}", HEXLOWER.encode(&origin.0), if deleted { '-' } else { '+' }, HEXLOWER.encode(key)))
}

/// The notice that everything was replaced.
pub fn everything(origin: Origin) -> String {
    format!("{} * ", HEXLOWER.encode(&origin.0))
}

/// The notice that sessions were used: 24 bytes for each, in base64.
pub fn used(origin: Origin, sessions: &[(SessionId, Time)]) -> String {
    let mut bytes = Vec::with_capacity(sessions.len() * PLACE);
    for (id, at) in sessions {
        bytes.extend_from_slice(id.as_bytes());
        bytes.extend_from_slice(&at.millis().to_be_bytes());
    }
    format!("{} ~ {}", HEXLOWER.encode(&origin.0), BASE64URL_NOPAD.encode(&bytes))
}

/// The notice of a question or an answer. Those who do not know it take the number for a key that is nobody's.
pub fn word(origin: Origin, word: Word) -> String {
    match word {
        Word::Ask(question) => format!("{} ? {}", origin.text(), HEXLOWER.encode(&question)),
        Word::Answer(question) => format!("{} ! {}", origin.text(), HEXLOWER.encode(&question)),
    }
}

fn read_used(text: &str) -> Option<Change> {
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
    let one = |place: &[u8]| {
        let (id, at) = place.split_first_chunk::<16>()?;
        Some((SessionId::from_bytes(*id), Time::from_millis(i64::from_be_bytes(at.try_into().ok()?))))
    };
    bytes.chunks(PLACE).map(one).collect::<Option<_>>().map(Change::Used)
}

/// Of an id and a time, in bytes.
const PLACE: usize = 24;

/// What to look at again, where there is need.
fn heard(payload: &str, own: Origin) -> Option<Change> {
    let mut parts = payload.split(' ');
    let (origin, sign, key) = (parts.next()?, parts.next()?, parts.next()?);
    if sign == "=" {
        return None;
    }
    if sign == "*" {
        return Some(Change::Replaced);
    }
    if sign == "~" {
        return if origin == HEXLOWER.encode(&own.0) { None } else { read_used(key) };
    }
    let key = HEXLOWER.decode(key.as_bytes()).ok()?;
    if sign == "?" || sign == "!" {
        let question = key.try_into().ok()?;
        let is_own = origin == own.text();
        return if sign == "!" {
            Some(Change::Answered(question, origin.to_owned()))
        } else {
            (!is_own).then_some(Change::Asked(question))
        };
    }
    if let Some(id) = key.strip_prefix(b"session/").and_then(|id| id.try_into().ok()).filter(|_| sign == "-") {
        return Some(Change::Gone(SessionId::from_bytes(id)));
    }
    let known = origin == HEXLOWER.encode(&own.0) && sign == "+" && (key.starts_with(b"session/") || key.starts_with(b"device/"));
    (!known).then_some(Change::Key(key))
}

/// Asked each beat. A server that became a standby has no notices any more: it divides by zero, and the next server is tried.
const STILL_THERE: &str = "SELECT 1 / (NOT pg_is_in_recovery())::int";

/// Listens until nobody receives any more.
pub fn start(source: Arc<Source>, own: Origin) -> mpsc::Receiver<Change> {
    let (out, changes) = mpsc::channel(WAITING);
    tokio::spawn(async move {
        while !out.is_closed() {
            let said = listen(&source, own, &out).await;
            if !out.is_closed() {
                tracing::warn!(error = said, "the line for changes made by other gateways is down; it is tried again");
                tokio::time::sleep(BEAT).await;
            }
        }
    });
    changes
}

/// A task that ends with its owner.
struct Driver(JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Why notices do not arrive that were sent.
const DEAF: &str = "notices that were sent are not heard: a pooler that gives the connection to others stands in between, or another database; \
                    name the server itself for the connection that listens: store.url with listen=HOST:PORT";

/// One connection, to its end; returns why.
pub(super) async fn listen(source: &Source, own: Origin, out: &mpsc::Sender<Change>) -> String {
    let settings = source.settings().await;
    let connected = match tokio::time::timeout(PATIENCE, settings.listen.connect(settings.tls.clone())).await {
        Ok(Ok(connected)) => connected,
        Ok(Err(e)) => return words(&e),
        Err(_) => return "no connection within 5 seconds".to_owned(),
    };
    let (client, mut connection) = connected;
    let (heard_by, proof, proven) = (out.clone(), proof(own), Arc::new(Notify::new()));
    let proves = proven.clone();
    let _driver = Driver(tokio::spawn(async move {
        while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
            let AsyncMessage::Notification(notification) = message else { continue };
            if notification.payload() == proof {
                proves.notify_one();
            } else if let Some(change) = heard(notification.payload(), own)
                && heard_by.send(change).await.is_err()
            {
                return;
            }
        }
    }));
    match tokio::time::timeout(2 * BEAT, client.batch_execute("LISTEN vestibule")).await {
        Ok(Ok(())) => {}
        Ok(Err(e)) => return words(&e),
        Err(_) => return "no answer within 2 seconds".to_owned(),
    }
    if let Err(e) = prove(&settings, own).await {
        return e;
    }
    if tokio::time::timeout(2 * BEAT, proven.notified()).await.is_err() {
        return DEAF.to_owned();
    }
    let mut news = Change::Listening;
    loop {
        match tokio::time::timeout(2 * BEAT, client.batch_execute(STILL_THERE)).await {
            Ok(Ok(())) => {}
            Ok(Err(e)) => return words(&e),
            Err(_) => return "no answer within 2 seconds".to_owned(),
        }
        // What was heard before the answer is in the channel already: whoever receives this has followed all of it.
        if out.send(std::mem::replace(&mut news, Change::Alive)).await.is_err() {
            return String::new();
        }
        tokio::select! {
            () = tokio::time::sleep(BEAT) => {}
            () = out.closed() => return String::new(),
        }
    }
}

/// The notice that a line is proven by.
fn proof(own: Origin) -> String {
    format!("{} = ", own.text())
}

/// Sends it the way that changes go.
async fn prove(settings: &Settings, own: Origin) -> Result<(), String> {
    let sent = async {
        let (client, connection) = settings.config.connect(settings.tls.clone()).await?;
        let _driver = Driver(tokio::spawn(async move { drop(connection.await) }));
        client.execute_typed(NOTIFY, &[(&vec![proof(own)], Type::TEXT_ARRAY)]).await
    };
    match tokio::time::timeout(PATIENCE, sent).await {
        Ok(sent) => sent.map(drop).map_err(|e| words(&e)),
        Err(_) => Err("no connection within 5 seconds".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::backend::kv::USED;

    #[test]
    fn many_uses_are_one_notice_that_fits() {
        let (own, other) = (Origin([1; 8]), Origin([2; 8]));
        let uses: Vec<_> = (0..USED as u128).map(|n| (SessionId::from_bytes(n.to_be_bytes()), Time::from_secs(1_800_000_000))).collect();
        let said = used(own, &uses);
        assert!(said.len() < 8000, "PostgreSQL's longest payload");
        assert_eq!(heard(&said, other), Some(Change::Used(uses)));
        assert_eq!(heard(&said, own), None);
        assert_eq!(heard(&said[..said.len() - 3], other), None);
    }

    #[test]
    fn a_notice_names_its_key_and_its_origin() {
        let (own, other) = (Origin([1; 8]), Origin([2; 8]));
        let said = |deleted, key: &[u8]| notice(own, deleted, key).unwrap();
        assert_eq!(notice(own, false, b"flow/x"), None);
        assert_eq!(heard(&said(false, b"session/\x00\xff"), other), Some(Change::Key(b"session/\x00\xff".to_vec())));
        assert_eq!(heard(&said(false, b"session/x"), own), None);
        assert_eq!(heard(&said(true, b"session/x"), own), Some(Change::Key(b"session/x".to_vec())));
        let id = [7; 16];
        assert_eq!(heard(&said(true, &[b"session/".as_slice(), &id].concat()), own), Some(Change::Gone(SessionId::from_bytes(id))));
        assert_eq!(heard(&said(false, b"account/x"), own), Some(Change::Key(b"account/x".to_vec())));
        assert_eq!(heard(&everything(own), own), Some(Change::Replaced));
        assert_eq!(heard(&everything(own), other), Some(Change::Replaced));
        assert_eq!(heard(&word(other, Word::Ask([7; 8])), own), Some(Change::Asked([7; 8])));
        assert_eq!(heard(&word(own, Word::Ask([7; 8])), own), None);
        assert_eq!(heard(&word(other, Word::Answer([7; 8])), own), Some(Change::Answered([7; 8], other.text())));
        for odd in ["", "a", "a ? 00", "a ! zz", "a +", "a + zz", "é + 00é"] {
            assert_eq!(heard(odd, own), None, "{odd}");
        }
    }
}
