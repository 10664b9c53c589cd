//! vestibule: a reverse-proxy authentication gateway.
//!
//! The room between two interlocking doors: the password and the second factor. A request is read once, judged once, and
//! goes out only with an [`policy::Admission`] in its hand; see `docs/architecture.md` for the rooms and the life of a request.
#![forbid(unsafe_code)]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

// The provider of the integration tests is used by those in here too.
#[cfg(test)]
extern crate self as vestibule;

pub mod account;
pub mod acme;
pub mod app;
#[cfg(test)]
mod architecture_tests;
pub mod base;
pub mod cli;
pub mod config;
pub mod factor;
pub mod forward_auth;
pub mod gateway;
pub mod geo;
pub mod identity;
pub mod limit;
pub mod login;
pub mod notify;
pub mod path;
pub mod policy;
pub mod portal;
pub mod service;
pub mod session;
pub mod source;
pub mod store;
pub mod telemetry;
pub mod token;
pub mod view;
