//! Forms of the gateway are sent by its own pages, by a person; and a GET changes nothing.

use crate::harness::*;

const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

/// The sign-in form's body as the page has it.
async fn login_body(person: &mut Person) -> String {
    person.visits("/.vestibule/login?fresh=1").await;
    person.form("login").filled(&[("username", "alice"), ("password", PASSWORD)])
}

#[tokio::test]
async fn a_form_without_its_token_is_refused() {
    let world = World::new().await;
    let mut alice = world.person("alice", &[]).await;
    let mut mallory = world.at_a_browser("mallory");
    let stolen = {
        mallory.visits("/.vestibule/login").await;
        mallory.form("login").fields.iter().find(|(name, _)| name == "csrf").unwrap().1.clone()
    };
    let body = login_body(&mut alice).await;
    let own = alice.form("login").fields.iter().find(|(name, _)| name == "csrf").unwrap().1.clone();
    for csrf in ["", "x", stolen.as_str(), &own[1..], &format!("{own}A")] {
        let body = body.replace(&own, csrf);
        alice.asks("POST", "/.vestibule/login", FORM, body.as_bytes()).await.is(403);
    }
    alice.asks("POST", "/.vestibule/login", FORM, b"username=alice&password=violet-harbour-tuning-41").await.is(403);
    assert!(alice.jar.get("vestibule").is_none());
    // A token in the query is none.
    let answer =
        alice.asks("POST", &format!("/.vestibule/login?csrf={own}"), FORM, b"username=alice&password=violet-harbour-tuning-41").await;
    answer.is(403);
    // Nor is one whose cookie is missing.
    let mut without = alice.clone();
    without.jar.clear();
    without.asks("POST", "/.vestibule/login", FORM, body.as_bytes()).await.is(403);
    // The honest one is taken, with and without an Origin.
    alice.asks("POST", "/.vestibule/login", FORM, body.as_bytes()).await.is(303);
}

#[tokio::test]
async fn a_form_of_another_site_is_refused() {
    let world = World::new().await;
    let mut alice = world.person("alice", &[]).await;
    let body = login_body(&mut alice).await;
    for lines in [
        "Origin: http://evil.example\r\n",
        "Origin: null\r\n",
        "Origin: http://app.example.evil.example\r\n",
        "Origin: http://wiki.app.example\r\n",
        "Origin: http://app.example:8080\r\n",
        "Origin: https://app.example\r\n",
        "Origin: http://app.example\r\nOrigin: http://evil.example\r\n",
        "Origin: http://app.example\r\nSec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: same-site\r\n",
        "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Mode: navigate\r\nSec-Fetch-Mode: cors\r\n",
    ] {
        let answer = alice.asks("POST", "/.vestibule/login", &format!("{FORM}{lines}"), body.as_bytes()).await;
        assert_eq!(answer.status, 403, "{lines}");
    }
    assert!(alice.jar.get("vestibule").is_none());
}

#[tokio::test]
async fn a_script_of_the_application_reads_no_page_and_sends_no_form() {
    let world = World::new().await;
    let mut alice = world.person("alice", &[]).await;
    alice.signs_in().await;
    let pages = ["login", "mfa", "mfa/totp", "enrol", "enrol/totp", "account", "account/password", "logout", "setup?token=x", "reset"];
    for mode in ["cors", "no-cors", "same-origin", "websocket"] {
        for page in pages {
            let lines = format!("Sec-Fetch-Mode: {mode}\r\nSec-Fetch-Site: same-origin\r\n");
            let answer = alice.asks("GET", &format!("/.vestibule/{page}"), &lines, b"").await;
            assert_eq!(answer.status, 403, "{mode} {page}");
            assert!(!answer.text().contains("name=\"csrf\""), "{mode} {page} gives a token away");
        }
        let body = login_body(&mut alice.clone()).await;
        let lines = format!("{FORM}Origin: http://app.example\r\nSec-Fetch-Mode: {mode}\r\n");
        alice.asks("POST", "/.vestibule/login", &lines, body.as_bytes()).await.is(403);
    }
    assert!(alice.is_signed_in().await);
}

#[tokio::test]
async fn pages_carry_strict_headers() {
    let world = World::new().await;
    let mut alice = world.person("alice", &[]).await;
    alice.signs_in().await;
    for page in ["login?fresh=1", "account", "logout", "nowhere", "enrol"] {
        let answer = alice.opens(&format!("/.vestibule/{page}")).await;
        let csp = answer.header("content-security-policy").unwrap().to_owned();
        assert!(csp.contains("default-src 'none'") && csp.contains("frame-ancestors 'none'") && !csp.contains("unsafe"), "{csp}");
        for (name, value) in [
            ("cache-control", "no-store"),
            ("referrer-policy", "same-origin"),
            ("x-content-type-options", "nosniff"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{page}");
        }
        let text = answer.text();
        assert!(text.len() < 50_000 && !text.contains("<script>") && !text.contains(" style=\"") && !text.contains(" onclick"), "{page}");
    }
}

#[tokio::test]
async fn a_get_changes_nothing() {
    let world = World::new().await;
    let mut alice = world.person_with_app("alice", &[]).await;
    let codes = world.recovery_codes("alice").await;
    let (_, token) = world.newcomer("newcomer").await;
    alice.signs_in_at("/payroll").await;
    let before = world.app().services.accounts.named("alice").await.unwrap();
    let code = alice.code();
    for page in [
        "logout".to_owned(),
        "login?username=alice&password=x".to_owned(),
        format!("mfa/totp?code={code}"),
        format!("mfa/recovery?code={}", codes[0]),
        "mfa?method=email".to_owned(),
        "mfa/email/resend".to_owned(),
        "enrol?method=email".to_owned(),
        "enrol/recovery?saved=1".to_owned(),
        "enrol/verify/send".to_owned(),
        "account/methods/remove?method=totp".to_owned(),
        "account/remove?method=totp&id=".to_owned(),
        "account/methods/rename?method=totp&name=x".to_owned(),
        "account/recovery".to_owned(),
        "account/sessions/end?others=1".to_owned(),
        "account/browsers/revoke?all=1".to_owned(),
        "account/password?current=x&password=y".to_owned(),
        format!("setup?token={token}&password=quiet-mountain-lantern-7"),
        "reset?username=alice".to_owned(),
        "reset/new?token=x&password=y".to_owned(),
    ] {
        for method in ["GET", "HEAD"] {
            alice.asks(method, &format!("/.vestibule/{page}"), "Sec-Fetch-Mode: navigate\r\n", b"").await;
        }
    }
    let after = world.app().services.accounts.named("alice").await.unwrap();
    assert_eq!(serde_json::to_value(&before).unwrap(), serde_json::to_value(&after).unwrap());
    assert!(alice.is_signed_in().await);
    assert!(world.outbox.newest_first().is_empty());
    // The link is still good.
    let mut newcomer = world.at_a_browser("newcomer");
    newcomer.visits(&format!("/.vestibule/setup?token={token}")).await.is(200);
    newcomer.sends("setup", &[("password", "quiet-mountain-lantern-7")]).await.is(303);
}
