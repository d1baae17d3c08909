# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Many connections: idle, with half a request, left at once, one after the other as fast as they can be made."""

import contextlib
import socket
import struct

from . import Row, Target
from ..client import b64u, document, notification
from ..hammer import head

GET = b"GET /authenticate HTTP/1.1\r\nHost: x\r\n\r\n"
HALF = b"PUT /notification HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nContent-Length: 60000\r\n\r\n" + b"<" * 1000
MANY = 450  # more than connection_limit; of two addresses, since one may have 256
TURNED_AWAY = ((503, "OVERLOADED"), None)


def opened(data):
    """So many connections that send this and wait; each is asked what it was told in the end."""
    def attack(target):
        with contextlib.ExitStack() as stack:
            raws = []
            for number in range(MANY):
                with contextlib.suppress(ConnectionError):
                    raws.append(stack.enter_context(target.raw(number % 2)))
                    Target.send(raws[-1], data)
            for raw in raws:
                with contextlib.suppress(OSError):  # ENOTCONN has no class of its own
                    raw.socket.shutdown(socket.SHUT_WR)
            for raw in raws:
                yield Target.answer(raw)
    return attack


def left(data, reset, count=1000):
    """Connections that are gone before they are answered."""
    def attack(target):
        for _ in range(count):
            with contextlib.suppress(ConnectionError):
                raw = target.raw()
                Target.send(raw, data)
                if reset:
                    raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                raw.socket.close()
        yield None
    return attack


def one_by_one(*requests, count=300):
    """Connections with one request each."""
    def attack(target):
        for number in range(count):
            try:
                yield target.say(requests[number % len(requests)])
            except ConnectionError:
                yield None
    return attack


def not_read(target):
    """Asks on and on, and reads nothing of the answers, until nothing more can be sent."""
    with target.raw() as raw:
        raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.socket.setblocking(False)
        with contextlib.suppress(BlockingIOError, ConnectionError):
            for _ in range(100000):
                raw.socket.send(GET * 100)
    yield None


def post(path, inside):
    return head("POST", path, document(inside).encode(), Content_Type="text/xml")


WRONG = f"<sasl mechanism=\"PLAIN\">{b64u(bytes(1) + b'mallory' + bytes(1) + b'guess')}</sasl>"

ROWS = [
    Row("idle connections", opened(b""), *TURNED_AWAY, 400, times=1, flood=True),
    Row("connections with half a line", opened(b"GET /authen"), *TURNED_AWAY, 400, times=1, flood=True),
    Row("connections with half a body", opened(HALF), *TURNED_AWAY, 400, 408, times=1, flood=True),
    Row("connections that were used once", opened(GET), *TURNED_AWAY, 200, times=1, flood=True),
    Row("connections that close", left(b"", False), None, times=1, flood=True),
    Row("connections that are reset", left(b"", True), None, times=1, flood=True),
    Row("connections reset with a request out", left(GET, True), None, times=1, flood=True),
    Row("connections reset within a body", left(HALF, True), None, times=1, flood=True),
    Row("answers that nobody reads", not_read, None, times=1, flood=True),
    Row("one request a connection", one_by_one(GET), 200, times=1, flood=True),
    Row("logins begun", one_by_one(post("/authenticate/token", "<login>openchange</login>"),
                                   post("/authenticate/token", "<login>nobody</login>")), 200, times=1, flood=True),
    Row("logins that fail", one_by_one(post("/authenticate/login", WRONG)), 401, 429, times=1, flood=True),
    Row("refused reports", one_by_one(head("PUT", "/notification", document(notification("modified")).encode(),
                                           Content_Type="text/xml")), 401, times=1, flood=True),
]
