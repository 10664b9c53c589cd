#!/usr/bin/env python3
"""Counts what a request costs in instructions and allocations, the gateway beside a bare pingora proxy: figures that noise does not move.

Needs valgrind, nginx, openssl and Python 3. Build first, with symbols, or the allocations cannot be counted:
    cargo build --profile bench --bin vestibule --example bare_proxy --example load
Then:  benches/side-by-side/count.py [--only STORY]... [--write] [--profile FOLDER]
Each server runs under callgrind and gets two numbers of requests over the same number of connections; the difference, divided, is what one request
costs: the start, connections and handshakes cancel out. Exit status 1: more than BOUNDS allow. It takes about five minutes.
The story "bound" is the gateway beside itself: a session that is bound to a device against one that is not, in the same process.
"""
import argparse, collections, os, re, shutil, subprocess, sys, tempfile

import servers
from servers import BARE, OURS, Browser, Gateway, end, free_port, program, sign_in, signed_in

# The most that the gateway may need: instructions against the bare proxy of the same build, and allocations.
BOUNDS = {"get": (1.09, 62), "post": (1.61, 112), "tls": (1.08, 66), "h2": (1.13, 56)}
STORIES = {"get": "1 KB GET, HTTP/1.1", "post": "10 KB POST, HTTP/1.1", "tls": "1 KB GET, TLS, HTTP/1.1", "h2": "1 KB GET, TLS, HTTP/2"}
BOUND, AT_MOST = "1 KB GET, TLS, HTTP/1.1", 1.06
CONNECTIONS, WARM, FEW, MANY = 8, 400, 1600, 4800
PAGE = os.path.join(servers.ROOT, "docs", "performance.md")
# What mimalloc's crate calls for a program's allocations. Calls among the allocator's own functions do not count.
ALLOCATES = re.compile(r"^mi_(malloc|zalloc|calloc|realloc|malloc_aligned|zalloc_aligned|realloc_aligned)$")
# The access log is off, as in run.py; what it costs is another thread's. valgrind counts an instruction for each byte that `rep movsb` copies,
# which the C library uses from 4 KiB on: with this it copies 32 bytes at a time, as the processor does either way.
PLAIN = {**os.environ, "VESTIBULE_LOG": "warn", "GLIBC_TUNABLES": "glibc.cpu.x86_rep_movsb_threshold=1000000000"}


class Counted:
    """A server under callgrind."""

    def __init__(self, running, name, command, ports, cookie=None, profile=None):
        self.out, self.ports, self.cookie, self.dumps, self.keep = running.path(f"{name}.callgrind"), ports, cookie, 0, profile
        wrapped = ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={self.out}", *command]
        self.process = running.start(f"counted-{name}", wrapped, ports[0], env=PLAIN)
        self.control("-i", "on")

    def control(self, *arguments):
        subprocess.run(["callgrind_control", *arguments, str(self.process.pid)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def run(self, story, count):
        port = self.ports[1 if story in ("tls", "h2") else 0]
        cookie = self.cookie and ("__Host-" + self.cookie if story in ("tls", "h2") else self.cookie)
        command = [program("examples/load"), "counted", f"127.0.0.1:{port}", story, str(count), str(CONNECTIONS), cookie or ""]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        self.control("-d")
        self.dumps += 1
        return read(f"{self.out}.{self.dumps}")

    def story(self, story):
        """Instructions and allocations a request; allocations are None in a program without symbols."""
        self.run(story, WARM)
        few, many = (self.run(story, count) for count in (FEW, MANY))
        if self.keep:
            shutil.copy(f"{self.out}.{self.dumps}", f"{self.keep}.{story}")
        instructions, allocations = ((b - a) / (MANY - FEW) for a, b in zip(few, many))
        return instructions, allocations if many[1] else None


def read(path):
    """Instructions and calls of the allocator in one of callgrind's files."""
    names, total, calls, caller, callee = {}, 0, 0, "", ""

    def name(text):
        number, _, said = text.partition(" ")
        if said:
            names[number] = said.split("'")[0]
        return names.get(number, "")

    with open(path) as f:
        for line in f:
            if line.startswith("fn="):
                caller = name(line[3:].strip())
            elif line.startswith("cfn="):
                callee = name(line[4:].strip())
            elif line.startswith("calls=") and ALLOCATES.match(callee) and not caller.startswith(("mi_", "_mi_")):
                calls += int(line[6:].split()[0])
            elif line.startswith(("summary:", "totals:")):
                total = int(line.split()[1])
    return total, calls


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=[*STORIES, "bound"], help="these stories only")
    parser.add_argument("--ours", action="store_true", help="the gateway alone")
    parser.add_argument("--profile", help="keep callgrind's files in this folder, for callgrind_annotate")
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="count-")
    running = servers.Servers(folder)
    try:
        stories = [story for story in options.only or STORIES if story in STORIES]
        found = count(options, running, stories) if stories else {}
        devices = bound(running, options) if not options.only or "bound" in options.only else None
    finally:
        running.stop()
        shutil.rmtree(folder, ignore_errors=True)
    lines, exceeded = table(found)
    device_lines, device_exceeded = device_table(devices) if devices else ([], [])
    print("\n".join([*lines, "", *device_lines, *exceeded, *device_exceeded]))
    if options.write:
        for name, part in ("counted", lines if found else None), ("bound", device_lines or None):
            if part:
                write(name, part)
    sys.exit(1 if exceeded or device_exceeded else 0)


def count(options, running, stories):
    cert, key = running.certificate()
    upstream = running.upstream()
    profile = lambda name: options.profile and os.path.join(options.profile, name)
    found = collections.defaultdict(dict)
    contenders = [] if options.ours else [(BARE, lambda: bare(running, upstream, cert, key, profile("bare")))]
    for name, start in [*contenders, (OURS, lambda: gateway(running, upstream, cert, key, profile("vestibule")))]:
        server = start()
        for story in stories:
            found[story][name] = server.story(story)
        end(server.process)
        running.running.remove(server.process)
    return found


def bare(running, upstream, cert, key, profile):
    ports = free_port(), free_port()
    command = [program("examples/bare_proxy"), str(ports[0]), f"127.0.0.1:{upstream}", str(ports[1]), cert, key]
    return Counted(running, "bare", command, ports, profile=profile)


def gateway(running, upstream, cert, key, profile):
    """Signs in without callgrind: a password hash takes long there, and a session outlives a restart."""
    ours = Gateway(running.path("gateway"), upstream, (cert, key))
    ours.user("alice", totp=True)
    process = running.start("signs-in", ours.serve, ours.port, env=PLAIN)
    cookie = sign_in(ours.port)
    end(process)
    running.running.remove(process)
    return Counted(running, "vestibule", ours.serve, (ours.port, ours.tls), cookie, profile)


def bound(running, options):
    """What a request of a bound session costs, and one of a session that is bound to nothing, at the same gateway."""
    cert, key = running.certificate()
    ours = Gateway(running.path("bound"), running.upstream("bound-www"), (cert, key), '[session.device_bound]\nlifetime = "60m"\n')
    ours.user("alice", totp=True)
    process = running.start("signs-in-bound", ours.serve, ours.port, env=PLAIN)
    # Over plain HTTP nobody is offered to bind a session.
    plain = signed_in(Browser(ours.port))
    device = signed_in(Browser(ours.tls, tls=True), 1)
    device.binds(running.path("device.key"))
    end(process)
    running.running.remove(process)
    server = Counted(running, "bound", ours.serve, (ours.port, ours.tls))
    found = {}
    for name, cookie in ("unbound", f"vestibule={plain.jar['vestibule']}"), ("bound", device.bound_cookies()):
        server.cookie, server.keep = cookie, options.profile and os.path.join(options.profile, name)
        found[name] = server.story("tls")
    end(server.process)
    running.running.remove(server.process)
    return found


def device_table(found):
    (plain, allocations), (device, more) = found["unbound"], found["bound"]
    whole = lambda number: "–" if number is None else f"{number:,.0f}"
    lines = ["| | unbound session | bound session | ratio | at most | allocations: unbound | bound |", "|---|---|---|---|---|---|---|",
             f"| {BOUND} | {whole(plain)} | {whole(device)} | {device / plain:.3f} | {AT_MOST:.2f} | {whole(allocations)} | {whole(more)} |"]
    exceeded = [f"a bound session: {device / plain:.3f} times the instructions of an unbound one, and {AT_MOST} is allowed"] if device > plain * AT_MOST else []
    return lines, exceeded


def table(found):
    if not found:
        return [], []
    lines = ["| | bare pingora | vestibule | ratio | at most | allocations: bare | vestibule | at most |", "|---|---|---|---|---|---|---|---|"]
    exceeded = []
    for story, row in found.items():
        (most, allocations), (ours, our_allocations) = BOUNDS[story], row[OURS]
        theirs, their_allocations = row.get(BARE, (None, None))
        ratio = theirs and ours / theirs
        whole = lambda number: "–" if number is None else f"{number:,.0f}"
        lines.append(f"| {STORIES[story]} | {whole(theirs)} | {whole(ours)} | {f'{ratio:.2f}' if ratio else '–'} | {most:.2f} "
                     f"| {whole(their_allocations)} | {whole(our_allocations)} | {allocations} |")
        if ratio and ratio > most:
            exceeded.append(f"{STORIES[story]}: {ratio:.3f} times the bare proxy's instructions, and {most} is allowed")
        if our_allocations and our_allocations > allocations:
            exceeded.append(f"{STORIES[story]}: {our_allocations:.1f} allocations, and {allocations} are allowed")
    return lines, exceeded


def write(name, lines):
    start, last = f"<!-- {name} -->", f"<!-- /{name} -->"
    with open(PAGE) as f:
        head, rest = f.read().split(start, 1)
    with open(PAGE, "w") as f:
        f.write("\n".join([f"{head}{start}", "", *lines, "", last]) + rest.split(last, 1)[1])


if __name__ == "__main__":
    main()
