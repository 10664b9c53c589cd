//! The command line: reads arguments, asks, prints. What is done is done by `control::execute`, in the gateway that runs or on the store.
//!
//! Exit status: 0 done, 1 refused or failed (one line on standard error: what, and what to do), 2 wrong usage.

mod access;
mod commands;
mod context;
pub mod control;
pub mod demo;
mod diff;
mod init;
pub mod serve;
mod source;
mod terminal;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use context::Context;

pub use source::ConfigSource;

/// A reverse-proxy authentication gateway: password and second factor in front of applications that know neither
#[derive(Parser, Debug)]
#[command(
    name = "vestibule",
    version,
    max_term_width = 100,
    after_help = "Example:\n  vestibule demo\n  vestibule --config config/vestibule.toml serve"
)]
pub struct Cli {
    /// The configuration [default: vestibule.toml, config/vestibule.toml, /etc/vestibule/vestibule.toml: the first that there is]
    #[arg(long, global = true, value_name = "FILE", env = "VESTIBULE_CONFIG")]
    config: Option<PathBuf>,
    /// The data folder, instead of the configuration's `server.data_dir`
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Print JSON: an array for a listing, else one object
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Run the gateway; prints `listening URL` for each listener once it accepts
    #[command(after_help = "Example:\n  vestibule --config /etc/vestibule/vestibule.toml serve")]
    Serve,
    /// A complete gateway with a small application behind it, seeded users and an outbox
    #[command(after_help = "Example:\n  vestibule demo --listen 127.0.0.1:8080\n  vestibule demo --provider")]
    Demo {
        /// Where to listen (default: localhost:8080)
        #[arg(long, value_name = "ADDR")]
        listen: Option<String>,
        /// With a small directory (LDAP) beside the local accounts
        #[arg(long)]
        directory: bool,
        /// With a small OpenID Connect provider, to sign in with
        #[arg(long)]
        provider: bool,
    },
    /// Write a first configuration: from a few questions, or from nginx, Authelia or oauth2-proxy
    #[command(
        after_help = "Example:\n  vestibule init\n  vestibule init --yes --host wiki.internal.example --upstream http://127.0.0.1:3000\n  nginx -T | vestibule init --from-nginx - --policy observe --output vestibule.toml"
    )]
    Init(Box<init::Args>),
    /// Validate the configuration and run its policy tests: every problem at once
    #[command(after_help = "Example:\n  vestibule --config vestibule.toml check")]
    Check {
        /// Ask the directories too
        #[arg(long)]
        online: bool,
    },
    /// Print the JSON schema of the configuration file, for editors
    #[command(after_help = "Example:\n  vestibule schema > vestibule.schema.json")]
    Schema,
    /// Have the running gateway read its configuration again; where it is wrong nothing changes
    #[command(after_help = "Example:\n  vestibule check && vestibule reload --dry-run && vestibule reload")]
    Reload {
        /// Change nothing: say what would be decided otherwise (exit 0: nothing, 3: only stricter, 4: something is laxer)
        #[arg(long)]
        dry_run: bool,
    },
    /// What another configuration would change: who is stopped or let through that was not before
    #[command(
        after_help = "Exit status: 0 nothing differs, 3 only stricter, 4 something is laxer.\n\nExample:\n  vestibule diff new.toml --log /var/log/vestibule/access.jsonl.gz"
    )]
    Diff(diff::Args),
    /// How the gateway that runs is: listeners, routes, upstreams, certificates, store, mail, sessions
    #[command(after_help = "Exit status 1 if it is not ready.\n\nExample:\n  vestibule status --json")]
    Status,
    /// Whether the gateway that runs is ready: exit status 0 or 1, for container checks
    #[command(after_help = "Example:\n  vestibule health")]
    Health,
    /// Whether the mail server takes what the gateway sends
    #[command(subcommand, after_help = "Example:\n  vestibule mail test alice@internal.example")]
    Mail(commands::inspect::mail::Command),
    /// Which route and rule decide, what they require and why; nothing is sent
    #[command(after_help = "Example:\n  vestibule explain --user alice --from 10.1.2.3 http://wiki.internal.example/admin/users")]
    Explain(commands::explain::Args),
    /// See whether a directory can be used, step by step
    #[command(subcommand, after_help = "Example:\n  vestibule directory test corp --user alice")]
    Directory(commands::directory::Command),
    /// Manage accounts and their second factors
    #[command(subcommand, after_help = "Example:\n  vestibule user add alice --email alice@internal.example --group staff")]
    User(commands::user::Command),
    /// See and end sessions
    #[command(subcommand, after_help = "Example:\n  vestibule session list --user alice")]
    Session(commands::session::Command),
    /// API tokens: make, list and revoke them
    #[command(subcommand, after_help = "Example:\n  vestibule token create backup --name nightly --expires 90d")]
    Token(commands::token::Command),
    /// Try an OpenID Connect provider of the configuration
    #[command(subcommand, after_help = "Example:\n  vestibule provider test entra")]
    Provider(commands::provider::Command),
    /// Signing and encryption keys
    #[command(subcommand, after_help = "Example:\n  vestibule key rotate")]
    Key(commands::key::Command),
    /// Read the audit log, or prove it whole
    #[command(
        after_help = "Example:\n  vestibule audit --user alice --since 2h\n  vestibule audit --since 2026-01-27 --until 2026-01-28\n  vestibule audit --follow\n  vestibule audit verify"
    )]
    Audit(commands::audit::Args),
    /// Back up, restore, move between stores
    #[command(subcommand, after_help = "Example:\n  vestibule store export backup.jsonl")]
    Store(commands::store::Command),
    /// Print a link that lets a guest in once without a code
    #[command(after_help = "Example:\n  vestibule invite bob@partner.example --route wiki --expires 7d")]
    Invite(commands::user::invite::Args),
    /// Other proxies that stay in front and ask: their configurations
    #[command(subcommand, after_help = "Example:\n  vestibule forward-auth snippet nginx > /etc/nginx/conf.d/vestibule.conf")]
    ForwardAuth(commands::forward_auth::Command),
    /// Print shell completions
    #[command(after_help = "Example:\n  vestibule completions bash > /etc/bash_completion.d/vestibule")]
    Completions {
        #[arg(value_name = "SHELL")]
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write one for each command
    #[command(after_help = "Example:\n  vestibule man | man -l -\n  vestibule man --out /usr/local/share/man/man1")]
    Man {
        /// Write all pages into this folder
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
}

impl Command {
    /// Whether it does what a configuration says. What makes one, or needs none, does not look for one.
    const fn reads_a_configuration(&self) -> bool {
        !matches!(self, Self::Init(_) | Self::Demo { .. } | Self::Schema | Self::Completions { .. } | Self::Man { .. })
    }
}

/// Reads the arguments and does what they say.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => {
            let _ = e.print();
            return ExitCode::from(if e.use_stderr() { 2 } else { 0 });
        }
    };
    let code = run(cli).unwrap_or_else(|e| {
        let text = format!("{e:#}");
        eprintln!("vestibule: {}", terminal::output::printable(text.trim_end()));
        ExitCode::FAILURE
    });
    crate::telemetry::flush_log();
    code
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let config = match cli.config {
        Some(file) => file,
        None if cli.command.reads_a_configuration() => source::found()?,
        None => PathBuf::from(source::FIRST_PLACE),
    };
    let context = Context { source: ConfigSource::new(config, cli.data_dir)?, json: cli.json };
    match cli.command {
        Command::Init(args) => init::run(&context, *args)?,
        Command::Serve => serve::run(context.source)?,
        Command::Demo { listen, directory, provider } => demo::run(listen, (directory, provider), context.json, context.source.data_dir)?,
        Command::Check { online } => return commands::check::run(&context, online),
        Command::Schema => terminal::output::line(&format!("{:#}", crate::config::schema()))?,
        Command::Reload { dry_run: true } => return diff::dry_run(&context),
        Command::Reload { dry_run: false } => commands::check::reload(&context)?,
        Command::Diff(args) => return diff::run(&context, &args),
        Command::Status => return commands::inspect::status::status(&context),
        Command::Health => commands::inspect::status::health(&context)?,
        Command::Mail(command) => commands::inspect::mail::run(&context, command)?,
        Command::Explain(args) => commands::explain::run(&context, args)?,
        Command::Directory(command) => return commands::directory::run(&context, command),
        Command::User(command) => commands::user::run(&context, command)?,
        Command::Session(command) => commands::session::run(&context, command)?,
        Command::Token(command) => commands::token::run(&context, command)?,
        Command::Provider(command) => return commands::provider::run(&context, command),
        Command::Key(command) => commands::key::run(&context, command)?,
        Command::Audit(args) => commands::audit::run(&context, args)?,
        Command::Store(command) => commands::store::run(&context, command)?,
        Command::Invite(args) => commands::user::invite::run(&context, args)?,
        Command::ForwardAuth(command) => commands::forward_auth::run(&context, &command)?,
        Command::Completions { shell } => commands::extras::completions(&mut Cli::command(), shell),
        Command::Man { out } => commands::extras::man(Cli::command(), out.as_deref())?,
    }
    Ok(ExitCode::SUCCESS)
}
