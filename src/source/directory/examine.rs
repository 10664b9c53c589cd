//! A directory looked at step by step, for an operator: what works, what does not, and what each step found.

use ldap3_proto::proto::{LdapFilter, LdapSearchScope};
use serde::Serialize;

use super::entry::Entry;
use super::{Directory, state};
use crate::config::directory::Kind;
use crate::source::{Cause, PasswordSource, WhoIs};

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    pub step: &'static str,
    pub ok: bool,
    pub found: String,
}

fn good(step: &'static str, found: impl Into<String>) -> Step {
    Step { step, ok: true, found: found.into() }
}

fn bad(step: &'static str, found: impl Into<String>) -> Step {
    Step { step, ok: false, found: found.into() }
}

impl Directory {
    /// Walks through it: each server's address, TLS and bind; the lockout threshold beside `lockout_after`; and for a login the search, the entry, its
    /// state and its groups. No password but the service account's is shown to anybody.
    pub async fn examine(&self, login: Option<&str>, lockout_after: u32) -> Vec<Step> {
        let mut steps = Vec::new();
        for index in 0..self.pool.servers.len() {
            steps.push(self.examine_server(index).await);
        }
        if steps.iter().all(|step| !step.ok) {
            return steps;
        }
        steps.push(self.examine_lockout(lockout_after).await);
        for (key, name) in &self.config.group_map {
            let found = if self.config.kind == Kind::ActiveDirectory { self.identify(key).await } else { Ok(vec![String::new()]) };
            match found {
                Ok(found) if found.is_empty() => steps.push(bad("group_map", format!("there is no group {key:?} for “{name}”"))),
                Ok(_) => {}
                Err(cause) => steps.push(bad("group_map", cause.to_string())),
            }
        }
        if let Some(login) = login {
            self.examine_login(login, &mut steps).await;
        }
        steps
    }

    async fn examine_server(&self, index: usize) -> Step {
        let url = self.pool.servers.url(index).to_owned();
        match self.pool.try_server(index).await {
            Ok(()) => good("server", format!("{url}: connected, protected as configured, bound as {}", self.config.account.dn)),
            Err(cause @ Cause::Credentials(_)) => bad("bind", format!("{url}: {cause}")),
            Err(cause @ Cause::Tls(_)) => bad("tls", format!("{url}: {cause}")),
            Err(cause) => bad("server", format!("{url}: {cause}")),
        }
    }

    async fn examine_lockout(&self, lockout_after: u32) -> Step {
        match self.lockout_threshold().await {
            Ok(Some(threshold)) if i64::from(lockout_after) >= threshold => bad(
                "lockout",
                format!(
                    "the directory locks after {threshold} failures, the gateway after {lockout_after}: set limits.lockout_after below {threshold}"
                ),
            ),
            Ok(Some(threshold)) => {
                good("lockout", format!("the directory locks after {threshold} failures, the gateway after {lockout_after}"))
            }
            Ok(None) => good("lockout", "the directory says nothing of locking accounts"),
            Err(cause) => bad("lockout", cause.to_string()),
        }
    }

    /// After how many failures the directory locks an account, if it can be known.
    async fn lockout_threshold(&self) -> Result<Option<i64>, Cause> {
        let (attribute, scope, class) = match self.config.kind {
            Kind::ActiveDirectory => ("lockoutThreshold", LdapSearchScope::Base, LdapFilter::Present("objectClass".into())),
            Kind::OpenLdap | Kind::Custom => {
                ("pwdMaxFailure", LdapSearchScope::Subtree, LdapFilter::Equality("objectClass".into(), "pwdPolicy".into()))
            }
        };
        let request = self.request(self.domain.clone(), scope, class, vec![attribute.to_owned()]);
        let found = self.pool.search(&request, false).await?;
        Ok(found.iter().filter_map(|entry| entry.number(attribute)).filter(|count| *count > 0).min())
    }

    async fn examine_login(&self, login: &str, steps: &mut Vec<Step>) {
        let found = match self.find(login).await {
            Ok(WhoIs::One(found)) => found,
            Ok(WhoIs::Nobody) => return steps.push(bad("search", format!("nobody answers to “{login}” below {}", self.config.base_dn))),
            Ok(WhoIs::Ambiguous) => return steps.push(bad("search", "several entries, or one without a single id or name; see the log")),
            Err(e) => return steps.push(bad("search", e.to_string())),
        };
        steps.push(good("search", format!("{} (name {}, id {})", found.locator, found.name, found.id)));
        match self.entry_at(&found.locator).await {
            Ok(Some(entry)) => self.examine_entry(&entry, steps).await,
            Ok(None) => steps.push(bad("entry", "the service account cannot read the entry itself")),
            Err(cause) => steps.push(bad("entry", cause.to_string())),
        }
    }

    async fn examine_entry(&self, entry: &Entry, steps: &mut Vec<Step>) {
        let mail =
            entry.text(&self.config.attributes.email).unwrap_or("none: no codes by e-mail, and nothing vouches for a first enrolment");
        steps.push(good("mail", mail));
        match state::closed(entry, self.clock.now()) {
            Some(closed) => steps.push(bad("state", closed.to_string())),
            None if state::must_change(entry) => steps.push(good("state", "enabled; the password must be changed at the next sign-in")),
            None => steps.push(good("state", "enabled")),
        }
        match self.raw_groups(entry).await {
            Ok(groups) => steps.push(good("groups", if groups.is_empty() { "none".to_owned() } else { groups.join("; ") })),
            Err(cause) => steps.push(bad("groups", cause.to_string())),
        }
        match self.groups_of(entry).await {
            Ok(groups) => {
                let mapped = if groups.is_empty() { "none".to_owned() } else { groups.join(", ") };
                steps.push(good("mapped", mapped));
                if let Some(closed) = self.gate(&groups) {
                    steps.push(bad("allow_groups", closed.to_string()));
                }
            }
            Err(cause) => steps.push(bad("mapped", cause.to_string())),
        }
    }
}
