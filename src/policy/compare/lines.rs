//! Equal changes put together, so that a person reads them in a minute: methods and networks of a path, then paths below each other, then
//! hosts.

use std::collections::{BTreeMap, BTreeSet};

use super::change::Change;
use super::paths::PathKind;
use super::people::Effect;

/// A change for one kind of request.
#[derive(Clone, Debug)]
pub struct Found {
    pub host: String,
    pub path: PathKind,
    /// Several, with commas, once a host is closed.
    pub method: String,
    pub client: String,
    pub route: Option<String>,
    pub effect: Effect,
}

/// How many kinds there are at a host.
#[derive(Clone, Copy, Debug)]
pub struct All {
    pub methods: usize,
    pub clients: usize,
}

/// Puts the methods and networks of one host's changes together: these are its kinds alone. What was closed before is left as it is.
pub fn close_host(found: &mut Vec<Found>, all: All) {
    let begins = found.iter().rposition(|one| one.method.starts_with('=')).map_or(0, |at| at + 1);
    let fresh = found.split_off(begins);
    type Cell = (String, PathKind, Option<String>, Effect);
    type Methods = BTreeSet<String>;
    let mut cells: BTreeMap<Cell, BTreeMap<String, Methods>> = BTreeMap::new();
    for one in fresh {
        let methods = cells.entry((one.host, one.path, one.route, one.effect)).or_default();
        methods.entry(one.client).or_default().insert(one.method);
    }
    for ((host, path, route, effect), by_client) in cells {
        let mut by_methods: BTreeMap<BTreeSet<String>, Vec<String>> = BTreeMap::new();
        for (client, methods) in by_client {
            by_methods.entry(methods).or_default().push(client);
        }
        for (methods, clients) in by_methods {
            let methods: Vec<String> = if methods.len() == all.methods { vec!["*".to_owned()] } else { methods.into_iter().collect() };
            let client = if clients.len() == all.clients { String::new() } else { clients.join(", ") };
            let method = format!("={}", methods.join(","));
            found.push(Found { host: host.clone(), path: path.clone(), method, client, route: route.clone(), effect: effect.clone() });
        }
    }
}

/// Everything found as lines.
pub fn merged(found: Vec<Found>) -> Vec<Change> {
    type What = (Option<String>, String, String, Effect);
    let mut by_host: BTreeMap<(String, What), BTreeSet<PathKind>> = BTreeMap::new();
    for one in found {
        by_host.entry((one.host, (one.route, one.method, one.client, one.effect))).or_default().insert(one.path);
    }
    let mut by_path: BTreeMap<(What, String), BTreeSet<String>> = BTreeMap::new();
    for ((host, what), paths) in by_host {
        let shown = |label: &str| paths.iter().any(|path| path.label == label);
        for path in paths.iter().filter(|path| !path.above.as_deref().is_some_and(shown)) {
            by_path.entry((what.clone(), path.label.clone())).or_default().insert(host.clone());
        }
    }
    let change = |(((route, method, client, effect), path), hosts): ((What, String), BTreeSet<String>)| Change {
        direction: effect.direction,
        route,
        hosts: hosts.into_iter().collect(),
        path,
        methods: method.trim_start_matches('=').split(',').map(str::to_owned).collect(),
        who: if client.is_empty() { effect.who } else { format!("{} from {client}", effect.who) },
        before: effect.before,
        after: effect.after,
    };
    let mut changes: Vec<Change> = by_path.into_iter().map(change).collect();
    changes.sort_by(|a, b| (b.direction, &a.hosts, &a.path).cmp(&(a.direction, &b.hosts, &b.path)));
    changes
}
