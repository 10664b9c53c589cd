//! The questions of `vestibule init`: asked on a terminal until the answer can be used, or answered by options. Whatever is answered is read by
//! the configuration's own readers.

use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};

use anyhow::bail;

use super::render::string;
use crate::config::{self, Severity};
use crate::service::accounts::{good_email, good_name};

/// What would be asked; what is given is not.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Answers {
    /// Ask nothing: take the defaults for what is not given
    #[arg(long, conflicts_with = "from")]
    pub yes: bool,
    /// The host that people open in their browser
    #[arg(long, value_name = "HOST", conflicts_with = "from")]
    pub host: Option<String>,
    /// Where the application is
    #[arg(long, value_name = "URL", conflicts_with = "from")]
    pub upstream: Option<String>,
    /// The certificate chain for HTTPS, PEM
    #[arg(long, value_name = "FILE", requires = "tls_key", conflicts_with = "from")]
    pub tls_cert: Option<PathBuf>,
    /// Its key
    #[arg(long, value_name = "FILE", requires = "tls_cert", conflicts_with = "from")]
    pub tls_key: Option<PathBuf>,
    /// The mail server, without a password: smtp://HOST:25, smtp+starttls://HOST:587
    #[arg(long, value_name = "URL", conflicts_with = "from")]
    pub mail: Option<String>,
    /// A file with the mail server's URL and its password: smtp+starttls://USER:PASSWORD@HOST:587
    #[arg(long, value_name = "FILE", conflicts_with_all = ["from", "mail"])]
    pub mail_url_file: Option<PathBuf>,
    /// The sender of mails
    #[arg(long, value_name = "ADDRESS", conflicts_with = "from")]
    pub mail_from: Option<String>,
    /// The first administrator's name
    #[arg(long, value_name = "NAME", requires = "admin_email", conflicts_with = "from")]
    pub admin: Option<String>,
    /// The first administrator's address
    #[arg(long, value_name = "ADDRESS", conflicts_with = "from")]
    pub admin_email: Option<String>,
}

/// Where answers come from; `None`: nobody is asked, and the defaults count.
pub struct Asker<'i> {
    pub input: Option<&'i mut dyn BufRead>,
}

/// Says what is wrong with an answer.
type Check<'c> = &'c dyn Fn(&str) -> Result<(), String>;

impl Asker<'_> {
    /// What was given, or the answer; an empty one is the default.
    fn answer(&mut self, given: Option<String>, question: &str, default: Option<&str>, check: Check<'_>) -> anyhow::Result<Option<String>> {
        if let Some(given) = given {
            return match check(&given) {
                Ok(()) => Ok(Some(given)),
                Err(why) => bail!("{why}"),
            };
        }
        let Some(input) = &mut self.input else { return Ok(default.map(str::to_owned)) };
        let hint = default.map_or_else(|| " (empty: none)".to_owned(), |default| format!(" [{default}]"));
        loop {
            eprint!("{question}{hint}: ");
            std::io::stderr().flush()?;
            let mut line = String::new();
            if input.read_line(&mut line)? == 0 {
                bail!("the input ended; nothing was written");
            }
            let answer = line.trim();
            if answer.is_empty() {
                return Ok(default.map(str::to_owned));
            }
            match check(answer) {
                Ok(()) => return Ok(Some(answer.to_owned())),
                Err(why) => eprintln!("  {why}"),
            }
        }
    }
}

/// Asks for what is not given.
///
/// # Errors
/// A given answer that cannot be used, or the end of the input.
pub fn complete(given: Answers, asker: &mut Asker<'_>) -> anyhow::Result<Answers> {
    let host = asker.answer(given.host, "Host that people open in their browser", Some("localhost"), &|text| route("hosts", text))?;
    let upstream =
        asker.answer(given.upstream, "Where the application is", Some("http://127.0.0.1:3000"), &|text| route("upstreams", text))?;
    let shown = |path: Option<PathBuf>| path.map(|path| path.display().to_string());
    let cert = asker.answer(shown(given.tls_cert), "Certificate chain for HTTPS, a PEM file", None, &readable)?;
    let key = match &cert {
        Some(_) => asker.answer(shown(given.tls_key), "Its key, a PEM file", None, &readable)?,
        None => None,
    };
    if given.mail.as_deref().is_some_and(has_password) {
        bail!(
            "a password on the command line can be read by every user of the machine; put the URL into a file and give --mail-url-file FILE"
        );
    }
    let mail = match &given.mail_url_file {
        Some(file) => readable(&file.display().to_string()).map(|()| None).map_err(anyhow::Error::msg)?,
        None => asker.answer(given.mail, "Mail server, as smtp://HOST:25", None, &mail_url)?,
    };
    let mail_from = match mail.is_some() || given.mail_url_file.is_some() {
        true => asker.answer(given.mail_from, "Sender of mails", Some(&address("no-reply", host.as_deref())), &mail_from)?,
        false => None,
    };
    let admin = asker.answer(given.admin, "Name of the first administrator", None, &|name| good_name(name).map_err(|e| e.to_string()))?;
    let admin_email = match &admin {
        Some(name) => {
            let check = |text: &str| good_email(text).map_err(|e| e.to_string());
            asker.answer(given.admin_email, "Their e-mail address", Some(&address(name, host.as_deref())), &check)?
        }
        None => None,
    };
    let file = |text: Option<String>| text.map(PathBuf::from);
    let (tls_cert, tls_key) = (file(cert), file(key));
    Ok(Answers { host, upstream, tls_cert, tls_key, mail, mail_from, admin, admin_email, ..given })
}

fn address(name: &str, host: Option<&str>) -> String {
    format!("{name}@{}", host.unwrap_or("localhost").trim_start_matches("*."))
}

fn has_password(url: &str) -> bool {
    url::Url::parse(url).is_ok_and(|url| url.password().is_some())
}

fn readable(file: &str) -> Result<(), String> {
    std::fs::File::open(Path::new(file)).map(drop).map_err(|e| format!("{file} cannot be read: {e}"))
}

/// A value of a route, as its list has it.
fn route(key: &str, text: &str) -> Result<(), String> {
    let other = if key == "upstreams" { "" } else { "upstreams = [\"http://127.0.0.1:1\"]\n" };
    read(&format!("[[routes]]\nname = \"app\"\npolicy = \"two_factor\"\n{other}{key} = [{}]\n", string(text)))
}

fn mail_url(url: &str) -> Result<(), String> {
    read(&format!("[mail]\nfrom = \"a@localhost.example\"\nurl = {}\n", string(url)))
}

fn mail_from(from: &str) -> Result<(), String> {
    read(&format!("[mail]\nurl = \"smtp://127.0.0.1:25\"\nfrom = {}\n", string(from)))
}

/// What the configuration's own reader says of a part.
fn read(part: &str) -> Result<(), String> {
    let Err(problems) = config::parse(part, Path::new("vestibule.toml"), []) else { return Ok(()) };
    let error = problems.0.into_iter().find(|problem| problem.severity == Severity::Error);
    error.map_or(Ok(()), |problem| Err(format!("{}: {}", problem.what, problem.remedy)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(given: Answers, typed: &str) -> anyhow::Result<Answers> {
        complete(given, &mut Asker { input: Some(&mut typed.as_bytes()) })
    }

    #[test]
    fn an_answer_that_cannot_be_used_is_asked_again() {
        let typed = "wiki example\nwiki.example\nwiki:3000\nhttp://10.0.0.5:3000\n\nhttp://mail\nsmtp://mail:25\n\nal ice\nalice\nnobody\nalice@post.example\n";
        let answers = asked(Answers::default(), typed).unwrap();
        assert_eq!((answers.host.as_deref(), answers.upstream.as_deref()), (Some("wiki.example"), Some("http://10.0.0.5:3000")));
        assert_eq!((answers.tls_cert, answers.mail.as_deref()), (None, Some("smtp://mail:25")));
        assert_eq!(answers.mail_from.as_deref(), Some("no-reply@wiki.example"));
        assert_eq!((answers.admin.as_deref(), answers.admin_email.as_deref()), (Some("alice"), Some("alice@post.example")));
    }

    #[test]
    fn empty_answers_are_the_defaults_and_the_end_of_the_input_writes_nothing() {
        let answers = asked(Answers::default(), "\n\n\n\n\n").unwrap();
        assert_eq!((answers.host.as_deref(), answers.admin), (Some("localhost"), None));
        assert!(asked(Answers::default(), "wiki.example\n").unwrap_err().to_string().contains("nothing was written"));
    }

    #[test]
    fn what_is_given_is_not_asked_and_has_to_be_right() {
        let quiet = |given| complete(given, &mut Asker { input: None });
        let given = |host: &str| Answers { host: Some(host.to_owned()), ..Answers::default() };
        assert_eq!(quiet(given("*.wiki.example")).unwrap().host.as_deref(), Some("*.wiki.example"));
        assert!(quiet(given("http://wiki")).is_err());
        let with_password = Answers { mail: Some("smtp://u:secret@mail:25".to_owned()), ..Answers::default() };
        let refused = quiet(with_password).unwrap_err().to_string();
        assert!(refused.contains("--mail-url-file") && !refused.contains("secret"), "{refused}");
    }
}
