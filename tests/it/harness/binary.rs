//! The program as it is installed: the binary in a folder of its own, commands from a shell, real signals, the real clock.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A machine with the program on it: a configuration and a data folder.
pub struct Machine {
    folder: tempfile::TempDir,
}

impl Machine {
    pub fn new(config: &str) -> Self {
        let machine = Self { folder: tempfile::tempdir().unwrap() };
        machine.configure(config);
        machine
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// Puts another configuration in the place of the one that is there.
    pub fn configure(&self, text: &str) {
        let fresh = self.path("vestibule.toml.new");
        std::fs::write(&fresh, text).unwrap();
        std::fs::rename(fresh, self.path("vestibule.toml")).unwrap();
    }

    fn prepare(&self, mut command: Command) -> Command {
        let ours: Vec<_> = std::env::vars_os().map(|(name, _)| name).filter(|n| n.to_string_lossy().starts_with("VESTIBULE")).collect();
        for name in ours {
            command.env_remove(name);
        }
        command.env("VESTIBULE_CONFIG", self.path("vestibule.toml")).env("VESTIBULE_LOG", "info").current_dir(self.folder.path());
        command
    }

    fn command(&self) -> Command {
        self.prepare(Command::new(env!("CARGO_BIN_EXE_vestibule")))
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command().args(arguments).stdin(Stdio::null()).output().unwrap()
    }

    /// Runs a command that must succeed, and says what it printed.
    #[track_caller]
    pub fn does(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// As [`Self::does`], with a password on standard input.
    #[track_caller]
    pub fn does_with(&self, arguments: &[&str], input: &str) -> String {
        let mut child =
            self.command().args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{arguments:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What a `--json` command says.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> serde_json::Value {
        serde_json::from_str(&self.does(&[arguments, &["--json"]].concat())).unwrap()
    }

    /// Runs a command that must fail, and says what it complained about.
    #[track_caller]
    pub fn refuses(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }

    /// What `serve` complains about where it does not start.
    #[track_caller]
    pub fn does_not_serve(&self) -> String {
        let mut command = self.prepare(Command::new("timeout"));
        let output = command.args(["30", env!("CARGO_BIN_EXE_vestibule"), "serve"]).stdin(Stdio::null()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        said.lines().filter(|line| line.starts_with("vestibule: ")).collect()
    }

    /// Starts `serve`, which opens its own sockets, and waits until it listens.
    pub fn serves(&self) -> Gateway {
        let mut command = self.command();
        command.arg("serve");
        Gateway::start(command, self.folder.path())
    }

    /// Starts `serve` on a socket that is handed over as systemd does.
    pub fn serves_on(&self, socket: &TcpListener) -> Gateway {
        let mut command = self.prepare(Command::new("sh"));
        command.args(["-c", "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" serve 3<&0 </dev/null", env!("CARGO_BIN_EXE_vestibule")]);
        command.stdin(Stdio::from(std::os::fd::OwnedFd::from(socket.try_clone().unwrap())));
        Gateway::start(command, self.folder.path())
    }
}

/// A gateway that runs.
pub struct Gateway {
    child: Child,
    pub address: SocketAddr,
    /// The first TLS listener, if there is one.
    pub tls: Option<SocketAddr>,
    /// The administration listener, if there is one.
    pub admin: Option<SocketAddr>,
    log: PathBuf,
}

impl Gateway {
    fn start(mut command: Command, folder: &Path) -> Self {
        let log = folder.join("log");
        let errors = std::fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let mut child = command.stdout(Stdio::piped()).stderr(errors).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (said, hears) = mpsc::channel();
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| said.send(line)));
        let mut next = || {
            let line = hears.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{}", std::fs::read_to_string(&log).unwrap()));
            let url = line.strip_prefix("listening http").unwrap().trim_start_matches('s').strip_prefix("://").unwrap().to_owned();
            url.split(' ').next().unwrap().parse().unwrap()
        };
        let address = next();
        let config = std::fs::read_to_string(folder.join("vestibule.toml")).unwrap();
        let tls = config.contains("[[server.tls]]").then(&mut next);
        let admin = config.contains("admin_listen").then(&mut next);
        Self { child, address, tls, admin, log }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Stops it as a service manager does, and waits for the end.
    pub fn stops(mut self) {
        self.signal(Signal::TERM);
        assert!(self.child.wait().unwrap().success(), "{}", self.log());
    }

    /// Asks it to read its configuration again.
    pub fn hangs_up(&self) {
        self.signal(Signal::HUP);
    }

    /// As the power goes.
    pub fn dies(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// A page of the administration listener.
    pub fn tells(&self, path: &str) -> String {
        get(self.admin.unwrap(), "admin", path, "").unwrap()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One request on a connection of its own; the whole answer.
pub fn get(address: SocketAddr, host: &str, path: &str, lines: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{lines}\r\n").as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Clients that ask without pause, each time on a new connection.
pub struct Crowd {
    over: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    clients: Vec<JoinHandle<Vec<String>>>,
}

impl Crowd {
    pub fn asks(address: SocketAddr, host: &'static str, path: &'static str) -> Self {
        let (over, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let client = || {
            let (over, answered) = (over.clone(), answered.clone());
            std::thread::spawn(move || {
                let mut faults = Vec::new();
                while !over.load(Ordering::Relaxed) {
                    match get(address, host, path, "") {
                        Ok(answer) if answer.starts_with("HTTP/1.1 200") => drop(answered.fetch_add(1, Ordering::Relaxed)),
                        Ok(answer) => faults.push(format!("answered: {answer:?}")),
                        Err(e) => faults.push(e.to_string()),
                    }
                }
                faults
            })
        };
        Self { clients: (0..4).map(|_| client()).collect(), over, answered }
    }

    /// Waits until this many more were answered.
    pub fn gets(&self, more: u64) {
        let wanted = self.answered.load(Ordering::Relaxed) + more;
        let start = std::time::Instant::now();
        while self.answered.load(Ordering::Relaxed) < wanted {
            assert!(start.elapsed() < PATIENCE, "nobody is answered");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Everything that went wrong for anybody.
    pub fn leaves(self) -> Vec<String> {
        self.over.store(true, Ordering::Relaxed);
        self.clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    }
}
