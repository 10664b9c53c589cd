//! `vestibule invite`.

use std::time::Duration;

use serde_json::{Value, json};

use super::answer::said;
use crate::cli::control::url::portal_url_at;
use crate::policy::HostPattern;
use crate::service::Services;
use crate::service::audit::Actor;

pub(super) async fn invite(services: &Services, address: &str, route: &str, lifetime: Duration) -> Result<Value, String> {
    let token = services.guests.invite(address, route, lifetime, Actor::CommandLine).await.map_err(said)?;
    let config = services.config();
    let hosts = config.routes.iter().find(|known| &*known.name == route).map_or(&[][..], |route| &route.hosts);
    let host = hosts.iter().find_map(|host| match host {
        HostPattern::Exact(name) => Some(name.clone()),
        HostPattern::Below(_) => None,
    });
    let url = portal_url_at(&config, &host.unwrap_or_else(|| config.home()));
    let expires = services.now().plus(lifetime);
    Ok(
        json!({ "address": address, "route": route, "expires": expires.to_string(), "link": format!("{url}/invite?token={}", token.expose()) }),
    )
}
