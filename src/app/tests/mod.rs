//! The assembled program: its health, its interrupted forms, an outage of its store, and two of it over one database.

mod devices;
mod earlier_release;
mod gateways;
mod health;
mod outage;
mod providers;
mod saved_post;
mod shared_store;
mod town;
