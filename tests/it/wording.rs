//! An operator's own words: in mails and on pages, loaded by a reload, and checked before they are anybody's.

use vestibule::factor::Method;

use crate::harness::binary::Machine;
use crate::harness::*;

fn writes(folder: &std::path::Path, name: &str, text: &str) {
    let file = folder.join(name);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, text).unwrap();
}

#[tokio::test]
async fn an_operators_words_stand_in_mails_and_on_pages_and_a_reload_brings_newer_ones() {
    let own = tempfile::tempdir().unwrap();
    writes(own.path(), "messages/en.toml", "[messages.sign_in_code]\nsubject = \"ACME: your code, {{ user }}\"\n");
    writes(own.path(), "words/en.toml", "[login]\nlead = \"With your ACME account.\"\n");
    let key = format!("[portal]\ntemplates = {:?}\n", own.path().display().to_string());
    let world = World::builder().with(&key).build().await;
    let mut alice = world.person_with("alice", &[Method::Email]).await;
    alice.visits("/").await;
    assert!(alice.page.text().contains("With your ACME account."));
    alice.types_password().await.leads_to("/.vestibule/mfa/email");
    assert_eq!(world.mail_to("alice"), ["ACME: your code, alice Example"]);
    assert_eq!(alice.mailed_code().len(), 6, "the text is the built-in one");
    writes(own.path(), "words/en.toml", "[login]\nlead = \"With your ACME badge.\"\n[problem]\nnot_found_heading = \"ACME lost it\"\n");
    writes(own.path(), "messages/en.toml", "[messages.sign_in_code]\nsubject = \"Badge code\"\n");
    world.reload(|text| text).await;
    let mut bob = world.person_with("bob", &[Method::Email]).await;
    bob.visits("/").await;
    assert!(bob.page.text().contains("With your ACME badge."));
    bob.types_password().await;
    assert_eq!(world.mail_to("bob"), ["Badge code"]);
    bob.host = "nowhere.example".to_owned();
    assert!(bob.opens("/x").await.is(404).text().contains("ACME lost it"), "the gateway's own pages too");
}

#[test]
fn what_is_wrong_with_them_is_found_by_check_and_keeps_the_old_ones_at_a_reload() {
    let machine = Machine::new(
        "[server]\nlisten = [\"127.0.0.1:0\"]\nadmin_listen = \"127.0.0.1:0\"\n[portal]\ntemplates = \"texts\"\n[password]\nmemory_kib = 64\niterations = 1\n\
         [[routes]]\nname = \"wiki\"\nupstreams = [\"http://127.0.0.1:1\"]\npolicy = \"one_factor\"\n",
    );
    let said = machine.refuses(&["check"]);
    assert!(said.contains("vestibule.toml:5: portal.templates: there is no folder") && said.contains("leave the key out"), "{said}");
    let texts = machine.path("texts");
    writes(&texts, "words/de.toml", "[login]\nheading = \"Willkommen\"\n");
    machine.does(&["check"]);
    let gateway = machine.serves();
    let shown = || {
        let lines = "Accept: text/html\r\nAccept-Language: de\r\n";
        crate::harness::binary::get(gateway.address, HOST, "/.vestibule/login", lines).unwrap()
    };
    assert!(shown().contains("Willkommen"));
    writes(&texts, "words/de.toml", "[login]\nheading = \"Hereinspaziert\"\nheadng = \"x\"\n");
    writes(&texts, "messages/fr.toml", "[messages.locked]\n\ntext = \"{{ minute }}\"\n");
    let faults = [
        "texts/words/de.toml:3: login.headng: there is no such text; did you mean “login.heading”?",
        "texts/messages/fr.toml:3: messages.locked.text: undefined value",
    ];
    for command in ["check", "reload"] {
        let said = machine.refuses(&[command]);
        assert!(faults.iter().all(|fault| said.contains(fault)), "{command}: {said}");
    }
    assert!(shown().contains("Willkommen"), "nothing has changed");
    writes(&texts, "words/de.toml", "[login]\nheading = \"Hereinspaziert\"\n");
    std::fs::remove_file(texts.join("messages/fr.toml")).unwrap();
    machine.does(&["reload"]);
    assert!(shown().contains("Hereinspaziert"));
    gateway.stops();
}

/// Found by fuzzing: a template that only the sender reads was good to `check` and a reload, and stopped the next start.
#[test]
fn a_body_for_sms_that_cannot_be_written_is_found_by_check_and_refused_at_a_reload() {
    let machine = |body: &str| {
        format!(
            "[server]\nlisten = [\"127.0.0.1:0\"]\nadmin_listen = \"127.0.0.1:0\"\n[sms]\nurl = \"https://sms.example/send\"\nbody = '{body}'\n\
             [[routes]]\nname = \"wiki\"\nupstreams = [\"http://127.0.0.1:1\"]\npolicy = \"one_factor\"\n"
        )
    };
    let (good, bad) = ("{{ phone | tojson }} {{ text | tojson }}", "{{ phone | replace(\"+!, \"\") | tojson }} {{ text | tojson }}");
    let broken = machine(bad);
    let machine = Machine::new(&machine(good));
    machine.does(&["check"]);
    let gateway = machine.serves();
    machine.configure(&broken);
    for command in ["check", "reload"] {
        let said = machine.refuses(&[command]);
        assert!(said.contains("sms: body: syntax error"), "{command}: {said}");
    }
    gateway.stops();
}
