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

impl Own {
    /// A standby that follows this server, promoted by [`Own::promote`].
    pub fn standby(&self) -> Self {
        let folder = tempfile::Builder::new().prefix("vpg").tempdir_in("/tmp").unwrap().keep();
        if let Some((uid, gid)) = self.user {
            chown(&folder, Some(uid), Some(gid)).unwrap();
        }
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o711)).unwrap();
        let copied = command(&program("pg_basebackup"), self.user, &folder)
            .args(["-U", "vestibule", "-R", "-X", "stream", "-c", "fast", "--no-sync", "-h"])
            .arg(&self.folder)
            .arg("-D")
            .arg(folder.join("data"))
            .output()
            .unwrap();
        assert!(copied.status.success(), "pg_basebackup: {}", String::from_utf8_lossy(&copied.stderr));
        let keeper = Some(run(&folder, self.user));
        Self { folder, user: self.user, keeper }
    }

    /// Makes a standby the primary.
    pub fn promote(&self) {
        let done =
            command(&program("pg_ctl"), self.user, &self.folder).args(["promote", "-D"]).arg(self.folder.join("data")).output().unwrap();
        assert!(done.status.success(), "pg_ctl: {}", String::from_utf8_lossy(&done.stdout));
    }

    /// The folder with its socket.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

/// A pgbouncer in transaction mode before the tests' server, on a socket in a folder of its own. Ends when dropped.
pub struct Pooler {
    folder: PathBuf,
    process: Child,
}

impl Pooler {
    pub fn start() -> Self {
        let server = &server().folder;
        let folder = tempfile::Builder::new().prefix("vpool").tempdir_in("/tmp").unwrap().keep();
        let user = other_user();
        if let Some((uid, gid)) = user {
            chown(&folder, Some(uid), Some(gid)).unwrap();
        }
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o711)).unwrap();
        let config = format!(
            "[databases]\n* = host={} user=vestibule\n[pgbouncer]\nlisten_addr =\nlisten_port = 6432\nunix_socket_dir = {}\nauth_type = any\n\
             pool_mode = transaction\ndefault_pool_size = 8\nlogfile = {}\n",
            server.display(),
            folder.display(),
            folder.join("log").display(),
        );
        let file = folder.join("pgbouncer.ini");
        std::fs::write(&file, config).unwrap();
        let installed = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"].into_iter().map(Path::new).find(|path| path.is_file());
        let program = installed.expect("pgbouncer is not installed: run scripts/test, or install the package pgbouncer");
        let process = command(program, user, &folder).arg("-q").arg(&file).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // From here on dropping it ends the process.
        let pooler = Self { folder, process };
        for _ in 0..600 {
            if pooler.folder.join(".s.PGSQL.6432").exists() {
                return pooler;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!("pgbouncer did not start: {}", std::fs::read_to_string(pooler.folder.join("log")).unwrap_or_default());
    }

    /// What `store.url` says of a database behind it; with `listen`, the connection that listens goes past it.
    pub fn url(&self, database: &str, listen: bool) -> Secret {
        let encoded =
            |folder: &Path| percent_encoding::utf8_percent_encode(folder.to_str().unwrap(), percent_encoding::NON_ALPHANUMERIC).to_string();
        let listen = if listen { format!("?listen={}", encoded(folder())) } else { String::new() };
        Secret::new(format!("postgres://vestibule@{}:6432/{database}{listen}", encoded(&self.folder)))
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
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
