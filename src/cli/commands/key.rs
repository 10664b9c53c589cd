//! `vestibule key`: the keys that sign cookies and seal secrets.

use clap::Subcommand;
use serde_json::Value;

use crate::cli::context::Context;
use crate::cli::control;
use crate::cli::terminal::output::cell;

#[derive(Subcommand, Debug)]
pub enum Command {
    /// The keys, oldest first; never their secrets
    #[command(after_help = "Example:\n  vestibule key list")]
    List,
    /// Sign with a new key from now on; nobody is signed out, secrets are sealed anew
    #[command(
        after_help = "The old keys are honoured until nothing rests on them any more, and dropped by a later rotation.\nEmbedded store: back up DATA_DIR/keys.json afterwards.\nPostgreSQL: the key is published to all gateways first, which takes ten seconds; their keys.json stays as it is.\n\nExample:\n  vestibule key rotate"
    )]
    Rotate,
}

const COLUMNS: [(&str, &str); 4] = [("id", "ID"), ("created", "CREATED"), ("newest", "SIGNS"), ("sealed_secrets", "SEALED SECRETS")];

pub fn run(context: &Context, command: Command) -> anyhow::Result<()> {
    match command {
        Command::List => context.list(&COLUMNS, &context.ask(control::Command::KeyList)?),
        Command::Rotate => {
            let mut access = context.open()?;
            // A gateway seals anew while it goes on working; without one nobody would.
            let wait = !access.is_gateway();
            let done = access.run(control::Command::KeyRotate { wait })?;
            let dropped = match done.get("dropped") {
                Some(Value::Array(ids)) if !ids.is_empty() => format!("; dropped: {}", cell(&Value::Array(ids.clone()))),
                _ => String::new(),
            };
            // The key file of gateways that share a store stays as it is.
            let backup = if done.get("signs_from").is_some() { "" } else { "; back up keys.json" };
            let id = done.get("id").map(cell).unwrap_or_default();
            context.say(&done, &format!("key {id} signs from now on{dropped}{backup}"))
        }
    }
}
