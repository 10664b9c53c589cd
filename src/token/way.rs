//! The ways in which a token may arrive, and what it is worth once it is there. A route takes none of the ways unless it says so.

/// How a token arrives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// `Authorization: Bearer` (RFC 6750 section 2.1).
    Bearer,
    /// As the password of `Authorization: Basic` (RFC 7617). The user name is not looked at.
    Basic,
    /// `X-Vestibule-Token`, which leaves the application's own `Authorization` alone.
    Header,
    /// No token: a service account's client certificate stands for it, over TLS or by RFC 9440. No route names it among its ways.
    Certificate,
}

impl Way {
    /// The ways of a token, as a route may name them.
    pub const ALL: [Self; 3] = [Self::Bearer, Self::Basic, Self::Header];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Bearer => "bearer",
            Self::Basic => "basic",
            Self::Header => "header",
            Self::Certificate => "certificate",
        }
    }
}

/// The ways that a route takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Ways(u8);

impl Ways {
    pub const NONE: Self = Self(0);

    pub const fn takes(self, way: Way) -> bool {
        self.0 & (1 << way as u8) != 0
    }

    pub const fn is_none(self) -> bool {
        self.0 == 0
    }
}

impl FromIterator<Way> for Ways {
    fn from_iter<I: IntoIterator<Item = Way>>(ways: I) -> Self {
        Self(ways.into_iter().fold(0, |bits, way| bits | 1 << way as u8))
    }
}

/// What a token is worth on a route.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum CountsAs {
    #[default]
    OneFactor,
    TwoFactor,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_takes_what_it_names_and_nothing_else() {
        let ways: Ways = [Way::Bearer, Way::Header].into_iter().collect();
        assert!(ways.takes(Way::Bearer) && ways.takes(Way::Header) && !ways.takes(Way::Basic));
        assert!(Way::ALL.into_iter().all(|way| !Ways::NONE.takes(way)));
    }
}
