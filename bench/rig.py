# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""What a bench run starts and ends: the daemon with an ini of its own in a temporary folder, the
bare server, the consumer, the load generator. Python's standard library only.

Everything is on loopback, is ended by its own process, and leaves nothing behind: Rig is a context
manager that ends its processes, removes its queues and its folder whatever happens.
"""
import base64
import ctypes
import hashlib
import http.client
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET

import limits
from figures import Figures
from progress import Progress

ACCOUNT = "bench"
PR_SET_PDEATHSIG = 1
# As ocsmanager's own defaults; said to both servers, so that they cannot differ.
THREADS = max(4, os.cpu_count() or 1)
CONNECTIONS = THREADS * 119

INI = """[main]
auth = single
registry = run
replica_id = {replica}
[server:main]
host = 127.0.0.1
port = 0
threads = {threads}
connection_limit = {connections}
[operations]
port = 0
[limits]
connections_per_address = {connections}
[auth:single]
username = {user}
password = {password}
[backend:bench]
uri = bench://{{user}}@store/{{folder}}/{{message}}
"""

TICKS = os.sysconf("SC_CLK_TCK")
LIBC = ctypes.CDLL(None, use_errno=True)


class BenchError(Exception):
    """Something that makes the figures worthless."""


def end_with_us():
    """In the child: a bench that is killed takes its processes along."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def b64(data):
    return base64.urlsafe_b64encode(data).decode()


def unb64(text):
    return base64.urlsafe_b64decode(text)


def cpu_seconds(pid):
    """Of a process and its threads, since it began."""
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as text:
        fields = text.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory(pid, which="VmRSS"):
    """MiB; RssAnon leaves out files that are mapped, as the registry is."""
    with open(f"/proc/{pid}/status", encoding="ascii") as text:
        return next(int(line.split()[1]) for line in text if line.startswith(which + ":")) / 1024


class Rig:
    """The folder, the processes in it, and how to talk to them."""

    def __init__(self, build):
        self.build = os.path.abspath(build)
        # /var/tmp is on disk where /tmp may be memory: the daemon's syncs are part of what is measured
        self.folder = tempfile.mkdtemp(prefix="ocs-bench-", dir=os.environ.get("OCS_BENCH_DIR", "/var/tmp"))
        self.registry = os.path.join(self.folder, "run")
        self.processes = []
        # users that no other run has, so that their queues are ours to remove
        self.users = f"bench-{secrets.token_hex(3)}-"
        self.port = self.operations_port = self.bare_port = 0
        self.token = ""
        self.drain_logs = ""
        self.daemon, self.ini = None, ""
        self.budget = None  # RLIMIT_MSGQUEUE of whoever makes queues; None: as it is
        self.microhttpd = "libmicrohttpd"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            self.end(process)
        for name in self.queues():
            os.unlink(os.path.join("/dev/mqueue", name))
        shutil.rmtree(self.folder)

    def queues(self):
        try:
            return [name for name in os.listdir("/dev/mqueue") if name.startswith("ocs." + self.users)]
        except FileNotFoundError:
            return []

    def path(self, name):
        return os.path.join(self.folder, name)

    def program(self, name):
        return os.path.join(self.build, name)

    def write(self, name, text):
        """A file that only we may read: most of them hold the token or the password."""
        with open(self.path(name), "w", encoding="utf-8", opener=lambda p, f: os.open(p, f, 0o600)) as out:
            out.write(text)
        return self.path(name)

    def as_consumer(self):
        """In the child, of one that makes queues."""
        end_with_us()
        if self.budget is not None:
            limits.set_budget(self.budget)

    def start(self, command, log, **keywords):
        with open(self.path(log), "ab") as out:
            keywords = {"stdout": out, "stderr": out, "preexec_fn": end_with_us, **keywords}
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, **keywords)
        self.processes.append(process)
        return process

    def end(self, process, limit=20):
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(limit)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if process in self.processes:
            self.processes.remove(process)
        return process.returncode

    def log(self, name):
        with open(self.path(name), encoding="utf-8", errors="replace") as text:
            return text.read()

    def wait_for(self, process, log, pattern, limit=20):
        """The match of pattern in the log of a process, once it is there."""
        until = time.monotonic() + limit
        while time.monotonic() < until:
            match = re.search(pattern, self.log(log))
            if match:
                return match
            if process.poll() is not None:
                break
            time.sleep(0.02)
        raise BenchError(f"{process.args[0]} did not say '{pattern}':\n{self.log(log)[-3000:]}")

    # ---- the daemon

    def start_daemon(self, more="", replica=1, log="daemon.log"):
        """more: further sections of the ini; log: another one for each start."""
        password, salt = secrets.token_urlsafe(16), secrets.token_bytes(8)
        hashed = "{SSHA}" + b64(hashlib.sha1(password.encode() + salt).digest() + salt)
        self.ini = self.write("ocsmanager.ini", INI.format(
            threads=THREADS, connections=CONNECTIONS, user=ACCOUNT, password=hashed, replica=replica) + more)
        daemon = self.start([self.program("ocsmanager"), "-c", self.ini, "-f"], log)
        self.port = int(self.wait_for(daemon, log, r"listening on \S+:(\d+)")[1])
        self.operations_port = int(self.wait_for(daemon, log, r"operations on \S+:(\d+)")[1])
        self.token = self.log_in(password)
        self.daemon = daemon
        return daemon

    def request(self, method, path, body, cookies="", port=None):
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=10)
        headers = {"Content-Type": "text/xml; charset=utf-8", "Connection": "close"}
        if cookies:
            headers["Cookie"] = cookies
        try:
            connection.request(method, path, body, headers)
            reply = connection.getresponse()
            data = reply.read()
        finally:
            connection.close()
        if reply.status != 200:
            raise BenchError(f"{method} {path}: {reply.status} {data[:500]!r}")
        return reply, data

    def log_in(self, password):
        """The two-step login of the web service; returns the session token."""
        reply, data = self.request("POST", "/authenticate/token",
                                   f"<ocsmanager><login>{ACCOUNT}</login></ocsmanager>")
        cookies = "; ".join(c.split(";")[0] for c in reply.headers.get_all("Set-Cookie", []))
        root = ET.fromstring(data)
        challenge, salt = unb64(root.findtext("token")), unb64(root.findtext("salt"))
        stored = "{SSHA}" + b64(hashlib.sha1(password.encode() + salt).digest() + salt)
        proof = hashlib.sha1(f"{ACCOUNT}:{stored}:".encode() + challenge + challenge).hexdigest()
        _, data = self.request("POST", "/authenticate/login",
                               f"<ocsmanager><token>{proof}</token></ocsmanager>", cookies)
        return ET.fromstring(data).findtext("token")

    def template(self, name, item):
        """A template file of bench/request.h."""
        return self.write(name, "<?xml version='1.0' encoding='utf-8'?>\n<ocsmanager>"
                                f"<token>{self.token}</token>\n---\n{item}\n---\n</ocsmanager>\n")

    def metrics(self):
        """Every counter and gauge of /metrics by its name and labels."""
        _, data = self.request("GET", "/metrics", None, port=self.operations_port)
        values = {}
        for line in data.decode().splitlines():
            if line and not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                values[name] = float(value)
        return values

    def queues_registered(self):
        """How many queues subscriptions have, and how many of them live without one of the kernel."""
        done = subprocess.run([self.program("ocsctl"), "-c", self.ini, "status", "--json"], text=True, check=False,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
        try:
            queues = json.loads(done.stdout)["queues"]
            return int(queues["registered"]), int(queues["spill_only"])
        except (ValueError, KeyError, TypeError):
            raise BenchError(f"ocsctl status: {done.stdout[-500:]} {done.stderr[-500:]}") from None

    # ---- what it is compared to, and who listens

    def start_bare(self, reply):
        with open(self.path("reply"), "wb") as out:
            out.write(reply)
        bare = self.start([self.program("bench/bare"), "-r", self.path("reply"), "-t", str(THREADS),
                           "-c", str(CONNECTIONS)], "bare.log")
        self.bare_port = int(self.wait_for(bare, "bare.log", r"listening on \S+:(\d+)")[1])
        self.microhttpd = self.log("bare.log").splitlines()[0]
        return bare

    def start_drain(self, users, tables, first=0, in_one=0, limit=60):
        """Users from the first-th on; in_one: so many in one context, 0: all."""
        self.drain_logs = f"drain-{tables}"
        log = self.drain_logs + ".out"
        with open(self.path(log), "wb") as out:
            drain = self.start([self.program("bench/drain"), "-r", self.registry, "-U", self.users,
                                "-u", str(users), "-o", str(first), "-t", tables, "-x", str(in_one)],
                               self.drain_logs + ".err", stdout=out, preexec_fn=self.as_consumer)
        try:
            self.wait_for(drain, log, r"ready\n", limit)
        except BenchError as error:
            raise BenchError(f"{error}\n{self.log(self.drain_logs + '.err')}") from None
        return drain

    def end_drain(self, drain):
        """Lets it drain what is left; returns what arrived."""
        code = self.end(drain, 30)
        lines = self.log(self.drain_logs + ".out").splitlines()
        if code != 0 or len(lines) < 2:
            raise BenchError(f"the consumer failed ({code}): {self.log(self.drain_logs + '.err')[-2000:]}")
        result = json.loads(lines[-1])
        result["text"] = self.log(self.drain_logs + ".err").strip()
        return result

    def run_tool(self, name, arguments, limit):
        """Runs load or latency to its end; returns its JSON."""
        done = subprocess.run([self.program("bench/" + name), *map(str, arguments)], text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=limit,
                              preexec_fn=self.as_consumer, check=False)
        try:
            return json.loads(done.stdout)
        except ValueError:
            raise BenchError(f"{name} failed ({done.returncode}): {done.stderr[-2000:]}") from None


class Alone:
    """What a part needs of bench/run.py, where it runs alone."""

    def __init__(self, build):
        self.build, self.problems, self.figures, self.progress = build, [], Figures(), Progress()
        self.shared = limits.own_queues()


def run_alone(measure):
    """main() of a file that bench/run.py runs among others: measure(bench), with the build that the command line
    or OCS_BUILD names. Returns the exit status."""
    begin = time.monotonic()
    sys.stdout.reconfigure(line_buffering=True)
    bench = Alone(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("OCS_BUILD", "build"))
    try:
        measure(bench)
    except (BenchError, OSError, subprocess.TimeoutExpired) as error:
        bench.progress.clear()
        print(f"bench: {error}", file=sys.stderr)
        return 2
    bench.progress.clear()
    print(f"\n{time.monotonic() - begin:.0f} s")
    for problem in bench.problems:
        print("PROBLEM " + problem)
    return 1 if bench.problems else 0
