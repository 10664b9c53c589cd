//! A tunnel's right to go on. A request is judged once; a tunnel lives on for hours, and is cut when its session has ended or
//! what it was opened for is now forbidden to its user: a group was taken away, a route was closed.

use std::sync::Arc;

use super::front::{Front, Visitor};
use super::judge::{self, Verdict};
use super::request::Asked;
use crate::policy::Identity;

/// The session that a tunnel was opened with, and what it was opened for.
pub struct Tenure {
    visitor: Arc<dyn Visitor>,
    front: Arc<dyn Front>,
    asked: Asked,
    target: Vec<u8>,
}

impl Tenure {
    pub fn new(visitor: Arc<dyn Visitor>, front: &Arc<dyn Front>, asked: &Asked, target: &[u8]) -> Arc<Self> {
        Arc::new(Self { visitor, front: Arc::clone(front), asked: asked.clone(), target: target.to_vec() })
    }

    /// By the policy in force now. A factor that has grown old since does not count: it was fresh when the tunnel was opened.
    fn is_forbidden(&self) -> bool {
        let Ok(path) = judge::path(&self.target) else { return true };
        let verdict = judge::judge(&self.front.snapshot(), &self.asked, &path, Some(&self.visitor.identity()), self.front.now());
        match verdict {
            Verdict::Forbid { .. } | Verdict::NoRoute | Verdict::Refuse(_) => true,
            Verdict::Admit(_) | Verdict::Challenge { .. } => false,
        }
    }
}

impl Visitor for Tenure {
    fn identity(&self) -> Identity {
        self.visitor.identity()
    }

    fn is_ended(&self) -> bool {
        self.visitor.is_ended() || self.is_forbidden()
    }
}
