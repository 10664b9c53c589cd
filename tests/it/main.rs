//! The product from outside: the real gateway before a real application, and people who use it. One file a story.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod harness;

#[global_allocator]
static GLOBAL: harness::counting::Counting = harness::counting::Counting;

mod account;
mod acme;
mod allocations;
mod applications;
mod binary;
mod brand;
mod browser;
mod certificates;
mod client_certificates;
mod contact;
mod csrf;
mod devices;
mod diff;
mod directories;
mod documents;
mod earlier_release;
mod edges;
mod enrolment;
mod failures;
mod faults;
mod faulty;
mod forward_auth;
mod forwarding;
mod full_disk;
mod fuzz;
mod geo;
mod guests;
mod headers;
mod identity;
mod imports;
mod init;
mod kills;
mod lost_form;
mod metrics;
mod misbehaving;
mod nginx;
mod notices;
mod one_connection;
mod operator;
mod other_way;
mod packaging;
mod parallel;
mod paths;
mod portal;
mod providers;
mod redirects;
mod restart;
mod scale;
mod secrets;
mod sent_codes;
mod sessions;
mod sign_in;
mod site;
mod status;
mod step_up;
mod storm;
mod tokens;
mod traces;
mod trusted;
mod upstream_auth;
mod wording;
