//! What the demo says in the terminal: what to open, as whom, and the code to type.

use std::io::Write;
use std::net::SocketAddr;

use super::people::Person;
use crate::base::Time;
use crate::factor::{qr, totp};

/// The address to open. `localhost`, where that is what is listened on: a passkey works there and not on an IP address.
pub fn url(listen: Option<&str>, first: Option<SocketAddr>, port: u16) -> String {
    match (listen.and_then(|text| text.parse::<SocketAddr>().ok()), first) {
        (Some(given), Some(first)) if !given.ip().is_loopback() => format!("http://{first}"),
        _ => format!("http://localhost:{port}"),
    }
}

/// Prints it, as text or as one JSON object on one line.
///
/// # Errors
/// Where standard output is closed.
pub fn tell(url: &str, people: &[Person], json: bool, now: Time) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    if json {
        let users: Vec<_> = people
            .iter()
            .map(|person| serde_json::json!({ "name": person.name, "password": person.password, "totp_uri": person.totp.as_ref().map(|app| &app.uri) }))
            .collect();
        writeln!(out, "{}", serde_json::json!({ "url": url, "outbox": format!("{url}/outbox"), "users": users }))?;
    } else {
        write!(out, "{}", text(url, people, now))?;
    }
    Ok(out.flush()?)
}

fn text(url: &str, people: &[Person], now: Time) -> String {
    let mut lines = vec![
        String::new(),
        format!("  vestibule demo   {url}"),
        String::new(),
        format!("  a public page    {url}/"),
        format!("  one factor       {url}/staff/        {url}/headers"),
        format!("  two factors      {url}/payroll/"),
        format!("  a security key   {url}/vault/"),
        format!("  administration   {url}/.vestibule/admin"),
        format!("  my account       {url}/.vestibule/account"),
        format!("  sent messages    {url}/outbox"),
        String::new(),
        "  Sign in as".to_owned(),
    ];
    lines.extend(people.iter().map(|person| format!("    {:<7} {:<22} {}", person.name, person.password, person.about)));
    if let Some((person, app)) = people.iter().find_map(|person| Some((person, person.totp.as_ref()?))) {
        lines.push(String::new());
        lines.push(format!("  {}'s authenticator app: scan this, or", person.name));
        if let Some(code) = totp::code_at(&app.key, app.parameters, now) {
            let left = u64::from(app.parameters.period) - now.unix() % u64::from(app.parameters.period);
            lines.push(format!("  type {code} within {left} seconds (the next one comes from the app that scanned it)"));
        }
        lines.extend(qr::terminal(&app.uri).unwrap_or_default().lines().map(|line| format!("    {line}")));
    }
    lines.push("  Ctrl-C ends the demo and forgets everything.".to_owned());
    lines.push(String::new());
    lines.join("\n") + "\n"
}
