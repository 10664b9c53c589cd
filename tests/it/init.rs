//! The first hour: `vestibule init` writes a configuration that works, and every command finds it.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The program in a folder, without a word of where its configuration is.
fn vestibule(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vestibule"));
    command.env_remove("VESTIBULE_CONFIG").current_dir(folder).stdin(Stdio::null()).args(arguments).output().unwrap()
}

fn works(folder: &Path, arguments: &[&str]) -> String {
    let output = vestibule(folder, arguments);
    let (said, faults) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{arguments:?}: {said}{faults}");
    said.into_owned()
}

fn fails(folder: &Path, arguments: &[&str]) -> String {
    let output = vestibule(folder, arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn what_init_writes_is_found_passes_the_check_and_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let answers = ["--host", "wiki.example", "--upstream", "http://127.0.0.1:3000", "--mail", "smtp://127.0.0.1:25"];
    let who = ["--admin", "alice", "--admin-email", "alice@post.example"];
    let said = works(here, &[&["init", "--yes"], &answers[..], &who[..]].concat());
    assert!(said.contains("Administrator alice") && said.contains("/.vestibule/setup?token="), "{said}");
    let file = here.join("vestibule.toml");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    works(here, &["check"]);
    let alice = works(here, &["user", "show", "alice", "--json"]);
    assert!(alice.contains("\"admins\""), "{alice}");
    let decided = works(here, &["explain", "--json", "http://wiki.example/"]);
    assert!(decided.contains("two_factor") && decided.contains("http://127.0.0.1:3000"), "{decided}");
    let before = std::fs::read(&file).unwrap();
    assert!(fails(here, &["init", "--yes"]).contains("exists already"));
    assert_eq!(std::fs::read(&file).unwrap(), before);
}

#[test]
fn the_configuration_is_looked_for_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let write = |file: &str, name: &str| {
        let text = format!("[[routes]]\nname = \"{name}\"\nupstreams = [\"http://127.0.0.1:1\"]\npolicy = \"one_factor\"\n");
        std::fs::create_dir_all(here.join(file).parent().unwrap()).unwrap();
        std::fs::write(here.join(file), text).unwrap();
    };
    let decides = |more: &[&str]| works(here, &[&["explain", "--json"], more, &["http://x/"]].concat());
    if !Path::new("/etc/vestibule/vestibule.toml").exists() {
        let missing = fails(here, &["key", "list"]);
        assert!(missing.contains("vestibule.toml") && missing.contains("vestibule init"), "{missing}");
    }
    write("config/vestibule.toml", "second");
    assert!(decides(&[]).contains("\"second\""));
    write("vestibule.toml", "first");
    assert!(decides(&[]).contains("\"first\""));
    write("named.toml", "named");
    assert!(decides(&["--config", "named.toml"]).contains("\"named\""));
}

#[test]
fn without_a_terminal_nothing_is_asked_and_what_cannot_be_used_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    assert!(fails(here, &["init"]).contains("--yes"));
    assert!(fails(here, &["init", "--yes", "--host", "wiki example"]).contains("no host"));
    assert!(fails(here, &["init", "--yes", "--upstream", "http://a/b"]).contains("no path"));
    assert!(fails(here, &["init", "--yes", "--mail", "smtp://u:secret@m:25"]).contains("--mail-url-file"));
    assert_eq!(vestibule(here, &["init", "--yes", "--from-nginx", "x"]).status.code(), Some(2), "one or the other");
    assert_eq!(std::fs::read_dir(here).unwrap().count(), 0, "nothing was written");
}

#[test]
fn on_a_terminal_it_asks() {
    let folder = tempfile::tempdir().unwrap();
    let program = env!("CARGO_BIN_EXE_vestibule");
    // util-linux' script gives the program a terminal.
    let mut asked = Command::new("script")
        .args(["-qec", &format!("{program} init"), "/dev/null"])
        .env_remove("VESTIBULE_CONFIG")
        .current_dir(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    asked.stdin.take().unwrap().write_all(b"wiki example\nwiki.example\nhttp://127.0.0.1:3000\n\n\n\n").unwrap();
    let output = asked.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("no host") && said.contains("Where the application is"), "{said}");
    let text = std::fs::read_to_string(folder.path().join("vestibule.toml")).unwrap();
    assert!(text.contains("hosts = [\"wiki.example\"]") && text.contains("[admin]") && !text.contains("[mail]"), "{text}");
}

#[test]
fn a_file_that_somebody_else_could_have_written_does_not_decide_what_a_command_does() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let mode = |name: &str, mode| std::fs::set_permissions(here.join(name), std::fs::Permissions::from_mode(mode)).unwrap();
    std::fs::create_dir(here.join("config")).unwrap();
    for place in ["vestibule.toml", "config/vestibule.toml"] {
        let route = "[[routes]]\nname = \"a\"\nupstreams = [\"http://127.0.0.1:1\"]\npolicy = \"one_factor\"\n";
        std::fs::write(here.join(place), route).unwrap();
        mode(place, 0o644);
        works(here, &["check"]);
        mode(place, 0o666);
        let said = fails(here, &["check"]);
        assert!(said.contains("everybody may write to the file") && said.contains(&format!("--config {place}")), "{said}");
        works(here, &["check", "--config", place]);
        // What reads no configuration is not held up.
        works(here, &["schema"]);
        mode(place, 0o644);
        let folder = Path::new(place).parent().unwrap().to_str().unwrap();
        mode(folder, 0o777);
        assert!(fails(here, &["check"]).contains("everybody may write to "), "{place}");
        mode(folder, 0o755);
        std::fs::remove_file(here.join(place)).unwrap();
    }
}

#[test]
fn a_strangers_file_is_not_taken_even_by_root() {
    if !rustix::process::geteuid().is_root() {
        return; // Only root can give a file away; what is decided is tested beside it.
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("vestibule.toml");
    std::fs::write(&file, "").unwrap();
    std::os::unix::fs::chown(&file, Some(12345), Some(12345)).unwrap();
    let said = fails(folder.path(), &["check"]);
    assert!(said.contains("belongs to another user (uid 12345; you are uid 0)"), "{said}");
}
