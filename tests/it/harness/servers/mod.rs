//! Real servers, started once for all tests: Samba as an Active Directory domain controller, OpenLDAP's slapd, and Pebble as a certificate
//! authority, each on a loopback address of its own, with a certificate by an authority of their own. They end with the tests.

pub mod authority;
pub mod pebble;
pub mod samba;
pub mod slapd;

use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub use samba::Samba;
pub use slapd::Slapd;

/// Runs a server for as long as this process lives: the shell between ends it when its standard input does.
fn tied(command: &str, log: &std::path::Path) -> Child {
    let log = std::fs::File::create(log).unwrap();
    let script = format!("{command} </dev/null & pid=$!; cat >/dev/null; kill -TERM $pid; wait $pid");
    Command::new("sh").args(["-c", &script]).stdin(Stdio::piped()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
}

/// Waits until somebody listens there.
fn wait_for(address: &str, port: u16, log: &std::path::Path) {
    let until = Instant::now() + Duration::from_secs(90);
    while std::net::TcpStream::connect((address, port)).is_err() {
        assert!(Instant::now() < until, "no server at {address}:{port}:\n{}", std::fs::read_to_string(log).unwrap_or_default());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Runs a tool to its end with this input.
fn run(program: &str, arguments: &[&str], input: &str) -> Result<String, String> {
    let mut child = Command::new(program)
        .args(arguments)
        .env("LDAPTLS_REQCERT", "never")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{program}: {e}; scripts/test installs it"));
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() { Ok(said) } else { Err(said) }
}

/// A loopback address that no other run of the tests has: its ports are fixed.
fn own_address(block: u8) -> String {
    let pid = std::process::id();
    format!("127.{block}.{}.{}", (pid >> 8) & 0xff, (pid & 0xff).clamp(1, 254))
}
