//! `vestibule demo`: a complete gateway before a small "legacy" app, with people at different stages and an outbox in place of
//! mail and SMS. Needs nothing, leaves nothing behind unless a data folder is named, and listens on this machine alone.

mod directory;
mod history;
mod legacy;
mod people;
mod provider;
mod words;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use anyhow::{Context, bail};

use super::{control, serve};
use crate::app::{App, Post};
use crate::base::Clock;
use crate::config::{self, Config};
use crate::gateway::Listener;
use crate::notify::Outbox;
use crate::telemetry;

const DEFAULT_PORT: u16 = 8080;

/// Runs until interrupted.
///
/// # Errors
/// An address that is not this machine's own or is taken; a data folder that cannot be used.
pub fn run(
    listen: Option<String>,
    (with_directory, with_provider): (bool, bool),
    json: bool,
    data_dir: Option<PathBuf>,
) -> anyhow::Result<()> {
    telemetry::start_log("warn,access=off,audit=off");
    let temporary = Folder::new(data_dir)?;
    let addresses = addresses(listen.as_deref())?;
    let runtime = serve::work_runtime()?;
    let (outbox, people, clock) = (Arc::new(Outbox::default()), Arc::new(OnceLock::new()), Clock::system());
    let upstream =
        runtime.block_on(legacy::start(legacy::Legacy { outbox: outbox.clone(), people: people.clone(), clock: clock.clone() }))?;
    let directory = if with_directory { Some(runtime.block_on(directory::start())?) } else { None };
    let provider = if with_provider { Some(runtime.block_on(provider::start(clock.clone()))?) } else { None };
    let more =
        directory.as_ref().map(directory::section).unwrap_or_default() + &provider.as_ref().map(provider::section).unwrap_or_default();
    let config = Arc::new(configuration(upstream, &more, &addresses, temporary.path())?);
    let app = runtime.block_on(App::open(config.clone(), clock, Post::Outbox(outbox)))?;
    runtime.block_on(history::write(&app))?;
    let mut seeded = runtime.block_on(people::seed(&app))?;
    if with_directory {
        seeded.extend(directory::people());
    }
    let people = people.get_or_init(|| seeded);
    if with_provider {
        runtime.block_on(people::link(&app))?;
    }
    let listeners: Vec<Listener> = addresses.iter().map(|address| Listener { address: *address, certificates: None }).collect();
    let running = serve::start(&app, &config, &listeners)?;
    let port = running.addresses.first().map_or(DEFAULT_PORT, SocketAddr::port);
    let url = words::url(listen.as_deref(), running.addresses.first().copied(), port);
    words::tell(&url, people, with_provider, json, app.services.now())?;
    runtime.block_on(async {
        let reload: control::Reload = Arc::new(|_| {
            Box::pin(async { Err("the demo's configuration is built in; use `vestibule serve` to reload a file".to_owned()) })
        });
        let _control = control::serve(app.clone(), reload, &config.server.data_dir)?;
        serve::until_interrupted().await
    })?;
    running.stop();
    running.join();
    runtime.block_on(app.flush())
}

/// Where to listen: `localhost` in both families where the machine has both. One port, found free where it is 0.
fn addresses(listen: Option<&str>) -> anyhow::Result<Vec<SocketAddr>> {
    let text = listen.unwrap_or("localhost:8080");
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok(vec![address]);
    }
    let port = match text.rsplit_once(':') {
        Some(("localhost" | "", port)) => port.parse::<u16>().ok(),
        None => text.parse::<u16>().ok(),
        Some(_) => None,
    };
    let Some(port) = port else { bail!("--listen {text}: give an address and a port, as 127.0.0.1:8080 or localhost:0") };
    let v4 = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .with_context(|| format!("port {port} is taken; choose another with --listen localhost:8081"))?;
    let port = v4.local_addr()?.port();
    drop(v4);
    let mut all = vec![SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)];
    if TcpListener::bind((Ipv6Addr::LOCALHOST, port)).is_ok() {
        all.push(SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), port));
    }
    Ok(all)
}

/// The demo's configuration goes through the same reader as everybody's. It knows where it is listened on: mails lead nowhere else.
fn configuration(upstream: SocketAddr, more: &str, listen: &[SocketAddr], data_dir: &std::path::Path) -> anyhow::Result<Config> {
    let text = include_str!("demo.toml").replace("UPSTREAM", &upstream.to_string()) + more;
    let overrides = [("VESTIBULE_SERVER__DATA_DIR".to_owned(), data_dir.display().to_string())];
    let loaded = config::parse(&text, std::path::Path::new("demo.toml"), overrides).map_err(|problems| anyhow::anyhow!("{problems}"))?;
    let mut config = loaded.config;
    config.server.listen = listen.to_vec();
    Ok(config)
}

/// A data folder: the one that was named, or one that goes away with the demo.
struct Folder {
    path: PathBuf,
    temporary: bool,
}

impl Folder {
    fn new(named: Option<PathBuf>) -> anyhow::Result<Self> {
        match named {
            Some(path) => Ok(Self { path: std::path::absolute(path)?, temporary: false }),
            None => {
                let name = format!("vestibule-demo-{}", data_encoding::HEXLOWER.encode(&crate::base::random::bytes::<8>()?));
                Ok(Self { path: std::env::temp_dir().join(name), temporary: true })
            }
        }
    }

    fn path(&self) -> &std::path::Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.temporary {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
