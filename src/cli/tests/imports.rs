//! Imports from the command line: all or nothing, and what is said on the way.

use std::io::{BufRead, Write};

use serde_json::Value;

use super::super::access::Access;
use super::super::control::{self, Command};
use super::{Place, names, short};
use crate::service::import::{Format, Meter, read};

#[test]
fn an_import_takes_all_or_nothing_and_names_the_lines() {
    let place = Place::new();
    place.add("alice");
    let import = |text: &str| {
        let entries = read(Format::Csv, text, None).unwrap();
        place.run(Command::UserImport { entries, links: true, progress: false }).unwrap()
    };
    let bad = "name,email,phone,groups\nbob,b@example.org,,\nALICE,other@example.org,,\ncarol,b@example.org,,\nd d,d@example.org,,\nerin,e@example.org,12,\n";
    let lines: Vec<u64> = import(bad)["faults"].as_array().unwrap().iter().map(|fault| fault["line"].as_u64().unwrap()).collect();
    assert_eq!(lines, [3, 4, 5, 6]);
    assert_eq!(names(&place.run(Command::UserList).unwrap()), ["alice"]);
    let good = import("name,email,groups\nbob,b@example.org,staff;dev\ncarol,c@example.org,\n");
    assert!(good["imported"][0]["setup_link"].as_str().unwrap().contains("/setup?token="), "{good}");
    let bob = place.run(Command::UserShow { name: "bob".to_owned() }).unwrap();
    assert_eq!(bob["groups"], serde_json::json!(["staff", "dev"]));
}

#[test]
fn an_import_says_how_far_it_is() {
    let gateway = Place::new().gateway();
    let entries = read(Format::Csv, "name,email\nbob,b@example.org\ncarol,c@example.org\n", None).unwrap();
    let meter = Meter::default();
    let import = Command::UserImport { entries, links: true, progress: true };
    gateway.runtime.block_on(control::execute(&gateway.app, import, &meter)).unwrap();
    assert_eq!(meter.progress().to_string(), "2 of 2 set-up links made");
}

#[test]
fn what_a_gateway_says_on_the_way_is_told_and_is_no_answer() {
    let place = Place::new();
    std::fs::create_dir_all(place.data_dir()).unwrap();
    let listener = std::os::unix::net::UnixListener::bind(short(&place)).unwrap();
    let gateway = std::thread::spawn(move || {
        let mut caller = std::io::BufReader::new(listener.accept().unwrap().0);
        caller.read_line(&mut String::new()).unwrap();
        let said = "{\"progress\":{\"stage\":\"check\",\"done\":1,\"total\":2}}\n{\"progress\":{\"stage\":\"write\",\"done\":0,\"total\":2}}\n{\"done\":7}\n";
        caller.get_mut().write_all(said.as_bytes()).unwrap();
    });
    let told = std::cell::RefCell::new(Vec::new());
    let import = Command::UserImport { entries: Vec::new(), links: false, progress: true };
    let mut access = Access::open(&place.source).unwrap();
    let answer = access.run_telling(import, &|progress| told.borrow_mut().push(progress.to_string())).unwrap();
    assert_eq!((answer, told.into_inner().join("; ").as_str()), (Value::from(7), "1 of 2 checked; 2 are being written"));
    gateway.join().unwrap();
}
