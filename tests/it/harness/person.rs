//! Somebody at a browser without script: follows links and redirects, fills in forms, keeps cookies, reads mail.

mod acts;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use vestibule::base::Clock;
use vestibule::notify::Outbox;

use super::html::{self, Form};
use super::jar::Jar;
use super::{Answer, Authenticator, HOST, PASSWORD, PREFIX, Wire};

/// A person at one browser. A clone is a second tab that shares nothing from then on.
#[derive(Clone)]
pub struct Person {
    pub name: String,
    pub password: String,
    pub phone: Option<Authenticator>,
    pub jar: Jar,
    pub host: String,
    /// As a trusted proxy in front would say.
    pub https: bool,
    pub from: IpAddr,
    pub agent: String,
    pub language: String,
    /// What is on the screen.
    pub page: Answer,
    /// Its address on this host, as the address bar shows it.
    pub url: String,
    gateway: SocketAddr,
    clock: Clock,
    outbox: Arc<Outbox>,
}

impl Person {
    pub fn new(name: &str, gateway: SocketAddr, clock: Clock, outbox: Arc<Outbox>) -> Self {
        Self {
            name: name.to_owned(),
            password: PASSWORD.to_owned(),
            phone: None,
            jar: Jar::default(),
            host: HOST.to_owned(),
            https: false,
            from: IpAddr::from([127, 0, 0, 1]),
            agent: "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0".to_owned(),
            language: "en".to_owned(),
            page: Answer::default(),
            url: "/".to_owned(),
            gateway,
            clock,
            outbox,
        }
    }

    /// The same person at another browser, elsewhere.
    pub fn elsewhere(&self, last_byte: u8) -> Self {
        let mut other = Self { jar: Jar::default(), from: IpAddr::from([127, 0, 0, last_byte]), ..self.clone() };
        other.agent = "Mozilla/5.0 (Windows NT 10.0) Chrome/140.0".to_owned();
        other
    }

    pub fn origin(&self) -> String {
        format!("{}://{}", if self.https { "https" } else { "http" }, self.host)
    }

    /// The header lines that this browser always sends.
    pub fn lines(&self, path: &str) -> String {
        let mut lines = format!("Host: {}\r\nUser-Agent: {}\r\nAccept-Language: {}\r\n", self.host, self.agent, self.language);
        if self.https {
            lines.push_str("X-Forwarded-Proto: https\r\n");
        }
        let cookies = self.jar.header(&self.host, path, self.https);
        if !cookies.is_empty() {
            lines.push_str(&format!("Cookie: {cookies}\r\n"));
        }
        lines
    }

    /// A request with exactly these further header lines; cookies that come back are kept.
    pub async fn asks(&mut self, method: &str, target: &str, lines: &str, body: &[u8]) -> Answer {
        let answer = self.asks_once(method, target, lines, body).await;
        answer.unwrap_or_else(|| panic!("no answer to {method} {target}\n{}{lines}", self.lines(target)))
    }

    /// The same; `None` if the connection ends without an answer.
    async fn asks_once(&mut self, method: &str, target: &str, lines: &str, body: &[u8]) -> Option<Answer> {
        let mut wire = Wire::open(self.gateway, self.from).await;
        let length = if body.is_empty() && method != "POST" { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        let head = format!("{method} {target} HTTP/1.1\r\n{}Connection: close\r\n{length}{lines}\r\n", self.lines(target));
        wire.send(&[head.as_bytes(), body].concat()).await;
        let answer = wire.answer(method).await?;
        for line in answer.all("set-cookie") {
            self.jar.set(line, &self.host, self.https);
        }
        Some(answer)
    }

    /// A script's request that may be cut off, because what it is admitted by ends under it.
    pub async fn may_be_cut_off(&mut self, method: &str, target: &str) -> Option<Answer> {
        self.asks_once(method, target, "Accept: application/json\r\n", b"").await
    }

    /// A script's request.
    pub async fn calls(&mut self, method: &str, target: &str) -> Answer {
        self.asks(method, target, "Accept: application/json\r\n", b"").await
    }

    const NAVIGATES: &str = "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\nSec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\n";

    /// Types an address; redirects are not followed.
    pub async fn opens(&mut self, target: &str) -> Answer {
        let lines = format!("{}Sec-Fetch-Site: none\r\n", Self::NAVIGATES);
        let answer = self.asks("GET", target, &lines, b"").await;
        self.shows(target, &answer);
        answer
    }

    fn shows(&mut self, target: &str, answer: &Answer) {
        self.url = target.to_owned();
        self.page = answer.clone();
    }

    /// Types an address and follows wherever that leads.
    pub async fn visits(&mut self, target: &str) -> Answer {
        self.opens(target).await;
        self.follows().await
    }

    /// Follows the redirects of what was answered last.
    pub async fn follows(&mut self) -> Answer {
        for _ in 0..10 {
            if self.page.status != 303 {
                return self.page.clone();
            }
            let to = self.page.location().to_owned();
            let target = to.strip_prefix(&self.origin()).unwrap_or(&to).to_owned();
            assert!(target.starts_with('/'), "{to} leads away");
            self.opens(&target).await;
        }
        panic!("redirected in circles at {}", self.url);
    }

    /// Whether a page of the gateway's is on the screen.
    #[track_caller]
    pub fn is_at(&self, page: &str) {
        let path = self.url.split('?').next().unwrap_or_default();
        assert_eq!(path, format!("{PREFIX}/{page}"), "{}", self.page.text());
        assert!(self.page.status < 300 || self.page.status >= 400, "{}", self.page.status);
    }

    /// Whether the application's own page is on the screen, at exactly this address.
    #[track_caller]
    pub fn sees(&self, target: &str) {
        assert_eq!(self.url, target, "{}", self.page.text());
        assert_eq!((self.page.status, self.page.text().as_str()), (200, format!("application at {target}").as_str()));
    }

    /// The form on the screen that goes to this page.
    #[track_caller]
    pub fn form(&self, page: &str) -> Form {
        let action = format!("{PREFIX}/{page}");
        let forms = html::forms(&self.page.text());
        let names: Vec<String> = forms.iter().map(|form| form.action.clone()).collect();
        let found = forms.into_iter().find(|form| form.action.split('?').next() == Some(&action));
        found.unwrap_or_else(|| panic!("no form to {page} at {} but {names:?}\n{}", self.url, self.page.text()))
    }

    /// Whether there is such a form.
    pub fn has_form(&self, page: &str) -> bool {
        html::forms(&self.page.text()).iter().any(|form| form.action.split('?').next() == Some(&format!("{PREFIX}/{page}")))
    }

    /// Fills in that form and sends it. Redirects are not followed.
    pub async fn sends(&mut self, page: &str, typed: &[(&str, &str)]) -> Answer {
        let form = self.form(page);
        self.submits(&form, typed).await
    }

    pub async fn submits(&mut self, form: &Form, typed: &[(&str, &str)]) -> Answer {
        assert_eq!(form.method, "post");
        let body = form.filled(typed);
        let lines = format!(
            "{}Sec-Fetch-Site: same-origin\r\nOrigin: {}\r\nContent-Type: application/x-www-form-urlencoded\r\n",
            Self::NAVIGATES,
            self.origin()
        );
        let answer = self.asks("POST", &form.action, &lines, body.as_bytes()).await;
        self.shows(&form.action, &answer);
        answer
    }

    /// Asks for a WebSocket.
    pub async fn opens_socket(&self, target: &str, origin: &str) -> (Wire, Answer) {
        let mut wire = Wire::open(self.gateway, self.from).await;
        let origin = if origin.is_empty() { String::new() } else { format!("Origin: {origin}\r\n") };
        let upgrade =
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        wire.send(format!("GET {target} HTTP/1.1\r\n{}{upgrade}{origin}\r\n", self.lines(target)).as_bytes()).await;
        let answer = wire.answer("GET").await.expect("an answer");
        (wire, answer)
    }

    /// A connection of this person's, to send bytes over.
    pub async fn wire(&self) -> Wire {
        Wire::open(self.gateway, self.from).await
    }
}
