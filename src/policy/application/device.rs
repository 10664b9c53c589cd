//! Whether a route wants to know that a session is used on the device that it is bound to (W3C Device Bound Session Credentials), and what is known of
//! that. Pure: signatures are verified elsewhere.

use std::time::Duration;

use crate::base::Time;

/// What a route wants of sessions (`device_bound`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum DeviceRule {
    /// A bound session without its bound cookie is recorded, and passes.
    Observe,
    /// Bound sessions are held to it; others pass.
    Prefer,
    /// Only bound sessions pass, and with `age` only those whose key was used this recently.
    Require { age: Option<Duration> },
}

impl DeviceRule {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Prefer => "prefer",
            Self::Require { .. } => "require",
        }
    }

    /// The oldest use of the key that still counts.
    pub const fn age(self) -> Option<Duration> {
        match self {
            Self::Require { age } => age,
            Self::Observe | Self::Prefer => None,
        }
    }
}

impl DeviceRule {
    /// What routes that all have a say want together: the strictest, and of the ages the smallest. `None` if none says anything.
    pub fn together(rules: impl Iterator<Item = Self>) -> Option<Self> {
        rules.reduce(|one, other| match (one, other) {
            (Self::Require { age: Some(one) }, Self::Require { age: Some(other) }) => Self::Require { age: Some(one.min(other)) },
            // No age is the laxest.
            (one, other) => one.max(other),
        })
    }
}

/// What a request shows of the device that its session is bound to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum DeviceState {
    /// The session is bound to none.
    #[default]
    Unbound,
    /// It is bound to none, and so new that it may be in a moment.
    Binding,
    /// It was bound a moment ago: what was on its way then has no bound cookie.
    Settling,
    /// The bound cookie is there. The key was last used at this time.
    Proved(Time),
    /// The session is bound and its bound cookie is missing, expired or of another session.
    Missing,
}

/// What a request lacks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DeviceLack {
    /// The bound cookie.
    Cookie,
    /// Nothing but a moment's patience.
    Time,
    /// A more recent use of the key.
    Fresh,
    /// A session that is bound at all.
    Binding,
}

impl DeviceState {
    /// What the request lacks under this rule; `None`: nothing.
    pub fn lacks(self, rule: Option<DeviceRule>, now: Time) -> Option<DeviceLack> {
        match (rule?, self) {
            (DeviceRule::Require { age }, Self::Proved(at)) => age.is_some_and(|age| !at.is_fresh(age, now)).then_some(DeviceLack::Fresh),
            (_, Self::Proved(_)) => None,
            (_, Self::Missing) => Some(DeviceLack::Cookie),
            (DeviceRule::Require { .. }, Self::Binding | Self::Settling) => Some(DeviceLack::Time),
            (DeviceRule::Require { .. }, Self::Unbound) => Some(DeviceLack::Binding),
            (DeviceRule::Observe | DeviceRule::Prefer, Self::Unbound | Self::Binding | Self::Settling) => None,
        }
    }
}

/// One state of every kind that rules with these ages tell apart.
pub fn kinds(ages: impl Iterator<Item = Duration>, now: Time) -> Vec<DeviceState> {
    let proved = ages.flat_map(|age| [age, age + Duration::from_secs(1)]).chain([Duration::ZERO]);
    let proved: std::collections::BTreeSet<Duration> = proved.collect();
    let proved = proved.into_iter().map(|span| DeviceState::Proved(now.minus(span)));
    [DeviceState::Unbound, DeviceState::Binding, DeviceState::Missing].into_iter().chain(proved).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_rules_the_strictest_counts() {
        let (five, three) = (Duration::from_secs(300), Duration::from_secs(180));
        let require = |age| DeviceRule::Require { age };
        assert_eq!(DeviceRule::together(std::iter::empty()), None);
        assert_eq!(DeviceRule::together([DeviceRule::Prefer, DeviceRule::Observe].into_iter()), Some(DeviceRule::Prefer));
        let all = [require(Some(five)), require(None), require(Some(three)), DeviceRule::Prefer];
        assert_eq!(DeviceRule::together(all.into_iter()), Some(require(Some(three))));
    }

    #[test]
    fn a_bound_session_without_its_cookie_lacks_it_everywhere_and_an_unbound_one_only_where_binding_is_required() {
        let now = Time::from_secs(1000);
        let age = Duration::from_secs(300);
        let (prefer, require) = (Some(DeviceRule::Prefer), Some(DeviceRule::Require { age: Some(age) }));
        assert_eq!(DeviceState::Missing.lacks(None, now), None, "off");
        for rule in [Some(DeviceRule::Observe), prefer, require] {
            assert_eq!(DeviceState::Missing.lacks(rule, now), Some(DeviceLack::Cookie));
            assert_eq!(DeviceState::Proved(now).lacks(rule, now), None);
        }
        for state in [DeviceState::Unbound, DeviceState::Binding, DeviceState::Settling] {
            assert_eq!(state.lacks(prefer, now), None);
        }
        assert_eq!(DeviceState::Unbound.lacks(require, now), Some(DeviceLack::Binding));
        assert_eq!(DeviceState::Binding.lacks(require, now), Some(DeviceLack::Time));
        assert_eq!(DeviceState::Settling.lacks(require, now), Some(DeviceLack::Time));
        assert_eq!(DeviceState::Proved(now.minus(age * 2)).lacks(require, now), Some(DeviceLack::Fresh));
    }
}
