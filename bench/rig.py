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
import tempfile
import time
import xml.etree.ElementTree as ET

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

    def start(self, command, log, **keywords):
        with open(self.path(log), "ab") as out:
            keywords = {"stdout": out, "stderr": out, **keywords}
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=end_with_us, **keywords)
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
        ini = self.write("ocsmanager.ini", INI.format(
            threads=THREADS, connections=CONNECTIONS, user=ACCOUNT, password=hashed, replica=replica) + more)
        daemon = self.start([self.program("ocsmanager"), "-c", ini, "-f"], log)
        self.port = int(self.wait_for(daemon, log, r"listening on \S+:(\d+)")[1])
        self.operations_port = int(self.wait_for(daemon, log, r"operations on \S+:(\d+)")[1])
        self.token = self.log_in(password)
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

    # ---- what it is compared to, and who listens

    def start_bare(self, reply):
        with open(self.path("reply"), "wb") as out:
            out.write(reply)
        bare = self.start([self.program("bench/bare"), "-r", self.path("reply"), "-t", str(THREADS),
                           "-c", str(CONNECTIONS)], "bare.log")
        self.bare_port = int(self.wait_for(bare, "bare.log", r"listening on \S+:(\d+)")[1])
        self.microhttpd = self.log("bare.log").splitlines()[0]
        return bare

    def start_drain(self, users, tables, first=0):
        """Users from the first-th on."""
        self.drain_logs = f"drain-{tables}"
        log = self.drain_logs + ".out"
        with open(self.path(log), "wb") as out:
            drain = self.start([self.program("bench/drain"), "-r", self.registry, "-U", self.users,
                                "-u", str(users), "-o", str(first), "-t", tables],
                               self.drain_logs + ".err", stdout=out)
        try:
            self.wait_for(drain, log, r"ready\n", 60)
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
                              preexec_fn=end_with_us, check=False)
        try:
            return json.loads(done.stdout)
        except ValueError:
            raise BenchError(f"{name} failed ({done.returncode}): {done.stderr[-2000:]}") from None
