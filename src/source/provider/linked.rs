//! Which account is whose at a provider, and which provider can be asked for somebody's second factor. Pure: an account and the
//! configuration in, an answer out.

use crate::account::{Account, PersonId, SourceId};
use crate::config;
use crate::factor::Method;

/// Who somebody is at a provider, as accounts keep it: the issuer belongs to it, so that a section which is pointed at another provider
/// brings nobody along. An issuer holds no space.
pub fn person_id(provider: &config::Provider, subject: &str) -> PersonId {
    PersonId { source: SourceId::new(&provider.name), id: format!("{} {subject}", provider.issuer) }
}

/// Whether this is a provider's person: their ids begin with the issuer.
pub fn is_providers(person: &PersonId) -> bool {
    person.id.starts_with("https://") || person.id.starts_with("http://")
}

/// The subject in an account's link, as it is shown.
pub fn subject_of(person: &PersonId) -> &str {
    person.id.split_once(' ').map_or(person.id.as_str(), |(_, subject)| subject)
}

/// Who an account is at a provider, whether it came from there or was linked.
pub fn person_at<'a>(account: &'a Account, provider: &config::Provider) -> Option<&'a PersonId> {
    person_by(account, &provider.name, &provider.issuer)
}

fn person_by<'a>(account: &'a Account, name: &str, issuer: &str) -> Option<&'a PersonId> {
    let own = account.source.as_ref().map(|membership| &membership.person);
    let is_there = |person: &PersonId| person.id.strip_prefix(issuer).is_some_and(|rest| rest.starts_with(' '));
    own.into_iter().chain(&account.linked).find(|person| person.source.as_str() == name && is_there(person))
}

/// Whether the second factor that a provider showed at a sign-in counts for an account by now: the account is still that provider's or
/// linked to it, the configuration still says that its word counts, and no administrator said otherwise.
pub fn is_vouched_for(account: &Account, mfa: &config::Mfa) -> bool {
    allows_external(account) && mfa.vouching.iter().any(|(name, issuer)| person_by(account, name, issuer).is_some())
}

/// An administrator may have said which methods a user has; a provider's is one of them.
pub fn allows_external(account: &Account) -> bool {
    account.allowed.as_ref().is_none_or(|allowed| allowed.contains(&Method::External))
}

/// A provider that can be asked for a second factor, by name and title.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalFactor {
    pub name: String,
    pub title: String,
}

/// The providers that somebody's second factor can be asked of: those that they enrolled, and the one that signed them in if its word
/// counts.
pub fn external_factors(config: &config::Config, account: &Account, signed_in_by: Option<&str>) -> Vec<ExternalFactor> {
    let enrolled = config.mfa.methods.contains(Method::External) && account.external.is_some();
    let can_be_asked = |provider: &&config::Provider| {
        let as_method = enrolled && provider.uses.second_factor;
        let as_source = provider.uses.sign_in && signed_in_by == Some(provider.name.as_str());
        (as_method || as_source) && !provider.counts.is_empty() && allows_external(account) && person_at(account, provider).is_some()
    };
    let factor = |provider: &config::Provider| ExternalFactor { name: provider.name.clone(), title: provider.title.clone() };
    config.providers.iter().filter(can_be_asked).map(factor).collect()
}
