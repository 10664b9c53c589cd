//! No secret of a configuration is in its debug form or in what is said of its faults.

use std::path::Path;

const SECRETS: [&str; 4] = ["swordfish-mail", "swordfish-token", "swordfish-db", "swordfish-env"];

const TEXT: &str = r#"
[mail]
url = "smtps://mailer:swordfish-mail@mail.example:465"
from = "Vestibule <no-reply@post.example>"
[sms]
url = "https://sms.example/messages"
headers = { authorization = "Bearer swordfish-token" }
body = '{"to": {{ phone | tojson }}, "text": {{ text | tojson }}}'
[store]
url = "postgres://user:swordfish-db@db.example/vestibule"
[[routes]]
name = "a"
upstreams = ["http://127.0.0.1:1"]
policy = "one_factor"
"#;

#[track_caller]
fn tells_nothing(said: &str) {
    for secret in SECRETS {
        assert!(!said.contains(secret), "{secret} in {said}");
    }
}

#[test]
fn a_configuration_keeps_its_secrets_in_its_debug_form() {
    let loaded = vestibule::config::parse(TEXT, Path::new("v.toml"), []).unwrap_or_else(|e| panic!("{e}"));
    assert!(loaded.config.mail.as_ref().unwrap().url.expose().contains(SECRETS[0]), "the text above is read");
    tells_nothing(&format!("{:?} {:#?}", loaded.config, loaded.config));
    for warning in &loaded.warnings {
        tells_nothing(&format!("{warning} {warning:?} {}", serde_json::to_string(warning).unwrap()));
    }
}

#[test]
fn what_is_wrong_with_a_secret_is_said_without_it() {
    let broken = [
        TEXT.replace("smtps://", "gopher://"),
        TEXT.replace(":465", ":99999999"),
        TEXT.replace("postgres://", "mysql://"),
        TEXT.replace("@db.example", "@db example"),
        TEXT.replace("Bearer swordfish-token", "Bearer swordfish-token\\u0000"),
        TEXT.replace("authorization =", "\"bad name\" ="),
        TEXT.replace("headers = {", "headers = { x = 5,"),
    ];
    for text in broken {
        match vestibule::config::parse(&text, Path::new("v.toml"), []) {
            Ok(loaded) => tells_nothing(&format!("{:?}", loaded.config)),
            Err(problems) => tells_nothing(&format!("{problems} {problems:?} {}", serde_json::to_string(&problems.0).unwrap())),
        }
    }
    let env = [("VESTIBULE_MAIL__URL".to_owned(), "gopher://x:swordfish-env@y".to_owned())];
    let problems = vestibule::config::parse(TEXT, Path::new("v.toml"), env).expect_err("no mail goes by gopher");
    tells_nothing(&format!("{problems} {problems:?}"));
}

#[tokio::test]
async fn no_core_dump_is_written_of_a_gateway() {
    let site = crate::site::Site::new().await;
    let served = site.serve().await;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", served.pid())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert!(core["Max core file size".len()..].split_whitespace().take(2).all(|limit| limit == "0"), "{core}");
    served.kill().await;
}
