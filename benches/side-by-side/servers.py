"""Starts and stops what is compared: the upstream, nginx, haproxy, a bare pingora proxy and the gateway, each with plain HTTP and TLS."""
import base64, hashlib, hmac, html, http.client, json, os, re, resource, shutil, signal, socket, ssl, struct, subprocess, sys, time, urllib.parse

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TARGET = os.path.join(os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target")), "release")
SECRET = base64.b32encode(b"side-by-side-secret!").decode()
PASSWORD = "correct-battery-orchard-71"
# As many as load.rs signs in.
USERS = 8

NGINX, HAPROXY, BARE, OURS = "nginx proxy_pass, 1 worker", "haproxy, 2 threads", "bare pingora, in shards", "vestibule, two-factor route, signed in"


def program(name):
    path = os.path.join(TARGET, name)
    if not os.path.exists(path):
        sys.exit(f"{path} is missing; build it first, as the head of run.py says")
    return path


def many_files():
    """Ten thousand sockets at once, here and in what is started from here."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(port, process):
    for _ in range(1200):
        if process.poll() is not None:
            sys.exit(f"a server ended at once: {process.args}")
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    sys.exit(f"nothing listens on port {port}")


def end(process):
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def family(pid):
    children = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout.split()
    return [pid, *map(int, children)]


def cpu_seconds(pids):
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def resident_kib(pids):
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/status") as f:
            total += int(re.search(r"VmRSS:\s+(\d+)", f.read())[1])
    return total


class Contender:
    def __init__(self, name, process, plain, tls, cookie=None):
        self.name, self.pids, self.plain, self.tls, self.cookie = name, family(process.pid), plain, tls, cookie


class Servers:
    def __init__(self, folder):
        self.folder, self.running = folder, []

    def path(self, name):
        return os.path.join(self.folder, name)

    def start(self, name, command, port, **more):
        with open(self.path(f"{name}.log"), "wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, **more)
        self.running.append(process)
        wait_for(port, process)
        return process

    def stop(self):
        for process in reversed(self.running):
            end(process)
        self.running = []

    def certificate(self):
        cert, key = self.path("cert.pem"), self.path("key.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", cert,
                        "-days", "30", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
        with open(self.path("both.pem"), "w") as both:
            both.write(open(cert).read() + open(key).read())
        return cert, key

    def nginx(self, name, port, body):
        folders = "".join(f"{kind}_temp_path {self.path(name + '-' + kind)};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        with open(self.path(f"{name}.conf"), "w") as f:
            f.write(f"""daemon off; worker_processes 1; pid {self.path(name)}.pid; error_log /dev/null;
events {{ worker_connections 16384; }}
http {{ access_log off; keepalive_requests 100000000; keepalive_timeout 600s; client_body_buffer_size 64k; {folders} {body} }}""")
        return self.start(name, ["nginx", "-p", self.folder, "-c", self.path(f"{name}.conf")], port)

    def upstream(self, folder="www"):
        """1 KB, 100 KB, whatever is posted, and WebSockets."""
        port, echo, www = free_port(), free_port(), self.path(folder)
        os.mkdir(www)
        os.chmod(self.folder, 0o755)
        with open(os.path.join(www, "large"), "wb") as f:
            f.write(b"x" * 102_400)
        self.start(f"echo-{folder}", [program("examples/load"), "echo", str(echo)], echo)
        self.nginx(f"upstream-{folder}", port, f"""server {{ listen 127.0.0.1:{port} reuseport backlog=4096; root {www};
            location / {{ return 200 "{"x" * 1024}"; }}
            location = /large {{ }}
            location = /socket {{ proxy_pass http://127.0.0.1:{echo}; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade;
                proxy_set_header Connection "upgrade"; }} }}""")
        return port

    def nginx_proxy(self, upstream, cert, key):
        port, tls = free_port(), free_port()
        process = self.nginx("proxy", port, f"""upstream up {{ server 127.0.0.1:{upstream}; keepalive 512; keepalive_requests 100000000; }}
            map $http_upgrade $hop {{ default upgrade; "" ""; }}
            server {{ listen 127.0.0.1:{port} backlog=4096; listen 127.0.0.1:{tls} ssl http2 backlog=4096; ssl_certificate {cert}; ssl_certificate_key {key};
            location / {{ proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection $hop; proxy_set_header Upgrade $http_upgrade;
            proxy_buffers 16 8k; }} }}""")
        return Contender(NGINX, process, port, tls)

    def haproxy(self, upstream):
        port, tls = free_port(), free_port()
        with open(self.path("haproxy.cfg"), "w") as f:
            f.write(f"""global
 nbthread 2
 maxconn 9000
defaults
 mode http
 timeout connect 5s
 timeout client 600s
 timeout server 60s
 timeout tunnel 600s
 http-reuse always
frontend f
 bind 127.0.0.1:{port}
 bind 127.0.0.1:{tls} ssl crt {self.path("both.pem")} alpn h2,http/1.1
 default_backend b
backend b
 server s 127.0.0.1:{upstream}
""")
        return Contender(HAPROXY, self.start("haproxy", ["haproxy", "-f", self.path("haproxy.cfg")], port), port, tls)

    def bare(self, upstream, cert, key):
        port, tls = free_port(), free_port()
        command = [program("examples/bare_proxy"), str(port), f"127.0.0.1:{upstream}", str(tls), cert, key]
        return Contender(BARE, self.start("bare", command, port), port, tls)

    def vestibule(self, upstream, cert, key):
        gateway = Gateway(self.path("gateway"), upstream, (cert, key))
        gateway.user("alice", totp=True)
        for n in range(USERS):
            gateway.user(f"user-{n}")
        process = self.start("vestibule", gateway.serve, gateway.port, env=gateway.environment)
        return Contender(OURS, process, gateway.port, gateway.tls, sign_in(gateway.port)), gateway


class Gateway:
    """A data folder and a configuration: a two-factor route, and a hundred others that nobody asks for."""

    environment = {**os.environ, "VESTIBULE_LOG": "warn"}

    def __init__(self, folder, upstream, tls=None, more=""):
        os.makedirs(folder)
        self.data, self.port, self.tls, config = os.path.join(folder, "data"), free_port(), free_port(), os.path.join(folder, "vestibule.toml")
        listen = f'[[server.tls]]\nlisten = "127.0.0.1:{self.tls}"\ncertificates = [{{ cert = "{tls[0]}", key = "{tls[1]}" }}]\n' if tls else ""
        with open(config, "w") as f:
            f.write(f'[server]\nlisten = ["127.0.0.1:{self.port}"]\ndata_dir = "{self.data}"\nredirect_to_https = false\n{listen}[limits]\nconnections = 20000\nconnections_per_ip = 20000\n')
            f.write(more)
            f.write(self.route("measured", None, "two_factor", upstream))
            f.writelines(self.route(f"app-{n}", f"app-{n}.internal.example", "one_factor", upstream) for n in range(100))
        self.base = [program("vestibule"), "--config", config]
        self.serve = [*self.base, "serve"]

    @staticmethod
    def route(name, host, policy, upstream):
        hosts = f'hosts = ["{host}"]\n' if host else ""
        return f'[[routes]]\nname = "{name}"\n{hosts}path = "/"\nupstreams = ["http://127.0.0.1:{upstream}"]\npolicy = "{policy}"\n'

    def user(self, name, totp=False):
        say = lambda text: {"input": text + "\n", "text": True, "check": True, "stdout": subprocess.DEVNULL}
        subprocess.run([*self.base, "user", "add", name, "--email", f"{name}@internal.example", "--password-stdin"], **say(PASSWORD))
        if totp:
            subprocess.run([*self.base, "user", "mfa", name, "--totp-uri-stdin"], **say(f"otpauth://totp/bench:{name}?secret={SECRET}&issuer=bench"))


class Browser:
    def __init__(self, port, tls=False):
        self.port, self.tls, self.jar, self.offer = port, tls, {}, None

    def connect(self):
        if not self.tls:
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30, context=ssl._create_unverified_context())

    def ask(self, method, path, form=None):
        connection = self.connect()
        headers = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Cookie": self.cookie()}
        if form is not None:
            headers |= {"Content-Type": "application/x-www-form-urlencoded", "Origin": f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}"}
        connection.request(method, path, urllib.parse.urlencode(form) if form is not None else None, headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        for key, value in answer.getheaders():
            if key.lower() == "set-cookie":
                name, content = value.split(";")[0].split("=", 1)
                self.jar[name] = content
        self.offer = answer.getheader("secure-session-registration")
        return answer.status, answer.getheader("location"), text

    def bound_cookies(self):
        """The session's cookie and the device's, as count.py names them over TLS."""
        return f"vestibule={self.jar['__Host-vestibule']}; __Host-vestibule-bound={self.jar['__Host-vestibule-bound']}"

    def cookie(self):
        return "; ".join(f"{k}={v}" for k, v in self.jar.items())

    def binds(self, key):
        """Registers the key in this file for the session, as a browser does (W3C Device Bound Session Credentials)."""
        challenge = re.search(r'challenge="([^"]*)"', self.offer)[1]
        openssl = lambda *arguments, **more: subprocess.run(["openssl", *arguments], check=True, capture_output=True, **more).stdout
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key)
        point = openssl("ec", "-in", key, "-pubout", "-outform", "DER")[-64:]
        encode = lambda part: base64.urlsafe_b64encode(part).decode().rstrip("=")
        jwk = {"kty": "EC", "crv": "P-256", "x": encode(point[:32]), "y": encode(point[32:])}
        parts = {"alg": "ES256", "typ": "dbsc+jwt", "jwk": jwk}, {"jti": challenge}
        signed = ".".join(encode(json.dumps(part).encode()) for part in parts)
        # DER: two integers, to be written as 32 bytes each.
        der = openssl("dgst", "-sha256", "-sign", key, input=signed.encode())
        first = der[4:4 + der[3]]
        raw = b"".join(number.lstrip(b"\0").rjust(32, b"\0") for number in (first, der[6 + len(first):]))
        connection = self.connect()
        connection.request("POST", "/.vestibule/device/register", headers={
            "Content-Length": "0", "Sec-Fetch-Mode": "no-cors", "Secure-Session-Response": f"{signed}.{encode(raw)}"})
        answer = connection.getresponse()
        assert answer.status == 200, (answer.status, answer.read())
        name, value = answer.getheader("set-cookie").split(";")[0].split("=", 1)
        self.jar[name] = value

    def csrf(self, path):
        _, _, text = self.ask("GET", path)
        return html.unescape(re.search(r'name="csrf" value="([^"]*)"', text)[1])


def totp(at):
    digest = hmac.new(base64.b32decode(SECRET), struct.pack(">Q", int(at // 30)), hashlib.sha1).digest()
    offset = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[offset:offset + 4])[0] & 0x7fffffff) % 10 ** 6:06d}"


def sign_in(port):
    """Signs in as a browser would and gives back the session cookie."""
    return f"vestibule={signed_in(Browser(port)).jar['vestibule']}"


def signed_in(browser, step=0):
    """Signs in with the code of this step of the authenticator app, counted from now: each is taken once."""
    csrf = browser.csrf("/.vestibule/login?rd=/")
    status, place, page = browser.ask("POST", "/.vestibule/login", {"csrf": csrf, "rd": "/", "username": "alice", "password": PASSWORD})
    assert status == 303, (status, page)
    csrf = browser.csrf("/.vestibule/mfa/totp?rd=/")
    status, place, page = browser.ask("POST", "/.vestibule/mfa/totp", {"csrf": csrf, "rd": "/", "code": totp(time.time() + 30 * step)})
    assert status == 303 and place == "/", (status, place, page)
    return browser


def has(name):
    return shutil.which(name) is not None
