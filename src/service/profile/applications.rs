//! Names and passwords of people's own at applications (`upstream_auth = { basic = "personal" }`): typed once, sealed, replaced and
//! forgotten. Guarantees that one that an application refused is not sent again from that moment on, whatever the store does.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::HeaderValue;

use crate::account::{Account, ApplicationPassword};
use crate::base::{Secret, Time, UserId};
use crate::config::Config;
use crate::identity::authorization;
use crate::policy::UpstreamAuth;
use crate::service::audit::{Actor, AuditLog, Event};
use crate::service::client::Client;
use crate::service::context::Context;
use crate::service::profile::Profile;
use crate::service::refused::Refused;
use crate::service::sessions::LiveSession;
use crate::store::{Edit, Store, StoreError};

/// Characters that a name or a password may have.
const LONGEST: usize = 256;

/// An application that asks each person for their own name and password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplicationView {
    pub route: String,
    /// The stored name, and whether the application refused it with its password.
    pub stored: Option<(String, bool)>,
}

/// Why nothing was stored.
#[derive(Debug, thiserror::Error)]
pub enum ApplicationError {
    #[error("there is no such application, or it asks for nothing")]
    Unknown,
    #[error("a name without a colon and a password, of at most {LONGEST} characters each and on one line")]
    Unsendable,
    #[error("{0}")]
    Refused(#[from] Refused),
}

impl From<StoreError> for ApplicationError {
    fn from(error: StoreError) -> Self {
        Self::Refused(error.into())
    }
}

/// People's own names and passwords at applications.
pub struct Applications {
    pub(in crate::service) store: Arc<Store>,
    pub(in crate::service) context: Arc<Context>,
    pub(in crate::service) profile: Arc<Profile>,
    pub(in crate::service) audit: Arc<AuditLog>,
    /// Refused, and the account may not say so yet.
    pub(in crate::service) held: Mutex<HashSet<(UserId, String, Time)>>,
}

fn asks(config: &Config) -> impl Iterator<Item = &str> {
    let personal = |route: &&crate::policy::Route| matches!(route.application.upstream_auth, Some(UpstreamAuth::Personal));
    config.routes.iter().filter(personal).map(|route| &*route.name)
}

impl Applications {
    /// Whether any application asks for one.
    pub fn any(&self) -> bool {
        asks(&self.context.config()).next().is_some()
    }

    /// The applications that ask, with what this account has stored for them.
    pub fn list(&self, account: &Account) -> Vec<ApplicationView> {
        let stored = |route: &str| account.applications.iter().find(|stored| stored.route == route);
        let view = |route: &str| ApplicationView {
            route: route.to_owned(),
            stored: stored(route).map(|stored| (stored.user.clone(), stored.refused.is_some() || self.is_held(account.id, stored))),
        };
        asks(&self.context.config()).map(view).collect()
    }

    /// Stores a name and a password for an application, in place of what was stored. Needs a full and recent sign-in.
    ///
    /// # Errors
    /// [`ApplicationError`]: what was typed, or the sign-in is not fresh.
    pub async fn store(
        &self,
        session: &LiveSession,
        route: &str,
        user: &str,
        password: &Secret,
        client: &Client,
    ) -> Result<(), ApplicationError> {
        let account = self.profile.own_account(session).await?;
        if !asks(&self.context.config()).any(|name| name == route) {
            return Err(ApplicationError::Unknown);
        }
        let fits = |text: &str| !text.is_empty() && text.chars().count() <= LONGEST;
        if !fits(user) || !fits(password.expose()) || authorization::basic(user, password).is_none() {
            return Err(ApplicationError::Unsendable);
        }
        let inside = ApplicationPassword::inside(route, user, password).map_err(|e| StoreError::Backend(e.to_string()))?;
        let sealed = self.store.seal(account.id, &inside)?;
        let added = self.context.now();
        let new = ApplicationPassword { route: route.to_owned(), user: user.to_owned(), sealed, added, refused: None };
        let edit = |account: &mut Account| {
            account.applications.retain(|stored| stored.route != route);
            account.applications.push(new.clone());
            Edit::Write(())
        };
        let Some(Ok(())) = self.store.update_verified(account.version(), edit).await? else { return Err(Refused::Gone.into()) };
        self.audit.record(Event::ApplicationStored, Some(&account.name), Actor::User(client), route).await?;
        Ok(())
    }

    /// Forgets what is stored for an application.
    ///
    /// # Errors
    /// The store's, or the sign-in is not fresh.
    pub async fn forget(&self, session: &LiveSession, route: &str, client: &Client) -> Result<(), Refused> {
        let account = self.profile.own_account(session).await?;
        let edit = |account: &mut Account| {
            let before = account.applications.len();
            account.applications.retain(|stored| stored.route != route);
            if account.applications.len() < before { Edit::Write(true) } else { Edit::Leave(false) }
        };
        match self.store.update_verified(account.version(), edit).await? {
            Some(Ok(true)) => self.audit.record(Event::ApplicationForgotten, Some(&account.name), Actor::User(client), route).await,
            Some(_) => Ok(()),
            None => Err(Refused::Gone),
        }
    }

    /// The `Authorization` that a stored password makes; `None`: no key that is kept opens it. From memory.
    pub fn open(&self, user: UserId, stored: &ApplicationPassword) -> Option<HeaderValue> {
        let inside = self.store.open_sealed(user, &stored.sealed).ok()?;
        authorization::basic(&stored.user, &stored.password(&inside)?)
    }

    /// Whether the application refused it.
    pub fn is_refused(&self, user: UserId, stored: &ApplicationPassword) -> bool {
        stored.refused.is_some() || self.is_held(user, stored)
    }

    fn is_held(&self, user: UserId, stored: &ApplicationPassword) -> bool {
        let held = self.held();
        // Nearly always empty.
        !held.is_empty() && held.contains(&(user, stored.route.clone(), stored.added))
    }

    /// The application refused it: from now on it is not sent.
    pub fn hold(&self, user: UserId, route: &str, added: Time) -> bool {
        self.held().insert((user, route.to_owned(), added))
    }

    /// Writes down what [`Self::hold`] knows, so that it holds after a restart and at other gateways. What was replaced meanwhile is left.
    ///
    /// # Errors
    /// The store's; what is held is held all the same.
    pub async fn write_down(&self, user: UserId, route: &str, added: Time) -> Result<(), Refused> {
        let now = self.context.now();
        let edit = |account: &mut Account| {
            let name = account.name.clone();
            let is_it = |stored: &&mut ApplicationPassword| stored.route == route && stored.added == added && stored.refused.is_none();
            match account.applications.iter_mut().find(is_it) {
                Some(stored) => {
                    stored.refused = Some(now);
                    Edit::Write(Some(name))
                }
                None => Edit::Leave(None),
            }
        };
        let written = self.store.update_account(user, edit).await?;
        self.held().remove(&(user, route.to_owned(), added));
        match written {
            Some(Ok(Some(name))) => self.audit.record(Event::ApplicationRefused, Some(&name), Actor::Gateway, route).await,
            _ => Ok(()),
        }
    }

    fn held(&self) -> MutexGuard<'_, HashSet<(UserId, String, Time)>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
