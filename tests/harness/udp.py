# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Listens where a client would: the address of EcRRegisterPushNotification."""

import socket
import time

from .wait import LIMIT


class Udp:
    def __init__(self, family=socket.AF_INET):
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1" if family == socket.AF_INET else "::1", 0))
        self.family = family
        self.port = self.socket.getsockname()[1]

    @property
    def address(self):
        """As --push takes it."""
        return f"127.0.0.1:{self.port}" if self.family == socket.AF_INET else f"[::1]:{self.port}"

    def close(self):
        self.socket.close()

    def receive(self, limit=LIMIT):
        """(payload, time) of the next datagram; None when none comes in time."""
        self.socket.settimeout(limit)
        try:
            payload = self.socket.recv(4096)
        except TimeoutError:
            return None
        return payload, time.monotonic()

    def drain(self):
        """All that is waiting now."""
        found = []
        self.socket.setblocking(False)
        try:
            while True:
                found.append(self.socket.recv(4096))
        except BlockingIOError:
            return found
