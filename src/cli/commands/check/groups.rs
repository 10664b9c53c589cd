//! Warnings of `check` about groups that routes name and nobody is in: a misspelt one lets nobody in, or nobody administer.

use std::collections::{BTreeMap, BTreeSet};

use crate::cli::access::Access;
use crate::cli::context::Context;
use crate::cli::control;
use crate::config::{Config, Problem, Severity};

/// Says nothing where nobody can be asked (no gateway runs, and there is no store yet), or there is no account at all.
pub(super) fn empty_groups(context: &Context, config: &Config) -> Vec<Problem> {
    let Some(used) = in_use(context, config) else { return Vec::new() };
    // Whoever is in one of these may be in a directory and never have signed in here.
    let mapped: BTreeSet<&str> =
        config.directories.iter().flat_map(|directory| &directory.group_map).map(|(_, name)| name.as_str()).collect();
    let text = std::fs::read_to_string(&context.source.file).unwrap_or_default();
    let warning = |(group, key): (&str, String)| Problem {
        file: context.source.file.display().to_string(),
        line: line_of(&text, group),
        variable: None,
        key,
        severity: Severity::Warning,
        what: format!("nobody is in the group “{group}”"),
        remedy: format!("correct its name, or add somebody: vestibule user set NAME --group \"{group}\""),
    };
    named(config).into_iter().filter(|(group, _)| !used.contains(*group) && !mapped.contains(group)).map(warning).collect()
}

/// Every group that is named, with the first key that does.
fn named(config: &Config) -> BTreeMap<&str, String> {
    let mut found = BTreeMap::new();
    for group in &config.admin.groups {
        found.entry(group.as_str()).or_insert_with(|| "admin.groups".to_owned());
    }
    for (at, route) in config.routes.iter().enumerate() {
        let rules = route.rules.iter().enumerate().map(|(rule, r)| (format!("routes[{at}].rules[{rule}].groups"), &r.requirement.groups));
        let all = std::iter::once((format!("routes[{at}].groups"), &route.requirement.groups)).chain(rules);
        for (key, group) in all.flat_map(|(key, groups)| groups.iter().flatten().map(move |group| (key.clone(), group))) {
            found.entry(group.as_str()).or_insert(key);
        }
    }
    found
}

fn in_use(context: &Context, config: &Config) -> Option<BTreeSet<String>> {
    if !config.server.data_dir.join("keys.json").exists() {
        return None;
    }
    let answer = Access::open(&context.source).and_then(|mut access| access.run(control::Command::GroupsInUse)).ok()?;
    serde_json::from_value::<Option<BTreeSet<String>>>(answer).ok().flatten()
}

/// The first line that names it in quotes beside the word `groups`.
fn line_of(text: &str, group: &str) -> Option<usize> {
    let quoted = format!("\"{group}\"");
    let names = |line: &str| line.contains("groups") && line.contains(&quoted) && !line.trim_start().starts_with('#');
    text.lines().position(names).map(|at| at + 1)
}
