#!/usr/bin/env python3
"""Measures the gateway beside nginx, haproxy and a bare pingora proxy, over one upstream on this machine, in alternated rounds.

Needs: wrk, nginx, openssl, python3; haproxy and h2load (nghttp2-client) where they are there. Build first:
    cargo build --release --bin vestibule --example bare_proxy --example load --example growth
Then:  benches/side-by-side/run.py [--quick] [--only PART]... [--write]
Without --write the report is printed; with it, it stands in docs/performance.md between the markers, and the plot in docs/images.
Everything listens on 127.0.0.1; everything that is started is stopped again. In full it takes about forty minutes, --quick four.
"""
import argparse, os, shutil, statistics, sys, tempfile, time

import measures, plot, servers
from servers import BARE, HAPROXY, NGINX, OURS

PARTS = ["get", "tls", "bodies", "sockets", "idle", "rest", "sign-ins", "starts"]
PAGE, PICTURE = (os.path.join(servers.ROOT, "docs", *name) for name in (["performance.md"], ["images", "performance.svg"]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one short round of each: to see that it works")
    parser.add_argument("--only", action="append", choices=PARTS, help="these parts only")
    parser.add_argument("--seconds", type=int)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    options.seconds = options.seconds or (1 if options.quick else 4)
    options.rounds = options.rounds or (1 if options.quick else 5)
    servers.many_files()
    folder = tempfile.mkdtemp(prefix="side-by-side-")
    running = servers.Servers(folder)
    try:
        report, picture = Report(options, running).make()
    finally:
        running.stop()
        shutil.rmtree(folder, ignore_errors=True)
    print(report)
    if options.write:
        write(report, picture)


def write(report, picture):
    start, end = "<!-- measured -->", "<!-- /measured -->"
    with open(PAGE) as f:
        head, rest = f.read().split(start, 1)
    with open(PAGE, "w") as f:
        f.write(f"{head}{start}\n\n{report}\n{end}{rest.split(end, 1)[1]}")
    if picture:
        with open(PICTURE, "w") as f:
            f.write(picture)


class Report:
    def __init__(self, options, running):
        self.options, self.running, self.lines, self.stories = options, running, [], []

    def wants(self, part):
        return part in (self.options.only or PARTS)

    def make(self):
        options, running = self.options, self.running
        upstream = running.upstream()
        cert, key = running.certificate()
        rest = measures.at_rest() if self.wants("rest") else None
        ours, gateway = running.vestibule(upstream, cert, key)
        serving = servers.resident_kib(ours.pids) / 1024
        others = [running.nginx_proxy(upstream, cert, key), *([running.haproxy(upstream)] if servers.has("haproxy") else []), running.bare(upstream, cert, key)]
        self.contenders = [*others, ours]
        self.lines += [f"One run, {time.strftime('%Y-%m-%d')}: {os.cpu_count()} cores shared by load, upstream and proxy; medians (minimum to maximum) of "
                       f"{options.rounds} alternated rounds of {options.seconds} s.", ""]
        if options.quick:
            self.lines += ["A quick run, to see that it works: its figures mean little.", ""]
        if not options.only:
            self.lines += ["![Requests a second against nginx](images/performance.svg)", ""]
        self.traffic()
        if self.wants("idle"):
            self.idle(900 if options.quick else 5000)
        if rest:
            self.lines += [f"**Memory at rest.** The demo: {rest[0]:.1f} MiB two seconds after its start, {rest[1]:.1f} MiB a quarter of a minute later. "
                           f"`serve` with the configuration of this run: {serving:.1f} MiB.", ""]
        if self.wants("sign-ins"):
            self.sign_ins(gateway, ours)
        if self.wants("starts"):
            self.starts(upstream)
        note = f"Measured {time.strftime('%Y-%m-%d')} on {os.cpu_count()} cores shared by all; the dashed line is nginx."
        picture = plot.svg(self.stories, [c.name for c in self.contenders], "Requests a second, against nginx", note) if self.stories else None
        return "\n".join(self.lines), picture

    def traffic(self):
        script = self.running.path("post.lua")
        with open(script, "w") as f:
            f.write('wrk.method = "POST"\nwrk.body = string.rep("x", 10240)\nwrk.headers["Content-Type"] = "text/plain"\n')
        plain = lambda connections, **more: lambda c: measures.wrk(c, connections, self.options.seconds, **more)
        if self.wants("get"):
            for connections in (8, 64, 512):
                self.compare(f"1 KB GET, {connections} connections", plain(connections))
        if self.wants("tls"):
            self.compare("1 KB over TLS, HTTP/1.1, 64 connections", plain(64, tls=True))
            if servers.has("h2load"):
                self.compare("1 KB over TLS, HTTP/2, 64 connections", lambda c: measures.h2(c, 64, self.options.seconds))
            else:
                self.lines += ["HTTP/2 was not measured: h2load (nghttp2-client) is not installed.", ""]
        if self.wants("bodies"):
            self.compare("100 KB answers, 64 connections", plain(64, path="/large"))
            self.compare("10 KB POST, 64 connections", plain(64, script=script))
        if self.wants("sockets"):
            self.compare("WebSocket messages, 64 connections", lambda c: measures.messages(c, 64, self.options.seconds), "messages/s")

    def compare(self, story, run, unit="requests/s"):
        results = {c.name: [] for c in self.contenders}
        for _ in range(self.options.rounds):
            for c in self.contenders:
                results[c.name].append(measures.spent(c, lambda: run(c)))
        rate = lambda name: statistics.median(row[0] for row in results[name])
        self.lines += [f"**{story}**", "", f"| | {unit} | against nginx | against bare pingora | p99 ms | CPU µs each |", "|---|---|---|---|---|---|"]
        for name, rows in results.items():
            rates, slow, cpu = zip(*rows)
            p99 = f"{statistics.median(slow):.2f}" if None not in slow else "–"
            self.lines.append(f"| {name} | {rate(name):,.0f} ({min(rates):,.0f} to {max(rates):,.0f}) | {rate(name) / rate(NGINX):.2f} | {rate(name) / rate(BARE):.2f} "
                              f"| {p99} | {statistics.median(cpu):.1f} ({min(cpu):.1f} to {max(cpu):.1f}) |")
        self.lines.append("")
        self.stories.append((story.replace(" connections", " conn."), {name: rate(name) / rate(NGINX) for name in results}))

    def idle(self, count):
        self.lines += [f"**{count:,} idle connections**", "", "| | KiB each |", "|---|---|"]
        self.lines += [f"| {c.name} | {measures.idle(c, count):.1f} |" for c in self.contenders]
        self.lines.append("")

    def sign_ins(self, gateway, ours):
        found = measures.storm(gateway, ours, max(4, self.options.seconds))
        calm, stormy = statistics.median(found["calm"]), statistics.median(found["stormy"])
        answers = ", ".join(f"{count} times {status}" for status, count in found["statuses"].items())
        self.lines += [f"**Sign-ins**: {found['rate']:.0f} a second (Argon2id, 19 MiB, 2 passes), {found['p50']:.0f} ms each at the median. With three times as many "
                       f"coming, 1,000 forwarded requests a second have a p99 of {stormy:.1f} ms ({min(found['stormy']):.1f} to {max(found['stormy']):.1f}), and {calm:.1f} ms "
                       f"({min(found['calm']):.1f} to {max(found['calm']):.1f}) when it is calm: {stormy / calm:.1f} times that. The sign-ins were answered {answers}.", ""]

    def starts(self, upstream):
        sizes = [(0, 0), (10_000, 1000)] if self.options.quick else [(0, 0), (0, 100_000), (100_000, 10_000), (1_000_000, 100_000)]
        self.lines += ["| start to first forwarded two-factor answer | s | MiB resident then |", "|---|---|---|"]
        for sessions, accounts, middle, least, most, memory in measures.starts(self.running.folder, upstream, sizes, min(3, self.options.rounds)):
            self.lines.append(f"| {sessions:,} sessions, {accounts:,} accounts | {middle:.2f} ({least:.2f} to {most:.2f}) | {memory:.0f} |")
        self.lines.append("")


if __name__ == "__main__":
    main()
