//! Every command that the documents show is one that this program takes: fenced ones as they stand, those in the text by their words and options.

use std::path::{Path, PathBuf};

use clap::{CommandFactory, Parser};

use super::super::Cli;

fn pages(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            pages(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "md") {
            found.push(path);
        }
    }
}

fn all_pages() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found: Vec<PathBuf> = ["README.md", "CONTRIBUTING.md", "SECURITY.md"].map(|name| root.join(name)).to_vec();
    pages(&root.join("docs"), &mut found);
    found.into_iter().map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect()
}

/// A line's words as a shell would split them; what follows a comment, a pipe or a redirection is another's.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in line.chars() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            (c, None) if matches!(c, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            ('|' | '>' | '#' | ';' | '&', None) if word.is_none() => break,
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// The command of ours in a fenced line: at its start, after `sudo -u vestibule`, after `--` or after a pipe.
fn command(line: &str) -> Option<Vec<String>> {
    let line = line.trim().trim_start_matches("$ ");
    let begins = ["sudo -u vestibule vestibule ", "sudo vestibule ", "vestibule "]
        .iter()
        .find(|start| line.starts_with(**start))
        .map(|start| start.len());
    let at = begins.or_else(|| line.find(" -- vestibule ").map(|at| at + 14)).or_else(|| line.find(" | vestibule ").map(|at| at + 13))?;
    Some(std::iter::once("vestibule".to_owned()).chain(words(line.get(at..)?)).collect())
}

fn fenced(text: &str) -> impl Iterator<Item = &str> {
    let mut inside = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        inside ^= fence;
        inside && !fence
    })
}

#[test]
fn every_command_in_a_block_is_taken_as_it_stands() {
    let mut tried = 0;
    for (path, text) in all_pages() {
        for line in fenced(&text) {
            let Some(words) = command(line) else { continue };
            tried += 1;
            if let Err(e) = Cli::try_parse_from(&words) {
                panic!("{}: {line}\n{e}", path.display());
            }
        }
    }
    assert!(tried > 20, "{tried}");
}

/// What is wrong with a command in the text, which may leave arguments out: a word or an option that there is not.
fn unknown(words: &[String]) -> Option<String> {
    let mut root = Cli::command();
    root.build();
    let mut at = &root;
    for word in words.iter().skip(1) {
        if let Some(below) = at.find_subcommand(word) {
            at = below;
        } else if let Some(option) = word.strip_prefix("--") {
            let name = option.split('=').next().unwrap_or_default();
            let known = at.get_arguments().chain(root.get_arguments()).any(|one| one.get_long() == Some(name)) || name == "version";
            if !known {
                return Some(format!("no option --{name}"));
            }
        } else if at.has_subcommands() && *word != word.to_uppercase() {
            return Some(format!("no command {word}"));
        }
    }
    None
}

#[test]
fn every_command_in_the_text_has_words_and_options_that_there_are() {
    let mut tried = 0;
    for (path, text) in all_pages() {
        for code in text.split('`').skip(1).step_by(2).filter(|code| code.starts_with("vestibule ") && !code.contains('\n')) {
            tried += 1;
            let words: Vec<String> = words(code);
            assert_eq!(unknown(&words), None, "{}: {code}", path.display());
        }
    }
    assert!(tried > 60, "{tried}");
}

#[test]
fn a_command_that_there_is_not_is_found() {
    let of = |line: &str| unknown(&words(line));
    assert_eq!(of("vestibule user set NAME --group x"), None);
    assert_eq!(of("vestibule users"), Some("no command users".into()));
    assert_eq!(of("vestibule user set --grp x"), Some("no option --grp".into()));
    assert_eq!(command("nginx -T | vestibule init --from-nginx - > x # y"), Some(words("vestibule init --from-nginx -")));
    assert_eq!(words("a 'b c' \"d#e\" f#g # h"), ["a", "b c", "d#e", "f#g"]);
}
