//! The configuration: read as a tree that knows its lines, walked once, checked whole.
//!
//! `tree` (the TOML parser) -> `env` (overrides) -> `section` (the walk) -> `check_*` (what each section means) -> `typed`
//! (what the program uses). Every problem is reported at once, each with its place and a remedy; nothing is changed by reading.

mod addresses;
mod advice;
mod check_expect;
mod check_login;
mod check_routes;
mod check_server;
mod check_services;
mod defaults;
mod env;
#[cfg(test)]
mod examples_tests;
mod outline;
mod path;
mod pem;
mod problem;
mod schema;
mod secret;
mod section;
mod sink;
mod standing;
mod terms;
#[cfg(test)]
mod tests;
mod texts;
mod tree;
mod typed;
mod upstream;
mod value;

use std::path::Path;

pub use problem::{Problem, Problems, Severity};
pub use schema::schema;
pub use texts::{TextEntry, TextFile, problem as text_problem, read_text, text_files, unknown_text};
pub use typed::*;

use problem::Fault;
use section::Section;
use sink::Sink;
use tree::{Entries, Origin};

/// A configuration that may be used, and what is unwise in it.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub config: Config,
    /// All of [`Severity::Warning`].
    pub warnings: Vec<Problem>,
}

/// Reads a file and the environment's overrides.
///
/// # Errors
/// Everything that is wrong, at once, warnings included.
pub fn load(file: &Path, env: impl IntoIterator<Item = (String, String)>) -> Result<Loaded, Problems> {
    let read = std::fs::read(file).map_err(|e| Fault::new(format!("cannot be read: {e}"), "name the configuration with --config FILE"));
    let text = read.and_then(|bytes| String::from_utf8(bytes).map_err(|_| Fault::new("not UTF-8", "save the file as UTF-8")));
    match text {
        Ok(text) => parse(&text, file, env),
        Err(fault) => {
            let sink = Sink::new(file);
            sink.error(&Origin::Absent, "", fault);
            Err(Problems(sink.into_problems()))
        }
    }
}

/// Reads a text as if it stood in `file`, which need not exist; relative paths are relative to it.
///
/// # Errors
/// As [`load`].
pub fn parse(text: &str, file: &Path, env: impl IntoIterator<Item = (String, String)>) -> Result<Loaded, Problems> {
    let sink = Sink::new(file);
    let mut entries = match tree::read(text) {
        Ok(entries) => entries,
        Err((line, fault)) => {
            sink.error(&line.map_or(Origin::Absent, Origin::Line), "", fault);
            return Err(Problems(sink.into_problems()));
        }
    };
    env::overlay(&mut entries, env, &sink);
    let config = build(&sink, &entries);
    let problems = sink.into_problems();
    if problems.iter().any(|problem| problem.severity == Severity::Error) {
        return Err(Problems(problems));
    }
    Ok(Loaded { config, warnings: problems })
}

fn build(sink: &Sink, entries: &Entries) -> Config {
    let root = Section::root(sink, entries);
    let default = Config::default();
    let server = check_server::server(root.section("server"), default.server);
    let portal = check_server::portal(root.section("portal"), default.portal);
    let (store, snapshot_every) = check_services::store(root.section("store"), &server.data_dir, default.snapshot_every);
    let config = Config {
        session: check_login::session(root.section("session"), default.session),
        password: check_login::password(root.section("password"), default.password),
        mfa: check_login::mfa(root.section("mfa"), default.mfa),
        mail: check_services::mail(root.section("mail")),
        sms: check_services::sms(root.section("sms")),
        limits: check_login::limits(root.section("limits"), default.limits),
        store,
        snapshot_every,
        audit: check_services::audit(root.section("audit"), default.audit),
        telemetry: check_services::telemetry(root.section("telemetry"), default.telemetry),
        admin: check_login::admin(root.section("admin"), default.admin),
        routes: check_routes::routes(&root, &portal.prefix),
        expect: check_expect::expectations(&root),
        server,
        portal,
    };
    advice::give(&root, &config);
    root.finish();
    config
}
