//! The interrupted form, end to end: a browser's raw requests, the whole program, and an upstream that writes down what arrives.

use std::sync::Mutex;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::account::OtpEnrolment;
use crate::factor::Method;
use crate::gateway::{Listener, Running, Settings, start};
use crate::session::EndReason;
use crate::store::Edit;

type Arrived = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

struct Town {
    app: Arc<App>,
    running: Running,
    clock: Clock,
    arrived: Arrived,
    _folder: tempfile::TempDir,
}

const ROUTES: &str = r#"
[[routes]]
name = "app"
path = "/"
upstreams = ["http://UPSTREAM"]
policy = "one_factor"

[[routes]]
name = "off"
path = "/off/"
upstreams = ["http://UPSTREAM"]
policy = "one_factor"
keep_post = false

[[routes]]
name = "staff"
path = "/staff/"
upstreams = ["http://UPSTREAM"]
policy = "one_factor"
groups = ["staff"]

[[routes]]
name = "pay"
path = "/pay/"
upstreams = ["http://UPSTREAM"]
policy = "two_factor"
max_age = "5m"
"#;

/// What a browser sends with a form from a page of the same host.
const FROM_OUR_PAGE: &str = "Origin: http://a.example\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Site: same-origin\r\n";
const URLENCODED: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

async fn upstream(arrived: Arrived) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, arrived.clone()));
        }
    });
    address
}

async fn serve(mut stream: TcpStream, arrived: Arrived) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        head.push(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.to_ascii_lowercase().split("content-length: ").nth(1).map_or(0, |l| l.lines().next().unwrap().parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    arrived.lock().unwrap().push((head, body));
    let answer = "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\nSet-Cookie: app=1\r\nSet-Cookie: vestibule=evil\r\n\r\n5\r\nsaved\r\n0\r\n\r\n";
    let _ = stream.write_all(answer.as_bytes()).await;
}

async fn town() -> Town {
    let folder = tempfile::tempdir().unwrap();
    let arrived = Arrived::default();
    let text = ROUTES.replace("UPSTREAM", &upstream(arrived.clone()).await.to_string());
    let data = [("VESTIBULE_SERVER__DATA_DIR".to_owned(), folder.path().join("data").display().to_string())];
    let loaded = crate::config::parse(&text, Path::new("test.toml"), data).map_err(|problems| problems.to_string()).unwrap();
    let clock = Clock::manual(Time::from_secs(1_700_000_000));
    let app = App::open(Arc::new(loaded.config), clock.clone(), Post::Outbox(Arc::default())).await.unwrap();
    let front: Arc<dyn Front> = app.clone();
    let listener = Listener { address: "127.0.0.1:0".parse().unwrap(), certificates: None };
    let running = start(&front, &[listener], &Settings { shards: 2, drain: Duration::from_secs(5) }).unwrap();
    Town { app, running, clock, arrived, _folder: folder }
}

/// A signed-in browser.
struct Browser {
    id: SessionId,
    token: String,
}

impl Town {
    async fn account(&self, name: &str) -> Account {
        if let Some(account) = self.app.services.store.account_by_login(name).await.unwrap() {
            return account;
        }
        let account: Account = serde_json::from_value(serde_json::json!({
            "id": UserId::random().unwrap(), "name": name, "email": format!("{name}@a.example"), "display_name": name, "created": 0,
            "groups": ["staff"],
        }))
        .unwrap();
        self.app.services.store.create_account(&account).await.unwrap().unwrap();
        account
    }

    async fn signs_in(&self, name: &str) -> Browser {
        let account = self.account(name).await;
        let now = self.clock.now();
        let record = SessionRecord {
            id: SessionId::random().unwrap(),
            user: account.id,
            epoch: account.epoch,
            created: now,
            last_seen: now,
            second: (account.email_otp.is_some()).then_some((Method::Email, now)),
            trusted_browser: false,
            full_auth: now,
            address: [127, 0, 0, 1].into(),
            browser: "Firefox".into(),
        };
        let services = &self.app.services;
        assert!(services.store.put_session(&record, None).await.unwrap());
        let id = record.id;
        services.live.insert(record, &account);
        Browser { id, token: services.live.token(id) }
    }

    /// A browser whose session is over and that still has its cookie.
    async fn was_signed_in(&self, name: &str) -> Browser {
        let browser = self.signs_in(name).await;
        assert!(self.app.services.end_session(browser.id, EndReason::SignedOut).await.unwrap());
        browser
    }

    async fn ask(&self, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.running.addresses[0]).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await.unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    async fn post(&self, path: &str, cookie: &str, headers: &str, body: &[u8]) -> String {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\nCookie: {cookie}\r\nContent-Length: {}\r\n{headers}\r\n",
            body.len()
        );
        self.ask(&[head.as_bytes(), body].concat()).await
    }

    async fn get(&self, path: &str, cookie: &str) -> String {
        self.ask(format!("GET {path} HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\nCookie: {cookie}\r\n\r\n").as_bytes()).await
    }

    /// Posts a form with an ended session and gives the page to come back to.
    async fn loses(&self, browser: &Browser, path: &str, kind: &str, body: &[u8]) -> String {
        let answer = self.post(path, &browser.cookie(), &format!("{FROM_OUR_PAGE}{kind}"), body).await;
        resume_page(&answer, "login")
    }

    /// What a POST of the confirmation comes to; the page is read first.
    async fn confirms(&self, browser: &Browser, page: &str, action: &str) -> String {
        let (cookie, body) = self.form(browser, page, action).await;
        self.post("/.vestibule/resume", &cookie, &format!("{FROM_OUR_PAGE}{URLENCODED}"), body.as_bytes()).await
    }

    async fn form(&self, browser: &Browser, page: &str, action: &str) -> (String, String) {
        let shown = self.get(page, &browser.cookie()).await;
        assert!(shown.starts_with("HTTP/1.1 200"), "{shown}");
        let csrf_cookie = between(&shown, "vestibule_csrf=", ";");
        let csrf = between(&shown, "name=\"csrf\" value=\"", "\"");
        let id = page.split("id=").nth(1).unwrap();
        (format!("{}; vestibule_csrf={csrf_cookie}; theirs=1", browser.cookie()), format!("csrf={csrf}&id={id}&action={action}"))
    }

    fn arrived(&self) -> Vec<(String, Vec<u8>)> {
        self.arrived.lock().unwrap().clone()
    }
}

impl Browser {
    fn cookie(&self) -> String {
        format!("vestibule={}", self.token)
    }
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    text.split(before).nth(1).and_then(|rest| rest.split(after).next()).unwrap_or_else(|| panic!("no {before} in {text}"))
}

fn resume_page(answer: &str, by_way_of: &str) -> String {
    assert!(answer.starts_with("HTTP/1.1 303"), "{answer}");
    let rd = between(answer, &format!("/.vestibule/{by_way_of}?rd="), "\r\n");
    let page = percent_encoding::percent_decode_str(rd).decode_utf8().unwrap().into_owned();
    assert!(page.starts_with("/.vestibule/resume?id="), "{page}");
    page
}

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

    let (cookie, body) = town.form(&alice, &page, "send").await;
    let headers = format!("{FROM_OUR_PAGE}{URLENCODED}");
    let confirmed = (0..20).map(|_| town.post("/.vestibule/resume", &cookie, &headers, body.as_bytes()));
    let answers = futures_util::future::join_all(confirmed).await;
    let sent: Vec<_> = answers.iter().filter(|answer| answer.starts_with("HTTP/1.1 201")).collect();
    assert_eq!((sent.len(), answers.iter().filter(|a| a.starts_with("HTTP/1.1 404")).count()), (1, 19));
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
    let old = town.was_signed_in("alice").await;
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
    let (cookie, body) = town.form(&alice, &page, "send").await;
    let headers = format!("{FROM_OUR_PAGE}{URLENCODED}");
    let as_mallory = cookie.replace(&alice.token, &mallory.token);
    assert!(town.post("/.vestibule/resume", &as_mallory, &headers, body.as_bytes()).await.starts_with("HTTP/1.1 404"));
    let signed_out = cookie.replace(&alice.cookie(), "z=1");
    resume_page(&town.post("/.vestibule/resume", &signed_out, &headers, body.as_bytes()).await, "login");
    let without_token = body.replace("csrf=", "no=");
    assert!(town.post("/.vestibule/resume", &cookie, &headers, without_token.as_bytes()).await.starts_with("HTTP/1.1 403"));
    assert!(town.get("/.vestibule/resume?id=nonsense", &alice.cookie()).await.starts_with("HTTP/1.1 404"));
    // On another host of the same gateway it is not to be found.
    let elsewhere = format!("GET {page} HTTP/1.1\r\nHost: b.example\r\nConnection: close\r\nCookie: {}\r\n\r\n", alice.cookie());
    assert!(town.ask(elsewhere.as_bytes()).await.starts_with("HTTP/1.1 404"));
    assert!(town.arrived().is_empty());
    assert!(town.post("/.vestibule/resume", &cookie, &headers, body.as_bytes()).await.starts_with("HTTP/1.1 201"));

    town.clock.advance(crate::login::Flow::LIFETIME);
    assert!(town.get(&other_page, &alice.cookie()).await.starts_with("HTTP/1.1 404"));
    let late = body.replace(page.split("id=").nth(1).unwrap(), other_page.split("id=").nth(1).unwrap());
    assert!(town.post("/.vestibule/resume", &cookie, &headers, late.as_bytes()).await.starts_with("HTTP/1.1 404"));
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
    assert!(door.starts_with("HTTP/1.1 303") && door.contains("/.vestibule/mfa/email?rd="), "{door}");
    // Confirmed too early, it is not sent and not lost.
    let again = resume_page(&town.confirms(&alice, &page, "send").await, "mfa");
    assert!(again != page && town.arrived().is_empty());
    let fresh = town.signs_in("alice").await;
    assert!(town.confirms(&fresh, &again, "send").await.starts_with("HTTP/1.1 201"));
    assert_eq!(town.arrived().iter().map(|(_, body)| body.clone()).collect::<Vec<_>>(), [b"sum=5"]);
}
