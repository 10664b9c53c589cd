"""WebDAV: Apache's mod_dav, and every suite of litmus, with a token in place of the password."""

import os
import re

from gateway import Browser, Client, Gateway, Place, apache, basic, needs, opens_to_all, runs, seen

SUITES = ["basic", "copymove", "props", "locks", "http"]


def tries():
    needs(("apache2", "apache2"), ("litmus", "litmus"))
    app = Place()
    files = app.path("files")
    files.mkdir()
    app.path("locks").mkdir()
    opens_to_all(files)
    opens_to_all(app.path("locks"))
    port = apache(app, ["dav", "dav_fs"], f"""
        DocumentRoot {files}
        DavLockDB {app.folder}/locks/db
        <Directory {files}>
            Dav On
            Require all granted
        </Directory>
    """)
    gateway = Gateway("webdav", f"http://127.0.0.1:{port}")
    token = gateway.token("files")
    client = Client(gateway)
    answer = client.asks("/", "PROPFIND", {"Depth": "0"})
    seen("without a token PROPFIND is asked for one (401, Basic)",
         answer.status == 401 and answer.headers["WWW-Authenticate"].startswith("Basic"), answer.text)
    seen("with it PROPFIND answers 207", client.asks("/", "PROPFIND", {"Depth": "0", **basic("any", token)}).status == 207)
    for suite in SUITES:
        said = runs("litmus", "-k", f"{gateway.url}/", "any", token, env={**os.environ, "TESTS": suite}, cwd=app.folder)
        run, passed = re.search(r"summary for `\w+': of (\d+) tests run: (\d+) passed", said).groups()
        seen(f"litmus {suite}: {passed} of {run}", run == passed, said)
    revoked = gateway.command("token", "list", "--json")
    gateway.command("token", "revoke", re.search(r'"id":\s*"([^"]+)"', revoked)[1])
    seen("a revoked token opens nothing (401)", client.asks("/", "PROPFIND", {"Depth": "0", **basic("any", token)}).status == 401)
    gateway.user("alice")
    browser = Browser(gateway)
    browser.signs_in("alice", "/")
    seen("a browser signs in with a password, and reads")
