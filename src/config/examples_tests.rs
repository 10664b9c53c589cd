//! Every configuration that we hand out is right: it is read without a fault, and its policy tests hold. A fragment (`sms-*.toml`) is
//! put to the least configuration that there is.

use std::path::{Path, PathBuf};

use super::{Severity, parse};
use crate::policy::{Policy, run_expectations};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn configurations(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            configurations(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            found.push(path);
        }
    }
}

pub(super) fn all() -> Vec<PathBuf> {
    let mut found = Vec::new();
    configurations(&root().join("config"), &mut found);
    configurations(&root().join("examples"), &mut found);
    found.sort();
    found
}

fn is_fragment(file: &Path) -> bool {
    file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("sms-"))
}

pub(super) fn text(file: &Path) -> String {
    let own = std::fs::read_to_string(file).unwrap();
    if is_fragment(file) { std::fs::read_to_string(root().join("examples/minimal.toml")).unwrap() + &own } else { own }
}

#[test]
fn every_example_is_right_and_its_policy_tests_hold() {
    let files = all();
    assert!(files.len() > 10, "{files:?}");
    for file in files {
        let loaded = parse(&text(&file), &file, []).unwrap_or_else(|problems| panic!("{problems}"));
        let config = loaded.config;
        assert!(!config.expect.is_empty(), "{} tests nothing of its policy", file.display());
        let policy = Policy::new(config.routes.clone(), &config.portal.prefix);
        let results = run_expectations(&policy, &config.expect, |_| None);
        let failures: Vec<_> = results.failures.iter().map(ToString::to_string).collect();
        assert_eq!((failures, results.warnings), (vec![], vec![]), "{}", file.display());
    }
}

/// What we hand out is not only legal: it is wise, but for what an example is there to show.
#[test]
fn examples_warn_of_nothing_that_they_do_not_mean() {
    // In a container the listener must be open; compose publishes it on the loopback address, and hands out set-up links.
    let meant = |file: &Path, key: &str| {
        file.ends_with("compose/vestibule.toml") && matches!(key, "server.listen" | "mfa.first_enrolment")
            || file.ends_with("systemd/vestibule.toml") && key == "mfa.first_enrolment"
    };
    for file in all() {
        let warnings = parse(&text(&file), &file, []).unwrap().warnings;
        let unmeant: Vec<_> =
            warnings.iter().filter(|w| w.severity == Severity::Warning && !meant(&file, &w.key)).map(ToString::to_string).collect();
        assert_eq!(unmeant, Vec::<String>::new());
    }
}

#[test]
fn the_configuration_in_the_readme_is_right() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let (_, block) = readme.split_once("```toml\n").unwrap();
    let (text, _) = block.split_once("```").unwrap();
    let loaded = parse(text, Path::new("README.md"), []).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(loaded.warnings, []);
    let policy = Policy::new(loaded.config.routes.clone(), &loaded.config.portal.prefix);
    assert_eq!(run_expectations(&policy, &loaded.config.expect, |_| None).failures, []);
}

/// Each page for an application has one configuration, which is read without a fault or a warning; the secrets that it names are there.
#[test]
fn the_configuration_of_every_application_page_is_right() {
    use std::os::unix::fs::PermissionsExt;
    let pages = std::fs::read_dir(root().join("docs/apps")).unwrap().map(|entry| entry.unwrap().path());
    // One page is about all of them, and a folder tries them.
    let is_one = |page: &PathBuf| page.extension().is_some_and(|kind| kind == "md") && !page.ends_with("try.md");
    let pages: Vec<_> = pages.filter(is_one).collect();
    assert!(pages.len() >= 17, "{pages:?}");
    for page in pages {
        let folder = tempfile::tempdir().unwrap();
        let text = std::fs::read_to_string(&page).unwrap();
        let blocks: Vec<&str> = text.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
        assert_eq!(blocks.len(), 1, "{}", page.display());
        for named in blocks[0].split("_file = \"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
            std::fs::write(folder.path().join(named), "secret-of-the-application").unwrap();
            std::fs::set_permissions(folder.path().join(named), std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        let loaded = parse(blocks[0], &folder.path().join("vestibule.toml"), []).unwrap_or_else(|e| panic!("{}: {e}", page.display()));
        let told: Vec<_> = loaded.warnings.iter().filter(|w| w.key.starts_with("routes")).map(ToString::to_string).collect();
        assert_eq!(told, Vec::<String>::new(), "{}", page.display());
    }
}
