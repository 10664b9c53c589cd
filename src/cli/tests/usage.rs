//! The command line itself: what it refuses, and that every help shows examples that work.

use clap::{CommandFactory, Parser};

use super::super::Cli;

#[test]
fn wrong_usage_is_status_2_and_passwords_are_no_arguments() {
    for wrong in [
        &["user", "set", "alice"][..],
        &["user", "mfa", "alice"],
        &["user", "add", "alice"],
        &["user", "add", "alice", "--email", "a@example.org", "--password", "x"],
        &["user", "set", "alice", "--group", "a", "--no-groups"],
        &["session", "revoke"],
        &["session", "revoke", "x", "--all"],
        &["audit", "--since", "yesterday"],
        &["explain", "--from", "nowhere", "http://a/"],
        &["user", "import", "f"],
        &["nonsense"],
    ] {
        let arguments = std::iter::once("vestibule").chain(wrong.iter().copied());
        assert!(Cli::try_parse_from(arguments).is_err_and(|e| e.exit_code() == 2), "{wrong:?}");
    }
    for right in [
        &["user", "mfa", "alice", "--reset"][..],
        &["user", "mfa", "alice", "--reset", "totp", "--allow", "totp", "--allow", "email", "--enrol", "sms"],
        &["user", "list", "--json", "--data-dir", "d", "--config", "c"],
        &["audit", "verify"],
        &["audit", "--follow", "--user", "alice"],
    ] {
        let arguments = std::iter::once("vestibule").chain(right.iter().copied());
        assert!(Cli::try_parse_from(arguments).is_ok(), "{right:?}");
    }
}

/// Every command, by its words; those that only hold others too.
fn every_command(command: &clap::Command, words: &str, found: &mut Vec<(String, clap::Command)>) {
    for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
        let words = format!("{words} {}", below.get_name());
        found.push((words.clone(), below.clone()));
        every_command(below, &words, found);
    }
}

fn all() -> Vec<(String, clap::Command)> {
    let mut root = Cli::command();
    root.build();
    let mut found = vec![("vestibule".to_owned(), root.clone())];
    every_command(&root, "vestibule", &mut found);
    found
}

/// What stands below "Example:" in its help.
fn examples(words: &str, command: &clap::Command) -> String {
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    help.split_once("Example:\n").unwrap_or_else(|| panic!("{words} --help has no example")).1.to_owned()
}

#[test]
fn every_command_has_an_example_of_itself_and_knows_json() {
    let found = all();
    assert!(found.len() > 30, "{}", found.len());
    Cli::command().debug_assert();
    for (words, command) in found {
        let examples = examples(&words, &command);
        assert!(examples.starts_with("  vestibule"), "{words}: {examples}");
        let last = words.rsplit(' ').next().unwrap();
        let shown: Vec<&str> =
            examples.lines().filter(|line| line.contains("vestibule") && line.split([' ', '|']).any(|word| word == last)).collect();
        assert!(!shown.is_empty(), "{words}: {examples}");
        assert!(command.get_arguments().any(|argument| argument.get_id() == "json"), "{words} has no --json");
        for line in examples.lines().filter(|line| !line.trim().is_empty()) {
            assert!(line.starts_with("  "), "{words}: {line}");
        }
    }
}

/// Examples are not decoration: the command line takes each of them.
#[test]
fn every_example_is_taken() {
    let found = all();
    for (words, command) in found {
        let examples = examples(&words, &command);
        for part in examples.split(['\n', '|']).flat_map(|line| line.split("&&")) {
            let part = part.split(['<', '>']).next().unwrap().trim();
            if let Some(at) = part.find("vestibule ").filter(|_| !part.starts_with("man ")) {
                let arguments = part[at..].split_whitespace().map(|word| word.trim_matches(|c| c == '\'' || c == '"'));
                let taken = Cli::try_parse_from(arguments);
                assert!(taken.is_ok(), "{words}: `{part}`: {}", taken.err().unwrap());
            }
        }
    }
}
