# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Where a request ends is beyond doubt: whatever another server on the way could read otherwise is
refused with 400, and the connection ends before anything behind it is read as a request."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import mapihttp  # noqa: E402
from harness.case import SharedDaemonTest  # noqa: E402
from harness.client import document, notification  # noqa: E402
from harness.raw import Raw  # noqa: E402
from test_local_socket import LocalRaw, SOCKET  # noqa: E402

SMUGGLED = b"GET /healthz HTTP/1.1\r\nHost: smuggled\r\n\r\n"

# What is wrong, and the lines of a request's head, a blank one for its end; LF as it stands.
LINES = {
    "a space before the colon": b"Host: x\r\nContent-Length : %d\r\n\r\n",
    "a tab before the colon": b"Host: x\r\nContent-Length\t: %d\r\n\r\n",
    "a space before a name": b" Content-Length: %d\r\nHost: x\r\n\r\n",
    "a space in a name": b"Host: x\r\nContent Length: %d\r\n\r\n",
    "no name": b"Host: x\r\nContent-Length: %d\r\n: x\r\n\r\n",
    "a name that is no token": b"Host: x\r\nContent-Length: %d\r\nX(y): z\r\n\r\n",
    "a name of bytes beyond ASCII": b"Host: x\r\nContent-Length: %d\r\nX-\xc3\xa4: z\r\n\r\n",
    "a line without a colon": b"Host: x\r\nContent-Length: %d\r\nnonsense\r\n\r\n",
    "no Host": b"Content-Length: %d\r\n\r\n",
    "two Hosts": b"Host: x\r\nContent-Length: %d\r\nHost: y\r\n\r\n",
    "the same Host twice": b"Host: x\r\nHost: x\r\nContent-Length: %d\r\n\r\n",
    "two Hosts of different case": b"Host: x\r\nhOST: x\r\nContent-Length: %d\r\n\r\n",
    "a Host that is none": b"Host: x/y@z\r\nContent-Length: %d\r\n\r\n",
    "a length with a sign": b"Host: x\r\nContent-Length: +%d\r\n\r\n",
    "a negative length": b"Host: x\r\nContent-Length: -%d\r\n\r\n",
    "a hexadecimal length": b"Host: x\r\nContent-Length: 0x%x\r\n\r\n",
    "a length with a fraction": b"Host: x\r\nContent-Length: %d.0\r\n\r\n",
    "a list of lengths": b"Host: x\r\nContent-Length: %d, 0\r\n\r\n",
    "a length in two words": b"Host: x\r\nContent-Length: %d 0\r\n\r\n",
    "an empty length": b"Host: x\r\nContent-Length:\r\nX-Y: %d\r\n\r\n",
    "two lengths": b"Host: x\r\nContent-Length: 0\r\nContent-Length: %d\r\n\r\n",
    "the same length twice": b"Host: x\r\nContent-Length: %d\r\nContent-Length: %d\r\n\r\n",
    "both lengths": b"Host: x\r\nContent-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n",
    "both lengths, the other way": b"Host: x\r\nTransfer-Encoding: chunked\r\nContent-Length: %d"
                                   b"\r\n\r\n",
    "an unknown encoding": b"Host: x\r\nTransfer-Encoding: cow\r\nX-Y: %d\r\n\r\n",
    "identity": b"Host: x\r\nTransfer-Encoding: identity\r\nX-Y: %d\r\n\r\n",
    "two encodings in one": b"Host: x\r\nTransfer-Encoding: chunked, identity\r\nX-Y: %d\r\n\r\n",
    "two encodings": b"Host: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"
                     b"X-Y: %d\r\n\r\n",
    "an encoding with a vertical tab": b"Host: x\r\nTransfer-Encoding: \x0bchunked\r\nX-Y: %d"
                                       b"\r\n\r\n",
    "an encoding in quotes": b"Host: x\r\nTransfer-Encoding: \"chunked\"\r\nX-Y: %d\r\n\r\n",
    "a folded length": b"Host: x\r\nContent-Length: %d\r\n 0\r\n\r\n",
    "a folded encoding": b"Host: x\r\nTransfer-Encoding:\r\n chunked\r\nX-Y: %d\r\n\r\n",
    "another line folded": b"Host: x\r\nX-Y: a\r\n\tb\r\nContent-Length: %d\r\n\r\n",
    "a bare LF": b"Host: x\nContent-Length: %d\r\n\r\n",
    "a bare LF at the end of the last line": b"Host: x\r\nContent-Length: %d\n\r\n",
    "a bare LF as the empty line": b"Host: x\r\nContent-Length: %d\r\n\n",
    "bare LFs only": b"Host: x\nContent-Length: %d\n\n",
    "a bare LF and a space before it": b"Host: x \nContent-Length: %d\r\n\r\n",
    "a bare CR": b"Host: x\rX-Y: a\r\nContent-Length: %d\r\n\r\n",
    "a NUL in a value": b"Host: x\r\nX-Y: a\0b\r\nContent-Length: %d\r\n\r\n",
    "a NUL in a length": b"Host: x\r\nContent-Length: %d\0000\r\n\r\n",
    "a NUL in a name": b"Host: x\r\nX\0Y: a\r\nContent-Length: %d\r\n\r\n",
}
# The whole first line; the rest is right.
FIRST_LINES = {
    "a bare LF": b"POST /authenticate/logout HTTP/1.1\n",
    "two spaces before the address": b"POST  /authenticate/logout HTTP/1.1\r\n",
    "two words too many": b"POST /authenticate/logout x HTTP/1.1\r\n",
    "no version": b"POST /authenticate/logout\r\n",
    "another version": b"POST /authenticate/logout HTTP/2.0\r\n",
    "another protocol": b"POST /authenticate/logout ICAP/1.1\r\n",
    "a method that is no token": b"PO(ST /authenticate/logout HTTP/1.1\r\n",
}
# Addresses that are not what their string is once it is decoded.
ADDRESSES = {
    "an encoded NUL": b"%00",
    "an encoded NUL and more": b"%00x",
    "a NUL": b"\0x",
    "an encoded NUL behind a slash": b"/%00",
    "an encoded NUL in an argument": b"?a=%00b",
    "an encoded NUL in an argument's name": b"?a%00b=c",
    "a NUL in an argument": b"?a=\0b",
    "a NUL before the version": b"?a=b\0",
    "an encoded line end": b"?a=%0d%0ab",
    "an encoded LF in capitals": b"?a=%0A",
    "an encoded escape": b"?a=%1b",
    "an encoded DEL": b"?a=%7f",
    "an encoded DEL in capitals": b"?a=%7F",
    "a control character": b"?a=\x01",
    "an escape": b"\x1b",
    "a DEL": b"\x7f",
    "a tab": b"?a\tb",
    "a bare CR": b"?a\rb",
}
GOOD_ADDRESSES = (b"", b"?", b"?a=b", b"?a=%20%25", b"?a=%C3%A4", b"?a=%zz%", b"?%2500")
HUGE = (b"ffffffffffffffff", b"FFFFFFFFFFFFFFFF", b"7fffffffffffffff", b"8000000000000000",
        b"fffffffffffffffff", b"00000000000000000ffffffffffffffff", b"ffffffff", b"1000000",
        b"ffffffffffffffff;a=b")
LENGTHS = (b"18446744073709551615", b"18446744073709551616", b"9223372036854775807", b"9" * 40,
           b"1" + b"0" * 15)
LOGOUT = b"/authenticate/logout"
GOOD = {
    "as most send it": b"Host: x\r\nContent-Length: %d\r\n\r\n",
    "no white space": b"Host:x\r\nContent-Length:%d\r\n\r\n",
    "much white space": b"Host: \t  x\r\nContent-Length:   %d\r\n\r\n",
    "an empty Host": b"Host:\r\nContent-Length: %d\r\n\r\n",
    "a Host with a port": b"Host: [::1]:5000\r\nContent-Length: %d\r\n\r\n",
    "an empty value": b"X-Y:\r\nHost: x\r\nContent-Length: %d\r\nX-Z: \r\n\r\n",
    "white space behind a value": b"Host: x\r\nX-Y: a \t \r\nContent-Length: %d\r\n\r\n",
    "UTF-8 in a value": b"Host: x\r\nX-Y: \xc3\xa4\r\nContent-Length: %d\r\n\r\n",
    "every character of a token": b"Host: x\r\n!#$%%&'*+-.^_`|~09azAZ: y\r\nContent-Length: %d"
                                  b"\r\n\r\n",
    "zeros before a length": b"Host: x\r\nContent-Length: 000%d\r\n\r\n",
    "cookies without a space": b"Host: x\r\nCookie: a=b;c=d\r\nContent-Length: %d\r\n\r\n",
    "long headers": b"Host: x\r\nX-Y: " + b"y" * 9000 + b"\r\nX-Z: " + b"z" * 9000 +
                    b"\r\nContent-Length: %d\r\n\r\n",
    "many headers": b"Host: x\r\n" + b"X-Y: z\r\n" * 100 + b"Content-Length: %d\r\n\r\n",
}


def fill(lines, length):
    return lines % ((length,) * lines.replace(b"%%", b"").count(b"%"))


class FramingTest(SharedDaemonTest):
    """The daemon with its three listeners, and MAPI over HTTP beside it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.mapi_server = mapihttp.Server(cls.shared)
        cls.addClassCleanup(cls.mapi_server.stop)

    def web(self):
        return Raw(self.shared)

    def local(self):
        return LocalRaw(self.shared)

    def mapi(self):
        return Raw(self.mapi_server)

    def posts(self):
        """(connect, first line) of what takes a body and answers 401 to whatever is in it."""
        return [(connect, b"POST " + path + b" HTTP/1.1\r\n") for connect, path in (
            (self.web, LOGOUT), (self.local, LOGOUT), (self.mapi, b"/mapi/emsmdb/"))]

    def operations(self):
        raw = Raw.__new__(Raw)
        raw.__init__(type("Address", (), {"host": self.shared.operations_host,
                                          "port": self.shared.operations_port}))
        return raw


class Framing(FramingTest):
    overrides = {"server:main": {"socket": SOCKET}}

    def refused(self, raw, data, name, statuses=(400,)):  # pylint: disable=arguments-differ
        """One answer, then the end of the connection."""
        with raw:
            try:
                raw.send(data)
                status, headers, body = raw.response()
                # None: libmicrohttpd's way with first lines that it cannot read
                self.assertIn(status, statuses, (name, body))
                self.assertTrue(raw.ended(), f"{name}: the connection goes on")
                self.assertNotIn(b"HTTP/1.", raw.buffer, f"{name}: a second answer")
                if status is not None:
                    self.assertEqual(headers.get("connection", "").lower(), "close", name)
            except ConnectionError:
                self.assertIn(None, statuses, name)

    def each_first_line(self):
        return [*self.posts(), (self.operations, b"GET /healthz HTTP/1.1\r\n")]

    def test_each_line_is_refused(self):
        for connect, first in self.each_first_line():
            for name, lines in LINES.items():
                with self.subTest(name, first=first):
                    self.refused(connect(), first + fill(lines, len(SMUGGLED)) + SMUGGLED * 2, name)

    def test_first_lines(self):
        rest = b"Host: x\r\nContent-Length: 0\r\n\r\n"
        for connect, _ in self.each_first_line():
            for name, line in FIRST_LINES.items():
                with self.subTest(name):
                    self.refused(connect(), line + rest + SMUGGLED, name, (None, 400, 505))

    def each_server(self):
        """(connect, method, path, the answer to it) of every route."""
        return [(connect, method, path, status) for connect in (self.web, self.local) for method, path, status in (
            (b"GET", b"/authenticate", 200), (b"POST", b"/authenticate/token", 411),
            (b"POST", b"/authenticate/login", 411), (b"POST", b"/authenticate/logout", (401, 204)),
            (b"PUT", b"/notification", 411), (b"PUT", b"/notification/newmail", 411))] + [
                (self.operations, b"GET", path, status) for path, status in (
                    (b"/healthz", 200), (b"/metrics", 200), (b"/status", 200), (b"/link", 404),
                    (b"/identity", 200))] + [
                        (self.mapi, b"POST", b"/mapi/emsmdb", 401),
                        (self.mapi, b"POST", b"/mapi/nspi/", 401)]

    def test_an_address_is_what_it_is_decoded_to(self):
        rest = b" HTTP/1.1\r\nHost: x\r\n\r\n"
        for connect, method, path, _ in self.each_server():
            for name, more in ADDRESSES.items():
                with self.subTest(name, path=path):
                    self.refused(connect(), method + b" " + path + more + rest + SMUGGLED, name,
                                 (None, 400) if b"\0" in more else (400,))  # 1.0.1 says nothing

    def test_other_addresses_are_answered(self):
        rest = b" HTTP/1.1\r\nHost: x\r\n\r\n"
        for connect, method, path, wanted in self.each_server():
            with connect() as raw:
                for more in GOOD_ADDRESSES:
                    with self.subTest(path=path, more=more):
                        raw.send(method + b" " + path + more + rest)
                        status, _, body = raw.response()
                        self.assertIn(status, wanted if isinstance(wanted, tuple) else (wanted,), body)

    def test_small_chunks_are_taken(self):
        """However they are cut, and whatever stands in them."""
        body = document("<token>nonsense ffffffffffffffff\r\nffffffff\r\n</token>").encode()
        head = b"Host: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        for step in 1, 7, 18, len(body):
            data = b"".join(b"%x\r\n%s\r\n" % (len(body[i:i + step]), body[i:i + step])
                            for i in range(0, len(body), step)) + b"0\r\n\r\n"
            for cut in 1, 18, len(data):
                for connect, first in self.posts():
                    with self.subTest(step=step, cut=cut, first=first), connect() as raw:
                        raw.send(first + head)
                        for i in range(0, len(data), cut):
                            raw.send(data[i:i + cut])
                        self.assertEqual(raw.response()[0], 401)

    def test_a_chunked_request_is_the_last_of_its_connection(self):
        body = document(notification(message="1")).encode()
        head = b"Host: x\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\n"
        data = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        self.refused(self.web(), b"PUT /notification HTTP/1.1\r\n" + head + data + SMUGGLED,
                     "no token", (401,))
        self.refused(self.local(), b"PUT /notification HTTP/1.1\r\n" + head + data +
                     SMUGGLED, "accepted", (200,))
        self.refused(self.operations(), b"GET /healthz HTTP/1.1\r\n" + head + data + SMUGGLED,
                     "operations", (200,))
        self.refused(self.mapi(), b"POST /mapi/emsmdb/ HTTP/1.1\r\n" + head + data + SMUGGLED,
                     "MAPI", (401,))

    def test_http_1_0_has_no_chunks_and_needs_no_host(self):
        for connect, first in self.posts():
            old = first.replace(b"HTTP/1.1", b"HTTP/1.0")
            self.refused(connect(), old + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "chunked")
            self.refused(connect(), old + b"Content-Length: 0\r\n\r\n", "fine", (401, 204))
        self.refused(self.operations(), b"GET /healthz HTTP/1.0\r\n\r\n", "fine", (200,))

    def test_what_is_right_goes_on(self):
        """Two on one connection, the second behind the body of the first, in one piece and cut."""
        body = document("<token>nonsense</token>").encode()
        for connect, first in self.posts():
            for name, lines in GOOD.items():
                data = (first + fill(lines, len(body)) + body) * 2
                with self.subTest(name, first=first), connect() as raw:
                    raw.send(data)
                    for _ in range(2):
                        status, _, text = raw.response()
                        self.assertEqual(status, 401, (name, text))
                    for i in range(0, len(data), 37):
                        raw.send(data[i:i + 37])
                    for _ in range(2):
                        self.assertEqual(raw.response()[0], 401, name)

    def test_a_body_that_looks_like_a_request_is_none(self):
        with self.web() as raw:
            for _ in range(3):
                raw.send(b"POST /authenticate/login HTTP/1.1\r\nHost: x\r\nContent-Length: %d"
                         b"\r\n\r\n" % len(SMUGGLED) + SMUGGLED)
                self.assertEqual(raw.response()[0], 400)
            raw.send(b"GET /authenticate HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertEqual(raw.response()[0], 200)
        with self.mapi() as raw:
            for _ in range(3):
                raw.send(b"POST /mapi/emsmdb/ HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
                         % len(SMUGGLED) + SMUGGLED)
                self.assertEqual(raw.response()[0], 401)


class Sizes(FramingTest):
    """What is too large is refused long before the deadline of the request."""

    overrides = {"server:main": {"socket": SOCKET}, "limits": {"request_deadline": "60"}}

    def sizes(self):
        return ((self.web, b"POST /authenticate/login"), (self.web, b"POST /no/such/page"),
                (self.local, b"POST /authenticate/login"), (self.operations, b"GET /healthz"),
                (self.mapi, b"POST /mapi/emsmdb/"))

    def at_once(self, raw, data, statuses):
        with raw:
            raw.send(data)
            status, _, body = raw.response()
            self.assertIn(status, statuses, body)
            self.assertTrue(raw.ended())

    def test_a_chunk_that_nobody_takes_is_refused_at_its_beginning(self):
        head = b" HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\n"
        for connect, first in self.sizes():
            for size in HUGE:
                for before in b"", b"4\r\nabcd\r\n":
                    with self.subTest(first=first, size=size, before=before):
                        self.at_once(connect(), first + head + before + size + b"\r\nx",
                                     (200,) if b"healthz" in first else (400, 404, 413))

    def test_a_length_that_nobody_takes_is_refused_at_once(self):
        for connect, first in self.sizes():
            for length in LENGTHS:
                with self.subTest(first=first, length=length):
                    self.at_once(connect(), first + b" HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml"
                                 b"\r\nContent-Length: " + length + b"\r\n\r\nx", (400, 404, 413))


if __name__ == "__main__":
    unittest.main()
