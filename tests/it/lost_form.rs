//! A form that a browser sends and nobody is signed in for: 401, with a page for a person and a problem document for a script.

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
