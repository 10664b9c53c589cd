//! Guests: a code sent to an address that a route takes lets it in, as one factor (`guests`); or, once, an administrator's invitation.
//! Guarantees that nobody who has an account comes in this way, that a page says the same whether or not a code was sent, and that a
//! record is made only of somebody who has shown that the address is theirs.
//!
//! ```text
//!  address ──▶ flow (Guest) ── code right ──▶ flow taken ── still welcome ──▶ record, session
//!  invitation ── POST: link taken ─────────────────────────── still welcome ──▶ record, session
//! ```

use std::sync::Arc;
use std::time::Duration;

use super::failures::FailureLimits;
use super::finish::{Finish, Follows, Signed};
use super::flows::Flows;
use super::one_time_code::judge_sent;
use super::pending::Pending;
use crate::account::{Account, Membership, OtpEnrolment, PersonId, UserMfaPolicy, Verified};
use crate::base::{Secret, UserId};
use crate::config::Rate;
use crate::factor::Method;
use crate::login::{Flow, Purpose};
use crate::policy::{GuestAddress, Proof};
use crate::service::accounts::new::blank;
use crate::service::audit::{Actor, AuditLog, Event};
use crate::service::client::Client;
use crate::service::context::Context;
use crate::service::refused::{Refused, SecondProblem};
use crate::store::{Counted, Invitation, Link, LinkKind, Store, StoreError};

/// Why an administrator cannot invite somebody.
#[derive(Debug, thiserror::Error)]
pub enum NotInvited {
    #[error("“{0}” is not an address that a guest can have; write name@domain, in plain letters")]
    Address(String),
    #[error("there is no route “{0}”; `vestibule check` reads the configuration")]
    Route(String),
    #[error("the route “{route}” does not take {address}; add the address, or *@ and its domain, to its `guests`")]
    NotTaken { route: String, address: String },
    #[error("{0} has an account, and signs in with it")]
    HasAccount(String),
    #[error("{0} is disabled; `vestibule user enable {0}` lets them in again")]
    Disabled(String),
    #[error("{0}")]
    Refused(#[from] Refused),
}

/// Signs guests in.
pub struct Guests {
    pub(in crate::service) store: Arc<Store>,
    pub(in crate::service) context: Arc<Context>,
    pub(in crate::service) failures: Arc<FailureLimits>,
    pub(in crate::service) flows: Arc<Flows>,
    pub(in crate::service) finish: Arc<Finish>,
    pub(in crate::service) audit: Arc<AuditLog>,
}

impl Guests {
    /// Begins a sign-in for an address as it was typed. Where no code will be sent, the flow looks the same.
    ///
    /// # Errors
    /// [`Refused::WrongPassword`] for what is no guest's address at all; [`Refused::Throttled`].
    pub async fn begin(&self, typed: &str, client: &Client) -> Result<Flow, Refused> {
        self.failures.refuse_crowded(None, client).await?;
        let address = GuestAddress::parse(typed).ok_or(Refused::WrongPassword)?;
        // Each begin costs a record and perhaps a message: it counts like a failure of the client's address.
        self.failures.count_at_address(client).await?;
        let decoy = !self.is_welcome(&address).await?;
        let purpose = Purpose::Guest { address: address.to_string(), decoy };
        self.flows.begin(&self.stand_in(&address)?, purpose, false, client).await
    }

    /// An account that is in no store, so that the pages and messages of a code have somebody to speak of.
    pub(in crate::service) fn stand_in(&self, address: &GuestAddress) -> Result<Account, Refused> {
        let now = self.context.now();
        let made = blank(address.as_str(), address.as_str(), now).map_err(|_| Refused::Store(StoreError::NoEntropy))?;
        Ok(Account {
            id: stand_in_id(address),
            email: address.to_string(),
            mfa_policy: UserMfaPolicy::Off,
            allowed: Some(Vec::new()),
            email_otp: Some(OtpEnrolment { added: now, last_used: None }),
            source: Some(Membership { person: PersonId::guest(address.as_str()), closed: None, password_mark: None }),
            ..made
        })
    }

    /// Whether some route takes the address, nobody has an account by it, and no administrator has shut it out.
    async fn is_welcome(&self, address: &GuestAddress) -> Result<bool, Refused> {
        let taken = self.context.config().routes.iter().any(|route| route.application.takes_guest(address));
        let (account, record) = (self.store.account_by_login(address.as_str()).await?, self.record(address).await?);
        Ok(taken && account.is_none() && !record.is_some_and(|record| record.disabled))
    }

    /// The record of somebody who was here before.
    async fn record(&self, address: &GuestAddress) -> Result<Option<Account>, Refused> {
        Ok(self.store.account_by_person(&PersonId::guest(address.as_str())).await?)
    }

    /// The code that was sent, for a flow of a guest's.
    pub(in crate::service) async fn verify(
        &self,
        pending: &Pending,
        method: Method,
        typed: &Secret,
        client: &Client,
    ) -> Result<Signed, Refused> {
        let flow = pending.flow.as_ref().ok_or(Refused::Gone)?;
        let Purpose::Guest { address, decoy } = &flow.purpose else { return Err(Refused::Gone) };
        if method != Method::Email {
            return Err(Refused::NotOffered(method));
        }
        let address = GuestAddress::parse(address).ok_or(Refused::Gone)?;
        self.failures.refuse_crowded(None, client).await?;
        let counted = self.counted(&address);
        self.failures.refuse_over_rate(std::slice::from_ref(&counted)).await?;
        let (rules, now) = (self.context.config().mfa.otp, self.context.now());
        let judged = self.store.update_flow(flow.id, |flow| judge_sent(flow, method, typed, &rules, now)).await?.ok_or(Refused::Gone)?;
        if let Err(problem) = judged {
            if matches!(problem, SecondProblem::Wrong { .. }) {
                self.store.count_failure(&[self.failures.at_address(client), counted], now).await?;
                self.audit.record(Event::SecondWrong, Some(address.as_str()), Actor::User(client), "guest").await?;
            }
            return Err(problem.into());
        }
        // Nobody was sent the code of a decoy.
        if !self.store.take_flow(flow).await? || *decoy {
            return Err(Refused::Gone);
        }
        self.enter(&address, client).await
    }

    /// A code is all that there is: wrong ones are counted over all sign-ins of the address, at the rate at which accounts are locked.
    fn counted(&self, address: &GuestAddress) -> Counted {
        let config = self.context.config();
        let limits = &config.limits;
        Counted { table: "name", name: format!("guest {address}"), rate: Rate { count: limits.lockout_after, per: limits.lockout } }
    }

    async fn enter(&self, address: &GuestAddress, client: &Client) -> Result<Signed, Refused> {
        if !self.is_welcome(address).await? {
            return Err(Refused::Gone);
        }
        let account = match self.record(address).await? {
            Some(account) => account,
            None => self.make(address, client).await?,
        };
        self.finish.sign_in(Verified::new(account), Proof::Password, client, Follows::Nothing, false).await
    }

    async fn make(&self, address: &GuestAddress, client: &Client) -> Result<Account, Refused> {
        let account = Account { id: UserId::random()?, email_otp: None, ..self.stand_in(address)? };
        match self.store.create_account(&account).await? {
            Ok(()) => {
                self.audit.record(Event::AccountAdded, Some(&account.name), Actor::User(client), "guest").await?;
                Ok(account)
            }
            // Two at once: the other one's.
            Err(_) => self.record(address).await?.ok_or(Refused::Gone),
        }
    }

    /// Makes the link of an invitation; only its token's digest is kept.
    ///
    /// # Errors
    /// If the guest could not get in by a code either.
    pub async fn invite(&self, typed: &str, route: &str, lifetime: Duration, actor: Actor<'_>) -> Result<Secret, NotInvited> {
        let address = GuestAddress::parse(typed).ok_or_else(|| NotInvited::Address(typed.to_owned()))?;
        let config = self.context.config();
        let found = config.routes.iter().find(|known| &*known.name == route).ok_or_else(|| NotInvited::Route(route.to_owned()))?;
        if !found.application.takes_guest(&address) {
            return Err(NotInvited::NotTaken { route: route.to_owned(), address: address.to_string() });
        }
        if let Some(account) = self.store.account_by_login(address.as_str()).await.map_err(Refused::from)? {
            return Err(NotInvited::HasAccount(account.email));
        }
        if self.record(&address).await?.is_some_and(|record| record.disabled) {
            return Err(NotInvited::Disabled(address.to_string()));
        }
        let link = Link {
            kind: LinkKind::Invitation,
            user: stand_in_id(&address),
            epoch: 0,
            expires: self.context.now().plus(lifetime),
            invitation: Some(Invitation { address: address.to_string(), route: route.to_owned() }),
        };
        let token = self.store.create_link(&link).await.map_err(Refused::from)?;
        self.audit.record(Event::LinkMade, Some(address.as_str()), actor, format!("invitation to {route}")).await?;
        Ok(Secret::new(token))
    }

    /// Whom a link invites, without using it up.
    ///
    /// # Errors
    /// [`Refused::Gone`]: used, expired, never there, or not welcome any more.
    pub async fn invited(&self, token: &str) -> Result<Invitation, Refused> {
        let link = self.store.link(token, self.context.now()).await?;
        self.still_invited(link).await.map(|(_, invitation)| invitation)
    }

    async fn still_invited(&self, link: Option<Link>) -> Result<(GuestAddress, Invitation), Refused> {
        let link = link.filter(|link| link.kind == LinkKind::Invitation).ok_or(Refused::Gone)?;
        let invitation = link.invitation.ok_or(Refused::Gone)?;
        let address = GuestAddress::parse(&invitation.address).ok_or(Refused::Gone)?;
        let config = self.context.config();
        let takes = config.routes.iter().any(|route| *route.name == invitation.route && route.application.takes_guest(&address));
        if takes && self.is_welcome(&address).await? { Ok((address, invitation)) } else { Err(Refused::Gone) }
    }

    /// Uses an invitation up: of many at once, one is let in.
    ///
    /// # Errors
    /// [`Refused::Gone`] as [`Guests::invited`]; counted, since tokens could be guessed.
    pub async fn use_invitation(&self, token: &str, client: &Client) -> Result<(Signed, Invitation), Refused> {
        self.failures.refuse_crowded(None, client).await?;
        if let Err(refused) = self.invited(token).await {
            if matches!(refused, Refused::Gone) {
                self.failures.count_at_address(client).await?;
            }
            return Err(refused);
        }
        let link = self.store.take_link(token, self.context.now()).await?;
        let (address, invitation) = self.still_invited(link).await?;
        self.audit.record(Event::LinkUsed, Some(address.as_str()), Actor::User(client), LinkKind::Invitation.name()).await?;
        Ok((self.enter(&address, client).await?, invitation))
    }
}

/// Where messages to an address are counted, and its flows kept. No account has this id.
fn stand_in_id(address: &GuestAddress) -> UserId {
    use sha2::Digest;
    let digest = sha2::Sha256::new().chain_update(b"guest ").chain_update(address.as_str()).finalize();
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(digest).for_each(|(byte, digest)| *byte = digest);
    UserId::from_bytes(bytes)
}
