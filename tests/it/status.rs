//! How an operator sees that all is well: `status`, `health`, `mail test`, and a `check` that points at the fault.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

use crate::harness::binary::Machine;

const CONFIG: &str = "[server]\nlisten = [\"127.0.0.1:0\"]\nadmin_listen = \"127.0.0.1:0\"\n[password]\nmemory_kib = 64\niterations = 1\n\
                      [[routes]]\nname = \"wiki\"\ntitle = \"Wiki\"\nupstreams = [\"http://127.0.0.1:1\"]\npolicy = \"one_factor\"\ngroups = [\"staff\"]\n";

#[test]
fn status_and_health_tell_of_the_gateway_that_runs_and_of_none() {
    let machine = Machine::new(CONFIG);
    for command in ["status", "health"] {
        assert!(machine.refuses(&[command]).contains("no gateway runs"), "{command}");
    }
    let gateway = machine.serves();
    assert_eq!(machine.does(&["health"]), "");
    assert_eq!(machine.json(&["health"])["ready"], true);
    let status = machine.json(&["status"]);
    assert_eq!((&status["ready"], &status["sessions"], &status["store"]), (&true.into(), &0.into(), &"sled".into()), "{status}");
    assert_eq!(status["listeners"][0], format!("http://{}", gateway.address));
    assert_eq!(status["routes"][0]["upstreams"][0], serde_json::json!({ "address": "127.0.0.1:1", "up": true }));
    assert!(status["started"].is_string() && status["last_reload"].is_null() && status["mail"].is_null(), "{status}");
    machine.does(&["reload"]);
    assert!(machine.json(&["status"])["last_reload"].is_string());
    let shown = machine.does(&["status"]);
    assert!(shown.contains("wiki (one_factor): 127.0.0.1:1 up") && shown.contains("not configured"), "{shown}");
    gateway.stops();
    machine.refuses(&["health"]);
}

#[test]
fn check_shows_the_line_points_at_the_fault_and_never_shows_a_secret() {
    let machine =
        Machine::new(&CONFIG.replace("one_factor", "2fa").replace("[password]", "[mail]\nurl = \"nonsense://a:hunter2@b\"\n[password]"));
    let said = machine.refuses(&["check"]);
    assert!(said.contains("did you mean “two_factor”?"), "{said}");
    assert!(said.contains("   13 | policy = \"2fa\"\n      |          ^^^^^"), "{said}");
    assert!(!said.contains("hunter2") && !said.contains('\u{1b}'), "{said}");
}

#[test]
fn check_warns_of_a_group_that_nobody_is_in_once_there_are_people() {
    let machine = Machine::new(CONFIG);
    let warned = || machine.does(&["check"]).contains("warning: routes[0].groups: nobody is in the group “staff”");
    assert!(!warned(), "there is nobody at all");
    machine.does(&["user", "add", "alice", "--email", "alice@post.example"]);
    let said = machine.does(&["check"]);
    assert!(said.contains("vestibule.toml:12: warning: routes[0].groups: nobody is in the group “staff”"), "{said}");
    machine.does(&["user", "set", "alice", "--group", "staff", "--group", "admins"]);
    assert!(!warned());
}

#[test]
fn what_ends_something_does_not_ask_a_script() {
    let machine = Machine::new(CONFIG);
    for name in ["alice", "bob"] {
        machine.does(&["user", "add", name, "--email", &format!("{name}@post.example")]);
    }
    machine.does(&["user", "delete", "alice"]);
    machine.does(&["user", "delete", "bob", "--yes"]);
    machine.does(&["session", "revoke", "--all", "--yes"]);
}

/// Takes one letter, or says no to the recipient.
fn mail_server(refusal: Option<&'static str>) -> (u16, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let (mut out, mut letter, mut in_letter) = (stream.try_clone().unwrap(), String::new(), false);
        out.write_all(b"220 test\r\n").unwrap();
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let answer = match line.split([' ', ':']).next().unwrap_or_default() {
                _ if in_letter && line != "." => {
                    letter += &line;
                    letter.push('\n');
                    continue;
                }
                "DATA" => "354 go on",
                "RCPT" => refusal.unwrap_or("250 ok"),
                "QUIT" => break,
                _ => "250 ok",
            };
            in_letter = line == "DATA";
            if out.write_all(format!("{answer}\r\n").as_bytes()).is_err() {
                break;
            }
        }
        letter
    });
    (port, server)
}

#[test]
fn a_test_mail_goes_at_once_and_the_servers_answer_is_told() {
    let machine = Machine::new(CONFIG);
    assert!(machine.refuses(&["mail", "test", "alice@post.example"]).contains("there is no [mail]"));
    let with = |port: u16| {
        CONFIG.replace(
            "[password]",
            &format!(
                "[portal]\ncompany = \"Example Works\"\n[mail]\nurl = \"smtp://127.0.0.1:{port}\"\nfrom = \"a@b.example\"\n[password]"
            ),
        )
    };
    let (port, server) = mail_server(None);
    machine.configure(&with(port));
    assert_eq!(machine.json(&["mail", "test", "alice@post.example"])["accepted"], true);
    let letter = server.join().unwrap();
    assert!(letter.contains("To: alice@post.example") && letter.contains("Subject: Mail from Example Works works"), "{letter}");
    let (port, server) = mail_server(Some("550 no such user"));
    machine.configure(&with(port));
    let said = machine.refuses(&["mail", "test", "alice@post.example"]);
    assert!(said.contains("answered 550"), "{said}");
    drop(server);
    assert!(machine.refuses(&["mail", "test", "not an address"]).contains("not an address"));
}
