# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Between AMQP clients and their broker: passes frames on and counts them, until one is where it all ends."""

import socket
import struct
import threading

TO, FROM = "to the broker", "from the broker"
HEARTBEAT = 8
PROTOCOL = b"AMQP"  # how a client begins: the one thing that is no frame


class Frames:
    """port: where clients connect to. seen: {direction: how many frames since count()}, without heartbeats, which come when
    they want."""

    def __init__(self, host, port):
        self._broker = host, port
        self._lock = threading.Lock()
        self._pairs = []
        self._cut = None  # [direction, frames left, whether half of it passes]
        self.seen = {TO: 0, FROM: 0}
        self.cuts = 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self.break_all()

    def count(self):
        with self._lock:
            self.seen = {TO: 0, FROM: 0}

    def cut(self, direction, n, half=False):
        """After n more frames in that direction the next one is lost, or arrives half, and its connection is reset."""
        with self._lock:
            self._cut = [direction, n, half]

    def over(self):
        """No more is cut."""
        with self._lock:
            self._cut = None

    def break_all(self):
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            reset(pair)

    def _accept(self):
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            try:
                broker = socket.create_connection(self._broker)
            except OSError:
                client.close()
                continue
            pair = client, broker
            with self._lock:
                self._pairs.append(pair)
            for source, sink, direction in ((client, broker, TO), (broker, client, FROM)):
                threading.Thread(target=self._pass, args=(pair, source, sink, direction), daemon=True).start()

    def _pass(self, pair, source, sink, direction):
        try:
            with source.makefile("rb") as stream:
                for frame in frames(stream):
                    half = self._is_cut(frame, direction)
                    if half is not None:
                        sink.sendall(frame[:len(frame) // 2] if half else b"")
                        break
                    sink.sendall(frame)
        except OSError:
            pass
        reset(pair)

    def _is_cut(self, frame, direction):
        """None: it passes; else whether half of it does."""
        with self._lock:
            if frame[0] == HEARTBEAT:
                return None
            self.seen[direction] += 1
            if not self._cut or self._cut[0] != direction:
                return None
            self._cut[1] -= 1
            if self._cut[1] >= 0:
                return None
            half, self._cut = self._cut[2], None
            self.cuts += 1
            return half


def frames(stream):
    while True:
        head = stream.read(7)
        if len(head) < 7:
            return
        size = 1 if head.startswith(PROTOCOL) else struct.unpack(">I", head[3:])[0] + 1
        rest = stream.read(size)
        if len(rest) < size:
            return
        yield head + rest


def reset(pair):
    """The other ends get ECONNRESET: nothing is sent before the close, after which there is nobody to send the rest."""
    for end in pair:
        try:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            end.shutdown(socket.SHUT_RD)  # who reads here wakes up
        except OSError:
            pass
        end.close()
