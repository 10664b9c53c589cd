//! Wrong tokens, counted per address: beyond the rate of sign-ins they are answered without any work, and neither the audit log nor
//! the store hears of them.

use std::sync::Arc;

use crate::base::ClientAddr;
use crate::limit::{RateLimiter, Throttled};
use crate::service::audit::{Actor, AuditLog, Event};
use crate::service::context::Context;
use crate::service::sign_in::failures::FailureLimits;
use crate::store::Store;

/// Counts them in memory, and records those within the rate.
pub struct TokenFailures {
    pub(in crate::service) limiter: RateLimiter,
    pub(in crate::service) store: Arc<Store>,
    pub(in crate::service) context: Arc<Context>,
    pub(in crate::service) failures: Arc<FailureLimits>,
    pub(in crate::service) audit: Arc<AuditLog>,
}

impl TokenFailures {
    /// Counts one.
    ///
    /// # Errors
    /// [`Throttled`] if there were too many before: this one is not counted, and no one hears of it.
    pub fn count(&self, client: ClientAddr) -> Result<(), Throttled> {
        self.limiter.check(client.group())?;
        self.limiter.failed(client.group());
        Ok(())
    }

    /// Records a wrong token, and counts it with the failures of its address.
    pub async fn note(&self, client: ClientAddr) {
        let address = self.failures.counted_address(client);
        let noted = async {
            self.store.count_failure(&[address], self.context.now()).await?;
            self.audit.record(Event::TokenWrong, None, Actor::Gateway, client.to_string()).await
        };
        if let Err(e) = noted.await {
            tracing::warn!(error = %e, "a wrong token could not be recorded");
        }
    }
}
