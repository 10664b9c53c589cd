//! What a story's world is made with: the routes of most stories, and what a story has of its own.

use super::{HOST, Upstream, World};

/// The routes of most stories, over the application's address.
const ROUTES: &str = r#"
[[routes]]
name = "app"
hosts = ["app.example", "*.app.example"]
upstreams = ["UPSTREAM"]
policy = "one_factor"
[[routes]]
name = "public"
hosts = ["app.example"]
path = "/public"
upstreams = ["UPSTREAM"]
policy = "bypass"
[[routes]]
name = "closed"
hosts = ["app.example"]
path = "/closed"
upstreams = ["UPSTREAM"]
policy = "deny"
[[routes]]
name = "staff"
hosts = ["app.example"]
path = "/staff"
upstreams = ["UPSTREAM"]
policy = "one_factor"
groups = ["staff"]
[[routes]]
name = "payroll"
hosts = ["app.example"]
path = "/payroll"
upstreams = ["UPSTREAM"]
policy = "two_factor"
[[routes]]
name = "fresh"
hosts = ["app.example"]
path = "/fresh"
upstreams = ["UPSTREAM"]
policy = "two_factor"
max_age = "15m"
[[routes]]
name = "by-app"
hosts = ["app.example"]
path = "/by-app"
upstreams = ["UPSTREAM"]
policy = "two_factor"
factors = ["totp"]
[[routes]]
name = "only-public"
hosts = ["part.example"]
path = "/part"
upstreams = ["UPSTREAM"]
policy = "bypass"
[[routes]]
name = "legacy"
hosts = ["legacy.example"]
upstreams = ["UPSTREAM"]
policy = "bypass"
  [[routes.rules]]
  paths = ["/admin"]
  policy = "two_factor"
"#;

/// What is done to the data folder before the gateway starts.
type Before = Box<dyn FnOnce(&std::path::Path) + Send>;

/// What a story's world is made with.
pub struct Builder {
    mfa: String,
    extra: String,
    password: String,
    host: &'static str,
    before: Option<Before>,
}

impl Default for Builder {
    fn default() -> Self {
        let password = "[password]\nmemory_kib = 64\niterations = 1\nparallelism = 1\n".to_owned();
        Self { mfa: String::new(), extra: String::new(), password, host: HOST, before: None }
    }
}

impl Builder {
    /// The routes of `app.example` stand on `localhost`, where a real browser finds them and allows passkeys.
    pub fn on_localhost(mut self) -> Self {
        self.host = "localhost";
        self
    }

    /// Lines of `[mfa]`.
    pub fn mfa(mut self, lines: &str) -> Self {
        self.mfa = format!("{}\n{lines}", self.mfa);
        self
    }

    /// Whole sections.
    pub fn with(mut self, sections: &str) -> Self {
        self.extra = format!("{}\n{sections}", self.extra);
        self
    }

    /// What lies in the folder before the first start.
    pub fn after(mut self, prepare: impl FnOnce(&std::path::Path) + Send + 'static) -> Self {
        self.before = Some(Box::new(prepare));
        self
    }

    /// Passwords hashed as they are in production.
    pub fn default_hashing(mut self) -> Self {
        self.password = String::new();
        self
    }

    pub async fn build(self) -> World {
        let upstream = Upstream::start().await;
        let folder = tempfile::tempdir().unwrap();
        if let Some(prepare) = self.before {
            prepare(folder.path());
        }
        let routes =
            ROUTES.replace("UPSTREAM", &format!("http://{}", upstream.address)).replace("\"app.example\"", &format!("{:?}", self.host));
        let server = if self.extra.contains("[server]") { "" } else { "[server]\ndata_dir = \"data\"\nlisten = [\"127.0.0.1:80\"]\n" };
        let extra = self.extra.replace("UPSTREAM", &format!("http://{}", upstream.address));
        let text = format!("{server}{}\n[mfa]{}\n{extra}\n{routes}", self.password, self.mfa);
        World::begin(folder, text, upstream).await
    }
}
