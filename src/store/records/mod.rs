//! The verbs of accounts, sessions, sign-ins under way, links, failures and saved forms, each one atomic step.

pub(super) mod accounts;
pub(super) mod acme;
pub(super) mod failures;
pub(super) mod flows;
pub(super) mod gateways;
pub(super) mod handover;
pub(super) mod keys;
pub(super) mod links;
pub(super) mod moved_session;
pub(super) mod provider;
pub(super) mod saved_post;
pub(super) mod sessions;
pub(super) mod sources;
pub(super) mod tokens;
