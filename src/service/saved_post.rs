//! The interrupted form: a POST that met a lost session. It is saved, sealed, for the length of a sign-in, shown to its owner, and sent once
//! or discarded.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::base::{Host, SavedPostId, UserId};
use crate::login::Flow;
use crate::service::context::Context;
use crate::store::{Store, StoreError};

/// A form POST, as it came. No `Debug`: what people type is nobody's to print.
#[derive(Clone, Serialize, Deserialize)]
pub struct Form {
    /// The Host as sent, port and all.
    pub authority: String,
    /// Over HTTPS.
    pub secure: bool,
    /// Path and query, as sent.
    pub target: String,
    pub content_type: String,
    #[serde(skip)]
    pub body: Bytes,
    /// The name that it was kept under, if it was before.
    #[serde(skip)]
    pub kept_as: Option<SavedPostId>,
}

/// What a browser sends to confirm a saved form: a POST to the form's own URL, so that it carries the cookies of that path and the answer
/// stands there. Its body is one field and always as long, so that the gateway reads no other body to find it.
pub struct Confirmation {
    pub id: SavedPostId,
    /// The form token of the page that showed the form.
    pub csrf: String,
}

impl Confirmation {
    pub const FIELD: &'static str = "vestibule-saved-post";
    /// 26 characters of an id, a dot, 43 characters of a form token.
    const VALUE: usize = 26 + 1 + 43;
    /// The length of `FIELD=VALUE`, in bytes. As `text/plain` (HTML, "plain text form data") a line end follows.
    pub const LENGTH: usize = Self::FIELD.len() + 1 + Self::VALUE;

    /// The value of the field.
    pub fn value(id: SavedPostId, csrf: &str) -> String {
        format!("{id}.{csrf}")
    }

    /// Reads a body; `None` for every other one.
    pub fn read(body: &[u8]) -> Option<Self> {
        let line = std::str::from_utf8(body).ok()?;
        let value = line.strip_suffix("\r\n").unwrap_or(line).strip_prefix(Self::FIELD)?.strip_prefix('=')?;
        let (id, csrf) = value.split_once('.').filter(|_| value.len() == Self::VALUE)?;
        let is_token = csrf.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        is_token.then_some(Self { id: id.parse().ok()?, csrf: csrf.to_owned() })
    }
}

/// Marks an answer of the portal's: instead of it, the gateway sends this form to its URL, through the whole decision.
#[derive(Clone)]
pub struct Replay(pub Form);

impl Form {
    /// The host that it goes to; `None` if that cannot be read, which is then nobody's.
    pub fn host(&self) -> Option<Host> {
        Host::parse(self.authority.as_bytes()).ok()
    }

    pub fn url(&self) -> String {
        format!("{}://{}{}", if self.secure { "https" } else { "http" }, self.authority, self.target)
    }

    /// The head as JSON after its length, then the body's bytes.
    fn to_bytes(&self) -> Result<zeroize::Zeroizing<Vec<u8>>, StoreError> {
        let head = serde_json::to_vec(self).map_err(|e| StoreError::Record(e.to_string()))?;
        let length = u32::try_from(head.len()).map_err(|e| StoreError::Record(e.to_string()))?;
        Ok(zeroize::Zeroizing::new([&length.to_be_bytes()[..], &head, &self.body].concat()))
    }

    fn from_bytes(id: SavedPostId, bytes: &[u8]) -> Result<Self, StoreError> {
        let short = || StoreError::Record("a kept form is cut short".to_owned());
        let (length, rest) = bytes.split_first_chunk::<4>().ok_or_else(short)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| short())?;
        let (head, body) = rest.split_at_checked(length).ok_or_else(short)?;
        let form: Self = serde_json::from_slice(head).map_err(|e| StoreError::Record(e.to_string()))?;
        Ok(Self { body: Bytes::copy_from_slice(body), kept_as: Some(id), ..form })
    }
}

/// Interrupted forms, kept for their owners.
pub struct SavedPosts {
    pub(in crate::service) store: Arc<Store>,
    pub(in crate::service) context: Arc<Context>,
}

impl SavedPosts {
    /// Keeps a form for its owner, for as long as a sign-in may take; one that was taken and could not be sent, in its old place.
    /// `None`: there is no room.
    pub async fn save(&self, owner: UserId, form: &Form) -> Result<Option<SavedPostId>, StoreError> {
        let now = self.context.now();
        let id = form.kept_as.map_or_else(SavedPostId::random, Ok)?;
        let kept = self.store.save_post(owner, id, &form.to_bytes()?, now.plus(Flow::LIFETIME), now).await?;
        Ok(kept.then_some(id))
    }

    /// A form of this user's. `None` alike for unknown, expired, and somebody else's.
    pub async fn get(&self, user: UserId, id: SavedPostId) -> Result<Option<Form>, StoreError> {
        self.store.saved_post(user, id, self.context.now()).await?.map(|bytes| Form::from_bytes(id, &bytes)).transpose()
    }

    /// The same, and it is gone from then on: `Some` for one caller.
    pub async fn take(&self, user: UserId, id: SavedPostId) -> Result<Option<Form>, StoreError> {
        self.store.take_saved_post(user, id, self.context.now()).await?.map(|bytes| Form::from_bytes(id, &bytes)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_form_comes_back_byte_for_byte(body in proptest::collection::vec(any::<u8>(), 0..400), target in "/[ -~]{0,40}", secure: bool) {
            let form = Form { authority: "a.example:8".into(), secure, target, content_type: "text/plain".into(), body: body.into(), kept_as: None };
            let back = Form::from_bytes(SavedPostId::from_bytes([1; 16]), &form.to_bytes().unwrap()).unwrap();
            prop_assert_eq!((&back.target, back.secure, &back.body), (&form.target, secure, &form.body));
            prop_assert_eq!(back.url(), form.url());
        }

        #[test]
        fn a_confirmation_is_recognized_by_its_length_and_read_back(id in any::<[u8; 16]>(), csrf in "[A-Za-z0-9_-]{43}") {
            let id = SavedPostId::from_bytes(id);
            let body = format!("{}={}\r\n", Confirmation::FIELD, Confirmation::value(id, &csrf));
            prop_assert_eq!(body.len(), Confirmation::LENGTH + 2);
            let read = Confirmation::read(body.as_bytes()).unwrap();
            prop_assert_eq!((read.id, read.csrf.as_str()), (id, csrf.as_str()));
            let other = body.replace("saved", "other");
            prop_assert!(Confirmation::read(other.as_bytes()).is_none());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = Confirmation::read(&bytes);
            let _ = Form::from_bytes(SavedPostId::from_bytes([1; 16]), &bytes);
        }
    }
}
