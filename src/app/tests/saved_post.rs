//! The interrupted form, end to end.

use std::time::Duration;

use super::town::*;
use crate::account::{Account, OtpEnrolment};
use crate::base::{SessionId, Time};
use crate::store::Edit;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_outlives_its_session_and_arrives_once_byte_for_byte() {
    let town = town().await;
    let old = town.was_signed_in("alice").await;
    let page = town.loses(&old, "/notes//save%20as;v=1?x=%2f&y", URLENCODED, b"title=A+b%20c&text=%e4%bd%a0&password=hunter2").await;
    let anonymous = town.get(&page, "").await;
    assert_eq!(resume_page(&anonymous, "login"), page);
    let alice = town.signs_in("alice").await;
    let shown = town.get(&page, &alice.cookie()).await;
    for text in ["http://a.example/notes//save%20as;v=1?x=%2f&amp;y", "A b c", "你"] {
        assert!(shown.contains(text), "{text} in {shown}");
    }
    assert!(!shown.contains("hunter2") && town.arrived().is_empty());

    // It goes to its own URL, so that the cookies of that path come with it and the answer stands there.
    let form = town.form(&alice, &page, "send").await;
    assert_eq!(form.path, "/notes//save%20as;v=1?x=%2f&y");
    let confirmed = (0..20).map(|_| town.posts(&form));
    let answers = futures_util::future::join_all(confirmed).await;
    let sent: Vec<_> = answers.iter().filter(|answer| answer.starts_with("HTTP/1.1 201")).collect();
    let again: Vec<_> = answers.iter().filter(|answer| answer.starts_with("HTTP/1.1 303")).collect();
    assert_eq!((sent.len(), again.len()), (1, 19));
    assert!(
        again.iter().all(|answer| answer.to_lowercase().contains("location: /notes//save%20as;v=1\r\n")),
        "a reload shows the page: {}",
        again[0]
    );
    assert!(sent[0].contains("saved") && sent[0].contains("app=1") && !sent[0].contains("evil"), "{}", sent[0]);

    let arrived = town.arrived();
    assert_eq!(arrived.len(), 1);
    let (head, body) = &arrived[0];
    assert_eq!(body, b"title=A+b%20c&text=%e4%bd%a0&password=hunter2");
    assert!(head.starts_with("POST /notes//save%20as;v=1?x=%2f&y HTTP/1.1\r\n"), "{head}");
    for line in [
        "Remote-User: alice",
        "Origin: http://a.example",
        "Host: a.example",
        "Cookie: theirs=1",
        "Referer: http://a.example/.vestibule/resume",
    ] {
        assert_eq!(head.matches(&format!("\r\n{line}\r\n")).count(), 1, "{line} in {head}");
    }
    assert!(head.contains("Content-Type: application/x-www-form-urlencoded\r\n"), "{head}");
    assert!(town.get(&page, &alice.cookie()).await.starts_with("HTTP/1.1 404"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_shown_by_name_and_sent_whole() {
    let town = town().await;
    let old = town.signs_in("alice").await;
    town.clock.advance(Duration::from_secs(2 * 3600));
    let mut body = b"--XyZ\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhello\r\n--XyZ\r\nContent-Disposition: form-data; \
                     name=\"file\"; filename=\"scan.pdf\"\r\nContent-Type: application/pdf\r\n\r\n"
        .to_vec();
    body.extend((0..200_000u32).map(|n| (n % 251) as u8));
    body.extend(b"\r\n--XyZ--\r\n");
    let page = town.loses(&old, "/upload", "Content-Type: multipart/form-data; boundary=XyZ\r\n", &body).await;
    let alice = town.signs_in("alice").await;
    let shown = town.get(&page, &alice.cookie()).await;
    assert!(shown.contains("scan.pdf") && shown.contains("196 KB") && shown.contains("hello") && shown.len() < 50_000);
    assert!(town.confirms(&alice, &page, "send").await.starts_with("HTTP/1.1 201"));
    let arrived = town.arrived();
    assert!(arrived.len() == 1 && arrived[0].1 == body);
    assert!(arrived[0].0.contains("Content-Type: multipart/form-data; boundary=XyZ\r\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_beyond_doubt_is_not_kept() {
    let town = town().await;
    let old = town.was_signed_in("alice").await;
    let good = format!("{FROM_OUR_PAGE}{URLENCODED}");
    let origin = |origin: &str| good.replace("Origin: http://a.example\r\n", origin);
    for headers in [
        origin(""),
        origin("Origin: null\r\n"),
        origin("Origin: http://evil.example\r\n"),
        origin("Origin: https://a.example\r\n"),
        good.replace("same-origin", "cross-site"),
        good.replace("navigate", "cors"),
        good.replace("application/x-www-form-urlencoded", "application/json"),
    ] {
        let answer = town.post("/save", &old.cookie(), &headers, b"a=1").await;
        assert!(answer.starts_with("HTTP/1.1 401"), "{headers} gave {answer}");
    }
    let mut forged = old.cookie();
    forged.replace_range(forged.len() - 2.., if forged.ends_with("AA") { "BB" } else { "AA" });
    let twice = format!("{0}; {0}", old.cookie());
    let stranger = format!("vestibule={}", town.app.services.live.token(SessionId::random().unwrap()));
    for cookie in ["", "vestibule=x", &forged, &twice, &stranger] {
        let answer = town.post("/save", cookie, &good, b"a=1").await;
        assert!(answer.starts_with("HTTP/1.1 401"), "{cookie} gave {answer}");
    }
    assert!(town.post("/off/save", &old.cookie(), &good, b"a=1").await.starts_with("HTTP/1.1 401"));
    assert!(town.post("/save", &old.cookie(), &good, &vec![b'x'; 256 * 1024 + 1]).await.starts_with("HTTP/1.1 401"));
    let chunked = format!(
        "POST /save HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\nCookie: {}\r\nTransfer-Encoding: chunked\r\n{good}\r\n50000\r\n{}\r\n0\r\n\r\n",
        old.cookie(),
        "x".repeat(0x50000)
    );
    assert!(town.ask(chunked.as_bytes()).await.starts_with("HTTP/1.1 401"));
    assert!(town.arrived().is_empty());
    resume_page(&town.post("/save", &old.cookie(), &good, b"a=1").await, "login");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_its_owners_alone_and_only_for_a_while() {
    let town = town().await;
    let old = town.was_signed_in("alice").await;
    let page = town.loses(&old, "/save", URLENCODED, b"a=1").await;
    let other_page = town.loses(&old, "/save", URLENCODED, b"a=2").await;
    let (alice, mallory) = (town.signs_in("alice").await, town.signs_in("mallory").await);
    assert!(town.get(&page, &mallory.cookie()).await.starts_with("HTTP/1.1 404"));
    let form = town.form(&alice, &page, "send").await;
    let (cookie, body) = (form.cookie.clone(), form.body.clone());
    let as_mallory = PageForm { cookie: cookie.replace(&alice.token, &mallory.token), body: body.clone(), path: form.path.clone(), ..form };
    assert!(town.posts(&as_mallory).await.starts_with("HTTP/1.1 303"));
    let signed_out = PageForm { cookie: cookie.replace(&alice.cookie(), "z=1"), ..as_mallory };
    assert_eq!(resume_page(&town.posts(&signed_out).await, "login"), page);
    let token = body.trim_end().rsplit_once('.').unwrap().1;
    let forged = PageForm { cookie: cookie.clone(), body: body.replace(token, &"A".repeat(43)), ..signed_out };
    assert!(town.posts(&forged).await.starts_with("HTTP/1.1 403"));
    let foreign = format!("{}{}", FROM_OUR_PAGE.replace("same-origin", "cross-site"), forged.kind);
    assert!(town.post("/save", &cookie, &foreign, body.as_bytes()).await.starts_with("HTTP/1.1 403"));
    let elsewhere = PageForm { path: "/other".into(), body: body.clone(), ..forged };
    assert!(town.posts(&elsewhere).await.starts_with("HTTP/1.1 404"), "only at its own address");
    let form = town.form(&alice, &page, "send").await;
    assert!(town.get("/.vestibule/resume?id=nonsense", &alice.cookie()).await.starts_with("HTTP/1.1 404"));
    // On another host of the same gateway it is not to be found.
    let elsewhere = format!("GET {page} HTTP/1.1\r\nHost: b.example\r\nConnection: close\r\nCookie: {}\r\n\r\n", alice.cookie());
    assert!(town.ask(elsewhere.as_bytes()).await.starts_with("HTTP/1.1 404"));
    assert!(town.arrived().is_empty());
    assert!(town.posts(&form).await.starts_with("HTTP/1.1 201"));

    town.clock.advance(crate::login::Flow::LIFETIME);
    assert!(town.get(&other_page, &alice.cookie()).await.starts_with("HTTP/1.1 404"));
    let late = form.body.replace(page.split("id=").nth(1).unwrap(), other_page.split("id=").nth(1).unwrap());
    assert!(town.posts(&PageForm { body: late, ..form }).await.starts_with("HTTP/1.1 303"));
    assert_eq!(town.arrived().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_can_be_thrown_away_and_the_oldest_of_four_is_gone() {
    let town = town().await;
    let old = town.was_signed_in("alice").await;
    let mut pages = Vec::new();
    for path in ["/1", "//evil.example/2?q", "/3?do=delete", "/4"] {
        pages.push(town.loses(&old, path, URLENCODED, b"a=1").await);
    }
    let alice = town.signs_in("alice").await;
    assert!(town.get(&pages[0], &alice.cookie()).await.starts_with("HTTP/1.1 404"));
    let nowhere = town.confirms(&alice, &pages[1], "discard").await;
    assert!(nowhere.starts_with("HTTP/1.1 303") && nowhere.to_lowercase().contains("location: /\r\n"), "{nowhere}");
    let back = town.confirms(&alice, &pages[2], "discard").await;
    assert!(back.starts_with("HTTP/1.1 303") && back.to_lowercase().contains("location: /3\r\n"), "{back}");
    assert!(town.get(&pages[2], &alice.cookie()).await.starts_with("HTTP/1.1 404"));
    assert!(town.arrived().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sent_again_is_decided_again() {
    let town = town().await;
    let old = town.was_signed_in("alice").await;
    let page = town.loses(&old, "/staff/save", URLENCODED, b"a=1").await;
    let alice = town.signs_in("alice").await;
    let id = town.account("alice").await.id;
    let leaves = |account: &mut Account| {
        account.groups.clear();
        Edit::Write(())
    };
    town.app.services.store.update_account(id, leaves).await.unwrap();
    let answer = town.confirms(&alice, &page, "send").await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    assert!(town.arrived().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stale_second_factor_keeps_the_form_as_well() {
    let town = town().await;
    let id = town.account("alice").await.id;
    let enrols = |account: &mut Account| {
        account.email_otp = Some(OtpEnrolment { added: Time::default(), last_used: None });
        Edit::Write(())
    };
    town.app.services.store.update_account(id, enrols).await.unwrap();
    let alice = town.signs_in("alice").await;
    town.clock.advance(Duration::from_secs(600));
    let headers = format!("{FROM_OUR_PAGE}{URLENCODED}");
    let page = resume_page(&town.post("/pay/now", &alice.cookie(), &headers, b"sum=5").await, "mfa");
    // The second door knows what the form's route wants.
    let door = town.get(&format!("/.vestibule/mfa?rd={}", page.replace('?', "%3F").replace('=', "%3D")), &alice.cookie()).await;
    assert!(door.starts_with("HTTP/1.1 303") && door.contains("/.vestibule/mfa/email?rd=%2F.vestibule%2Fresume%3Fid%3D"), "{door}");
    // Confirmed too early, it is not sent and not lost.
    let again = resume_page(&town.confirms(&alice, &page, "send").await, "mfa");
    assert!(again == page && town.arrived().is_empty());
    let fresh = town.signs_in("alice").await;
    assert!(town.confirms(&fresh, &again, "send").await.starts_with("HTTP/1.1 201"));
    assert_eq!(town.arrived().iter().map(|(_, body)| body.clone()).collect::<Vec<_>>(), [b"sum=5"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_sent_stays_and_an_answer_cut_short_is_seen_to_be() {
    let town = town().await;
    let old = town.was_signed_in("alice").await;
    let page = town.loses(&old, "/down/save", URLENCODED, b"a=1").await;
    let alice = town.signs_in("alice").await;
    for _ in 0..2 {
        let answer = town.confirms(&alice, &page, "send").await;
        assert!(answer.starts_with("HTTP/1.1 50"), "{answer}");
    }
    let page = town.loses(&old, "/cut", URLENCODED, b"a=1").await;
    let answer = town.confirms(&alice, &page, "send").await;
    assert!(answer.starts_with("HTTP/1.1 201") && answer.contains("saved") && !answer.ends_with("0\r\n\r\n"), "{answer}");
    assert_eq!(town.arrived().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sign_in_page_says_that_the_form_is_saved() {
    let town = town().await;
    let old = town.was_signed_in("alice").await;
    let page = town.loses(&old, "/save", URLENCODED, b"a=1").await;
    let encoded = page.replace('?', "%3F").replace('=', "%3D");
    assert!(town.get(&format!("/.vestibule/login?rd={encoded}"), "").await.contains("We have kept your form"));
    assert!(!town.get("/.vestibule/login?rd=/save", "").await.contains("We have kept your form"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_applications_form_that_looks_like_a_confirmation_arrives_as_it_came() {
    let town = town().await;
    let alice = town.signs_in("alice").await;
    let body = vec![b'x'; crate::service::saved_post::Confirmation::LENGTH + 2];
    let answer = town.post("/notes", &alice.cookie(), &format!("{FROM_OUR_PAGE}Content-Type: text/plain\r\nX-Own: 1\r\n"), &body).await;
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    let arrived = town.arrived();
    assert!(arrived.len() == 1 && arrived[0].1 == body);
    for line in ["Content-Type: text/plain", "Origin: http://a.example", "X-Own: 1", "Remote-User: alice"] {
        assert!(arrived[0].0.contains(&format!("\r\n{line}\r\n")), "{line} in {}", arrived[0].0);
    }
    // Without a session it is no confirmation either, and goes nowhere.
    let stranger = town.post("/notes", "", &format!("{FROM_OUR_PAGE}Content-Type: text/plain\r\n"), &body).await;
    assert!(stranger.starts_with("HTTP/1.1 401") && town.arrived().len() == 1, "{stranger}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_confirmation_at_the_old_address_leads_to_the_page_again() {
    let town = town().await;
    let old = town.was_signed_in("alice").await;
    let page = town.loses(&old, "/save", URLENCODED, b"a=1").await;
    let alice = town.signs_in("alice").await;
    let mut form = town.form(&alice, &page, "discard").await;
    form.body = form.body.replace("discard", "send");
    let answer = town.posts(&form).await;
    assert!(answer.starts_with("HTTP/1.1 303") && answer.contains(&page), "{answer}");
    assert!(town.arrived().is_empty());
    assert!(town.confirms(&alice, &page, "send").await.starts_with("HTTP/1.1 201"));
}
