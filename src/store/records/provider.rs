//! What providers and sessions that began there leave in the store: questions under way, each taken once; a session's other half; and whose
//! sessions a provider has ended, so that a sign-in which was under way at that moment ends too.
//!
//! Keys: `provider-request/DIGEST` of the state; `provider-session/ID`; `provider-ended/DIGEST` of provider and session or person.

use std::time::Duration;

use crate::base::{SessionId, Time};
use crate::login::ProviderRequest;
use crate::login::ProviderSession;
use crate::store::backend::kv::{Batch, decode, encode, key};
use crate::store::{Store, StoreError};

/// How long a logout is remembered for sign-ins under way: longer than any of them takes.
const REMEMBERED: Duration = Duration::from_secs(3600);
/// What is read in one piece.
const PAGE: usize = 500;

/// Whose sessions: one session of the provider's, or all of a person.
#[derive(Clone, Copy, Debug)]
pub enum Whose<'a> {
    Session(&'a str),
    Person(&'a str),
}

fn request_key(state: &str) -> Vec<u8> {
    key("provider-request", digest(&[state]))
}

fn session_key(id: SessionId) -> Vec<u8> {
    key("provider-session", id.to_string())
}

fn ended_key(provider: &str, whose: Whose<'_>) -> Vec<u8> {
    let (kind, id) = match whose {
        Whose::Session(id) => ("session", id),
        Whose::Person(id) => ("person", id),
    };
    key("provider-ended", digest(&[provider, kind, id]))
}

/// The parts cannot run into each other: none holds a NUL.
fn digest(parts: &[&str]) -> String {
    use sha2::Digest;
    data_encoding::BASE64URL_NOPAD.encode(&sha2::Sha256::digest(parts.join("\0")))
}

impl Store {
    /// Keeps a question to a provider until it is answered.
    pub async fn put_provider_request(&self, request: &ProviderRequest) -> Result<(), StoreError> {
        let index = request_key(request.secrets.state.expose());
        self.kv.commit(Batch::default().put(index, encode(request)?)).await.map(drop)
    }

    /// The question with this state, without using it up.
    pub async fn provider_request(&self, state: &str) -> Result<Option<ProviderRequest>, StoreError> {
        self.kv.get(&request_key(state)).await?.map(|bytes| decode(&bytes)).transpose()
    }

    /// Uses a question up; `true` for the one caller that did.
    pub async fn take_provider_request(&self, state: &str) -> Result<bool, StoreError> {
        let index = request_key(state);
        let Some(before) = self.kv.get(&index).await? else { return Ok(false) };
        // Nothing edits a question, so another value than the one read is another taker's.
        self.kv.commit(Batch::default().expect(index.clone(), Some(before)).delete(index)).await
    }

    /// What a session keeps of its provider; written before anything is admitted by it.
    pub async fn put_provider_session(&self, id: SessionId, session: &ProviderSession) -> Result<(), StoreError> {
        self.kv.commit(Batch::durable().put(session_key(id), encode(session)?)).await.map(drop)
    }

    pub async fn provider_session(&self, id: SessionId) -> Result<Option<ProviderSession>, StoreError> {
        self.kv.get(&session_key(id)).await?.map(|bytes| decode(&bytes)).transpose()
    }

    /// Puts one in the place of another; `false` if somebody else changed it meanwhile.
    pub async fn replace_provider_session(
        &self,
        id: SessionId,
        before: &ProviderSession,
        after: &ProviderSession,
    ) -> Result<bool, StoreError> {
        let (index, before) = (session_key(id), encode(before)?);
        self.kv.commit(Batch::default().expect(index.clone(), Some(before)).put(index, encode(after)?)).await
    }

    /// All that came from one provider, or from any.
    pub async fn provider_sessions(&self, provider: Option<&str>) -> Result<Vec<(SessionId, ProviderSession)>, StoreError> {
        let (mut found, mut after) = (Vec::new(), None::<Vec<u8>>);
        loop {
            let page = self.kv.scan(b"provider-session/", after.as_deref(), PAGE, false).await?;
            let Some((last, _)) = page.last() else { return Ok(found) };
            after = Some(last.clone());
            let sessions = page.iter().filter_map(|(index, bytes)| Some((id_in(index)?, decode::<ProviderSession>(bytes).ok()?)));
            found.extend(sessions.filter(|(_, session)| provider.is_none_or(|provider| provider == session.provider)));
        }
    }

    /// A provider has ended these at `now`: what began before is over, also if it is still under way.
    pub async fn mark_ended_at_provider(&self, provider: &str, whose: Whose<'_>, now: Time) -> Result<(), StoreError> {
        self.kv.commit(Batch::durable().put(ended_key(provider, whose), encode(&now)?)).await.map(drop)
    }

    /// Whether the provider has ended a session since its sign-in began.
    pub async fn is_ended_at_provider(&self, session: &ProviderSession) -> Result<bool, StoreError> {
        let of_session = session.sid.as_deref().map(Whose::Session);
        for whose in of_session.into_iter().chain([Whose::Person(&session.sub)]) {
            if let Some(at) = self.kv.get(&ended_key(&session.provider, whose)).await?
                && decode::<Time>(&at)? >= session.began
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Removes what is over: questions that nobody answered, logouts of long ago, and halves of sessions that are gone.
    pub async fn sweep_providers(&self, now: Time) -> Result<usize, StoreError> {
        let (mut gone, mut many) = (Batch::default(), 0);
        for (index, bytes) in self.kv.scan(b"provider-request/", None, 10_000, false).await? {
            if decode::<ProviderRequest>(&bytes).map_or(true, |request| request.expires <= now) {
                (gone, many) = (gone.delete(index), many + 1);
            }
        }
        for (index, bytes) in self.kv.scan(b"provider-ended/", None, 10_000, false).await? {
            if decode::<Time>(&bytes).map_or(true, |at| now.since(at) > REMEMBERED) {
                (gone, many) = (gone.delete(index), many + 1);
            }
        }
        for (id, session) in self.provider_sessions(None).await? {
            // One that was just written belongs to a session that is about to be.
            if now.since(session.began) > REMEMBERED && self.session(id).await?.is_none() {
                (gone, many) = (gone.delete(session_key(id)), many + 1);
            }
        }
        if many > 0 {
            self.kv.commit(gone).await?;
        }
        Ok(many)
    }
}

fn id_in(index: &[u8]) -> Option<SessionId> {
    std::str::from_utf8(index.strip_prefix(b"provider-session/".as_slice())?).ok()?.parse().ok()
}
