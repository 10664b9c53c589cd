//! `vestibule serve`: the gateway until it is told to stop.

pub(super) mod changes;
pub(super) mod reload;
pub(super) mod systemd;
pub(super) mod tls;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

use super::access::one_line;
use super::control;
use super::source::ConfigSource;
use crate::acme;
use crate::app::{App, Post};
use crate::base::Clock;
use crate::config::Config;
use crate::gateway::{self, GatewayHost, Listener, Running, Settings};
use crate::telemetry;
use changes::Changes;
use reload::{Source, dry_run, follow_file, prove, reload, resolve};
use systemd::State;
use tls::Tls;

/// How long what is queued for sending may take at a stop.
const LAST_MESSAGES: Duration = Duration::from_secs(5);

/// How long the audit file may take at a stop; what is missing then is written at the next start.
const LAST_RECORDS: Duration = Duration::from_secs(2);

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// Whatever keeps the gateway from starting.
pub fn run(source: ConfigSource) -> anyhow::Result<()> {
    // Before it is read: what changes from here on is seen.
    let changes = Changes::of(source.file.clone());
    let loaded = source.load().map_err(|problems| one_line(&problems))?;
    telemetry::start_log("info");
    keep_memory_private();
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let handed = systemd::sockets()?;
    let runtime = work_runtime()?;
    let config = Arc::new(loaded.config);
    let app = runtime.block_on(App::open(config.clone(), Clock::system(), Post::Configured))?;
    runtime.block_on(prove(&app, &config))?;
    runtime.block_on(app.keep_snapshots())?;
    app.keep_audit();
    let (listeners, tls) = listeners(&config, &app)?;
    runtime.block_on(app.acme.order_for(tls.wanted(&config)))?;
    let running = start_with(&app, &config, &listeners, &handed)?;
    // From here on only the shards hold them: they must not outlive the accept loops.
    drop(handed);
    announce(&app, &running, &listeners);
    let addresses = running.addresses.clone();
    runtime.block_on(async {
        name_ports(&app, &addresses).await?;
        reseal(&app);
        until_stopped(&app, Source::new(source, addresses, config.server.listen.len(), tls), &config, changes).await
    })?;
    tracing::info!("stopping: no new connections; what is under way may end");
    systemd::notify(State::Stopping);
    running.stop();
    running.join();
    runtime.block_on(async {
        app.services.notices.notifier.drain(LAST_MESSAGES).await;
        app.settle_audit_file(LAST_RECORDS).await;
        app.telemetry.drain(LAST_RECORDS).await;
        app.flush().await
    })?;
    tracing::info!("stopped");
    Ok(())
}

/// Keys and passwords stand in memory: no core dump is written of it, and no other process of the same user reads it
/// (prctl(2), `PR_SET_DUMPABLE`), unless `VESTIBULE_CORE_DUMPS=allow` says so.
fn keep_memory_private() {
    use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
    if std::env::var("VESTIBULE_CORE_DUMPS").is_ok_and(|word| word == "allow") {
        return;
    }
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = setrlimit(Resource::Core, none).and_then(|()| set_dumpable_behavior(DumpableBehavior::NotDumpable)) {
        tracing::warn!(%error, "core dumps cannot be turned off");
    }
}

/// The threads for everything but forwarded requests.
pub fn work_runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    Ok(builder.worker_threads(2).thread_name("work").on_thread_start(gives_way).enable_all().build()?)
}

/// The threads that carry traffic come first; on Linux a thread has a nice value of its own.
fn gives_way() {
    let _ = rustix::process::nice(5);
}

fn listeners(config: &Config, app: &App) -> anyhow::Result<(Vec<Listener>, Tls)> {
    let mut listeners: Vec<Listener> =
        config.server.listen.iter().map(|address| Listener { address: *address, certificates: None }).collect();
    let mut tls = Tls::new(app.acme.in_force());
    for listener in &config.server.tls {
        let certificates = tls.add(listener)?;
        listeners.push(Listener { address: listener.listen, certificates: Some(certificates) });
    }
    Ok((listeners, tls))
}

/// Starts the gateway's threads.
pub fn start(app: &Arc<App>, config: &Config, listeners: &[Listener]) -> anyhow::Result<Running> {
    start_with(app, config, listeners, &[])
}

/// As [`start`], on sockets that were handed over.
fn start_with(app: &Arc<App>, config: &Config, listeners: &[Listener], handed: &[TcpListener]) -> anyhow::Result<Running> {
    let front: Arc<dyn GatewayHost> = app.clone();
    let mut settings = Settings::default();
    if let Some(threads) = config.server.threads {
        settings.shards = threads;
    }
    Ok(gateway::start_with(&front, listeners, &settings, handed)?)
}

async fn name_ports(app: &App, addresses: &[SocketAddr]) -> anyhow::Result<()> {
    let mut config = (*app.config()).clone();
    if resolve(&mut config, addresses) {
        // That the ports are other ones than at the start is what this is for.
        app.reconfigure(Arc::new(config)).await?;
    }
    Ok(())
}

/// Goes on with what a rotation began: a stop may have come between.
fn reseal(app: &Arc<App>) {
    let services = app.services.clone();
    tokio::spawn(async move {
        match services.keys.reseal().await {
            Ok(done) if done.sealed > 0 => tracing::info!(sealed = done.sealed, "secrets were sealed under the key in force"),
            Ok(_) => {}
            Err(e) => tracing::error!(error = %e, "secrets stay under an older key until the next rotation"),
        }
    });
}

/// What scripts wait for: `listening URL` on standard output, for each listener that accepts.
fn announce(app: &App, running: &Running, listeners: &[Listener]) {
    let url = |(address, listener): (&SocketAddr, &Listener)| {
        let scheme = if listener.certificates.is_some() { "https" } else { "http" };
        format!("{scheme}://{address}")
    };
    let urls: Vec<String> = running.addresses.iter().zip(listeners).map(url).collect();
    for url in &urls {
        println!("listening {url}");
    }
    app.listens_on(urls);
}

async fn until_stopped(app: &Arc<App>, source: Source, config: &Config, changes: Changes) -> anyhow::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut hangup = signal(SignalKind::hangup())?;
    let source = Arc::new(source);
    let reloader: control::Reload = {
        let (app, source) = (app.clone(), source.clone());
        Arc::new(move |mode| {
            let (app, source) = (app.clone(), source.clone());
            Box::pin(async move {
                let done = match mode {
                    control::Mode::Swap => reload(&app, &source).await.map(serde_json::Value::String),
                    control::Mode::DryRun => dry_run(&app, &source).await,
                };
                done.map_err(|e| e.to_string())
            })
        })
    };
    let _control = control::serve(app.clone(), reloader, &config.server.data_dir).context("the control socket")?;
    app.join_gateways().await;
    if let Some(address) = config.server.admin_listen {
        let listening = telemetry::server::start(address, app.telemetry.clone(), app.clone()).await?;
        println!("listening http://{listening} (admin)");
    }
    tokio::spawn(tls::watch(source.tls.clone()));
    tokio::spawn(acme::run(Arc::downgrade(&app.acme)));
    tokio::spawn(follow_file(app.clone(), source.clone(), changes));
    systemd::notify(State::Ready);
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = hangup.recv() => drop(reload(app, &source).await),
        }
    }
}

/// Ends at SIGTERM or SIGINT.
pub async fn until_interrupted() -> anyhow::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
