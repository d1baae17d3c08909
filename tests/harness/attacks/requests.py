# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Abuse of HTTP: what is too long, too many, or no HTTP at all. What is slow is in slow.py, many connections in
floods.py."""

import ssl

from . import Row, Target
from ..client import document, notification
from ..hammer import head

BAD = (400, "MALFORMED_REQUEST")
ENDED = None
# A request that cannot be held: 431, 414 or 413, or the end of the connection.
TOO_LARGE = (431, 414, 413, ENDED)
LIBRARYS = 500  # libmicrohttpd 0.9.75 has no better word for a line of a chunk that does not fit
GET = "GET /authenticate HTTP/1.1\r\nHost: x\r\n"
CHUNKED = b"PUT /notification HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\n"


def each(*requests):
    """Each on a connection of its own; text or bytes, or a list of pieces."""
    def attack(target):
        for request in requests:
            yield target.say(*(request if isinstance(request, list) else [request]))
    return attack


def get(*lines):
    return GET + "".join(line + "\r\n" for line in lines) + "\r\n"


def chunked(make):
    """make(body): what comes behind the head of a chunked report."""
    def attack(target):
        body = document(f"<token>{target.token}</token>" + notification("modified")).encode()
        yield target.say(CHUNKED, make(body))
    return attack


def chunk(data, extension=b""):
    return b"%x%s\r\n%s\r\n" % (len(data), extension, data)


LAST = b"0\r\n\r\n"


def pipelined(request, count):
    """So many requests in one piece; all answers are read, in the end."""
    def attack(target):
        with target.raw() as raw:
            Target.send(raw, request * count)
            for _ in range(count):
                outcome = Target.answer(raw)
                yield outcome
                if outcome is None:
                    break
    return attack


def client_hello(target):
    """A real one."""
    hello = ssl.MemoryBIO()
    talk = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).wrap_bio(ssl.MemoryBIO(), hello, server_hostname="localhost")
    try:
        talk.do_handshake()
    except ssl.SSLWantReadError:
        pass
    data = hello.read()
    for more in (b"", b"\r\n\r\n", b"\n"):
        with target.raw() as raw:
            Target.send(raw, data + more)
            raw.socket.shutdown(1)
            yield Target.answer(raw)


def expect_and_leave(target):
    """Asks whether it may send, and goes when it may."""
    for _ in range(50):
        with target.raw() as raw:
            raw.send(head("PUT", "/notification", Content_Type="text/xml", Content_Length="60000",
                          Expect="100-continue"))
            yield 100 if raw.socket.recv(1000).startswith(b"HTTP/1.1 100") else "no 100"


def upgrade(*lines):
    """Nobody changes to another protocol: it is answered in this one, and the next request too."""
    def attack(target):
        with target.raw() as raw:
            for _ in range(2):
                Target.send(raw, get(*lines))
                yield Target.answer(raw)
    return attack


DOTS = ("/..", "/../../../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/..%2fetc%2fpasswd", "/%252e%252e/etc/passwd",
        "/authenticate/../operations", "/./authenticate", "//authenticate", "/\\..\\..\\etc\\passwd",
        "/..;/authenticate",
        "/%c0%ae%c0%ae/etc/passwd", "/AUTHENTICATE", "/authenticate.", "/notification%20", "/%",
        "/%zz",
        "/authenticate/token/..", "*", "authenticate", "/~root", "/.git/config", "/%ef%bc%8e%ef%bc%8e/")
WORDS = ("CONNECT example.org:25", "CONNECT /authenticate", "TRACE /authenticate", "OPTIONS *", "OPTIONS /notification",
         "PROPFIND /", "DELETE /notification", "get /authenticate", "GET\t/authenticate", "M-SEARCH *", "SUBSCRIBE /")
OTHER_PROTOCOLS = (
    "SSH-2.0-OpenSSH_9.2\r\n\r\n", "EHLO example.org\r\nMAIL FROM:<a@b>\r\n\r\n", "*1\r\n$4\r\nPING\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\x03\x00\x00\x13\r\n\r\n",
    "GET /authenticate HTTP/1.1\r\r\n\r\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "\r\n" * 1000 + "x\r\n\r\n")
BROKEN_CHUNKS = (b"4\r\nabcdX\r\n", b"4\r\nab\r\n", b"4 4\r\nabcd\r\n", b"0x4\r\nabcd\r\n", b";x\r\n", b"+4\r\nabcd\r\n",
                 b"4\nabcd\n", b"\r\n")
TRAILERS = b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\nAuthorization: Bearer x\r\nHost: y\r\n\r\n"
COOKIES = (";" * 9000, "=" * 9000, '"' * 9000, "ocsmanager=" * 800, ",;= \t" * 1800, "=x", '="', "ocsmanager", 'token="')
URLS = ("http://example.org/authenticate", "https://user:pass@127.0.0.1:22/authenticate", "file:///etc/passwd",
        "ldap://x/", "http://[::1", "http://", "//example.org/authenticate", "http:///authenticate")
LONG_HEADERS = ("Content-Type", "Content-Encoding", "Accept", "Forwarded")

ROWS = [
    # -- chunks
    Row("a chunk extension of 100 KB", chunked(lambda body: b"4;" + b"x" * 100000 + b"\r\n"), *TOO_LARGE, LIBRARYS),
    Row("a size of a chunk without an end", chunked(lambda body: b"0" * 100000), *TOO_LARGE, LIBRARYS),
    Row("an extension on each of 2,000 chunks", chunked(
        lambda body: b"".join(chunk(body[n:n + 1], b";" + b"e" * 30) for n in range(len(body))) + LAST), 200, 400),
    Row("a body in chunks of one byte", chunked(
        lambda body: b"".join(chunk(bytes([c])) for c in body) + LAST), 200),
    Row("chunks of one byte past the end", chunked(lambda body: chunk(b"x") * 70000), 413, ENDED),
    Row("chunks that end otherwise", each(*(CHUNKED + chunks + LAST for chunks in BROKEN_CHUNKS)), 400, 401, 413, ENDED),
    Row("endless trailers", chunked(lambda body: chunk(body) + b"0\r\n" + b"X-Y: z\r\n" * 20000), *TOO_LARGE, 400),
    Row("a trailer of 100 KB", chunked(lambda body: chunk(body) + b"0\r\nX-Y: " + b"z" * 100000 + b"\r\n\r\n"),
        *TOO_LARGE, 400),
    Row("trailers that would be headers", chunked(
        lambda body: chunk(body) + b"0\r\n" + TRAILERS), 200, 400),
    # -- headers
    Row("10,000 headers", each(get(*["X: y"] * 10000)), *TOO_LARGE),
    Row("a header of 100 KB", each(get("X-Y: " + "z" * 100000)), *TOO_LARGE),
    Row("a header's name of 100 KB", each(get("x" * 100000 + ": y")), *TOO_LARGE),
    Row("headers of 8 KB", each(get(*["X-Y: " + "z" * 8000] * 20)), *TOO_LARGE),
    Row("headers that leave no room for an answer", each(*(get("X-Y: " + "z" * n) for n in range(31000, 32800, 100))),
        200, *TOO_LARGE),
    Row("a line without an end", each("GET / HTTP/1.1\r\nHost: x\r\nX-Y: " + "z" * 200000), *TOO_LARGE),
    Row("a Host of 20 KB", each("GET /authenticate HTTP/1.1\r\nHost: " + "x" * 20000 + "\r\n\r\n"), 200, 400),
    Row("an Authorization of 20 KB", each(*(get(f"Authorization: {how}" + "x" * 20000)
                                            for how in ("Bearer ", "Basic ", ""))), 200, 400),
    Row("2,000 cookies", each(get("Cookie: " + "; ".join(f"c{n}={n}" for n in range(2000)))), 200, *TOO_LARGE),
    Row("cookies that are none", each(*(get("Cookie: " + value) for value in COOKIES)), 200, 400, *TOO_LARGE),
    Row("300 headers of cookies", each(get(*["Cookie: ocsmanager=a; token=b"] * 300)), 200, *TOO_LARGE),
    Row("Content-Type and others of 9 KB", each(*(head("POST", "/authenticate/logout", b"<x>", **{name: "v" * 9000})
                                                  for name in LONG_HEADERS)), 400, 415, (401, "TOKEN_INVALID")),
    # -- the first line
    Row("a method of 10 KB", each("G" * 10000 + " / HTTP/1.1\r\nHost: x\r\n\r\n"), 404, 405, 501, *TOO_LARGE),
    Row("100 arguments", each("GET /authenticate?" + "a&" * 99 + "a HTTP/1.1\r\nHost: x\r\n\r\n"), 200),
    Row("101 arguments and more", each(*("GET /authenticate?" + what * count + "a HTTP/1.1\r\nHost: x\r\n\r\n"
                                         for what in ("a&", "&", "a=b&") for count in (100, 700, 6000))), BAD),
    Row("an argument of 20 KB", each("GET /authenticate?" + "a" * 20000 + " HTTP/1.1\r\nHost: x\r\n\r\n"), 200, 400,
        *TOO_LARGE),
    Row("unknown methods", each(*(f"{word} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n" for word in WORDS)),
        400, 404, 405, 501, ENDED),
    Row("absolute addresses", each(*(f"GET {url} HTTP/1.1\r\nHost: x\r\n\r\n" for url in URLS)), 200, 400, 404),
    Row("paths that leave the folder", each(*(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n" for path in DOTS)), 400, 404),
    Row("other protocols", each(*OTHER_PROTOCOLS), 400, 404, 405, 501, 505, *TOO_LARGE),
    Row("a ClientHello of TLS", client_hello, 400, *TOO_LARGE),
    Row("HTTP/0.9", each("GET /authenticate\r\n\r\n", "GET /authenticate\r\nHost: x\r\n\r\n"), 400, 505, ENDED),
    Row("upgrades", upgrade("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"),
        200),
    Row("upgrade to a web socket", upgrade("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
                                           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="), 200),
    # -- one behind the other
    Row("pipelined requests", pipelined(get(), 500), 200),
    Row("pipelined refusals", pipelined("GET /x HTTP/1.1\r\nHost: x\r\n\r\n", 500), 404),
    Row("pipelined reports without a token", pipelined(
        head("PUT", "/notification", document(notification("modified")).encode(), Content_Type="text/xml"), 300), 401),
    # -- 100-continue
    Row("an expectation of something else", each(*(
        head("PUT", "/notification", b"x", Content_Type="text/xml", Expect=what) for what in (
            "200-ok", "100-continue, x", "x" * 5000, "100-CONTINUE"))), 400, 417),
    Row("an expectation without a body", each(get("Expect: 100-continue"), get("Expect: 100-continue",
                                                                               "Content-Length: 0")), 200),
    Row("an expectation, and gone", expect_and_leave, 100),
]
