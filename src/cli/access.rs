//! The way to the store: the gateway that runs, or, if none does, the store itself.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use serde_json::Value;

use super::control::{Command, Connection, Unreached, execute};
use super::source::ConfigSource;
use crate::app::{App, Post};
use crate::base::Clock;
use crate::config::{Config, Problems, Severity};
use crate::service::import::{Meter, Progress};
use crate::store::StoreError;

/// How often a store that another command holds is tried again, and how long to wait between.
const TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(100);
/// How long a command waits for the mail server.
const TELL: Duration = Duration::from_secs(5);

/// An open way.
pub enum Access {
    Gateway(Connection),
    Store(Box<Offline>),
}

/// The program assembled without listeners, for one command or a few.
pub struct Offline {
    app: Arc<App>,
    runtime: tokio::runtime::Runtime,
}

impl Access {
    /// Reaches the running gateway, or opens the store. A store that is held meanwhile by another command, or by a gateway that is just
    /// starting or stopping, is tried again for ten seconds.
    ///
    /// # Errors
    /// Why neither can be, and what to do.
    pub fn open(source: &ConfigSource) -> anyhow::Result<Self> {
        let config = source.load().map(|loaded| Arc::new(loaded.config));
        let data_dir = match &config {
            Ok(config) => Some(config.server.data_dir.clone()),
            Err(_) => source.data_dir_of_a_broken_file(),
        };
        let mut held = None;
        for _ in 0..TRIES {
            match data_dir.as_deref().map(Connection::open) {
                Some(Ok(connection)) => return Ok(Self::Gateway(connection)),
                Some(Err(e @ Unreached::Refused(..))) => return Err(e.into()),
                Some(Err(Unreached::Nobody)) | None => {}
            }
            let config = config.as_ref().map_err(one_line)?;
            match Offline::open(config.clone()) {
                Ok(offline) => return Ok(Self::Store(Box::new(offline))),
                Err(e) if matches!(e.downcast_ref::<StoreError>(), Some(StoreError::InUse(_))) => held = Some(e),
                Err(e) => return Err(e),
            }
            std::thread::sleep(PAUSE);
        }
        Err(held.unwrap_or_else(|| anyhow::anyhow!("the store cannot be reached; try again")))
    }

    /// Reaches the running gateway only.
    ///
    /// # Errors
    /// Where none runs with this data folder.
    pub fn gateway(source: &ConfigSource) -> anyhow::Result<Self> {
        let data_dir = match source.load() {
            Ok(loaded) => loaded.config.server.data_dir,
            Err(problems) => source.data_dir_of_a_broken_file().ok_or_else(|| one_line(&problems))?,
        };
        Ok(Self::Gateway(Connection::open(&data_dir)?))
    }

    pub const fn is_gateway(&self) -> bool {
        matches!(self, Self::Gateway(_))
    }

    /// Does it.
    ///
    /// # Errors
    /// What is wrong and what to do, in one line.
    pub fn run(&mut self, command: Command) -> anyhow::Result<Value> {
        self.run_telling(command, &|_| {})
    }

    /// As [`Self::run`]; `tell` is told each second the progress, where the command asks for that.
    ///
    /// # Errors
    /// As there.
    pub fn run_telling(&mut self, command: Command, tell: &dyn Fn(Progress)) -> anyhow::Result<Value> {
        match self {
            Self::Gateway(connection) => connection.run(&command, tell),
            Self::Store(offline) => offline.run(command, tell),
        }
        .map_err(anyhow::Error::msg)
    }
}

impl Offline {
    fn open(config: Arc<Config>) -> anyhow::Result<Self> {
        same_owner(&config.server.data_dir)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let app = runtime.block_on(App::open(config, Clock::system(), Post::Configured))?;
        Ok(Self { app, runtime })
    }

    /// Does it, and waits a while until what is to be told of it is on its way.
    fn run(&self, command: Command, tell: &dyn Fn(Progress)) -> Result<Value, String> {
        let meter = Meter::default();
        self.runtime.block_on(async {
            let done = tokio::select! {
                biased;
                done = execute(&self.app, command, &meter) => done,
                never = each_second(&meter, tell) => match never {},
            };
            if !self.app.services.notices.notifier.drain(TELL).await {
                tracing::warn!("the mail server does not take the notice to the account's owner; what it tells of is done");
            }
            done
        })
    }
}

/// Tells the progress, until dropped.
async fn each_second(meter: &Meter, tell: &dyn Fn(Progress)) -> std::convert::Infallible {
    let mut beat = tokio::time::interval(Duration::from_secs(1));
    beat.tick().await;
    loop {
        beat.tick().await;
        tell(meter.progress());
    }
}

/// Files that root makes in another user's data folder would keep the gateway from starting.
fn same_owner(data_dir: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::MetadataExt;
    let own = rustix::process::geteuid().as_raw();
    match std::fs::metadata(data_dir) {
        Ok(meta) if meta.uid() != own => {
            bail!("{} belongs to another user; run this as that user: sudo -u '#{}' vestibule …", data_dir.display(), meta.uid())
        }
        _ => Ok(()),
    }
}

/// A configuration that does not load, in one line.
pub fn one_line(problems: &Problems) -> anyhow::Error {
    let mut errors = problems.0.iter().filter(|problem| problem.severity == Severity::Error);
    let first = errors.next().map(ToString::to_string).unwrap_or_default();
    match errors.count() {
        0 => anyhow::anyhow!("{first}"),
        more => anyhow::anyhow!("{first} (and {more} more: `vestibule check` shows all)"),
    }
}

/// Reads a text file that an operator names.
pub fn read_file(file: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(file)
        .map_err(|e| anyhow::anyhow!("{} cannot be read: {e}; name a file that is there and that this user may read", file.display()))
}

/// Copies a file into one that only its owner can read, as a whole: beside it, synced, renamed. `like`: it belongs to whom this folder does.
pub fn copy_private(from: &Path, to: &Path, like: Option<&Path>) -> anyhow::Result<()> {
    use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
    let mut fresh = to.as_os_str().to_owned();
    fresh.push(".new");
    let fresh = PathBuf::from(fresh);
    let unreadable = |e| anyhow::anyhow!("{} cannot be read: {e}; name a file that is there and that this user may read", from.display());
    let mut source = std::fs::File::open(from).map_err(unreadable)?;
    let mut copy = || -> std::io::Result<()> {
        let mut out = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        out.set_permissions(PermissionsExt::from_mode(0o600))?;
        if let Some(owner) = like.map(std::fs::metadata).transpose()?.filter(|_| rustix::process::geteuid().is_root()) {
            fchown(&out, Some(owner.uid()), Some(owner.gid()))?;
        }
        std::io::copy(&mut source, &mut out)?;
        out.sync_all()?;
        std::fs::rename(&fresh, to)
    };
    copy().map_err(|e| {
        anyhow::anyhow!("{} cannot be written: {e}; name a file in a folder that is there and that this user may write to", to.display())
    })
}
