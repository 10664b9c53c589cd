//! What keys are for. Each purpose has a key of its own, so that what is made for one is worth nothing for another.

/// What a derived key is for. The name goes into the derivation and must never change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// The session cookie.
    Session,
    /// The cookie of a sign-in under way.
    Flow,
    /// The cookie that a browser is known by.
    Device,
    /// The value that form tokens are made from.
    Csrf,
    /// Form tokens.
    Form,
    /// Secrets at rest.
    Seal,
    /// One-time links.
    Link,
    /// Challenges of passwordless sign-ins.
    Passkey,
    /// Where failures of an address or a name are counted.
    Failures,
    /// Where the audit log begins once its oldest records were removed.
    Audit,
    /// The cookie that leads a browser to the same upstream.
    Upstream,
    /// A host's session that is to end, shown to the portal.
    SignOut,
    /// The cookie that shows the device of a session.
    Bound,
    /// What a browser signs to get that cookie again.
    BoundChallenge,
}

impl Purpose {
    pub(super) const ALL: [Self; 14] = [
        Self::Session,
        Self::Flow,
        Self::Device,
        Self::Csrf,
        Self::Form,
        Self::Seal,
        Self::Link,
        Self::Passkey,
        Self::Failures,
        Self::Audit,
        Self::Upstream,
        Self::SignOut,
        Self::Bound,
        Self::BoundChallenge,
    ];

    pub(super) const fn label(self) -> &'static [u8] {
        match self {
            Self::Session => b"vestibule session v1",
            Self::Flow => b"vestibule flow v1",
            Self::Device => b"vestibule device v1",
            Self::Csrf => b"vestibule csrf v1",
            Self::Form => b"vestibule form v1",
            Self::Seal => b"vestibule seal v1",
            Self::Link => b"vestibule link v1",
            Self::Passkey => b"vestibule passkey v1",
            Self::Failures => b"vestibule failures v1",
            Self::Audit => b"vestibule audit v1",
            Self::Upstream => b"vestibule upstream v1",
            Self::SignOut => b"vestibule sign-out v1",
            Self::Bound => b"vestibule bound v1",
            Self::BoundChallenge => b"vestibule bound challenge v1",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_place_and_a_label_of_its_own() {
        let labels: std::collections::HashSet<_> = Purpose::ALL.iter().map(|purpose| purpose.label()).collect();
        assert_eq!(labels.len(), Purpose::ALL.len());
        assert!(Purpose::ALL.iter().enumerate().all(|(at, purpose)| *purpose as usize == at), "a derived key is found by it");
    }
}
