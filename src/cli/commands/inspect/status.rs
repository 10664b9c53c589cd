//! `vestibule status` and `vestibule health`: how the gateway that runs is. Both ask it over its control socket, so they work where
//! no port is open for them, in a container too.

use std::process::ExitCode;

use serde_json::Value;

use crate::cli::access::Access;
use crate::cli::context::Context;
use crate::cli::control;
use crate::cli::terminal::output;
use crate::cli::terminal::output::cell;

/// Exit status 1 if it is not ready.
pub fn status(context: &Context) -> anyhow::Result<ExitCode> {
    let status = Access::gateway(&context.source)?.run(control::Command::Status)?;
    if context.json {
        output::json(&status)?
    } else {
        output::line(&text(&status))?
    }
    let ready = status.get("ready").and_then(Value::as_bool) == Some(true);
    Ok(if ready { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// For container checks: says nothing if all is well.
pub fn health(context: &Context) -> anyhow::Result<()> {
    let answer = Access::gateway(&context.source)?.run(control::Command::Health)?;
    if context.json { output::json(&answer) } else { Ok(()) }
}

fn text(status: &Value) -> String {
    let get = |key: &str| status.get(key).map(cell).unwrap_or_default();
    let ready =
        if status.get("ready").and_then(Value::as_bool) == Some(true) { "yes".to_owned() } else { format!("no: {}", get("reason")) };
    let mut lines = vec![vec!["version".to_owned(), get("version")], vec!["ready".to_owned(), ready]];
    lines.extend(["started", "last_reload", "sessions"].map(|key| vec![key.replace('_', " "), get(key)]));
    lines.push(vec!["listeners".to_owned(), get("listeners")]);
    lines.push(vec!["store".to_owned(), get("store")]);
    for channel in ["mail", "sms"] {
        lines.push(vec![channel.to_owned(), status.get(channel).map(channel_text).unwrap_or_default()]);
    }
    for certificate in list(status, "certificates") {
        let get = |key: &str| certificate.get(key).map(cell).unwrap_or_default();
        lines.push(vec!["certificate".to_owned(), format!("{} until {}", get("names"), get("expires"))]);
    }
    for directory in list(status, "directories") {
        lines.push(vec![
            "directory".to_owned(),
            format!("{}: {}", directory.get("name").map(cell).unwrap_or_default(), ends(directory, "servers")),
        ]);
    }
    for gateway in list(status, "gateways") {
        lines.push(vec!["gateway".to_owned(), gateway_text(gateway)]);
    }
    for warning in list(status, "warnings") {
        lines.push(vec!["warning".to_owned(), cell(warning)]);
    }
    for route in list(status, "routes") {
        let get = |key: &str| route.get(key).map(cell).unwrap_or_default();
        lines.push(vec!["route".to_owned(), format!("{} ({}): {}", get("name"), get("policy"), ends(route, "upstreams"))]);
    }
    output::aligned(&lines)
}

fn list<'v>(value: &'v Value, key: &str) -> impl Iterator<Item = &'v Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

/// `web1 1.2.3, configuration 3f2a01b2c3d4, 12 sessions, heard 2026-01-01T00:00:00Z (this one)`.
fn gateway_text(gateway: &Value) -> String {
    let get = |key: &str| gateway.get(key).map(cell).unwrap_or_default();
    let is = |key: &str| gateway.get(key).and_then(Value::as_bool) == Some(true);
    let mut text = format!(
        "{} {}, configuration {}, {} sessions, heard {}, {}",
        get("name"),
        get("version"),
        get("fingerprint"),
        get("sessions"),
        get("heard"),
        get("listeners"),
    );
    if is("own") {
        text += " (this one)";
    } else if !is("live") {
        text += " SILENT";
    }
    text
}

/// `127.0.0.1:3000 up, 127.0.0.1:3001 DOWN`.
fn ends(of: &Value, key: &str) -> String {
    let one = |end: &Value| {
        let up = end.get("up").and_then(Value::as_bool);
        format!("{} {}", end.get("address").map(cell).unwrap_or_default(), if up == Some(true) { "up" } else { "DOWN" })
    };
    let all: Vec<String> = list(of, key).map(one).collect();
    if all.is_empty() { "-".to_owned() } else { all.join(", ") }
}

fn channel_text(channel: &Value) -> String {
    let number = |key: &str| channel.get(key).and_then(Value::as_u64).unwrap_or(0);
    match channel.get("failing").and_then(Value::as_bool) {
        None => "not configured".to_owned(),
        Some(failing) => {
            let state = if failing { "FAILING" } else { "ok" };
            format!("{state}, {} sent, {} failed, {} waiting", number("sent"), number("failed"), number("pending"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_at_a_glance() {
        let status = serde_json::json!({
            "version": "1.0.0", "ready": false, "reason": "the store does not answer", "started": "2026-01-01T00:00:00Z", "last_reload": null,
            "sessions": 3, "listeners": ["http://127.0.0.1:8080"], "store": "sled", "mail": null,
            "sms": { "failing": true, "sent": 2, "failed": 1, "pending": 4 },
            "certificates": [{ "listen": "0.0.0.0:443", "names": ["a.example", "b.example"], "expires": "2026-03-01T00:00:00Z" }],
            "directories": [],
            "gateways": [{ "name": "web1", "version": "1.0.0", "fingerprint": "3f2a01b2c3d4", "sessions": 3, "heard": "2026-01-01T00:00:00Z",
                "listeners": ["http://127.0.0.1:8080"], "own": false, "live": false }],
            "warnings": ["gateways differ"],
            "routes": [{ "name": "wiki", "policy": "one_factor", "upstreams": [{ "address": "127.0.0.1:1", "up": true }, { "address": "127.0.0.1:2", "up": false }] }],
        });
        let text = text(&status);
        for wanted in [
            "no: the store does not answer",
            "last reload  -",
            "not configured",
            "FAILING, 2 sent, 1 failed, 4 waiting",
            "web1 1.0.0, configuration 3f2a01b2c3d4, 3 sessions, heard 2026-01-01T00:00:00Z, http://127.0.0.1:8080 SILENT",
            "warning      gateways differ",
            "a.example, b.example until 2026-03-01T00:00:00Z",
            "wiki (one_factor): 127.0.0.1:1 up, 127.0.0.1:2 DOWN",
        ] {
            assert!(text.contains(wanted), "{wanted}:\n{text}");
        }
    }
}
