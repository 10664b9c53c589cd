//! `vestibule directory`: what an operator asks of a directory. Only the configuration and the directory itself are needed.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use crate::base::Clock;
use crate::cli::context::Context;
use crate::cli::terminal::output;
use crate::config::Config;
use crate::source::directory::{Directory, Step};

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Connect, bind, search, and say step by step what works and what each step found
    #[command(after_help = "Exit status 1 if a step failed.\n\nExample:\n  vestibule directory test corp --user alice")]
    Test {
        /// The directory's `name` in the configuration
        name: String,
        /// Look for this login, and show the entry's state and groups
        #[arg(long, value_name = "LOGIN")]
        user: Option<String>,
    },
}

pub fn run(context: &Context, command: Command) -> anyhow::Result<ExitCode> {
    let Command::Test { name, user } = command;
    let config = context.source.load()?.config;
    let Some(directory) = config.directories.iter().find(|directory| directory.name == name) else {
        let known: Vec<_> = config.directories.iter().map(|directory| directory.name.as_str()).collect();
        anyhow::bail!(
            "there is no directory “{name}” in the configuration; there is {}",
            if known.is_empty() { "none".into() } else { known.join(", ") }
        );
    };
    let steps = examine(&config, directory.clone(), user.as_deref())?;
    let is_good = steps.iter().all(|step| step.ok);
    if context.json {
        output::json(&json!({ "directory": name, "ok": is_good, "steps": steps }))?;
    } else {
        steps.iter().try_for_each(|step| output::line(&shown(step)))?;
    }
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Every directory of a configuration, without a login: for `check --online`. What is wrong, with the directory's name.
pub fn faults(config: &Config) -> anyhow::Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    for directory in &config.directories {
        let steps = examine(config, directory.clone(), None)?;
        found.extend(
            steps.into_iter().filter(|step| !step.ok).map(|step| (directory.name.clone(), format!("{}: {}", step.step, step.found))),
        );
    }
    Ok(found)
}

fn examine(config: &Config, directory: crate::config::directory::Directory, user: Option<&str>) -> anyhow::Result<Vec<Step>> {
    let name = directory.name.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let directory = Directory::new(directory, Clock::system()).map_err(|e| anyhow::anyhow!("the directory {name}: {e}"))?;
    Ok(runtime.block_on(directory.examine(user, config.limits.lockout_after)))
}

fn shown(step: &Step) -> String {
    let mark = if step.ok { "ok  " } else { "FAIL" };
    output::plain(&format!("{mark}  {:<12}  {}", step.step, step.found))
}
