//! The pages in real Chromium, driven over WebDriver: what only a browser can tell of script, keys, passkeys, layout and policy.
//!
//! Chromium and chromedriver must be there; a test without them fails and says what to run. One browser at a time: each
//! story takes the [`driver::Driver`], which holds a lock.

mod axe;
mod device_stories;
mod devices;
mod driver;
mod enrolment;
mod keyboard;
mod passkeys;
mod portal;
mod provider;
mod sent_codes;
mod served;
mod sign_in;
mod tab;

pub use driver::Driver;
pub use tab::Tab;

use crate::harness::{Builder, World};

/// The world of most stories, which a browser reaches at `http://localhost`.
fn world() -> Builder {
    World::builder().on_localhost().mfa("first_enrolment = \"password\"")
}
