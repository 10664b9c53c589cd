//! `vestibule store`: the store as a file, and back; and as views for people who speak SQL.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::{Value, json};

use crate::cli::access::copy_private;
use crate::cli::context::Context;
use crate::cli::control;
use crate::cli::terminal::output::cell;
use crate::cli::terminal::prompt::Sure;
use crate::service::backup::lines::Reader;

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Write everything to a file that only you can read, as it is at one moment
    #[command(
        after_help = "Secrets of authenticator apps stay sealed in it under DATA_DIR/keys.json, which is NOT in it:\nback that file up too, apart from this one.\n\nExample:\n  vestibule store export backup.jsonl"
    )]
    Export { file: PathBuf },
    /// Put an export into an empty store, or with --replace in the place of what is there; everybody signs in anew
    #[command(
        after_help = "The file's checksum is verified first, and its secrets must open under DATA_DIR/keys.json.\nSessions, sign-ins under way and links are left out: what was revoked since must not rise again.\n\nExample:\n  vestibule store import backup.jsonl"
    )]
    Import {
        file: PathBuf,
        /// Replace what is there
        #[arg(long)]
        replace: bool,
        #[command(flatten)]
        sure: Sure,
    },
    /// Print SQL that makes read-only views of accounts, sessions and the audit log in PostgreSQL, without secrets
    #[command(
        after_help = "Example:\n  vestibule store views | psql postgres://owner@db/vestibule\n  psql -c 'GRANT SELECT ON vestibule_accounts, vestibule_sessions, vestibule_audit TO reports'"
    )]
    Views,
}

pub fn run(context: &Context, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Views => {
            let sql = crate::store::views();
            context.say(&json!({ "sql": sql }), sql.trim_end())
        }
        Command::Export { file } => {
            let made = context.ask(control::Command::StoreExport)?;
            let made = PathBuf::from(made.get("file").and_then(Value::as_str).unwrap_or_default());
            let copied = copy_private(&made, &file, None);
            // It was made for this.
            let _ = std::fs::remove_file(&made);
            copied?;
            let records = records_in(&file)?;
            let done = json!({ "file": file, "records": records });
            context.say(&done, &format!("{records} records written to {}; back up keys.json too, apart from it", file.display()))
        }
        Command::Import { file, replace, sure } => {
            if replace {
                sure.asks("Replace everything in the store, and end every session?")?;
            }
            let folder = context.data_dir()?;
            let on_its_way = folder.join(format!("import-{}.jsonl", std::process::id()));
            // The gateway may be another user, who is to read it and no one else.
            copy_private(&file, &on_its_way, Some(&folder))?;
            let done = context.ask(control::Command::StoreImport { file: on_its_way.clone(), replace });
            let _ = std::fs::remove_file(&on_its_way);
            let done = done?;
            let records = done.get("records").map(cell).unwrap_or_default();
            context.say(&done, &format!("{records} records taken in; everybody signs in anew"))
        }
    }
}

/// What cannot be read back is no backup.
fn records_in(file: &std::path::Path) -> anyhow::Result<usize> {
    let (mut reader, mut records) = (Reader::open(std::io::BufReader::new(std::fs::File::open(file)?))?, 0);
    while reader.next_pair()?.is_some() {
        records += 1;
    }
    Ok(records)
}
