//! What the demo says in the terminal: what to open, as whom, and the code to type.

use std::io::Write;
use std::net::SocketAddr;

use super::people::{Authenticator, Person};
use crate::base::Time;
use crate::factor::qr;

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
pub fn tell(url: &str, people: &[Person], provider: bool, json: bool, now: Time) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    if json {
        let users: Vec<_> = people
            .iter()
            .map(|person| serde_json::json!({ "name": person.name, "password": person.password, "totp_uri": person.totp.as_ref().map(|app| &app.uri) }))
            .collect();
        writeln!(out, "{}", serde_json::json!({ "url": url, "outbox": format!("{url}/outbox"), "users": users }))?;
    } else {
        write!(out, "{}", text(url, people, provider, now))?;
    }
    Ok(out.flush()?)
}

fn text(url: &str, people: &[Person], provider: bool, now: Time) -> String {
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
        format!("  an API           {url}/api/hello"),
        format!("  sent messages    {url}/outbox"),
        String::new(),
        "  Three things to try in a minute".to_owned(),
        format!("    1. Open {url}/payroll/ as alice: a password, then the code shown below."),
        format!("    2. Open {url}/payroll/ as bob: the gate has him set up a second factor first."),
        format!("    3. Open {url}/.vestibule/admin as root, and end alice's sessions while her page is open."),
        String::new(),
        "  Sign in as".to_owned(),
    ];
    lines.extend(people.iter().map(|person| format!("    {:<7} {:<22} {}", person.name, person.password, person.about)));
    if provider {
        lines.push("  Or by the button “Continue with Company account”, as alice or as erin, who gets an account then".to_owned());
    }
    lines.push(String::new());
    lines.extend(people.iter().filter_map(|person| code(person, now)));
    lines.push(format!("  Later codes are on {url}/outbox, or in an app that scans this:"));
    for person in people {
        lines.extend(person.totp.iter().flat_map(|app| scan(person.name, app)));
    }
    lines.push("  Ctrl-C ends the demo and forgets everything.".to_owned());
    lines.push(String::new());
    lines.join("\n") + "\n"
}

/// The code that somebody's authenticator app shows now.
fn code(person: &Person, now: Time) -> Option<String> {
    let (code, left) = person.totp.as_ref()?.code(now)?;
    Some(format!("  {}'s authenticator app shows {code} for {left} seconds more", person.name))
}

fn scan(name: &str, app: &Authenticator) -> Vec<String> {
    let picture = qr::terminal(&app.uri).unwrap_or_default();
    std::iter::once(format!("  {name}")).chain(picture.lines().map(|line| format!("    {line}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::TotpAlgorithm;
    use crate::factor::totp;

    #[test]
    fn the_administrators_code_is_shown_like_everybody_elses() {
        let app = || {
            let (key, parameters) =
                (totp::Key::generate().unwrap(), totp::Parameters { digits: 6, period: 30, algorithm: TotpAlgorithm::Sha1 });
            Authenticator { key, parameters, uri: "otpauth://totp/x?secret=AAAAAAAA".into() }
        };
        let person = |name, totp| Person { name, password: "p", about: "a", totp };
        let people = [person("alice", Some(app())), person("bob", None), person("root", Some(app()))];
        let now = Time::from_secs(1_700_000_005);
        let said = text("http://localhost:1", &people, false, now);
        for person in [&people[0], &people[2]] {
            let (code, left) = person.totp.as_ref().unwrap().code(now).unwrap();
            assert!(said.contains(&format!("{}'s authenticator app shows {code} for {left} seconds more", person.name)), "{said}");
        }
        assert!(!said.contains("bob's") && said.contains("Three things to try"));
    }
}
