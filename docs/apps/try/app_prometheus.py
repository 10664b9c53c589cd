"""Prometheus: a data source's token reads, nobody shuts it down."""

from gateway import Browser, Client, Gateway, Place, bearer, block, free_port, needs, seen


def tries():
    needs(("prometheus", "prometheus"))
    app = Place()
    port = free_port()
    app.writes("prometheus.yml", "global: {scrape_interval: 15s}\n")
    app.starts("prometheus", f"--config.file={app.path('prometheus.yml')}", f"--storage.tsdb.path={app.folder}/tsdb", "--web.enable-lifecycle",
               "--web.enable-admin-api", f"--web.listen-address=127.0.0.1:{port}")
    app.listening(port)
    gateway = Gateway("prometheus", f"http://127.0.0.1:{port}")
    assert "vestibule token create grafana" in block("prometheus", "sh")
    token = gateway.token("grafana", "--route", "prometheus", "--method", "GET", "--method", "POST", groups=["operators"])
    client = Client(gateway)
    for method, body in [("GET", None), ("POST", b"query=1%2B1")]:
        path = "/api/v1/query" + ("?query=1%2B1" if body is None else "")
        form = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
        answer = client.asks(path, method, {**bearer(token), **form}, body)
        seen(f"{method} /api/v1/query with the token answers 200", answer.status == 200 and answer.json()["data"]["result"][1] == "2", answer.text)
    for path in ["/api/v1/admin/tsdb/snapshot", "/-/quit", "/-/reload", "/API/v1/admin/tsdb/snapshot", "//-/quit", "/%2d/quit"]:
        seen(f"POST {path} is refused", client.asks(path, "POST", bearer(token), b"").status in (403, 404))
    seen("without a token 401", client.asks("/api/v1/query?query=1").status == 401)
    other = gateway.token("other")
    seen("a token of somebody outside the group 403", client.asks("/api/v1/query?query=1", headers=bearer(other)).status == 403)
    gateway.user("alice", "operators")
    seen("a browser signs in and sees the graph page", "Prometheus" in Browser(gateway).signs_in("alice", "/classic/graph").text)
