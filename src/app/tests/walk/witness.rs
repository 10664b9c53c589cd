//! What is known of each session from outside, and whether what a request met may be.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::BOUND;
use crate::base::{SessionId, UserId};
use crate::gateway::Lookup;

/// A watch that goes off five seconds after the last proof, on a busy machine.
const LATE: Duration = Duration::from_secs(4);

/// Numbers at random that are the same for the same seed (splitmix64).
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut n = self.0;
        n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((n ^ (n >> 31)) % most as u64) as usize
    }
}

/// What a request met.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Seen {
    Passed,
    Over,
    Unknown,
}

impl Seen {
    pub fn of(found: Lookup) -> Self {
        match found {
            Lookup::Live(session) if !session.is_ended() => Self::Passed,
            Lookup::Live(_) | Lookup::Ended | Lookup::Forged => Self::Over,
            Lookup::Unknown | Lookup::Elsewhere => Self::Unknown,
        }
    }
}

struct Known {
    user: UserId,
    token: String,
    /// From when on it may be over.
    may_be_over: Option<Instant>,
    /// From when on it is over: the end was acknowledged.
    is_over: Option<Instant>,
    /// From when on each gateway is said to know.
    reached: Vec<Option<Instant>>,
}

#[derive(Default)]
struct Story {
    sessions: BTreeMap<SessionId, Known>,
    complaints: Vec<String>,
    requests: usize,
}

pub struct Witness {
    story: Mutex<Story>,
    gateways: usize,
}

impl Witness {
    pub fn new(gateways: usize) -> Self {
        Self { story: Mutex::default(), gateways }
    }

    fn story(&self) -> MutexGuard<'_, Story> {
        self.story.lock().unwrap()
    }

    pub fn begun(&self, id: SessionId, user: UserId, token: String) {
        let known = Known { user, token, may_be_over: None, is_over: None, reached: vec![None; self.gateways] };
        self.story().sessions.insert(id, known);
    }

    /// One that is not known to be over.
    pub fn any(&self, rng: &mut Dice) -> Option<(SessionId, UserId)> {
        let story = self.story();
        let open: Vec<_> = story.sessions.iter().filter(|(_, known)| known.may_be_over.is_none()).collect();
        let (id, known) = open.get(rng.below(open.len().max(1)))?;
        Some((**id, known.user))
    }

    pub fn any_token(&self, rng: &mut Dice) -> Option<(SessionId, String)> {
        let story = self.story();
        // The last ones rather than those of long ago.
        let young = story.sessions.iter().filter(|(_, known)| known.is_over.is_none_or(|at| at.elapsed() < Duration::from_secs(60)));
        let young: Vec<_> = young.collect();
        let (id, known) = young.get(rng.below(young.len().max(1)))?;
        Some((**id, known.token.clone()))
    }

    pub fn may_end(&self, id: SessionId, from: Instant) {
        if let Some(known) = self.story().sessions.get_mut(&id) {
            known.may_be_over.get_or_insert(from);
        }
    }

    pub fn ended(&self, id: SessionId, from: Instant, at: Instant) {
        if let Some(known) = self.story().sessions.get_mut(&id) {
            known.may_be_over.get_or_insert(from);
            known.is_over.get_or_insert(at);
        }
    }

    pub fn may_all_end(&self, user: Option<UserId>, from: Instant) {
        for known in self.story().sessions.values_mut().filter(|known| user.is_none_or(|user| known.user == user)) {
            known.may_be_over.get_or_insert(from);
        }
    }

    pub fn all_ended(&self, user: Option<UserId>, from: Instant, at: Instant) -> Vec<SessionId> {
        let mut ended = Vec::new();
        for (id, known) in self.story().sessions.iter_mut().filter(|(_, known)| user.is_none_or(|user| known.user == user)) {
            known.may_be_over.get_or_insert(from);
            if known.is_over.is_none() {
                known.is_over = Some(at);
                ended.push(*id);
            }
        }
        ended
    }

    pub fn reached(&self, id: SessionId, gateways: &[usize], at: Instant) {
        if let Some(known) = self.story().sessions.get_mut(&id) {
            for gateway in gateways {
                known.reached[*gateway].get_or_insert(at);
            }
        }
    }

    /// A request at a gateway, from its beginning to its end.
    pub fn sees(&self, gateway: usize, id: SessionId, seen: Seen, began: Instant, over: Instant) {
        let mut story = self.story();
        story.requests += 1;
        let Some(known) = story.sessions.get(&id) else { return };
        let wrong = match seen {
            Seen::Over if known.may_be_over.is_none_or(|from| from > over) => Some("is said to be over, and was never ended".to_owned()),
            Seen::Passed if known.reached[gateway].is_some_and(|at| at < began) => {
                Some(format!("passes, {:?} after the end was said to be known there", began - known.reached[gateway].unwrap()))
            }
            Seen::Passed if known.is_over.is_some_and(|at| at + BOUND + LATE < began) => {
                Some(format!("passes, {:?} after its end", began - known.is_over.unwrap()))
            }
            Seen::Over | Seen::Passed | Seen::Unknown => None,
        };
        if let Some(wrong) = wrong {
            story.complaints.push(format!("{id} at {gateway} {wrong}"));
        }
    }

    /// Those of which it is certain, and whether they pass.
    pub fn verdicts(&self) -> Vec<(SessionId, String, bool)> {
        let story = self.story();
        let certain = story.sessions.iter().filter(|(_, known)| known.is_over.is_some() || known.may_be_over.is_none());
        certain.map(|(id, known)| (*id, known.token.clone(), known.is_over.is_none())).collect()
    }

    pub fn is_content(&self) -> bool {
        self.story().complaints.is_empty()
    }

    pub fn complaints(&self) -> Vec<String> {
        self.story().complaints.clone()
    }

    pub fn requests(&self) -> usize {
        self.story().requests
    }
}
