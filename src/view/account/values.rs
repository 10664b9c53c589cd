//! What the pages of my account show. Plain values: nothing here can look anything up.

use crate::base::Time;
use crate::factor::Method;
use crate::view::parts::layout::Note;
use crate::view::parts::wide::AccountPages;

/// A method as its owner sees it.
#[derive(Clone, Debug)]
pub struct Enrolled {
    pub method: Method,
    /// Tells several keys apart; empty for the methods that there is one of.
    pub id: String,
    /// What its owner calls it; empty where it has no name, and then it cannot be renamed.
    pub name: String,
    /// A masked address, or empty.
    pub detail: String,
    pub added: Time,
    pub last_used: Option<Time>,
    /// `false`: the last one where the policy demands one.
    pub removable: bool,
}

/// A session as its owner sees it.
#[derive(Clone, Debug)]
pub struct SessionRow {
    pub id: String,
    pub browser: String,
    pub address: String,
    pub started: Time,
    pub last_seen: Time,
    pub current: bool,
    pub device: SessionDevice,
}

/// What is said of the device of a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SessionDevice {
    /// Sessions are bound to none here.
    Off,
    Unbound,
    BoundSince(Time),
}

/// A browser that skips the second factor.
#[derive(Clone, Debug)]
pub struct BrowserRow {
    pub id: String,
    pub name: String,
    pub last_seen: Time,
    pub trusted_until: Time,
}

/// A provider to sign in with.
#[derive(Clone, Debug)]
pub struct LinkRow {
    pub name: String,
    pub title: String,
    pub linked: bool,
    /// `false`: there is no password to sign in with instead.
    pub removable: bool,
}

/// The account page.
#[derive(Clone, Debug, Default)]
pub struct AccountView {
    pub user: String,
    pub display_name: String,
    pub email: String,
    pub phone: Option<String>,
    pub groups: Vec<String>,
    pub note: Option<Note>,
    pub methods: Vec<Enrolled>,
    /// What may still be set up.
    pub addable: Vec<Method>,
    /// Unused and all recovery codes; `None` before the first method.
    pub recovery: Option<(usize, usize)>,
    pub password_changed: Option<Time>,
    pub sessions: Vec<SessionRow>,
    pub browsers: Vec<BrowserRow>,
    /// What users may change themselves: [`Method::Email`] stands for the address, [`Method::Sms`] for the number.
    pub changeable: Vec<Method>,
    /// Whether browsers can be trusted at all.
    pub trust_offered: bool,
    /// The providers that this account can be linked to.
    pub links: Vec<LinkRow>,
    pub pages: AccountPages,
}
