//! The configuration: read as a tree that knows its lines, walked once, checked whole.
//!
//! `tree` (the TOML parser) -> `env` (overrides) -> `section` (the walk) -> `check_*` (what each section means) -> `typed`
//! (what the program uses). Every problem is reported at once, each with its place and a remedy; nothing is changed by reading.

mod brand;
mod check;
pub mod directory;
mod document;
#[cfg(test)]
mod examples_tests;
mod readers;
mod schema;
#[cfg(test)]
mod tests;
mod texts;
mod typed;

use std::path::Path;

pub use brand::{Accent, Brand, Picture};
pub use check::application::device::registering as registering_origins;
pub use check::application::{HeadersOf, header_is_fixed};
pub use document::problem::{Problem, Problems, Severity};
pub use readers::pem::certificate_facts;
pub use readers::value::read_duration;
pub use schema::schema;
pub use texts::{TextEntry, TextFile, problem as text_problem, read_text, text_files, unknown_text};
pub use typed::*;

use document::problem::Fault;
use document::problems::ProblemCollector;
use document::section::Section;
use document::tree::{Entries, Origin};

/// A configuration that may be used, and what is unwise in it.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub config: Config,
    /// All of [`Severity::Warning`].
    pub warnings: Vec<Problem>,
}

/// The secret in a file that only its owner may read, without its last line end: as a key that ends in `_file` names it.
///
/// # Errors
/// What is wrong with the file, and what to do.
pub fn read_secret_file(file: &Path) -> Result<crate::base::Secret, String> {
    readers::secret::read(file).map_err(|fault| format!("{}; {}", fault.what, fault.remedy))
}

/// Reads a file and the environment's overrides.
///
/// # Errors
/// Everything that is wrong, at once, warnings included.
pub fn load(file: &Path, env: impl IntoIterator<Item = (String, String)>) -> Result<Loaded, Problems> {
    let read = std::fs::read(file).map_err(|e| {
        Fault::new(format!("cannot be read: {e}"), "name the configuration with --config FILE, or write one with `vestibule init`")
    });
    let text = read.and_then(|bytes| String::from_utf8(bytes).map_err(|_| Fault::new("not UTF-8", "save the file as UTF-8")));
    match text {
        Ok(text) => parse(&text, file, env),
        Err(fault) => {
            let collector = ProblemCollector::new(file);
            collector.error(&Origin::Absent, "", fault);
            Err(Problems(collector.into_problems()))
        }
    }
}

/// Reads a text as if it stood in `file`, which need not exist; relative paths are relative to it.
///
/// # Errors
/// As [`load`].
pub fn parse(text: &str, file: &Path, env: impl IntoIterator<Item = (String, String)>) -> Result<Loaded, Problems> {
    let collector = ProblemCollector::new(file);
    let mut entries = match document::tree::read(text) {
        Ok(entries) => entries,
        Err((line, fault)) => {
            collector.error(&line.map_or(Origin::Absent, Origin::Line), "", fault);
            return Err(Problems(collector.into_problems()));
        }
    };
    document::env::overlay(&mut entries, env, &collector);
    let mut config = build(&collector, &entries);
    config.fingerprint = document::fingerprint::of(&entries, &collector.secrets.borrow());
    let problems = collector.into_problems();
    if problems.iter().any(|problem| problem.severity == Severity::Error) {
        return Err(Problems(problems));
    }
    Ok(Loaded { config, warnings: problems })
}

fn build(collector: &ProblemCollector, entries: &Entries) -> Config {
    let root = Section::root(collector, entries);
    let default = Config::default();
    let server = check::server::server(root.section("server"), default.server);
    let portal = check::server::portal(root.section("portal"), default.portal);
    let mfa = named_for(portal.brand.company.as_deref(), default.mfa);
    let check::services::Stored { url: store, snapshot_every, max_stale, sessions_in_memory } = check::services::store(
        root.section("store"),
        &server.data_dir,
        (default.snapshot_every, default.max_stale, default.sessions_in_memory),
    );
    let directories = check::directories::directories(&root);
    let providers = check::providers::providers(&root, &directories);
    let (password, breached) = check::login::password(root.section("password"), default.password);
    let geo = check::geo::geo(root.section("geo"));
    let mut config = Config {
        session: check::login::session(root.section("session"), default.session),
        password,
        breached,
        mfa: check::login::mfa(root.section("mfa"), mfa),
        mail: check::services::mail(root.section("mail")),
        sms: check::services::sms(root.section("sms")),
        limits: check::login::limits(root.section("limits"), default.limits),
        store,
        snapshot_every,
        max_stale,
        sessions_in_memory,
        audit: check::services::audit(root.section("audit"), default.audit),
        telemetry: check::services::telemetry(root.section("telemetry"), default.telemetry),
        acme: check::acme::acme(root.section("acme")),
        admin: check::login::admin(root.section("admin"), default.admin),
        tokens: check::application::tokens(root.section("tokens"), default.tokens),
        directories,
        forward_auth: check::server::forward_auth(root.section("forward_auth"), &server.trusted_proxies),
        routes: check::routes::routes(&root, &portal.prefix, geo.as_ref()),
        geo,
        expect: check::expect::expectations(&root),
        fingerprint: String::new(),
        providers,
        server,
        portal,
    };
    check::providers::offer(&root, &mut config);
    check::server::portal_url::settle(&root, &mut config);
    check::advice::give(&root, &config);
    check::application::device::advise(&root, &config);
    check::acme::uses(&root, &config);
    root.finish();
    config
}

/// Authenticator apps show the house's own name unless the file says otherwise. An issuer has no colon, which ends it in `otpauth://`.
fn named_for(company: Option<&str>, mut mfa: Mfa) -> Mfa {
    if let Some(company) = company.filter(|company| !company.contains(':')) {
        company.clone_into(&mut mfa.totp.issuer);
    }
    mfa
}
