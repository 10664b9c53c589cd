//! The assembled program: its health, its interrupted forms, an outage of its store, and several of it over one database.

mod devices;
mod earlier_release;
mod gateways;
mod health;
mod outage;
mod providers;
mod saved_post;
mod shared_store;
mod size;
mod town;
mod walk;

use super::App;
use crate::gateway::{GatewayHost, Lookup};

/// As a request does it: from memory, and else from the store.
async fn look_up(app: &App, token: &str) -> Lookup {
    let now = GatewayHost::now(app);
    match app.session(token, true, now) {
        Lookup::Elsewhere => app.find_session(token, now).await,
        known => known,
    }
}
