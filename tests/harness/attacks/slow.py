# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Requests that take their time, which end at the deadline of the request: 408, or the end of the connection."""

import select

from . import Row, Target
from ..hammer import head

HEAD = b"PUT /notification HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\n"
PUT = HEAD + b"Content-Length: 5000\r\n\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
TIMEOUT = ((408, "REQUEST_TIMEOUT"), None)
PAUSE = 0.2  # seconds between two pieces; the deadline is far longer, and the bytes are far more than fit into it


def drip(begin, piece):
    """begin, then piece after piece until the server has had enough."""
    def attack(target):
        with target.raw() as raw:
            Target.send(raw, begin)
            for _ in range(3000):
                if select.select([raw.socket], [], [], PAUSE)[0] or not Target.send(raw, piece):
                    break
            else:
                yield "it waits for ever"
                return
            yield Target.answer(raw)
    return attack


def silence(*begins):
    def attack(target):
        raws = [target.raw() for _ in begins]
        try:
            for raw, begin in zip(raws, begins):
                Target.send(raw, begin)
            for raw in raws:
                yield Target.answer(raw)
        finally:
            for raw in raws:
                raw.socket.close()
    return attack


def no_reader(target):
    """Asks for more answers than buffers hold, and reads none until the server has given up."""
    with target.raw() as raw:
        raw.socket.setblocking(False)
        request = b"GET /authenticate HTTP/1.1\r\nHost: x\r\n\r\n" * 1000
        poll = select.poll()
        poll.register(raw.socket, select.POLLOUT)
        # once both ways are full nothing can be written any more; then it is ended
        while True:
            events = poll.poll(60000)
            if not events:
                yield "it waits for ever"
                return
            if events[0][1] & (select.POLLERR | select.POLLHUP):
                break
            try:
                raw.socket.send(request)
            except ConnectionError:
                break
    yield None


ROWS = [
    Row("a first line that drips", drip(b"GET /authenticate?", b"x"), *TIMEOUT, times=1),
    Row("headers that drip", drip(HEAD, b"X-Y: z\r\n"), *TIMEOUT, times=1),
    Row("a body that drips", drip(PUT, b"<"), *TIMEOUT, times=1),
    Row("chunks that drip", drip(CHUNKED, b"1\r\n<\r\n"), *TIMEOUT, times=1),
    Row("a size of a chunk that drips", drip(CHUNKED, b"0"), *TIMEOUT, times=1),
    Row("trailers that drip", drip(CHUNKED + b"0\r\n", b"X-Y: z\r\n"), *TIMEOUT, times=1),
    Row("what stops in the middle", silence(
        b"G", b"\0\0\x12\x04\0\0\0\0\0\r\n\r\n", b"GET /authenticate HTTP/1.1\r", HEAD, PUT, PUT + b"<", CHUNKED, CHUNKED + b"5\r\n", CHUNKED + b"0\r\n",
        head("PUT", "/notification", Content_Type="text/xml", Content_Length="60", Expect="100-continue")), *TIMEOUT,
        times=1),
    Row("a reader that does not read", no_reader, *TIMEOUT, times=1),
]
