//! The key is used again: a challenge is given, its proof is verified, and the bound cookie is renewed. Browsers end a session at most refusals, so
//! everything but a binding that is gone is answered by another challenge.

use std::sync::Arc;
use std::time::Duration;

use super::devices::{Devices, Shows};
use super::tally::DeviceEvent;
use crate::base::BindingId;
use crate::service::audit::Event;
use crate::service::client::Client;
use crate::service::refused::Refused;
use crate::service::sessions::LiveSession;
use crate::session::device::{DeviceBinding, Proof, RefreshChallenge, wire};

/// What became of a refresh.
#[derive(Debug)]
pub enum Refreshed {
    Shows(Shows),
    /// Sign this `Secure-Session-Challenge`.
    Challenge(String),
    /// There is no such binding.
    Nothing,
    /// Nobody can tell for the moment.
    Unknown,
}

/// What a proof turned out to be.
enum Judged {
    Right(DeviceBinding),
    /// Its challenge is used, too old or another's: a browser that was answered 500 sends the same again.
    Stale,
    Wrong,
}

impl Devices {
    /// Renews the bound cookie of a binding that a browser knows by `id`.
    ///
    /// # Errors
    /// The store's.
    pub async fn refresh(&self, id: BindingId, proof: Option<&str>, client: &Client) -> Result<Refreshed, Refused> {
        let Some(lifetime) = self.lifetime() else { return Ok(Refreshed::Nothing) };
        if self.live.is_stale() {
            return Ok(Refreshed::Unknown);
        }
        let session = if self.live.is_behind() { self.live.bound(id) } else { self.loading.find_bound(id).await? };
        let stored = match &session {
            Some(session) => self.store.device(session.id()).await?.filter(|device| device.id == id),
            None => None,
        };
        let (Some(session), Some(device)) = (session, stored) else {
            self.tally.note(DeviceEvent::Unknown);
            // Another gateway may have bound it, or given it to another session, a moment ago.
            return Ok(if self.live.is_behind() { Refreshed::Unknown } else { Refreshed::Nothing });
        };
        let judged = match proof {
            Some(text) => self.judge(text, &session, &device).await?,
            None => Judged::Stale,
        };
        match judged {
            Judged::Right(proved) => {
                let proved = Arc::new(proved);
                session.proved(&proved);
                self.tally.note(DeviceEvent::Refreshed);
                Ok(Refreshed::Shows(self.shows(session.id(), &proved, (proved.proved_at, lifetime))?))
            }
            Judged::Stale => {
                self.tally.note(DeviceEvent::Challenged);
                self.challenge(&device, lifetime)
            }
            Judged::Wrong => {
                self.tally.note(DeviceEvent::RefreshRefused);
                // Once until the device is shown again: whoever knows the binding's name can send any number.
                if session.misses_device() {
                    self.say(Event::DeviceWrongKey, &session, client, "").await?;
                }
                self.challenge(&device, lifetime)
            }
        }
    }

    fn challenge(&self, device: &DeviceBinding, lifetime: Duration) -> Result<Refreshed, Refused> {
        let challenge = RefreshChallenge::new(device.id, device.seq, self.context.now(), lifetime).sign(&self.live.keys())?;
        Ok(Refreshed::Challenge(wire::challenge(&challenge, device.id)))
    }

    /// The challenge is used up together with the write of what it proves.
    async fn judge(&self, text: &str, session: &LiveSession, device: &DeviceBinding) -> Result<Judged, Refused> {
        let now = self.context.now();
        let Ok(proof) = Proof::read(text) else { return Ok(Judged::Wrong) };
        let Some(challenge) = RefreshChallenge::read(&proof.challenge, &self.live.keys()) else { return Ok(Judged::Stale) };
        if challenge.binding != device.id || challenge.seq != device.seq || now >= challenge.expires {
            return Ok(Judged::Stale);
        }
        if proof.verify(&device.key).is_err() {
            return Ok(Judged::Wrong);
        }
        let proved = device.proved(now);
        Ok(if self.store.prove_device(session.id(), device, &proved).await? { Judged::Right(proved) } else { Judged::Stale })
    }
}
