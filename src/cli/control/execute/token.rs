//! `token create`, `list`, `revoke`.

use serde_json::{Value, json};

use super::answer::with_reach;
use super::{json as to_json, said};
use crate::service::Services;
use crate::service::audit::Actor;
use crate::service::tokens::NewToken;

const ACTOR: Actor<'static> = Actor::CommandLine;

pub(super) async fn create(services: &Services, user: &str, new: &NewToken) -> Result<Value, String> {
    let account = services.accounts.named(user).await.map_err(said)?;
    let (token, view) = services.api_tokens.make(&account, new, ACTOR).await.map_err(said)?;
    let mut value = to_json(view)?;
    if let Some(object) = value.as_object_mut() {
        object.insert("token".to_owned(), token.expose().into());
    }
    Ok(value)
}

pub(super) async fn list(services: &Services, user: Option<&str>) -> Result<Value, String> {
    let owner = match user {
        Some(name) => Some(services.accounts.named(name).await.map_err(said)?),
        None => None,
    };
    to_json(services.api_tokens.list(owner.as_ref()).await.map_err(said)?)
}

pub(super) async fn revoke(services: &Services, id: &str) -> Result<Value, String> {
    let unknown = || format!("there is no token “{id}”; `vestibule token list` shows those there are");
    let parsed = id.parse().map_err(|_| unknown())?;
    if services.api_tokens.revoke(parsed, None, ACTOR).await.map_err(said)? {
        Ok(with_reach(services, json!({ "id": id, "revoked": true })).await)
    } else {
        Err(unknown())
    }
}
