//! A person's own name and password at an application, found before a request goes out. Guarantees that one that the application refused
//! is not sent again: a loop would lock the person's account there.

use std::sync::Arc;

use crate::gateway::authorize::context::{Context, OwnCredential};
use crate::gateway::authorize::policy::Route;
use crate::gateway::host::{Opened, UserSession};
use crate::policy::{Person, UpstreamAuth};

/// Nothing is stored.
pub const MISSING: &str = "application_password_missing";
/// What is stored was refused.
pub const REFUSED: &str = "application_password_refused";

/// What goes out with a request by this person; `None`: the route asks for nothing of theirs.
///
/// # Errors
/// Why the request cannot go out.
pub fn find(
    route: &Route,
    person: Option<&Arc<Person>>,
    session: Option<&Arc<dyn UserSession>>,
    context: &Context,
) -> Result<Option<OwnCredential>, &'static str> {
    let (Some(UpstreamAuth::Personal), Some(person)) = (&route.application.upstream_auth, person) else { return Ok(None) };
    let stored = person.applications.iter().find(|stored| *stored.route == *route.name).ok_or(MISSING)?;
    let user = session.and_then(|session| session.user()).ok_or(MISSING)?;
    match context.host().open_credential(user, stored) {
        Opened::Value(value) => Ok(Some(OwnCredential { value, user, added: stored.added })),
        Opened::Refused => Err(REFUSED),
        Opened::Unreadable => Err(MISSING),
    }
}
