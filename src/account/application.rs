//! A user's own name and password at an application, typed once by the user. The password is sealed and
//! bound to the account, and what is inside says for which application it is, so that no other gets it.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::base::{Secret, Time};

/// A person's own name and password at an application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplicationPassword {
    /// The route's name.
    pub route: String,
    /// The name there.
    pub user: String,
    /// Sealed; see [`Self::inside`].
    pub sealed: String,
    /// When it was typed. Tells it from the one that replaces it.
    pub added: Time,
    /// When the application refused it; then it is not sent again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Time>,
}

impl ApplicationPassword {
    /// What is to be sealed.
    ///
    /// # Errors
    /// None that is known.
    pub fn inside(route: &str, user: &str, password: &Secret) -> Result<Zeroizing<Vec<u8>>, serde_json::Error> {
        serde_json::to_vec(&(route, user, password.expose())).map(Zeroizing::new)
    }

    /// The password, from what was sealed; `None` if it was sealed for another application or name.
    pub fn password(&self, inside: &[u8]) -> Option<Secret> {
        let (route, user, password): (String, String, Zeroizing<String>) = serde_json::from_slice(inside).ok()?;
        (route == self.route && user == self.user).then(|| Secret::new(password.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_for_one_application_and_one_name() {
        let inside = ApplicationPassword::inside("wiki", "alice", &Secret::new("pä\"ss")).unwrap();
        let stored = |route: &str, user: &str| ApplicationPassword {
            route: route.into(),
            user: user.into(),
            sealed: String::new(),
            added: Time::default(),
            refused: None,
        };
        assert!(stored("wiki", "alice").password(&inside).unwrap().matches("pä\"ss"));
        assert!(stored("mail", "alice").password(&inside).is_none());
        assert!(stored("wiki", "bob").password(&inside).is_none());
        assert!(stored("wiki", "alice").password(b"[]").is_none());
    }
}
