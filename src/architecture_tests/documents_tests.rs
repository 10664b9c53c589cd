//! What the documents say about the code is there: functions in the diagrams, files in the lists.

use super::{Source, read};
use std::path::Path;

const HOW_TO: [&str; 4] = ["second-factor.md", "source.md", "header-preset.md", "setting.md"];

fn page(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)).unwrap()
}

/// The functions that the arrows of a page's sequence diagrams name: `A->>B: function — what for`.
fn drawn(page: &str) -> Vec<&str> {
    let arrows = page.lines().filter(|line| line.contains("->>") && line.contains(": "));
    arrows.filter_map(|line| line.split_once(": ")?.1.split_once(" — ").map(|(function, _)| function)).collect()
}

#[test]
fn every_function_in_the_diagrams_is_in_the_code() {
    let mut all: Vec<Source> = Vec::new();
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "", &mut all);
    let page = page("architecture.md");
    let (request, sign_in) = page.split_once("## The life of a sign-in").unwrap();
    assert!(drawn(request).len() >= 10 && drawn(sign_in).len() >= 8);
    for function in drawn(&page) {
        let defined = all.iter().any(|source| {
            source.code().any(|(_, line)| line.contains(&format!("fn {function}(")) || line.contains(&format!("fn {function}<")))
        });
        assert!(defined, "docs/architecture.md names {function}, which is no function");
    }
    assert_eq!(drawn("a->>b: f — g\na-->>b: h\n"), ["f"]);
}

/// The paths between backticks that begin with `src/` and name a file.
fn files(page: &str) -> impl Iterator<Item = &str> {
    let code = page.split('`').skip(1).step_by(2);
    code.filter(|path| path.starts_with("src/") && path.ends_with(".rs") && !path.contains("NAME") && !path.contains("SECTION"))
}

#[test]
fn every_file_that_the_how_to_pages_name_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut count = 0;
    for name in HOW_TO {
        let page = page(&format!("how-to/{name}"));
        for file in files(&page) {
            count += 1;
            assert!(root.join(file).is_file(), "docs/how-to/{name} names {file}");
        }
    }
    assert!(count > 20, "{count}");
}
