//! The questions that every source answers, answered by a directory. What no server may be shown is refused here, before any of them is asked.

use async_trait::async_trait;

use super::Directory;
use super::state::{self, BindVerdict};
use crate::base::Secret;
use crate::config::directory::Kind;
use crate::source::{Cause, Found, PasswordChange, PasswordSource, Person, Source, SourceId, Unavailable, Verdict, WhoIs};

/// The longest login that is looked for.
const MAX_LOGIN: usize = 512;

/// What no server is shown: an empty password would be a bind as nobody, and one with a NUL ends early in some.
fn is_sendable(password: &Secret) -> bool {
    !password.is_empty() && !password.expose().contains('\0')
}

#[async_trait]
impl Source for Directory {
    fn id(&self) -> &SourceId {
        &self.id
    }

    async fn look_up(&self, person: &str) -> Result<Option<Person>, Unavailable> {
        self.within(async {
            match self.entry_with(person).await? {
                Some(entry) => self.person(&entry).await,
                None => Ok(None),
            }
        })
        .await
    }
}

#[async_trait]
impl PasswordSource for Directory {
    async fn find(&self, login: &str) -> Result<WhoIs, Unavailable> {
        if login.trim().is_empty() || login.len() > MAX_LOGIN {
            return Ok(WhoIs::Nobody);
        }
        let entries = self.within(self.entries_for(login)).await?;
        let entries: Vec<_> = entries.into_iter().filter(|entry| self.is_within(&entry.dn)).collect();
        Ok(self.identify_one(login, &entries))
    }

    async fn verify(&self, found: &Found, password: &Secret) -> Result<Verdict, Unavailable> {
        if !is_sendable(password) {
            return Ok(Verdict::Wrong);
        }
        self.within(self.verdict(found, password)).await
    }

    async fn pretend(&self) {
        let nobody = format!("cn=nobody,{}", self.config.base_dn);
        let _ = self.within(self.bind(&nobody, &Secret::new("a password that is nobody's"))).await;
    }

    fn changes_passwords(&self) -> bool {
        self.config.change_password
    }

    async fn change_password(&self, person: &str, current: &Secret, new: &Secret) -> Result<PasswordChange, Unavailable> {
        if !self.config.change_password {
            return Ok(PasswordChange::NotAllowed);
        }
        if !is_sendable(current) {
            return Ok(PasswordChange::WrongCurrent);
        }
        if !is_sendable(new) {
            return Ok(PasswordChange::Refused(None));
        }
        match self.config.kind {
            Kind::ActiveDirectory => self.within(self.change_unicode(person, current, new)).await,
            Kind::OpenLdap | Kind::Custom => self.within(self.change_by_owner(person, current, new)).await,
        }
    }
}

impl Directory {
    /// The bind and the person's own entry, asked at the same time.
    async fn verdict(&self, found: &Found, password: &Secret) -> Result<Verdict, Cause> {
        let person = async {
            let entry = self.entry_at(&found.locator).await?;
            match entry.filter(|entry| entry.id(&self.config.attributes.id).as_deref() == Some(found.id.as_str())) {
                Some(entry) => self.person(&entry).await,
                None => Ok(None),
            }
        };
        let (bound, person) = tokio::join!(self.bind(&found.locator, password), person);
        let closed = match bound? {
            BindVerdict::Wrong => return Ok(Verdict::Wrong),
            BindVerdict::Locked => return Ok(Verdict::Locked),
            BindVerdict::Right => (None, false),
            BindVerdict::MustChange => (None, true),
            BindVerdict::Closed(closed) => (Some(closed), false),
        };
        let Some(mut person) = person? else {
            tracing::warn!(directory = %self.id, entry = %found.locator, "the entry was moved or replaced in the middle of a sign-in");
            return Ok(Verdict::Wrong);
        };
        person.closed = closed.0.or(person.closed);
        person.must_change_password = closed.1;
        Ok(Verdict::Right(Box::new(person)))
    }

    async fn bind(&self, dn: &str, password: &Secret) -> Result<BindVerdict, Cause> {
        let (reply, connection) = self.pool.bind(dn, password).await?;
        tokio::spawn(connection.close());
        state::bind_verdict(&reply)
    }
}
