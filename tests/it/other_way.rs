//! Plain requests are forwarded without pingora's proxy; all others go through it. What guards the applications must not depend on the way: the
//! tests that attack it run once more, in a process of their own, with everything on pingora's way.

const PINGORAS_WAY: &str = "VESTIBULE_TEST_PINGORAS_WAY";

/// The files whose tests send requests that somebody made up.
const ATTACKS: [&str; 14] = [
    "applications::",
    "devices::tunnels::",
    "edges::",
    "forwarding::",
    "fuzz::",
    "guests::",
    "headers::",
    "identity::",
    "one_connection::",
    "paths::",
    "redirects::",
    "step_up::",
    "tokens::",
    "upstream_auth::",
];

#[test]
fn every_attack_fails_on_pingoras_way_too() {
    if std::env::var_os(PINGORAS_WAY).is_some() {
        return;
    }
    let again = std::process::Command::new(std::env::current_exe().unwrap()).args(ATTACKS).env(PINGORAS_WAY, "1").output().unwrap();
    let said = String::from_utf8_lossy(&again.stdout);
    assert!(again.status.success() && !said.contains(" 0 passed"), "{said}\n{}", String::from_utf8_lossy(&again.stderr));
}
