//! Whose account a provider's person is: the linked one, one that is found by a verified address if the operator says so, or a new one.

use super::answer::Vouched;
use super::sign_in::ProviderSignIn;
use crate::account::{Account, Membership};
use crate::config::Create;
use crate::service::accounts::NewAccount;
use crate::service::accounts::fields::good_email;
use crate::service::audit::{Actor, Event};
use crate::service::client::Client;
use crate::service::refused::ProviderProblem;
use crate::service::refused::Refused;
use crate::source::provider::linked::{person_at, person_id};
use crate::source::provider::{Email, Groups, Person};
use crate::store::Edit;

const fn refused<T>(problem: ProviderProblem) -> Result<T, Refused> {
    Err(Refused::Provider(problem))
}

impl ProviderSignIn {
    /// The account of a provider's person, as it is after what the provider says of them.
    ///
    /// # Errors
    /// [`ProviderProblem::NotLinked`] if there is none and none is made.
    pub(super) async fn account_of_person(&self, vouched: &Vouched, client: &Client) -> Result<Account, Refused> {
        let id = person_id(&vouched.provider.config, &vouched.person.subject);
        if let Some(account) = self.store.account_by_person(&id).await? {
            return self.take_over(account, &vouched.provider.config, &vouched.person).await;
        }
        if let Some(account) = self.account_by_address(vouched).await? {
            return self.add_link(&account, vouched, (account.epoch, "by its address"), client).await;
        }
        self.create_from(vouched, client).await
    }

    /// Groups, name and address of somebody who came from this provider; of a linked account they are this gateway's own.
    pub(super) async fn take_over(&self, account: Account, config: &crate::config::Provider, person: &Person) -> Result<Account, Refused> {
        if account.source.as_ref().is_none_or(|membership| membership.person.source.as_str() != config.name) {
            return Ok(account);
        }
        let Groups::Mapped(groups) = &person.groups else { return refused(ProviderProblem::TooManyGroups) };
        let display_name = person.display_name.clone().filter(|name| crate::service::accounts::fields::good_display_name(name).is_ok());
        let same = account.groups == *groups && display_name.as_ref().is_none_or(|name| *name == account.display_name);
        if same {
            return Ok(account);
        }
        let written = self.store.update_account(account.id, |account| {
            account.groups.clone_from(groups);
            if let Some(name) = &display_name {
                account.display_name.clone_from(name);
            }
            Edit::Write(account.clone())
        });
        match written.await? {
            Some(Ok(account)) => {
                self.audit
                    .record(Event::AccountChanged, Some(&account.name), Actor::Gateway, format!("groups from {}", config.name))
                    .await?;
                Ok(account)
            }
            Some(Err(_)) | None => Err(Refused::Gone),
        }
    }

    /// `link_by = "email"`: a local account with this verified address, in a domain that the provider answers for, and without another
    /// link to this provider.
    async fn account_by_address(&self, vouched: &Vouched) -> Result<Option<Account>, Refused> {
        let config = &vouched.provider.config;
        let Some(email) = vouched.person.email.as_ref().filter(|email| config.link_by_email && email.verified == Some(true)) else {
            return Ok(None);
        };
        if !is_in(&config.email_domains, &email.address) {
            return Ok(None);
        }
        let found = self.store.account_by_login(&email.address).await?;
        let same_address = |account: &Account| crate::store::fold(&account.email) == crate::store::fold(&email.address);
        Ok(found.filter(|account| {
            account.source.is_none() && !account.service && same_address(account) && person_at(account, config).is_none()
        }))
    }

    async fn create_from(&self, vouched: &Vouched, client: &Client) -> Result<Account, Refused> {
        let (config, person) = (&vouched.provider.config, &vouched.person);
        // Linking an account of this gateway's needs no groups; making one does.
        let groups = match (&person.groups, config.create) {
            (_, Create::Never) => return refused(ProviderProblem::NotLinked),
            (Groups::Overage, _) => return refused(ProviderProblem::TooManyGroups),
            (Groups::Mapped(groups), Create::Groups) if groups.is_empty() => return refused(ProviderProblem::NotLinked),
            (Groups::Mapped(groups), Create::Always | Create::Groups) => groups.clone(),
        };
        let Some(name) = &person.name else { return refused(ProviderProblem::Name) };
        let made = self.make_person(name, groups, vouched).await?;
        match self.store.create_account(&made).await? {
            Ok(()) => {
                let detail = format!("from {}: {}", config.name, person.subject);
                self.audit.record(Event::AccountAdded, Some(&made.name), Actor::User(client), detail).await?;
                Ok(made)
            }
            // Two first sign-ins at once: the other one's account is this person's too.
            Err(_) => match self.store.account_by_person(&person_id(config, &person.subject)).await? {
                Some(account) => Ok(account),
                None => refused(ProviderProblem::Name),
            },
        }
    }

    /// A new account of this provider's. An address that somebody has already, or that nobody vouches for, is left out.
    async fn make_person(&self, name: &str, groups: Vec<String>, vouched: &Vouched) -> Result<Account, Refused> {
        let (config, person) = (&vouched.provider.config, &vouched.person);
        let name = account_name(name);
        if self.store.account_by_login(&name).await?.is_some() {
            return refused(ProviderProblem::Name);
        }
        let email = person.email.as_ref().filter(|email| is_believed(&config.email_domains, email));
        let email = email.map(|email| email.address.clone()).filter(|email| good_email(email).is_ok());
        let email = match email {
            Some(email) if self.store.account_by_login(&email).await?.is_none() => email,
            _ => String::new(),
        };
        let display_name = person.display_name.clone().filter(|name| crate::service::accounts::fields::good_display_name(name).is_ok());
        // Whatever it is, it is looked at above.
        let placeholder = "nobody@invalid.example".to_owned();
        let new = NewAccount { name, email: placeholder, display_name, groups, ..NewAccount::default() };
        let mut made = new.make(self.context.now()).or_else(|_| refused(ProviderProblem::Name))?;
        made.email = email;
        made.source = Some(Membership { person: person_id(config, &person.subject), closed: None, password_mark: None });
        Ok(made)
    }
}

/// A name of this gateway's has no `@`: of `ada@corp.example` the part before it is the name.
fn account_name(claim: &str) -> String {
    claim.split('@').next().unwrap_or_default().to_owned()
}

/// Verified, or of a domain that the operator says the provider answers for, if the provider says nothing (Entra ID does not).
fn is_believed(domains: &[String], email: &Email) -> bool {
    email.verified.unwrap_or_else(|| is_in(domains, &email.address))
}

fn is_in(domains: &[String], address: &str) -> bool {
    address.rsplit_once('@').is_some_and(|(_, domain)| domains.iter().any(|one| one.eq_ignore_ascii_case(domain)))
}
