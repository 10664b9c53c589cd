//! Which of the groups that exist here a person is in. Groups are compared as names or by their security identifiers, never as text, and only those
//! in `group_map` count.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use ldap3_proto::proto::{LdapFilter, LdapMatchingRuleAssertion, LdapSearchScope};
use tokio::time::Instant;

use super::Directory;
use super::entry::{Entry, sid};
use super::filter::{Values, fill};
use super::resolved::Identifiers;
use crate::config::directory::{Dn, GroupKey, Groups, Kind};
use crate::source::Cause;

/// `LDAP_MATCHING_RULE_IN_CHAIN` (MS-ADTS section 3.1.1.3.4.4.3).
const IN_CHAIN: &str = "1.2.840.113556.1.4.1941";

impl Directory {
    /// The mapped names of a person's groups, sorted.
    pub(super) async fn groups_of(&self, entry: &Entry) -> Result<Vec<String>, Cause> {
        let mut groups = match &self.config.groups {
            Groups::Nested => self.nested(entry).await?,
            Groups::Direct | Groups::Filter(_) => self.mapped(&self.raw_groups(entry).await?),
        };
        groups.sort_unstable();
        groups.dedup();
        Ok(groups)
    }

    /// The names of the directory's groups that a person is in. For nested ones only what `directory test` shows: security identifiers decide.
    pub(super) async fn raw_groups(&self, entry: &Entry) -> Result<Vec<String>, Cause> {
        let direct = entry.texts("memberOf").map(str::to_owned);
        let found = match &self.config.groups {
            Groups::Direct if self.config.kind == Kind::ActiveDirectory => Vec::new(),
            // Without the overlay that keeps `memberOf`, only the groups know who is in them.
            Groups::Direct => {
                let names = |attribute: &str| LdapFilter::Equality(attribute.to_owned(), entry.dn.clone());
                self.groups_matching(LdapFilter::Or(vec![names("member"), names("uniqueMember")])).await?
            }
            Groups::Nested => self.groups_matching(in_chain(&entry.dn)).await?,
            Groups::Filter(filter) => {
                let name = entry.text(&self.config.attributes.name).unwrap_or_default();
                return self.groups_matching(fill(&filter.root, &Values { login: "", dn: &entry.dn, name })).await;
            }
        };
        let mut all: Vec<String> = direct.chain(found).collect();
        all.sort_unstable();
        all.dedup();
        Ok(all)
    }

    async fn groups_matching(&self, filter: LdapFilter) -> Result<Vec<String>, Cause> {
        let request = self.request(self.domain.clone(), LdapSearchScope::Subtree, filter, vec!["1.1".into()]);
        Ok(self.pool.search(&request, true).await?.into_iter().map(|entry| entry.dn).collect())
    }

    fn mapped(&self, groups: &[String]) -> Vec<String> {
        let groups: Vec<Dn> = groups.iter().filter_map(|group| Dn::parse(group).ok()).collect();
        let map = self.config.group_map.iter();
        map.filter(|(key, _)| groups.iter().any(|group| key.names(group))).map(|(_, name)| name.clone()).collect()
    }

    /// By security identifiers: `tokenGroups` has nested groups and the primary one. A service account that may not read it is told the
    /// nested groups by a search, and the primary one by its number.
    async fn nested(&self, entry: &Entry) -> Result<Vec<String>, Cause> {
        let identifiers = self.identifiers().await?;
        let tokens: HashSet<String> = entry.values("tokenGroups").iter().filter_map(|value| sid(value)).collect();
        if !tokens.is_empty() {
            return Ok(in_any(&identifiers, &tokens));
        }
        let primary: HashSet<String> = primary_group(entry).into_iter().collect();
        let by_name = self.mapped(&self.raw_groups(entry).await?);
        Ok(by_name.into_iter().chain(in_any(&identifiers, &primary)).collect())
    }

    /// The identifiers of the mapped groups, looked up again twice within `refresh`.
    async fn identifiers(&self) -> Result<Identifiers, Cause> {
        let mut resolved = self.resolved.0.lock().await;
        let lifetime = self.config.refresh.min(Duration::from_secs(600)) / 2;
        if let Some((at, known)) = resolved.as_ref().filter(|(at, _)| at.elapsed() < lifetime) {
            tracing::trace!(age = ?at.elapsed(), "the groups' identifiers are known");
            return Ok(known.clone());
        }
        let mut found: HashMap<String, Vec<String>> = HashMap::new();
        for (key, name) in &self.config.group_map {
            found.entry(name.clone()).or_default().extend(self.identify(key).await?);
        }
        let found = Arc::new(found);
        *resolved = Some((Instant::now(), found.clone()));
        Ok(found)
    }

    /// The identifiers of the groups with this name; none if there is no such group.
    pub(super) async fn identify(&self, key: &GroupKey) -> Result<Vec<String>, Cause> {
        let sids = vec!["objectSid".to_owned()];
        let request = match key {
            GroupKey::Dn(dn) => {
                let any = LdapFilter::Present("objectClass".into());
                self.request(dn.to_string(), LdapSearchScope::Base, any, sids)
            }
            GroupKey::Cn(cn) => {
                let equal = |attribute: &str, value: &str| LdapFilter::Equality(attribute.to_owned(), value.to_owned());
                let filter = LdapFilter::And(vec![equal("objectClass", "group"), equal("cn", cn)]);
                self.request(self.domain.clone(), LdapSearchScope::Subtree, filter, sids)
            }
        };
        let found = self.pool.search(&request, false).await?;
        Ok(found.iter().flat_map(|group| group.values("objectSid")).filter_map(|value| sid(value)).collect())
    }
}

fn in_any(identifiers: &Identifiers, tokens: &HashSet<String>) -> Vec<String> {
    let names = identifiers.iter().filter(|(_, sids)| sids.iter().any(|sid| tokens.contains(sid)));
    names.map(|(name, _)| name.clone()).collect()
}

/// The primary group, which no other attribute has: its number within the person's own domain.
fn primary_group(entry: &Entry) -> Option<String> {
    let own = entry.values("objectSid").first().and_then(|value| sid(value))?;
    let (domain, _) = own.rsplit_once('-')?;
    Some(format!("{domain}-{}", entry.number("primaryGroupID")?))
}

fn in_chain(dn: &str) -> LdapFilter {
    LdapFilter::Extensible(LdapMatchingRuleAssertion {
        matching_rule: Some(IN_CHAIN.into()),
        type_: Some("member".into()),
        match_value: dn.to_owned(),
        dn_attributes: false,
    })
}
