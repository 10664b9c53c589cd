"""A gateway in a temporary folder, the people and programs in front of it, and the application behind it.

Needs Python 3.9 and nothing else. Everything listens on 127.0.0.1, on ports of the system's choice, and ends with the script.
"""

import atexit
import base64
import hashlib
import hmac
import html
import http.cookiejar
import http.server
import json
import os
import pathlib
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

PAGES = pathlib.Path(__file__).resolve().parent.parent
PASSWORD = "four-harbours-and-a-lamp"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
PATIENCE = int(os.environ.get("TRY_PATIENCE", "60"))


class Missing(Exception):
    """A program that is not here; says how to get it."""


class Failed(Exception):
    """Something was not as the page says."""


def needs(*programs):
    """Finds programs: pairs of a name or a path, and the Debian package that has it."""
    missing = [package for program, package in programs if not (shutil.which(program) or os.path.exists(program))]
    if missing:
        raise Missing("apt-get install --no-install-recommends " + " ".join(dict.fromkeys(missing)))


def seen(what, holds=True, but=""):
    """One line of what was seen; anything else ends the trial."""
    if not holds:
        raise Failed(f"not so: {what}" + (f"\n{but}" if but else ""))
    print(f"    {what}", flush=True)


def block(page, language, number=0):
    """The configuration that a page shows."""
    text = (PAGES / f"{page}.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.S | re.M)[number]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(what, holds, log=None):
    """Asks until it holds; else fails with the end of a log."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            if holds():
                return
        except OSError:
            pass
        time.sleep(0.05)
    said = "\n" + log.read_text(errors="replace")[-3000:] if log else ""
    raise Failed(f"{what} after {PATIENCE} seconds{said}")


def listens(port):
    socket.create_connection(("127.0.0.1", port), 1).close()
    return True


class Place:
    """A folder, and the programs that run in it."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="vestibule-try-"))
        self.folder.chmod(0o755)
        self.children = []
        self.last = []
        os.environ.get("TRY_KEEP") or atexit.register(self.ends)

    def path(self, name):
        return self.folder / name

    def writes(self, name, text, mode=None):
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        if mode is not None:
            path.chmod(mode)
        return path

    def starts(self, *command, log="log", **more):
        out = open(self.path(log), "ab")
        child = subprocess.Popen([str(word) for word in command], stdout=out, stderr=out, stdin=subprocess.DEVNULL, start_new_session=True,
                                 cwd=more.pop("cwd", self.folder), **more)
        self.children.append(child)
        return child

    def listening(self, port, log="log"):
        wait_for(f"nothing listens on {port}", lambda: listens(port), self.path(log))
        return port

    def ends(self):
        for child in reversed(self.children):
            try:
                os.killpg(child.pid, 15)
            except OSError:
                pass
        for child in self.children:
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, 9)
        for last in self.last:
            last()
        self.children, self.last = [], []
        shutil.rmtree(self.folder, ignore_errors=True)


def runs(*command, ok=True, **more):
    """A program to its end; its output. `ok=False`: it must fail."""
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                          text=True, timeout=600, **more)
    if (done.returncode == 0) != ok:
        raise Failed(f"{' '.join(map(str, command))}: exit status {done.returncode}\n{done.stdout[-3000:]}")
    return done.stdout


class Gateway:
    """A gateway with the routes of a page. `upstreams` takes the place of the address that the page names, and the host is localhost."""

    def __init__(self, page, upstream, change=lambda text: text, tls=False):
        self.place = Place()
        head = PLAIN
        if tls:
            needs(("openssl", "openssl"))
            runs("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                 "-addext", "subjectAltName=DNS:localhost", "-keyout", self.place.path("tls.key"), "-out", self.place.path("tls.pem"))
            head += '\n[[server.tls]]\nlisten = "127.0.0.1:0"\ncertificates = [{ cert = "tls.pem", key = "tls.key" }]'
        route = block(page, "toml")
        route = re.sub(r'upstreams = \[[^\]]*\]', f'upstreams = ["{upstream}"]', route)
        route = re.sub(r'hosts = \[[^\]]*\]', 'hosts = ["localhost"]', route)
        self.place.writes("vestibule.toml", f'{head}\n[mfa]\nfirst_enrolment = "password"\n{change(route)}')
        self.program = os.environ.get("VESTIBULE") or default_program()
        self.listeners = 2 if tls else 1
        self.starts()

    def starts(self, *under):
        """Starts it, under another program if one is named."""
        self.child = subprocess.Popen([*under, self.program, "serve"], stdout=subprocess.PIPE, stderr=open(self.place.path("gateway.log"), "ab"), text=True,
                                      env=self.environment(), cwd=self.place.folder, start_new_session=True)
        self.place.children.append(self.child)
        urls = []
        for _ in range(self.listeners):
            line = self.child.stdout.readline()
            if not line:
                raise Failed(self.place.path("gateway.log").read_text())
            urls.append(line.split()[1])
        last = urllib.parse.urlsplit(urls[-1])
        self.port, self.url = last.port, f"{last.scheme}://localhost:{last.port}"

    def ends_program(self):
        self.child.terminate()
        self.child.wait(PATIENCE)
        self.place.children.remove(self.child)

    def environment(self):
        kept = {name: value for name, value in os.environ.items() if not name.startswith("VESTIBULE")}
        return {**kept, "VESTIBULE_CONFIG": str(self.place.path("vestibule.toml"))}

    def command(self, *words, given=None):
        done = subprocess.run([self.program, *words], input=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=self.environment(),
                              cwd=self.place.folder, timeout=PATIENCE)
        if done.returncode:
            raise Failed(f"vestibule {' '.join(words)}: {done.stdout}")
        return done.stdout

    def user(self, name, *groups):
        """Somebody with a password and an authenticator app."""
        wanted = [word for group in groups for word in ("--group", group)]
        self.command("user", "add", name, "--email", f"{name}@example.org", *wanted, "--password-stdin", given=PASSWORD)

    def enrols(self, name):
        self.command("user", "mfa", name, "--totp-uri-stdin", given=f"otpauth://totp/try:{name}?secret={SECRET}&issuer=try")

    def token(self, name, *more, service=True, groups=()):
        """A token of a service account, which is made for it, or of somebody."""
        if service:
            wanted = [word for group in groups for word in ("--group", group)]
            self.command("user", "add", name, "--service", *wanted)
        return self.command("token", "create", name, "--name", "try", "--expires", "1d", *more).strip().splitlines()[-1]

    def ends(self):
        self.place.ends()


PLAIN = '[server]\nlisten = ["127.0.0.1:0"]\ndata_dir = "data"'


def default_program():
    root = PAGES.parent.parent
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", root / "target"))
    for profile in ("release", "debug"):
        if (target / profile / "vestibule").exists():
            return str(target / profile / "vestibule")
    found = shutil.which("vestibule")
    if not found:
        raise Missing("build it first (cargo build), or name it: VESTIBULE=PATH")
    return found


class Answer:
    def __init__(self, status, headers, body, url):
        self.status, self.headers, self.url = status, headers, url
        self.text = body.decode("utf-8", "replace")

    def json(self):
        return json.loads(self.text)


class Client:
    """A program without a browser's habits; `Browser` has them."""

    base = {}

    def __init__(self, gateway):
        self.gateway = gateway
        self.jar = http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.jar), urllib.request.ProxyHandler({}))

    def asks(self, path, method="GET", headers=(), body=None):
        url = path if "://" in path else self.gateway.url + path
        request = urllib.request.Request(url, data=body, method=method, headers={**self.base, **dict(headers)})
        try:
            answer = self.opener.open(request, timeout=PATIENCE)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            return Answer(answer.status, answer.headers, answer.read(), answer.geturl())


class Browser(Client):
    """Follows redirects, keeps cookies, fills in forms."""

    base = {"Accept": "text/html,*/*", "Accept-Language": "en"}

    def sends(self, page, action, holding="", /, **fields):
        """Posts the form of a page that leads to `action` (and holds something), with its hidden fields."""
        for attributes, inside in re.findall(r"<form([^>]*)>(.*?)</form>", page.text, re.S):
            target = html.unescape((re.search(r'action="([^"]*)"', attributes) or [None, ""])[1])
            if not urllib.parse.urlsplit(target).path.endswith(action) or holding not in inside:
                continue
            inputs = [dict(re.findall(r'([\w-]+)="([^"]*)"', one)) for one in re.findall(r"<input([^>]*)>", inside)]
            hidden = {html.unescape(one["name"]): html.unescape(one.get("value", "")) for one in inputs
                      if one.get("type") == "hidden" and "name" in one}
            body = urllib.parse.urlencode({**hidden, **fields}).encode()
            return self.asks(urllib.parse.urljoin(page.url, target), "POST", {"Origin": self.gateway.url}, body)
        raise Failed(f"no form for {action} on {page.url}:\n{page.text[:2000]}")

    def signs_in(self, name, path="/"):
        """Signs in where `path` leads, with a second factor if it is wanted, and lands on `path`."""
        page = self.asks(path)
        page = self.sends(page, "login", username=name, password=PASSWORD)
        if "/mfa" in page.url:
            if "/mfa/totp" not in page.url:
                page = self.sends(page, "mfa", method="totp")
            page = self.sends(page, "mfa/totp", code=totp())
        if page.url != self.gateway.url + path:
            raise Failed(f"signed in, and landed on {page.url}: {page.status}\n{page.text[:2000]}")
        return page


def totp():
    counter = struct.pack(">Q", int(time.time()) // 30)
    digest = hmac.new(base64.b32decode(SECRET), counter, hashlib.sha1).digest()
    at = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[at:at + 4])[0] & 0x7FFFFFFF) % 1000000:06d}"


def basic(user, password):
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


APACHE = "/usr/lib/apache2/modules"


def apache(place, modules, text):
    """Apache with a configuration of its own; its port."""
    port = free_port()
    user = "User www-data\nGroup www-data\n" if os.geteuid() == 0 else ""
    loads = "".join(f"LoadModule {name}_module {APACHE}/mod_{name}.so\n" for name in ["mpm_event", "authz_core", "authz_host", *modules])
    text = text.replace("@PORT@", str(port))
    place.writes("apache.conf", f"ServerRoot {place.folder}\nPidFile {place.folder}/apache.pid\nListen 127.0.0.1:{port}\nServerName localhost\n"
                 f"{user}ErrorLog {place.folder}/apache.log\n{loads}{text}")
    place.starts("apache2", "-D", "FOREGROUND", "-f", place.path("apache.conf"))
    return place.listening(port)


def stand_in(place):
    """In the place of an application that is not to be had here: answers with the request as it arrived. Its port."""
    class Told(http.server.BaseHTTPRequestHandler):
        def answers(self):
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = json.dumps({"target": self.path, "headers": [[name.lower(), value] for name, value in self.headers.items()]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = answers

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Told)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    place.last.append(server.shutdown)
    return server.server_port


def told(answer, name):
    """Every value of a header that a stand-in was told; an underscore is what a CGI program reads as a hyphen."""
    return [value for known, value in answer.json()["headers"] if known.replace("_", "-") == name.lower()]


def opens_to_all(path):
    """For a server that gives up its rights."""
    if os.geteuid() == 0:
        for folder, _, files in os.walk(path):
            for name in [folder, *(os.path.join(folder, name) for name in files)]:
                shutil.chown(name, "www-data", "www-data")


if __name__ == "__main__":
    sys.exit("this is a part: start run.py")
