//! `vestibule session`: who is signed in, and the end of it.

use clap::Subcommand;

use crate::cli::context::Context;
use crate::cli::control;
use crate::cli::terminal::output::reached;
use crate::cli::terminal::prompt::Sure;

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Every session, or a user's
    #[command(after_help = "Example:\n  vestibule session list --user alice --json")]
    List {
        /// This user's only
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
    },
    /// End one session, a user's, or all; open connections are cut at once
    #[command(after_help = "Example:\n  vestibule session revoke --user alice")]
    Revoke {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        sure: Sure,
    },
}

#[derive(clap::Args, Debug)]
#[group(required = true, multiple = false)]
pub struct Which {
    /// The session's id, from `session list`
    id: Option<String>,
    /// All of this user's
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Everybody's
    #[arg(long)]
    all: bool,
}

const COLUMNS: [(&str, &str); 7] = [
    ("id", "ID"),
    ("user", "USER"),
    ("created", "CREATED"),
    ("last_seen", "LAST SEEN"),
    ("method", "METHOD"),
    ("address", "ADDRESS"),
    ("browser", "BROWSER"),
];

pub fn run(context: &Context, command: Command) -> anyhow::Result<()> {
    match command {
        Command::List { user } => context.list(&COLUMNS, &context.ask(control::Command::SessionList { user })?),
        Command::Revoke { which: Which { id, user, .. }, sure } => {
            let whose = match (&id, &user) {
                (Some(_), _) => "this session".to_owned(),
                (None, Some(user)) => format!("all sessions of {user}"),
                (None, None) => "everybody's sessions".to_owned(),
            };
            sure.asks(&format!("End {whose}?"))?;
            let which = match (id, user) {
                (Some(id), _) => control::Which::One(id),
                (None, Some(user)) => control::Which::OfUser(user),
                (None, None) => control::Which::All,
            };
            let done = context.ask(control::Command::SessionRevoke { which })?;
            let count = done.get("revoked").and_then(serde_json::Value::as_u64).unwrap_or(0);
            context.say(&done, &format!("{count} session{} ended{}", if count == 1 { "" } else { "s" }, reached(&done)))
        }
    }
}
