//! Adds the accounts of an import file: all of them or none.

use std::collections::HashMap;
use std::sync::Arc;

use super::entry::{Entry, Fault, Imported};
use super::meter::{Meter, Stage};
use crate::service::accounts::AccountError;
use crate::service::audit::{Actor, AuditLog, Event};
use crate::service::context::Context;
use crate::service::links::Links;
use crate::store::{LinkKind, Store, fold};

/// How many set-up links are made between two looks at the progress.
const LINKED_AT_ONCE: usize = 1000;

/// Adds many accounts at once.
pub struct Import {
    pub(in crate::service) store: Arc<Store>,
    pub(in crate::service) context: Arc<Context>,
    pub(in crate::service) links: Arc<Links>,
    pub(in crate::service) audit: Arc<AuditLog>,
}

impl Import {
    /// Adds all of them with their records in the audit log, or none. `meter` is told the progress.
    ///
    /// # Errors
    /// Every fault, in the order of the lines: what no account may be, what another account or line has already.
    pub async fn run(&self, entries: &[Entry], links: bool, actor: Actor<'_>, meter: &Meter) -> Result<Vec<Imported>, Vec<Fault>> {
        meter.begin(Stage::Check, entries.len());
        let (mut accounts, mut faults) = (Vec::with_capacity(entries.len()), Vec::new());
        let mut taken: HashMap<String, usize> = HashMap::new();
        for entry in entries {
            match entry.account.make(self.context.now()) {
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
        let records = self.audit.records_of(Event::AccountAdded, &names, actor, "imported");
        let written = self.store.create_accounts_recorded(&accounts, records).await;
        let records = written.map_err(|e| whole(e.to_string()))?.map_err(|e| whole(e.to_string()))?;
        self.audit.announce(records.into_iter().map(|record| (Event::AccountAdded, record)));
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
            let mut links = self.links.make_many(&linked, LinkKind::Setup, actor).await?.into_iter();
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
