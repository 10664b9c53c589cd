"""Jenkins, by a stand-in that shows what arrives: its packages are not in Debian."""

from gateway import Browser, Client, Gateway, Place, basic, seen, stand_in, told


def tries():
    app = Place()
    gateway = Gateway("jenkins", f"http://127.0.0.1:{stand_in(app)}", lambda text: text.replace("192.0.2.0/24", "127.0.0.0/8"))
    gateway.user("alice", "builders", "staff")
    gateway.enrols("alice")
    gateway.user("bob")
    browser = Browser(gateway)
    page = browser.signs_in("alice", "/job/lamp/")
    names = ["x-forwarded-user", "x-forwarded-mail", "x-forwarded-groups"]
    wanted = [["alice"], ["alice@example.org"], ["builders|staff"]]
    seen("X-Forwarded-User, -Mail and -Groups arrive", [told(page, name) for name in names] == wanted, page.text)
    forged = browser.asks("/job/lamp/", headers={"X-Forwarded-User": "admin", "X_Forwarded_Groups": "admins", "x-forwarded_mail": "a@b"})
    seen("from a client they change nothing", [told(forged, name) for name in names] == wanted, forged.text)
    seen("/manage/ is open to builders with two factors", browser.asks("/manage/").status == 200)
    bob = Browser(gateway)
    bob.signs_in("bob", "/job/lamp/")
    for path in ["/manage/", "/script", "/script;x", "/SCRIPT", "//manage/", "/scri%70t"]:
        seen(f"{path} is not for bob (403)", bob.asks(path).status == 403)
    hook = Client(gateway).asks("/github-webhook/", "POST", {"Content-Type": "application/json", "X-Forwarded-User": "admin"}, b"{}")
    seen("a webhook comes through, as nobody", hook.status == 200 and told(hook, names[0]) == [], hook.text)
    seen("by POST alone (401)", Client(gateway).asks("/github-webhook/").status == 401)
    token = gateway.token("robot")
    script = Client(gateway).asks("/job/lamp/build", "POST", {"X-Vestibule-Token": token, **basic("robot", "own")}, b"")
    seen("a script's token is taken out, its Basic for Jenkins arrives",
         told(script, "authorization") == [basic("robot", "own")["Authorization"]] and told(script, names[0]) == ["robot"], script.text)
