//! One-time links: the first use takes it. Only a digest of the token is kept.

use serde::{Deserialize, Serialize};

use crate::base::{Time, UserId};
use crate::session::Purpose;
use crate::store::backend::kv::{Batch, decode, encode, key};
use crate::store::{Store, StoreError};

/// What a link allows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkKind {
    /// Choose a password and enrol; vouches for a first enrolment.
    Setup,
    /// Choose a new password; never touches a factor.
    Reset,
    /// Comes in as a guest, once, without a code.
    Invitation,
}

/// Whom an administrator invites, and where to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Invitation {
    pub address: String,
    /// The route's name.
    pub route: String,
}

impl LinkKind {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Setup => "set-up link",
            Self::Reset => "reset link",
            Self::Invitation => "invitation",
        }
    }
}

/// A one-time link.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Link {
    pub kind: LinkKind,
    pub user: UserId,
    /// The account's epoch when it was made; another one voids it.
    pub epoch: u32,
    pub expires: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invitation: Option<Invitation>,
}

impl Store {
    /// Keeps a link and returns its token, which is not kept.
    pub async fn create_link(&self, link: &Link) -> Result<String, StoreError> {
        self.create_links(std::slice::from_ref(link)).await?.pop().ok_or(StoreError::Contended)
    }

    /// Keeps links as one step; their tokens, in their order.
    pub async fn create_links(&self, links: &[Link]) -> Result<Vec<String>, StoreError> {
        if links.is_empty() {
            return Ok(Vec::new());
        }
        let (mut batch, mut tokens) = (Batch::durable(), Vec::with_capacity(links.len()));
        for link in links {
            let token = data_encoding::BASE64URL_NOPAD.encode(&crate::base::random::bytes::<24>()?);
            batch = batch.put(self.link_key(&token), encode(link)?);
            tokens.push(token);
        }
        self.kv.commit(batch).await?;
        Ok(tokens)
    }

    /// The link behind a token, without using it up.
    pub async fn link(&self, token: &str, now: Time) -> Result<Option<Link>, StoreError> {
        for index in self.link_keys(token) {
            if let Some(bytes) = self.kv.get(&index).await? {
                let link: Link = decode(&bytes)?;
                return Ok((now < link.expires).then_some(link));
            }
        }
        Ok(None)
    }

    /// Uses a link up; `Some` for the one caller that did.
    pub async fn take_link(&self, token: &str, now: Time) -> Result<Option<Link>, StoreError> {
        for index in self.link_keys(token) {
            let Some(bytes) = self.kv.get(&index).await? else { continue };
            let link: Link = decode(&bytes)?;
            let taken = self.kv.commit(Batch::durable().expect(index.clone(), Some(bytes)).delete(index)).await?;
            return Ok((taken && now < link.expires).then_some(link));
        }
        Ok(None)
    }

    /// `true` for the first caller with these bytes; what is remembered may be forgotten once it has expired.
    pub async fn use_once(&self, what: &[u8], expires: Time) -> Result<bool, StoreError> {
        use sha2::Digest;
        let index = key("used", sha2::Sha256::digest(what));
        self.kv.commit(Batch::durable().expect(index.clone(), None).put(index, encode(&expires)?)).await
    }

    fn link_key(&self, token: &str) -> Vec<u8> {
        key("link", data_encoding::BASE64URL_NOPAD.encode(&self.keys.load().digest(Purpose::Link, &[token.as_bytes()])))
    }

    fn link_keys(&self, token: &str) -> Vec<Vec<u8>> {
        let parts: [&[u8]; 1] = [token.as_bytes()];
        self.keys.load().digests(Purpose::Link, &parts).map(|digest| key("link", data_encoding::BASE64URL_NOPAD.encode(&digest))).collect()
    }

    pub(in crate::store) async fn sweep_links(&self, now: Time) -> Result<usize, StoreError> {
        let mut gone = 0;
        for (index, bytes) in self.kv.scan(b"link/", None, 10_000, false).await? {
            if decode::<Link>(&bytes).is_ok_and(|link| link.expires <= now) {
                gone += usize::from(self.kv.commit(Batch::default().expect(index.clone(), Some(bytes)).delete(index)).await?);
            }
        }
        for (index, bytes) in self.kv.scan(b"used/", None, 10_000, false).await? {
            if decode::<Time>(&bytes).is_ok_and(|expires| expires <= now) {
                gone += usize::from(self.kv.commit(Batch::default().delete(index)).await?);
            }
        }
        Ok(gone)
    }
}
