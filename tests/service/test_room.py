# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Room for connections and file descriptors: silent clients keep nobody out, and what is out of
descriptors says so, answers its health, uses no processor for nothing, and is well again by itself."""

import os
import resource
import socket
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import mapihttp, paths  # noqa: E402
from harness.case import ServiceTest  # noqa: E402
from harness.client import Client  # noqa: E402
from harness.raw import Raw  # noqa: E402
from harness.wait import wait_until  # noqa: E402

GET = b"GET /authenticate HTTP/1.1\r\nHost: x\r\n\r\n"


def limited(soft, hard=None):
    return ["prlimit", f"--nofile={soft}:{hard or soft}"]


def processor(pid):
    """Seconds that the process has used."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Room(ServiceTest):
    def connect(self, daemon, source, port=None):
        connection = socket.create_connection((daemon.host, port or daemon.port), 10, (source, 0))
        self.addCleanup(connection.close)
        return connection

    def silent(self, daemon, count, *sources):
        return [self.connect(daemon, source) for source in sources for _ in range(count)]

    @staticmethod
    def fall(pid):
        """No descriptor is left. What a start closed again may be free below the highest."""
        used = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}
        free = min(set(range(max(used) + 2)) - used)
        hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (free, hard))

    def served(self, daemon, source):
        client = Client(daemon, source=source)
        self.addCleanup(client.close)
        self.assertEqual(client.request("GET", "/authenticate").status, 200)

    # -- connections

    def test_400_silent_connections_of_two_addresses_keep_no_third_out(self):
        d = self.daemon()
        self.silent(d, 210, "127.0.0.2", "127.0.0.3")
        self.served(d, "127.0.0.4")
        d.wait_metric("ocsmanager_connections_evicted_total", 20)
        self.assertEqual(d.metrics().get("ocsmanager_connections_refused_total"), 0)
        self.assertIn("400 connections ([server:main] connection_limit) are in use", d.log())
        for _ in range(50):
            self.served(d, "127.0.0.4")

    def test_the_oldest_of_the_address_that_has_the_most_goes(self):
        d = self.daemon({"server:main": {"connection_limit": "8", "threads": "1"}})
        few = self.silent(d, 2, "127.0.0.2")
        many = self.silent(d, 6, "127.0.0.3")
        d.wait_metric("ocsmanager_connections_total", 8)
        self.served(d, "127.0.0.4")
        self.assertEqual(many[0].recv(1), b"")
        for connection in few + many[2:]:
            connection.sendall(GET)
            self.assertTrue(connection.recv(100).startswith(b"HTTP/1.1 200"))

    def test_a_connection_between_two_requests_is_silent(self):
        d = self.daemon({"server:main": {"connection_limit": "4", "threads": "1"}})
        kept = self.silent(d, 4, "127.0.0.2")
        for connection in kept:
            connection.sendall(GET)
            self.assertTrue(connection.recv(1000).startswith(b"HTTP/1.1 200"))
        self.served(d, "127.0.0.3")
        self.assertEqual(kept[0].recv(1), b"")

    def test_who_sends_is_not_closed_for_another_and_the_other_gets_503(self):
        """Not for the first second: then its deadline is the longer one."""
        d = self.daemon({"server:main": {"connection_limit": "2", "threads": "1"},
                         "limits": {"request_deadline": "60"}})
        busy = [Raw(d) for _ in range(2)]
        for raw in busy:
            self.addCleanup(raw.socket.close)
            raw.send(b"POST /authenticate/logout HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n<")
        wait_until(lambda: d.metrics().get("ocsmanager_connections") >= 2, what="both are there")

        def turned_away():
            with Raw(d) as raw:
                try:
                    raw.send(GET)
                except ConnectionError:
                    pass
                return raw.response()[0] in (503, None)
        wait_until(turned_away, what="somebody is turned away")
        self.assertGreater(d.metrics().get("ocsmanager_connections_refused_total"), 0)

    # -- the deadline

    def drip(self, raw, start, data):
        """Sends byte by byte until the server has enough; its status."""
        raw.send(start)
        for byte in data:
            if self.readable(raw, 0.05):
                break
            try:
                raw.send(bytes([byte]))
            except ConnectionError:
                break
        return raw.response()[0]

    @staticmethod
    def readable(raw, seconds):
        import select
        return bool(select.select([raw.socket], [], [], seconds)[0])

    def test_the_deadline_runs_from_the_first_byte_over_line_and_headers(self):
        """The line takes most of it; the headers do not get a time of their own."""
        d = self.daemon({"limits": {"request_deadline": "4"}})
        for before in (b"", GET):
            with self.subTest(before=bool(before)), Raw(d) as raw:
                if before:
                    raw.send(before)
                    self.assertEqual(raw.response()[0], 200)
                sent = []

                def data():
                    line = b"GET /authenticate?" + b"x" * 30 + b" HTTP/1.1\r\n"
                    for byte in line + b"X-Y: " + b"z" * 400:
                        sent.append(byte)
                        yield byte
                self.assertEqual(self.drip(raw, b"", data()), 408)
                # at least 50 ms for each: the line is 59, 4 s are 80 at most; with a time of their
                # own for the headers it would be 139
                self.assertLess(len(sent), 120)

    # -- file descriptors

    def test_64_descriptors_and_70_idle_connections(self):
        d = self.daemon(wrapper=limited(64))
        self.assertIn("64 file descriptors (RLIMIT_NOFILE, LimitNOFILE=) are not enough", d.log())
        self.silent(d, 35, "127.0.0.2", "127.0.0.3")
        self.served(d, "127.0.0.4")
        d.wait_metric("ocsmanager_connections_evicted_total", 50)
        before = processor(d.pid)
        for _ in range(50):
            self.assertEqual(d.operations("/healthz")[0], 200)
        self.served(d, "127.0.0.4")
        self.assertLess(processor(d.pid) - before, 1, "seconds of processor for 51 requests")

    def test_75_descriptors_80_queues_and_12_connections(self):
        d = self.daemon(wrapper=limited(75))
        self.silent(d, 12, "127.0.0.2")
        consumers = [self.consumer(d, f"u{i}", ("newmail",)) for i in range(40)]
        consumers += [self.consumer(d, f"u{i}", ("newmail",)) for i in range(40)]
        client = self.client(d)
        for turn in range(2):
            for i in range(40):
                self.accepted(client.newmail(f"{turn}", user=f"u{i}"), "queued")
        for consumer in consumers:
            consumer.wait_events(2)
        self.assertEqual(d.operations("/healthz")[0], 200)
        opened = os.listdir(f"/proc/{d.pid}/fd")
        self.assertLess(len(opened), 70)

    def test_a_limit_that_falls_is_said_survived_and_left(self):
        for limit in (None, 8):  # above what is open, and below nearly all of it
            with self.subTest(limit=limit):
                self.falls(limit)

    def falls(self, limit):
        d = self.daemon()
        hard = resource.prlimit(d.pid, resource.RLIMIT_NOFILE)
        if limit is None:
            self.fall(d.pid)
        else:
            resource.prlimit(d.pid, resource.RLIMIT_NOFILE, (limit, hard[1]))
        before = processor(d.pid)
        d.err.wait_text("out of file descriptors")
        for _ in range(200):
            connection = self.connect(d, "127.0.0.2")
            connection.sendall(GET)
            try:
                connection.recv(1000)  # an answer, or the end: it does not wait for ever
            except ConnectionError:
                pass
            connection.close()
        resource.prlimit(d.pid, resource.RLIMIT_NOFILE, hard)
        d.err.wait_text("descriptors")
        wait_until(lambda: d.operations("/healthz")[0] == 200, what="it is well again")
        self.assertLess(processor(d.pid) - before, 2)
        self.served(d, "127.0.0.4")

    def test_too_few_to_run_with(self):
        d = self.daemon(start=False, wrapper=limited(30))
        d.start(ready=False)
        self.assertEqual(d.wait_exit(), 1)
        self.assertIn("30 file descriptors (RLIMIT_NOFILE, LimitNOFILE=) are too few: at least",
                      d.log())

    def test_the_configuration_test_says_what_the_hard_limit_does_not_give(self):
        d = self.daemon({"mqueue": {"descriptors": "4000"},
                         "server:main": {"connection_limit": "300"}}, start=False)

        def check(*limit):
            done = subprocess.run([*limited(*limit), paths.program("ocsmanager"), "-t", "-c", d.ini],
                                  capture_output=True, text=True, check=False)
            return done.returncode, done.stdout + done.stderr
        status, text = check(256, 20000)
        self.assertEqual((status, "descriptors" in text), (0, False), text)
        status, text = check(1000)
        self.assertEqual(status, 0, text)
        self.assertRegex(text, r"ocsmanager.ini:\d+: \[mqueue\] descriptors: only \d+ will be kept open")
        self.assertNotIn("connection_limit", text)
        status, text = check(200)
        self.assertRegex(text, r"ocsmanager.ini:\d+: \[server:main\] connection_limit: only \d+ will be")
        status, text = check(30)
        self.assertEqual(status, 1, text)
        self.assertIn("are too few", text)

    # -- MAPI over HTTP

    def test_mapi_over_http_is_out_of_descriptors(self):
        d = self.daemon()
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        server = mapihttp.Server(d)
        self.addCleanup(server.stop)
        self.fall(server.process.pid)
        server.err.wait_text("out of file descriptors")
        clients = [socket.create_connection((server.host, server.port), 10) for _ in range(5)]
        for client in clients:
            self.addCleanup(client.close)
            try:
                self.assertEqual(client.recv(1), b"", "turned away")
            except ConnectionError:
                pass
        before = processor(server.process.pid)
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, hard)
        server.err.wait_text("there are file descriptors again")
        self.assertLess(processor(server.process.pid) - before, 1)
        client = mapihttp.MapiClient(server)
        self.addCleanup(client.close)
        self.assertEqual(client.connect().code, 0)

    def test_silent_connections_keep_no_mail_client_out(self):
        d = self.daemon()
        server = mapihttp.Server(d, "--connections", "20")
        self.addCleanup(server.stop)
        for _ in range(40):
            connection = socket.create_connection((server.host, server.port), 10, ("127.0.0.2", 0))
            self.addCleanup(connection.close)
        client = mapihttp.MapiClient(server)
        self.addCleanup(client.close)
        self.assertEqual(client.connect().code, 0)
        server.err.wait_text("20 connections (--connections) are in use")


if __name__ == "__main__":
    unittest.main()
