#!/usr/bin/env python3
"""Instructions per request of routes that tell applications who it is, in one run: benches/side-by-side/instructions.py [PROGRAM]

The whole process under callgrind, by a difference: so many more requests cost so many more instructions. Needs valgrind, and a release build.
"""

import os
import pathlib
import re
import socket
import subprocess
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "docs/apps/try"))
from gateway import Browser, Gateway  # noqa: E402

WARM, COUNTED, CONNECTIONS = 1000, 4000, 4
ROUTES = {
    "session": 'identity = "none"',
    "session-preset": 'identity = "x_webauth"',
    "session-preset-assertion": 'identity = "x_webauth"\nassertion = { audience = "wiki" }',
    "token": 'identity = "none"\ntokens = ["bearer"]',
    "token-preset-assertion": 'identity = "x_webauth"\nassertion = { audience = "wiki" }\ntokens = ["bearer"]',
    "session-static-credential": 'identity = "none"\nupstream_auth = { basic = { user = "svc", password = "harbour" } }',
}


def upstream():
    """Answers everything with the same kilobyte."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 1024\r\nContent-Type: text/plain\r\n\r\n" + b"x" * 1024
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(stream):
        kept = b""
        while True:
            more = stream.recv(65536)
            if not more:
                return
            kept += more
            while b"\r\n\r\n" in kept:
                kept = kept.split(b"\r\n\r\n", 1)[1]
                stream.sendall(answer)

    def accept():
        while True:
            stream, _ = listener.accept()
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=serve, args=(stream,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener.getsockname()[1]


def asks(port, path, lines, count):
    """So many requests over a few connections, one after the other on each."""
    request = f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nUser-Agent: bench\r\nAccept: */*\r\n{lines}\r\n".encode()

    def one():
        with socket.create_connection(("127.0.0.1", port), 60) as stream:
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for _ in range(count // CONNECTIONS):
                stream.sendall(request)
                got = b""
                while b"\r\n\r\n" not in got or len(got.split(b"\r\n\r\n", 1)[1]) < 1024:
                    more = stream.recv(65536)
                    if not more or not (got + more).startswith(b"HTTP/1.1 200"):
                        sys.exit(f"{path}: {(got + more)[:400]}")
                    got += more

    threads = [threading.Thread(target=one) for _ in range(CONNECTIONS)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]


def config(port):
    return "".join(f'\n[[routes]]\nname = "{name}"\nhosts = ["localhost"]\npath = "/{name}"\nupstreams = ["http://127.0.0.1:{port}"]\npolicy = "one_factor"\n{what}\n'
                   for name, what in ROUTES.items())


def main():
    os.environ["VESTIBULE"] = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else os.environ.get("VESTIBULE", "")
    routes = config(upstream())
    gateway = Gateway("webdav", "http://127.0.0.1:1", lambda _: routes)
    gateway.user("alice", "staff", "operators")
    token = gateway.token("alice", service=False)
    browser = Browser(gateway)
    browser.signs_in("alice", "/session/")
    gateway.ends_program()
    out = gateway.place.path("callgrind")
    gateway.starts("valgrind", "--tool=callgrind", f"--callgrind-out-file={out}")
    cookie = "Cookie: " + "; ".join(f"{one.name}={one.value}" for one in browser.jar) + "\r\n"
    bearer = f"Authorization: Bearer {token}\r\n"

    def total():
        subprocess.run(["callgrind_control", "-d", str(gateway.child.pid)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        newest = max(gateway.place.folder.glob("callgrind.*"), key=lambda path: int(path.suffix[1:]))
        return int(re.search(r"^(?:summary|totals): (\d+)", newest.read_text(), re.M)[1])

    costs = {}
    for name in ROUTES:
        lines = bearer if name.startswith("token") else cookie
        asks(gateway.port, f"/{name}/x", lines, WARM)
        total()
        asks(gateway.port, f"/{name}/x", lines, COUNTED)
        costs[name] = total() / COUNTED
    base = costs["session"]
    for name, cost in costs.items():
        print(f"{name:28} {cost:9.0f} instructions a request, {base / cost:.3f} of a session without")
    gateway.ends()


if __name__ == "__main__":
    main()
