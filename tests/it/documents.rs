//! The documents hold together: every link leads somewhere, and every page stands in the book's table of contents.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn pages_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            pages_below(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "md") {
            found.push(path);
        }
    }
}

fn pages() -> Vec<PathBuf> {
    let mut found: Vec<_> = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"].iter().map(|name| root().join(name)).collect();
    pages_below(&root().join("docs"), &mut found);
    found
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The text without fenced blocks.
fn prose(text: &str) -> String {
    let mut fenced = false;
    let outside = text.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    });
    outside.collect::<Vec<_>>().join("\n")
}

/// The targets of `[text](target)`, pictures included.
fn links(text: &str) -> Vec<String> {
    let parts = text.split("](").skip(1);
    parts.filter_map(|rest| rest.split_once(')')).map(|(target, _)| target.split(' ').next().unwrap_or_default().to_owned()).collect()
}

/// A heading's anchor, as the book and the code hosts make it.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

fn anchors(text: &str) -> BTreeSet<String> {
    prose(text).lines().filter(|line| line.starts_with('#')).map(|line| anchor(line.trim_start_matches('#'))).collect()
}

fn fault_of(page: &Path, link: &str) -> Option<String> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let (file, heading) = link.split_once('#').unwrap_or((link, ""));
    let target = if file.is_empty() { page.to_owned() } else { page.parent()?.join(file) };
    if !target.exists() {
        return Some(format!("{}: {link} leads nowhere", page.display()));
    }
    let known = heading.is_empty() || anchors(&read(&target)).contains(heading);
    (!known).then(|| format!("{}: {link}: there is no such heading", page.display()))
}

#[test]
fn every_link_leads_somewhere() {
    let mut tried = 0;
    let mut faults = Vec::new();
    for page in pages() {
        let all = links(&prose(&read(&page)));
        tried += all.len();
        faults.extend(all.iter().filter_map(|link| fault_of(&page, link)));
    }
    assert!(tried > 60, "{tried}");
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// What `scripts/book` puts in the place of a page outside of `docs/`.
fn stands_for_a_page(file: &str, script: &str) -> bool {
    file.strip_suffix(".md").is_some_and(|name| script.contains(&format!("\nleads {name}.html docs/")))
}

/// Why a link of the book would be dead in the built site: it leads out of `docs/`, and not to a file that the script copies or stands in for.
fn fault_in_site(page: &Path, link: &str, script: &str) -> Option<String> {
    if link.contains("://") || link.starts_with("mailto:") || link.starts_with('#') {
        return None;
    }
    let file = link.split('#').next().unwrap_or_default();
    let target = page.parent()?.join(file).canonicalize().ok()?;
    if target.strip_prefix(root().join("docs")).is_ok() {
        return target.is_dir().then(|| format!("{}: {link} is a folder, and the site lists none", page.display()));
    }
    let below = target.strip_prefix(root()).ok()?.to_str()?.to_owned();
    let there = if below.ends_with(".md") { stands_for_a_page(&below, script) && !link.contains('#') } else { target.is_file() };
    (!there).then(|| format!("{}: {link} is dead in the site", page.display()))
}

#[test]
fn every_link_of_the_book_holds_in_the_built_site_too() {
    let script = read(&root().join("scripts/book"));
    let (mut all, mut tried, mut faults) = (Vec::new(), 0, Vec::new());
    pages_below(&root().join("docs"), &mut all);
    for page in all {
        for link in links(&prose(&read(&page))) {
            tried += 1;
            faults.extend(fault_in_site(&page, &link, &script));
        }
    }
    assert!(tried > 150, "{tried}");
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
    let page = root().join("docs/reference.md");
    for dead in ["../README.md", "../examples", "../CHANGELOG.md#unreleased", "images"] {
        assert!(fault_in_site(&page, dead, &script).is_some(), "{dead}");
    }
}

/// Files that the book takes in whole: their own links would be relative to another folder.
#[test]
fn what_the_book_takes_in_has_no_links_of_its_own() {
    let mut all = Vec::new();
    pages_below(&root().join("docs"), &mut all);
    let mut taken = 0;
    for page in all {
        for include in read(&page).lines().filter_map(|line| line.strip_prefix("{{#include ")?.strip_suffix("}}")) {
            taken += 1;
            let text = read(&page.parent().unwrap().join(include));
            let own: Vec<String> = links(&prose(&text)).into_iter().filter(|link| !link.contains("://")).collect();
            assert!(own.is_empty(), "{include}: {own:?}");
        }
    }
    assert_eq!(taken, 2);
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let page = root().join("docs/reference.md");
    assert!(fault_of(&page, "nowhere.md").is_some() && fault_of(&page, "#no-such-heading").is_some());
    assert!(fault_of(&page, "#portal").is_none() && fault_of(&page, "guides/install.md#tls").is_none());
}

#[test]
fn every_page_is_in_the_table_of_contents() {
    let contents = read(&root().join("docs/SUMMARY.md"));
    let listed: BTreeSet<PathBuf> = links(&contents).iter().map(|link| root().join("docs").join(link)).collect();
    let mut there = Vec::new();
    pages_below(&root().join("docs"), &mut there);
    let missing: Vec<_> = there.iter().filter(|page| !page.ends_with("SUMMARY.md") && !listed.contains(*page)).collect();
    assert!(missing.is_empty(), "docs/SUMMARY.md does not list {missing:?}");
}
