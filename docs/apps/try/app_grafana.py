"""Grafana, by a stand-in that shows what arrives: its packages are not in Debian."""

from gateway import Browser, Client, Gateway, Place, bearer, seen, stand_in, told


def tries():
    app = Place()
    gateway = Gateway("grafana", f"http://127.0.0.1:{stand_in(app)}")
    gateway.user("alice", "editors", "staff")
    browser = Browser(gateway)
    page = browser.signs_in("alice", "/d/harbour")
    names = ["x-webauth-user", "x-webauth-name", "x-webauth-email", "x-webauth-groups"]
    wanted = [["alice"], ["alice"], ["alice@example.org"], ["editors,staff"]]
    seen("X-WEBAUTH-USER, -NAME, -EMAIL and -GROUPS arrive", [told(page, name) for name in names] == wanted, page.text)
    forged = browser.asks("/d/harbour", headers={"X-WEBAUTH-USER": "admin", "X_WEBAUTH_USER": "admin", "X-Webauth_Groups": "admins"})
    seen("from a client they change nothing", [told(forged, name) for name in names] == wanted, forged.text)
    token = gateway.token("robot")
    script = Client(gateway).asks("/api/search", headers={"X-Vestibule-Token": token, **bearer("glsa_own")})
    seen("a script's token is taken out, Grafana's own Authorization arrives",
         told(script, "authorization") == ["Bearer glsa_own"] and told(script, "x-vestibule-token") == [] and told(script, names[0]) == ["robot"], script.text)
    for path in ["/admin/users", "/api/admin/users", "/API/Admin/users", "/admin;x/users", "//admin/users"]:
        seen(f"{path} wants a second factor", Client(gateway).asks(path, headers={"X-Vestibule-Token": token}).status == 403)
