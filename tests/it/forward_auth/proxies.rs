//! Other proxies as they are installed, with the configuration that the command prints and nothing changed in it but ports.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::harness::binary::{Gateway, Machine};

/// How long a proxy may take to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Nginx,
    Haproxy,
    /// Debian's.
    Caddy,
    CurrentCaddy,
    Traefik,
    Envoy,
}

impl Kind {
    const fn snippet(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
            Self::Caddy | Self::CurrentCaddy => "caddy",
            Self::Traefik => "traefik",
            Self::Envoy => "envoy",
        }
    }

    /// Debian's are in the path; the others are installed by `scripts/test`.
    fn program(self) -> PathBuf {
        let installed = |name: &str| PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("../proxies").join(name);
        match self {
            Self::Nginx => "nginx".into(),
            Self::Haproxy => "haproxy".into(),
            Self::Caddy => "caddy".into(),
            Self::CurrentCaddy => installed("caddy"),
            Self::Traefik => installed("traefik"),
            Self::Envoy => installed("envoy"),
        }
    }
}

/// A proxy in front of an application, which asks a gateway.
pub struct Proxy {
    pub address: SocketAddr,
    child: Child,
    _folder: tempfile::TempDir,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Proxy {
    pub fn start(kind: Kind, machine: &Machine, gateway: &Gateway) -> Self {
        // Somebody else may take the port before the proxy does.
        let tries = (0..5).find_map(|_| Self::start_once(kind, machine, gateway));
        tries.unwrap_or_else(|| panic!("{}: no free port", kind.program().display()))
    }

    fn start_once(kind: Kind, machine: &Machine, gateway: &Gateway) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let print = |name: &str| {
            let text = machine.does(&["forward-auth", "snippet", name]);
            text.replace("127.0.0.1:0", &gateway.address.to_string())
                .replace("port_value: 0 ", &format!("port_value: {} ", gateway.address.port()))
        };
        let write = |name: &str, text: String| {
            let file = folder.path().join(name);
            std::fs::write(&file, text).unwrap();
            file.display().to_string()
        };
        let snippet = print(kind.snippet());
        let mut command = Command::new(kind.program());
        command.env("HOME", folder.path()).env("XDG_DATA_HOME", folder.path()).env("XDG_CONFIG_HOME", folder.path());
        match kind {
            Kind::Nginx => {
                let site = write("site.conf", snippet.replace("listen 80;", &format!("listen 127.0.0.1:{port};")));
                let (at, user) = (folder.path().display(), std::env::var("USER").unwrap_or_else(|_| "root".into()));
                let temporary: String =
                    ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|name| format!("{name}_temp_path {at}/{name};")).concat();
                let whole =
                    format!("user {user}; daemon off; pid {at}/pid; events {{}} http {{ access_log off; {temporary} include {site}; }}");
                command.args(["-e", "stderr", "-c", &write("nginx.conf", whole)]);
            }
            Kind::Haproxy => {
                let script = write("vestibule.lua", print("haproxy-lua"));
                let whole = snippet.replace("/etc/haproxy/vestibule.lua", &script).replace("bind :80", &format!("bind 127.0.0.1:{port}"));
                command.args(["-db", "-f", &write("haproxy.cfg", whole)]);
            }
            Kind::Caddy | Kind::CurrentCaddy => {
                let at_port = |line: &str| match line.strip_suffix(" {") {
                    Some(host) if host.ends_with(".example") => format!("http://{host}:{port} {{\n"),
                    _ => format!("{line}\n"),
                };
                let sites: String = snippet.lines().map(at_port).collect();
                let file = write("Caddyfile", format!("{{\n\tadmin off\n\tauto_https off\n}}\n{sites}"));
                command.args(["run", "--adapter", "caddyfile", "--config", &file]);
            }
            Kind::Traefik => {
                let dynamic = write("dynamic.yml", snippet);
                let whole =
                    format!("entryPoints:\n  web:\n    address: \"127.0.0.1:{port}\"\nproviders:\n  file:\n    filename: {dynamic}\n");
                command.arg(format!("--configFile={}", write("traefik.yml", whole)));
            }
            Kind::Envoy => {
                let whole = snippet.replace("address: 0.0.0.0, port_value: 80 ", &format!("address: 127.0.0.1, port_value: {port} "));
                command.args(["--concurrency", "1", "-l", "warning", "--use-dynamic-base-id", "-c", &write("envoy.yaml", whole)]);
            }
        }
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let started = command.stdout(log.try_clone().unwrap()).stderr(log).stdin(Stdio::null()).spawn();
        let child = started.unwrap_or_else(|error| panic!("{}: {error}; scripts/test installs it", kind.program().display()));
        let mut proxy = Self { address: (Ipv4Addr::LOCALHOST, port).into(), child, _folder: folder };
        proxy.is_up().then_some(proxy)
    }

    /// Waits until it answers for the site: some listen before they have read all of their configuration. `false`: its port was taken.
    fn is_up(&mut self) -> bool {
        let start = Instant::now();
        let log = || std::fs::read_to_string(self._folder.path().join("log")).unwrap();
        loop {
            let answers = TcpStream::connect(self.address).is_ok()
                && crate::harness::binary::get(self.address, "wiki.example", "/public/up", "")
                    .is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"));
            if answers {
                return true;
            }
            if self.child.try_wait().unwrap().is_some() {
                assert!(log().to_lowercase().contains("in use"), "{}", log());
                return false;
            }
            assert!(start.elapsed() < PATIENCE, "{}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}
