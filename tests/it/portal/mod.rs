//! One host for signing in: two root domains, and a portal in the first.

mod ends;
mod journeys;
mod sessions;
mod tickets;

use serde_json::Value;
use vestibule::base::SessionId;

use crate::harness::*;

pub const PORTAL: &str = "login.one.example";
pub const WIKI: &str = "wiki.two.example";
pub const ROUTES: &str = r#"
[portal]
url = "http://login.one.example"
[[routes]]
name = "wiki"
hosts = ["wiki.two.example", "*.shop.two.example", "*.one.example"]
upstreams = ["UPSTREAM"]
policy = "one_factor"
assertion = { audience = "wiki" }
  [[routes.rules]]
  paths = ["/vault"]
  policy = "two_factor"
  [[routes.rules]]
  paths = ["/fresh"]
  policy = "two_factor"
  max_age = "15m"
"#;

/// `app.example`, with the routes of most stories, in one root domain, `wiki.two.example` in another.
pub async fn world() -> World {
    world_with("").await
}

pub async fn world_with(more: &str) -> World {
    World::builder().mfa("first_enrolment = \"password\"").with(ROUTES).with(more).build().await
}

impl Person {
    /// Follows the redirects of what was answered last, to whatever hosts they lead.
    pub async fn travels(&mut self) -> Answer {
        for _ in 0..12 {
            if self.page.status != 303 {
                return self.page.clone();
            }
            self.takes_a_step().await;
        }
        panic!("redirected in circles at {}{}", self.host, self.url);
    }

    /// Follows one redirect.
    pub async fn takes_a_step(&mut self) -> Answer {
        let to = self.page.location().to_owned();
        self.goes_to(&to).await
    }

    /// Types a whole address, or one on this host; redirects are not followed.
    pub async fn goes_to(&mut self, url: &str) -> Answer {
        let target = match url.split_once("://") {
            Some((scheme, rest)) if !url.starts_with('/') => {
                assert_eq!(scheme, "http", "{url}");
                let (host, _) = rest.split_once('/').unwrap_or_else(|| panic!("{url} has no path"));
                self.host = host.to_owned();
                rest[host.len()..].to_owned()
            }
            _ => url.to_owned(),
        };
        self.opens(&target).await
    }

    /// Types an address on a host, and ends wherever that leads.
    pub async fn comes_to(&mut self, host: &str, target: &str) -> Answer {
        self.goes_to(&format!("http://{host}{target}")).await;
        self.travels().await
    }

    /// From a host to the portal, through the password and a code if one is asked for, and back.
    pub async fn signs_in_from(&mut self, host: &str, target: &str) -> Answer {
        self.comes_to(host, target).await;
        self.is_on(PORTAL, "login");
        self.types_password().await.is(303);
        self.travels().await;
        if self.url.starts_with(&format!("{PREFIX}/mfa/totp")) {
            self.types_the_next_code().await.is(303);
            self.travels().await;
        }
        self.page.clone()
    }

    #[track_caller]
    pub fn is_on(&self, host: &str, page: &str) {
        assert_eq!(self.host, host, "at {}", self.url);
        self.is_at(page);
    }

    #[track_caller]
    pub fn sees_at(&self, host: &str, target: &str) {
        assert_eq!(self.host, host, "at {}: {}", self.url, self.page.text());
        self.sees(target);
    }

    /// Whether a script of this host's is let through.
    pub async fn passes_at(&mut self, host: &str) -> bool {
        self.host = host.to_owned();
        self.is_signed_in().await
    }

    /// Signs out by the link on this host.
    pub async fn signs_out_from(&mut self, host: &str, portal: &str) {
        self.comes_to(host, "/.vestibule/logout").await;
        self.is_on(portal, "logout");
        self.sends("logout", &[]).await.is(200);
    }

    /// From a host to where the portal sends the browser back, ticket in hand; the address is not opened.
    pub async fn is_given_a_ticket_for(&mut self, host: &str, target: &str) -> String {
        self.goes_to(&format!("http://{host}{target}")).await.is(303);
        for _ in 0..6 {
            let to = self.page.location().to_owned();
            if to.contains("/.vestibule/enter?t=") {
                return to;
            }
            self.goes_to(&to).await.is(303);
        }
        panic!("no ticket at {}{}", self.host, self.url);
    }
}

/// The sessions as `session list --json` has them.
pub async fn listed(world: &World) -> Vec<Value> {
    let services = &world.app().services;
    let mut sessions = services.live.all();
    sessions.retain(|session| !session.is_hosts());
    sessions.iter().map(|session| Value::from(session.id().to_string())).collect()
}

/// Every session, those of hosts too.
pub fn all(world: &World) -> Vec<(SessionId, bool)> {
    world.app().services.live.all().iter().map(|session| (session.id(), session.is_hosts())).collect()
}

#[tokio::test]
async fn one_sign_in_serves_every_root_domain() {
    let world = world().await;
    let mut alice = world.person("alice", &[]).await;
    alice.signs_in_from(HOST, "/orders?id=7&x=%2f").await;
    alice.sees_at(HOST, "/orders?id=7&x=%2f");
    alice.comes_to(WIKI, "/pages/1?a=b;c").await;
    alice.sees_at(WIKI, "/pages/1?a=b;c");
    alice.comes_to("eu.shop.two.example", "/").await;
    alice.sees_at("eu.shop.two.example", "/");
    let seen = world.upstream.seen();
    assert!(seen.iter().all(|seen| seen.values("remote-user") == ["alice"] && !seen.head.contains("vestibule=")), "{}", seen.len());
    // A session of its own on each host, and one of the portal's that is listed.
    let cookies = [PORTAL, HOST, WIKI, "eu.shop.two.example"].map(|host| alice.jar.of("vestibule", host).unwrap().to_owned());
    assert_eq!(cookies.iter().collect::<std::collections::HashSet<_>>().len(), 4);
    assert_eq!((listed(&world).await.len(), all(&world).len(), world.app().services.live.count()), (1, 4, 1));
    alice.comes_to(PORTAL, "/.vestibule/account").await;
    assert_eq!(alice.page.text().matches("account/sessions/end").count(), 0, "no other session is shown");
}

#[tokio::test]
async fn pages_live_on_the_portal_and_nowhere_else() {
    let world = world().await;
    let mut alice = world.person("alice", &[]).await;
    for page in
        ["login", "login?fresh=1", "mfa", "mfa/totp", "enrol", "account", "account/tokens", "admin", "admin/users", "logout", "reset"]
    {
        let to = alice.goes_to(&format!("http://{HOST}{PREFIX}/{page}")).await.is(303).location().to_owned();
        let path = page.split('?').next().unwrap();
        assert!(to.starts_with(&format!("http://{PORTAL}{PREFIX}/{path}")), "{page}: {to}");
        assert_eq!(page.contains("fresh"), to.contains("fresh=1"), "{to}");
    }
    for page in ["nowhere", "login/nowhere", "enterx", "assets/none"] {
        alice.goes_to(&format!("http://{HOST}{PREFIX}/{page}")).await.is(404);
        alice.goes_to(&format!("http://{PORTAL}{PREFIX}/{page}")).await.is(404);
    }
    // No form goes to an application's host, and no link for a script.
    alice.host = HOST.to_owned();
    let navigates = "Accept: text/html\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Site: same-origin\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    let answer = alice.asks("POST", "/.vestibule/login", navigates, b"username=alice&password=violet-harbour-tuning-41").await;
    assert!(answer.status == 403 || answer.status == 404, "{}", answer.status);
    alice.asks("GET", "/.vestibule/login", "Sec-Fetch-Mode: cors\r\n", b"").await.is(403);
    // What anybody may read is read on every host.
    for host in [HOST, PORTAL] {
        alice.host = host.to_owned();
        alice.calls("GET", "/.vestibule/jwks.json").await.is(200);
    }
    // The portal is no application, and its root is my account.
    alice.goes_to(&format!("http://{PORTAL}/")).await.leads_to("/.vestibule/account");
    for target in ["/x", "/wp-admin", "/index.html", "/.VESTIBULE/login"] {
        alice.goes_to(&format!("http://{PORTAL}{target}")).await.is(404);
    }
    assert_eq!(world.upstream.count(), 0);
    // Where to sign in is told as ever.
    let said = alice.clone();
    let mut script = said;
    script.host = WIKI.to_owned();
    assert_eq!(script.calls("GET", "/x").await.is(401).json()["login_url"], "/.vestibule/login?rd=/x");
}

#[tokio::test]
async fn without_a_portal_there_is_no_handover() {
    let world = World::new().await;
    let mut alice = world.person("alice", &[]).await;
    alice.signs_in().await;
    for page in ["enter?t=x", "handover?for=x&rd=http://app.example/", "enter", "handover"] {
        alice.opens(&format!("{PREFIX}/{page}")).await.is(404);
    }
    assert!(alice.jar.get("vestibule_enter").is_none());
}

#[tokio::test]
async fn forms_of_the_portal_may_lead_to_every_host_of_a_route() {
    let world = world().await;
    let mut alice = world.person("alice", &[]).await;
    alice.comes_to(WIKI, "/").await;
    let policy = alice.page.header("content-security-policy").unwrap().to_owned();
    let forms = policy.split(';').find(|part| part.trim().starts_with("form-action")).unwrap().to_owned();
    for source in ["'self'", "http://wiki.two.example", "http://*.shop.two.example", "http://app.example", "http://*.app.example"] {
        assert!(forms.split(' ').any(|word| word == source), "{source} in {forms}");
    }
    assert!(policy.contains("frame-ancestors 'none'") && !forms.contains("evil"));
}
