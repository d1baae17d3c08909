# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Behind a proxy: whose header is believed, and what goes by it. Addresses of loopback are the proxies and the
strangers here, as each test connects from the one it says."""

import os
import select
import unittest

from harness.case import ServiceTest
from harness.client import Client
from harness.mapihttp import MapiClient, Server
from harness.wait import wait_until

PROXY, PROXY2, STRANGER = "127.0.0.2", "127.0.0.3", "127.0.0.9"
PROXIES = {"proxies": f"{PROXY}, 10.0.0.0/8"}


class From(Client):
    """A client at an address that sends these headers with each request."""

    def __init__(self, daemon, source, **headers):
        super().__init__(daemon, source=source)
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def request(self, method, path, body=None, headers=None, **more):
        return super().request(method, path, body, {**self.headers, **(headers or {})}, **more)


class ProxyTest(ServiceTest):
    def at(self, daemon, source, **headers):
        client = From(daemon, source, **headers)
        self.addCleanup(client.close)
        return client

    def proxied(self, server=None, **more):
        return self.daemon({"server:main": {**PROXIES, **(server or {})}, **more})


class Limits(ProxyTest):
    def setUp(self):
        self.d = self.proxied(limits={"failed_logins": "3"})

    def lock(self, *clients):
        for client in clients:
            self.refused(client.login_ssha(password="wrong"), 401, "INVALID_CREDENTIALS")

    def locked(self, client):
        self.refused(client.login_ssha(), 429, "TOO_MANY_ATTEMPTS")

    def free(self, client):
        self.accepted(client.login_ssha())

    def forwarded(self, value, source=PROXY):
        return self.at(self.d, source, Forwarded=value)

    def test_the_client_is_counted_and_not_the_proxy(self):
        self.lock(*[self.forwarded("for=192.0.2.1") for _ in range(3)])
        self.locked(self.forwarded("for=192.0.2.1"))
        self.free(self.forwarded("for=192.0.2.2"))
        self.free(self.at(self.d, PROXY))
        self.d.err.wait_text(f"from 192.0.2.1 by {PROXY}:")

    def test_one_connection_of_a_proxy_is_of_many_clients(self):
        client = self.forwarded("for=192.0.2.1")
        self.lock(client, client, client)
        self.locked(client)
        client.headers["Forwarded"] = "for=192.0.2.2"
        self.free(client)
        client.headers["Forwarded"] = "for=192.0.2.1"
        self.locked(client)

    def test_a_stranger_is_not_believed(self):
        self.lock(*[self.forwarded(f"for=192.0.2.{i}", STRANGER) for i in range(3)])
        self.locked(self.forwarded("for=192.0.2.9", STRANGER))
        self.free(self.forwarded("for=192.0.2.1"))

    def test_what_the_client_itself_says_is_not_believed(self):
        self.lock(*[self.forwarded(f"for=192.0.2.{i}, for=192.0.2.100") for i in range(3)])
        self.locked(self.forwarded("for=192.0.2.9, for=192.0.2.100"))
        self.locked(self.at(self.d, PROXY, Forwarded="for=192.0.2.100", X_Forwarded_For="192.0.2.9"))
        self.free(self.forwarded("for=192.0.2.1, for=192.0.2.101"))

    def test_a_chain_of_proxies_is_followed_to_the_first_stranger(self):
        self.lock(*[self.forwarded("for=192.0.2.1, for=10.0.0.1") for _ in range(3)])
        self.locked(self.forwarded("for=192.0.2.1, for=10.9.9.9, for=10.0.0.1"))
        self.locked(self.forwarded("for=192.0.2.1"))
        self.free(self.forwarded("for=192.0.2.2, for=10.0.0.1"))

    def test_who_is_hidden_or_not_told_counts_as_the_proxy(self):
        for value in "for=unknown", "for=_x", None:
            self.lock(self.forwarded(value) if value else self.at(self.d, PROXY))
        self.locked(self.at(self.d, PROXY))
        self.free(self.forwarded("for=192.0.2.1"))
        self.d.err.wait_text(f"{PROXY} is one of [server:main] proxies and does not say")

    def test_two_lines_are_one_list(self):
        self.lock(*[self.forwarded("for=192.0.2.100") for _ in range(3)])
        client = self.at(self.d, PROXY)
        client.connection.putrequest("POST", "/authenticate/login")
        for value in "for=192.0.2.9", "for=192.0.2.100;proto=https":
            client.connection.putheader("Forwarded", value)
        body = b'<ocsmanager><sasl mechanism="PLAIN">AG9wZW5jaGFuZ2UAdGVzdA==</sasl></ocsmanager>'
        client.connection.putheader("Content-Type", "text/xml")
        client.connection.putheader("Content-Length", str(len(body)))
        client.connection.endheaders(body)
        self.assertEqual(client.connection.getresponse().status, 429)


class OtherHeader(ProxyTest):
    def test_only_the_header_that_the_ini_names_is_believed(self):
        d = self.proxied({"proxy_header": "X-Forwarded-For"}, limits={"failed_logins": "2"})
        for i in range(2):
            c = self.at(d, PROXY, X_Forwarded_For=f"198.51.100.{i}, 192.0.2.1",
                        Forwarded=f"for=203.0.113.{i}")
            self.refused(c.login_ssha(password="wrong"), 401, "INVALID_CREDENTIALS")
        self.refused(self.at(d, PROXY, X_Forwarded_For="192.0.2.1").login_ssha(), 429,
                     "TOO_MANY_ATTEMPTS")
        self.accepted(self.at(d, PROXY, X_Forwarded_For="192.0.2.2").login_ssha())
        secure = self.at(d, PROXY, X_Forwarded_For="192.0.2.2", X_Forwarded_Proto="https")
        self.accepted(secure.login_plain())
        plain = self.at(d, PROXY, X_Forwarded_For="192.0.2.2", Forwarded="for=192.0.2.2;proto=https")
        self.refused(plain.login_plain(), 403, "ACCESS_FORBIDDEN")


class Lines(ProxyTest):
    """Which line is private: a PLAIN login tells."""

    def setUp(self):
        self.d = self.proxied()

    def test_plain_needs_https_before_the_proxy(self):
        for value in ("for=192.0.2.1;proto=https", "proto=https;for=192.0.2.1",
                      "for=192.0.2.1;proto=https, for=10.0.0.1;proto=https", "for=127.0.0.1",
                      "for=unknown;proto=https", "for=198.51.100.1, for=192.0.2.1;proto=https"):
            with self.subTest(value):
                self.accepted(self.at(self.d, PROXY, Forwarded=value).login_plain())
        for value in ("for=192.0.2.1", "for=192.0.2.1;proto=http", "for=unknown",
                      "for=192.0.2.1;proto=https, for=10.0.0.1",
                      "for=192.0.2.1, for=10.0.0.1;proto=https",
                      "for=192.0.2.1;proto=https, for=192.0.2.2"):
            with self.subTest(value):
                self.refused(self.at(self.d, PROXY, Forwarded=value).login_plain(), 403,
                             "ACCESS_FORBIDDEN")
        self.refused(self.at(self.d, PROXY).login_plain(), 403, "ACCESS_FORBIDDEN")

    def test_a_header_that_cannot_be_read_hides_nobody(self):
        for value in ("nonsense", '"', "for=@@@(), for=192.0.2.1", "x" * 3000, "for=192.0.2.1;proto=https, " * 100):
            with self.subTest(value[:30]):
                self.refused(self.at(self.d, PROXY, Forwarded=value).login_plain(), 400, "MALFORMED_REQUEST")

    def test_a_stranger_gains_and_loses_nothing_by_the_header(self):
        self.accepted(self.at(self.d, STRANGER, Forwarded="for=192.0.2.1;proto=http").login_plain())

    def test_cookies_are_secure_where_the_client_came_by_https(self):
        for source, value, secure in ((PROXY, "for=192.0.2.1;proto=https", True),
                                      (PROXY, "for=192.0.2.1;proto=http", False),
                                      (STRANGER, "for=192.0.2.1;proto=https", False)):
            answer, *_ = self.at(self.d, source, Forwarded=value).challenge()
            for _, attributes in answer.cookies.values():
                self.assertEqual("secure" in attributes, secure, (source, value))


class Connections(ProxyTest):
    def setUp(self):
        self.d = self.proxied({"keepalive_timeout": "3600"},
                              limits={"connections_per_address": "3", "request_deadline": "300"})

    def half(self, source, **headers):
        """A connection that has sent the headers of a request and not its body."""
        client = self.at(self.d, source, **headers)
        client.connection.putrequest("POST", "/authenticate/token")
        for name, value in {**client.headers, "Content-Type": "text/xml",
                            "Content-Length": "50"}.items():
            client.connection.putheader(name, value)
        client.connection.endheaders()
        return client

    def finish(self, client):
        client.connection.send(b"<ocsmanager><login>openchange</login></ocsmanager>")
        answer = client.connection.getresponse()
        answer.read()
        return answer.status

    def test_of_an_address_that_many_are_open_and_no_more(self):
        for _ in range(3):
            self.assertEqual(self.at(self.d, STRANGER).request("GET", "/authenticate").status, 200)
        with self.assertRaises(ConnectionError):
            self.at(self.d, STRANGER).request("GET", "/authenticate")
        self.d.err.wait_text("[limits] connections_per_address")
        self.assertEqual(self.at(self.d, PROXY2).request("GET", "/authenticate").status, 200)

    def wait_served(self):
        """An answer has come a moment before its request is over."""
        wait_until(lambda: self.at(self.d, PROXY, Forwarded="for=192.0.2.1").request(
            "GET", "/authenticate").status == 200)

    def test_the_requests_of_a_client_are_counted_and_not_the_connections_of_its_proxy(self):
        for _ in range(20):
            self.wait_served()
        busy = [self.half(PROXY, Forwarded="for=192.0.2.1") for _ in range(3)]

        def fourth():
            """The last one served before may have counted still when one of the three came: that one was refused."""
            for client in select.select([c.connection.sock for c in busy], [], [], 0)[0]:
                busy[[c.connection.sock for c in busy].index(client)] = self.half(PROXY, Forwarded="for=192.0.2.1")
            answer = self.at(self.d, PROXY, Forwarded="for=192.0.2.1").request("GET", "/authenticate")
            return answer.status == 503 and answer
        self.refused(wait_until(fourth, what="a fourth is refused"), 503, "OVERLOADED")
        # nobody knows whose those are: they count as nobody's
        for hidden in ("for=unknown", "for=_hidden"):
            self.assertEqual(self.at(self.d, PROXY, Forwarded=hidden).request("GET", "/authenticate").status, 200)
        other = self.at(self.d, PROXY, Forwarded="for=192.0.2.2")
        self.assertEqual(other.request("GET", "/authenticate").status, 200)
        self.assertEqual(self.finish(busy[0]), 200)
        self.wait_served()


class Mapi(ProxyTest):
    def test_a_password_needs_https_before_the_proxy(self):
        d = self.daemon({"server:main": {"proxies": "127.0.0.1"}})
        server = Server(d, "--private", os.path.join(d.folder, "p"))
        self.addCleanup(server.stop)
        for value, status in (("for=192.0.2.1;proto=https", 200), ("for=192.0.2.1", 403),
                              (None, 403)):
            client = MapiClient(server)
            self.addCleanup(client.close)
            answer = client.connect(changes={"Forwarded": value})
            self.assertEqual(answer.status, status, value)
            for _, attributes in answer.cookies.values():
                self.assertIn("secure", attributes)


if __name__ == "__main__":
    unittest.main()
