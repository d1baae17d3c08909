#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Clients that leave (close, half-close, reset) at every stage of every kind of request, while the
configuration is reloaded and while the daemon stops: nothing is touched after it is gone.

    OCS_LEAVE=20000 OCS_BUILD=build-asan tests/service/test_leaving.py

makes 20,000 connections to the web service and half as many in each of the other four tests, 60,000
in all, and prints what they did; without OCS_LEAVE it is what takes some seconds. Under
ThreadSanitizer: the same with a build of SANITIZE=thread.
"""

import os
import struct
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import mapihttp  # noqa: E402
from harness.case import ServiceTest  # noqa: E402
from harness.client import b64u, document, logged_in, notification  # noqa: E402
from harness.daemon import ACCOUNT, PASSWORD  # noqa: E402
from harness.hammer import Hammer, STAGES, WAYS, head  # noqa: E402
from harness.wait import wait_until  # noqa: E402

COUNT = int(os.environ.get("OCS_LEAVE", "2000"))
LIMIT = 60 + COUNT / 50  # seconds; a machine under load and ThreadSanitizer do 100 a second
XML = "text/xml; charset=utf-8"
SOCKET = "sock/o.sock"


def post(path, inside, **headers):
    return head("POST", path, document(inside).encode(), Content_Type=XML, **headers)


def chunked(method, path, body):
    data = b"".join(b"%x\r\n%s\r\n" % (len(part), part)
                    for part in (body[:100], body[100:]) if part) + b"0\r\n\r\n"
    return head(method, path, Content_Type=XML, Content_Length=None,
                Transfer_Encoding="chunked") + data


def web_requests(tokens):
    """Every kind: answered at once, by a worker, by dispatch; refused early, late, with a body that
    is drained."""
    def put(*items, token=tokens[0], path="/notification", **headers):
        body = document((f"<token>{token}</token>" if token else "") + "".join(items)).encode()
        return head("PUT", path, body, Content_Type=XML, **headers)

    def mail(**more):
        return notification("newmail", message="@@@@@@@@", **more)

    plain = b64u(f"\0{ACCOUNT}\0{PASSWORD}".encode())
    scram = b64u(b"n,,n=openchange,r=fyko+d2lbbFgONRv9qkxdawL")
    batch = [notification("modified", message=f"m{i}", id=f"@@@@@@@@{i}"[8 * (i > 0):])
             for i in range(20)]
    return [
        head("GET", "/authenticate"),
        head("GET", "/nowhere"),
        head("DELETE", "/notification"),
        post("/authenticate/token", f"<login>{ACCOUNT}</login>"),
        post("/authenticate/token", f'<sasl mechanism="SCRAM-SHA-256">{scram}</sasl>'),
        post("/authenticate/login", "<token>0123456789</token>", Cookie="ocsmanager=a; token=b"),
        post("/authenticate/login", f'<sasl mechanism="PLAIN">{plain}</sasl>'),
        head("POST", "/authenticate/logout"),
        post("/authenticate/logout", "<token>nonsense</token>"),
        *(post("/authenticate/logout", f"<token>{token}</token>") for token in tokens[1:]),
        put(mail()),
        put(mail(id="@@@@@@@@"), path="/notification/newmail"),
        put(mail(user="nobody")),
        put(*batch),
        put(mail(backend="nope")),
        put(mail(), token="nonsense"),
        put(mail(), token=None),
        put(mail(), Expect="100-continue"),
        chunked("PUT", "/notification", document(f"<token>{tokens[0]}</token>{mail()}").encode()),
        head("PUT", "/notification", b"<" * 100000, Content_Type=XML),
        head("PUT", "/notification", b"<not xml", Content_Type=XML),
        head("PUT", "/notification", b"", Content_Type=XML, Content_Length="nonsense"),
    ]


class LeavingTest(ServiceTest):
    def hammer(self, daemon, address, requests, count, **more):
        hammer = Hammer(address, requests, daemon.folder, count, **more)
        self.addCleanup(hammer.close)
        return hammer

    @staticmethod
    def say(counts):
        if "OCS_LEAVE" in os.environ:
            print(counts, file=sys.stderr, flush=True)

    def settle(self, daemon, hammer, reload=True):
        """Reloads until the hammer is through; its counts."""
        while hammer.running():
            if reload:
                daemon.reload(says="reloaded")
            self.assertTrue(daemon.alive(), daemon.log()[-3000:])
        counts = hammer.result(LIMIT)
        self.assertFalse(counts["gone"], counts)
        self.assertEqual(sorted(k for k, v in counts["stages"].items() if v), sorted(STAGES))
        self.assertEqual(sorted(k for k, v in counts["ways"].items() if v), sorted(WAYS))
        self.assertGreater(counts["answers"], 0)
        self.say(counts)

    def well(self, daemon):
        """It answers, as soon as those that have just left are no longer taken for busy, and has forgotten them."""
        wait_until(lambda: daemon.operations("/healthz")[0] == 200, what="it is well")
        wait_until(lambda: daemon.metrics().get("ocsmanager_connections") <= 2,
                   what="the connections are closed")


class Leaving(LeavingTest):
    def tokens(self, daemon):
        found = []
        for _ in range(6):
            client = logged_in(daemon)
            found.append(client.token)
            client.close()
        return found

    def web(self, daemon):
        return f"{daemon.host}:{daemon.port}", web_requests(self.tokens(daemon))

    def test_the_web_service(self):
        d = self.daemon()
        consumer = self.consumer(d, "jdoe", ("newmail", "object"))
        self.settle(d, self.hammer(d, *self.web(d), COUNT))
        self.well(d)
        self.accepted(self.client(d).newmail("last", id="last"), "queued")
        consumer.wait_events(1)

    def test_the_web_service_while_the_broker_is_away(self):
        d = self.daemon({"rabbitmq": {"uri": "amqp://guest:guest@127.0.0.1:1/", "node": "n1",
                                      "confirm_timeout": "1"}})
        self.consumer(d, "jdoe", ("newmail",))
        self.settle(d, self.hammer(d, *self.web(d), COUNT // 2))
        wait_until(lambda: d.metrics().get("ocsmanager_connections") <= 2,
                   what="the connections are closed")

    def test_the_local_socket(self):
        d = self.daemon({"server:main": {"socket": SOCKET}})
        self.settle(d, self.hammer(d, d.path(SOCKET), web_requests(self.tokens(d)), COUNT // 2))
        self.well(d)

    def test_the_operations_address(self):
        d = self.daemon()
        pages = [head("GET", "/" + page) for page in
                 ("healthz", "metrics", "status", "link", "nowhere")]
        pages.append(head("POST", "/healthz", b"x" * 3000))
        self.settle(d, self.hammer(d, f"{d.operations_host}:{d.operations_port}", pages,
                                   COUNT // 2))
        self.well(d)

    def test_a_stop_under_load(self):
        d = self.daemon({"server:main": {"socket": SOCKET}})
        for turn in range(3):
            before = 0
            hammers = [self.hammer(d, address, requests, 10 ** 7, threads=4, seed=turn)
                       for address, requests in (self.web(d), (d.path(SOCKET), web_requests([""])),
                                                 (f"{d.operations_host}:{d.operations_port}",
                                                  [head("GET", "/metrics")]))]
            d.wait_metric("ocsmanager_connections_total", before + 100)
            d.terminate()
            for hammer in hammers:
                hammer.close()
            d.start()


def mapi_requests(client):
    """Every request type, in a session and without one, with and without the password."""
    wait, execute = struct.pack("<II", 0, 0), client.execute_body()
    without = {"Cookie": None}
    return [mapihttp.raw_request(client, kind, body, changes) for kind, body, changes in (
        ("Connect", client.connect_body(mapihttp.DN + client.user), None),
        ("Connect", client.connect_body(mapihttp.DN + client.user), without),
        ("Connect", client.connect_body(mapihttp.DN + client.user), {"Authorization": "Basic eDp5"}),
        ("Execute", execute, None), ("Execute", execute, without),
        ("NotificationWait", wait, None), ("NotificationWait", wait, without),
        ("NotificationWait", wait, None), ("NotificationWait", wait, None),
        ("PING", b"", None), ("Disconnect", bytes(4), without), ("Execute", b"x" * 300000, None),
        ("Nonsense", b"", None), ("PING", b"", {"Authorization": None}))]


class LeavingMapi(LeavingTest):
    def server(self, daemon, *options):
        server = mapihttp.Server(daemon, "--wait-limit", "1000", *options)
        # each of its sessions is taken out of the registry, some hundreds under a sanitizer
        self.addCleanup(server.stop, limit=LIMIT)
        return server

    def mapi(self, server):
        client = mapihttp.MapiClient(server)
        self.addCleanup(client.close)
        client.log_on()
        client.register()
        return client

    def test_mapi_over_http(self):
        d = self.daemon()
        server = self.server(d)
        hammer = self.hammer(d, f"{server.host}:{server.port}", mapi_requests(self.mapi(server)),
                             COUNT // 2)
        sender = self.client(d)
        number = 0
        while hammer.running():
            server.process.send_signal(1)
            number += 1
            self.accepted(sender.newmail(f"m{number}", user=ACCOUNT, folder="INBOX"))
            self.assertIsNone(server.process.poll(), server.err.text())
        counts = hammer.result(LIMIT)
        self.assertFalse(counts["gone"], counts)
        self.say(counts)
        self.assertEqual(self.mapi(server).ping().code, 0)

    def test_a_stop_of_mapi_over_http_under_load(self):
        d = self.daemon()
        for turn in range(2):
            server = self.server(d)
            client = self.mapi(server)
            hammer = self.hammer(d, f"{server.host}:{server.port}", mapi_requests(client), 10 ** 7,
                                 seed=turn)
            for _ in range(50):
                client.ping()
            server.stop()
            hammer.close()


del ServiceTest, LeavingTest

if __name__ == "__main__":
    unittest.main()
