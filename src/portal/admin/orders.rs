//! What an administrator wants done with one user: read from the form, and refused where it would lock the administrator out.

use crate::account::{Account, MfaPolicy, UserMfaPolicy};
use crate::base::{Secret, TokenId};
use crate::config::Config;
use crate::factor::{Method, MethodSet};
use crate::portal::web::fields::Fields;
use crate::service::admin::{AccountChange, MfaChange};

/// One order.
#[derive(Debug)]
pub enum Order {
    Change(AccountChange),
    Mfa(MfaChange),
    RecoveryCodes,
    SetupLink,
    MailLink,
    Unlock,
    EndSessions,
    RequirePassword,
    Link {
        provider: String,
        subject: String,
    },
    Unlink {
        provider: String,
    },
    RevokeToken(TokenId),
    /// With what was typed to confirm it.
    Delete(String),
}

/// Group names, separated by commas.
pub fn groups(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|group| !group.is_empty()).map(str::to_owned).collect()
}

fn policy(name: &str) -> Option<UserMfaPolicy> {
    match name {
        "inherit" => Some(UserMfaPolicy::Inherit),
        "off" => Some(UserMfaPolicy::Off),
        "optional" => Some(UserMfaPolicy::Optional),
        "required" => Some(UserMfaPolicy::Required),
        _ => None,
    }
}

/// A field's value where it was sent at all and differs: what a form leaves out stays.
fn changed(form: &Fields, name: &str, now: &str) -> Option<String> {
    form.all(name).next().map(|value| value.trim().to_owned()).filter(|value| value != now)
}

fn profile(form: &Fields, account: &Account) -> AccountChange {
    let sent = form.all("groups").next().map(groups);
    AccountChange {
        email: changed(form, "email", &account.email),
        phone: changed(form, "phone", account.phone.as_deref().unwrap_or_default()),
        display_name: changed(form, "display_name", &account.display_name),
        groups: sent.filter(|groups| *groups != account.groups),
        disabled: None,
        certificate_subject: None,
    }
}

/// Which methods to remove: one, or `all`; of those that are there.
fn to_remove(name: &str, account: &Account) -> Option<Vec<Method>> {
    let there = account.enrolled();
    match name {
        "all" => Some(there.iter().collect()),
        one => one.parse().ok().map(|method| there.iter().filter(|m| *m == method).collect()),
    }
}

impl Order {
    /// Reads the form's `action` and its fields ([`crate::view::admin::user`]); `None` where it says nothing that makes sense.
    pub fn read(form: &Fields, account: &Account) -> Option<Self> {
        let disable = |disabled| AccountChange { disabled: Some(disabled), ..AccountChange::default() };
        let method = || form.get("method").parse::<Method>().ok();
        Some(match form.get("action") {
            "profile" => Self::Change(profile(form, account)),
            "policy" => Self::Mfa(MfaChange { policy: Some(policy(form.get("policy"))?), ..MfaChange::default() }),
            "allow" => {
                let chosen: Vec<Method> = form.all("method").filter_map(|name| name.parse().ok()).collect();
                // An empty list means the server's; nothing chosen is no way to say it.
                let server = form.has("server");
                if !server && chosen.is_empty() {
                    return None;
                }
                Self::Mfa(MfaChange { allow: Some(if server { Vec::new() } else { chosen }), ..MfaChange::default() })
            }
            "enrol" => Self::Mfa(MfaChange { enrol: vec![method()?], ..MfaChange::default() }),
            "provision" => Self::Mfa(MfaChange { totp_uri: Some(Secret::new(form.get("uri").trim())), ..MfaChange::default() }),
            "reset" => Self::Mfa(MfaChange { reset: to_remove(form.get("method"), account)?, ..MfaChange::default() }),
            "recovery_codes" => Self::RecoveryCodes,
            "setup_link" => Self::SetupLink,
            "mail_link" => Self::MailLink,
            "unlock" => Self::Unlock,
            "disable" => Self::Change(disable(true)),
            "enable" => Self::Change(disable(false)),
            "end_sessions" => Self::EndSessions,
            "require_password" => Self::RequirePassword,
            "link" => Self::Link { provider: form.get("provider").to_owned(), subject: form.get("subject").trim().to_owned() },
            "unlink" => Self::Unlink { provider: form.get("provider").to_owned() },
            "revoke_token" => Self::RevokeToken(form.get("token").parse().ok()?),
            "delete" => Self::Delete(form.get("confirm").trim().to_owned()),
            _ => return None,
        })
    }

    /// Whether this would close the administration to the very account that it is done to. Nobody may do that to themselves: so
    /// the last administrator always remains.
    pub fn locks_out(&self, account: &Account, config: &Config) -> bool {
        match self {
            Self::Delete(_) | Self::RequirePassword => true,
            Self::Change(change) => {
                let admin = |groups: &Vec<String>| groups.iter().any(|group| config.admin.groups.contains(group));
                change.disabled == Some(true) || change.groups.as_ref().is_some_and(|groups| !admin(groups))
            }
            Self::Mfa(change) => {
                let policy = change.policy.unwrap_or(account.mfa_policy).resolve(config.mfa.policy);
                policy == MfaPolicy::Off || usable_after(account, change, config.mfa.methods).is_empty()
            }
            Self::Unlink { .. } => {
                let usable = account.usable(config.mfa.methods);
                usable.contains(Method::External) && usable.without(Method::External).is_empty()
            }
            Self::Link { .. }
            | Self::RecoveryCodes
            | Self::SetupLink
            | Self::MailLink
            | Self::Unlock
            | Self::EndSessions
            | Self::RevokeToken(_) => false,
        }
    }
}

/// What the user could still be asked for.
fn usable_after(account: &Account, change: &MfaChange, server: MethodSet) -> MethodSet {
    let added = change.enrol.iter().copied().chain(change.totp_uri.iter().map(|_| Method::Totp));
    let left: MethodSet = account.enrolled().iter().filter(|method| !change.reset.contains(method)).chain(added).collect();
    let allowed = match &change.allow {
        Some(list) if list.is_empty() => server,
        Some(list) => list.iter().copied().collect(),
        None => account.may_enrol(server),
    };
    left.and(allowed).and(server)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_read_with_care() {
        assert_eq!(groups(" staff, ,admins,"), ["staff", "admins"]);
        assert!(groups(" , ").is_empty());
    }
}
