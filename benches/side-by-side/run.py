#!/usr/bin/env python3
"""Measures the gateway beside nginx, haproxy and a bare pingora proxy, over one upstream on this machine, in alternated rounds.

Needs: wrk, nginx, python3; haproxy and openssl where they are there. Build first:
    cargo build --release --bin vestibule --example bare_proxy
Then:  benches/side-by-side/run.py [--seconds 4] [--rounds 5] [--write docs/performance.md]
Everything listens on 127.0.0.1; everything that is started is stopped again.
"""
import argparse, base64, hashlib, hmac, html, http.client, json, os, re, shutil, signal, socket, statistics, struct, subprocess, sys, tempfile, time, urllib.parse

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TARGET = os.path.join(os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target")), "release")
SECRET = base64.b32encode(b"side-by-side-secret!").decode()
PASSWORD = "correct-battery-orchard-71"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(port, process):
    for _ in range(400):
        if process.poll() is not None:
            sys.exit(f"a server ended at once: {process.args}")
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    sys.exit(f"nothing listens on port {port}")


class Servers:
    def __init__(self, folder):
        self.folder, self.running = folder, []

    def start(self, name, command, port, **more):
        log = open(os.path.join(self.folder, f"{name}.log"), "wb")
        process = subprocess.Popen(command, stdout=log, stderr=log, **more)
        self.running.append(process)
        wait_for(port, process)
        return process

    def stop(self):
        for process in reversed(self.running):
            process.send_signal(signal.SIGTERM)
        for process in self.running:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def nginx(servers, name, port, body):
    path = os.path.join(servers.folder, f"{name}.conf")
    with open(path, "w") as f:
        f.write(f"""
daemon off; worker_processes 1; pid {servers.folder}/{name}.pid; error_log /dev/null;
events {{ worker_connections 4096; }}
http {{ access_log off; client_body_temp_path {servers.folder}/{name}-b; proxy_temp_path {servers.folder}/{name}-p; fastcgi_temp_path {servers.folder}/{name}-f;
uwsgi_temp_path {servers.folder}/{name}-u; scgi_temp_path {servers.folder}/{name}-s; keepalive_requests 10000000; {body} }}""")
    return servers.start(name, ["nginx", "-p", servers.folder, "-c", path], port)


def totp(at):
    digest = hmac.new(base64.b32decode(SECRET), struct.pack(">Q", int(at // 30)), hashlib.sha1).digest()
    offset = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[offset:offset + 4])[0] & 0x7fffffff) % 10 ** 6:06d}"


def sign_in(port):
    """Signs in as a browser would and gives back the session cookie."""
    jar = {}

    def ask(method, path, form=None):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        headers = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Cookie": "; ".join(f"{k}={v}" for k, v in jar.items())}
        if form is not None:
            headers |= {"Content-Type": "application/x-www-form-urlencoded", "Origin": f"http://127.0.0.1:{port}"}
        connection.request(method, path, urllib.parse.urlencode(form) if form is not None else None, headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        for key, value in answer.getheaders():
            if key.lower() == "set-cookie":
                name, content = value.split(";")[0].split("=", 1)
                jar[name] = content
        return answer.status, answer.getheader("location"), text

    def csrf(text):
        return html.unescape(re.search(r'name="csrf" value="([^"]*)"', text)[1])

    _, _, page = ask("GET", "/.vestibule/login?rd=/")
    status, place, page = ask("POST", "/.vestibule/login", {"csrf": csrf(page), "rd": "/", "username": "alice", "password": PASSWORD})
    assert status == 303, (status, page)
    _, _, page = ask("GET", "/.vestibule/mfa/totp?rd=/")
    status, place, page = ask("POST", "/.vestibule/mfa/totp", {"csrf": csrf(page), "rd": "/", "code": totp(time.time())})
    assert status == 303 and place == "/", (status, place, page)
    return f"vestibule={jar['vestibule']}"


def vestibule(servers, port, upstream):
    data = os.path.join(servers.folder, "data")
    config = os.path.join(servers.folder, "vestibule.toml")
    routes = "".join(f'[[routes]]\nname = "app-{n}"\nhosts = ["app-{n}.internal.example"]\npath = "/"\nupstreams = ["http://127.0.0.1:{upstream}"]\npolicy = "one_factor"\n' for n in range(100))
    with open(config, "w") as f:
        f.write(f"""[server]
listen = ["127.0.0.1:{port}"]
data_dir = "{data}"
[password]
min_length = 8
[[routes]]
name = "measured"
path = "/"
upstreams = ["http://127.0.0.1:{upstream}"]
policy = "two_factor"
""" + routes)
    binary = os.path.join(TARGET, "vestibule")
    base = [binary, "--config", config]
    subprocess.run([*base, "user", "add", "alice", "--email", "alice@internal.example", "--password-stdin"], input=PASSWORD + "\n", text=True, check=True, stdout=subprocess.DEVNULL)
    uri = f"otpauth://totp/bench:alice?secret={SECRET}&issuer=bench"
    subprocess.run([*base, "user", "mfa", "alice", "--totp-uri-stdin"], input=uri + "\n", text=True, check=True, stdout=subprocess.DEVNULL)
    environment = {**os.environ, "VESTIBULE_LOG": "warn"}
    process = servers.start("vestibule", [*base, "serve"], port, env=environment)
    return process, sign_in(port)


def cpu_seconds(pids):
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def family(pid):
    children = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout.split()
    return [pid, *map(int, children)]


def resident_kib(pids):
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/status") as f:
            total += int(re.search(r"VmRSS:\s+(\d+)", f.read())[1])
    return total


def wrk(port, connections, seconds, cookie):
    command = ["wrk", "-t", "2", "-c", str(connections), "-d", f"{seconds}s", "--latency", f"http://127.0.0.1:{port}/"]
    if cookie:
        command += ["-H", f"Cookie: {cookie}"]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    units = {"us": 1e-3, "ms": 1, "s": 1e3}
    number, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", out).groups()
    wrong = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    assert not wrong, out
    return float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1]), float(number) * units[unit], int(re.search(r"(\d+) requests in", out)[1])


def idle(port, pids, count):
    """KiB that each of `count` connections costs after its first answer."""
    before, held = resident_kib(pids), []
    for _ in range(count):
        s = socket.create_connection(("127.0.0.1", port))
        s.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        s.recv(65536)
        held.append(s)
    cost = (resident_kib(pids) - before) / count
    for s in held:
        s.close()
    return cost


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", type=int, nargs="*", default=[8, 64, 512])
    parser.add_argument("--idle", type=int, default=900)
    parser.add_argument("--write", help="put the tables into this file, between its markers")
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="side-by-side-")
    servers = Servers(folder)
    try:
        report = measure(options, servers)
    finally:
        servers.stop()
        shutil.rmtree(folder, ignore_errors=True)
    print(report)
    if options.write:
        with open(options.write) as f:
            text = f.read()
        start, end = "<!-- measured -->", "<!-- /measured -->"
        head, rest = text.split(start, 1)
        with open(options.write, "w") as f:
            f.write(head + start + "\n\n" + report + "\n" + end + rest.split(end, 1)[1])


def measure(options, servers):
    upstream, ports = free_port(), {}
    nginx(servers, "upstream", upstream, f'server {{ listen 127.0.0.1:{upstream} reuseport backlog=4096; location / {{ return 200 "{"x" * 1024}"; }} }}')
    contenders = {}

    def contender(name, process, port, cookie=None):
        contenders[name] = (family(process.pid), port, cookie)

    port = free_port()
    body = f'upstream up {{ server 127.0.0.1:{upstream}; keepalive 256; keepalive_requests 10000000; }} server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection ""; }} }}'
    contender("nginx proxy_pass, 1 worker", nginx(servers, "proxy", port, body), port)
    if shutil.which("haproxy"):
        port, path = free_port(), os.path.join(servers.folder, "haproxy.cfg")
        with open(path, "w") as f:
            f.write(f"global\n nbthread 2\n maxconn 2000\ndefaults\n mode http\n timeout connect 5s\n timeout client 60s\n timeout server 60s\n http-reuse always\nfrontend f\n bind 127.0.0.1:{port}\n default_backend b\nbackend b\n server s 127.0.0.1:{upstream}\n")
        contender("haproxy, 2 threads", servers.start("haproxy", ["haproxy", "-f", path], port), port)
    port = free_port()
    bare = os.path.join(TARGET, "examples", "bare_proxy")
    contender("bare pingora, in shards", servers.start("bare", [bare, str(port), f"127.0.0.1:{upstream}"], port), port)
    port = free_port()
    process, cookie = vestibule(servers, port, upstream)
    at_rest = resident_kib([process.pid])
    contender("vestibule, two-factor route, signed in", process, port, cookie)

    lines = [f"One run, {time.strftime('%Y-%m-%d')}: {os.cpu_count()} cores shared by load, upstream and proxy; 1 KB answers; medians (minimum to maximum) of {options.rounds} alternated rounds of {options.seconds} s.", ""]
    for connections in options.connections:
        results = {name: [] for name in contenders}
        for _ in range(options.rounds):
            for name, (pids, port, cookie) in contenders.items():
                before = cpu_seconds(pids)
                rate, p99, count = wrk(port, connections, options.seconds, cookie)
                results[name].append((rate, p99, (cpu_seconds(pids) - before) / count * 1e6))
        middle = {name: [statistics.median(column) for column in zip(*rows)] for name, rows in results.items()}
        first, bare_rate = next(iter(middle.values()))[0], middle["bare pingora, in shards"][0]
        lines += [f"**{connections} connections**", "", "| | requests/s | against nginx | against bare pingora | p99 ms | CPU µs a request |", "|---|---|---|---|---|---|"]
        for name, (rate, p99, cpu) in middle.items():
            rates = [row[0] for row in results[name]]
            lines.append(f"| {name} | {rate:,.0f} ({min(rates):,.0f} to {max(rates):,.0f}) | {rate / first:.2f} | {rate / bare_rate:.2f} | {p99:.2f} | {cpu:.1f} |")
        lines.append("")
    lines += ["| | KiB an idle connection |", "|---|---|"]
    for name, (pids, port, _) in contenders.items():
        lines.append(f"| {name} | {idle(port, pids, options.idle):.1f} |")
    lines += ["", f"vestibule at rest, before any load: {at_rest / 1024:.1f} MB resident.", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
