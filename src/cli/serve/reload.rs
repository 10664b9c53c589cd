//! Reloading the configuration of the gateway that runs. Guarantees that reloads are one at a time, whoever asks (the command, SIGHUP,
//! the watched file): each reads the file in its own turn, so that what the last one read is what is in force in the end.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::Mutex;

use super::changes::{self, Changes};
use super::systemd::{self, State};
use super::tls::Tls;
use crate::app::App;
use crate::cli::access::one_line;
use crate::cli::diff;
use crate::cli::source::ConfigSource;
use crate::config::Config;
use crate::policy::{Effort, run_expectations};
use crate::service::audit::{Actor, Event};
use crate::service::sessions::person;

/// Where the configuration is read again, what port 0 became, and the certificates in use.
pub struct Source {
    file: ConfigSource,
    addresses: Vec<SocketAddr>,
    /// How many plain listeners the program was started with: the TLS listeners' addresses come after theirs.
    plain: usize,
    pub tls: Arc<Tls>,
    /// Held from before the file is read until what it says is in force.
    turn: Mutex<()>,
}

impl Source {
    pub fn new(file: ConfigSource, addresses: Vec<SocketAddr>, plain: usize, tls: Tls) -> Self {
        Self { file, addresses, plain, tls: Arc::new(tls), turn: Mutex::default() }
    }
}

/// Puts the ports that were found in the place of port 0, so that links lead to them.
pub fn resolve(config: &mut Config, addresses: &[SocketAddr]) -> bool {
    let tls = config.server.tls.iter_mut().map(|listener| &mut listener.listen);
    let mut changed = false;
    for (listed, found) in config.server.listen.iter_mut().chain(tls).zip(addresses) {
        if listed.port() == 0 && listed.ip() == found.ip() {
            *listed = *found;
            changed = true;
        }
    }
    changed
}

/// Runs the policy tests on a configuration; a user that cannot be looked up is a warning.
///
/// # Errors
/// The tests that fail, and the store's errors.
pub async fn prove(app: &App, config: &Config) -> anyhow::Result<()> {
    let policy = crate::policy::Policy::new(config.routes.clone(), &config.portal.prefix);
    let mut people = std::collections::HashMap::new();
    for name in config.expect.iter().filter_map(|test| test.user.as_deref()) {
        if let Some(account) = app.services.store.account_by_login(name).await? {
            people.insert(name.to_owned(), person(&account, &config.mfa));
        }
    }
    let results = run_expectations(&policy, &config.expect, |name| people.get(name).cloned());
    for warning in &results.warnings {
        tracing::warn!("{warning}");
    }
    match results.failures.as_slice() {
        [] => Ok(()),
        failures => Err(anyhow::anyhow!("policy tests fail: {}", failures.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))),
    }
}

/// Waits for its turn, reads the file and the certificates again, proves them, and swaps them in.
///
/// # Errors
/// If anything is wrong with them; then nothing has changed.
pub async fn reload(app: &App, source: &Source) -> anyhow::Result<String> {
    let _turn = source.turn.lock().await;
    systemd::notify(State::Reloading);
    let outcome = swap(app, source).await;
    systemd::notify(State::Ready);
    outcome
}

async fn swap(app: &App, source: &Source) -> anyhow::Result<String> {
    let swapped = async {
        let mut loaded = source.file.load().map_err(|problems| one_line(&problems))?;
        prove(app, &loaded.config).await?;
        let routes = loaded.config.routes.len();
        resolve(&mut loaded.config, &source.addresses);
        let changes = diff::summary(&would_change(app, &loaded.config, Effort::QUICK).await?);
        // Read before anything changes, in force after everything else is: a broken certificate refuses the reload as a whole.
        let certificates = source.tls.prepare(&loaded.config, source.addresses.get(source.plain..).unwrap_or_default())?;
        let config = Arc::new(loaded.config);
        let warnings = app.reconfigure(config.clone()).await?;
        certificates.take();
        // What client certificates carry is judged again by the authorities in force.
        app.services.live.recheck();
        if let Err(error) = app.acme.order_for(source.tls.wanted(&config)).await {
            tracing::error!(%error, "the store did not answer: certificates are ordered as before until the next reload");
        }
        warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        let said = [format!("reloaded: {routes} routes"), changes].into_iter().chain(warnings).collect::<Vec<_>>();
        Ok::<_, anyhow::Error>(said.join("; "))
    };
    let outcome = swapped.await;
    app.telemetry.metrics.alarms.reloaded(outcome.is_ok(), app.services.now());
    let (event, detail) = match &outcome {
        Ok(said) => (Event::PolicyReloaded, said.clone()),
        Err(e) => (Event::PolicyRefused, e.to_string()),
    };
    if outcome.is_ok() {
        app.note_reload();
    }
    match &outcome {
        Ok(said) => tracing::info!("{said}"),
        Err(e) => tracing::error!("not reloaded, the old configuration stays: {e}"),
    }
    app.services.audit.record(event, None, Actor::Gateway, detail).await?;
    outcome
}

/// What another configuration changes against the one in force. It is worked out beside everything else: many routes take a while.
async fn would_change(app: &App, config: &Config, effort: Effort) -> anyhow::Result<diff::Report> {
    let (running, old, new) = (app.config(), app.policy(), config.clone());
    let compared = tokio::task::spawn_blocking(move || diff::report((&old, &diff::policy(&new)), (&running, &new), effort));
    Ok(compared.await?)
}

/// What a reload would change; nothing is changed.
///
/// # Errors
/// If anything is wrong with the file.
pub async fn dry_run(app: &App, source: &Source) -> anyhow::Result<serde_json::Value> {
    let mut loaded = source.file.load().map_err(|problems| one_line(&problems))?;
    prove(app, &loaded.config).await?;
    resolve(&mut loaded.config, &source.addresses);
    Ok(serde_json::to_value(would_change(app, &loaded.config, Effort::FULL).await?)?)
}

/// Reloads when the configuration's file changes, where that was asked for.
pub async fn follow_file(app: Arc<App>, source: Arc<Source>, mut changes: Changes) {
    let mut tick = tokio::time::interval(changes::LOOK);
    loop {
        tick.tick().await;
        if changes.has_settled() && app.config().server.reload_on_change {
            drop(reload(&app, &source).await);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::app::Post;
    use crate::base::{Clock, Time};
    use crate::service::sessions::replication::tests::{alice, sign_in};

    fn write(file: &Path, policy: &str) {
        let route = format!("[[routes]]\nname = \"a\"\nupstreams = [\"http://127.0.0.1:1\"]\npolicy = \"{policy}\"\n");
        std::fs::write(file, format!("[server]\ndata_dir = \"data\"\n{route}")).unwrap();
    }

    fn in_force(app: &App) -> crate::policy::Level {
        app.policy().routes()[0].requirement.level
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn of_two_reloads_at_once_the_one_that_read_last_is_in_force() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("vestibule.toml");
        write(&file, "deny");
        let source = ConfigSource { file: file.clone(), data_dir: None };
        let config = Arc::new(source.load().unwrap().config);
        let app = App::open(config, Clock::manual(Time::from_secs(1_000_000)), Post::Outbox(Arc::default())).await.unwrap();
        // Whoever is signed in is looked up in a reload, which is where another could overtake it.
        let account = alice(&app.services).await;
        for _ in 0..20 {
            sign_in(&app.services, &account).await;
        }
        let source = Arc::new(Source::new(source, Vec::new(), 0, Tls::default()));
        let again = || {
            let (app, source) = (app.clone(), source.clone());
            tokio::spawn(async move { reload(&app, &source).await.unwrap() })
        };
        for round in 0..60 {
            write(&file, "bypass");
            let laxer = again();
            // Every possible overlap: from the same moment to well after the other has read its file.
            for _ in 0..round * 20 {
                tokio::task::yield_now().await;
            }
            let written = file.with_extension("new");
            write(&written, "two_factor");
            std::fs::rename(&written, &file).unwrap();
            let stricter = again();
            laxer.await.unwrap();
            stricter.await.unwrap();
            assert_eq!(in_force(&app), crate::policy::Level::TwoFactor, "round {round}");
        }
    }

    #[tokio::test]
    async fn a_reload_that_waits_reads_the_file_in_its_own_turn() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("vestibule.toml");
        write(&file, "bypass");
        let source = ConfigSource { file: file.clone(), data_dir: None };
        let config = Arc::new(source.load().unwrap().config);
        let app = App::open(config, Clock::manual(Time::from_secs(1_000_000)), Post::Outbox(Arc::default())).await.unwrap();
        let source = Source::new(source, Vec::new(), 0, Tls::default());
        let turn = source.turn.lock().await;
        let mut waiting = std::pin::pin!(reload(&app, &source));
        assert!(futures_util::poll!(&mut waiting).is_pending());
        write(&file, "deny");
        drop(turn);
        waiting.await.unwrap();
        assert_eq!(in_force(&app), crate::policy::Level::Deny);
    }
}
