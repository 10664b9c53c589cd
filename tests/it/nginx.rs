//! nginx and the gateway with what `init --from-nginx` made of its configuration, side by side on the same requests: whoever nginx did not
//! let through to an application does not get there through the gateway, and what worked goes on working.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::harness::Upstream;
use crate::harness::binary::{Gateway, Machine};

/// A configuration, whom to ask for, and what of it is known to be closed now.
struct Case {
    name: &'static str,
    text: &'static str,
    hosts: &'static [&'static str],
    paths: &'static [&'static str],
    /// Beginnings of `host/path` that nginx forwards and the gateway does not.
    closed: &'static [&'static str],
    /// Paths of nginx's own files that the application is asked for now.
    files: &'static [&'static str],
}

const CASES: [Case; 11] = [
    Case {
        name: "grafana",
        text: include_str!("nginx/grafana.conf"),
        hosts: &["grafana.example", "GRAFANA.example.", "other.example"],
        paths: &["/", "/api/live/ws2", "/api/live", "/api/livex", "/login"],
        // nginx gave unknown hosts to its first server.
        closed: &["other.example"],
        files: &[],
    },
    Case {
        name: "jenkins",
        text: include_str!("nginx/jenkins.conf"),
        hosts: &["jenkins.example"],
        paths: &[
            "/",
            "/job/x/build",
            "/static/0a1b2c3d/css/x.css",
            "/static/short/x",
            "/userContent/readme",
            "/userContentX",
            "/userContent",
        ],
        closed: &["jenkins.example/static/", "jenkins.example/userContent"],
        files: &[],
    },
    Case {
        name: "mattermost",
        text: include_str!("nginx/mattermost.conf"),
        hosts: &["chat.example"],
        paths: &["/", "/api/v4/websocket", "/api/v4/users/websocket", "/api/v4/websockets", "/x/api/v4/websocket"],
        closed: &[],
        files: &[],
    },
    Case {
        name: "vaultwarden",
        text: include_str!("nginx/vaultwarden.conf"),
        hosts: &["vault.example"],
        paths: &[
            "/",
            "/admin",
            "/admin/",
            "/admin/users",
            "/administrator",
            "/Admin/users",
            "/a/admin",
            "/notifications/hub",
            "/notifications/hubs",
        ],
        closed: &["vault.example/Admin"],
        files: &[],
    },
    Case {
        name: "wordpress",
        text: include_str!("nginx/wordpress.conf"),
        hosts: &["blog.example", "www.blog.example"],
        paths: &[
            "/",
            "/post/1",
            "/xmlrpc.php",
            "/xmlrpc.php/x",
            "/XMLRPC.php",
            "/.htaccess",
            "/a/.git/config",
            "/.well-known/x",
            "/wp-config.php",
            "/wp-config.phpx",
            "/wp-content/uploads/x.php",
            "/wp-content/uploads/x.jpg",
            "/wp-admin",
            "/wp-admin/",
            "/wp-admin/admin-ajax.php",
            "/wp-admin/admin-ajax.php.bak",
            "/wp-administrator",
            "/wp-login.php",
            "/wp-login.php5",
            "/favicon.ico",
            "/readme.html",
            "/readme.htm",
        ],
        // A lookahead cannot be said; letter case is never told apart in favour of the client.
        closed: &["blog.example/.well-known", "www.blog.example/.well-known", "blog.example/XMLRPC", "www.blog.example/XMLRPC"],
        files: &["/favicon.ico"],
    },
    Case {
        name: "prometheus",
        text: include_str!("nginx/prometheus.conf"),
        hosts: &["prometheus.example"],
        paths: &[
            "/",
            "/graph",
            "/-/healthy",
            "/-/healthy/x",
            "/-/healthyx",
            "/federate",
            "/federate/x",
            "/federated",
            "/api/v1/admin/x",
            "/api/v1/administrate",
            "/metrics",
            "/metrics/x",
        ],
        closed: &[],
        files: &[],
    },
    Case {
        name: "gitea",
        text: include_str!("nginx/gitea.conf"),
        hosts: &["git.example", "pages.example", "alice.pages.example", "registry.example"],
        paths: &[
            "/",
            "/alice/repo",
            "/api/internal/x",
            "/API/Internal/x",
            "/api/internalx",
            "/metrics",
            "/avatars/x.php",
            "/x.php",
            "/x.php/y",
            "/-/x",
            "/-",
            "/v2/",
            "/v2/x/blobs",
            "/v2",
            "/v3",
        ],
        closed: &["pages.example/-", "alice.pages.example/-"],
        files: &[],
    },
    Case {
        name: "kibana",
        text: include_str!("nginx/kibana.conf"),
        hosts: &["kibana.example", "other.example"],
        paths: &[
            "/",
            "/app/x",
            "/oauth2/auth",
            "/oauth2/sign_in",
            "/oauth2",
            "/status",
            "/status/x",
            "/statusx",
            "/internal/x",
            "/internal",
        ],
        // The other gateway is asked no more: its page for signing in is not what comes now.
        closed: &["kibana.example/"],
        files: &[],
    },
    Case {
        name: "many",
        text: include_str!("nginx/many.conf"),
        hosts: &[
            "shop.example",
            "www.shop.example",
            "a.apps.example",
            "secret.apps.example",
            "apps.example",
            "console.example",
            "x.teams.example",
            "unknown.example",
        ],
        paths: &[
            "/",
            "/x",
            "/server-status",
            "/server-statusx",
            "/old/x",
            "/oldx",
            "/checkout/x",
            "/checkout/admin/x",
            "/checkout/administrator",
            "/checkout/api/x",
            "/checkout",
        ],
        // A condition on an address list, and rewritten paths.
        closed: &["a.apps.example/", "shop.example/old/", "console.example/"],
        files: &[],
    },
    Case {
        name: "odoo",
        text: include_str!("nginx/odoo.conf"),
        hosts: &["odoo.example"],
        paths: &[
            "/",
            "/web",
            "/web/static/x.css",
            "/a/web/static/x",
            "/WEB/STATIC/x",
            "/websocket",
            "/websockets",
            "/websocket/x",
            "/web/database",
            "/web/database/manager",
            "/web/databases",
            "/web/database/list",
            "/robots-old.txt",
            "/robots-old.txt2",
        ],
        // nginx sent it to the other application by the text it begins with.
        closed: &["odoo.example/websockets", "odoo.example/web/database/list"],
        files: &[],
    },
    Case {
        name: "static",
        text: include_str!("nginx/static.conf"),
        hosts: &["files.example"],
        paths: &[
            "/",
            "/page",
            "/x.css",
            "/downloads/x",
            "/downloads",
            "/app2/x",
            "/app2",
            "/same/x",
            "/hello",
            "/hello2",
            "/Private",
            "/Private/x",
            "/private/x",
            "/Privateer",
        ],
        closed: &["files.example/app2", "files.example/private", "files.example/downloads"],
        files: &["/x.css"],
    },
];

/// Where clients are, as a proxy in front would say.
const CLIENTS: [&str; 5] = ["192.0.2.7", "10.1.2.3", "10.9.9.9", "192.168.1.5", "127.0.0.1"];
const METHODS: [&str; 3] = ["GET", "POST", "DELETE"];

#[tokio::test(flavor = "multi_thread")]
async fn what_nginx_kept_closed_stays_closed_and_what_worked_works() {
    let apps = [Upstream::start().await, Upstream::start().await];
    let checked = tokio::task::spawn_blocking(move || CASES.iter().map(|case| compare(case, &apps)).sum::<usize>()).await.unwrap();
    assert!(checked > 3000, "{checked}");
}

fn compare(case: &Case, apps: &[Upstream; 2]) -> usize {
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
    let mut checked = 0;
    for host in case.hosts {
        for (path, client, method) in
            case.paths.iter().flat_map(|p| CLIENTS.iter().flat_map(move |c| METHODS.iter().map(move |m| (*p, *c, *m))))
        {
            let request = format!(
                "{method} {path} HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-For: {client}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            let reached = |ask: &dyn Fn()| {
                let before = apps.each_ref().map(Upstream::count);
                ask();
                [0, 1].map(|app| apps[app].count() > before[app])
            };
            let by_nginx = reached(&|| nginx.ask(&request, path, client));
            let by_gateway = reached(&|| drop(ask(std::net::TcpStream::connect(gateway.address).unwrap(), &request)));
            let place = format!("{host}{path}");
            let what = format!("{}: {method} {place} from {client}: nginx {by_nginx:?}, the gateway {by_gateway:?}\n{made}", case.name);
            let opened = [0, 1].iter().any(|app| by_gateway[*app] && !by_nginx[*app]);
            assert!(!opened || case.files.contains(&path), "opened: {what}");
            let lost = by_nginx != by_gateway && !opened;
            assert!(!lost || case.closed.iter().any(|beginning| place.starts_with(beginning)), "lost: {what}");
            checked += 1;
        }
    }
    gateway_stops(gateway);
    checked
}

fn gateway_stops(gateway: Gateway) {
    gateway.dies();
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

    /// On every port that the client can reach. Where nginx only adds a slash, what comes then counts.
    fn ask(&self, request: &str, path: &str, client: &str) {
        for port in self.ports.iter().filter(|port| *port != "8081" || client == "127.0.0.1") {
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
