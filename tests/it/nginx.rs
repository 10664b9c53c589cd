//! nginx and the gateway with what `init --from-nginx` made of its configuration, side by side on the same requests: whoever nginx did not
//! let through to an application does not get there through the gateway, and what worked goes on working.

mod cases;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::harness::Upstream;
use crate::harness::binary::Machine;
use crate::harness::upstream::Seen;
use cases::{CASES, Case};

/// Where clients are, as a proxy in front would say.
const CLIENTS: [&str; 5] = ["192.0.2.7", "10.1.2.3", "10.9.9.9", "192.168.1.5", "127.0.0.1"];
const METHODS: [&str; 3] = ["GET", "POST", "DELETE"];

#[tokio::test(flavor = "multi_thread")]
async fn what_nginx_kept_closed_stays_closed_and_what_worked_works() {
    let apps = [Upstream::start().await, Upstream::start().await];
    let compared = tokio::task::spawn_blocking(move || CASES.iter().map(|case| compare(case, &apps)).collect::<Vec<_>>()).await.unwrap();
    let faults: Vec<&String> = compared.iter().flat_map(|(_, faults)| faults).collect();
    assert!(faults.is_empty(), "{faults:#?}");
    let checked: usize = compared.iter().map(|(checked, _)| checked).sum();
    assert!(checked > 3000, "{checked}");
}

/// How many requests were sent, and what went wrong: a line for each place, and the configuration once.
fn compare(case: &Case, apps: &[Upstream; 2]) -> (usize, Vec<String>) {
    let machine = Machine::new("");
    std::fs::write(machine.path("htpasswd"), "nobody:{PLAIN}x\n").unwrap();
    let text = case.text.replace("APP1", &apps[0].address.to_string()).replace("APP2", &apps[1].address.to_string());
    let text = text.replace("HTPASSWD", &machine.path("htpasswd").display().to_string());
    let nginx = Nginx::start(machine.path("nginx"), &text);
    std::fs::write(machine.path("nginx.conf"), &text).unwrap();
    let made = machine.does(&["init", "--from-nginx", &machine.path("nginx.conf").display().to_string()]);
    assert!(made.contains("enforce = false") || case.name == "prometheus", "{made}");
    machine.configure(&for_the_test(&made));
    machine.does(&["check"]);
    let gateway = machine.serves();
    let (mut checked, mut faults) = (0, Vec::new());
    for host in case.hosts {
        for (path, client, method) in
            case.paths.iter().flat_map(|p| CLIENTS.iter().flat_map(move |c| METHODS.iter().map(move |m| (*p, *c, *m))))
        {
            let request = format!(
                "{method} {path} HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-For: {client}\r\n{FORGED}Content-Length: 0\r\nConnection: close\r\n\r\n"
            );
            let seen = |ask: &dyn Fn()| {
                let before = apps.each_ref().map(Upstream::count);
                ask();
                [0, 1].map(|app| (apps[app].count() > before[app]).then(|| apps[app].last()))
            };
            let at_nginx = seen(&|| nginx.ask(&request, path, client));
            let at_gateway = seen(&|| drop(ask(std::net::TcpStream::connect(gateway.address).unwrap(), &request)));
            let (by_nginx, by_gateway) = (at_nginx.each_ref().map(Option::is_some), at_gateway.each_ref().map(Option::is_some));
            let place = format!("{host}{path}");
            let what = format!("{}: {method} {place} from {client}: nginx {by_nginx:?}, the gateway {by_gateway:?}", case.name);
            let opened = [0, 1].iter().any(|app| by_gateway[*app] && !by_nginx[*app]);
            if opened && !case.files.contains(&path) {
                faults.push(format!("opened: {what}"));
            }
            if by_nginx != by_gateway && !opened && !case.closed.iter().any(|beginning| place.starts_with(beginning)) {
                faults.push(format!("lost: {what}"));
            }
            for (before, now) in at_nginx.iter().zip(&at_gateway).filter_map(|(before, now)| before.as_ref().zip(now.as_ref())) {
                if now.target().trim_end_matches('/') != before.target().trim_end_matches('/') {
                    faults.push(format!("another path, {} and {}: {what}", before.target(), now.target()));
                }
                faults.extend(
                    forged(now).into_iter().find(|name| !forged(before).contains(name)).map(|name| format!("a client says {name}: {what}")),
                );
            }
            checked += 1;
        }
    }
    gateway.dies();
    if !faults.is_empty() {
        faults.push(made);
    }
    (checked, faults)
}

/// What a client sends that would like to be somebody else.
const FORGED: &str = "X-Role: forged\r\nX_Role: forged\r\nX-Env: forged\r\nX_Env: forged\r\nX-Tenant: forged\r\nX-User: forged\r\n";

/// The names under which the application took a client at its word, as it reads them.
fn forged(seen: &Seen) -> Vec<String> {
    let lines = seen.head.split("\r\n").skip(1).filter_map(|line| line.split_once(": ")).filter(|(_, value)| *value == "forged");
    lines.map(|(name, _)| name.to_ascii_lowercase().replace('_', "-")).collect()
}

/// A free port, a proxy in front that tells addresses, and no listener that is only a comment.
fn for_the_test(made: &str) -> String {
    let lines = made.lines().filter(|line| !line.contains("[[server.tls]]")).map(|line| match line {
        _ if line.starts_with("listen = ") => "listen = [\"127.0.0.1:0\"]\nthreads = 1".to_owned(),
        _ if line.starts_with("trusted_proxies = ") => "trusted_proxies = [\"127.0.0.1\"]".to_owned(),
        _ => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn ask(mut stream: impl Read + Write, request: &str) -> String {
    let mut answer = Vec::new();
    // Whoever closes without reading on may reset the connection.
    let _ = stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_end(&mut answer).map(drop));
    String::from_utf8_lossy(&answer).into_owned()
}

/// nginx in a folder of its own, on a socket for each port.
struct Nginx {
    child: Child,
    folder: PathBuf,
    ports: Vec<String>,
}

impl Nginx {
    fn start(folder: PathBuf, servers: &str) -> Self {
        std::fs::create_dir(&folder).unwrap();
        let (servers, ports) = on_sockets(servers, &folder);
        let temporary: String =
            ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].iter().map(|name| format!("{name}_temp_path {name};\n")).collect();
        let conf = format!(
            "daemon off; master_process off; pid nginx.pid; error_log error.log; worker_processes 1; user root;\nevents {{ }}\nhttp {{ access_log off;\n{temporary}\
             set_real_ip_from unix:; real_ip_header X-Forwarded-For;\n{servers}\n}}\n"
        );
        std::fs::write(folder.join("nginx.conf"), conf).unwrap();
        let mut command = Command::new("nginx");
        command.args(["-p", folder.to_str().unwrap(), "-c", "nginx.conf", "-e", "error.log"]).stderr(Stdio::null()).stdout(Stdio::null());
        let child = command.spawn().expect("nginx is installed (scripts/test does it)");
        let it = Self { child, folder, ports };
        let start = std::time::Instant::now();
        while !it.ports.iter().all(|port| UnixStream::connect(it.socket(port)).is_ok()) {
            let log = std::fs::read_to_string(it.folder.join("error.log")).unwrap_or_default();
            assert!(start.elapsed().as_secs() < 60 && !log.contains("[emerg]"), "{log}");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        it
    }

    fn socket(&self, port: &str) -> PathBuf {
        self.folder.join(format!("{port}.sock"))
    }

    /// On every port that the client can reach and where its host is meant: the first server of a port answers every host there, and a gateway
    /// has the same routes on all. Where nginx only adds a slash, what comes then counts.
    fn ask(&self, request: &str, path: &str, client: &str) {
        for port in self.ports.iter().filter(|port| *port != "8081" || client == "127.0.0.1" && request.contains("Host: console.")) {
            let answer = ask(UnixStream::connect(self.socket(port)).unwrap(), request);
            let slash = answer.lines().any(|line| line.starts_with("Location: ") && line.ends_with(&format!("{path}/")));
            if answer.starts_with("HTTP/1.1 301") && slash {
                ask(UnixStream::connect(self.socket(port)).unwrap(), &request.replacen(path, &format!("{path}/"), 1));
            }
        }
    }
}

/// Every `listen` as a socket of its port, without TLS.
fn on_sockets(text: &str, folder: &Path) -> (String, Vec<String>) {
    let mut ports: Vec<String> = Vec::new();
    let lines = text.lines().filter(|line| !line.trim().starts_with("ssl_") && !line.contains("[::]")).map(|line| {
        let Some(listen) = line.trim().strip_prefix("listen ").and_then(|rest| rest.strip_suffix(';')) else { return line.to_owned() };
        let port = listen.split(' ').next().unwrap().rsplit(':').next().unwrap().to_owned();
        let default = if listen.contains("default_server") { " default_server" } else { "" };
        let line = format!("listen unix:{}{default};", folder.join(format!("{port}.sock")).display());
        if !ports.contains(&port) {
            ports.push(port);
        }
        line
    });
    let lines = lines.collect::<Vec<_>>().join("\n");
    (lines, ports)
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
