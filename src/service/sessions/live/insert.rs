//! How a session comes into memory. What sessions share (the user's state, the browser's name) exists once; a session that is already there stays
//! as it is; one that has ended does not come back.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::registry::{LiveSessions, locked};
use super::session::LiveSession;
use super::user_state::UserState;
use crate::account::Account;
use crate::base::{BindingId, SessionId};
use crate::session::device::DeviceBinding;
use crate::session::{EndReason, SessionRecord};

impl LiveSessions {
    /// Takes a session in; one that is there already is only told when it was last used. The caller reads the account once more
    /// afterwards, so that no change of it is missed.
    pub fn insert(&self, record: SessionRecord, account: &Account) -> Arc<LiveSession> {
        self.insert_under(record, self.state(account))
    }

    /// A user's state: the one that their sessions share, or if they have none one for [`LiveSessions::insert_under`].
    pub fn state(&self, account: &Account) -> Arc<UserState> {
        if let Some(known) = self.users.get(&account.id) {
            return known.value().clone();
        }
        Arc::new(UserState::new(account, &self.settings.load().1, &self.stale, self.hold(account)))
    }

    /// As [`LiveSessions::insert`], for many sessions of one user.
    pub fn insert_under(&self, mut record: SessionRecord, state: Arc<UserState>) -> Arc<LiveSession> {
        record.browser = self.browser(record.browser);
        self.insert_named(record, state)
    }

    /// The browser's name is a shared one.
    pub(super) fn insert_named(&self, record: SessionRecord, state: Arc<UserState>) -> Arc<LiveSession> {
        let entry = self.users.entry(record.user).or_insert(state);
        let state = entry.value().clone();
        if let Some(known) = self.get(record.id) {
            known.seen(record.last_seen);
            self.bind_to(&known, record.device.as_ref());
            return known;
        }
        if record.is_hosts() {
            self.has_families.store(true, Ordering::Release);
        }
        let session = Arc::new(LiveSession::new(record, state));
        session.state.join(session.id());
        self.sessions.insert(session.clone());
        if let Some(device) = session.device() {
            self.name_binding(&session, device.id);
        }
        drop(entry);
        self.make_room_for(session.id());
        // It may have ended since it was read from the store, or have ended while the store could not be written.
        if self.has_ended(session.id()) {
            self.end(session.id(), EndReason::Revoked);
        }
        session
    }

    /// A session was bound to a device, or its key was used again; `false` if it is not here.
    pub fn bind(&self, id: SessionId, device: Option<&Arc<DeviceBinding>>) -> bool {
        let session = self.get(id);
        session.inspect(|session| self.bind_to(session, device)).is_some()
    }

    fn bind_to(&self, session: &LiveSession, device: Option<&Arc<DeviceBinding>>) {
        if let Some(device) = device.filter(|device| session.bind(device)) {
            self.name_binding(session, device.id);
        }
    }

    /// Browsers find a session by its binding's name. Written once: later the name may be that of the session which took its place.
    fn name_binding(&self, session: &LiveSession, name: BindingId) {
        self.bindings.insert(name, session.id());
        // It may have ended meanwhile, and its binding have been looked for before it was here.
        if self.get(session.id()).is_none() {
            self.unbind(session);
        }
    }

    /// The binding of a session that has ended leads nowhere; one that went on to another session stays.
    pub(super) fn unbind(&self, session: &LiveSession) {
        if let Some(device) = session.device() {
            self.bindings.remove_if(&device.id, |_, of| *of == session.id());
        }
    }

    /// How many sessions are bound to a device.
    pub fn bound_count(&self) -> usize {
        self.bindings.len()
    }

    /// The session that a browser knows a binding of.
    pub fn bound(&self, binding: BindingId) -> Option<Arc<LiveSession>> {
        let id = *self.bindings.get(&binding)?.value();
        self.get(id).filter(|session| !session.is_ended())
    }

    /// The same name, shared.
    pub(super) fn browser(&self, name: Arc<str>) -> Arc<str> {
        let mut browsers = locked(&self.browsers);
        if let Some(known) = browsers.get(&name) {
            return known.clone();
        }
        // There are some seventy. Should there be many more, those that nobody has any more go.
        if browsers.len() >= 1024 {
            browsers.retain(|known| Arc::strong_count(known) > 1);
        }
        browsers.insert(name.clone());
        name
    }
}
