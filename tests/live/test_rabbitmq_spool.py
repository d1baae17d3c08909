# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""The spool: what a real broker cannot take because it is away is kept on disk, in order, up to a
bound, through kill -9, and sent when it is back. A node without one, and one that starts while the
broker is away, refuse what is for others and deliver what is their own."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness.client import notification
from harness.nodes import FaultTest
from harness.wait import wait_until


class Spool(FaultTest):
    def puts(self, client, numbers, user="jdoe"):
        for number in numbers:
            self.accepted(self.number(client, number, user, id=f"s{number}"), "queued")

    def fill(self, client, user="jdoe"):
        """Batches until one is refused; the first number that was."""
        for first in range(10000, 40000, 100):
            answer = client.put(*(notification(
                "newmail", user=user, message=f"f{n}" + "x" * 200, id=f"f{n}", messageFlags=n)
                for n in range(first, first + 100)))
            self.assertEqual(answer.status, 200, answer)
            if "refused" in answer.statuses:
                return first + answer.statuses.index("refused")
        self.fail("the spool has no bound")

    def test_what_the_broker_cannot_take_is_kept_in_order_up_to_a_bound(self):
        a, b = self.node("a", spool_max=1), self.node("b")
        there = self.consumer(b)
        client = self.client(a)
        self.puts(client, range(10))
        self.broker.kill()
        plain = self.node("c", linked=False)
        here, at_plain = self.consumer(plain), self.client(plain)
        self.refused_by_broker(self.number(at_plain, 1000))
        self.wait_heard(here, [1000])
        self.puts(client, range(10, 100))
        self.assertTrue(a.healthy(), "notifications for others are taken")
        a.wait_link("spool_messages", 80)
        a.kill()
        a.start()
        client = self.client(a)
        self.puts(client, range(100, 150))
        full = self.fill(client)
        # as large as those that do not fit
        self.refused_by_broker(client.newmail("n150" + "x" * 300, messageFlags=150, id="s150"))
        self.assertGreaterEqual(a.link("spool_full"), 1)
        self.assertLessEqual(a.link("spool_bytes"), 1024 * 1024)
        self.unhealthy(a)

        self.broker.start()
        expected = [*range(150), *range(10000, full)]
        self.wait_heard(there, expected, at_most=1)
        order = [e["message_flags"] for e in there.events()]
        self.assertEqual([n for n in order if n in set(expected)], expected)
        wait_until(lambda: a.link("spool_messages") == 0, what="the spool is empty")
        for node in (a, plain):
            node.wait_linked()
        self.puts(client, range(151, 160))
        for consumer in (there, here):
            self.wait_heard(consumer, range(151, 160))
        self.accepted(self.number(at_plain, 1001), "queued")
        self.wait_heard(there, [1001])


if __name__ == "__main__":
    unittest.main()
