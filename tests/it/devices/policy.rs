//! What the command line says of bound sessions: `explain`, and policy tests.

use crate::harness::PASSWORD;
use crate::harness::binary::Machine;

const CONFIG: &str = "[server]\nlisten = [\"127.0.0.1:0\"]\n[password]\nmemory_kib = 64\niterations = 1\n[session.device_bound]\n\
    [[routes]]\nname = \"pay\"\nhosts = [\"pay.example\"]\nupstreams = [\"http://127.0.0.1:9\"]\npolicy = \"one_factor\"\ndevice_bound = \"require\"\ndevice_age = \"5m\"\n\
    [[routes.rules]]\npaths = [\"/open/\"]\npolicy = \"bypass\"\n\
    [[routes]]\nname = \"wiki\"\nhosts = [\"wiki.example\"]\nupstreams = [\"http://127.0.0.1:9\"]\npolicy = \"one_factor\"\n";

#[test]
fn explain_says_what_is_asked_of_bound_sessions_and_answers_as_for_one() {
    let machine = Machine::new(CONFIG);
    machine.does_with(&["user", "add", "alice", "--email", "alice@post.example", "--password-stdin"], PASSWORD);
    let asks = |more: &[&str], url: &str| machine.json(&[&["explain", "--user", "alice"], more, &[url]].concat());
    let pay = "https://pay.example/";
    for (more, outcome, reason) in [
        (&[][..], "forbid", Some("device")),
        (&["--device-bound", "shown"], "allow", None),
        (&["--device-bound", "missing"], "challenge", Some("device")),
    ] {
        let told = asks(more, pay);
        assert_eq!((told["device_bound"].as_str(), told["device_age"].as_u64()), (Some("require"), Some(300)), "{told}");
        assert_eq!((told["outcome"].as_str(), told["reason"].as_str()), (Some(outcome), reason), "{told}");
    }
    let wiki = asks(&[], "https://wiki.example/");
    assert_eq!(
        (wiki["device_bound"].as_str(), wiki["device_age"].as_u64(), wiki["outcome"].as_str()),
        (Some("prefer"), None, Some("allow"))
    );
    let open = asks(&["--device-bound", "missing"], "https://pay.example/open/x");
    assert_eq!((open["device_bound"].as_str(), open["outcome"].as_str()), (None, Some("allow")), "{open}");
    let words = machine.does(&["explain", "--user", "alice", pay]);
    assert!(words.contains("require (shown in the last 300 s)"), "{words}");
    assert_eq!(machine.run(&["explain", "--user", "alice", "--device-bound", "stolen", pay]).status.code(), Some(2));
}

#[test]
fn a_policy_test_keeps_what_is_asked_of_bound_sessions() {
    let expects = |url: &str, outcome: &str, device: &str| {
        format!("{CONFIG}[[expect]]\nurl = \"{url}\"\ngroups = [\"staff\"]\noutcome = \"{outcome}\"\ndevice_bound = \"{device}\"\n")
    };
    let machine = Machine::new(&expects("https://pay.example/", "one_factor", "require"));
    machine.does(&["check"]);
    machine.configure(&expects("https://pay.example/open/", "bypass", "off"));
    machine.does(&["check"]);
    machine.configure(&expects("https://wiki.example/", "one_factor", "require"));
    let said = machine.refuses(&["check"]);
    assert!(said.contains("should be device_bound = \"require\" and is \"prefer\""), "{said}");
    machine.configure(&expects("https://wiki.example/", "one_factor", "always"));
    let said = machine.refuses(&["check"]);
    assert!(said.contains("observe") && said.contains("device_bound"), "{said}");
}
