//! Passwords and other secrets: from standard input, a file, or a terminal that does not show them. Never from an argument, which
//! every user of the machine can read.

use std::io::{BufRead, IsTerminal, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use zeroize::Zeroizing;

use crate::base::Secret;

/// More than any password or link.
const MOST: u64 = 8192;

/// Where a password comes from.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct PasswordFrom {
    /// Read the password from standard input (one line end is removed)
    #[arg(long)]
    pub password_stdin: bool,
    /// Read the password from a file (one line end is removed)
    #[arg(long, value_name = "FILE", conflicts_with = "password_stdin")]
    pub password_file: Option<PathBuf>,
}

impl PasswordFrom {
    /// The password, where one was given.
    pub fn given(&self) -> anyhow::Result<Option<Secret>> {
        match (&self.password_file, self.password_stdin) {
            (Some(file), _) => from_file(file).map(Some),
            (None, true) => from_stdin("password").map(Some),
            (None, false) => Ok(None),
        }
    }

    /// The password, asked for on the terminal where none was given.
    pub fn given_or_asked(&self) -> anyhow::Result<Secret> {
        if let Some(given) = self.given()? {
            return Ok(given);
        }
        let ask = |text: &str| {
            rpassword::prompt_password(text)
                .map(Zeroizing::new)
                .context("there is no terminal to ask on; give the password with --password-stdin")
        };
        let (first, again) = (ask("New password: ")?, ask("Again: ")?);
        if *first != *again {
            bail!("the two passwords differ; nothing was changed, try again");
        }
        filled(&first, "password")
    }
}

/// `--yes` of commands that end something.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub struct Sure {
    /// Do not ask before it is done
    #[arg(long)]
    yes: bool,
}

impl Sure {
    /// Asks on a terminal what a command is about to do; a script, which has none, is not asked.
    ///
    /// # Errors
    /// If the answer is not yes: nothing was changed.
    pub fn asks(self, question: &str) -> anyhow::Result<()> {
        if self.yes || !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
            return Ok(());
        }
        eprint!("{question} [y/N] ");
        let mut answer = String::new();
        std::io::stdin().lock().take(64).read_line(&mut answer).context("no answer could be read; say --yes")?;
        if is_yes(&answer) { Ok(()) } else { bail!("nothing was changed") }
    }
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

/// All of standard input.
pub fn from_stdin(what: &str) -> anyhow::Result<Secret> {
    read(std::io::stdin().lock(), what)
}

fn from_file(file: &Path) -> anyhow::Result<Secret> {
    let open = std::fs::File::open(file).with_context(|| format!("{} cannot be read", file.display()))?;
    read(open, "password")
}

fn read(from: impl Read, what: &str) -> anyhow::Result<Secret> {
    let mut text = Zeroizing::new(String::new());
    from.take(MOST + 1).read_to_string(&mut text).with_context(|| format!("the {what} is not UTF-8"))?;
    if text.len() as u64 > MOST {
        bail!("the {what} is longer than {MOST} bytes");
    }
    let line = text.strip_suffix('\n').unwrap_or(&text);
    filled(line.strip_suffix('\r').unwrap_or(line), what)
}

fn filled(text: &str, what: &str) -> anyhow::Result<Secret> {
    if text.is_empty() {
        bail!("the {what} is empty; nothing was changed");
    }
    Ok(Secret::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_yes_is_yes() {
        assert!(["y\n", "Yes\r\n", " YES "].iter().all(|answer| is_yes(answer)));
        assert!(!["", "\n", "n", "ye", "yes please"].iter().any(|answer| is_yes(answer)));
    }

    #[test]
    fn one_line_end_is_removed_and_nothing_else() {
        for (given, read_as) in [("a b \n", "a b "), ("x\r\n", "x"), ("x\n\n", "x\n"), ("x", "x")] {
            assert_eq!(read(given.as_bytes(), "password").unwrap().expose(), read_as);
        }
        assert!(read(&b"\n"[..], "password").is_err());
        assert!(read(&b"\xff\n"[..], "password").is_err());
        assert!(read(vec![b'x'; 9000].as_slice(), "password").is_err());
    }
}
