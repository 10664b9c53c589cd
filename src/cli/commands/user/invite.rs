//! `vestibule invite`: a link that lets a guest in once without a code.

use crate::cli::terminal::output::cell;
use crate::cli::{Context, control};

#[derive(clap::Args, Debug)]
pub struct Args {
    /// The guest's address; the route's `guests` must take it
    address: String,
    /// Where to
    #[arg(long, value_name = "R")]
    route: String,
    /// How long the link is valid, as 7d or 12h; at most 90d
    #[arg(long, value_name = "SPAN", default_value = "7d", value_parser = span)]
    expires: std::time::Duration,
}

/// The longest that an invitation may wait.
const LONGEST: std::time::Duration = std::time::Duration::from_secs(90 * 24 * 3600);

fn span(text: &str) -> Result<std::time::Duration, String> {
    let span = crate::config::read_duration(text)?;
    if span.is_zero() || span > LONGEST { Err("write 1s to 90d".to_owned()) } else { Ok(span) }
}

pub fn run(context: &Context, Args { address, route, expires }: Args) -> anyhow::Result<()> {
    let made = context.ask(control::Command::Invite { address, route, lifetime: expires })?;
    context.say(&made, &made.get("link").map(cell).unwrap_or_default())
}
