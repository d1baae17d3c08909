# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Two nodes with one [main] replica_id that never hear of each other: a third one, which hears of both, says so."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness.client import notification
from harness.nodes import RabbitTest
from harness.wait import wait_until


class OneReplicaId(RabbitTest):
    def test_a_third_node_notices(self):
        a, b, c = (self.node(name, number=number) for name, number in (("a", 1), ("b", 1), ("c", 2)))
        # The user has a session at c alone: what a and b accept goes nowhere else.
        consumer = self.consumer(c)
        clients = [self.client(a), self.client(b)]

        def well():
            return "replica_id" not in c.operations("/status")[1]

        self.assertTrue(well())
        for number in range(3):
            self.assertTrue(well(), number)
            client = clients[number % 2]
            self.accepted(client.put(notification(folder=f"Folder{number}", message=str(number))), "queued")
            consumer.wait_events(number + 1)
        text = wait_until(lambda: not well() and c.operations("/status")[1], what="c says so")
        self.assertIn("both have [main] replica_id 1", text)
        for node in (a, b):
            self.assertNotIn("replica_id", node.operations("/status")[1])
        self.assertEqual(c.operations("/healthz")[0], 200, "it delivers all the same")


if __name__ == "__main__":
    unittest.main()
