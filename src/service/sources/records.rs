//! A person of a source as an account here: made at the first sign-in, kept as the source has them from then on. What is the source's (name, address,
//! groups, state) follows the source; what is ours (factors, policy, browsers) stays, except where it rests on what has changed.

use std::sync::Arc;

use crate::account::{Account, Closed, Membership, PersonId, SourceId};
use crate::base::UserId;
use crate::factor::Method;
use crate::service::accounts::new::blank;
use crate::service::accounts::{AccountError, good_display_name, good_email, good_name, good_phone};
use crate::service::audit::{Actor, AuditLog, Event};
use crate::service::context::Context;
use crate::service::refused::Refused;
use crate::source::Person;
use crate::store::{Conflict, Edit, Store, StoreError, fold};

/// What of a person can be in an account.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Fields {
    name: String,
    email: String,
    display_name: String,
    /// `None`: not the source's to say.
    phone: Option<Option<String>>,
    groups: Vec<String>,
}

impl Fields {
    /// # Errors
    /// If the name is no account name here. Everything else is left out if it does not fit.
    fn of(person: &Person) -> Result<Self, AccountError> {
        good_name(&person.name)?;
        let email = person.email.clone().filter(|email| good_email(email).is_ok()).unwrap_or_default();
        Ok(Self {
            name: person.name.clone(),
            email,
            display_name: display_name(&person.display_name).unwrap_or_else(|| person.name.clone()),
            phone: person.owns_phone.then(|| person.phone.as_deref().and_then(|phone| good_phone(phone).ok())),
            groups: person.groups.clone(),
        })
    }
}

/// Directories write "Example, Alice"; a comma would separate names in a header.
fn display_name(written: &str) -> Option<String> {
    let plain = written.replace(',', " ");
    let plain: String = plain.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(128).collect();
    good_display_name(&plain).is_ok().then_some(plain)
}

/// Puts one value in the place of another; whether it was another.
fn put<T: PartialEq>(place: &mut T, value: T) -> bool {
    let differs = *place != value;
    *place = value;
    differs
}

/// Makes the account what the source says; whether anything changed. Sessions and what rests on them end if the password changed at the source, if
/// the person may come in no more, or if a method went to an address or number that is another one now.
fn follow(account: &mut Account, fields: &Fields, person: &Person) -> bool {
    let mut ends = false;
    if account.email != fields.email {
        ends |= account.take_away(Method::Email, None);
    }
    let phone = fields.phone.clone().unwrap_or_else(|| account.phone.clone());
    if account.phone != phone {
        ends |= account.take_away(Method::Sms, None);
    }
    let mut changed = put(&mut account.name, fields.name.clone())
        | put(&mut account.email, fields.email.clone())
        | put(&mut account.display_name, fields.display_name.clone())
        | put(&mut account.phone, phone)
        | put(&mut account.groups, fields.groups.clone());
    if let Some(membership) = &mut account.source {
        let other_password = person.password_mark.is_some() && put(&mut membership.password_mark, person.password_mark.clone());
        let other_state = put(&mut membership.closed, person.closed);
        ends |= other_password || (other_state && person.closed.is_some());
        changed |= other_password || other_state;
    }
    if ends {
        account.factors_changed();
    }
    changed || ends
}

/// The accounts of people of sources.
pub struct SourceRecords {
    pub(in crate::service) store: Arc<Store>,
    pub(in crate::service) context: Arc<Context>,
    pub(in crate::service) audit: Arc<AuditLog>,
}

impl SourceRecords {
    /// The account of a person of a source.
    pub(in crate::service) async fn of_person(&self, id: &PersonId) -> Result<Option<Account>, Refused> {
        Ok(self.store.account_by_person(id).await?)
    }

    /// The account of somebody who signs in for the first time. An address that another account has is nobody's here.
    ///
    /// # Errors
    /// [`Refused::WrongPassword`] if the name is another account's, or none that can be used here; both are logged.
    pub(in crate::service) async fn make(&self, source: &SourceId, person: &Person, actor: Actor<'_>) -> Result<Account, Refused> {
        let mut fields = match Fields::of(person) {
            Ok(fields) => fields,
            Err(e) => {
                tracing::warn!(%source, error = %e, "somebody of the directory cannot have an account here");
                return Err(Refused::WrongPassword);
            }
        };
        let id = PersonId { source: source.clone(), id: person.id.clone() };
        loop {
            let account = self.new_account(&fields, id.clone(), person)?;
            match self.store.create_account(&account).await? {
                Ok(()) => {
                    self.audit.record(Event::AccountAdded, Some(&account.name), actor, format!("from {source}")).await?;
                    return Ok(account);
                }
                Err(Conflict::Login(taken)) if !fields.email.is_empty() && fold(&taken) == fold(&fields.email) && taken != fields.name => {
                    tracing::warn!(%source, name = %fields.name, "the person's address is another account's; here it is left out");
                    fields.email = String::new();
                }
                Err(conflict) => {
                    tracing::warn!(%source, name = %fields.name, error = %conflict, "nobody is signed in: the name belongs to another account");
                    return Err(Refused::WrongPassword);
                }
            }
        }
    }

    fn new_account(&self, fields: &Fields, id: PersonId, person: &Person) -> Result<Account, Refused> {
        let made = blank(&fields.name, &fields.display_name, self.context.now());
        let mut account = made.map_err(|_| Refused::Store(StoreError::NoEntropy))?;
        account.email.clone_from(&fields.email);
        account.phone = fields.phone.clone().flatten();
        account.groups.clone_from(&fields.groups);
        account.source = Some(Membership { person: id, closed: person.closed, password_mark: person.password_mark.clone() });
        Ok(account)
    }

    /// The account as the source has its person now; written only if something differs. `None`: it is gone, or another person's by now.
    pub(in crate::service) async fn follow(&self, user: UserId, person: &Person) -> Result<Option<Account>, Refused> {
        let known = self.store.account(user).await?.filter(|account| owns(account, &person.id));
        let Some(known) = known else { return Ok(None) };
        let mut fields = Fields::of(person).unwrap_or_else(|e| {
            tracing::warn!(name = %known.name, error = %e, "the directory's new name cannot be used here; the old one stays");
            let renamed = Person { name: known.name.clone(), ..person.clone() };
            Fields::of(&renamed).unwrap_or_else(|_| Fields::as_known(&known, person))
        });
        for _ in 0..3 {
            let edit = |account: &mut Account| {
                if !owns(account, &person.id) {
                    return Edit::Leave(None);
                }
                if follow(account, &fields, person) { Edit::Write(Some(account.clone())) } else { Edit::Leave(Some(account.clone())) }
            };
            match self.store.update_account(user, edit).await? {
                None => return Ok(None),
                Some(Ok(account)) => return Ok(account),
                Some(Err(conflict)) => {
                    tracing::warn!(name = %known.name, error = %conflict, "what the directory has belongs to another account here");
                    match conflict {
                        Conflict::Login(taken) if taken == fields.email => fields.email = String::new(),
                        Conflict::Login(_) | Conflict::Factor => fields.name.clone_from(&known.name),
                    }
                }
            }
        }
        Ok(None)
    }

    /// The source lets this person in no more: sessions, flows and tokens end. The record stays.
    pub(in crate::service) async fn close(&self, user: UserId, why: Closed) -> Result<(), Refused> {
        let close = |account: &mut Account| {
            let Some(membership) = &mut account.source else { return Edit::Leave(None) };
            if !put(&mut membership.closed, Some(why)) {
                return Edit::Leave(None);
            }
            let detail = format!("{}: {why}", membership.person.source);
            account.factors_changed();
            Edit::Write(Some((account.name.clone(), detail)))
        };
        if let Some(Ok(Some((name, detail)))) = self.store.update_account(user, close).await? {
            tracing::info!(user = %name, why = %detail, "the source lets somebody in no more; their sessions end");
            self.audit.record(Event::AccountChanged, Some(&name), Actor::Gateway, detail).await?;
        }
        Ok(())
    }
}

impl Fields {
    /// What is here already, with the source's groups.
    fn as_known(known: &Account, person: &Person) -> Self {
        Self {
            name: known.name.clone(),
            email: known.email.clone(),
            display_name: known.display_name.clone(),
            phone: None,
            groups: person.groups.clone(),
        }
    }
}

fn owns(account: &Account, person: &str) -> bool {
    account.source.as_ref().is_some_and(|membership| membership.person.id == person)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person() -> Person {
        Person {
            id: "id-alice".into(),
            name: "alice".into(),
            display_name: "Example, Alice".into(),
            email: Some("alice@corp.example".into()),
            phone: None,
            owns_phone: true,
            groups: vec!["staff".into()],
            closed: None,
            must_change_password: false,
            password_mark: Some("1".into()),
        }
    }

    fn account() -> Account {
        serde_json::from_value(serde_json::json!({
            "id": UserId::from_bytes([1; 16]), "name": "alice", "email": "alice@corp.example", "display_name": "Example Alice", "groups": ["staff"],
            "created": 0, "email_otp": { "added": 0, "last_used": null },
            "source": { "source": "corp", "id": "id-alice", "password_mark": "1" },
        }))
        .unwrap()
    }

    fn followed(change: impl FnOnce(&mut Person)) -> (bool, Account) {
        let (mut person, mut account) = (person(), account());
        change(&mut person);
        let changed = follow(&mut account, &Fields::of(&person).unwrap(), &person);
        (changed, account)
    }

    #[test]
    fn nothing_is_written_if_nothing_changed() {
        let (changed, account) = followed(|_| ());
        assert!(!changed && account.epoch == 0);
    }

    #[test]
    fn what_changed_at_the_source_changes_here_and_ends_what_rests_on_it() {
        let (changed, account) = followed(|person| person.groups.clear());
        assert!(changed && account.groups.is_empty() && account.epoch == 0, "a lost group ends no session");
        let (_, account) = followed(|person| person.password_mark = Some("2".into()));
        assert_eq!((account.epoch, account.email_otp.is_some()), (1, true));
        let (_, account) = followed(|person| person.email = Some("new@corp.example".into()));
        assert_eq!((account.epoch, account.email_otp.is_some()), (1, false), "codes went to the old address");
        let (_, account) = followed(|person| person.closed = Some(Closed::Disabled));
        assert!(account.epoch == 1 && account.is_closed());
        let (changed, account) = followed(|person| person.name = "alicia".into());
        assert!(changed && account.name == "alicia" && account.epoch == 0, "a renamed person keeps what they have");
    }

    #[test]
    fn what_does_not_fit_is_left_out_and_a_name_that_does_not_is_refused() {
        let odd = Person { email: Some("no address".into()), phone: Some("12".into()), display_name: "\u{7}".into(), ..person() };
        let fields = Fields::of(&odd).unwrap();
        assert_eq!((fields.email.as_str(), fields.phone, fields.display_name.as_str()), ("", Some(None), "alice"));
        for name in ["a b", "a,b", "alice\u{200b}", "new"] {
            assert!(Fields::of(&Person { name: name.into(), ..person() }).is_err(), "{name:?}");
        }
    }
}
