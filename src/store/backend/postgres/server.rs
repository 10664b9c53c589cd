//! A PostgreSQL server of the tests' own: one for the test process, a database for each test, gone when the process is.
//!
//! It listens on a socket in a temporary folder and on no port. Where PostgreSQL is not installed, tests fail; none is left out.

use std::io::Read;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio_postgres::NoTls;

use crate::base::Secret;

/// Stops the server when it is asked to stay in its folder, or when the test process is gone, however it went: then nobody holds the other end of its input.
const KEEPER: &str = r#""$1" -D "$2/data" -k "$2" -c listen_addresses= -c fsync=off -c max_connections=500 -c logging_collector=off </dev/null >"$2/log" 2>&1 &
read -r word; kill -INT $!; wait $!; [ "$word" = stay ] || rm -rf "$2""#;

struct Server {
    folder: PathBuf,
    /// Its input stays open as long as this process lives.
    _keeper: Child,
}

/// A program of the newest installed release, or of what is on the `PATH`.
fn program(name: &str) -> PathBuf {
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|releases| releases.flatten().map(|release| release.path().join("bin").join(name)).collect())
        .unwrap_or_default();
    found.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).map(|folder| folder.join(name)));
    found.retain(|path| path.is_file());
    found.sort();
    found.pop().unwrap_or_else(|| panic!("PostgreSQL's {name} is not installed: run scripts/test, or install the package postgresql"))
}

/// The server refuses to run as root: the user and group to run it as instead.
fn other_user() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let of = |name: &str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    of("postgres").or_else(|| of("nobody")).map(Some).expect("neither a user postgres nor nobody to run the server as")
}

fn command(program: &Path, user: Option<(u32, u32)>, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).env("LC_ALL", "C").stdin(Stdio::null());
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid);
    }
    command
}

/// A folder with an empty server in it.
fn make() -> (PathBuf, Option<(u32, u32)>) {
    let initdb = program("initdb");
    let folder = tempfile::Builder::new().prefix("vpg").tempdir_in("/tmp").unwrap().keep();
    let user = other_user();
    if let Some((uid, gid)) = user {
        chown(&folder, Some(uid), Some(gid)).unwrap();
    }
    // Other users' tests reach the socket; the data folder below stays closed.
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o711)).unwrap();
    let data = folder.join("data");
    let made = command(&initdb, user, &folder)
        .args(["-A", "trust", "-U", "vestibule", "--no-sync", "-E", "UTF8", "-D"])
        .arg(&data)
        .output()
        .unwrap();
    assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
    (folder, user)
}

fn start() -> Server {
    let (folder, user) = make();
    Server { _keeper: run(&folder, user), folder }
}

/// The server over a folder, once it takes requests, which it writes beside its process number. It ends with its keeper's standard input, and so with the one who holds that.
#[expect(clippy::zombie_processes, reason = "the caller holds it; where it did not start the test is over")]
fn run(folder: &Path, user: Option<(u32, u32)>) -> Child {
    let mut keeper = command(Path::new("/bin/sh"), user, folder);
    keeper.args(["-c", KEEPER, "keeper"]).arg(program("postgres")).arg(folder).stdin(Stdio::piped());
    let keeper = keeper.stdout(Stdio::null()).stderr(Stdio::null()).process_group(0).spawn().unwrap();
    for _ in 0..600 {
        let says = std::fs::read_to_string(folder.join("data/postmaster.pid")).unwrap_or_default();
        if says.lines().any(|line| line.trim_end() == "ready") {
            return keeper;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let mut log = String::new();
    let _ = std::fs::File::open(folder.join("log")).and_then(|mut file| file.read_to_string(&mut log));
    panic!("PostgreSQL did not start: {log}");
}

/// A server of one test alone, which that one stops and starts.
pub struct Own {
    folder: PathBuf,
    user: Option<(u32, u32)>,
    keeper: Option<Child>,
}

impl Own {
    pub fn start() -> Self {
        let (folder, user) = make();
        let keeper = Some(run(&folder, user));
        Self { folder, user, keeper }
    }

    /// As its service manager stops it: connections end.
    pub fn stop(&mut self) {
        let mut keeper = self.keeper.take().unwrap();
        std::io::Write::write_all(keeper.stdin.as_mut().unwrap(), b"stay\n").unwrap();
        keeper.wait().unwrap();
    }

    pub fn start_again(&mut self) {
        self.keeper = Some(run(&self.folder, self.user));
    }

    /// What `store.url` says of it.
    pub fn url(&self) -> String {
        url_in(&self.folder, "postgres")
    }
}

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(start)
}

/// The socket's folder.
pub fn folder() -> &'static Path {
    &server().folder
}

/// A client of the server itself, for what no gateway does.
pub async fn client(database: &str) -> tokio_postgres::Client {
    let mut config = tokio_postgres::Config::new();
    config.host_path(folder()).user("vestibule").dbname(database);
    let (client, connection) = config.connect(NoTls).await.expect("a connection to the tests' PostgreSQL");
    tokio::spawn(connection);
    client
}

/// The name of a fresh database.
pub async fn database() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    tokio::task::spawn_blocking(server).await.unwrap();
    let name = format!("v{}", NEXT.fetch_add(1, Ordering::Relaxed));
    client("postgres").await.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
    name
}

/// What `store.url` says of a database.
pub fn url(database: &str) -> Secret {
    Secret::new(url_in(folder(), database))
}

fn url_in(folder: &Path, database: &str) -> String {
    let host = percent_encoding::utf8_percent_encode(folder.to_str().unwrap(), percent_encoding::NON_ALPHANUMERIC);
    format!("postgres://vestibule@{host}/{database}")
}
