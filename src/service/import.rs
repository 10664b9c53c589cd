//! Many accounts at once, from a table or from what was there before: all or nothing, and every fault with its line.
//!
//! Password hashes are taken as they are (Argon2id, bcrypt) and made anew at the first sign-in; nobody has to choose another password.

mod authelia;
mod csv;
mod htpasswd;
mod meter;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;

pub use meter::{Meter, Progress, Stage};
use serde::{Deserialize, Serialize};

use super::Services;
use super::accounts::{AccountError, NewAccount};
use super::audit::{Actor, Event};
use crate::base::Secret;
use crate::factor::password;
use crate::store::{LinkKind, fold};

/// How many set-up links are made between two looks at how far it is.
const LINKED_AT_ONCE: usize = 1000;

/// What a file is written in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// A header line with `name`, `email`, and as wanted `phone`, `display_name`, `groups` (separated by `;`).
    Csv,
    /// Authelia's `users_database.yml`.
    Authelia,
    /// `htpasswd -B`: a name and a bcrypt hash a line.
    Htpasswd,
}

/// One account of a file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// Counted from 1.
    pub line: usize,
    pub account: NewAccount,
    #[serde(default)]
    pub disabled: bool,
}

/// What is wrong with a line.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Fault {
    /// Counted from 1.
    pub line: usize,
    /// What, and what to do.
    pub what: String,
}

impl Fault {
    fn new(line: usize, what: impl Into<String>) -> Self {
        Self { line, what: what.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

/// What became of one account.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Imported {
    pub name: String,
    /// The token of a set-up link, where links were asked for and there is no password yet.
    pub setup: Option<Secret>,
}

/// Reads a file. `domain` completes names to addresses where the format has none.
///
/// # Errors
/// Every fault of the file's form, in the order of its lines.
pub fn read(format: Format, text: &str, domain: Option<&str>) -> Result<Vec<Entry>, Vec<Fault>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (entries, mut faults) = match format {
        Format::Csv => csv::read(text),
        Format::Authelia => authelia::read(text),
        Format::Htpasswd => htpasswd::read(text, domain),
    };
    for entry in &entries {
        if entry.account.password_hash.as_deref().is_some_and(|hash| !password::is_readable(hash)) {
            let what = "the password's hash is neither Argon2id nor bcrypt at a cost of 14 or less; leave it out and send a set-up link";
            faults.push(Fault::new(entry.line, what));
        }
    }
    if faults.is_empty() && entries.is_empty() {
        faults.push(Fault::new(1, "the file holds no account"));
    }
    faults.sort_by_key(|fault| fault.line);
    if faults.is_empty() { Ok(entries) } else { Err(faults) }
}

impl Services {
    /// Adds all of them with their records in the audit log, or none. `meter` is told how far it is.
    ///
    /// # Errors
    /// Every fault, in the order of the lines: what no account may be, what another account or line has already.
    pub async fn import_accounts(
        &self,
        entries: &[Entry],
        links: bool,
        actor: Actor<'_>,
        meter: &Meter,
    ) -> Result<Vec<Imported>, Vec<Fault>> {
        meter.begin(Stage::Check, entries.len());
        let (mut accounts, mut faults) = (Vec::with_capacity(entries.len()), Vec::new());
        let mut taken: HashMap<String, usize> = HashMap::new();
        for entry in entries {
            match self.make_account(&entry.account) {
                Ok(account) => accounts.push(crate::account::Account { disabled: entry.disabled, ..account }),
                Err(e) => faults.push(Fault::new(entry.line, e.to_string())),
            }
            for fault in self.clashes(entry, &mut taken).await {
                faults.push(Fault::new(entry.line, fault));
            }
            meter.step(1);
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let whole = |e: String| vec![Fault::new(entries.first().map_or(1, |entry| entry.line), e)];
        meter.begin(Stage::Write, accounts.len());
        let names: Vec<&str> = accounts.iter().map(|account| account.name.as_str()).collect();
        let records = self.records(Event::AccountAdded, &names, actor, "imported");
        let written = self.store.create_accounts_recorded(&accounts, records).await;
        let records = written.map_err(|e| whole(e.to_string()))?.map_err(|e| whole(e.to_string()))?;
        self.audited(records.into_iter().map(|record| (Event::AccountAdded, record)));
        self.settle(&accounts, links, actor, meter).await.map_err(|e| whole(format!("the accounts were added, but: {e}")))
    }

    /// Logins of this entry that an earlier line or an account has.
    async fn clashes(&self, entry: &Entry, taken: &mut HashMap<String, usize>) -> Vec<String> {
        let (name, email) = (fold(&entry.account.name), fold(&entry.account.email));
        let mut logins = vec![(name, &entry.account.name)];
        if logins.iter().all(|(folded, _)| *folded != email) {
            logins.push((email, &entry.account.email));
        }
        let mut found = Vec::new();
        for (folded, login) in logins.into_iter().filter(|(folded, _)| !folded.is_empty()) {
            if let Some(line) = taken.get(&folded) {
                found.push(format!("“{login}” stands in line {line} already; leave one out"));
            } else {
                match self.store.account_by_login(login).await {
                    Ok(None) => {}
                    Ok(Some(_)) => {
                        found.push(format!("another account already signs in as “{login}”; leave it out, or delete that account"))
                    }
                    Err(e) => found.push(e.to_string()),
                }
                taken.insert(folded, entry.line);
            }
        }
        found
    }

    async fn settle(
        &self,
        accounts: &[crate::account::Account],
        links: bool,
        actor: Actor<'_>,
        meter: &Meter,
    ) -> Result<Vec<Imported>, AccountError> {
        let wanted = |account: &&crate::account::Account| links && account.password.is_none() && !account.disabled;
        meter.begin(Stage::Link, accounts.iter().filter(wanted).count());
        let mut imported = Vec::with_capacity(accounts.len());
        for some in accounts.chunks(LINKED_AT_ONCE) {
            let linked: Vec<&crate::account::Account> = some.iter().filter(wanted).collect();
            let mut links = self.make_links(&linked, LinkKind::Setup, actor).await?.into_iter();
            meter.step(linked.len());
            let of = |account: &crate::account::Account| Imported {
                name: account.name.clone(),
                setup: if wanted(&account) { links.next() } else { None },
            };
            imported.extend(some.iter().map(of));
        }
        Ok(imported)
    }
}
