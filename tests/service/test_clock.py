# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Somebody sets the clock, forwards and back, while daemon and MAPI servers run and between two starts: nothing is lost,
doubled or out of order, nobody is taken for dead, and no identifier is given twice."""

import os
import struct
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness import paths
from harness.case import ServiceTest
from harness.client import notification
from harness.wait import LIMIT, wait_until

HOUR, DAY = 3600, 86400
# Where the daemon is at, one after the other. Before 2020 no identifier can be had by the clock (mapistore/index_clock.c).
STEPS = (0, 2 * HOUR, -2 * HOUR, 400 * DAY, -30 * DAY, 20 * 365 * DAY, -10 * 365 * DAY, 0)


class Clock(ServiceTest):
    def setUp(self):
        self.d = self.daemon(start=False)
        self.file = self.d.write("clock", bytes(8))
        options = "verify_asan_link_order=0:" + os.environ.get("ASAN_OPTIONS", "")
        self.env = {"LD_PRELOAD": paths.program("tests/clock.so"), "OCS_TEST_CLOCK": self.file, "ASAN_OPTIONS": options}
        self.d.env = self.env
        self.d.start()
        self.events = self.consumer(self.d, tables=("newmail",), env=self.env)
        self.client_ = self.client(self.d)
        self.sent = 0

    def set_clock(self, seconds):
        with open(self.file, "r+b") as f:
            f.write(struct.pack("=q", seconds))

    def mails(self, count=30):
        """More than the kernel's queue holds. A token that ended by the clock is got anew."""
        numbers = range(self.sent, self.sent + count)
        self.sent += count

        def put():
            return self.client_.put(*(notification(message=f"m{n}", id=f"id{n}", messageFlags=n) for n in numbers))

        answer = put()
        if answer.status == 401:
            self.assertIn(answer.error[2], ("TOKEN_EXPIRED", "TOKEN_INVALID"))
            self.assertEqual(self.client_.login_ssha().status, 200)
            answer = put()
        self.assertEqual(set(self.accepted(answer).statuses), {"queued"})

    def all_is_well(self):
        heard = self.events.wait_events(self.sent)
        self.assertEqual([e["message_flags"] for e in heard], list(range(self.sent)))
        self.assertEqual(len({e.mid for e in heard}), self.sent)
        wait_until(lambda: self.d.operations("/healthz")[0] == 200, what=lambda: self.d.operations("/healthz")[1])
        self.assertEqual(self.d.metrics().get("ocsmanager_sessions_reaped_total"), 0)
        answer = self.client_.put(*(notification(message=f"m{n}") for n in range(self.sent - 30, self.sent)))
        self.assertEqual(set(self.accepted(answer).statuses), {"duplicate"})
        done = subprocess.run([paths.program("ocsctl"), "-c", self.d.ini, "index", "check"], capture_output=True, text=True,
                              timeout=LIMIT, check=False)
        self.assertEqual(done.returncode, 0, done)

    def test_while_all_run(self):
        for seconds in STEPS:
            self.set_clock(seconds)
            self.mails()
            self.all_is_well()
        year = time.gmtime(time.time() + max(STEPS)).tm_year
        self.assertRegex(self.d.log(), f"(?m)^{year}-", "its clock was set")

    def test_between_two_starts(self):
        for n, seconds in enumerate(STEPS):
            self.events.stop()  # entries of both times wait
            self.mails()
            self.d.kill() if n % 2 else self.d.terminate()  # pylint: disable=expression-not-assigned
            self.set_clock(seconds)
            self.d.start()
            self.client_.close()
            self.client_ = self.client(self.d)
            self.mails()
            self.events.go_on()
            self.all_is_well()


if __name__ == "__main__":
    unittest.main()
