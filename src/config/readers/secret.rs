//! Secrets: a key `x`, or a file that `x_file` names, which nobody but its owner may read.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::value;
use crate::base::Secret;
use crate::base::credentials::{credentials_directory, is_private};
use crate::config::document::outline::Shape;
use crate::config::document::problem::Fault;
use crate::config::document::section::{Entry, Section};

/// The secret of a key, from the key or from its file; both is an error.
pub(in crate::config) fn secret(section: &Section, key: &str) -> Option<Secret> {
    let file_key = format!("{key}_file");
    section.collector.secrets.borrow_mut().extend([section.key(key), section.key(&file_key)]);
    let (inline, file) = (section.entry(key), section.entry(&file_key));
    for entry in inline.iter().chain(&file) {
        entry.takes(|| Shape::Text);
    }
    if inline.is_some() && file.is_some() {
        let what = format!("both {key} and {file_key} are given");
        section.error(&file_key, Fault::new(what, "keep one of them"));
        return None;
    }
    let report = |entry: &Entry, fault| entry.error(fault);
    match (inline, file) {
        (Some(entry), _) => inline_text(&entry).map_err(|fault| report(&entry, fault)).ok(),
        (None, Some(entry)) => value::path(&entry).and_then(|path| read(&path)).map_err(|fault| report(&entry, fault)).ok(),
        (None, None) => None,
    }
}

/// Says nothing of what was written, unlike [`value::text`].
fn inline_text(entry: &Entry) -> Result<Secret, Fault> {
    let wrong = |_| Fault::new(format!("a string is wanted, not {}", entry.node.content.kind()), "write text in quotes");
    value::text(entry).map(Secret::new).map_err(wrong)
}

/// Whether the key or its file is given.
pub(in crate::config) fn is_given(section: &Section, key: &str) -> bool {
    section.has(key) || section.has(&format!("{key}_file"))
}

/// The text of a secret's file, without its trailing newline.
pub(in crate::config) fn read(path: &Path) -> Result<Secret, Fault> {
    let shown = path.display();
    let metadata =
        std::fs::metadata(path).map_err(|e| Fault::new(format!("{shown} cannot be read: {e}"), "create the file, or correct the path"))?;
    if !metadata.is_file() || metadata.len() > 65_536 {
        return Err(Fault::new(format!("{shown} is no file of at most 64 KiB"), "name a file that holds the secret alone"));
    }
    if !is_private(path, metadata.permissions().mode(), credentials_directory().as_deref()) {
        return Err(Fault::new(format!("{shown} can be read by others than its owner"), format!("run: chmod 600 {shown}")));
    }
    let text = std::fs::read_to_string(path)
        .map_err(|e| Fault::new(format!("{shown} cannot be read: {e}"), "make it readable to the gateway's user, in UTF-8"))?;
    Ok(Secret::new(text.strip_suffix('\n').map_or(text.as_str(), |t| t.strip_suffix('\r').unwrap_or(t))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::{ROUTE, faults, read_with};
    use crate::config::{Severity, parse};

    #[test]
    fn a_secret_may_stand_in_a_file_that_only_its_owner_reads() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("vestibule.toml");
        let secret = folder.path().join("token");
        std::fs::write(&secret, "Bearer hunter2\n").unwrap();
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
        let sms = "[sms]\nurl = \"http://h\"\nbody = '{{ phone }}{{ text }}'\n";
        let text = format!("{ROUTE}{sms}headers = {{ authorization_file = \"token\" }}\n");
        let sent = parse(&text, &file, []).unwrap().config.sms.unwrap();
        assert!(sent.headers[0].0 == "authorization" && sent.headers[0].1.matches("Bearer hunter2"));
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o640)).unwrap();
        let problem = parse(&text, &file, []).unwrap_err().0.into_iter().find(|p| p.severity == Severity::Error).unwrap();
        assert!(problem.remedy.starts_with("run: chmod 600 "), "{problem}");
        let both = faults(&format!("{ROUTE}{sms}headers = {{ authorization = \"x\", authorization_file = \"token\" }}\n"));
        assert!(both.len() == 1 && both[0].key == "sms.headers.authorization_file", "{both:?}");
        let mail = format!("{ROUTE}[mail]\nfrom = \"a@b.example\"\nurl_file = \"nowhere\"\n");
        assert!(read_with(&mail, &[("VESTIBULE_MAIL__URL", "smtp://h:25")]).is_ok(), "an override replaces the file's url_file");
    }
}
