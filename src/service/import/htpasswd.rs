//! Reads the output of `htpasswd -B`: `NAME:HASH` on each line. It has no addresses, so a domain completes each name that is not an address.

use super::entry::{Entry, Fault};
use crate::service::accounts::NewAccount;

pub(super) fn read(text: &str, domain: Option<&str>) -> (Vec<Entry>, Vec<Fault>) {
    let (mut entries, mut faults) = (Vec::new(), Vec::new());
    for (at, line) in text.lines().enumerate() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        match account(trimmed, domain) {
            Ok(account) => entries.push(Entry { line: at + 1, account, disabled: false }),
            Err(what) => faults.push(Fault::new(at + 1, what)),
        }
    }
    (entries, faults)
}

fn account(line: &str, domain: Option<&str>) -> Result<NewAccount, String> {
    let (name, hash) = line.split_once(':').ok_or("NAME:HASH is wanted")?;
    if !hash.starts_with("$2") {
        return Err("only bcrypt hashes are taken (htpasswd -B); leave the user out and add them with `vestibule user add`".to_owned());
    }
    let (name, email) = match (name.split_once('@'), domain) {
        (Some((local, _)), _) => (local.to_owned(), name.to_owned()),
        (None, Some(domain)) => (name.to_owned(), format!("{name}@{}", domain.trim_start_matches('@'))),
        (None, None) => return Err(format!("“{name}” has no e-mail address; give --email-domain DOMAIN")),
    };
    Ok(NewAccount { name, email, password_hash: Some(hash.to_owned()), ..NewAccount::default() })
}
