//! The built program as its operator runs it: a folder with a configuration, `serve` as a process of its own, commands beside it,
//! and `kill -9`.

use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use vestibule::base::Clock;
use vestibule::notify::Outbox;

use crate::harness::*;

/// What most sites are told; UPSTREAM stands for the application.
pub const PLAIN: &str = r#"
[server]
listen = ["127.0.0.1:0"]
data_dir = "data"
threads = 2
[password]
memory_kib = 64
iterations = 1
parallelism = 1
[mfa]
first_enrolment = "password"
[[routes]]
name = "app"
hosts = ["app.example"]
upstreams = ["http://UPSTREAM"]
policy = "one_factor"
[[routes]]
name = "public"
hosts = ["app.example"]
path = "/public"
upstreams = ["http://UPSTREAM"]
policy = "bypass"
[[routes]]
name = "payroll"
hosts = ["app.example"]
path = "/payroll"
upstreams = ["http://UPSTREAM"]
policy = "two_factor"
"#;

/// What a command did.
pub struct Done {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Done {
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{}{}", self.out, self.err);
        self
    }

    #[track_caller]
    pub fn json(self) -> serde_json::Value {
        let this = self.ok();
        serde_json::from_str(&this.out).unwrap_or_else(|e| panic!("{e}: {}", this.out))
    }
}

/// `serve` while it runs.
pub struct Served {
    child: Child,
    _out: Lines<BufReader<ChildStdout>>,
    pub address: SocketAddr,
}

impl Served {
    pub fn pid(&self) -> u32 {
        self.child.id().expect("a process that runs")
    }

    /// SIGKILL; gone when this returns.
    pub async fn kill(mut self) {
        self.child.start_kill().unwrap();
        soon(self.child.wait()).await.unwrap();
    }

    /// SIGTERM, its exit status, and how long that took.
    pub async fn terminate(mut self) -> (i32, Duration) {
        let started = Instant::now();
        let pid = rustix::process::Pid::from_raw(self.pid().try_into().unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let status = soon(self.child.wait()).await.unwrap();
        (status.code().expect("an end of its own"), started.elapsed())
    }
}

/// A folder, an application, and the program over them.
pub struct Site {
    folder: tempfile::TempDir,
    pub upstream: Upstream,
}

impl Site {
    pub async fn new() -> Self {
        Self::with(PLAIN).await
    }

    pub async fn with(config: &str) -> Self {
        let site = Self { folder: tempfile::tempdir().unwrap(), upstream: Upstream::start().await };
        site.configure(config);
        site
    }

    pub fn configure(&self, text: &str) {
        std::fs::write(self.file("vestibule.toml"), text.replace("UPSTREAM", &self.upstream.address.to_string())).unwrap();
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// All that every `serve` of this site has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.file("log")).unwrap_or_default()
    }

    fn program(&self) -> Command {
        let mut command = Command::new(tested());
        command.arg("--config").arg(self.file("vestibule.toml")).kill_on_drop(true);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("VESTIBULE_")) {
            command.env_remove(name);
        }
        command
    }

    /// `serve`, once it said where.
    pub async fn serve(&self) -> Served {
        self.tries_to_serve().await.unwrap_or_else(|said| panic!("it ended: {said}"))
    }

    /// `serve` where it may not start: what it said then.
    pub async fn tries_to_serve(&self) -> Result<Served, String> {
        let log = File::options().create(true).append(true).open(self.file("log")).unwrap();
        let mut command = self.program();
        command.arg("serve").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        self.listening(command).await
    }

    /// `serve` under a shell that first says this.
    pub async fn serve_after(&self, words: &str) -> Served {
        let log = File::options().create(true).append(true).open(self.file("log")).unwrap();
        let plain = self.program();
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("{words}; exec \"$@\"")).arg("sh").arg(plain.as_std().get_program());
        command.args(plain.as_std().get_args()).arg("serve").kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        self.listening(command).await.unwrap_or_else(|said| panic!("it ended: {said}"))
    }

    async fn listening(&self, mut command: Command) -> Result<Served, String> {
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let Some(line) = soon(lines.next_line()).await.unwrap() else {
            assert_eq!(soon(child.wait()).await.unwrap().code(), Some(1), "{}", self.log());
            return Err(self.log().lines().rfind(|line| line.starts_with("vestibule: ")).unwrap_or_default().to_owned());
        };
        let address = line.strip_prefix("listening http://").unwrap_or_else(|| panic!("{line}")).parse().unwrap();
        Ok(Served { child, _out: lines, address })
    }

    /// Another command, to its end.
    pub async fn run(&self, words: &[&str]) -> Done {
        self.tell(words, "").await
    }

    /// Another command, with this on its standard input.
    pub async fn tell(&self, words: &[&str], input: &str) -> Done {
        let mut command = self.program();
        command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        let output = soon(child.wait_with_output()).await.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Done { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    }

    pub async fn adds(&self, name: &str) -> Done {
        let email = format!("{name}@post.example");
        self.tell(&["user", "add", name, "--email", &email, "--password-stdin", "--json"], PASSWORD).await
    }

    /// Gives somebody an authenticator app.
    pub async fn provisions(&self, name: &str) -> Authenticator {
        let app = Authenticator::from_key(&data_encoding::BASE32_NOPAD.encode(format!("{name:-<20}").as_bytes()));
        let uri = format!("otpauth://totp/Vestibule:{name}?secret={}&issuer=Vestibule", app.key());
        self.tell(&["user", "mfa", name, "--totp-uri-stdin"], &uri).await.ok();
        app
    }

    pub async fn recovery_codes(&self, name: &str) -> Vec<String> {
        let given = self.run(&["user", "mfa", name, "--recovery-codes", "--json"]).await.json();
        let codes = given["recovery_codes"].as_array().unwrap_or_else(|| panic!("{given}"));
        codes.iter().map(|code| code.as_str().unwrap().to_owned()).collect()
    }
}

/// The program under test: the one built with the tests, or the one that `VESTIBULE_TEST_PROGRAM` names.
fn tested() -> PathBuf {
    std::env::var_os("VESTIBULE_TEST_PROGRAM").map_or_else(|| env!("CARGO_BIN_EXE_vestibule").into(), PathBuf::from)
}

/// Somebody at a fresh browser before this process.
pub fn at(served: &Served, name: &str) -> Person {
    Person::new(name, served.address, Clock::system(), Arc::new(Outbox::default()))
}

/// The same browser before another process, cookies and phone kept.
pub fn again(person: &Person, served: &Served) -> Person {
    let mut same = at(served, &person.name);
    (same.jar, same.phone) = (person.jar.clone(), person.phone.clone());
    same
}

/// Polls until it holds, or the test fails.
pub async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds().await {
        assert!(Instant::now() < deadline, "still not: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
