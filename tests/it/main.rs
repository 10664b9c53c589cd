//! The product from outside: the real gateway before a real application, and people who use it. One file a story.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod harness;

mod account;
mod csrf;
mod enrolment;
mod failures;
mod forwarding;
mod headers;
mod metrics;
mod operator;
mod parallel;
mod paths;
mod redirects;
mod restart;
mod sent_codes;
mod sessions;
mod sign_in;
mod step_up;
mod trusted;
