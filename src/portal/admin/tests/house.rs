//! A house with an administrator's browser in it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize};
use std::time::Duration;

use super::scale::Counting;
use axum::body::Body;
use axum::http::{self, StatusCode, header};
use tower::ServiceExt;

use crate::account::{Account, OtpEnrolment};
use crate::app::{App, Post};
use crate::base::{ClientAddr, Clock, Host, Time};
use crate::config::{Config, StoreUrl};
use crate::factor::Method;
use crate::notify::Outbox;
use crate::policy::Proof;
use crate::portal::{self, Portal};
use crate::service::accounts::NewAccount;
use crate::service::audit::Actor;
use crate::session::{KeyRing, SessionRecord};
use crate::store::{Edit, SledKv, Store, keyfile};

pub const NOW: Time = Time::from_secs(1_700_000_000);

pub struct House {
    pub app: Arc<App>,
    pub clock: Clock,
    pub outbox: Arc<Outbox>,
    _folder: tempfile::TempDir,
}

pub struct Answer {
    pub status: StatusCode,
    pub location: String,
    pub html: String,
    cookie: Option<String>,
}

impl Answer {
    pub fn has(&self, text: &str) -> bool {
        self.html.contains(text)
    }

    /// What stands between the first `before` and the next `after`.
    pub fn between(&self, before: &str, after: &str) -> String {
        let rest = self.html.split(before).nth(1).unwrap_or_else(|| panic!("no {before} in {}", self.html));
        rest.split(after).next().unwrap().to_owned()
    }
}

/// A browser, signed in or not.
pub struct Browser<'h> {
    house: &'h House,
    pub token: Option<String>,
    csrf: String,
    form_cookie: String,
    pub language: &'static str,
}

impl House {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.server.data_dir = folder.path().join("data");
        config.store = StoreUrl::Sled(folder.path().join("data/store"));
        (config.password.memory_kib, config.password.iterations) = (64, 1);
        change(&mut config);
        let (clock, outbox) = (Clock::manual(NOW), Arc::new(Outbox::default()));
        let app = App::open(Arc::new(config), clock.clone(), Post::Outbox(outbox.clone())).await.unwrap();
        let house = Self { app, clock, outbox, _folder: folder };
        house.add("root", &["admins"]).await;
        house.enrol("root").await;
        house
    }

    /// Over a store that counts the rows that are read.
    pub async fn counted() -> (Self, Arc<AtomicUsize>) {
        let (house, rows, _) = Self::measured().await;
        (house, rows)
    }

    /// Over a store that takes only so many commits more.
    pub async fn filling() -> (Self, Arc<AtomicI64>) {
        let (house, _, commits) = Self::measured().await;
        (house, commits)
    }

    async fn measured() -> (Self, Arc<AtomicUsize>, Arc<AtomicI64>) {
        let (folder, rows) = (tempfile::tempdir().unwrap(), Arc::new(AtomicUsize::new(0)));
        let commits = Arc::new(AtomicI64::new(i64::MAX));
        let mut config = Config::default();
        config.server.data_dir = folder.path().join("data");
        (config.password.memory_kib, config.password.iterations) = (64, 1);
        let keys = KeyRing::new(&keyfile::load_or_create(&config.server.data_dir, NOW).unwrap()).unwrap();
        let kv = Counting::new(SledKv::open(&folder.path().join("data/store")).await.unwrap(), rows.clone(), commits.clone());
        let (clock, outbox) = (Clock::manual(NOW), Arc::new(Outbox::default()));
        let store = Store::new(Arc::new(kv), Arc::new(keys));
        let app = App::over(store, Arc::new(config), clock.clone(), Post::Outbox(outbox.clone())).await.unwrap();
        let house = Self { app, clock, outbox, _folder: folder };
        house.add("root", &["admins"]).await;
        house.enrol("root").await;
        (house, rows, commits)
    }

    pub async fn add(&self, name: &str, groups: &[&str]) -> Account {
        let new = NewAccount {
            name: name.into(),
            email: format!("{name}@internal.example"),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            ..NewAccount::default()
        };
        self.app.services.accounts.add(&new, None, Actor::CommandLine).await.unwrap();
        self.account(name).await
    }

    pub async fn account(&self, name: &str) -> Account {
        self.app.services.accounts.named(name).await.unwrap()
    }

    pub async fn edit(&self, name: &str, mut edit: impl FnMut(&mut Account)) {
        let id = self.account(name).await.id;
        let write = |account: &mut Account| {
            edit(account);
            Edit::Write(())
        };
        self.app.services.store.update_account(id, write).await.unwrap().unwrap().unwrap();
    }

    pub async fn enrol(&self, name: &str) {
        self.edit(name, |account| account.email_otp = Some(OtpEnrolment { added: NOW, last_used: None })).await;
    }

    /// A browser with a session that has proved this much.
    pub async fn signed_in(&self, name: &str, proof: Proof) -> Browser<'_> {
        let (account, now, services) = (self.account(name).await, self.clock.now(), &self.app.services);
        let record = SessionRecord::begin(account.id, account.epoch, proof, now, [192, 0, 2, 7].into(), "Firefox · Linux").unwrap();
        services.store.put_session(&record, None).await.unwrap();
        let id = record.id;
        services.live.insert(record, &account);
        let mut browser = self.stranger().await;
        browser.token = Some(services.live.token(id));
        browser
    }

    /// The administrator, a second ago at the second door.
    pub async fn root(&self) -> Browser<'_> {
        let at = self.clock.now().minus(Duration::from_secs(1));
        self.signed_in("root", Proof::Second { method: Method::Email, at }).await
    }

    pub async fn stranger(&self) -> Browser<'_> {
        let mut browser = Browser { house: self, token: None, csrf: String::new(), form_cookie: String::new(), language: "en" };
        let page = browser.get("login").await;
        browser.csrf = page.between("name=\"csrf\" value=\"", "\"");
        browser.form_cookie = page.cookie.unwrap().split(';').next().unwrap().to_owned();
        browser
    }

    /// The events of the log, the newest first, as "event user by".
    pub async fn log(&self, most: usize) -> Vec<String> {
        let records = self.app.services.store.audit_before(None, most).await.unwrap();
        let text = |name: Option<String>| name.unwrap_or_else(|| "-".into());
        records.into_iter().map(|r| format!("{} {} {}", r.event, text(r.user), text(r.by))).collect()
    }
}

impl Browser<'_> {
    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, String::new()).await
    }

    /// Posts a form with its token.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let token = [("csrf", self.csrf.as_str())];
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields.iter().chain(&token)).finish();
        self.send("POST", path, body).await
    }

    pub async fn post_without_token(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.send("POST", path, body).await
    }

    async fn send(&self, method: &str, path: &str, body: String) -> Answer {
        let app = &self.house.app;
        let request = portal::RequestContext {
            config: app.config(),
            policy: app.policy(),
            host: Host::parse(b"wiki.internal.example").unwrap(),
            authority: "wiki.internal.example".into(),
            secure: false,
            client: ClientAddr::new("192.0.2.7".parse().unwrap()),
            now: self.house.clock.now(),
            token: self.token.clone(),
            request_id: "request-1".into(),
            hangup: crate::base::Hangup::never(),
        };
        let request = http::Request::builder()
            .method(method)
            .uri(format!("/.vestibule/{path}"))
            .header(header::COOKIE, &self.form_cookie)
            .header(header::ACCEPT_LANGUAGE, self.language)
            .header(header::ORIGIN, "http://wiki.internal.example")
            .extension(request)
            .body(Body::from(body))
            .unwrap();
        let router = portal::router(Arc::new(Portal { services: app.services.clone(), languages: Arc::default() }), "/.vestibule");
        let response = router.oneshot(request).await.unwrap();
        let header = |name: header::HeaderName| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let (status, location, cookie) = (response.status(), header(header::LOCATION).unwrap_or_default(), header(header::SET_COOKIE));
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        Answer { status, location, html: String::from_utf8(body.to_vec()).unwrap(), cookie }
    }
}
