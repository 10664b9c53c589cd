"""JupyterLab's server: its token said by the gateway, a kernel over a WebSocket."""

import base64
import importlib.util
import json
import os
import socket
import sys

from gateway import Browser, Client, Gateway, Missing, Place, seen, wait_for


def tries():
    if not (importlib.util.find_spec("jupyter_server") and importlib.util.find_spec("ipykernel")):
        raise Missing("python3 -m pip install jupyter-server ipykernel (or jupyterlab)")
    app = Place()
    sock = app.path("lab.sock")
    alone = {**os.environ, "HOME": str(app.folder), "JUPYTER_RUNTIME_DIR": str(app.path("runtime")), "JUPYTER_CONFIG_DIR": str(app.path("config"))}
    app.starts(sys.executable, "-m", "jupyter_server", f"--ServerApp.sock={sock}", "--ServerApp.sock_mode=0660", "--ServerApp.allow_remote_access=True",
               "--IdentityProvider.token=harbour-lamp", "--ServerApp.open_browser=False", "--allow-root", env=alone)
    wait_for("Jupyter does not start", sock.exists, app.path("log"))
    gateway = Gateway("jupyterlab", f"unix:{sock}", lambda text: text.replace('bearer_file = "jupyter.token"', 'bearer = "harbour-lamp"'))
    gateway.user("alice", "research")
    gateway.enrols("alice")
    browser = Browser(gateway)
    browser.signs_in("alice", "/api/status")
    seen("its API answers, and nobody typed its token", browser.asks("/api/status").json()["kernels"] == 0)
    page = browser.asks("/api/me")
    seen("an Authorization of the browser's changes nothing", browser.asks("/api/status", headers={"Authorization": "token wrong"}).status == 200, page.text)
    xsrf = next((cookie.value for cookie in browser.jar if cookie.name == "_xsrf"), "")
    made = browser.asks("/api/kernels", "POST", {"Origin": gateway.url, "X-XSRFToken": xsrf, "Content-Type": "application/json"}, b"{}")
    seen("a kernel is started", made.status == 201, made.text)
    cookie = "; ".join(f"{one.name}={one.value}" for one in browser.jar)
    with socket.create_connection(("127.0.0.1", gateway.port), 60) as wire:
        key = base64.b64encode(os.urandom(16)).decode()
        wire.sendall(f"GET /api/kernels/{made.json()['id']}/channels HTTP/1.1\r\nHost: localhost:{gateway.port}\r\nOrigin: {gateway.url}\r\nCookie: {cookie}\r\n"
                     f"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode())
        told = b""
        while b"\r\n\r\n" not in told:
            told += wire.recv(4096)
        seen("its WebSocket opens", told.startswith(b"HTTP/1.1 101"), told)
        ask = {"header": {"msg_id": "1", "username": "a", "session": "s", "msg_type": "execute_request", "version": "5.3"}, "parent_header": {}, "metadata": {},
               "content": {"code": "print(6 * 7)", "silent": False, "store_history": False, "user_expressions": {}, "allow_stdin": False}, "channel": "shell"}
        text, mask = json.dumps(ask).encode(), b"\0\0\0\0"
        wire.sendall(bytes([0x81, 0xFE]) + len(text).to_bytes(2, "big") + mask + text)
        while b"42" not in told:
            more = wire.recv(65536)
            if not more:
                break
            told += more
        seen("and the kernel computes", b"42\\n" in told, told[-2000:])
        gateway.command("session", "revoke", "--user", "alice", "--yes")
        wire.settimeout(20)
        try:
            while wire.recv(65536):
                pass
            cut = True
        except TimeoutError:
            cut = False
        seen("it is cut with the session", cut)
    seen("nobody gets there without signing in (401)", Client(gateway).asks("/api/status").status == 401)
