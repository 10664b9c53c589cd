//! Carries a command out on an assembled program: the running gateway's, or one that was opened for this command alone.

mod account;
mod answer;
mod explain;
mod invite;
mod rest;
mod token;

use std::sync::Arc;

use serde_json::Value;

use self::answer::{json, said};
use super::Command;
use crate::app::App;
use crate::service::import::Meter;

/// Does what is asked. The answer is JSON: an array for what lists, an object for what shows. `meter` is told how far a long one is.
///
/// # Errors
/// What is wrong and what to do, in one line.
pub async fn execute(app: &Arc<App>, command: Command, meter: &Meter) -> Result<Value, String> {
    let services = &app.services;
    match command {
        Command::UserAdd { new, password } => account::add(services, new, password).await,
        Command::UserList => account::list(services).await,
        Command::UserShow { name } => account::show(services, &name).await,
        Command::UserDelete { name } => account::delete(services, &name).await,
        Command::UserRebind { name } => account::rebind(services, &name).await,
        Command::UserUnlock { name } => account::unlock(services, &name).await,
        Command::UserPasswd { name, password } => account::passwd(services, &name, &password).await,
        Command::UserSet { name, change } => account::set(services, &name, &change).await,
        Command::UserLink { name } => account::link(services, &name).await,
        Command::UserLinkProvider { name, provider, subject } => account::link_provider(services, &name, &provider, &subject).await,
        Command::UserUnlinkProvider { name, provider } => account::unlink_provider(services, &name, &provider).await,
        Command::UserImport { entries, links, .. } => account::import(services, &entries, links, meter).await,
        Command::UserMfa { name, change, recovery_codes } => account::mfa(services, &name, &change, recovery_codes).await,
        Command::UserGroups { names } => account::groups(services, &names).await,
        Command::SessionList { user } => rest::sessions(services, user.as_deref()).await,
        Command::SessionRevoke { which } => rest::revoke(services, which).await,
        Command::TokenCreate { user, new } => token::create(services, &user, &new).await,
        Command::TokenList { user } => token::list(services, user.as_deref()).await,
        Command::TokenRevoke { id } => token::revoke(services, &id).await,
        Command::Invite { address, route, lifetime } => invite::invite(services, &address, &route, lifetime).await,
        Command::KeyList => json(services.keys.list().await.map_err(said)?),
        Command::KeyRotate { wait } => rest::rotate(services, wait).await,
        Command::AuditRead { user, since, until, after, limit } => {
            rest::audit(services, user.as_deref(), (since, until), after, limit).await
        }
        Command::AuditVerify => json(services.audit_verifier.verify().await.map_err(said)?),
        Command::StoreExport => rest::export(services).await,
        Command::StoreImport { file, replace } => rest::import(services, &file, replace).await,
        Command::Explain(question) => explain::explain(app, question).await,
        Command::GroupsInUse => account::groups_in_use(services).await,
        Command::Status => json(app.status().await),
        Command::Health => rest::health(app).await,
        Command::Reload | Command::ReloadDryRun => {
            Err("no gateway runs with this data folder, so there is nothing to reload; start one with `vestibule serve`".to_owned())
        }
    }
}
