//! Sessions that are on their way from the store into memory. Guarantees that what was read before a change became known is not taken in
//! after it: whoever hears of a change puts the flights that it concerns in doubt, and a flight in doubt is read again.
//!
//! ```text
//!  begin ─▶ read the session ─▶ is_of(user) ─▶ read the account ─▶ land: in memory, unless a change came in between ─▶ begin …
//! ```
//!
//! A change that came before `begin` is in what is read. One that comes after `land` finds the session in memory. The two cannot miss each
//! other: `land` takes the session in while it holds the lock that `doubt` takes.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::base::{SessionId, UserId};

/// The flights.
#[derive(Default)]
pub struct Flights(Mutex<HashMap<SessionId, Flight>>);

#[derive(Default)]
struct Flight {
    /// Whose it is, once that is known.
    user: Option<UserId>,
    /// The portal's session that it belongs to, if it is an application's host's.
    portals: Option<SessionId>,
    is_doubtful: bool,
}

/// One flight. Dropped, it is over.
pub struct Boarding<'f> {
    flights: &'f Flights,
    id: SessionId,
}

impl Flights {
    fn all(&self) -> MutexGuard<'_, HashMap<SessionId, Flight>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins before anything is read. One flight of a session at a time.
    pub fn begin(&self, id: SessionId) -> Boarding<'_> {
        self.all().insert(id, Flight::default());
        Boarding { flights: self, id }
    }

    /// This session was written or has ended.
    pub fn doubt(&self, id: SessionId) {
        self.doubt_those(|of, flight| *of == id || flight.portals == Some(id));
    }

    /// This account was written or deleted.
    pub fn doubt_user(&self, user: UserId) {
        self.doubt_those(|_, flight| flight.user == Some(user));
    }

    /// Changes may have been missed.
    pub fn doubt_all(&self) {
        self.doubt_those(|_, _| true);
    }

    /// Whether a flight is under way and in doubt.
    #[cfg(test)]
    pub fn is_doubtful(&self, id: SessionId) -> bool {
        self.all().get(&id).is_some_and(|flight| flight.is_doubtful)
    }

    fn doubt_those(&self, concerned: impl Fn(&SessionId, &Flight) -> bool) {
        for (id, flight) in self.all().iter_mut() {
            flight.is_doubtful |= concerned(id, flight);
        }
    }
}

impl Boarding<'_> {
    /// Whose it is: said before the account is read.
    pub fn is_of(&self, user: UserId) {
        if let Some(flight) = self.flights.all().get_mut(&self.id) {
            flight.user = Some(user);
        }
    }

    /// What it belongs to: said before that is read.
    pub fn belongs_to(&self, portals: SessionId) {
        if let Some(flight) = self.flights.all().get_mut(&self.id) {
            flight.portals = Some(portals);
        }
    }

    /// Takes in what was read, unless it is in doubt: then everything is to be read again.
    pub fn land<T>(self, take_in: impl FnOnce() -> T) -> Option<T> {
        let flights = self.flights.all();
        let is_sound = flights.get(&self.id).is_some_and(|flight| !flight.is_doubtful);
        let landed = is_sound.then(take_in);
        // The lock is held until it is in memory.
        drop(flights);
        landed
    }
}

impl Drop for Boarding<'_> {
    fn drop(&mut self) {
        self.flights.all().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> SessionId {
        SessionId::from_bytes([n; 16])
    }

    #[test]
    fn what_was_read_before_a_change_does_not_land_after_it() {
        let (flights, user) = (Flights::default(), UserId::from_bytes([9; 16]));
        assert_eq!(flights.begin(id(1)).land(|| 1), Some(1));
        for change in [
            |f: &Flights| f.doubt(id(1)),
            |f: &Flights| f.doubt_user(UserId::from_bytes([9; 16])),
            |f: &Flights| f.doubt_all(),
            |f: &Flights| f.doubt(id(7)),
        ] {
            let flight = flights.begin(id(1));
            flight.is_of(user);
            flight.belongs_to(id(7));
            change(&flights);
            assert_eq!(flight.land(|| 1), None);
        }
        // Others' changes do not concern it, nor those of before.
        flights.doubt(id(1));
        let flight = flights.begin(id(1));
        flight.is_of(user);
        flights.doubt(id(2));
        flights.doubt_user(UserId::from_bytes([8; 16]));
        assert_eq!(flight.land(|| 1), Some(1));
        assert!(flights.all().is_empty());
    }
}
