//! `vestibule check` and `vestibule reload`.

mod groups;

use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::Value;

use crate::account::MfaPolicy;
use crate::app::wording;
use crate::cli::access::Access;
use crate::cli::context::Context;
use crate::cli::control;
use crate::cli::terminal::{output, source_line};
use crate::config::{Config, Loaded, Problem, Severity};
use crate::factor::MethodSet;
use crate::notify::Notifier;
use crate::policy::{Person, Policy, run_expectations};

/// Prints every problem and warning, the policy tests' too; changes nothing.
pub fn run(context: &Context, online: bool) -> anyhow::Result<ExitCode> {
    let (problems, config) = match context.source.load() {
        Ok(Loaded { config, mut warnings }) => {
            warnings.extend(policy_tests(context, &config));
            warnings.extend(groups::empty_groups(context, &config));
            warnings.extend(wording(&config).err().into_iter().flat_map(|found| found.0));
            warnings.extend(senders(context, &config));
            if online {
                warnings.extend(directories(context, &config)?);
            }
            (warnings, Some(config))
        }
        Err(problems) => (problems.0, None),
    };
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    if context.json {
        output::json(&serde_json::to_value(&problems)?)?;
    } else {
        print(&problems)?;
    }
    if errors > 0 {
        let them = if errors == 1 { "it" } else { "them" };
        eprintln!("vestibule: {errors} error{} in the configuration; fix {them} and check again", if errors == 1 { "" } else { "s" });
        return Ok(ExitCode::FAILURE);
    }
    if let Some(config) = config.filter(|_| !context.json) {
        let file = context.source.file.display();
        let tests = match config.expect.len() {
            0 => "no policy tests".to_owned(),
            1 => "1 policy test holds".to_owned(),
            many => format!("{many} policy tests hold"),
        };
        let routes = config.routes.len();
        output::line(&format!("{file} is good: {routes} route{}, {tests}", if routes == 1 { "" } else { "s" }))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Each problem with its line; a file is read once.
fn print(problems: &[Problem]) -> anyhow::Result<()> {
    let mut files: HashMap<&str, Option<String>> = HashMap::new();
    let colour = source_line::has_colour();
    problems.iter().try_for_each(|problem| {
        let text = files.entry(&problem.file).or_insert_with(|| std::fs::read_to_string(&problem.file).ok());
        output::line(&source_line::shown(problem, text.as_deref(), colour))
    })
}

/// What is wrong with the directories themselves.
fn directories(context: &Context, config: &Config) -> anyhow::Result<Vec<Problem>> {
    let problem = |(name, what): (String, String)| Problem {
        file: context.source.file.display().to_string(),
        line: None,
        variable: None,
        key: "directories".to_owned(),
        severity: Severity::Error,
        what: format!("{name}: {what}"),
        remedy: format!("run: vestibule directory test {name} --user LOGIN"),
    };
    Ok(super::directory::faults(config)?.into_iter().map(problem).collect())
}

/// What would stop mail or SMS from starting beyond the form of its values: a body's template that cannot be written, for one.
fn senders(context: &Context, config: &Config) -> Option<Problem> {
    let fault = Notifier::check(config.mail.as_ref(), config.sms.as_ref()).err()?;
    Some(Problem {
        file: context.source.file.display().to_string(),
        line: None,
        variable: None,
        key: fault.section().to_owned(),
        severity: Severity::Error,
        what: fault.to_string(),
        remedy: "correct it; the gateway would not start".to_owned(),
    })
}

fn policy_tests(context: &Context, config: &Config) -> Vec<Problem> {
    if config.expect.is_empty() {
        return Vec::new();
    }
    let names: Vec<String> = config.expect.iter().filter_map(|test| test.user.clone()).collect();
    let groups = look_up(context, config, names);
    let policy = Arc::new(Policy::new(config.routes.clone(), &config.portal.prefix));
    let results = run_expectations(&policy, &config.expect, |name| groups.get(name).map(|groups| person(name, groups)));
    let problem = |at: &str, severity, what: &str, remedy: &str| {
        let (file, line) = at.rsplit_once(':').unwrap_or((at, ""));
        Problem {
            file: file.to_owned(),
            line: line.parse().ok(),
            variable: None,
            key: "expect".to_owned(),
            severity,
            what: what.to_owned(),
            remedy: remedy.to_owned(),
        }
    };
    let failures = results.failures.iter().map(|failure| {
        problem(
            &failure.at,
            Severity::Error,
            &failure.message,
            "correct the routes, or the test; `vestibule explain URL` shows what decides",
        )
    });
    let warnings = results.warnings.iter().map(|warning| {
        let (at, what) = warning.split_once(": ").unwrap_or(("", warning));
        problem(at, Severity::Warning, what, "add the account, or test with `groups`")
    });
    failures.chain(warnings).collect()
}

/// Only the groups are asked of a person here.
fn person(name: &str, groups: &[String]) -> Person {
    Person {
        name: name.to_owned(),
        display_name: name.to_owned(),
        email: String::new(),
        groups: groups.to_vec(),
        mfa: MfaPolicy::Optional,
        methods: MethodSet::EMPTY,
        guest: None,
        applications: Vec::new(),
    }
}

/// The groups of users, where the store can be reached without making one.
fn look_up(context: &Context, config: &Config, names: Vec<String>) -> HashMap<String, Vec<String>> {
    if names.is_empty() || !config.server.data_dir.join("keys.json").exists() {
        return HashMap::new();
    }
    let found = Access::open(&context.source).and_then(|mut access| access.run(control::Command::UserGroups { names }));
    found.ok().and_then(|found| serde_json::from_value(found).ok()).unwrap_or_default()
}

/// Has the running gateway read its configuration again.
pub fn reload(context: &Context) -> anyhow::Result<()> {
    let said = Access::gateway(&context.source)?.run(control::Command::Reload);
    let said = said.map_err(|e| anyhow::anyhow!("not reloaded, the old configuration stays: {e}"))?;
    let words = said.as_str().map(str::to_owned).unwrap_or_default();
    context.say(&serde_json::json!({ "reloaded": true, "message": Value::String(words.clone()) }), &words)
}
