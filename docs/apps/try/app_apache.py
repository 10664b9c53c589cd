"""REMOTE_USER behind Apache: the page's own lines, and a CGI program that says what it was told."""

from gateway import Browser, Client, Gateway, Place, apache, block, needs, seen


def tries():
    needs(("apache2", "apache2"))
    app = Place()
    app.writes("cgi/who", "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n%s|%s|%s\\n' \"$REMOTE_USER\" \"$HTTP_REMOTE_USER\" \"$REMOTE_ADDR\"\n", 0o755)
    shown = block("apache", "apache").replace("Listen 127.0.0.1:8081\n", "").replace("127.0.0.1:8081", "127.0.0.1:@PORT@")
    port = apache(app, ["setenvif", "remoteip", "alias", "cgid"], f"ScriptSock {app.folder}/cgid.sock\nScriptAlias /cgi/ {app.folder}/cgi/\n{shown}")
    gateway = Gateway("apache", f"http://127.0.0.1:{port}")
    gateway.user("alice")
    browser = Browser(gateway)
    said = browser.signs_in("alice", "/cgi/who").text.strip().split("|")
    seen("a CGI program has REMOTE_USER=alice", said[0] == "alice", said)
    forged = {"Remote-User": "root", "REMOTE_USER": "root", "Remote_User": "root", "remote-user ": "root"}
    for name, value in forged.items():
        answer = browser.asks("/cgi/who", headers={name: value})
        seen(f"{name!r} from a client changes nothing ({answer.status})", answer.status == 400 or answer.text.startswith("alice|alice|"), answer.text)
    seen("nobody gets there without signing in (401)", Client(gateway).asks("/cgi/who").status == 401)
