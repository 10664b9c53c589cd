"""IIS, by a stand-in that shows what arrives: it runs on Windows only."""

from gateway import Browser, Client, Gateway, Place, seen, stand_in, told


def tries():
    app = Place()
    gateway = Gateway("iis", f"http://127.0.0.1:{stand_in(app)}",
                      lambda text: text + '  [[routes.rules]]\n  paths = ["/admin/"]\n  policy = "deny"\n')
    gateway.user("alice")
    browser = Browser(gateway)
    page = browser.signs_in("alice", "/default.aspx")
    seen("Remote-User arrives, and the Host as the browser said it", told(page, "remote-user") == ["alice"] and told(page, "host") == [f"localhost:{gateway.port}"])
    forged = browser.asks("/default.aspx", headers={"Remote-User": "root", "Remote_User": "root", "REMOTE-USER": "root"})
    seen("from a client it changes nothing", told(forged, "remote-user") == ["alice"], forged.text)
    for path in ["/ADMIN/", "/Admin/x.aspx", "/admin", "/%61dmin/", "//admin/", "/admin/;x"]:
        seen(f"{path} meets the rule for /admin/ (403)", browser.asks(path).status == 403)
    for path in ["/x/..%5cadmin/", "/x\\admin/", "/%u0061dmin/"]:
        seen(f"{path} is refused (400)", browser.asks(path).status == 400)
    seen("nobody gets there without signing in (401)", Client(gateway).asks("/default.aspx").status == 401)
