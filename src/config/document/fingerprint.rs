//! Whether two gateways run the same configuration, in twelve letters. Guarantees that no secret goes into it, and that spelling, order of
//! keys and comments do not: a value counts alike from the file and from the environment.
//!
//! Left out is what may well differ from gateway to gateway: [`OWN`]. Of files that the configuration names (certificates, texts, lists
//! of words) the names count, not what is in them.

use std::collections::{BTreeMap, BTreeSet};

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::tree::{Content, Entries, Node};

/// Each with all that is below it.
const OWN: [&str; 8] =
    ["server.listen", "server.data_dir", "server.threads", "server.admin_listen", "server.tls", "store.url", "telemetry", "audit.file"];

/// The fingerprint: 12 hexadecimal digits of a SHA-256; empty if nothing is written.
pub(in crate::config) fn of(root: &Entries, secrets: &BTreeSet<String>) -> String {
    let mut found = BTreeMap::new();
    let is_own =
        |path: &str| OWN.iter().any(|own| path.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '['])));
    for (name, node) in root {
        gather(name.clone(), node, &|path| secrets.contains(path) || is_own(path), &mut found);
    }
    if found.is_empty() {
        return String::new();
    }
    let mut digest = Sha256::new();
    for (path, value) in found {
        for part in [path, value] {
            digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            digest.update(part);
        }
    }
    let mut text = HEXLOWER.encode(&digest.finalize());
    text.truncate(12);
    text
}

fn gather(path: String, node: &Node, skips: &impl Fn(&str) -> bool, found: &mut BTreeMap<String, String>) {
    if skips(&path) {
        return;
    }
    match &node.content {
        Content::Table(entries) => {
            for (name, node) in entries {
                gather(format!("{path}.{name}"), node, skips, found);
            }
        }
        Content::List(nodes) if nodes.iter().any(|node| scalar(node).is_none()) => {
            for (index, node) in nodes.iter().enumerate() {
                gather(format!("{path}[{index}]"), node, skips, found);
            }
        }
        Content::List(nodes) => {
            found.insert(path, nodes.iter().filter_map(scalar).collect::<Vec<_>>().join(","));
        }
        Content::Raw(text, structured) if text.trim_start().starts_with(['[', '{']) => gather(path, structured, skips, found),
        _ => {
            found.insert(path, scalar(node).unwrap_or_default());
        }
    }
}

/// A single value as text. A variable's list is separated by commas, with or without spaces.
fn scalar(node: &Node) -> Option<String> {
    let plain = |text: &str| text.split(',').map(str::trim).collect::<Vec<_>>().join(",");
    match &node.content {
        Content::Text(text) | Content::Raw(text, _) => Some(plain(text)),
        Content::Whole(number) => Some(number.to_string()),
        Content::Fraction(number) => Some(number.to_string()),
        Content::Flag(flag) => Some(flag.to_string()),
        Content::Other(name) => Some((*name).to_owned()),
        Content::List(_) | Content::Table(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::config::tests::ROUTE;

    fn fingerprint(text: &str, env: &[(&str, &str)]) -> String {
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        crate::config::parse(text, std::path::Path::new("test.toml"), env).unwrap().config.fingerprint
    }

    #[test]
    fn it_tells_configurations_apart_and_not_spellings() {
        let base = fingerprint(&format!("[admin]\ngroups = [\"a\", \"b\"]\n[session]\nlifetime = \"1h\"\n{ROUTE}"), &[]);
        assert_eq!(base.len(), 12);
        let turned = format!("# words\n[session]\nlifetime = '1h' # here\n[admin]\ngroups = [\n'a', 'b']\n{ROUTE}");
        assert_eq!(fingerprint(&turned, &[]), base);
        let variables = [("VESTIBULE_ADMIN__GROUPS", "a, b"), ("VESTIBULE_SESSION__LIFETIME", "1h")];
        assert_eq!(fingerprint(ROUTE, &variables), base);
        let own = [("VESTIBULE_SERVER__DATA_DIR", "/elsewhere"), ("VESTIBULE_STORE__URL", "postgres://u:p@h/d")];
        assert_eq!(fingerprint(&turned, &own), base);
        assert_ne!(fingerprint(&turned, &[("VESTIBULE_SESSION__LIFETIME", "2h")]), base);
        assert_ne!(fingerprint(&format!("{turned}groups = [\"staff\"]\n"), &[]), base);
    }

    #[test]
    fn no_secret_is_in_it() {
        let with = |password: &str| {
            let auth = format!("upstream_auth = {{ basic = {{ user = \"svc\", password = \"{password}\" }} }}\n");
            let sms = format!(
                "[sms]\nurl = \"http://h\"\nbody = '{{{{ phone }}}}{{{{ text }}}}'\nheaders = {{ authorization = \"{password}\" }}\n"
            );
            fingerprint(&format!("{sms}[mail]\nurl = \"smtp://a:{password}@h\"\nfrom = \"a@b.example\"\n{ROUTE}{auth}"), &[])
        };
        assert_eq!(with("hunter2"), with("hunter3"));
    }
}
