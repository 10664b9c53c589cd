//! What a route's application is told of the person and what it is asked with, beyond the request itself.

pub mod device;
pub mod guest;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use self::device::DeviceRule;
use self::guest::{GuestAddress, GuestPattern};
use crate::identity::{Preset, Table};
use crate::token::{CountsAs, Ways};

/// The settings of a route that concern its application.
#[derive(Clone, Debug)]
pub struct Application {
    /// What people read instead of the route's name.
    pub title: Option<Arc<str>>,
    /// Under which names it is told who asks.
    pub identity: Table,
    pub assertion: Option<Assertion>,
    /// How API tokens may come.
    pub tokens: Ways,
    pub tokens_count_as: CountsAs,
    /// Addresses without an account that are let in by a code sent to them.
    pub guests: Vec<GuestPattern>,
    /// What it wants of sessions that are bound to a device; `None`: sessions are bound to none.
    pub device: Option<DeviceRule>,
    /// Credentials that replace the client's `Authorization` in requests of signed-in users.
    pub upstream_auth: Option<UpstreamAuth>,
    pub request_headers: Vec<HeaderChange>,
    pub response_headers: Vec<HeaderChange>,
    /// How long a request's body may be, in bytes; `None`: any length.
    pub max_body: Option<u64>,
    /// It is away: a page instead, for everybody but some groups.
    pub maintenance: Option<Maintenance>,
}

/// Credentials for an application's own sign-in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum UpstreamAuth {
    /// The same for everybody who is signed in; not shown by `Debug`.
    Fixed(http::HeaderValue),
    /// HTTP Basic, with the name and password that each person stored ([`crate::account::ApplicationPassword`]).
    Personal,
}

/// A header that is set, or removed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HeaderChange {
    /// As it is written.
    pub name: Bytes,
    pub header: http::HeaderName,
    /// `None`: removed.
    pub value: Option<http::HeaderValue>,
}

/// What is shown while an application is away.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Maintenance {
    /// HTML.
    pub page: Arc<str>,
    /// Who gets through.
    pub groups: Vec<String>,
}

/// A signed statement of who asks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Assertion {
    pub header: Bytes,
    /// `aud`: what the application must find there.
    pub audience: String,
    pub lifetime: Duration,
}

impl Default for Application {
    fn default() -> Self {
        Self {
            title: None,
            identity: Preset::Remote.table(),
            assertion: None,
            tokens: Ways::NONE,
            tokens_count_as: CountsAs::OneFactor,
            guests: Vec::new(),
            device: None,
            upstream_auth: None,
            request_headers: Vec::new(),
            response_headers: Vec::new(),
            max_body: None,
            maintenance: None,
        }
    }
}

impl Application {
    /// Whether it takes this guest.
    pub fn takes_guest(&self, address: &GuestAddress) -> bool {
        self.guests.iter().any(|pattern| pattern.admits(address))
    }

    /// Whether it is away for a member of these groups, or for somebody who is not signed in.
    pub fn is_away(&self, groups: Option<&[String]>) -> bool {
        let through = |away: &Maintenance| groups.is_some_and(|groups| away.groups.iter().any(|group| groups.contains(group)));
        self.maintenance.as_ref().is_some_and(|away| !through(away))
    }

    /// Every name under which it is told something of the person: no client may use one.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.identity.names().chain(self.assertion.as_ref().map(|assertion| &assertion.header[..]))
    }
}
