//! `vestibule audit`: the log, as it was or as it grows, and the proof that it is whole.

use std::time::Duration;

use clap::Subcommand;
use serde_json::Value;

use crate::base::{Clock, Time};
use crate::cli::access::Access;
use crate::cli::context::Context;
use crate::cli::control;
use crate::cli::terminal::output;
use crate::cli::terminal::output::cell;

/// How often a followed log is looked at.
const POLL: Duration = Duration::from_millis(500);
const PAGE: usize = 2000;

#[derive(clap::Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    /// What happened to this user, or was done by them
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// From when: an RFC 3339 time, a date (YYYY-MM-DD, UTC), or how long ago (30m, 2h, 7d)
    #[arg(long, value_name = "T", value_parser = since)]
    since: Option<Time>,
    /// Until when, as --since; not counted in
    #[arg(long, value_name = "T", value_parser = since, conflicts_with = "follow")]
    until: Option<Time>,
    /// Go on as the log grows, until interrupted; JSON is then one object a line
    #[arg(long)]
    follow: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Walk the whole log: changed, missing and reordered records show; exit status 1 if there are any
    #[command(after_help = "Example:\n  vestibule audit verify")]
    Verify,
}

fn since(text: &str) -> Result<Time, String> {
    since_at(text, Clock::system().now())
}

fn since_at(text: &str, now: Time) -> Result<Time, String> {
    let wanted = "an RFC 3339 time (2026-01-31T12:00:00Z), a date (2026-01-31) or how long ago (2h) is wanted";
    if let Some(time) = Time::parse(text).or_else(|| Time::parse(&format!("{text}T00:00:00Z"))) {
        return Ok(time);
    }
    let unit = text.chars().last().ok_or(wanted)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return Err(wanted.to_owned()),
    };
    let digits = text.strip_suffix(unit).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit())).ok_or(wanted)?;
    let span = digits.parse::<u64>().ok().and_then(|count| count.checked_mul(seconds)).ok_or(wanted)?;
    Ok(now.minus(Duration::from_secs(span)))
}

pub fn run(context: &Context, args: Args) -> anyhow::Result<()> {
    match args.command {
        Some(Command::Verify) => verify(context),
        None if args.follow => follow(context, &args),
        None => {
            let mut all = Vec::new();
            read(&mut context.open()?, &args, 0, |record| {
                all.push(record);
                Ok(())
            })?;
            if context.json {
                return output::json(&Value::Array(all));
            }
            all.iter().try_for_each(|record| output::line(&words(record)))
        }
    }
}

/// Hands over the records after a number; the number of the last one that is there.
fn read(access: &mut Access, args: &Args, from: u64, mut each: impl FnMut(Value) -> anyhow::Result<()>) -> anyhow::Result<u64> {
    let mut after = from;
    loop {
        let command = control::Command::AuditRead { user: args.user.clone(), since: args.since, until: args.until, after, limit: PAGE };
        let mut page = access.run(command)?;
        after = page.get("last").and_then(Value::as_u64).unwrap_or(after);
        if let Some(Value::Array(records)) = page.get_mut("records").map(Value::take) {
            records.into_iter().try_for_each(&mut each)?;
        }
        if page.get("more") != Some(&Value::Bool(true)) {
            return Ok(after);
        }
    }
}

/// A store that is read directly is let go between two looks, so that a gateway can start; one that stops is waited for.
fn follow(context: &Context, args: &Args) -> anyhow::Result<()> {
    let (mut after, mut open) = (0, None);
    loop {
        let mut access = match open.take() {
            Some(access) => access,
            None => context.open()?,
        };
        let seen = read(&mut access, args, after, |record| {
            let text = if context.json { serde_json::to_string(&record)? } else { words(&record) };
            after = record.get("seq").and_then(Value::as_u64).unwrap_or(after);
            line_or_end(&text)
        });
        match seen {
            Ok(last) => {
                after = last;
                open = access.is_gateway().then_some(access);
            }
            Err(e) if e.is::<Ended>() => return Ok(()),
            Err(e) if !access.is_gateway() => return Err(e),
            Err(_) => drop(access),
        }
        std::thread::sleep(POLL);
    }
}

/// The reader of our output went away.
#[derive(Debug, thiserror::Error)]
#[error("nobody reads on")]
struct Ended;

fn line_or_end(text: &str) -> anyhow::Result<()> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Err(Ended.into()),
        other => Ok(other?),
    }
}

/// A record as one line: time, event, and what else there is.
fn words(record: &Value) -> String {
    let get = |key: &str| record.get(key).map(cell).filter(|text| text != "-");
    let mut line = format!("{}  {:<20}", get("at").unwrap_or_default(), get("event").unwrap_or_default());
    for (key, before) in [("user", ""), ("by", "by "), ("address", "from "), ("detail", "")] {
        if let Some(text) = get(key) {
            line.push_str("  ");
            line.push_str(before);
            line.push_str(&text);
        }
    }
    line
}

fn verify(context: &Context) -> anyhow::Result<()> {
    let report = context.ask(control::Command::AuditVerify)?;
    let get = |key: &str| report.get(key).map(cell).unwrap_or_default();
    let faults: Vec<String> = report.get("faults").and_then(Value::as_array).into_iter().flatten().map(cell).collect();
    if report.get("whole") == Some(&Value::Bool(true)) {
        let removed = if get("removed") == "0" {
            String::new()
        } else {
            format!(" after number {}, up to which they were removed by age", get("removed"))
        };
        return context
            .say(&report, &format!("the audit log is whole: {} records{removed}, the last hash {}", get("records"), get("hash")));
    }
    context.say(&report, &faults.join("\n"))?;
    let first = faults.first().cloned().unwrap_or_default();
    anyhow::bail!("the audit log is not whole: {first}; compare it with a backup (`vestibule store export`)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_is_a_time_a_date_or_a_span() {
        let now = Time::parse("2026-01-31T12:00:00Z").unwrap();
        let read = |text: &str| since_at(text, now).map(Time::rfc3339);
        assert_eq!(read("2026-01-30").unwrap(), "2026-01-30T00:00:00Z");
        assert_eq!(read("2026-01-30T01:02:03+01:00").unwrap(), "2026-01-30T00:02:03Z");
        assert_eq!(read("2h").unwrap(), "2026-01-31T10:00:00Z");
        assert_eq!(read("30d").unwrap(), "2026-01-01T12:00:00Z");
        for bad in ["", "h", "2", "2w", "-2h", "yesterday", "2026-13-01", "99999999999999999999h", "2é"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_record_is_one_line() {
        let record = serde_json::json!({"at": "2026-01-30T00:00:00Z", "event": "sign_out", "user": "a\nb", "by": null, "detail": ""});
        assert_eq!(words(&record), "2026-01-30T00:00:00Z  sign_out              a\\u{a}b");
    }
}
