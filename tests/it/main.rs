//! The product from outside: the real gateway before a real application, and people who use it. One file a story.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod harness;

mod csrf;
mod failures;
mod forwarding;
mod headers;
mod parallel;
mod paths;
mod redirects;
mod sessions;
mod sign_in;
