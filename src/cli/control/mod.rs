//! How the command line does its work: one set of commands, carried out by one function, either by the gateway that runs (over
//! `DATA_DIR/control.sock`) or, where none does, on the store directly.
//!
//! Over the socket: a command is one line of JSON. The answer is any number of `{"item": …}` lines, where it is a list, and then one
//! line `{"done": …}`, or `{"failed": "what, and what to do"}`. A connection may carry one command after another. Before the answer a
//! command that asks for it is told each second how far it is: `{"progress": …}`.

mod client;
mod execute;
mod serve;
mod url;

use std::fs::File;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use client::{Connection, Unreached};
pub use execute::execute;
pub use serve::{ControlGuard, Mode, Reload, serve};
pub use url::portal_url;

use crate::base::{Secret, Time};
use crate::service::accounts::NewAccount;
use crate::service::admin::{AccountChange, MfaChange};
use crate::service::import::{Entry, Progress};
use crate::service::tokens::NewToken;

/// The longest command, in bytes: many accounts may be in it.
const MAX_COMMAND: u64 = 512 * 1024 * 1024;

/// What can be asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    UserAdd {
        new: NewAccount,
        password: Option<Secret>,
    },
    UserList,
    UserShow {
        name: String,
    },
    UserDelete {
        name: String,
    },
    UserRebind {
        name: String,
    },
    UserUnlock {
        name: String,
    },
    UserPasswd {
        name: String,
        password: Secret,
    },
    UserSet {
        name: String,
        change: AccountChange,
    },
    UserLink {
        name: String,
    },
    UserLinkProvider {
        name: String,
        provider: String,
        subject: String,
    },
    UserUnlinkProvider {
        name: String,
        provider: String,
    },
    UserImport {
        entries: Vec<Entry>,
        links: bool,
        /// Whether to tell how far it is.
        #[serde(default)]
        progress: bool,
    },
    UserMfa {
        name: String,
        change: MfaChange,
        recovery_codes: bool,
    },
    /// The groups of these users; those who are not there are left out.
    UserGroups {
        names: Vec<String>,
    },
    SessionList {
        user: Option<String>,
    },
    SessionRevoke {
        which: Which,
    },
    TokenCreate {
        user: String,
        new: NewToken,
    },
    TokenList {
        user: Option<String>,
    },
    TokenRevoke {
        id: String,
    },
    /// A link that lets a guest in once.
    Invite {
        address: String,
        route: String,
        lifetime: std::time::Duration,
    },
    KeyList,
    /// `wait`: secrets are sealed anew before the answer, not after it.
    KeyRotate {
        wait: bool,
    },
    /// Records after a number, no more than `limit` looked at.
    AuditRead {
        user: Option<String>,
        since: Option<Time>,
        #[serde(default)]
        until: Option<Time>,
        after: u64,
        limit: usize,
    },
    AuditVerify,
    /// Into a file of the data folder, which is the caller's to take away.
    StoreExport,
    /// From a file of the data folder.
    StoreImport {
        file: PathBuf,
        replace: bool,
    },
    Explain(Question),
    /// The names of groups that somebody is in; null if there is nobody.
    GroupsInUse,
    Status,
    Health,
    Reload,
    /// What a reload would change.
    ReloadDryRun,
}

/// Which sessions end.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    One(String),
    OfUser(String),
    All,
}

/// A request that is explained and never sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Question {
    pub user: Option<String>,
    pub from: Option<std::net::IpAddr>,
    pub method: String,
    pub url: String,
    /// What the session has shown: `password` or a method. Absent: whatever a finished sign-in of this user shows.
    pub proof: Option<String>,
    /// With a valid client certificate; if the user is a service account, with its own in the place of a session.
    #[serde(default)]
    pub certificate: bool,
    /// With a session that is bound to a device: `shown` or `missing`. Absent: it is bound to none.
    #[serde(default)]
    pub device: Option<String>,
}

impl Command {
    const fn wants_progress(&self) -> bool {
        matches!(self, Self::UserImport { progress: true, .. })
    }
}

/// A line of an answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Frame {
    Item(Value),
    Done(Value),
    Failed(String),
    Progress(Progress),
}

/// The way to a socket. An address may have 107 bytes, and a data folder lies where it lies: a longer path goes over the open folder.
struct SocketPath {
    path: PathBuf,
    /// Held open as long as the path is used.
    _folder: Option<File>,
}

impl SocketPath {
    fn new(data_dir: &Path) -> std::io::Result<Self> {
        use std::os::fd::AsRawFd;
        use std::os::unix::ffi::OsStrExt;
        let path = data_dir.join("control.sock");
        if path.as_os_str().as_bytes().len() <= 100 {
            return Ok(Self { path, _folder: None });
        }
        let folder = File::open(data_dir)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}/control.sock", folder.as_raw_fd()));
        Ok(Self { path, _folder: Some(folder) })
    }
}
