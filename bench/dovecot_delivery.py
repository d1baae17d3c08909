#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""What a delivery pays for the plugin: time from the end of DATA to the reply, by LMTP into a real
Dovecot, with the plugin and a daemon that is fast, slow, hanging or down, by HTTP and over the socket of
ocsmanager_transport = amqp, as a ratio to Dovecot with a plugin that only logs (its own mail_log).

OCS_BUILD: folder of lib90_ocsmanager_plugin.so (default build). Argument: deliveries of a round (300)."""

import multiprocessing
import os
import statistics
import sys
import threading

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests"))
sys.path.insert(0, os.path.join(ROOT, "tests", "live"))
from fakeserver import HANG, FakeServer, Slow  # noqa: E402
from rig import Dovecot  # noqa: E402

PLUGIN = os.path.join(ROOT, os.environ.get("OCS_BUILD", "build"), "lib90_ocsmanager_plugin.so")
ROUNDS = 4
WARM_UP = 20


def serve(behave, path, pipe):
    """The daemon's stand-in, in a process of its own: it must not share the measuring one's time."""
    server = FakeServer(path=path)
    server.behave = behave
    server.start()
    pipe.send(server.url)
    threading.Event().wait()


class Way:
    """One Dovecot with one connection to it; all of them run side by side and take turns."""

    def __init__(self, name, behave=None, down=False, plugin=True, amqp=False, **settings):
        self.name, self.times = name, []
        self.dovecot = Dovecot(plugin=PLUGIN if plugin else None)
        path = os.path.join(self.dovecot.folder, "socket") if amqp else None
        ours, theirs = multiprocessing.Pipe()
        self.server = multiprocessing.Process(target=serve, args=(behave, path, theirs),
                                              daemon=True)
        self.server.start()
        url = ours.recv()
        if amqp:
            self.dovecot.settings = {"ocsmanager_transport": "amqp", "ocsmanager_socket": path}
        elif plugin:
            self.dovecot.settings = {"ocsmanager_url": url,
                                     "ocsmanager_credentials": "<" + self._credentials(),
                                     **settings}
        else:
            self.dovecot.mail_plugins = "notify mail_log"
        if down:
            self.server.kill()

    def _credentials(self):
        path = os.path.join(self.dovecot.folder, "credentials")
        with open(path, "w", encoding="utf-8") as f:
            known = FakeServer()
            f.write(f"username={known.username}\npassword={known.password}\n")
        os.chmod(path, 0o600)
        return path

    def start(self):
        self.dovecot.start()
        self.lmtp = self.dovecot.lmtp()
        self.round(WARM_UP)
        self.times.clear()

    def round(self, count):
        for _ in range(count):
            self.times.append(1000 * self.lmtp.deliver(["alice"], self.dovecot.message()))

    def stop(self):
        self.dovecot.stop()
        self.server.kill()
        self.server.join(5)


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    ways = [Way("log only", plugin=False), Way("daemon fast"),
            Way("daemon fast, no counts", ocsmanager_counts="no"),
            Way("answers after 1 s", lambda request: Slow(1)),
            Way("never answers", lambda request: HANG), Way("down", down=True),
            Way("amqp, relay fast", amqp=True),
            Way("amqp, relay hangs", lambda request: HANG, amqp=True),
            Way("amqp, relay down", down=True, amqp=True)]
    try:
        for way in ways:
            way.start()
        for _ in range(ROUNDS):
            for way in ways:
                way.round(count // ROUNDS)
        base = statistics.median(ways[0].times)
        print(f"{'':24}{'min':>8}{'median':>8}{'p99':>8}{'max':>8}  ms, median against log only")
        for way in ways:
            times = sorted(way.times)
            middle = statistics.median(times)
            print(f"{way.name:24}{times[0]:8.2f}{middle:8.2f}{times[int(len(times) * 0.99)]:8.2f}"
                  f"{times[-1]:8.2f}  {middle / base:.2f}")
    finally:
        for way in ways:
            way.stop()


if __name__ == "__main__":
    main()
