//! Who somebody is, by a provider's claims: the subject that accounts are linked to, a name, an address, groups, and what the
//! provider says about a second factor. What is unclear is refused, never read as absent.

use std::collections::BTreeMap;
use std::time::Duration;

use super::token::{Claims, IdToken, TokenFault};
use crate::base::Time;
use crate::config::{Counts, Provider};

/// Somebody whom a provider vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// What accounts are linked to: the `sub`, and of Entra ID `TENANT/OBJECT`, which is the same for every client.
    pub subject: String,
    /// The `sub` itself, which logout tokens and refreshed ID tokens name.
    pub sub: String,
    /// The provider's session.
    pub session: Option<String>,
    /// A name to give an account that is created.
    pub name: Option<String>,
    pub display_name: Option<String>,
    pub email: Option<Email>,
    pub groups: Groups,
    pub evidence: Evidence,
}

/// An address, and whether the provider has verified it; `None`: it does not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email {
    pub address: String,
    pub verified: Option<bool>,
}

/// The groups, by the names that routes use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Groups {
    Mapped(Vec<String>),
    /// There were too many for the token (Entra ID's overage): nobody knows which.
    Overage,
}

/// What the provider says about how somebody authenticated there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// It was what `counts_as_second_factor` names.
    pub second_factor: bool,
    /// When; unknown is never fresh.
    pub auth_time: Option<Time>,
}

impl Evidence {
    /// When a second factor was shown, if one was: never later than now, whatever the provider's clock says. One without a time counts,
    /// and is as old as can be: no `max_age` takes it for fresh.
    pub fn second_factor_at(&self, now: Time) -> Option<Time> {
        self.second_factor.then(|| self.auth_time.map_or(Time::default(), |at| at.min(now)))
    }

    /// Whether a second factor was shown after a sign-in began, give or take what clocks differ by.
    pub fn is_since(&self, began: Time, skew: Duration) -> bool {
        self.second_factor && self.auth_time.is_some_and(|at| at >= began.minus(skew))
    }
}

/// Reads a person from a verified ID token and what userinfo adds; what the token says comes first.
///
/// # Errors
/// If a claim that counts has a form that cannot be read.
pub fn person(token: &IdToken, userinfo: &Claims, config: &Provider) -> Result<Person, TokenFault> {
    let both = [&token.claims, userinfo];
    let text = |name: &str| both.iter().find_map(|claims| readable(claims, name));
    Ok(Person {
        subject: subject(&token.claims, &config.issuer)?,
        sub: token.subject.clone(),
        session: token.session.clone(),
        name: text(&config.claims.name),
        display_name: text(&config.claims.display_name),
        email: both.iter().find_map(|claims| email(claims, &config.claims.email)),
        groups: groups(&both, &config.claims.groups, &config.group_map)?,
        evidence: Evidence { second_factor: counts(&token.claims, &config.counts)?, auth_time: token.auth_time },
    })
}

/// Entra ID's `sub` differs from client to client; its tenant and object do not. The tenant must be the issuer's own, so that no other
/// provider's users choose an identity by two claims of these names.
pub fn subject(claims: &Claims, issuer: &str) -> Result<String, TokenFault> {
    let (tenant, object) = (claims.text("tid")?, claims.text("oid")?);
    let is_entra =
        |tenant: &str| super::wire::endpoint::Endpoint::issuer(issuer).is_ok_and(|issuer| issuer.segments().any(|part| part == tenant));
    match (tenant, object) {
        (Some(tenant), Some(object)) if is_entra(tenant) => Ok(format!("{tenant}/{object}")),
        // Without `oid` (the scope `profile` is missing) the person would be somebody else than yesterday.
        (Some(tenant), None) if is_entra(tenant) => Err(TokenFault::Claim("oid")),
        _ => claims.required("sub").map(str::to_owned),
    }
}

/// A text to show or to name somebody by; an odd one is left out.
fn readable(claims: &Claims, name: &str) -> Option<String> {
    let text = claims.get(name)?.as_str()?.trim();
    (!text.is_empty() && text.chars().count() <= 200 && !text.chars().any(char::is_control)).then(|| text.to_owned())
}

/// The address, and whether the same document calls it verified. One with several `@` is none.
fn email(claims: &Claims, name: &str) -> Option<Email> {
    let address = readable(claims, name)?;
    let is_one = address.matches('@').count() == 1 && address.is_ascii() && !address.contains([' ', ',', ';', '<', '>']);
    // Entra ID says under another name that the owner of the domain is the tenant.
    let said = ["email_verified", "xms_edov"].into_iter().find(|name| claims.has(name));
    let verified = said.map(|name| claims.is_true(name));
    is_one.then_some(Email { address, verified })
}

fn groups(both: &[&Claims; 2], name: &str, map: &BTreeMap<String, String>) -> Result<Groups, TokenFault> {
    if both.iter().any(|claims| is_elsewhere(claims, name)) {
        return Ok(Groups::Overage);
    }
    let mut mapped = Vec::new();
    for claims in both {
        mapped.extend(claims.texts(name, "groups")?.into_iter().filter_map(|group| map.get(group).cloned()));
    }
    mapped.sort();
    mapped.dedup();
    Ok(Groups::Mapped(mapped))
}

/// Whether the groups are to be asked for somewhere else (distributed claims, OpenID Connect Core section 5.6.2), as Entra ID does
/// with people in more than 200.
fn is_elsewhere(claims: &Claims, name: &str) -> bool {
    let named = claims.get("_claim_names").and_then(serde_json::Value::as_object).is_some_and(|names| names.contains_key(name));
    named || claims.is_true("hasgroups")
}

fn counts(claims: &Claims, wanted: &Counts) -> Result<bool, TokenFault> {
    let any = |wanted: &[String], name: &'static str| {
        // What nobody asks about may have any form.
        if wanted.is_empty() {
            Ok(false)
        } else {
            claims.texts(name, name).map(|said| said.iter().any(|one| wanted.iter().any(|want| want == one)))
        }
    };
    Ok(any(&wanted.amr, "amr")? | any(&wanted.acr, "acr")? | any(&wanted.acrs, "acrs")?)
}

#[cfg(test)]
#[path = "person_tests.rs"]
mod tests;
