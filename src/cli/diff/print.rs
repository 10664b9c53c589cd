//! A report in words, from its JSON: the same for what was compared here and for what a gateway compared.

use serde_json::Value;

use super::super::terminal::output::{aligned, cell};
use super::traffic::About;
use crate::policy::Change;

/// The whole report.
pub fn words(report: &Value) -> String {
    let list = |key: &str| report.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let (changes, settings, authorities) = (list("changes"), list("settings"), list("authorities"));
    let mut out = match changes.as_slice() {
        [] if report.get("complete") == Some(&Value::Bool(false)) => String::new(),
        [] if !authorities.is_empty() => String::new(),
        [] => "Nothing differs: every request is decided as before.\n".to_owned(),
        _ => format!("{}\n", aligned(&changes.iter().map(change).collect::<Vec<_>>())),
    };
    if report.get("complete") == Some(&Value::Bool(false)) {
        out.push_str("\nToo many rules or patterns to look at every kind of request: there may be further differences.\n");
    }
    if !authorities.is_empty() {
        let rows: Vec<_> = authorities.iter().flat_map(authority).collect();
        out.push_str(&format!("\nClient certificates:\n{}\n", aligned(&rows)));
    }
    if !settings.is_empty() {
        let names = settings.iter().map(cell).collect::<Vec<_>>().join(", ");
        out.push_str(&format!("\nAlso changed, and not compared by meaning: {names}\n"));
    }
    if let Some(rows) = report.get("traffic").and_then(Value::as_array) {
        out.push_str("\nIn the log:\n");
        out.push_str(&match rows.as_slice() {
            [] => "  no request would be decided otherwise".to_owned(),
            rows => rows.iter().map(traffic).collect::<Vec<_>>().join("\n"),
        });
        out.push('\n');
    }
    out.trim_end().to_owned()
}

fn text(value: &Value, key: &str) -> String {
    value.get(key).map(cell).unwrap_or_default()
}

fn joined(value: &Value, key: &str, with: &str) -> String {
    value.get(key).and_then(Value::as_array).into_iter().flatten().map(cell).collect::<Vec<_>>().join(with)
}

fn change(change: &Value) -> Vec<String> {
    let methods = match joined(change, "methods", ", ").as_str() {
        "*" => String::new(),
        some => format!("{some} "),
    };
    let hosts = match joined(change, "hosts", ", ").as_str() {
        "*" => "every other host".to_owned(),
        some => some.to_owned(),
    };
    let sides = format!("{}, now {}", side(change.get("before")), side(change.get("after")));
    vec![text(change, "direction"), format!("{methods}{hosts} {}", text(change, "path")), format!("{}: {sides}", text(change, "who"))]
}

/// One line for each set that differs.
fn authority(change: &Value) -> Vec<Vec<String>> {
    let sets = [
        ("trusted", "issued by"),
        ("no_longer_trusted", "no longer issued by"),
        ("revoked", "revoked:"),
        ("no_longer_revoked", "no longer revoked:"),
    ];
    let line = |said: String| vec![text(change, "direction"), joined(change, "hosts", ", "), said];
    let known = sets.iter().filter_map(|(key, said)| {
        let all = change.get(*key).and_then(Value::as_array)?;
        let (shown, more) = (all.iter().take(5).map(cell).collect::<Vec<_>>().join("; "), all.len().saturating_sub(5));
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        (!all.is_empty()).then(|| line(format!("{said} {shown}{more}")))
    });
    let unreadable = change.get("unreadable").map(|why| line(format!("not known: {}", cell(why))));
    known.chain(unreadable).collect()
}

/// `two factors (groups staff, factors totp, no older than 900s)`
fn side(side: Option<&Value>) -> String {
    let Some(side) = side else { return String::new() };
    let outcome = match text(side, "outcome").as_str() {
        "bypass" => "open".to_owned(),
        "one_factor" => "one factor".to_owned(),
        "two_factor" => "two factors".to_owned(),
        "no_route" => "no route".to_owned(),
        "refused" => "refused (400)".to_owned(),
        "deny" => "denied".to_owned(),
        other => other.to_owned(),
    };
    let mut more = Vec::new();
    for (key, words) in [("groups", "groups"), ("factors", "by")] {
        if side.get(key).and_then(Value::as_array).is_some_and(|all| !all.is_empty()) {
            more.push(format!("{words} {}", joined(side, key, " or ")));
        }
    }
    more.extend(side.get("max_age").map(|age| format!("no older than {}", cell(age))));
    more.extend(side.get("device_bound").map(|rule| format!("bound sessions: {}", cell(rule))));
    more.extend(side.get("device_age").map(|age| format!("device shown in the last {}", cell(age))));
    more.extend((side.get("enforce") == Some(&Value::Bool(false))).then(|| "only observed".to_owned()));
    more.extend((side.get("maintenance") == Some(&Value::Bool(true))).then(|| "away for maintenance".to_owned()));
    more.extend(side.get("tokens").map(|tokens| format!("tokens {}", cell(tokens))));
    more.extend(side.get("guests").map(|guests| format!("guests {}", cell(guests))));
    if more.is_empty() { outcome } else { format!("{outcome} ({})", more.join(", ")) }
}

fn traffic(row: &Value) -> String {
    let people = row.get("users").and_then(Value::as_array).map_or(0, Vec::len);
    let sides = format!("{}, now {}", side(row.get("before")), side(row.get("after")));
    let mut line = format!("  {} {} {}: {} requests", text(row, "direction"), text(row, "route"), text(row, "path"), text(row, "requests"));
    if people > 0 {
        line.push_str(&format!(" of {people} people"));
    }
    line.push_str(&format!(": {sides}"));
    let services = joined(row, "service_accounts", ", ");
    if !services.is_empty() {
        line.push_str(&format!("\n    service accounts: {services}"));
    }
    let unready = joined(row, "not_ready", ", ");
    if !unready.is_empty() {
        line.push_str(&format!("\n    without a second factor that counts: {unready}"));
    }
    line
}

/// What was read, and what a log cannot tell.
pub fn about(about: &About) -> String {
    let span = match (&about.first, &about.last) {
        (Some(first), Some(last)) => format!(", {first} to {last}"),
        _ => String::new(),
    };
    let mut out = format!("\n{} requests read{span}", about.requests);
    if about.unread > 0 {
        out.push_str(&format!("; {} lines were no request of an access log in JSON", about.unread));
    }
    if !about.accounts {
        out.push_str("\nThe accounts could not be reached: people are taken to be in the groups that their routes demanded, and nobody's second factors are known.");
    }
    out.push_str("\nA log tells neither the query of a request nor what its session had proved.");
    out
}

/// A change as it stands in the audit log.
pub fn short(change: &Change) -> String {
    let (before, after) = (change.before.outcome, change.after.outcome);
    format!("{}{} {} {before} to {after}", change.hosts.join(","), change.path, change.who)
}
