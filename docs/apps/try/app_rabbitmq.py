"""RabbitMQ's management: its API and page, with a password of RabbitMQ's own that is stored once."""

import os

from gateway import Browser, Client, Gateway, Place, free_port, needs, seen, wait_for

SERVER = "/usr/lib/rabbitmq/bin/rabbitmq-server"


def tries():
    needs((SERVER, "rabbitmq-server"))
    app = Place()
    port, node, dist, epmd = free_port(), free_port(), free_port(), free_port()
    app.writes("plugins", "[rabbitmq_management].\n")
    app.writes("rabbitmq.conf", f"listeners.tcp.1 = 127.0.0.1:{node}\nmanagement.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {port}\n")
    for folder in ["mnesia", "logs", "home"]:
        app.path(folder).mkdir()
    alone = {**os.environ, "RABBITMQ_NODENAME": f"try{port}@localhost", "RABBITMQ_CONFIG_FILE": str(app.path("rabbitmq.conf")),
             "RABBITMQ_ENABLED_PLUGINS_FILE": str(app.path("plugins")), "RABBITMQ_MNESIA_BASE": str(app.path("mnesia")),
             "RABBITMQ_LOG_BASE": str(app.path("logs")), "RABBITMQ_DIST_PORT": str(dist), "ERL_EPMD_PORT": str(epmd), "ERL_EPMD_ADDRESS": "127.0.0.1",
             "HOME": str(app.path("home")), "RABBITMQ_CONF_ENV_FILE": "/dev/null", "RABBITMQ_PID_FILE": str(app.path("pid")), "LANG": "C.UTF-8"}
    app.starts("epmd", "-port", epmd, "-address", "127.0.0.1")
    app.listening(epmd)
    app.starts(SERVER, env=alone)
    app.listening(port)
    gateway = Gateway("rabbitmq", f"http://127.0.0.1:{port}")
    gateway.user("alice", "operators")
    gateway.enrols("alice")
    browser = Browser(gateway)
    refused = browser.signs_in("alice", "/api/overview")
    seen(f"before a password is stored the page says what to do ({refused.status})", refused.status == 502 and "account/applications" in refused.text)
    page = browser.asks("/.vestibule/account/applications")
    browser.sends(page, "account/applications", route="rabbitmq", username="guest", password="guest")
    page = browser.asks("/")
    seen("the page of the management plugin", "RabbitMQ" in page.text, page.text)
    overview = browser.asks("/api/overview", headers={"Accept": "application/json"})
    seen("GET /api/overview as RabbitMQ's own user", overview.status == 200 and overview.json()["product_name"] == "RabbitMQ", overview.text)
    token = gateway.token("alice", service=False)
    script = Client(gateway)
    own = {"X-Vestibule-Token": token, "Content-Type": "application/json"}
    made = script.asks("/api/queues/%2F/jobs", "PUT", own, b"{}")
    seen("a script makes a queue in the virtual host %2F with its token", made.status == 201, made.text)
    sent = script.asks("/api/exchanges/%2F/amq.default/publish", "POST", own,
                       b'{"properties":{},"routing_key":"jobs","payload":"hello","payload_encoding":"string"}')
    got = script.asks("/api/queues/%2F/jobs/get", "POST", own, b'{"count":1,"ackmode":"ack_requeue_false","encoding":"auto"}')
    seen("publishes a message and gets it back", sent.json()["routed"] and got.json()[0]["payload"] == "hello", got.text)
    seen("an Authorization of its own changes nothing",
         script.asks("/api/whoami", headers={**own, "Authorization": "Basic bm9ib2R5Ong="}).json()["name"] == "guest")
    seen("without a token 401", script.asks("/api/overview").status == 401)
    page = browser.asks("/.vestibule/account/applications")
    browser.sends(page, "account/applications", route="rabbitmq", username="guest", password="wrong")
    refused = [browser.asks("/api/overview") for _ in range(3)]
    seen("a wrong one is a page that says so, and goes out once",
         all(answer.status == 502 and "account/applications" in answer.text for answer in refused) and once(app), log(app))


def once(app):
    """Whether RabbitMQ has refused somebody just once, by its own log, which is a little late."""
    wait_for("RabbitMQ says nothing of it", lambda: "invalid credentials" in log(app), app.path("log"))
    return log(app).count("invalid credentials") == 1


def log(app):
    return "".join(path.read_text(errors="replace") for path in app.path("logs").glob("*.log"))
