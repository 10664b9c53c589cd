//! The offer to bind a session, made in the answer in which somebody has just authenticated and nowhere else: whoever shows a cookie later may be its thief.

use super::devices::{Devices, Shows};
use super::tally::DeviceEvent;
use crate::base::{SessionId, Time};
use crate::policy::DeviceState;
use crate::service::client::Client;
use crate::service::refused::Refused;
use crate::session::SessionRecord;
use crate::session::device::{CHALLENGE_KEPT, DeviceOffer, offer_digest};

impl Devices {
    /// The challenge to register a key for a session that somebody has just authenticated in; `None`: this client is offered none.
    ///
    /// # Errors
    /// The store's.
    pub async fn offer(&self, session: SessionId, client: &Client) -> Result<Option<String>, Refused> {
        if !client.binding.may_bind || self.lifetime().is_none() {
            return Ok(None);
        }
        let challenge = DeviceOffer::challenge()?;
        let authority = client.origin.trim_start_matches("https://").to_owned();
        let offer = DeviceOffer { session, authority, expires: self.context.now().plus(CHALLENGE_KEPT) };
        self.store.put_device_offer(&offer_digest(&challenge), &offer).await?;
        self.tally.note(DeviceEvent::Offered);
        Ok(Some(challenge))
    }

    /// The record that goes on from `old` is bound as that was, unless the device is missing: then whoever has just authenticated binds it anew.
    pub(in crate::service) fn carry(&self, old: &SessionRecord, next: &mut SessionRecord, client: &Client) {
        let is_missing = client.binding.state == DeviceState::Missing && self.lifetime().is_some();
        next.device = old.device.as_ref().filter(|_| !is_missing).map(|device| device.moved(self.context.now()));
    }

    /// What shows the device of a session that goes on under a new id, for as long as it was shown before.
    ///
    /// # Errors
    /// If the operating system gives no random bytes.
    pub(in crate::service) fn goes_on(&self, session: &SessionRecord, client: &Client) -> Result<Option<Shows>, Refused> {
        let (Some(device), Some(lifetime)) = (&session.device, self.lifetime()) else { return Ok(None) };
        let proved_at: Time = match client.binding.state {
            DeviceState::Proved(at) => at,
            DeviceState::Settling => device.proved_at,
            DeviceState::Unbound | DeviceState::Binding | DeviceState::Missing => return Ok(None),
        };
        Ok(Some(self.shows(session.id, device, (proved_at, lifetime))?))
    }
}
