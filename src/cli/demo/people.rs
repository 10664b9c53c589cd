//! The people of the demo, each at another stage.

use std::sync::Arc;

use crate::account::UserMfaPolicy;
use crate::app::App;
use crate::base::{Secret, Time};
use crate::factor::{Method, totp};
use crate::service::accounts::NewAccount;
use crate::service::admin::MfaChange;
use crate::service::audit::Actor;

/// Somebody who can sign in to the demo.
pub struct Person {
    pub name: &'static str,
    pub password: &'static str,
    pub about: &'static str,
    pub totp: Option<Authenticator>,
}

/// An authenticator app that the demo stands in for.
pub struct Authenticator {
    pub key: totp::Key,
    pub parameters: totp::Parameters,
    pub uri: String,
}

impl Authenticator {
    /// What it shows at `now`, and for how many seconds more.
    pub fn code(&self, now: Time) -> Option<(String, u64)> {
        let period = u64::from(self.parameters.period);
        let left = period - now.unix() % period;
        totp::code_at(&self.key, self.parameters, now).map(|code| (code, left))
    }
}

struct Part {
    name: &'static str,
    display: &'static str,
    password: &'static str,
    /// Of the password, made beforehand: everybody may know both, and the demo starts without five hashes' time and one hash's memory.
    hash: &'static str,
    about: &'static str,
    groups: &'static [&'static str],
    phone: Option<&'static str>,
    totp: bool,
    enrol: &'static [Method],
    policy: UserMfaPolicy,
}

const CAST: [Part; 5] = [
    Part {
        name: "alice",
        display: "Alice Example",
        password: "tangerine-harbour-42",
        hash: "$argon2id$v=19$m=19456,t=2,p=1$SoVcN6Ss1oMaXIeCcYZ3NQ$JPF8jRE6c9RIIgFe66VFckdxxp3+p+yPVD1yZta8+/w",
        about: "has an authenticator app",
        groups: &["staff"],
        phone: Some("+491700000001"),
        totp: true,
        enrol: &[],
        policy: UserMfaPolicy::Inherit,
    },
    Part {
        name: "bob",
        display: "Bob Example",
        password: "walnut-bicycle-17",
        hash: "$argon2id$v=19$m=19456,t=2,p=1$kPhyUMOfMwh5a+nS/bMPoQ$8wYtHDmpw95kG10yQ7hnDsoYUpwEq6v7MlWB1jQC9PQ",
        about: "has nothing set up: the password is enough, until payroll asks for more",
        groups: &["staff"],
        phone: Some("+491700000002"),
        totp: false,
        enrol: &[],
        policy: UserMfaPolicy::Inherit,
    },
    Part {
        name: "carol",
        display: "Carol Example",
        password: "lantern-meadow-58",
        hash: "$argon2id$v=19$m=19456,t=2,p=1$EG5zhfuv0ncHYqx+w/lfZg$OUIuHudW0J6Pue8EC4IGlRPhqA7eB/A/FN+qIWy8Kvw",
        about: "must set up a second factor at the next sign-in",
        groups: &["staff"],
        phone: None,
        totp: false,
        enrol: &[],
        policy: UserMfaPolicy::Required,
    },
    Part {
        name: "dave",
        display: "Dave Example",
        password: "pepper-canyon-83",
        hash: "$argon2id$v=19$m=19456,t=2,p=1$J7HyvZjIyG2dpGXw+gmWEA$OqKWIzvjkqzsU94Ft+TrnHnNqDtgL9MVce0EsVCRxBw",
        about: "gets codes by e-mail or SMS: look into the outbox",
        groups: &["staff"],
        phone: Some("+491700000004"),
        totp: false,
        enrol: &[Method::Email, Method::Sms],
        policy: UserMfaPolicy::Inherit,
    },
    Part {
        name: "root",
        display: "Ruth Root",
        password: "granite-orchard-96",
        hash: "$argon2id$v=19$m=19456,t=2,p=1$PVCRwQeygCiFNQMZA0unwQ$M4/71Wmuan4lfkHKdCXMv0AX1wFUAwDoe8rBLHcOk2U",
        about: "administers, with an authenticator app",
        groups: &["staff", "admins"],
        phone: None,
        totp: true,
        enrol: &[],
        policy: UserMfaPolicy::Inherit,
    },
];

/// Adds the cast; who is there already, in a data folder that is kept, starts anew.
pub async fn seed(app: &Arc<App>) -> anyhow::Result<Vec<Person>> {
    let mut people = Vec::new();
    for part in &CAST {
        people.push(add(app, part).await?);
    }
    Ok(people)
}

/// With a provider: Alice is the provider's Alice.
pub async fn link(app: &Arc<App>) -> anyhow::Result<()> {
    Ok(app.services.provider.link_by_hand("alice", "company", "alice", Actor::CommandLine).await?)
}

async fn add(app: &Arc<App>, part: &Part) -> anyhow::Result<Person> {
    let services = &app.services;
    if services.store.account_by_login(part.name).await?.is_some() {
        services.accounts.remove(part.name, Actor::CommandLine).await?;
    }
    let new = NewAccount {
        name: part.name.to_owned(),
        email: format!("{}@internal.example", part.name),
        phone: part.phone.map(str::to_owned),
        display_name: Some(part.display.to_owned()),
        service: false,
        certificate_subject: None,
        groups: part.groups.iter().map(|group| (*group).to_owned()).collect(),
        password_hash: Some(part.hash.to_owned()),
    };
    services.accounts.add(&new, None, Actor::CommandLine).await?;
    let totp = if part.totp { Some(authenticator(part.name, &app.config().mfa.totp.issuer)?) } else { None };
    let change = MfaChange {
        policy: Some(part.policy),
        enrol: part.enrol.to_vec(),
        totp_uri: totp.as_ref().map(|app| Secret::new(app.uri.clone())),
        ..MfaChange::default()
    };
    services.accounts.change_mfa(part.name, &change, Actor::Gateway).await?;
    Ok(Person { name: part.name, password: part.password, about: part.about, totp })
}

fn authenticator(name: &str, issuer: &str) -> anyhow::Result<Authenticator> {
    let key = totp::Key::generate()?;
    let parameters = totp::Parameters { digits: 6, period: 30, algorithm: crate::account::TotpAlgorithm::Sha1 };
    let uri =
        totp::otpauth_url(&key, parameters, issuer, name).ok_or_else(|| anyhow::anyhow!("an otpauth link could not be made"))?.to_string();
    Ok(Authenticator { key, parameters, uri })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::factor::password::{Verdict, Workspace, verify};

    #[test]
    fn each_hash_is_of_its_password_and_as_hashes_are_made() {
        for part in &CAST {
            let found = verify(part.hash, &Secret::new(part.password), &config::Config::default().password, &mut Workspace::default());
            assert_eq!(found, Verdict::Right, "{}", part.name);
        }
    }
}
