# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""HTTP by hand, for what a well-behaved client library would not send."""

import socket
import time

from .wait import LIMIT


class Raw:
    def __init__(self, daemon, limit=LIMIT, source=None):
        self.socket = socket.create_connection((daemon.host, daemon.port), limit, (source, 0) if source else None)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data.encode() if isinstance(data, str) else data)

    def _more(self):
        data = self.socket.recv(65536)
        self.buffer += data
        return bool(data)

    def response(self, head=False):
        """(status, {header: value}, body) of the next response; (None, {}, b'') if the server ended
        the connection instead. 100 Continue is passed over. head: it answers a HEAD."""
        while True:
            while b"\r\n\r\n" not in self.buffer:
                try:
                    if not self._more():
                        return None, {}, b""
                except ConnectionError:
                    return None, {}, b""
            top, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
            lines = top.decode().split("\r\n")
            status = int(lines[0].split()[1])
            if status == 100:
                continue
            headers = {k.strip().lower(): v.strip() for k, v in (l.split(":", 1) for l in lines[1:])}
            length = 0 if head else int(headers.get("content-length", 0))
            while len(self.buffer) < length:
                if not self._more():
                    raise AssertionError("the body is cut short")
            body, self.buffer = self.buffer[:length], self.buffer[length:]
            return status, headers, body

    def ended(self, limit=LIMIT):
        """Whether the server ends the connection within limit seconds, with nothing more said."""
        self.socket.settimeout(limit)
        end = time.monotonic() + limit
        while time.monotonic() < end:
            try:
                if not self.socket.recv(65536):
                    return True
            except ConnectionError:
                return True
            except TimeoutError:
                return False
        return False
