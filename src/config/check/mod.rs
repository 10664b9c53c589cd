//! One file for each part of the configuration: its keys, its defaults, what is refused and what is unwise.

pub(super) mod acme;
pub(super) mod advice;
pub(super) mod application;
pub(super) mod directories;
pub(super) mod expect;
pub(super) mod geo;
pub(super) mod login;
pub(super) mod providers;
pub(super) mod routes;
pub(super) mod server;
pub(super) mod services;
pub(super) mod terms;
