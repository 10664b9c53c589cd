//! What cannot be answered by a redirect to the sign-in: a form that nobody is signed in for, a page in a frame, a host that no route names.

use crate::harness::*;

const NAVIGATES: &str = "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\nSec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\n\
                         Sec-Fetch-Site: same-origin\r\nContent-Type: application/x-www-form-urlencoded\r\n";

#[tokio::test]
async fn a_person_gets_a_page_in_their_language_with_a_way_to_sign_in() {
    let world = World::new().await;
    let mut alice = world.at_a_browser("alice");
    for (language, heading) in [("en", "Your form was not sent"), ("de-CH", "Ihr Formular wurde nicht gesendet"), ("zh", "您的表单未发送")]
    {
        alice.language = language.to_owned();
        let answer = alice.asks("POST", "/orders?id=7", NAVIGATES, b"text=hello").await;
        assert_eq!((answer.status, answer.header("content-type").unwrap_or_default()), (401, "text/html; charset=utf-8"), "{language}");
        let page = answer.text();
        assert!(page.contains(heading) && page.contains("href=\"/.vestibule/login?rd=/orders%3Fid%3D7\""), "{page}");
        assert!(
            answer.header("content-security-policy").unwrap().contains("frame-ancestors 'none'")
                && answer.header("cache-control") == Some("no-store")
        );
        assert!(answer.all("www-authenticate").next().is_none() && page.len() < 50_000 && !page.contains("hello"));
    }
    assert!(world.upstream.seen().is_empty(), "nothing went through");
}

#[tokio::test]
async fn a_script_and_a_program_get_a_problem_document() {
    let world = World::new().await;
    let mut alice = world.at_a_browser("alice");
    let fetch = "Accept: text/html\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Site: same-origin\r\n";
    for lines in ["", "Accept: */*\r\n", "Accept: application/json\r\n", fetch, "Accept: text/html\r\nX-Requested-With: XMLHttpRequest\r\n"]
    {
        let answer = alice.asks("POST", "/orders", lines, b"{}").await;
        assert_eq!((answer.status, answer.header("content-type").unwrap_or_default()), (401, "application/problem+json"), "{lines}");
        let said = answer.json();
        assert_eq!((&said["reason"], &said["login_url"]), (&"sign_in".into(), &"/.vestibule/login?rd=/orders".into()), "{lines}");
    }
}

#[tokio::test]
async fn a_form_from_another_site_says_how_it_is_let_through() {
    let world = World::new().await;
    let mut alice = world.at_a_browser("alice");
    let foreign = NAVIGATES.replace("same-origin", "cross-site");
    let answer = alice.asks("POST", "/saml/acs", &format!("{foreign}Origin: https://idp.example\r\n"), b"SAMLResponse=x").await;
    assert!(answer.status == 401 && answer.text().contains("SAML"), "{}", answer.text());
    assert!(!alice.asks("POST", "/saml/acs", NAVIGATES, b"a=1").await.text().contains("SAML"), "only what comes from elsewhere");
}

#[tokio::test]
async fn a_frame_gets_a_link_that_opens_the_sign_in_in_the_top_window() {
    let world = World::new().await;
    let mut alice = world.at_a_browser("alice");
    for dest in ["frame", "iframe"] {
        let lines =
            format!("Accept: text/html\r\nSec-Fetch-Dest: {dest}\r\nSec-Fetch-Mode: navigate\r\nReferer: http://app.example/board?x=1\r\n");
        let answer = alice.asks("GET", "/menu", &lines, b"").await;
        assert_eq!(answer.status, 401, "{dest}");
        let page = answer.text();
        assert!(
            page.contains("href=\"/.vestibule/login?rd=/board%3Fx%3D1\" target=\"_top\"") && page.matches("<a ").count() == 1,
            "{page}"
        );
        assert!(
            answer.header("content-security-policy").unwrap().contains("frame-ancestors 'self'")
                && answer.header("x-frame-options").is_none()
        );
        let foreign = lines.replace("http://app.example/", "http://evil.example/");
        assert!(alice.asks("GET", "/menu", &foreign, b"").await.text().contains("login?rd=/menu\""), "never to another host");
    }
    let document = "Accept: text/html\r\nSec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\n";
    assert_eq!(alice.asks("GET", "/menu", document, b"").await.status, 303);
}

#[tokio::test]
async fn a_page_for_an_unknown_host_carries_its_style_with_it() {
    let world = World::new().await;
    let mut lost = world.at_a_browser("alice");
    lost.host = "nowhere.example".into();
    let answer = lost.opens("/").await;
    assert_eq!(answer.status, 404);
    let (page, policy) = (answer.text(), answer.header("content-security-policy").unwrap());
    assert!(page.contains("<style>") && !page.contains("<link") && !page.contains("<script") && !page.contains("src="), "{page}");
    assert!(policy.contains("style-src 'sha256-"), "{policy}");
    let known = world.at_a_browser("alice").opens("/closed").await.text();
    assert!(known.contains("<link") && !known.contains("<style>"));
}

#[tokio::test]
async fn a_webdav_destination_is_decided_like_the_target() {
    let world = World::new().await;
    let mut alice = world.person("alice", &[]).await;
    alice.signs_in_at("/").await;
    let mut moves =
        async |method: &str, destination: &str| alice.asks(method, "/dav/a", &format!("Destination: {destination}\r\n"), b"").await.status;
    for method in ["COPY", "MOVE"] {
        assert_eq!(moves(method, "http://app.example/dav/b").await, 200, "{method}");
        for closed in
            ["http://app.example/closed/b", "/closed/b", "https://APP.example/CLOSED/b", "http://app.example//closed/b", "/%63losed/b"]
        {
            assert_eq!(moves(method, closed).await, 403, "{method} {closed}");
        }
        assert_eq!(moves(method, "http://app.example/closed/../dav").await, 400, "a dot segment");
        assert_eq!(moves(method, "http://evil.example/dav/b").await, 403, "a foreign host");
        assert_eq!(moves(method, "http://app.example/payroll/b").await, 401, "more is demanded there");
        assert_eq!(moves(method, "/.vestibule/login").await, 404);
    }
}

#[tokio::test]
async fn a_method_in_the_query_of_a_post_is_decided_too() {
    let rule = "[[routes]]\nname = \"rest\"\nhosts = [\"rest.example\"]\nupstreams = [\"http://127.0.0.1:1\"]\npolicy = \"bypass\"\n\
                [[routes.rules]]\nmethods = [\"DELETE\"]\npolicy = \"deny\"\n";
    let world = World::builder().with(rule).build().await;
    let mut alice = world.at_a_browser("alice");
    alice.host = "rest.example".into();
    assert_eq!(alice.asks("POST", "/users/1?_method=DELETE", "", b"").await.status, 403);
    assert_ne!(alice.asks("POST", "/users/1?method=DELETE", "", b"").await.status, 403);
}
