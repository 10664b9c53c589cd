//! What somebody may do who comes with an API token or a service account's certificate: never more than its owner, within the token's own limits, in a way that the
//! route takes, and worth as much as the route says.

use std::sync::Arc;

use crate::base::ClientAddr;
use crate::token::{CountsAs, Scope, Way};

use super::types::{CertificateUse, Level, Requirement, Route};

/// A token that was shown with a request.
#[derive(Clone, Debug)]
pub struct Grant {
    pub scope: Arc<Scope>,
    /// How it arrived.
    pub way: Way,
}

/// Why a token may not be used for a request, whoever its owner is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Misfit {
    /// The route does not take tokens in this way.
    Way,
    Scope,
}

impl Grant {
    /// Whether the token may be used for such a request. Holds also where a route only observes.
    pub(super) fn fits(
        &self,
        route: &Route,
        certificates: CertificateUse,
        method: &http::Method,
        client: ClientAddr,
    ) -> Result<(), Misfit> {
        let is_taken = match self.way {
            Way::Certificate => certificates != CertificateUse::None,
            Way::Bearer | Way::Basic | Way::Header => route.application.tokens.takes(self.way),
        };
        if !is_taken {
            return Err(Misfit::Way);
        }
        self.scope.covers(&route.name, method, client).map_err(|_| Misfit::Scope)
    }
}

/// Whether a token meets a demand for a sign-in. It shows no factor, and none of it is fresh.
pub(super) fn is_enough(requirement: &Requirement, worth: CountsAs) -> bool {
    let two = worth == CountsAs::TwoFactor && requirement.factors.is_none();
    requirement.max_age.is_none() && (requirement.level == Level::OneFactor || two)
}

#[cfg(test)]
mod tests;
