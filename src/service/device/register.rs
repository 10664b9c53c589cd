//! The registration of a key. The challenge alone says which session it is for: the browser may send none of our cookies. Who has no offer is
//! refused before anything is computed.

use std::sync::Arc;

use super::devices::{Devices, Shows};
use super::tally::DeviceEvent;
use crate::service::audit::{Actor, Event};
use crate::service::client::Client;
use crate::service::refused::Refused;
use crate::service::sessions::LiveSession;
use crate::session::device::{DeviceBinding, Proof, offer_digest};

/// What became of a registration.
#[derive(Debug)]
pub enum Registered {
    Bound(Shows),
    /// There is no such offer: it was taken, it has expired, or its session is over.
    Nothing,
    /// The proof is none.
    Malformed,
}

impl Devices {
    /// Binds the session that a proof's challenge was made for. `authority` is the host that was asked.
    ///
    /// # Errors
    /// The store's.
    pub async fn register(&self, proof: &str, authority: &str, client: &Client) -> Result<Registered, Refused> {
        let outcome = self.try_register(proof, authority, client).await?;
        self.tally.note(match outcome {
            Registered::Bound(_) => DeviceEvent::Registered,
            Registered::Nothing | Registered::Malformed => DeviceEvent::RegistrationRefused,
        });
        Ok(outcome)
    }

    async fn try_register(&self, proof: &str, authority: &str, client: &Client) -> Result<Registered, Refused> {
        let (Some(lifetime), now) = (self.lifetime(), self.context.now()) else { return Ok(Registered::Nothing) };
        let Ok(proof) = Proof::read(proof) else { return Ok(Registered::Malformed) };
        let digest = offer_digest(&proof.challenge);
        let offer = self.store.device_offer(&digest).await?.filter(|offer| now < offer.expires && offer.authority == authority);
        let Some(offer) = offer else { return Ok(Registered::Nothing) };
        // It may just have been made at another gateway.
        let session = self.loading.find(offer.session).await?;
        let Some(session) = session.filter(|session| !session.is_ended() && !session.is_bound()) else {
            return Ok(Registered::Nothing);
        };
        let Ok(key) = proof.registered() else { return Ok(Registered::Malformed) };
        let device = Arc::new(DeviceBinding::begin(key, now)?);
        if !self.store.bind_device(&digest, offer.session, &device).await? {
            return Ok(Registered::Nothing);
        }
        self.live.bind(offer.session, Some(&device));
        self.say(Event::DeviceBound, &session, client, device.key.algorithm()).await?;
        Ok(Registered::Bound(self.shows(offer.session, &device, (now, lifetime))?))
    }

    pub(super) async fn say(&self, event: Event, session: &LiveSession, client: &Client, detail: &str) -> Result<(), Refused> {
        let name = session.identity().person.name.clone();
        self.audit.record(event, Some(&name), Actor::User(client), detail).await
    }
}
