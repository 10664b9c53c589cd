//! The product from outside: the real gateway before a real application, and people who use it. One file a story.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod harness;

mod account;
mod binary;
mod browser;
mod csrf;
mod edges;
mod enrolment;
mod failures;
mod faults;
mod faulty;
mod forwarding;
mod fuzz;
mod headers;
mod kills;
mod metrics;
mod misbehaving;
mod operator;
mod parallel;
mod paths;
mod redirects;
mod restart;
mod scale;
mod secrets;
mod sent_codes;
mod sessions;
mod sign_in;
mod site;
mod step_up;
mod storm;
mod traces;
mod trusted;
