//! `vestibule diff` and `reload --dry-run`: what another configuration would change, by meaning and by what was really asked, before it is in
//! force.

mod authorities;
mod log;
mod print;
mod traffic;

use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;
use serde_json::Value;

use super::access::Access;
use super::context::Context;
use super::terminal::output;
use super::{control, source::ConfigSource};
use crate::config::{Config, Loaded};
use crate::policy::{Change, Direction, Effort, Overall, Policy, compare};

#[derive(clap::Args, Debug)]
pub struct Args {
    /// The configuration that would be put in force
    #[arg(value_name = "NEW.toml")]
    new: PathBuf,
    /// Also say what it would have changed for the requests of this access log (JSON, gzip too; -: standard input)
    #[arg(long, value_name = "FILE")]
    log: Vec<PathBuf>,
    /// Exit with 1 for a change that is laxer, or for any, and with 0 otherwise
    #[arg(long, value_enum)]
    fail_on: Option<FailOn>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum FailOn {
    Laxer,
    Any,
}

/// Everything that is said.
#[derive(Debug, Serialize)]
pub struct Report {
    pub verdict: Overall,
    pub changes: Vec<Change>,
    /// Whose client certificates are taken, by the contents of `client_ca` and `client_crl`.
    pub authorities: Vec<authorities::AuthorityChange>,
    /// Absent without a log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traffic: Option<Vec<traffic::Row>>,
    /// Sections outside the routes that differ: what a session is, whom to ask for a second factor. They are not compared by meaning.
    pub settings: Vec<&'static str>,
    /// Whether every kind of request was looked at.
    pub complete: bool,
}

/// Compares what is in force with another file.
pub fn run(context: &Context, args: &Args) -> anyhow::Result<ExitCode> {
    let old = context.source.load().map_err(|problems| anyhow::anyhow!("the configuration in force: {problems}"))?;
    let source = ConfigSource::new(args.new.clone(), context.source.data_dir.clone())?;
    let new = source.load().map_err(|problems| anyhow::anyhow!("{problems}"))?;
    let policies = (policy(&old.config), policy(&new.config));
    let mut report = report((&policies.0, &policies.1), (&old.config, &new.config), Effort::FULL);
    let mut about = None;
    if !args.log.is_empty() {
        let accounts = accounts(context, &old);
        let seen = traffic::read(&policies, &args.log, accounts.as_ref(), &new.config)?;
        report.traffic = Some(seen.rows);
        about = Some(seen.about);
    }
    if context.json {
        output::json(&serde_json::to_value(&report)?)?;
    } else {
        output::line(&print::words(&serde_json::to_value(&report)?))?;
        about.iter().try_for_each(|about| output::line(&print::about(about)))?;
    }
    Ok(exit(report.verdict, args.fail_on))
}

/// What a reload would change, asked of the gateway that runs.
pub fn dry_run(context: &Context) -> anyhow::Result<ExitCode> {
    let said = Access::gateway(&context.source)?.run(control::Command::ReloadDryRun);
    let report = said.map_err(|e| anyhow::anyhow!("it would not be reloaded: {e}"))?;
    if context.json {
        output::json(&report)?
    } else {
        output::line(&print::words(&report))?
    }
    let verdict = match report.get("verdict").and_then(Value::as_str) {
        Some("same") => Overall::Same,
        Some("stricter") => Overall::Stricter,
        _ => Overall::Laxer,
    };
    Ok(exit(verdict, None))
}

pub fn policy(config: &Config) -> Policy {
    Policy::new(config.routes.clone(), &config.portal.prefix)
}

/// By meaning alone.
pub fn report((old, new): (&Policy, &Policy), configs: (&Config, &Config), effort: Effort) -> Report {
    let found = compare(old, new, effort);
    let authorities = authorities::changes(configs.0, configs.1);
    let verdict = authorities.iter().fold(found.verdict, |so_far, change| match (so_far, change.direction) {
        (Overall::Same | Overall::Stricter, Direction::Stricter) => Overall::Stricter,
        _ => Overall::Laxer,
    });
    Report { verdict, changes: found.changes, authorities, traffic: None, settings: settings(configs), complete: found.complete }
}

/// The sum of it on one line, for the audit log.
pub fn summary(report: &Report) -> String {
    let count = |wanted| report.changes.iter().filter(|change| change.direction == wanted).count();
    let counts = [(Direction::Laxer, "laxer"), (Direction::Different, "different"), (Direction::Stricter, "stricter")];
    let counts = counts.map(|(direction, word)| (count(direction), word));
    let clients = if report.authorities.is_empty() { "" } else { "; other client certificates are taken" };
    let counts: Vec<String> = counts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    let places: Vec<String> = report.changes.iter().take(5).map(print::short).collect();
    match counts.as_slice() {
        [] if !report.complete => format!("decisions: too many kinds of requests to compare{clients}"),
        [] => format!("decisions unchanged{clients}"),
        some if report.changes.len() > places.len() => format!("decisions: {}: {}; …{clients}", some.join(", "), places.join("; ")),
        some => format!("decisions: {}: {}{clients}", some.join(", "), places.join("; ")),
    }
}

/// Sections that can change who passes without being a route.
fn settings((old, new): (&Config, &Config)) -> Vec<&'static str> {
    let mfa = |config: &Config| {
        format!("{:?} {:?} {:?} {:?}", config.mfa.policy, config.mfa.methods, config.mfa.trusted_device, config.mfa.grace)
    };
    type Shown = fn(&Config) -> String;
    let pairs: [(&str, Shown); 9] = [
        ("server.trusted_proxies", |config| format!("{:?}", config.server.trusted_proxies)),
        ("session", |config| format!("{:?}", config.session)),
        ("password", |config| format!("{:?}", config.password)),
        ("limits", |config| format!("{:?}", config.limits)),
        ("admin", |config| format!("{:?}", config.admin)),
        ("directories", |config| format!("{:?}", config.directories)),
        ("forward_auth", |config| format!("{:?}", config.forward_auth)),
        ("geo", |config| format!("{:?}", config.geo)),
        ("providers", |config| format!("{:?}", config.providers)),
    ];
    let differing = pairs.into_iter().filter(|(_, shown)| shown(old) != shown(new)).map(|(name, _)| name);
    differing.chain((mfa(old) != mfa(new)).then_some("mfa")).collect()
}

/// Accounts as `user list` has them, if the store can be reached without making one.
fn accounts(context: &Context, old: &Loaded) -> Option<Value> {
    if !old.config.server.data_dir.join("keys.json").exists() {
        return None;
    }
    Access::open(&context.source).and_then(|mut access| access.run(control::Command::UserList)).ok()
}

fn exit(verdict: Overall, fail_on: Option<FailOn>) -> ExitCode {
    let code = match (verdict, fail_on) {
        (Overall::Same, _) | (Overall::Stricter, Some(FailOn::Laxer)) => 0,
        (Overall::Stricter, None) => 3,
        (Overall::Laxer, None) => 4,
        (Overall::Stricter, Some(FailOn::Any)) | (Overall::Laxer, Some(_)) => 1,
    };
    ExitCode::from(code)
}
