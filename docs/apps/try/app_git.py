"""Git over HTTPS: git http-backend behind Apache; clone, push and fetch with a token."""

import os

from gateway import Client, Gateway, Place, apache, basic, needs, opens_to_all, runs, seen


def tries():
    needs(("apache2", "apache2"), ("git", "git"), ("/usr/lib/git-core/git-http-backend", "git"))
    app = Place()
    origin = app.path("repos/app.git")
    runs("git", "init", "--bare", "-b", "main", origin)
    runs("git", "-C", origin, "config", "http.receivepack", "true")
    opens_to_all(app.path("repos"))
    port = apache(app, ["env", "setenvif", "alias", "cgid"], f"""
        ScriptSock {app.folder}/cgid.sock
        SetEnv GIT_PROJECT_ROOT {app.folder}/repos
        SetEnv GIT_HTTP_EXPORT_ALL 1
        SetEnvIf Remote-User "^(.+)$" REMOTE_USER=$1
        ScriptAliasMatch ^(/.*)$ /usr/lib/git-core/git-http-backend$1
        <Location />
            Require all granted
        </Location>
    """)
    gateway = Gateway("git", f"http://127.0.0.1:{port}")
    token = gateway.token("ci")
    alone = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    alone.update(GIT_TERMINAL_PROMPT="0", GIT_CONFIG_GLOBAL="/dev/null", GIT_CONFIG_SYSTEM="/dev/null", HOME=str(app.folder))
    told = f"http://any:{token}@localhost:{gateway.port}/app.git"

    def git(*words, **more):
        return runs("git", "-c", "user.name=a", "-c", "user.email=a@example.org", *words, env=alone, **more)

    git("clone", told, app.path("one"))
    app.writes("one/readme", "hello\n")
    app.path("one/large").write_bytes(os.urandom(3_000_000))
    git("-C", app.path("one"), "add", ".")
    git("-C", app.path("one"), "commit", "-m", "first")
    git("-C", app.path("one"), "push", "origin", "HEAD:main")
    git("clone", told, app.path("two"))
    seen("clone, push (3 MB, in pieces) and clone again", app.path("two/large").read_bytes() == app.path("one/large").read_bytes())
    app.writes("one/readme", "more\n")
    git("-C", app.path("one"), "commit", "-a", "-m", "second")
    git("-C", app.path("one"), "push", "origin", "HEAD:main")
    git("-C", app.path("two"), "pull")
    seen("fetch brings what was pushed", app.path("two/readme").read_text() == "more\n")
    git("clone", told.replace("any:", "any:wrong"), app.path("three"), ok=False)
    git("clone", f"{gateway.url}/app.git", app.path("three"), ok=False)
    seen("a wrong token and none are refused")
    answer = Client(gateway).asks("/app.git/info/refs?service=git-receive-pack")
    seen("git is asked for a password (401, Basic)", answer.status == 401 and "Basic" in answer.headers["WWW-Authenticate"])
    reader = gateway.token("reader", "--method", "GET")
    refused = Client(gateway).asks("/app.git/git-receive-pack", "POST", basic("any", reader), b"")
    seen("a token for GET alone cannot push (403)", refused.status == 403, refused.text)
