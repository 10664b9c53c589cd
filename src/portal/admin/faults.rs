//! Why an account cannot be as an administrator asked for, in the administrator's language. The same faults on the command line are
//! [`AccountError`]'s own texts.

use crate::factor::blocklist::Weak;
use crate::factor::totp::BadUri;
use crate::service::Refused;
use crate::service::accounts::{AccountError, BadLink, Unfit};
use crate::store::{Conflict, StoreError};
use crate::view::{Note, Words, fill};

/// A note for the form. What is not the form's fault goes on as it is.
pub fn fault(words: &Words, error: AccountError) -> Result<Note, Refused> {
    if let AccountError::Refused(text) = error {
        return Err(Refused::Store(StoreError::Backend(text)));
    }
    if error == AccountError::EndPending {
        return Err(Refused::EndPending);
    }
    Ok(Note::Error(text(words, &error)))
}

fn text(words: &Words, error: &AccountError) -> String {
    let faults = &words.fault;
    match error {
        AccountError::Unknown(name) => fill(&faults.unknown, &[("name", name)]),
        AccountError::Taken(Conflict::Login(login)) => fill(&faults.login_taken, &[("login", login)]),
        AccountError::Taken(Conflict::Factor) => faults.factor_taken.clone(),
        AccountError::Service(name) => fill(&faults.service, &[("name", name)]),
        AccountError::BadName(name) => fill(&faults.bad_name, &[("name", name)]),
        AccountError::ReservedName(_) => words.admin.name_reserved.clone(),
        AccountError::BadEmail(email) => fill(&faults.bad_email, &[("email", email)]),
        AccountError::BadPhone(phone) => fill(&faults.bad_phone, &[("phone", phone)]),
        AccountError::BadGroup(group) => fill(&faults.bad_group, &[("group", group)]),
        AccountError::BadDisplayName => faults.bad_display_name.clone(),
        // No form of a page has a subject.
        AccountError::BadSubject(..) | AccountError::NoService(_) => error.to_string(),
        AccountError::BadTotp(BadUri::Malformed) => faults.uri_malformed.clone(),
        AccountError::BadTotp(BadUri::SecretTooShort) => faults.uri_short.clone(),
        AccountError::BadTotp(BadUri::OutOfRange) => faults.uri_range.clone(),
        AccountError::AlreadyEnrolled(method) => fill(&faults.already_enrolled, &[("method", words.method(*method))]),
        AccountError::CannotEnrol(_, Unfit::NoPhone) => faults.no_phone.clone(),
        AccountError::CannotEnrol(method, Unfit::NotSent) => fill(&faults.not_for_others, &[("method", words.method(*method))]),
        AccountError::NoMethods => faults.no_methods.clone(),
        AccountError::Managed(source) => fill(&faults.managed, &[("source", source)]),
        AccountError::Link(BadLink::NoProvider(provider)) => fill(&faults.link_provider, &[("provider", provider)]),
        AccountError::Link(BadLink::Subject) => faults.link_subject.clone(),
        AccountError::Link(BadLink::There { provider, .. }) => fill(&faults.link_there, &[("provider", provider)]),
        AccountError::Link(BadLink::Taken(provider)) => fill(&faults.link_taken, &[("provider", provider)]),
        AccountError::Link(BadLink::NotThere(provider)) => fill(&faults.link_none, &[("provider", provider)]),
        AccountError::Weak(weak) => weak_text(words, *weak),
        AccountError::EndPending => error.to_string(),
        AccountError::Refused(text) => text.clone(),
    }
}

fn weak_text(words: &Words, weak: Weak) -> String {
    match weak {
        Weak::TooShort { min } => fill(&words.note.password_short, &[("min", &min.to_string())]),
        Weak::TooLong => words.note.password_long.clone(),
        Weak::Common | Weak::Breached | Weak::Pattern | Weak::Personal => words.note.password_common.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::factor::Method;

    fn every() -> Vec<AccountError> {
        let given = || "so it was given".to_owned();
        vec![
            AccountError::Unknown(given()),
            AccountError::Taken(Conflict::Login(given())),
            AccountError::Taken(Conflict::Factor),
            AccountError::BadName(given()),
            AccountError::ReservedName(given()),
            AccountError::BadEmail(given()),
            AccountError::BadPhone(given()),
            AccountError::BadGroup(given()),
            AccountError::Managed(given()),
            AccountError::BadDisplayName,
            AccountError::BadTotp(BadUri::Malformed),
            AccountError::BadTotp(BadUri::SecretTooShort),
            AccountError::BadTotp(BadUri::OutOfRange),
            AccountError::AlreadyEnrolled(Method::Totp),
            AccountError::CannotEnrol(Method::Sms, Unfit::NoPhone),
            AccountError::CannotEnrol(Method::Webauthn, Unfit::NotSent),
            AccountError::NoMethods,
            AccountError::Link(BadLink::NoProvider(given())),
            AccountError::Link(BadLink::Subject),
            AccountError::Link(BadLink::There { provider: given(), subject: "s".into() }),
            AccountError::Link(BadLink::Taken(given())),
            AccountError::Link(BadLink::NotThere(given())),
            AccountError::Weak(Weak::TooShort { min: 12 }),
        ]
    }

    #[test]
    fn every_fault_is_said_in_every_language_and_says_what_was_given() {
        for error in every() {
            let said: std::collections::BTreeSet<String> = Words::all().iter().map(|words| text(words, &error)).collect();
            assert_eq!(said.len(), Words::all().len(), "{error}");
            for one in said {
                assert!(!one.contains(['{', '}']), "{one}");
                let given = error.to_string().contains("so it was given") && !matches!(error, AccountError::ReservedName(_));
                assert_eq!(one.contains("so it was given"), given, "{one}");
            }
        }
    }

    #[test]
    fn what_the_form_cannot_help_is_no_note() {
        let refused = fault(Words::english(), AccountError::Refused("the disk is full".into()));
        assert!(matches!(refused, Err(Refused::Store(StoreError::Backend(text))) if text == "the disk is full"));
    }
}
