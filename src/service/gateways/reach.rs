//! How far a revocation has reached: asked of every gateway right after it was committed. Guarantees that a gateway counts as reached
//! only if it answered after it had followed the change, and that one which may still let somebody in is named.
//!
//! A question is a notice of the database. It comes after those of the change, and a gateway answers it after it has followed them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::error::RecvError;

use super::members::Gateways;
use crate::base::random;
use crate::store::kv::{Question, Word};
use crate::store::{Gateway, StoreError};

/// How long answers are waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// A gateway that has not answered. Until it hears of the change it may let people in for `max_stale` longer, and no longer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Missing {
    pub id: String,
    pub name: String,
    /// When it last wrote how it is, RFC 3339.
    pub heard: String,
    /// Its `store.max_stale`, in seconds.
    pub max_stale: u64,
}

/// Who knows of a change.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Reach {
    pub reached: usize,
    pub of: usize,
    pub missing: Vec<Missing>,
}

impl Reach {
    /// “reached 2 of 3 gateways; web3 has not answered …”
    pub fn text(&self) -> String {
        let mut text = format!("reached {} of {} gateway{}", self.reached, self.of, if self.of == 1 { "" } else { "s" });
        for missing in &self.missing {
            text += &format!(
                "; {} has not answered (last heard {}) and may let people in for up to {} (store.max_stale)",
                missing.name,
                missing.heard,
                span(missing.max_stale)
            );
        }
        text
    }

    /// The names of those who have not answered, and the longest of their bounds.
    pub fn unanswered(&self) -> Option<(String, String)> {
        let names: Vec<&str> = self.missing.iter().map(|missing| missing.name.as_str()).collect();
        let most = self.missing.iter().map(|missing| missing.max_stale).max()?;
        Some((names.join(", "), span(most)))
    }
}

impl Gateways {
    /// Which gateways have followed everything that was committed before; waits a second at most. `None` with an embedded store, or
    /// if the store does not answer.
    pub async fn reach(&self) -> Option<Reach> {
        self.id()?;
        match tokio::time::timeout(PATIENCE * 2, self.asked()).await {
            Ok(Ok(reach)) => Some(reach),
            Ok(Err(e)) => {
                tracing::warn!(error = %e, "how far a change has reached is not known");
                None
            }
            Err(_) => None,
        }
    }

    async fn asked(&self) -> Result<Reach, StoreError> {
        let mut answers = self.replication.answers();
        let question: Question = random::bytes()?;
        self.store.kv().tell(Word::Ask(question)).await?;
        self.read(self.now()).await?;
        let mut waiting: BTreeMap<String, Gateway> = (*self.records()).clone();
        // Long cut off, it lets nobody in.
        let now = self.now();
        waiting.retain(|_, gateway| now.since(gateway.heard) <= Duration::from_secs(bound(gateway)).saturating_add(PATIENCE * 60));
        let of = waiting.len();
        if let Some(own) = self.id() {
            waiting.remove(&own);
        }
        let _ = tokio::time::timeout(PATIENCE, async {
            while !waiting.is_empty() {
                match answers.recv().await {
                    Ok((answered, by)) if answered == question => drop(waiting.remove(&by)),
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                }
            }
        })
        .await;
        Ok(Reach { reached: of.saturating_sub(waiting.len()), of, missing: waiting.into_iter().map(missing).collect() })
    }
}

fn missing((id, gateway): (String, Gateway)) -> Missing {
    let name = if gateway.name.is_empty() { id.clone() } else { gateway.name.clone() };
    Missing { id, name, heard: gateway.heard.rfc3339(), max_stale: bound(&gateway) }
}

/// Seconds: what is in memory is believed for five without news.
fn bound(gateway: &Gateway) -> u64 {
    gateway.max_stale.as_secs().max(5)
}

/// `5m`, as a configuration has it.
fn span(seconds: u64) -> String {
    match seconds {
        s if s % 3600 == 0 => format!("{}h", s / 3600),
        s if s % 60 == 0 => format!("{}m", s / 60),
        s => format!("{s}s"),
    }
}
