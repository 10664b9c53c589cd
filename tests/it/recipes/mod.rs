//! Recipes of docs/apps with the real applications, by the script that anybody can run (docs/apps/try): those whose packages are small.

use std::path::Path;
use std::process::Command;

/// Tries one recipe with the page's own configuration; says what was seen.
#[track_caller]
fn tries(recipe: &str) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_vestibule"));
    let target = program.ancestors().nth(2).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/apps/try/run.py");
    let mut command = Command::new("/usr/bin/python3");
    command.arg(script).arg(recipe).env("VESTIBULE", program).env("TRY_REQUIRE", "1").env("PYTHONDONTWRITEBYTECODE", "1");
    let output = command.env("PYTHONPATH", target.join("grpc")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

#[test]
fn webdav_with_mod_dav_passes_every_suite_of_litmus() {
    let said = tries("webdav");
    for suite in ["basic: 16 of 16", "copymove: 13 of 13", "props: 30 of 30", "locks: 41 of 41", "http: 4 of 4"] {
        assert!(said.contains(suite), "{said}");
    }
}

#[test]
fn apache_says_who_it_is_by_remote_user() {
    assert!(tries("apache").contains("REMOTE_USER=alice"));
}

#[test]
fn git_clones_pushes_and_fetches_with_a_token() {
    assert!(tries("git").contains("fetch brings what was pushed"));
}

#[test]
fn grpc_calls_in_all_four_shapes_arrive_with_a_token() {
    assert!(tries("grpc").contains("20 messages in turns, both ways on one stream"));
}
