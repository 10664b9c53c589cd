//! Statements that were signed lately. A signature costs some twenty microseconds; a request finds the statement of the one
//! before. Guarantees that what is found says exactly what was asked for: the claims themselves are the key.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use foldhash::fast::RandomState;
use http::HeaderValue;

use super::{Claims, Keys, Unsigned, body, sign};
use crate::base::Time;

/// How many statements are kept. Each is about 1 KiB; if there are more people at once, some are signed again.
const MOST: usize = 20_000;

/// Signs statements and keeps them for as long as they are handed out.
pub struct Assertions {
    keys: Keys,
    signed: Mutex<HashMap<String, Signed, RandomState>>,
}

/// A statement, and until when it is handed out.
#[derive(Clone)]
pub struct Signed {
    pub value: HeaderValue,
    pub renew: Time,
}

impl Assertions {
    pub fn new(keys: Keys) -> Self {
        Self { keys, signed: Mutex::default() }
    }

    pub const fn keys(&self) -> &Keys {
        &self.keys
    }

    /// A statement with these claims that is valid for at least half of `lifetime`.
    ///
    /// # Errors
    /// Where it cannot be signed.
    pub fn assert(&self, claims: &Claims<'_>, lifetime: Duration, now: Time) -> Result<Signed, Unsigned> {
        let body = body(claims)?;
        let key = format!("{}\0{body}", lifetime.as_secs());
        if let Some(known) = self.known(&key, now) {
            return Ok(known);
        }
        let text = sign(self.keys.signer(), &body, now, now.plus(lifetime))?;
        let mut value = HeaderValue::try_from(text).map_err(|_| Unsigned)?;
        value.set_sensitive(true);
        let signed = Signed { value, renew: now.plus(lifetime / 2) };
        self.keep(key, signed.clone(), now);
        Ok(signed)
    }

    /// One that was signed in the future, by a clock that was set back since, is not handed out.
    fn known(&self, key: &str, now: Time) -> Option<Signed> {
        let signed = self.signed.lock().unwrap_or_else(PoisonError::into_inner);
        signed.get(key).filter(|one| now < one.renew && one.renew.since(now) <= MAX_HALF).cloned()
    }

    fn keep(&self, key: String, one: Signed, now: Time) {
        let mut signed = self.signed.lock().unwrap_or_else(PoisonError::into_inner);
        if signed.len() >= MOST {
            signed.retain(|_, one| now < one.renew);
        }
        if signed.len() >= MOST {
            signed.clear();
        }
        signed.insert(key, one);
    }
}

/// Half of the longest lifetime that the configuration allows.
const MAX_HALF: Duration = Duration::from_secs(1800);
