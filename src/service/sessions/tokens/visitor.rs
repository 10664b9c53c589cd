//! A token as one shard knows it. Guarantees what a look-up guarantees: the same text, and a token that may be used at that moment.
//! What is checked again costs neither a hash nor a place in memory that other cores write to.

use std::sync::{Arc, Mutex, PoisonError};

use super::live::LiveToken;
use crate::base::{ClientAddr, Secret, Time};
use crate::policy::{DeviceState, Grant, Identity, Person, Proof};
use crate::service::sessions::live::LiveSessions;
use crate::token::{Scope, Way};

/// Who comes with a token.
pub struct TokenVisitor {
    live: Arc<LiveSessions>,
    token: Arc<LiveToken>,
    text: Secret,
    grant: Grant,
    person: Mutex<Copied>,
}

/// The person as the token's owner has it, and a copy for this shard's requests to count their holds on.
pub(super) struct Copied {
    from: Arc<Person>,
    own: Arc<Person>,
}

impl Copied {
    pub(super) fn new(from: Arc<Person>) -> Self {
        Self { own: Arc::new(Person::clone(&from)), from }
    }

    /// The copy of what the person is by now.
    pub(super) fn follow(&mut self, current: Arc<Person>) -> Arc<Person> {
        if !Arc::ptr_eq(&self.from, &current) {
            *self = Self::new(current);
        }
        Arc::clone(&self.own)
    }
}

impl TokenVisitor {
    /// Whom a look-up of the text has just found; it arrived in this way.
    pub fn new(token: Arc<LiveToken>, text: &str, way: Way, live: Arc<LiveSessions>) -> Self {
        let scope: Arc<Scope> = Arc::new(token.record.scope.clone());
        let person = Mutex::new(Copied::new(token.owner.person()));
        Self { live, text: Secret::new(text), grant: Grant { scope, way }, person, token }
    }

    /// Whether a look-up would find this token again for the same text and way. Then it is in use.
    pub fn returns(&self, text: &str, way: Way, client: ClientAddr, now: Time) -> bool {
        let again = self.grant.way == way
            && self.text.matches(text)
            && self.token.is_usable(now)
            && !self.live.is_stale()
            && self.token.owner.is_relied_on(now);
        if again {
            self.token.touch(client.ip(), now);
        }
        again
    }

    /// Who it is by now. The same address for as long as nothing about the person changes.
    pub fn identity(&self) -> Identity {
        let person = self.person.lock().unwrap_or_else(PoisonError::into_inner).follow(self.token.owner.person());
        Identity { person, proof: Proof::Password, token: Some(self.grant.clone()), device: DeviceState::Unbound }
    }

    /// Over, or not to be relied on at the moment.
    pub fn is_ended(&self) -> bool {
        self.token.is_ended() || self.live.is_stale() || self.token.owner.waits()
    }

    pub fn token(&self) -> &LiveToken {
        &self.token
    }
}
