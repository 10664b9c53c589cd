//! From a login to an entry, and from an entry to a person. A login is a value in the filter; an entry counts if it is the only one, lies within the
//! base, and has exactly one id.

use ldap3_proto::proto::{LdapFilter, LdapSearchScope};

use super::Directory;
use super::entry::Entry;
use super::filter::{Values, fill, for_any_login};
use super::state;
use crate::config::directory::{Dn, Groups, People};
use crate::source::{Cause, Closed, Found, Person, WhoIs};

impl Directory {
    /// Entries that a login names, at most two.
    pub(super) async fn entries_for(&self, login: &str) -> Result<Vec<Entry>, Cause> {
        let (base, scope, filter) = match &self.config.people {
            People::Search(template) => {
                let filter = fill(&template.root, &Values { login, ..Values::default() });
                (self.config.base_dn.to_string(), LdapSearchScope::Subtree, filter)
            }
            People::Template(template) => (template.fill(login), LdapSearchScope::Base, LdapFilter::Present("objectClass".into())),
        };
        let attributes = &self.config.attributes;
        let wanted = vec![attributes.id.clone(), attributes.name.clone(), attributes.email.clone()];
        let mut request = self.request(base, scope, filter, wanted);
        request.sizelimit = 2;
        self.pool.search(&request, false).await
    }

    pub(super) fn identify_one(&self, login: &str, entries: &[Entry]) -> WhoIs {
        let [entry] = entries else {
            if entries.len() > 1 {
                let entries: Vec<_> = entries.iter().map(|entry| entry.dn.as_str()).collect();
                tracing::warn!(directory = %self.id, ?entries, "several entries answer to one login; nobody is signed in by it");
                return WhoIs::Ambiguous;
            }
            return WhoIs::Nobody;
        };
        let attributes = &self.config.attributes;
        match (entry.id(&attributes.id), entry.text(&attributes.name)) {
            (Some(id), Some(name)) => WhoIs::One(Found {
                id,
                name: name.to_owned(),
                email: entry.text(&attributes.email).map(str::to_owned),
                locator: entry.dn.clone(),
            }),
            (id, _) => {
                let missing = if id.is_none() { &attributes.id } else { &attributes.name };
                tracing::warn!(directory = %self.id, entry = %entry.dn, attribute = %missing, length = login.len(), "the entry has not exactly one value that says who it is; nobody is signed in by it");
                WhoIs::Ambiguous
            }
        }
    }

    /// What a person's entry is asked for.
    fn attributes(&self) -> Vec<String> {
        let own = &self.config.attributes;
        let mut wanted: Vec<String> = [&own.id, &own.name, &own.display_name, &own.email, &own.phone].map(Clone::clone).into();
        wanted.extend(state::STATE.map(str::to_owned));
        wanted.push("memberOf".into());
        if self.config.groups == Groups::Nested {
            wanted.extend(["tokenGroups", "primaryGroupID", "objectSid"].map(str::to_owned));
        }
        wanted
    }

    /// The filter that whoever may sign in matches.
    fn eligible(&self) -> LdapFilter {
        match &self.config.people {
            People::Search(template) => for_any_login(&template.root),
            People::Template(_) => LdapFilter::Present("objectClass".into()),
        }
    }

    /// The entry at a place, if it is still within the base and could be found by some login.
    pub(super) async fn entry_at(&self, dn: &str) -> Result<Option<Entry>, Cause> {
        let request = self.request(dn.to_owned(), LdapSearchScope::Base, self.eligible(), self.attributes());
        let entry = self.pool.search(&request, false).await?.into_iter().next();
        Ok(entry.filter(|entry| self.is_within(&entry.dn)))
    }

    /// The entry with this id.
    pub(super) async fn entry_with(&self, id: &str) -> Result<Option<Entry>, Cause> {
        if self.config.attributes.id.eq_ignore_ascii_case("objectGUID") {
            // An id is bytes there; the server reads its written form as a name (MS-ADTS section 3.1.1.3.1.2.4).
            return if id.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-') {
                self.entry_at(&format!("<GUID={id}>")).await
            } else {
                Ok(None)
            };
        }
        let is_this = LdapFilter::Equality(self.config.attributes.id.clone(), id.to_owned());
        let filter = LdapFilter::And(vec![is_this, self.eligible()]);
        let mut request = self.request(self.config.base_dn.to_string(), LdapSearchScope::Subtree, filter, self.attributes());
        request.sizelimit = 2;
        let mut found = self.pool.search(&request, false).await?;
        match (found.pop(), found.is_empty()) {
            (Some(entry), true) => Ok(Some(entry)),
            (Some(_), false) => Err(Cause::Protocol("two entries have one id".into())),
            (None, _) => Ok(None),
        }
    }

    pub(super) fn is_within(&self, dn: &str) -> bool {
        Dn::parse(dn).is_ok_and(|dn| dn.is_within(&self.config.base_dn))
    }

    /// The person behind an entry; `None`: it has no id or name any more.
    pub(super) async fn person(&self, entry: &Entry) -> Result<Option<Person>, Cause> {
        let attributes = &self.config.attributes;
        let (Some(id), Some(name)) = (entry.id(&attributes.id), entry.text(&attributes.name)) else { return Ok(None) };
        let groups = self.groups_of(entry).await?;
        let closed = state::closed(entry, self.clock.now()).or_else(|| self.gate(&groups));
        Ok(Some(Person {
            id,
            name: name.to_owned(),
            display_name: entry.text(&attributes.display_name).unwrap_or(name).to_owned(),
            email: entry.text(&attributes.email).map(str::to_owned),
            phone: entry.text(&attributes.phone).filter(|_| self.config.trust_phone).map(str::to_owned),
            owns_phone: self.config.trust_phone,
            groups,
            closed,
            must_change_password: false,
            password_mark: state::password_mark(entry),
        }))
    }

    /// Whether one of the groups may sign in at all.
    pub(super) fn gate(&self, groups: &[String]) -> Option<Closed> {
        let allowed = self.config.allow_groups.as_ref()?;
        let is_in = groups.iter().any(|group| allowed.contains(group));
        (!is_in).then_some(Closed::NotAllowed)
    }
}
