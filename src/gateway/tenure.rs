//! A request's right to go on. It is judged once, before it is forwarded; the answer, or the tunnel, may last for hours. It is cut when
//! its session has ended, and when the request would not be admitted any more: a group was taken away, a policy was
//! changed, a reload made the route stricter. Held against the moment in which it was admitted: a factor that has merely
//! grown old since does not count.
//!
//! The bound: what is open is judged again when the news reaches its shard, at once and not at a poll. `recall` does that.

use std::sync::Arc;

use http::Method;

use super::front::{Front, Snapshot, Visitor};
use super::judge::{self, Verdict};
use super::request::Asked;
use crate::base::Time;
use crate::policy::Identity;

/// What a request was admitted on, and all that it takes to judge it again.
pub struct Tenure {
    /// The session that it was admitted with; none where nobody's was needed.
    pub visitor: Option<Arc<dyn Visitor>>,
    pub front: Arc<Arc<dyn Front>>,
    pub asked: Arc<Asked>,
    pub target: Arc<[u8]>,
    /// The method that it may be taken for, where that is another.
    pub disguise: Option<Method>,
    pub at: Time,
    /// What it was judged by. The request keeps both alive, so that an equal address is the same thing.
    pub seen: Seen,
}

/// The addresses of a policy and a person.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seen {
    policy: usize,
    person: usize,
}

impl Seen {
    pub fn new(snapshot: &Arc<Snapshot>, who: Option<&Identity>) -> Self {
        Self { policy: Arc::as_ptr(&snapshot.policy).addr(), person: who.map_or(0, |who| Arc::as_ptr(&who.person).addr()) }
    }
}

impl Tenure {
    /// The session is in use.
    pub fn touch(&self) {
        if let Some(visitor) = &self.visitor {
            visitor.touch(self.front.now());
        }
    }

    pub fn is_over(&self) -> bool {
        self.visitor.as_ref().is_some_and(|visitor| visitor.is_ended()) || !self.still_holds()
    }

    /// By the policy in force now and whoever it is by now.
    fn still_holds(&self) -> bool {
        let who = self.visitor.as_ref().map(|visitor| visitor.identity());
        let snapshot = self.front.snapshot();
        if Seen::new(&snapshot, who.as_ref()) == self.seen {
            return true;
        }
        let Ok(path) = judge::path(&self.target) else { return false };
        let verdict = judge::judge_both(self.disguise.as_ref(), &snapshot, &self.asked, &path, who.as_ref(), self.at);
        matches!(verdict, Verdict::Admit(_))
    }
}
