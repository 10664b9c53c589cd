//! `vestibule user`: accounts.

pub mod invite;
mod mfa;

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use serde_json::Value;

use crate::cli::access::read_file;
use crate::cli::context::Context;
use crate::cli::control;
use crate::cli::terminal::output;
use crate::cli::terminal::output::{cell, reached};
use crate::cli::terminal::progress::Line;
use crate::cli::terminal::prompt::{PasswordFrom, Sure};
use crate::service::accounts::NewAccount;
use crate::service::admin::AccountChange;
use crate::service::import::{self, Format};

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Create an account; without a password it prints a one-time set-up link, good for 24 hours
    #[command(after_help = "Example:\n  vestibule user add alice --email alice@internal.example --group staff --group wiki")]
    Add(Add),
    /// Every account
    #[command(after_help = "Example:\n  vestibule user list --json")]
    List,
    /// One account
    #[command(after_help = "Example:\n  vestibule user show alice")]
    Show(Named),
    /// Remove an account and end its sessions
    #[command(after_help = "Example:\n  vestibule user delete alice")]
    Delete(NamedSure),
    /// Let nobody sign in to it, and end its sessions
    #[command(after_help = "Example:\n  vestibule user disable alice")]
    Disable(NamedSure),
    /// Let it be signed in to again
    #[command(after_help = "Example:\n  vestibule user enable alice")]
    Enable(Named),
    /// Forget its failures, so that it can be signed in to at once
    #[command(after_help = "Example:\n  vestibule user unlock alice")]
    Unlock(Named),
    /// Accept the entry that has this name at the account's directory now; whatever the former person had set up is removed
    #[command(after_help = "Example:\n  vestibule user rebind alice")]
    Rebind(NamedSure),
    /// Set its password: asked for on the terminal, or from standard input or a file; ends its sessions
    #[command(after_help = "Example:\n  vestibule user passwd alice --password-stdin < new-password")]
    Passwd(Passwd),
    /// Change what is kept of a person
    #[command(after_help = "Example:\n  vestibule user set alice --phone +491701234567 --group staff")]
    Set(Set),
    /// Print a fresh one-time set-up link, good for 24 hours: chooses a password, touches no factor
    #[command(after_help = "Example:\n  vestibule user link alice")]
    Link(Named),
    /// Say who a local account is at a provider, so that the provider signs them in
    #[command(after_help = "Entra ID's subject is TENANT/OBJECT.\n\nExample:\n  vestibule user link-provider alice corp 248289761001")]
    LinkProvider {
        /// Name or e-mail address
        name: String,
        /// The provider's `name` in the configuration
        provider: String,
        /// The provider's own id of the person
        subject: String,
    },
    /// Take that link away; ends the user's sessions
    #[command(after_help = "Example:\n  vestibule user unlink-provider alice corp")]
    UnlinkProvider {
        /// Name or e-mail address
        name: String,
        /// The provider's `name` in the configuration
        provider: String,
    },
    /// Create many accounts: all or nothing, with a line number for each fault
    #[command(
        after_help = "csv: the first line names the columns: name,email,phone,display_name,groups (groups separated by `;`).\nauthelia: a users_database.yml, hashes kept.\nhtpasswd: bcrypt hashes (htpasswd -B), kept until the next sign-in; needs --email-domain.\n\nExample:\n  vestibule user import people.csv --format csv\n  vestibule user import .htpasswd --format htpasswd --email-domain internal.example"
    )]
    Import(Import),
    /// A user's second factors, as an administrator
    #[command(
        after_help = "Example:\n  vestibule user mfa alice --configure-later\n  vestibule user mfa alice --reset totp\n  vestibule user mfa alice --totp-uri-stdin < uri --recovery-codes"
    )]
    Mfa(mfa::Args),
}

#[derive(clap::Args, Debug)]
pub struct Named {
    /// Name or e-mail address
    name: String,
}

#[derive(clap::Args, Debug)]
pub struct NamedSure {
    /// Name or e-mail address
    name: String,
    #[command(flatten)]
    sure: Sure,
}

#[derive(clap::Args, Debug)]
pub struct Passwd {
    /// Name or e-mail address
    name: String,
    #[command(flatten)]
    password: PasswordFrom,
}

#[derive(clap::Args, Debug)]
pub struct Add {
    name: String,
    #[arg(long, value_name = "E", required_unless_present = "service")]
    email: Option<String>,
    /// An account for a machine: no password and no pages, API tokens or a client certificate only
    #[arg(long)]
    service: bool,
    /// The whole subject of the client certificate that stands for a service account: CN=backup,OU=Machines,O=Example
    #[arg(long, value_name = "S", requires = "service")]
    certificate_subject: Option<String>,
    /// In international form, as +491701234567
    #[arg(long, value_name = "P")]
    phone: Option<String>,
    #[arg(long, value_name = "D")]
    display_name: Option<String>,
    /// Again for more
    #[arg(long = "group", value_name = "G")]
    groups: Vec<String>,
    #[command(flatten)]
    password: PasswordFrom,
}

#[derive(clap::Args, Debug)]
#[group(skip)]
#[command(group = clap::ArgGroup::new("change").required(true).multiple(true).args(["email", "phone", "display_name", "groups", "no_groups", "certificate_subject"]))]
pub struct Set {
    /// Name or e-mail address
    name: String,
    #[arg(long, value_name = "E")]
    email: Option<String>,
    /// In international form; an empty one removes it
    #[arg(long, value_name = "P")]
    phone: Option<String>,
    #[arg(long, value_name = "D")]
    display_name: Option<String>,
    /// The groups from now on (again for more), in the place of all there were
    #[arg(long = "group", value_name = "G")]
    groups: Vec<String>,
    /// No groups from now on
    #[arg(long, conflicts_with = "groups")]
    no_groups: bool,
    /// Of a service account: the subject of its client certificate; an empty one removes it
    #[arg(long, value_name = "S")]
    certificate_subject: Option<String>,
}

#[derive(clap::Args, Debug)]
pub struct Import {
    file: PathBuf,
    #[arg(long, value_enum)]
    format: FormatArg,
    /// htpasswd: the domain that makes a name an e-mail address
    #[arg(long, value_name = "D")]
    email_domain: Option<String>,
    /// Print a set-up link for each account that has no password yet
    #[arg(long)]
    links: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FormatArg {
    Csv,
    Authelia,
    Htpasswd,
}

const COLUMNS: [(&str, &str); 9] = [
    ("name", "NAME"),
    ("email", "EMAIL"),
    ("source", "SOURCE"),
    ("groups", "GROUPS"),
    ("mfa_policy", "POLICY"),
    ("methods", "METHODS"),
    ("disabled", "DISABLED"),
    ("locked_until", "LOCKED UNTIL"),
    ("certificate_subject", "CERTIFICATE"),
];

pub fn run(context: &Context, command: Command) -> anyhow::Result<()> {
    use control::Command as Do;
    let disable = |name, yes| Do::UserSet { name, change: AccountChange { disabled: Some(yes), ..AccountChange::default() } };
    match command {
        Command::Add(args) => add(context, args),
        Command::List => {
            let accounts = context.ask(Do::UserList)?;
            let has_certificates = accounts.as_array().is_some_and(|all| all.iter().any(|one| one.get("certificate_subject").is_some()));
            let columns = COLUMNS.split_last().filter(|_| !has_certificates).map_or(&COLUMNS[..], |(_, others)| others);
            context.list(columns, &accounts)
        }
        Command::Show(Named { name }) => {
            let account = context.ask(Do::UserShow { name })?;
            context.say(&account, &output::fields(&account))
        }
        Command::Delete(NamedSure { name, sure }) => {
            sure.asks(&format!("Delete the account {name}, with its second factors and sessions?"))?;
            done(context, Do::UserDelete { name }, "deleted")
        }
        Command::Disable(NamedSure { name, sure }) => {
            sure.asks(&format!("Disable the account {name} and end its sessions?"))?;
            done(context, disable(name, true), "disabled")
        }
        Command::Enable(Named { name }) => done(context, disable(name, false), "enabled"),
        Command::Rebind(NamedSure { name, sure }) => {
            sure.asks(&format!("Bind {name} to another entry, and remove what was set up for the account?"))?;
            done(context, Do::UserRebind { name }, "rebound; its second factors are removed")
        }
        Command::Unlock(Named { name }) => done(context, Do::UserUnlock { name }, "unlocked"),
        Command::Passwd(Passwd { name, password }) => {
            let password = password.given_or_asked()?;
            done(context, Do::UserPasswd { name, password }, "password set")
        }
        Command::Set(args) => set(context, args),
        Command::Link(Named { name }) => {
            let link = context.ask(Do::UserLink { name })?;
            context.say(&link, &link.get("setup_link").map(cell).unwrap_or_default())
        }
        Command::LinkProvider { name, provider, subject } => done(context, Do::UserLinkProvider { name, provider, subject }, "linked"),
        Command::UnlinkProvider { name, provider } => done(context, Do::UserUnlinkProvider { name, provider }, "unlinked"),
        Command::Import(args) => import(context, &args),
        Command::Mfa(args) => mfa::run(context, &args),
    }
}

fn done(context: &Context, command: control::Command, what: &str) -> anyhow::Result<()> {
    let account = context.ask(command)?;
    context.say(&account, &format!("{}: {what}{}", account.get("name").map(cell).unwrap_or_default(), reached(&account)))
}

fn add(context: &Context, args: Add) -> anyhow::Result<()> {
    let password = args.password.given()?;
    let Add { name, email, service, certificate_subject, phone, display_name, groups, .. } = args;
    let new = NewAccount {
        name,
        email: email.unwrap_or_default(),
        phone,
        display_name,
        groups,
        service,
        certificate_subject,
        password_hash: None,
    };
    let account = context.ask(control::Command::UserAdd { new, password })?;
    let name = account.get("name").map(cell).unwrap_or_default();
    let words = match account.get("setup_link") {
        Some(link) => format!("{name}: added; the set-up link, good once and for 24 hours:\n{}", cell(link)),
        None => format!("{name}: added"),
    };
    context.say(&account, &words)
}

fn set(context: &Context, args: Set) -> anyhow::Result<()> {
    let groups = (args.no_groups || !args.groups.is_empty()).then_some(args.groups);
    let Set { name, email, phone, display_name, certificate_subject, .. } = args;
    let change = AccountChange { email, phone, display_name, groups, disabled: None, certificate_subject };
    done(context, control::Command::UserSet { name, change }, "changed")
}

fn import(context: &Context, args: &Import) -> anyhow::Result<()> {
    let format = match args.format {
        FormatArg::Csv => Format::Csv,
        FormatArg::Authelia => Format::Authelia,
        FormatArg::Htpasswd => Format::Htpasswd,
    };
    let refused = |faults: Vec<String>| -> anyhow::Result<()> {
        faults.iter().try_for_each(|fault| output::line(&format!("{}: {}", args.file.display(), output::plain(fault))))?;
        let first = faults.first().cloned().unwrap_or_default();
        anyhow::bail!("nothing was imported: {} faults, the first in {}", faults.len(), output::plain(&first))
    };
    let entries = match import::read(format, &read_file(&args.file)?, args.email_domain.as_deref()) {
        Ok(entries) => entries,
        Err(faults) => return refused(faults.iter().map(ToString::to_string).collect()),
    };
    let answer = {
        let line = Line::on_stderr();
        let command = control::Command::UserImport { entries, links: args.links, progress: line.is_terminal() };
        context.open()?.run_telling(command, &|progress| line.show(progress))?
    };
    if let Some(faults) = answer.get("faults") {
        let faults: Vec<import::Fault> = serde_json::from_value(faults.clone())?;
        return refused(faults.iter().map(ToString::to_string).collect());
    }
    let imported = answer.get("imported").and_then(Value::as_array).cloned().unwrap_or_default();
    if context.json {
        return output::json(&Value::Array(imported));
    }
    for one in imported.iter().filter(|one| one.get("setup_link").is_some_and(Value::is_string)) {
        let get = |key: &str| one.get(key).map(cell).unwrap_or_default();
        output::line(&format!("{}\t{}", get("name"), get("setup_link")))?;
    }
    output::line(&format!("{} accounts imported", imported.len()))
}
