//! `vestibule init` without another gateway's configuration: host, application, TLS, mail and the first administrator, asked on a
//! terminal or given as options.

use std::io::IsTerminal;
use std::path::Path;

use anyhow::bail;

use super::super::context::Context;
use super::super::terminal::output;
use super::super::{access, control, source::ConfigSource};
use super::draft::{Demand, Draft, RouteDraft, TlsDraft};
use super::questions::{Answers, Asker, complete};
use super::render::{render, string};
use super::write;
use crate::policy::Level;
use crate::service::accounts::NewAccount;

/// Asks, writes the file, and creates the first administrator.
///
/// # Errors
/// A file that is there already, answers that cannot be used, no terminal.
pub fn run(context: &Context, answers: Answers, target: &Path) -> anyhow::Result<()> {
    if target.exists() {
        bail!("{} exists already and is left alone; name another file with --output", target.display());
    }
    if !answers.yes && !std::io::stdin().is_terminal() {
        bail!("there is no terminal to ask on; use --yes and options (vestibule init --help)");
    }
    let mut input = std::io::stdin().lock();
    let silent = answers.yes;
    let answers = complete(answers, &mut Asker { input: if silent { None } else { Some(&mut input) } })?;
    let text = render(&draft(&answers)?);
    write::check(&text, target)?;
    write::write_new(target, &text)?;
    if let (Some(name), Some(email)) = (answers.admin, answers.admin_email) {
        administrator(context, target, name, email)?;
    } else if !context.json {
        let add = "user add NAME --email ADDRESS --group admins";
        output::line(&format!("The first administrator: vestibule --config {} {add}", target.display()))?;
    }
    if context.json {
        return Ok(());
    }
    output::line(&format!("Next: vestibule --config {0} check && vestibule --config {0} serve", target.display()))
}

fn draft(answers: &Answers) -> anyhow::Result<Draft> {
    let host = answers.host.as_deref().unwrap_or("localhost");
    let mut route = RouteDraft::new("app".to_owned(), vec![host.to_ascii_lowercase()], "/".to_owned());
    route.upstreams = answers.upstream.iter().cloned().collect();
    route.demand = Demand { level: Level::TwoFactor, groups: Vec::new(), enforce: true };
    route.notes.push("The application. Everybody signs in with a password and a second factor.".to_owned());
    route.notes.push("Groups, exceptions by path, method or network: see “Rules” in docs/reference.md.".to_owned());
    let mut draft = Draft { routes: vec![route], ..Draft::default() };
    draft.head = vec![
        "Made by `vestibule init`. Every key: config/vestibule.toml and docs/reference.md of the distribution.".to_owned(),
        "After a change: vestibule check && vestibule reload --dry-run && vestibule reload".to_owned(),
    ];
    match (&answers.tls_cert, &answers.tls_key) {
        (Some(cert), Some(key)) => {
            let pair = (std::path::absolute(cert)?.display().to_string(), std::path::absolute(key)?.display().to_string());
            draft.tls.push(TlsDraft { listen: "0.0.0.0:443".to_owned(), certificates: vec![pair], present: true });
            draft.listen = vec!["0.0.0.0:80".to_owned()];
        }
        (Some(_), None) => bail!("a certificate needs its key; give --tls-key too"),
        _ => draft.listen = vec!["127.0.0.1:8080".to_owned()],
    }
    draft.sections.extend(mail(answers, host)?);
    draft
        .sections
        .push(("admin".to_owned(), vec!["groups = [\"admins\"]                # who may open the administration pages".to_owned()]));
    Ok(draft)
}

fn mail(answers: &Answers, host: &str) -> anyhow::Result<Option<(String, Vec<String>)>> {
    let url = match (&answers.mail, &answers.mail_url_file) {
        (Some(url), _) => format!("url = {}", string(url)),
        (None, Some(file)) => format!("url_file = {}", string(&std::path::absolute(file)?.display().to_string())),
        (None, None) => return Ok(None),
    };
    let from = answers.mail_from.clone().unwrap_or_else(|| format!("no-reply@{host}"));
    Ok(Some(("mail".to_owned(), vec![url, format!("from = {}", string(&from))])))
}

/// The account, with the link by which its password is chosen.
fn administrator(context: &Context, file: &Path, name: String, email: String) -> anyhow::Result<()> {
    let source = ConfigSource::new(file.to_path_buf(), context.source.data_dir.clone())?;
    let new = NewAccount { name: name.clone(), email, groups: vec!["admins".to_owned()], ..NewAccount::default() };
    let added = access::Access::open(&source)?.run(control::Command::UserAdd { new, password: None })?;
    if context.json {
        return output::json(&added);
    }
    let link = added.get("setup_link").map(output::cell).unwrap_or_default();
    output::line(&format!("Administrator {name}: choose a password at {link}\n(valid for 24 hours, once the gateway runs)"))
}
