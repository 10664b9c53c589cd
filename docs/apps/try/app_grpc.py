"""gRPC: calls in all four shapes by Google's own client and server, with a token in the metadata."""

import re
import threading

from gateway import Gateway, Missing, Place, free_port, seen

try:
    import grpc
except ImportError:
    grpc = None


class Service(grpc.GenericRpcHandler if grpc else object):
    """Says back what it was told, and by whom."""

    def __init__(self):
        self.heard = []

    def service(self, details):
        self.heard.append(dict(details.invocation_metadata))
        who = self.heard[-1].get("remote-user", "nobody").encode()
        shapes = {
            "Unary": grpc.unary_unary_rpc_method_handler(lambda one, _: who + b":" + one),
            "Down": grpc.unary_stream_rpc_method_handler(lambda one, _: (b"%d" % n + one for n in range(100))),
            "Up": grpc.stream_unary_rpc_method_handler(lambda many, _: b"%d" % sum(len(one) for one in many)),
            "Both": grpc.stream_stream_rpc_method_handler(lambda many, _: (who + b":" + one for one in many)),
            "Fails": grpc.unary_unary_rpc_method_handler(lambda _, context: context.abort(grpc.StatusCode.DATA_LOSS, "as asked")),
        }
        return shapes.get(details.method.rsplit("/", 1)[-1])


def status(call):
    try:
        call()
        return "OK"
    except grpc.RpcError as error:
        return error.code().name


def tries():
    if grpc is None:
        raise Missing("python3 -m pip install grpcio")
    from concurrent import futures
    app, service, port = Place(), Service(), free_port()
    server = grpc.server(futures.ThreadPoolExecutor(8))
    server.add_generic_rpc_handlers((service,))
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    app.last.append(lambda: server.stop(0))
    gateway = Gateway("grpc", f"http://127.0.0.1:{port}", tls=True)
    token = gateway.token("robot")
    trust = grpc.ssl_channel_credentials(gateway.place.path("tls.pem").read_bytes())
    options = [("grpc.max_receive_message_length", 8 << 20)]

    def channel(token):
        mine = trust if token is None else grpc.composite_channel_credentials(trust, grpc.access_token_call_credentials(token))
        return grpc.secure_channel(f"localhost:{gateway.port}", mine, options)

    with channel(token) as calls:
        unary = calls.unary_unary("/example.Echo/Unary")
        seen("a unary call arrives with the caller's name", unary(b"hello", timeout=30) == b"robot:hello")
        heard = service.heard[-1]
        seen("and without the token", "authorization" not in heard and "vst_" not in str(heard), heard)
        forged = unary(b"x", timeout=30, metadata=[("remote-user", "root"), ("remote_user", "root"), ("x-webauth-user", "root")])
        seen("names in the client's metadata change nothing", forged == b"robot:x" and "root" not in str(service.heard[-1]), service.heard[-1])
        seen("3 MB there and back", len(unary(b"x" * (3 << 20), timeout=30)) == (3 << 20) + 6)
        seen("100 messages down", len(list(calls.unary_stream("/example.Echo/Down")(b"x", timeout=30))) == 100)
        seen("1000 messages up", calls.stream_unary("/example.Echo/Up")((b"x" * 1000 for _ in range(1000)), timeout=30) == b"1000000")
        turns, turn = [], threading.Semaphore(1)

        def asks():
            for n in range(20):
                turn.acquire()
                yield b"%d" % n

        for answer in calls.stream_stream("/example.Echo/Both")(asks(), timeout=30):
            turns.append(answer)
            turn.release()
        seen("20 messages in turns, both ways on one stream", turns == [b"robot:%d" % n for n in range(20)], turns)
        seen("the server's own status arrives (DATA_LOSS)", status(lambda: calls.unary_unary("/example.Echo/Fails")(b"", timeout=30)) == "DATA_LOSS")
        seen("a method that a rule closes: PERMISSION_DENIED",
             status(lambda: calls.unary_unary("/example.Admin/Unary")(b"", timeout=30)) == "PERMISSION_DENIED")
        hold = threading.Event()
        stream = calls.stream_stream("/example.Echo/Both")(iter(lambda: (hold.wait(60), b"late")[1] if stream_began.is_set() else first(), None), timeout=60)
        seen("a stream is open", next(stream) == b"robot:first")
        told = gateway.command("token", "list", "--json")
        gateway.command("token", "revoke", re.search(r'"id":\s*"([^"]+)"', told)[1])
        cut = status(lambda: next(stream))
        hold.set()
        seen(f"and is cut when the token is revoked ({cut})", cut not in ("OK", "DEADLINE_EXCEEDED"))
        seen("after that: UNAUTHENTICATED", status(lambda: unary(b"", timeout=30)) == "UNAUTHENTICATED")
    before = len(service.heard)
    for what, wrong in [("without a token", None), ("with a wrong one", "vst_" + "a" * 40)]:
        with channel(wrong) as calls:
            seen(f"{what}: UNAUTHENTICATED", status(lambda: calls.unary_unary("/example.Echo/Unary")(b"", timeout=30)) == "UNAUTHENTICATED")
    seen("and the server hears nothing of it", len(service.heard) == before)
    app.ends()


stream_began = threading.Event()


def first():
    stream_began.set()
    return b"first"
