//! Sign-ins under way. Taken by whoever finishes them: of many at once, one.

use super::accounts::Edit;
use crate::base::{FlowId, Time, UserId};
use crate::login::Flow;
use crate::store::backend::kv::{Batch, decode, encode, key};
use crate::store::{Store, StoreError};

const TRIES: usize = 64;

/// No user has more sign-ins under way than this; the oldest goes, those in known browsers last.
const PER_USER: usize = 8;

fn flow_key(id: FlowId) -> Vec<u8> {
    key("flow", id.to_string())
}

fn user_key(user: UserId, id: FlowId) -> Vec<u8> {
    key("flow-of", format!("{user}/{id}"))
}

impl Store {
    /// Begins a flow.
    pub async fn create_flow(&self, flow: &Flow) -> Result<(), StoreError> {
        let mut batch = Batch::default()
            .put(flow_key(flow.id), encode(flow)?)
            .put(user_key(flow.user, flow.id), encode(&(flow.known_browser, flow.created))?);
        let prefix = key("flow-of", format!("{}/", flow.user));
        let mut others = self.kv.scan(&prefix, None, 64, false).await?;
        if others.len() >= PER_USER {
            others.sort_by_key(|(_, rank)| decode::<(bool, Time)>(rank).unwrap_or_default());
            for (index, _) in others.iter().take(others.len() + 1 - PER_USER) {
                let id = index.get(prefix.len()..).unwrap_or_default();
                batch = batch.delete(key("flow", id)).delete(index.clone());
            }
        }
        self.kv.commit(batch).await?;
        Ok(())
    }

    /// The flow with this id, expired or not.
    pub async fn flow(&self, id: FlowId) -> Result<Option<Flow>, StoreError> {
        self.kv.get(&flow_key(id)).await?.map(|bytes| decode(&bytes)).transpose()
    }

    /// Reads, edits and writes a flow as one atomic step. `None` where it is gone.
    pub async fn update_flow<R>(&self, id: FlowId, mut edit: impl FnMut(&mut Flow) -> Edit<R>) -> Result<Option<R>, StoreError> {
        for _ in 0..TRIES {
            let Some(before) = self.kv.get(&flow_key(id)).await? else { return Ok(None) };
            let mut flow: Flow = decode(&before)?;
            let result = match edit(&mut flow) {
                Edit::Leave(result) => return Ok(Some(result)),
                Edit::Write(result) => result,
            };
            if self.kv.commit(Batch::default().expect(flow_key(id), Some(before)).put(flow_key(id), encode(&flow)?)).await? {
                return Ok(Some(result));
            }
        }
        Err(StoreError::Contended)
    }

    /// Ends a flow; `true` for the one caller that ended it.
    pub async fn take_flow(&self, flow: &Flow) -> Result<bool, StoreError> {
        for _ in 0..TRIES {
            let Some(before) = self.kv.get(&flow_key(flow.id)).await? else { return Ok(false) };
            let batch =
                Batch::default().expect(flow_key(flow.id), Some(before)).delete(flow_key(flow.id)).delete(user_key(flow.user, flow.id));
            if self.kv.commit(batch).await? {
                return Ok(true);
            }
        }
        Err(StoreError::Contended)
    }

    /// Removes flows, links, kept forms and counts of failures that expired; returns how many.
    pub async fn sweep(&self, now: Time) -> Result<usize, StoreError> {
        let (mut gone, mut after) = (0, None);
        loop {
            let page = self.kv.scan(b"flow/", after.as_deref(), 500, false).await?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            for (_, bytes) in page {
                match decode::<Flow>(&bytes) {
                    Ok(flow) if flow.expires <= now => gone += usize::from(self.take_flow(&flow).await?),
                    _ => {}
                }
            }
        }
        Ok(gone
            + self.sweep_links(now).await?
            + self.sweep_saved_posts(now).await?
            + self.sweep_failed(now).await?
            + self.sweep_providers(now).await?
            + self.sweep_handovers(now).await?
            + self.sweep_device_offers(now).await?
            + self.sweep_bindings(now).await?)
    }
}
