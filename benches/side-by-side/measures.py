"""What is measured of one contender, and of the gateway alone."""
import json, os, re, shutil, socket, statistics, subprocess, time

import servers
from servers import OURS, PASSWORD, Browser, Gateway, cpu_seconds, end, family, program, resident_kib, sign_in


def load(*arguments):
    done = subprocess.run([program("examples/load"), *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def spent(contender, run):
    """What `run` returns, and the CPU microseconds for each of what it counted."""
    before = cpu_seconds(contender.pids)
    rate, p99, count = run()
    return rate, p99, (cpu_seconds(contender.pids) - before) / max(count, 1) * 1e6


def wrk(contender, connections, seconds, path="/", tls=False, script=None):
    scheme, port = ("https", contender.tls) if tls else ("http", contender.plain)
    cookie = contender.cookie
    if tls and cookie:
        cookie = "__Host-" + cookie
    command = ["wrk", "-t", "2", "-c", str(connections), "-d", f"{seconds}s", "--latency", f"{scheme}://127.0.0.1:{port}{path}"]
    command += ["-H", f"Cookie: {cookie}"] if cookie else []
    command += ["-s", script] if script else []
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    wrong = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    assert not wrong, out
    number, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", out).groups()
    return float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1]), float(number) * {"us": 1e-3, "ms": 1, "s": 1e3}[unit], int(re.search(r"(\d+) requests in", out)[1])


def h2(contender, connections, seconds):
    """HTTP/2 with ten streams on each connection."""
    command = ["h2load", "-t", "2", "-c", str(connections), "-m", "10", "-D", str(seconds), f"https://127.0.0.1:{contender.tls}/"]
    command += ["-H", f"cookie: __Host-{contender.cookie}"] if contender.cookie else []
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rate = float(re.search(r"finished in [^,]*, ([\d.]+) req/s", out)[1])
    done, good = int(re.search(r"(\d+) done", out)[1]), int(re.search(r"(\d+) 2xx", out)[1])
    # Answers whose end came after the last moment count as one and not the other.
    assert abs(good - done) <= connections * 10 and "0 failed, 0 errored" in out, out
    # h2load gives no percentile: the longest is too much a matter of luck, so none is shown.
    return rate, None, done


def messages(contender, connections, seconds):
    said = load("sockets", f"127.0.0.1:{contender.plain}", connections, seconds, contender.cookie or "")
    return said["rate"], said["p99_ms"], said["count"]


def idle(contender, count):
    """KiB that each of `count` connections costs after its first answer."""
    before, held = resident_kib(contender.pids), []
    for n in range(count):
        s = socket.socket()
        s.bind((f"127.0.1.{1 + n % 200}", 0))
        s.connect(("127.0.0.1", contender.plain))
        s.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        s.recv(65536)
        held.append(s)
    cost = (resident_kib(contender.pids) - before) / count
    for s in held:
        s.close()
    return cost


def storm(gateway, ours, seconds):
    """Sign-ins a second; and what three times as many do to the requests that are forwarded."""
    address, browser = f"127.0.0.1:{gateway.port}", Browser(gateway.port)
    csrf = browser.csrf("/.vestibule/login?rd=/")
    rush = lambda rate: [program("examples/load"), "storm", address, str(rate), str(seconds), browser.cookie(), csrf]
    most = json.loads(subprocess.run(rush(100), capture_output=True, text=True, check=True).stdout)
    paced = lambda: load("paced", address, 1000, 32, seconds, ours.cookie)
    calm, stormy, refused = [], [], {}
    for _ in range(3):
        calm.append(paced()["p99_ms"])
        process = subprocess.Popen(rush(max(3, round(3 * most["rate"]))), stdout=subprocess.PIPE, text=True)
        stormy.append(paced()["p99_ms"])
        refused = json.loads(process.communicate()[0])["statuses"]
    return {"rate": most["rate"], "p50": most["p50_ms"], "calm": calm, "stormy": stormy, "statuses": refused}


def first_answer(gateway, cookie=None, then=lambda: None):
    """Seconds from the program's start to its first answer, which with a session's cookie is a forwarded one, and MiB resident then."""
    asked = f"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n{f'Cookie: {cookie}' + chr(13) + chr(10) if cookie else ''}\r\n"
    start = time.monotonic()
    process = subprocess.Popen(gateway.serve, env=gateway.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while process.poll() is None:
            with socket.socket() as s:
                s.settimeout(60)
                if s.connect_ex(("127.0.0.1", gateway.port)) == 0:
                    s.sendall(asked.encode())
                    assert s.recv(64).startswith(b"HTTP/1.1 200 " if cookie else b"HTTP/1.1 ")
                    found = time.monotonic() - start, resident_kib([process.pid]) / 1024
                    then()
                    return found
            time.sleep(0.002)
        raise AssertionError("the gateway ended at once")
    finally:
        end(process)


def starts(folder, upstream, sizes, rounds):
    """For each (sessions, accounts), and one of each more: the time to the first forwarded two-factor answer, its median, least and most, and the memory then."""
    found = []
    for sessions, accounts in sizes:
        place = os.path.join(folder, f"start-{sessions}-{accounts}")
        gateway = Gateway(place, upstream)
        gateway.user("alice", totp=True)
        if sessions or accounts:
            subprocess.run([program("examples/growth"), "fill", gateway.data, str(sessions), str(accounts)], check=True)
        # The first start reads the file from the disk, and the store puts in order what was filled in.
        cookies = []
        first_answer(gateway, then=lambda: cookies.append(sign_in(gateway.port)))
        rows = [first_answer(gateway, cookies[0]) for _ in range(rounds)]
        found.append((sessions, accounts, statistics.median(r[0] for r in rows), min(r[0] for r in rows), max(r[0] for r in rows), statistics.median(r[1] for r in rows)))
        shutil.rmtree(place)
    return found


def at_rest():
    """MiB of the demo two seconds after it said that it listens, and a quarter of a minute later."""
    process = subprocess.Popen([program("vestibule"), "demo", "--listen", "localhost:0", "--json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        process.stdout.readline()
        time.sleep(2)
        soon = resident_kib(family(process.pid)) / 1024
        time.sleep(13)
        return soon, resident_kib(family(process.pid)) / 1024
    finally:
        end(process)
