//! `[[directories]]` as the program uses it: people and passwords from LDAP or Active Directory. Filters and names are parsed when the
//! configuration is read, so that nothing of what a user types ever becomes part of their syntax.

mod dn;
mod filter;
mod preset;

use std::path::PathBuf;
use std::time::Duration;

pub use self::dn::{Dn, DnTemplate, Rdn};
pub use self::filter::{FilterError, FilterTemplate, Node, Piece};
pub use self::preset::{Kind, Preset};
use crate::base::Secret;

/// A directory.
#[derive(Clone, Debug)]
pub struct Directory {
    /// Names the source; unique, never `local`.
    pub name: String,
    pub kind: Kind,
    /// In order of preference, never empty.
    pub servers: Vec<Server>,
    pub tls: TlsFiles,
    pub account: ServiceAccount,
    pub base_dn: Dn,
    pub people: People,
    pub attributes: Attributes,
    pub groups: Groups,
    /// The directory's groups that exist here, and the names that routes use.
    pub group_map: Vec<(GroupKey, String)>,
    /// Who may sign in at all, by mapped name; `None`: everybody found.
    pub allow_groups: Option<Vec<String>>,
    /// Whether codes may go to the directory's number, which in Active Directory people can change themselves.
    pub trust_phone: bool,
    pub refresh: Duration,
    pub max_stale: Duration,
    pub change_password: bool,
    /// Connections of the service account at most.
    pub pool: usize,
    /// TCP and TLS together.
    pub connect_timeout: Duration,
    /// One operation.
    pub timeout: Duration,
}

/// How the connection is protected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Protection {
    /// `ldaps://`
    Tls,
    /// `ldap://` with `start_tls = true`: nothing is sent before the handshake.
    StartTls,
    /// `ldap://` to this machine only.
    None,
}

/// One server of a directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Server {
    /// As it is in the configuration, for messages and metrics.
    pub url: String,
    /// A DNS name or address literal, without brackets.
    pub host: String,
    pub port: u16,
    pub protection: Protection,
}

/// Files in PEM. Without `ca` the built-in list of public authorities is used.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TlsFiles {
    pub ca: Option<PathBuf>,
    pub client: Option<(PathBuf, PathBuf)>,
}

/// The account that searches.
#[derive(Clone, Debug)]
pub struct ServiceAccount {
    pub dn: String,
    pub password: BindPassword,
}

/// Where its password is.
#[derive(Clone, Debug)]
pub enum BindPassword {
    Inline(Secret),
    /// Read whenever a connection is made, so that a changed file needs no restart.
    File(PathBuf),
}

/// How a login becomes an entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum People {
    Search(FilterTemplate),
    /// The entry's name is made from the login.
    Template(DnTemplate),
}

/// Which attributes say what.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attributes {
    pub id: String,
    pub name: String,
    pub display_name: String,
    pub email: String,
    pub phone: String,
}

/// How a person's groups are found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Groups {
    /// `memberOf`, and in OpenLDAP groups that name the person as a member.
    Direct,
    /// Active Directory: `tokenGroups`, which has nested groups and the primary one.
    Nested,
    /// Groups that a search for `{dn}` or `{name}` finds.
    Filter(FilterTemplate),
}

/// A group as `group_map` names it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum GroupKey {
    Dn(Dn),
    /// Any group with this CN; folded.
    Cn(String),
}

impl GroupKey {
    /// Reads a DN if there is a `=` in it, else a CN.
    ///
    /// # Errors
    /// Why it is neither.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.contains('=') {
            return Dn::parse(text).map(Self::Dn);
        }
        let folded = dn::fold(text);
        if folded.is_empty() { Err("the name is empty".into()) } else { Ok(Self::Cn(folded)) }
    }

    /// Whether this names the group with that DN.
    pub fn names(&self, group: &Dn) -> bool {
        match self {
            Self::Dn(dn) => dn == group,
            Self::Cn(cn) => group.leaf_cn().is_some_and(|leaf| leaf == cn),
        }
    }
}
