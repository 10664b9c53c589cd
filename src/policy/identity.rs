//! Who asks, as far as a decision needs to know: the account's standing and what the session has proved.

use std::sync::Arc;

use crate::account::{ApplicationPassword, MfaPolicy};
use crate::base::Time;
use crate::factor::{Method, MethodSet};

use super::application::device::DeviceState;
use super::application::guest::GuestAddress;
use super::grant::Grant;

/// What is true of a user until the account changes. Made once for an account's state and shared by its sessions.
#[derive(Clone, Debug)]
pub struct Person {
    pub name: String,
    pub display_name: String,
    pub email: String,
    pub groups: Vec<String>,
    /// The policy in force.
    pub mfa: MfaPolicy,
    /// Enrolled and allowed methods, with `Recovery` where an unused code is left.
    pub methods: MethodSet,
    /// Somebody without an account, who was let in by an address.
    pub guest: Option<GuestAddress>,
    /// Their own passwords at applications, sealed.
    pub applications: Vec<ApplicationPassword>,
}

/// What a finished sign-in has proved beyond the password.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Proof {
    /// The password alone.
    Password,
    /// The password, and a browser that was trusted at an earlier sign-in.
    TrustedBrowser,
    /// A second factor, at this moment.
    Second { method: Method, at: Time },
}

/// A signed-in user.
#[derive(Clone, Debug)]
pub struct Identity {
    pub person: Arc<Person>,
    /// Of a session. Nothing is proved by a token.
    pub proof: Proof,
    /// The API token with which the request came, in the place of a session.
    pub token: Option<Grant>,
    /// Of a session: what this request shows of the device that it is bound to.
    pub device: DeviceState,
}
