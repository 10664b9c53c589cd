//! `user import` on the machine: all or nothing, also when the power goes; and what a terminal shows of it.

use std::time::Duration;

use crate::harness::binary::Machine;
use crate::harness::*;

const PEOPLE: usize = 3000;

fn machine(upstream: &Upstream) -> Machine {
    let machine = Machine::new(&format!(
        "[server]\nlisten = [\"127.0.0.1:0\"]\nthreads = 1\n[store]\nsnapshot_every = \"0s\"\n\
         [[routes]]\nname = \"app\"\nupstreams = [\"http://{}\"]\npolicy = \"one_factor\"\n",
        upstream.address
    ));
    let rows: String = (0..PEOPLE).map(|n| format!("u{n:04},u{n:04}@post.example,staff\n")).collect();
    std::fs::write(machine.path("people.csv"), format!("name,email,groups\n{rows}")).unwrap();
    machine
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_is_killed_leaves_all_or_nothing() {
    let upstream = Upstream::start().await;
    let killing = move || {
        let machine = machine(&upstream);
        let (mut none, mut all) = (0, 0);
        for step in 0..10u64 {
            let gateway = machine.serves();
            let file = machine.path("people.csv").display().to_string();
            let import = std::thread::scope(|scope| {
                let import = scope.spawn(|| machine.run(&["user", "import", &file, "--format", "csv", "--links"]));
                std::thread::sleep(Duration::from_millis(step * 120));
                gateway.dies();
                import.join().unwrap()
            });
            let users = machine.json(&["user", "list"]).as_array().unwrap().len();
            assert!(users == 0 || users == PEOPLE, "{users} are there: {}", String::from_utf8_lossy(&import.stderr));
            assert!(!import.status.success() || users == PEOPLE, "what was acknowledged is there");
            assert_eq!(machine.json(&["audit", "verify"])["whole"], true);
            let log = machine.json(&["audit"]);
            let added = log.as_array().unwrap().iter().filter(|record| record["event"] == "account.added").count();
            assert_eq!(added, users, "each account has its record, and no other has one");
            if users == 0 {
                none += 1;
            } else {
                all += 1;
                // What is there in part is said to be there already, and can be taken away as a whole.
                std::fs::remove_dir_all(machine.data().join("store")).unwrap();
            }
        }
        println!("{none} times nobody, {all} times everybody");
    };
    tokio::task::spawn_blocking(killing).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_the_answer_is_written_where_no_terminal_is() {
    let upstream = Upstream::start().await;
    let importing = move || {
        let machine = machine(&upstream);
        let file = machine.path("people.csv").display().to_string();
        let output = machine.run(&["user", "import", &file, "--format", "csv", "--links"]);
        let (said, complained) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert!(output.status.success() && !complained.contains('\r') && !complained.contains("checked"), "{complained}");
        assert_eq!(said.lines().filter(|line| line.contains("/setup?token=")).count(), PEOPLE);
        assert!(said.ends_with(&format!("{PEOPLE} accounts imported\n")));
        let made = machine.json(&["audit"]);
        let count = |event: &str| made.as_array().unwrap().iter().filter(|record| record["event"] == event).count();
        assert_eq!((count("account.added"), count("link.made")), (PEOPLE, PEOPLE));
        // Somebody's own records, out of all.
        let own: Vec<_> = machine.json(&["audit", "--user", "U0042"]).as_array().unwrap().iter().map(|r| r["user"].clone()).collect();
        assert_eq!(own, ["u0042", "u0042"]);
        assert_eq!(machine.json(&["audit", "--user", "command line"]).as_array().unwrap().len(), 2 * PEOPLE);
        assert_eq!(machine.json(&["audit", "--until", "1h"]).as_array().unwrap().len(), 0);
    };
    tokio::task::spawn_blocking(importing).await.unwrap();
}
