# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""HTTP/1.1 as it should be: HEAD, chunked bodies, keep-alive, pipelining, limits, deadlines."""

import os
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness.case import SharedDaemonTest
from harness.client import document, notification
from harness.raw import Raw
from harness.wait import LIMIT


def put_head(extra=""):
    return f"PUT /notification HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\n{extra}\r\n"


class Http(SharedDaemonTest):
    overrides = {"server:main": {"max_body": "8192"}, "limits": {"request_deadline": "1"}}

    def setUp(self):
        super().setUp()
        self.c = self.client(self.shared)
        self.body = self.c.body([notification("modified")])

    # -- methods and framing

    def test_head_says_what_get_would_without_a_body(self):
        get = self.c.request("GET", "/authenticate")
        raw = self.raw(self.shared)
        raw.send("HEAD /authenticate HTTP/1.1\r\nHost: x\r\n\r\n"
                 "GET /authenticate HTTP/1.1\r\nHost: x\r\n\r\n")
        status, headers, _ = raw.response(head=True)
        self.assertEqual(status, get.status)
        self.assertEqual(headers["content-length"], str(len(get.body)))
        status, _, body = raw.response()  # nothing of a body came before it
        self.assertEqual((status, body), (200, get.body))

    def test_every_answer_is_xml_in_utf8(self):
        for answer in (self.c.request("GET", "/authenticate"), self.c.request("GET", "/nothing"),
                       self.c.request("PUT", "/notification", self.body)):
            self.assertEqual(answer.headers["Content-Type"].lower(), "text/xml; charset=utf-8")

    def test_a_chunked_body_is_read(self):
        raw = self.raw(self.shared)
        raw.send(put_head("Transfer-Encoding: chunked\r\n"))
        data = self.body.encode()
        for at in range(0, len(data), 50):
            piece = data[at:at + 50]
            raw.send(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        raw.send("0\r\nTrailer: x\r\n\r\n")
        status, _, body = raw.response()
        self.assertEqual(status, 200, body)

    def test_a_chunk_extension_is_passed_over_or_refused(self):
        """libmicrohttpd 1.0.1 counts the byte behind it wrongly, notices that, and refuses."""
        raw = self.raw(self.shared)
        data = self.body.encode()
        raw.send(put_head("Transfer-Encoding: chunked\r\n").encode() +
                 b"%x;ext=1\r\n%s\r\n0\r\n\r\n" % (len(data), data))
        self.assertIn(raw.response()[0], (200, 400))
        self.assertTrue(raw.ended())

    def test_expect_100_continue_is_answered_first(self):
        raw = self.raw(self.shared)
        raw.send(put_head(f"Content-Length: {len(self.body)}\r\nExpect: 100-continue\r\n"))
        self.assertTrue(raw.socket.recv(100).startswith(b"HTTP/1.1 100"))
        raw.send(self.body)
        self.assertEqual(raw.response()[0], 200)

    def test_a_body_in_single_bytes_is_read(self):
        raw = self.raw(self.shared)
        request = put_head(f"Content-Length: {len(self.body)}\r\n") + self.body
        for character in request:
            raw.send(character)
        self.assertEqual(raw.response()[0], 200)

    # -- connections

    def test_a_connection_serves_many_requests(self):
        for _ in range(50):
            self.accepted(self.c.put(notification("modified")), "nosubscriber")

    def test_a_connection_goes_on_after_a_refusal(self):
        raw = self.raw(self.shared)
        bad = document("<token>x</token>" + notification("modified"))
        for body, status in ((bad, 401), (self.body, 200), ("<x", 400), (self.body, 200)):
            raw.send(put_head(f"Content-Length: {len(body)}\r\n") + body)
            self.assertEqual(raw.response()[0], status)

    def test_connection_close_is_honoured(self):
        raw = self.raw(self.shared)
        raw.send(put_head(f"Content-Length: {len(self.body)}\r\nConnection: close\r\n") + self.body)
        self.assertEqual(raw.response()[0], 200)
        self.assertTrue(raw.ended())

    def test_http_1_0_gets_an_answer_and_the_end(self):
        raw = self.raw(self.shared)
        raw.send("GET /authenticate HTTP/1.0\r\n\r\n")
        self.assertEqual(raw.response()[0], 200)
        self.assertTrue(raw.ended())

    def test_pipelined_requests_are_answered_in_order(self):
        raw = self.raw(self.shared)
        requests = b""
        for n in range(20):
            body = self.c.body([notification("newmail", message=f"pipe-{n}", id=f"pipe-{n}")])
            requests += (put_head(f"Content-Length: {len(body)}\r\n") + body).encode()
        raw.send(requests)
        for n in range(20):
            status, _, body = raw.response()
            self.assertEqual(status, 200)
            self.assertIn(f'id="pipe-{n}"'.encode(), body)

    # -- framing attacks

    def ambiguous(self, extra):
        raw = self.raw(self.shared)
        raw.send(put_head(extra) + self.body)
        status, _, _ = raw.response()
        self.assertEqual(status, 400)
        self.assertTrue(raw.ended(), "the connection ends, so that nothing is taken for a request")

    def test_two_lengths_are_refused_and_the_connection_ends(self):
        n = len(self.body)
        self.ambiguous(f"Content-Length: {n}\r\nContent-Length: {n - 10}\r\n")

    def test_the_same_length_twice_is_refused_too(self):
        n = len(self.body)
        self.ambiguous(f"Content-Length: {n}\r\nContent-Length: {n}\r\n")

    def test_a_length_and_a_transfer_encoding_are_refused_and_the_connection_ends(self):
        self.ambiguous(f"Content-Length: {len(self.body)}\r\nTransfer-Encoding: chunked\r\n")
        self.ambiguous(f"Transfer-Encoding: chunked\r\nContent-Length: {len(self.body)}\r\n")

    def test_lengths_that_are_none_are_refused(self):
        for length in ("-1", "ten", "0x10", "1e3", "99999999999999999999999", "1, 2"):
            with self.subTest(length), Raw(self.shared) as raw:
                raw.send(put_head(f"Content-Length: {length}\r\n") + self.body)
                self.assertIn(raw.response()[0], (400, 413, None))

    def test_a_put_without_a_length_is_asked_for_one(self):
        raw = self.raw(self.shared)
        raw.send("PUT /notification HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\n\r\n")
        status, _, body = raw.response()
        self.assertEqual(status, 411, body)

    def test_broken_chunks_are_refused(self):
        for chunk in ("zz\r\nabc\r\n", "-5\r\nabc\r\n", "fffffffffffffffff\r\n"):
            with self.subTest(chunk), Raw(self.shared) as raw:
                raw.send(put_head("Transfer-Encoding: chunked\r\n") + chunk)
                self.assertIn(raw.response()[0], (400, 413, None))
        self.assertTrue(self.shared.alive())

    # -- sizes

    def test_a_body_past_max_body_is_too_large(self):
        body = self.c.body([notification("modified", raw="<x>" + "y" * 9000 + "</x>")])
        self.refused(self.c.request("PUT", "/notification", body), 413, "CONTENT_TOO_LARGE")

    def test_a_length_past_max_body_is_refused_before_the_body_comes(self):
        raw = self.raw(self.shared)
        raw.send(put_head("Content-Length: 1000000000\r\n"))
        self.assertEqual(raw.response()[0], 413)

    def test_a_length_past_max_body_gets_no_100_continue(self):
        raw = self.raw(self.shared)
        raw.send(put_head("Content-Length: 1000000\r\nExpect: 100-continue\r\n"))
        first = raw.socket.recv(200)
        self.assertTrue(first.startswith(b"HTTP/1.1 4"), first)

    def test_a_chunked_body_past_max_body_is_too_large(self):
        raw = self.raw(self.shared)
        raw.send(put_head("Transfer-Encoding: chunked\r\n"))
        try:
            for _ in range(10):
                raw.send(b"400\r\n" + b"x" * 1024 + b"\r\n")
            raw.send(b"0\r\n\r\n")
        except ConnectionError:
            pass  # it may end the connection while we still talk
        self.assertIn(raw.response()[0], (413, None))

    def test_a_chunked_body_without_an_end_is_ended(self):
        raw = self.raw(self.shared)
        raw.send(put_head("Transfer-Encoding: chunked\r\n"))
        end = time.monotonic() + LIMIT
        with self.assertRaises(ConnectionError):
            while time.monotonic() < end:
                raw.send(b"400\r\n" + b"x" * 1024 + b"\r\n")

    def test_a_body_of_max_body_is_read(self):
        frame = len(self.c.body([notification("modified", raw="<x></x>")]))
        body = self.c.body([notification("modified", raw="<x>" + "y" * (8192 - frame) + "</x>")])
        self.assertEqual(len(body), 8192)
        self.accepted(self.c.request("PUT", "/notification", body))

    def test_each_answer_on_a_connection_is_its_own(self):
        """A connection keeps its last answer for when the next is the same."""
        first = notification("modified")
        wrong = notification("modified", backend=None)
        body = self.c.body([first])
        for name in ("one", "two"):
            other = notification("modified", id=name)
            for items, ids, statuses in (([first], [None], ["nosubscriber"]),) * 2 + (
                    ([other], [name], ["nosubscriber"]), ([other], [name], ["duplicate"]), ([first], [None], ["nosubscriber"]),
                    ([first, wrong], [None, None], ["nosubscriber", "refused"]),
                    ([first] * 9, [None] * 9, ["nosubscriber"] * 9)):
                answer = self.accepted(self.c.put(*items), *statuses)
                self.assertEqual([r[0] for r in answer.results], ids)
                self.assertEqual(answer.headers.get_all("Content-Type"), ["text/xml; charset=utf-8"])
                self.assertIsNone(answer.headers["Connection"])
            self.refused(self.c.put(wrong), 422, "MISSING_PARAMETER")
            self.assertEqual(self.c.request("GET", "/authenticate").status, 200)
            self.assertIsNone(self.c.request("GET", "/authenticate").headers["Set-Cookie"])
        raw = self.raw(self.shared)
        for extra, connection in (("", None), ("", None), ("Connection: close\r\n", "close")):
            raw.send(put_head(f"Content-Length: {len(body)}\r\n{extra}") + body)
            status, headers, answer = raw.response()
            self.assertEqual((status, headers.get("connection")), (200, connection))
            self.assertIn(b'status="nosubscriber"/>', answer)
        self.assertEqual(raw.response()[0], None)

    def test_the_last_answer_of_a_chunked_request_ends_its_connection(self):
        body = self.c.body([notification("modified")])
        raw = self.raw(self.shared)
        raw.send(put_head(f"Content-Length: {len(body)}\r\n") + body)
        self.assertEqual(raw.response()[0], 200)
        raw.send(put_head("Transfer-Encoding: chunked\r\n") + f"{len(body):x}\r\n{body}\r\n0\r\n\r\n")
        status, headers, _ = raw.response()
        self.assertEqual((status, headers.get("connection")), (200, "close"))

    def test_a_request_line_that_is_too_long(self):
        raw = self.raw(self.shared)
        raw.send("GET /" + "a" * 100000 + " HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertIn(raw.response()[0], (414, 431, 400))

    def test_headers_that_are_too_large(self):
        raw = self.raw(self.shared)
        try:
            raw.send("GET /authenticate HTTP/1.1\r\nHost: x\r\n"
                     + "".join(f"X-{n}: {'a' * 500}\r\n" for n in range(400)) + "\r\n")
        except ConnectionError:
            pass
        self.assertIn(raw.response()[0], (431, 413, None))

    def test_requests_that_are_none(self):
        for request in ("\0\0\0\0\r\n\r\n", "GET\r\n\r\n", "\x16\x03\x01\x02\x00" * 100 + "\r\n\r\n",
                        "GET / HTTP/9.9\r\n\r\n", "GET /authenticate HTTP/1.1\r\n\r\n"):
            with self.subTest(request[:20]), Raw(self.shared) as raw:
                raw.send(request)
                raw.send("\r\n\r\n")
                self.assertNotEqual(raw.response()[0], 500)
        self.assertTrue(self.shared.alive())
        self.accepted(self.c.put(notification("modified")))

    # -- deadlines

    def test_a_slow_body_ends_with_408_at_the_deadline(self):
        raw = self.raw(self.shared)
        raw.send(put_head(f"Content-Length: {len(self.body)}\r\n") + self.body[:20])
        status = "none yet"
        raw.socket.settimeout(0.3)
        for character in self.body[20:60]:  # never idle for long, never done
            try:
                raw.send(character)
                status = raw.response()[0]
                break
            except TimeoutError:
                continue
            except ConnectionError:
                status = None
                break
        self.assertIn(status, (408, None))

    def test_a_stalled_body_ends_with_408_at_the_deadline(self):
        raw = self.raw(self.shared)
        start = time.monotonic()
        raw.send(put_head(f"Content-Length: {len(self.body)}\r\n") + self.body[:20])
        self.assertEqual(raw.response()[0], 408)
        self.assertGreater(time.monotonic() - start, 0.5)
        self.assertTrue(raw.ended())

    def test_a_slow_header_ends_at_the_deadline(self):
        raw = self.raw(self.shared)
        raw.send("PUT /notification HTTP/1.1\r\nHost: x\r\n")
        raw.socket.settimeout(0.3)
        ended = False
        for n in range(30):
            try:
                raw.send(f"X-{n}: 1\r\n")
                if raw.response()[0] in (408, None):
                    ended = True
                    break
            except TimeoutError:
                continue
            except ConnectionError:
                ended = True
                break
        self.assertTrue(ended, "a header that never ends holds the connection for ever")

    def test_other_requests_are_served_while_one_is_slow(self):
        d = self.daemon({"limits": {"request_deadline": "60"}})  # longer than the client waits
        slow, c = [self.raw(d) for _ in range(30)], self.client(d)
        for raw in slow:
            raw.send(put_head(f"Content-Length: {len(self.body)}\r\n") + self.body[:20])
        for _ in range(20):
            self.accepted(c.put(notification("modified")))

    # -- a real client

    def test_curl_puts_with_expect_100_continue(self):
        answer = subprocess.run(
            ["curl", "-sS", "--max-time", "10", "-X", "PUT", "-H", "Content-Type: text/xml", "-H",
             "Expect: 100-continue", "--data-binary", "@-", "-w", "%{http_code}",
             f"http://{self.shared.host}:{self.shared.port}/notification"],
            input=self.body, text=True, capture_output=True, check=True, timeout=LIMIT).stdout
        self.assertTrue(answer.endswith("200"), answer)
        self.assertIn('status="nosubscriber"', answer)


class Addresses(SharedDaemonTest):
    def test_the_service_listens_on_ipv6_too_where_the_ini_says_so(self):
        daemon = self.daemon({"server:main": {"host": "::1"}, "operations": {"host": "::1"}})
        client = self.client(daemon)
        self.accepted(client.put(notification("modified")))
        self.assertEqual(daemon.operations("/healthz")[0], 200)


if __name__ == "__main__":
    unittest.main()
