//! Reads an import file in any of its formats. Every fault is reported with its line; nothing is written.

use super::entry::{Entry, Fault, Format};
use super::{authelia, csv, htpasswd};
use crate::factor::password;

/// Reads a file. `domain` completes names to addresses if the format has none.
///
/// # Errors
/// Every fault of the file's form, in the order of its lines.
pub fn read(format: Format, text: &str, domain: Option<&str>) -> Result<Vec<Entry>, Vec<Fault>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (entries, mut faults) = match format {
        Format::Csv => csv::read(text),
        Format::Authelia => authelia::read(text),
        Format::Htpasswd => htpasswd::read(text, domain),
    };
    for entry in &entries {
        if entry.account.password_hash.as_deref().is_some_and(|hash| !password::is_readable(hash)) {
            let what = "the password's hash is neither Argon2id nor bcrypt at a cost of 14 or less; leave it out and send a set-up link";
            faults.push(Fault::new(entry.line, what));
        }
    }
    if faults.is_empty() && entries.is_empty() {
        faults.push(Fault::new(1, "the file holds no account"));
    }
    faults.sort_by_key(|fault| fault.line);
    if faults.is_empty() { Ok(entries) } else { Err(faults) }
}
