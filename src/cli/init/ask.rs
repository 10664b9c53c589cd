//! `vestibule init` without another gateway's configuration: host, application, TLS, mail and the first administrator, asked on a
//! terminal or given as options.

use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::bail;

use super::super::context::Context;
use super::super::terminal::output;
use super::super::{access, control, source::ConfigSource};
use super::draft::{Demand, Draft, RouteDraft, TlsDraft};
use super::render::{render, string};
use super::write;
use crate::policy::Level;
use crate::service::accounts::NewAccount;

/// What would be asked; what is given is not.
#[derive(clap::Args, Debug, Default)]
pub struct Answers {
    /// Ask nothing: take the defaults for what is not given
    #[arg(long, conflicts_with = "from")]
    yes: bool,
    /// The host that people open in their browser
    #[arg(long, value_name = "HOST", conflicts_with = "from")]
    host: Option<String>,
    /// Where the application is
    #[arg(long, value_name = "URL", conflicts_with = "from")]
    upstream: Option<String>,
    /// The certificate chain for HTTPS, PEM
    #[arg(long, value_name = "FILE", requires = "tls_key", conflicts_with = "from")]
    tls_cert: Option<PathBuf>,
    /// Its key
    #[arg(long, value_name = "FILE", requires = "tls_cert", conflicts_with = "from")]
    tls_key: Option<PathBuf>,
    /// The mail server: smtp://HOST:25, smtp+starttls://USER:PASSWORD@HOST:587
    #[arg(long, value_name = "URL", conflicts_with = "from")]
    mail: Option<String>,
    /// The sender of mails
    #[arg(long, value_name = "ADDRESS", conflicts_with = "from")]
    mail_from: Option<String>,
    /// The first administrator's name
    #[arg(long, value_name = "NAME", requires = "admin_email", conflicts_with = "from")]
    admin: Option<String>,
    /// The first administrator's address
    #[arg(long, value_name = "ADDRESS", conflicts_with = "from")]
    admin_email: Option<String>,
}

/// Asks, writes the file, and creates the first administrator.
pub fn run(context: &Context, answers: Answers, target: &Path) -> anyhow::Result<()> {
    if target.exists() {
        bail!("{} exists already and is left alone; name another file with --output", target.display());
    }
    if !answers.yes && !std::io::stdin().is_terminal() {
        bail!("there is no terminal to ask on; use --yes and options (vestibule init --help)");
    }
    let mut asker = Asker { silent: answers.yes };
    let answers = complete(answers, &mut asker)?;
    let text = render(&draft(&answers)?);
    write::check(&text, target)?;
    write::write_new(target, &text)?;
    if let (Some(name), Some(email)) = (answers.admin, answers.admin_email) {
        administrator(context, target, name, email)?;
    }
    output::line(&format!("Next: vestibule --config {0} check && vestibule --config {0} serve", target.display()))
}

struct Asker {
    silent: bool,
}

impl Asker {
    /// The answer on one line; an empty one is the default.
    fn ask(&mut self, question: &str, default: Option<&str>) -> anyhow::Result<Option<String>> {
        if self.silent {
            return Ok(default.map(str::to_owned));
        }
        let hint = default.map_or_else(|| " (empty: none)".to_owned(), |default| format!(" [{default}]"));
        eprint!("{question}{hint}: ");
        std::io::stderr().flush()?;
        let mut line = String::new();
        if std::io::stdin().lock().read_line(&mut line)? == 0 {
            bail!("the input ended; nothing was written");
        }
        let answer = line.trim();
        Ok(if answer.is_empty() { default.map(str::to_owned) } else { Some(answer.to_owned()) })
    }
}

fn complete(given: Answers, asker: &mut Asker) -> anyhow::Result<Answers> {
    let or_ask = |given: Option<String>, asker: &mut Asker, question: &str, default: Option<&str>| match given {
        Some(given) => Ok(Some(given)),
        None => asker.ask(question, default),
    };
    let host = or_ask(given.host, asker, "Host that people open in their browser", Some("localhost"))?;
    let upstream = or_ask(given.upstream, asker, "Where the application is", Some("http://127.0.0.1:3000"))?;
    let path = |path: Option<PathBuf>| path.map(|path| path.display().to_string());
    let cert = or_ask(path(given.tls_cert), asker, "Certificate chain for HTTPS, a PEM file", None)?;
    let key = match (&cert, path(given.tls_key)) {
        (_, Some(key)) => Some(key),
        (Some(_), None) => asker.ask("Its key, a PEM file", None)?,
        (None, None) => None,
    };
    let mail = or_ask(given.mail, asker, "Mail server, as smtp://HOST:25", None)?;
    let default_from = format!("no-reply@{}", host.as_deref().unwrap_or("localhost"));
    let mail_from = match (&mail, given.mail_from) {
        (Some(_), None) => asker.ask("Sender of mails", Some(&default_from))?,
        (_, from) => from,
    };
    let admin = or_ask(given.admin, asker, "Name of the first administrator", None)?;
    let admin_email = match (&admin, given.admin_email) {
        (Some(name), None) => asker.ask("Their e-mail address", Some(&format!("{name}@{}", host.as_deref().unwrap_or("localhost"))))?,
        (_, email) => email,
    };
    let file = |text: Option<String>| text.map(PathBuf::from);
    Ok(Answers { yes: given.yes, host, upstream, tls_cert: file(cert), tls_key: file(key), mail, mail_from, admin, admin_email })
}

fn draft(answers: &Answers) -> anyhow::Result<Draft> {
    let host = answers.host.as_deref().unwrap_or("localhost");
    if crate::base::Host::parse(host.as_bytes()).is_err() {
        bail!("“{}” is no host; give a name such as wiki.internal.example", host.escape_default());
    }
    let mut route = RouteDraft::new("app".to_owned(), vec![host.to_ascii_lowercase()], "/".to_owned());
    route.upstreams = answers.upstream.iter().cloned().collect();
    route.demand = Demand { level: Level::TwoFactor, groups: Vec::new(), enforce: true };
    route.notes.push(
        "The application. Everybody signs in with a password and a second factor; see docs/reference.md for rules and groups.".to_owned(),
    );
    let mut draft = Draft { routes: vec![route], ..Draft::default() };
    draft.head = vec![
        "Made by `vestibule init`. Every key: config/vestibule.toml and docs/reference.md of the distribution.".to_owned(),
        "After a change: vestibule check && vestibule reload".to_owned(),
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
    if let Some(url) = &answers.mail {
        let from = answers.mail_from.clone().unwrap_or_else(|| format!("no-reply@{host}"));
        draft.sections.push(("mail".to_owned(), vec![format!("url = {}", string(url)), format!("from = {}", string(&from))]));
    }
    draft
        .sections
        .push(("admin".to_owned(), vec!["groups = [\"admins\"]                # who may open the administration pages".to_owned()]));
    Ok(draft)
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
