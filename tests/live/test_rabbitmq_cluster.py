# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Three RabbitMQ brokers in a cluster, quorum queues: the loss of one is not noticed, the loss of two
is answered promptly and heals by itself."""

import itertools
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness.nodes import PROMPT, RabbitTest
from harness.rabbit import Cluster
from harness.wait import wait_until


class ThreeBrokers(RabbitTest):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(3)
        cls.addClassCleanup(cls.cluster.close)
        cls.cluster.start()

    def setUp(self):
        self.broker, self.vhost = self.cluster.brokers[0], self.cluster.vhost()

    def test_the_leader_of_a_queue_then_the_quorum_lost_and_healed_under_load(self):
        # a and b lose the broker that they are connected to with the leader of b's queue
        a, b, c = (self.node(name, uri=self.cluster.uri(self.vhost, first), linked=False)
                   for name, first in (("a", 1), ("b", 1), ("c", 2)))
        spooling = self.node("s", uri=self.cluster.uri(self.vhost), linked=False, spool_max=8)
        for node in (a, b, c, spooling):
            node.wait_linked()
        there = self.consumer(b)
        plain, spooled = self.load(a), self.load(spooling, prefix="s", first=1000000)
        loads = (plain, spooled)
        for load in loads:
            load.wait_accepted(100)
        self.wait_heard(there, plain.accepted[:])  # its queue has members wherever it will have

        first = self.cluster.leader(self.vhost, b.queue)
        self.assertEqual(first.name, "n2")
        first.kill()
        for load in loads:
            load.wait_accepted(100)
        # what was accepted after the loss is heard while the broker is still away
        self.wait_heard(there, plain.accepted[:])

        second = self.cluster.leader(self.vhost, b.queue)
        second.kill()
        plain.wait_refused(3)
        spooled.wait_accepted(3)  # refused by the broker until their time is up, then on disk
        self.assertEqual(spooled.refused, {}, "the spool takes what the cluster cannot")
        for node in (a, b, c, spooling):  # there is nothing that an admin has to permit
            self.assertNotIn("refused", node.states().values(), node.operations("/link")[1])

        first.start()
        plain.wait_accepted(100)
        self.wait_heard(there, plain.accepted[:])
        second.start()
        for load in loads:
            load.wait_accepted(100)
        wait_until(lambda: len(self.cluster.online(self.vhost, b.queue)) == 3,
                   what="the queue has its three members again")
        for load in loads:
            load.stop()
            self.assertLess(load.slowest, PROMPT)
            self.assertEqual(load.broken, {})
        self.assertEqual({status for status, _ in plain.refused.values()}, {503})
        self.wait_heard(there, plain.accepted + spooled.accepted)
        late = self.consumer(c, "late")
        # its subscription waits two seconds for the binding, which three brokers at work can exceed
        client, numbers = self.client(b), itertools.count(5)
        wait_until(lambda: self.number(client, next(numbers), "late").statuses == ["queued"], what="late is bound")
        wait_until(lambda: self.heard(late), what="it is heard")


if __name__ == "__main__":
    unittest.main()
