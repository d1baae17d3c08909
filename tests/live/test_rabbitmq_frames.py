# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""The connections between two nodes and their broker end with the first frame, the next time with the second, and so on,
whole or in its middle, in either direction: while mails are published, confirmed, consumed and acknowledged, and while a
connection is set up. What was accepted is heard, once; what was not, when it is sent again. Of many frames some are tried,
with OCS_TEST_LONG all."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness.client import notification
from harness.frames import FROM, TO, Frames
from harness.nodes import RabbitTest
from harness.wait import wait_until

MAILS = 3
SOME = 4


def points(count):
    step = 1 if "OCS_TEST_LONG" in os.environ else max(1, count // SOME)
    return range(0, count, step)


class EachFrame(RabbitTest):
    def setUp(self):
        super().setUp()
        self.frames = Frames("127.0.0.1", self.broker.port)
        self.addCleanup(self.frames.close)
        uri = self.broker.uri(self.vhost, host="127.0.0.1", port=self.frames.port)
        self.a, self.b = self.node("a", uri), self.node("b", uri)
        self.consumer_ = self.consumer(self.b)
        self.sender = self.client(self.a)
        self.numbers = range(0)

    def put(self):
        """Whether all of them are taken."""
        answer = self.sender.put(*(notification(message=f"n{n}", id=f"id{n}", messageFlags=n) for n in self.numbers))
        if answer.status != 200:
            self.refused_by_broker(answer)
            return False
        self.assertLessEqual(set(answer.statuses), {"queued", "duplicate", "refused"}, answer)
        return "refused" not in answer.statuses

    def mails(self):
        self.numbers = range(self.numbers.stop, self.numbers.stop + MAILS)
        return self.put()

    def all_is_well(self, taken, where):
        with self.subTest(where):
            if not taken:
                wait_until(self.put, what="they are taken")
            self.wait_heard(self.consumer_, self.numbers)
            self.a.wait_linked()
            self.b.wait_linked()

    def each(self, operation):
        self.frames.count()
        self.all_is_well(operation(), "nothing is cut")
        tried, begin = 0, self.frames.cuts
        for direction, count in dict(self.frames.seen).items():
            before = self.frames.cuts
            for n in points(count):
                half = tried % 2 == 1
                self.frames.cut(direction, n, half)
                self.all_is_well(operation(), f"{direction} {n}{', half of it' if half else ''}")
                self.frames.over()
                tried += 1
            self.assertGreater(self.frames.cuts, before, f"none of {count} frames {direction}")
        if "OCS_FAULT_REPORT" in os.environ:
            print(f"{self.id()}: {self.frames.cuts - begin} of {tried} were cut", flush=True)

    def test_while_mails_pass(self):
        self.each(self.mails)

    def test_while_connections_are_set_up(self):
        def again():
            self.frames.break_all()
            return self.mails()

        self.each(again)


if __name__ == "__main__":
    unittest.main()
