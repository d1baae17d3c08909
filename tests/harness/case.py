# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""The base of the service tests."""

import os
import pwd
import unittest

from .client import Client, logged_in
from .consumer import Consumer
from .daemon import Daemon
from .load import Load
from .raw import Raw
from .udp import Udp

ROOT = os.geteuid() == 0


def unprivileged():
    """A user to run as, when root; else nobody but ourselves."""
    return pwd.getpwnam("nobody").pw_name if ROOT else None


class ServiceTest(unittest.TestCase):
    maxDiff = None

    def daemon(self, overrides=None, start=True, **more):
        daemon = Daemon(overrides, **more)
        self.addCleanup(daemon.close)
        return daemon.start() if start else daemon

    def client(self, daemon, login=True, **more):
        client = logged_in(daemon, **more) if login else Client(daemon, **more)
        self.addCleanup(client.close)
        return client

    def consumer(self, daemon, user="jdoe", tables=(), **more):
        consumer = Consumer(daemon, user, tables, **more)
        self.addCleanup(consumer.close)
        return consumer

    def loads(self, daemon, count, name="m", **more):
        """So many senders at full speed, until the end of the test; no two of their numbers are the same."""
        loads = [Load(daemon, prefix=f"{name}{n}-", first=n * 10 ** 6, pause=0, **more) for n in range(count)]
        for load in loads:
            self.addCleanup(load.stop)
            load.start()
        return loads

    def raw(self, daemon, **more):
        raw = Raw(daemon, **more)
        self.addCleanup(raw.socket.close)
        return raw

    def udp(self, *arguments):
        udp = Udp(*arguments)
        self.addCleanup(udp.close)
        return udp

    def accepted(self, answer, *statuses):
        """200, and these statuses."""
        self.assertEqual(answer.status, 200, answer)
        if statuses:
            self.assertEqual(answer.statuses, list(statuses), answer)
        return answer

    def refused(self, answer, code, name):
        self.assertEqual(answer.error, (code, code, name), answer)
        self.assertTrue(answer.error_text, "an error has a text for people")
        self.assertTrue(answer.headers["Content-Type"].startswith("text/xml"), answer.headers)
        return answer


class SharedDaemonTest(ServiceTest):
    """One daemon for all tests of the class; each must leave it as it found it."""

    overrides = None

    @classmethod
    def setUpClass(cls):
        cls.shared = Daemon(cls.overrides).start()
        cls.addClassCleanup(cls.shared.close)

    def setUp(self):
        self.assertTrue(self.shared.alive(), "the daemon died:\n" + self.shared.log()[-3000:])
