//! The decision. Pure: the same policy, request, identity and time give the same answer, to the gateway and to `explain`.
//!
//! Every reading of the path is judged where it leads; all must admit, and the strictest verdict is the answer:
//!
//! | strictest first | when | answer |
//! |---|---|---|
//! | encoded slash | `%2f`, and a reading's route does not let it through | 400 |
//! | deny | the level is `deny`, signed in or not | 403 |
//! | no route | a reading leads nowhere | 404 |
//! | device | the session is bound to a device and shows nothing of it, or is not bound where that is required | 403, refresh or 401 |
//! | group | signed in, in none of the groups | 403 |
//! | certificate | a client's certificate is required, and no valid one came | 403 |
//! | token | a token came in a way that the route does not take | 401 |
//! | token | it is not for this route, method or network, or not worth enough here | 403 |
//! | guest | a guest, whom the route does not take | 403 |
//! | MFA off | two factors wanted, the user's policy is `off` | 403 |
//! | sign in | nobody is signed in | sign-in page or 401 |
//! | enrol | the user has no method that counts here | enrolment or 401 |
//! | second factor | none was given, or another or a fresher one is wanted | choice page or 401 |
//! | admit | nothing above | forwarded on the primary reading's route |
//!
//! A verdict under `enforce = false` is recorded and does not stop, unless another reading's does. [`Admission`] is made here and
//! nowhere else; the hooks that forward demand one.

use std::sync::Arc;

use crate::account::MfaPolicy;
use crate::base::Time;
use crate::factor::{Method, MethodSet};
use crate::path::Refusal;

use super::application::device::{DeviceLack, DeviceRule, DeviceState};
use super::application::guest::GuestAddress;
use super::demand::{Demand, accepted_methods, can_answer};
use super::grant::{self, Grant, Misfit};
use super::identity::{Identity, Person};
use super::table::{Ask, Hit, Policy, PortalMatch};
use super::types::{CertificateUse, Level, Requirement, Route};

/// What to do with a request.
#[derive(Clone, Debug)]
pub enum Decision {
    Allow(Admission),
    /// The client can do something about it.
    Challenge {
        route: Arc<Route>,
        reason: ChallengeReason,
        /// For a second factor: what this user may answer with. For an enrolment: what would count once it is set up. Else empty.
        methods: MethodSet,
    },
    /// 403: signing in again would change nothing.
    Forbid {
        route: Arc<Route>,
        reason: ForbidReason,
    },
    /// 404: nothing is forwarded by default.
    NoRoute,
    /// 400.
    Refuse(Refusal),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChallengeReason {
    SignIn,
    SecondFactor,
    Enrol,
    /// A token came in a way that is not taken here.
    Token,
    /// The session is bound to a device, and the request does not show enough of it.
    Device(DeviceLack),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ForbidReason {
    Deny,
    Group,
    MfaOff,
    /// A token is not worth two factors here, or a factor must be named or fresh.
    TokenWorth,
    TokenScope,
    /// A client's certificate is required, and no valid one came.
    ClientCertificate,
    /// Not for guests: two factors or a group are wanted, or the address is none that the route takes.
    Guest,
    /// Only for sessions that are bound to a device.
    Device,
}

impl ChallengeReason {
    /// As `reason` in problem details (contract, section 3).
    pub const fn name(self) -> &'static str {
        match self {
            Self::SignIn => "sign_in",
            Self::SecondFactor => "second_factor",
            Self::Enrol => "enrol",
            Self::Token => "token",
            Self::Device(_) => "device",
        }
    }
}

impl ForbidReason {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Group => "group",
            Self::MfaOff => "mfa_off",
            Self::TokenWorth => "token_worth",
            Self::TokenScope => "token_scope",
            Self::ClientCertificate => "client_certificate",
            Self::Guest => "guest",
            Self::Device => "device",
        }
    }
}

/// Why a request was, or without enforcement would have been, stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    Challenge(ChallengeReason),
    Forbid(ForbidReason),
}

impl Reason {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Challenge(reason) => reason.name(),
            Self::Forbid(reason) => reason.name(),
        }
    }
}

/// Leave to forward one request by one policy, which knows where ([`Policy::admitted`]). Only [`decide`] makes one.
#[derive(Clone, Debug)]
pub struct Admission {
    /// The route's place in the policy: requests of all cores would count their hold on the route itself in one place.
    at: usize,
    person: Option<Arc<Person>>,
    observed: Option<Reason>,
    /// The client's certificate was needed for it.
    certified: bool,
}

impl Admission {
    /// The place, in the policy that decided, of the route by which the request goes: the primary reading's.
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    /// Whose identity headers to send; nobody's where every reading is `bypass`.
    pub const fn person(&self) -> Option<&Arc<Person>> {
        self.person.as_ref()
    }

    /// Whether it rests on the client's certificate: it ends with the certificate.
    pub const fn is_certified(&self) -> bool {
        self.certified
    }

    /// What would have stopped it, were it enforced.
    pub const fn observed(&self) -> Option<Reason> {
        self.observed
    }
}

impl Policy {
    /// Where a request goes that this policy admitted.
    pub fn admitted(&self, admission: &Admission) -> Option<(usize, &Arc<Route>)> {
        self.routes().get(admission.at()).map(|route| (admission.at(), route))
    }
}

/// Judges a request at `now`. `who` is a finished sign-in, or nobody. What looks like the gateway's own pages is never forwarded,
/// whether or not the caller has asked [`Policy::under_prefix`] first.
pub fn decide(policy: &Policy, ask: &Ask<'_>, who: Option<&Identity>, now: Time) -> Decision {
    if policy.under_prefix(ask.path) != PortalMatch::No {
        return Decision::NoRoute;
    }
    let mut tally = Tally::default();
    policy.visit(ask, |hit, _| tally.add(hit, ask, who, now));
    tally.answer(ask, who)
}

/// Judges what the readings of a request have met, as [`decide`] does.
pub(super) fn decide_on<'p>(hits: impl Iterator<Item = Option<Hit<'p>>>, ask: &Ask<'_>, who: Option<&Identity>, now: Time) -> Decision {
    let mut tally = Tally::default();
    hits.for_each(|hit| tally.add(hit, ask, who, now));
    tally.answer(ask, who)
}

/// What one reading comes to. The order is that of strictness.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Verdict {
    Admit,
    /// Admitted by a route that only observes whether bound sessions show their device.
    DeviceObserved,
    /// The key of the device must be used again.
    DeviceFresh,
    /// The session may be bound in a moment.
    DeviceTime,
    SecondFactor,
    Enrol,
    /// Only bound sessions are admitted.
    DeviceBinding,
    /// The session is bound to a device, and the request shows nothing of it: whose it is remains open.
    DeviceCookie,
    SignIn,
    MfaOff,
    /// A guest where the route takes none, or not this one.
    Guest,
    Group,
    /// A token that is worth less than what is wanted.
    TokenWorth,
    TokenScope,
    /// The route does not take tokens in the way in which one came.
    TokenWay,
    /// No valid certificate where one is required.
    Certificate,
    NoRoute,
    Deny,
    EncodedSlash,
}

impl Verdict {
    pub(super) const fn reason(self) -> Option<Reason> {
        match self {
            Self::SecondFactor => Some(Reason::Challenge(ChallengeReason::SecondFactor)),
            Self::Enrol => Some(Reason::Challenge(ChallengeReason::Enrol)),
            Self::SignIn => Some(Reason::Challenge(ChallengeReason::SignIn)),
            Self::MfaOff => Some(Reason::Forbid(ForbidReason::MfaOff)),
            Self::Guest => Some(Reason::Forbid(ForbidReason::Guest)),
            Self::Group => Some(Reason::Forbid(ForbidReason::Group)),
            Self::TokenWorth => Some(Reason::Forbid(ForbidReason::TokenWorth)),
            Self::TokenScope => Some(Reason::Forbid(ForbidReason::TokenScope)),
            Self::TokenWay => Some(Reason::Challenge(ChallengeReason::Token)),
            Self::Certificate => Some(Reason::Forbid(ForbidReason::ClientCertificate)),
            Self::Deny => Some(Reason::Forbid(ForbidReason::Deny)),
            Self::DeviceFresh => Some(Reason::Challenge(ChallengeReason::Device(DeviceLack::Fresh))),
            Self::DeviceTime => Some(Reason::Challenge(ChallengeReason::Device(DeviceLack::Time))),
            Self::DeviceObserved | Self::DeviceCookie => Some(Reason::Challenge(ChallengeReason::Device(DeviceLack::Cookie))),
            Self::DeviceBinding => Some(Reason::Forbid(ForbidReason::Device)),
            Self::Admit | Self::NoRoute | Self::EncodedSlash => None,
        }
    }

    /// Whether it stops a request also where a route only observes: what a token is for is its owner's word, not the route's.
    pub(super) const fn is_of_token(self) -> bool {
        matches!(self, Self::TokenWorth | Self::TokenScope | Self::TokenWay)
    }
}

/// Judges one reading where it leads.
pub(super) fn judge(hit: Option<&Hit<'_>>, ask: &Ask<'_>, who: Option<&Identity>, now: Time) -> Verdict {
    let Some(hit) = hit else { return Verdict::NoRoute };
    let Hit { route, requirement, .. } = hit;
    if ask.path.has_encoded_slash() && !route.encoded_slash {
        return Verdict::EncodedSlash;
    }
    if requirement.level == Level::Deny && requirement.enforce {
        return Verdict::Deny;
    }
    if requirement.client_certificate == CertificateUse::Require && !ask.certificate.is_valid() {
        return Verdict::Certificate;
    }
    let lack = asker(requirement, ask, who).and_then(|who| lack(hit, who, now));
    if lack == Some(DeviceLack::Cookie) && route.application.device != Some(DeviceRule::Observe) {
        return Verdict::DeviceCookie;
    }
    match (judge_person(hit, ask, who, now), lack) {
        (Verdict::Admit, Some(DeviceLack::Cookie)) => Verdict::DeviceObserved,
        (Verdict::Admit, Some(DeviceLack::Fresh)) => Verdict::DeviceFresh,
        (Verdict::Admit, Some(DeviceLack::Time)) => Verdict::DeviceTime,
        (Verdict::Admit, Some(DeviceLack::Binding)) => Verdict::DeviceBinding,
        (verdict, _) => verdict,
    }
}

/// What somebody who is named to the application lacks of the device; API tokens and certificates of service accounts are bound to none.
fn lack(Hit { route, requirement, .. }: &Hit<'_>, who: &Identity, now: Time) -> Option<DeviceLack> {
    let rule = route.application.device.filter(|_| matches!(requirement.level, Level::OneFactor | Level::TwoFactor));
    let state = if who.token.is_some() { DeviceState::Unbound } else { who.device };
    state.lacks(rule, now)
}

/// Judges who it is and what they have proved.
fn judge_person(hit: &Hit<'_>, ask: &Ask<'_>, who: Option<&Identity>, now: Time) -> Verdict {
    let Hit { requirement, .. } = hit;
    match (requirement.level, asker(requirement, ask, who)) {
        (level, Some(Identity { person, token, .. })) if person.guest.is_some() => {
            by_address(level, hit, person.guest.as_ref().filter(|_| token.is_none()))
        }
        (_, Some(Identity { token: Some(grant), person, .. })) => by_token(grant, hit, ask, &person.groups),
        (Level::Deny, _) => Verdict::Deny,
        (Level::Bypass, _) => Verdict::Admit,
        (Level::OneFactor | Level::TwoFactor, None) => Verdict::SignIn,
        (_, Some(who)) if !is_member(requirement, &who.person.groups) => Verdict::Group,
        (Level::OneFactor, Some(_)) => Verdict::Admit,
        (Level::TwoFactor, Some(who)) => second_factor(&Demand::from(*requirement), who, now),
    }
}

/// Who asks: by a session or a token, and else by a service account's certificate where one counts.
fn asker<'w>(requirement: &Requirement, ask: &Ask<'w>, who: Option<&'w Identity>) -> Option<&'w Identity> {
    match requirement.client_certificate {
        CertificateUse::None => who,
        CertificateUse::Accept | CertificateUse::Require => who.or_else(|| ask.certificate.holder()),
    }
}

/// A guest gets where one factor is enough, no group is wanted, and the route takes the address; and never by a token.
fn by_address(level: Level, Hit { route, requirement, .. }: &Hit<'_>, address: Option<&GuestAddress>) -> Verdict {
    match level {
        Level::Deny => Verdict::Deny,
        Level::Bypass => Verdict::Admit,
        Level::OneFactor if requirement.groups.is_none() && address.is_some_and(|address| route.application.takes_guest(address)) => {
            Verdict::Admit
        }
        Level::OneFactor | Level::TwoFactor => Verdict::Guest,
    }
}

/// Who comes with a token: what it is for, then what its owner may do, then what it is worth here.
fn by_token(grant: &Grant, Hit { route, requirement, .. }: &Hit<'_>, ask: &Ask<'_>, groups: &[String]) -> Verdict {
    match grant.fits(route, requirement.client_certificate, ask.method, ask.client) {
        Err(Misfit::Way) => return Verdict::TokenWay,
        Err(Misfit::Scope) => return Verdict::TokenScope,
        Ok(()) => {}
    }
    match requirement.level {
        Level::Deny => Verdict::Deny,
        Level::Bypass => Verdict::Admit,
        Level::OneFactor | Level::TwoFactor if !is_member(requirement, groups) => Verdict::Group,
        _ if grant::is_enough(requirement, route.application.tokens_count_as) => Verdict::Admit,
        _ => Verdict::TokenWorth,
    }
}

fn second_factor(wanted: &Demand, who: &Identity, now: Time) -> Verdict {
    if who.person.mfa == MfaPolicy::Off {
        return Verdict::MfaOff;
    }
    if wanted.is_met_by(who.proof, now) {
        return Verdict::Admit;
    }
    if can_answer(wanted, &who.person) { Verdict::SecondFactor } else { Verdict::Enrol }
}

/// Any of the groups, compared letter by letter; where none is named, every signed-in user.
pub(super) fn is_member(requirement: &Requirement, groups: &[String]) -> bool {
    requirement.groups.as_ref().is_none_or(|any| any.iter().any(|group| groups.contains(group)))
}

/// The verdicts of the readings so far.
#[derive(Default)]
struct Tally<'p> {
    primary: Option<usize>,
    stop: Option<(Verdict, Option<&'p Arc<Route>>)>,
    observed: Option<Verdict>,
    identified: bool,
    certified: bool,
    /// Whose session it is remains open, and nothing stops the request: the application is told of nobody.
    unproved: bool,
    wanted: Option<Demand>,
}

impl<'p> Tally<'p> {
    fn add(&mut self, hit: Option<Hit<'p>>, ask: &Ask<'_>, who: Option<&Identity>, now: Time) {
        let (verdict, signed_in) = (judge(hit.as_ref(), ask, who, now), who.is_some());
        self.certified |= hit.is_some_and(|hit| rests_on_certificate(hit.requirement, who));
        let route = hit.map(|hit| hit.route);
        self.primary = self.primary.or(hit.map(|hit| hit.at));
        self.identified |= hit.is_some_and(|hit| hit.requirement.level != Level::Bypass);
        let enforced = hit.is_none_or(|hit| hit.requirement.enforce);
        if enforced
            && signed_in
            && let Some(hit) = hit.filter(|hit| hit.requirement.level == Level::TwoFactor)
        {
            let wanted = hit.requirement.into();
            self.wanted = Some(self.wanted.map_or(wanted, |so_far| so_far.and(wanted)));
        }
        match verdict {
            Verdict::Admit => {}
            Verdict::DeviceObserved => self.observed = self.observed.max(Some(verdict)),
            // Neither is a demand on the client: there is nothing to observe.
            _ if enforced || verdict.reason().is_none() || verdict.is_of_token() => {
                if self.stop.is_none_or(|(strictest, _)| verdict > strictest) {
                    self.stop = Some((verdict, route));
                }
            }
            _ => {
                self.unproved |= verdict == Verdict::DeviceCookie;
                self.observed = self.observed.max(Some(verdict));
            }
        }
    }

    fn answer(self, ask: &Ask<'_>, who: Option<&Identity>) -> Decision {
        let Some((verdict, route)) = self.stop else { return self.admit(ask, who) };
        let Some(route) = route.cloned() else { return Decision::NoRoute };
        match verdict.reason() {
            Some(Reason::Forbid(reason)) => Decision::Forbid { route, reason },
            Some(Reason::Challenge(reason)) => self.challenge(route, reason, who),
            None if verdict == Verdict::EncodedSlash => Decision::Refuse(Refusal::EncodedSlash),
            None => Decision::NoRoute,
        }
    }

    /// Readings that want different factors are answered by one that all of them accept.
    fn challenge(&self, route: Arc<Route>, reason: ChallengeReason, who: Option<&Identity>) -> Decision {
        let nobody_asks = matches!(reason, ChallengeReason::SignIn | ChallengeReason::Token | ChallengeReason::Device(_));
        let (Some(wanted), Some(who), false) = (self.wanted, who, nobody_asks) else {
            return Decision::Challenge { route, reason, methods: MethodSet::EMPTY };
        };
        if reason == ChallengeReason::SecondFactor && can_answer(&wanted, &who.person) {
            return Decision::Challenge { route, reason, methods: accepted_methods(&wanted, &who.person) };
        }
        let methods = Method::ENROLLABLE.into_iter().filter(|method| wanted.accepts(*method)).collect();
        Decision::Challenge { route, reason: ChallengeReason::Enrol, methods }
    }

    fn admit(self, ask: &Ask<'_>, who: Option<&Identity>) -> Decision {
        let Some(at) = self.primary else { return Decision::NoRoute };
        // What was judged: where no reading lets a certificate stand for its account, none does.
        let who = who.or_else(|| ask.certificate.holder().filter(|_| self.certified));
        let person = who.filter(|_| self.identified && !self.unproved).map(|who| Arc::clone(&who.person));
        Decision::Allow(Admission { at, person, observed: self.observed.and_then(Verdict::reason), certified: self.certified })
    }
}

/// Whether an admission by this requirement needs the client's certificate.
const fn rests_on_certificate(requirement: &Requirement, who: Option<&Identity>) -> bool {
    match requirement.client_certificate {
        CertificateUse::None => false,
        CertificateUse::Accept => who.is_none() && !matches!(requirement.level, Level::Bypass),
        CertificateUse::Require => true,
    }
}

#[cfg(test)]
mod tests;
