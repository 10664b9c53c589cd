//! The record of a finished sign-in and when it ends.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::device::DeviceBinding;
use crate::base::random::NoEntropy;
use crate::base::{SessionId, Time, UserId};
use crate::factor::Method;
use crate::policy::Proof;

/// What else belongs to a sign-in, where `portal.url` is set: the portal's session, and one on each host that it was handed over to. All
/// have one id in common, that of the portal's first session; a step up gives the portal's session a new id and leaves this one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Family {
    /// Its first session: the id in common is its own.
    #[default]
    #[serde(rename = "own")]
    First,
    /// A session of the portal's that took the place of an earlier one.
    #[serde(rename = "next")]
    Next(SessionId),
    /// An application's host's: it ends with the portal's.
    #[serde(rename = "host")]
    Host(SessionId),
}

impl Family {
    const fn is_first(&self) -> bool {
        matches!(self, Self::First)
    }
}

/// What the store keeps of a session, packed ([`SessionRecord::pack`]); earlier versions kept it as JSON under these short names.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SessionRecord {
    #[serde(rename = "i")]
    pub id: SessionId,
    #[serde(rename = "u")]
    pub user: UserId,
    /// The account's epoch when the session was made; another one voids it.
    #[serde(rename = "e")]
    pub epoch: u32,
    /// When the sign-in that this session goes back to was finished: the absolute limit counts from here, over every step up.
    #[serde(rename = "c")]
    pub created: Time,
    #[serde(rename = "s")]
    pub last_seen: Time,
    /// The second factor and when it was shown.
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    pub second: Option<(Method, Time)>,
    /// A trusted browser stood in for the second factor.
    #[serde(rename = "t", default, skip_serializing_if = "std::ops::Not::not")]
    pub trusted_browser: bool,
    /// When the user last authenticated in full: every factor of theirs, in one sign-in.
    #[serde(rename = "f")]
    pub full_auth: Time,
    #[serde(rename = "a")]
    pub address: IpAddr,
    /// What a person would call the browser. There are few of them, shared by the sessions in memory.
    #[serde(rename = "b")]
    pub browser: Arc<str>,
    #[serde(rename = "k", default, skip_serializing_if = "Family::is_first")]
    pub family: Family,
    /// The device that it is bound to; the store keeps that in a record of its own.
    #[serde(skip)]
    pub device: Option<Arc<DeviceBinding>>,
}

/// Why a session is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EndReason {
    Lifetime,
    Idle,
    SignedOut,
    Revoked,
    AccountChanged,
    /// The provider that it came from ended it, or no longer confirms it.
    Provider,
    /// By one that shows more: a step up.
    Replaced,
    /// By a newer one: its user had as many as there may be, and this was the one not used for longest.
    Crowded,
    /// With the portal's session that it belonged to.
    Portal,
}

impl EndReason {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lifetime => "lifetime",
            Self::Idle => "idle",
            Self::SignedOut => "signed_out",
            Self::Revoked => "revoked",
            Self::AccountChanged => "account_changed",
            Self::Provider => "provider",
            Self::Replaced => "replaced",
            Self::Crowded => "crowded",
            Self::Portal => "portal",
        }
    }
}

impl SessionRecord {
    /// A session that begins `now`: every factor of its user's was asked for, in one sign-in from this client.
    ///
    /// # Errors
    /// Where the operating system gives no random bytes for its id.
    pub fn begin(user: UserId, epoch: u32, proof: Proof, now: Time, address: IpAddr, browser: &str) -> Result<Self, NoEntropy> {
        Ok(Self {
            id: SessionId::random()?,
            user,
            epoch,
            created: now,
            last_seen: now,
            second: match proof {
                Proof::Second { method, at } => Some((method, at)),
                Proof::Password | Proof::TrustedBrowser => None,
            },
            trusted_browser: proof == Proof::TrustedBrowser,
            full_auth: now,
            address,
            browser: browser.into(),
            family: Family::First,
            device: None,
        })
    }

    /// An application's host's session, under this portal's session: as old, and with what was shown for it.
    ///
    /// # Errors
    /// Where the operating system gives no random bytes for its id.
    pub fn for_host(&self, now: Time, address: IpAddr, browser: &str) -> Result<Self, NoEntropy> {
        let family = Family::Host(self.family());
        Ok(Self { id: SessionId::random()?, last_seen: now, address, browser: browser.into(), family, device: None, ..self.clone() })
    }

    /// What all sessions of one sign-in have in common.
    pub const fn family(&self) -> SessionId {
        match self.family {
            Family::First => self.id,
            Family::Next(family) | Family::Host(family) => family,
        }
    }

    /// Whether it is an application's host's, and ends with the portal's.
    pub const fn is_hosts(&self) -> bool {
        matches!(self.family, Family::Host(_))
    }

    /// When somebody last authenticated in it.
    pub fn authenticated(&self) -> Time {
        let second = self.second.map_or(self.created, |(_, at)| at);
        self.created.max(self.full_auth).max(second)
    }

    /// What was shown for it, as it was given to [`SessionRecord::begin`].
    pub const fn proof(&self) -> Proof {
        match self.second {
            Some((method, at)) => Proof::Second { method, at },
            None if self.trusted_browser => Proof::TrustedBrowser,
            None => Proof::Password,
        }
    }
}

/// Whether a session is over at `now`, by how long it may last and how long it may be unused (NIST SP 800-63B-4 section 5.2: both limits).
pub fn over(created: Time, last_seen: Time, (lifetime, idle_timeout): (Duration, Duration), now: Time) -> Option<EndReason> {
    if now.since(created) >= lifetime {
        Some(EndReason::Lifetime)
    } else if now.since(last_seen) >= idle_timeout {
        Some(EndReason::Idle)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_shown_is_kept_as_it_was() {
        let at = Time::from_secs(9);
        for proof in [Proof::Password, Proof::TrustedBrowser, Proof::Second { method: Method::Webauthn, at }] {
            let record = SessionRecord::begin(UserId::from_bytes([1; 16]), 3, proof, at, [127, 0, 0, 1].into(), "Firefox").unwrap();
            assert_eq!((record.proof(), record.epoch, record.full_auth), (proof, 3, at));
        }
    }
}
