//! A town for the tests of interrupted forms: the whole program, browsers as raw requests, and an upstream that writes down what
//! arrives.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::account::Account;
use crate::app::*;
use crate::base::{Clock, SessionId, Time, UserId};
use crate::factor::Method;
use crate::gateway::{GatewayHost, Listener, Running, Settings, start};
use crate::policy::Proof;
use crate::session::{EndReason, SessionRecord};

pub type Arrived = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

pub struct Town {
    pub app: Arc<App>,
    pub running: Running,
    pub clock: Clock,
    pub arrived: Arrived,
    _folder: tempfile::TempDir,
}

const ROUTES: &str = r#"
[[routes]]
name = "app"
path = "/"
upstreams = ["http://UPSTREAM"]
policy = "one_factor"

[[routes]]
name = "open"
path = "/open/"
upstreams = ["http://UPSTREAM"]
policy = "bypass"

[[routes]]
name = "off"
path = "/off/"
upstreams = ["http://UPSTREAM"]
policy = "one_factor"
keep_post = false

[[routes]]
name = "down"
path = "/down/"
upstreams = ["http://NOBODY"]
policy = "one_factor"

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
pub const FROM_OUR_PAGE: &str = "Origin: http://a.example\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Site: same-origin\r\n";
pub const URLENCODED: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

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
    let cut = head.starts_with("POST /cut ");
    arrived.lock().unwrap().push((head, body));
    if cut {
        let _ = stream.write_all(b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nsaved\r\n").await;
        return;
    }
    let answer = "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\nSet-Cookie: app=1\r\nSet-Cookie: vestibule=evil\r\n\r\n5\r\nsaved\r\n0\r\n\r\n";
    let _ = stream.write_all(answer.as_bytes()).await;
}

pub async fn town() -> Town {
    town_over("sled:store", "5m").await
}

/// The same over this store, which may be away for so long.
pub async fn town_over(store: &str, max_stale: &str) -> Town {
    town_with("", store, max_stale).await
}

/// The same with these sections.
pub async fn town_with(sections: &str, store: &str, max_stale: &str) -> Town {
    let folder = tempfile::tempdir().unwrap();
    let arrived = Arrived::default();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let text = format!("{sections}{ROUTES}")
        .replace("NOBODY", &nobody.to_string())
        .replace("UPSTREAM", &upstream(arrived.clone()).await.to_string());
    let data_dir = folder.path().join("data").display().to_string();
    let data = [("SERVER__DATA_DIR", data_dir.as_str()), ("STORE__URL", store), ("STORE__MAX_STALE", max_stale)];
    let data = data.map(|(key, value)| (format!("VESTIBULE_{key}"), value.to_owned()));
    let loaded = crate::config::parse(&text, std::path::Path::new("test.toml"), data).map_err(|problems| problems.to_string()).unwrap();
    let clock = Clock::manual(Time::from_secs(1_700_000_000));
    let app = App::open(Arc::new(loaded.config), clock.clone(), Post::Outbox(Arc::default())).await.unwrap();
    let front: Arc<dyn GatewayHost> = app.clone();
    let listener = Listener { address: "127.0.0.1:0".parse().unwrap(), certificates: None };
    let running = start(&front, &[listener], &Settings { shards: 2, drain: Duration::from_secs(5), ..Settings::default() }).unwrap();
    Town { app, running, clock, arrived, _folder: folder }
}

/// A form as a browser would send it.
pub struct PageForm {
    pub path: String,
    pub cookie: String,
    pub kind: &'static str,
    pub body: String,
}

/// A signed-in browser.
pub struct Browser {
    pub id: SessionId,
    pub token: String,
}

impl Town {
    pub async fn account(&self, name: &str) -> Account {
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

    pub async fn signs_in(&self, name: &str) -> Browser {
        let account = self.account(name).await;
        let now = self.clock.now();
        let second = Proof::Second { method: Method::Email, at: now };
        let proof = if account.email_otp.is_some() { second } else { Proof::Password };
        let record = SessionRecord::begin(account.id, account.epoch, proof, now, [127, 0, 0, 1].into(), "Firefox").unwrap();
        let services = &self.app.services;
        assert!(services.store.put_session(&record, None).await.unwrap());
        let id = record.id;
        services.live.insert(record, &account);
        Browser { id, token: services.live.token(id) }
    }

    /// A browser whose session is over and that still has its cookie.
    pub async fn was_signed_in(&self, name: &str) -> Browser {
        let browser = self.signs_in(name).await;
        assert!(self.app.services.sessions.end(browser.id, EndReason::SignedOut).await.unwrap());
        browser
    }

    pub async fn ask(&self, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.running.addresses[0]).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await.unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    pub async fn post(&self, path: &str, cookie: &str, headers: &str, body: &[u8]) -> String {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\nCookie: {cookie}\r\nContent-Length: {}\r\n{headers}\r\n",
            body.len()
        );
        self.ask(&[head.as_bytes(), body].concat()).await
    }

    pub async fn get(&self, path: &str, cookie: &str) -> String {
        self.ask(format!("GET {path} HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\nCookie: {cookie}\r\n\r\n").as_bytes()).await
    }

    /// Posts a form with an ended session and gives the page to come back to.
    pub async fn loses(&self, browser: &Browser, path: &str, kind: &str, body: &[u8]) -> String {
        let answer = self.post(path, &browser.cookie(), &format!("{FROM_OUR_PAGE}{kind}"), body).await;
        resume_page(&answer, "login")
    }

    /// What a POST of the confirmation comes to; the page is read first.
    pub async fn confirms(&self, browser: &Browser, page: &str, action: &str) -> String {
        let form = self.form(browser, page, action).await;
        self.posts(&form).await
    }

    pub async fn posts(&self, form: &PageForm) -> String {
        self.post(&form.path, &form.cookie, &format!("{FROM_OUR_PAGE}{}", form.kind), form.body.as_bytes()).await
    }

    /// The form behind one of the two buttons of the page.
    pub async fn form(&self, browser: &Browser, page: &str, action: &str) -> PageForm {
        let shown = self.get(page, &browser.cookie()).await;
        assert!(shown.starts_with("HTTP/1.1 200"), "{shown}");
        let csrf_cookie = between(&shown, "vestibule_csrf=", ";");
        let cookie = format!("{}; vestibule_csrf={csrf_cookie}; theirs=1", browser.cookie());
        if action == "send" {
            let url = between(&shown, "<form method=\"post\" action=\"", "\" enctype=\"text/plain\">").replace("&amp;", "&");
            let path = url.strip_prefix("http://a.example").unwrap().to_owned();
            let token = between(&shown, "name=\"vestibule-saved-post\" value=\"", "\"");
            return PageForm { path, cookie, kind: "Content-Type: text/plain\r\n", body: format!("vestibule-saved-post={token}\r\n") };
        }
        let csrf = between(&shown, "name=\"csrf\" value=\"", "\"");
        let id = page.split("id=").nth(1).unwrap();
        PageForm { path: "/.vestibule/resume".into(), cookie, kind: URLENCODED, body: format!("csrf={csrf}&id={id}&action={action}") }
    }

    pub fn arrived(&self) -> Vec<(String, Vec<u8>)> {
        self.arrived.lock().unwrap().clone()
    }
}

impl Browser {
    pub fn cookie(&self) -> String {
        format!("vestibule={}", self.token)
    }
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    text.split(before).nth(1).and_then(|rest| rest.split(after).next()).unwrap_or_else(|| panic!("no {before} in {text}"))
}

pub fn resume_page(answer: &str, by_way_of: &str) -> String {
    assert!(answer.starts_with("HTTP/1.1 303"), "{answer}");
    let rd = between(answer, &format!("/.vestibule/{by_way_of}?rd="), "\r\n");
    let page = percent_encoding::percent_decode_str(rd).decode_utf8().unwrap().into_owned();
    assert!(page.starts_with("/.vestibule/resume?id="), "{page}");
    page
}
