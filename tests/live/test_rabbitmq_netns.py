# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""A node and the broker in one network, another node in another, and the cable between them cut:
what is accepted meanwhile waits, and is heard once the cable is back, with nobody's help."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from samba_rig import become_root

from harness.netns import Network
from harness.nodes import QUICK, RabbitTest
from harness.rabbit import Broker
from harness.wait import LIMIT, wait_until


class Cable(RabbitTest):
    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0:
            raise AssertionError("PRECONDITION: this test needs root (or sudo without a password): "
                                 "network namespaces")
        cls.network = Network()
        cls.addClassCleanup(cls.network.close)
        cls.network.enter_left()  # so that whatever is not said to be elsewhere is there
        cls.shared = Broker(address=Network.LEFT)
        cls.addClassCleanup(cls.shared.close)
        cls.shared.start()

    def setUp(self):
        self.broker, self.vhost = self.shared, self.shared.vhost()
        self.addCleanup(self.shared.delete_vhost, self.vhost)
        self.a = self.node("a")
        self.b = self.node("b", linked=False,
                           more={"wrapper": Network.wrapper(self.network.right)})
        self.addCleanup(self.network.heal)
        self.wait_b(True)

    def at_b(self, call, *arguments, **more):
        with self.network.inside(self.network.right):
            return call(*arguments, **more)

    def wait_b(self, linked, limit=LIMIT):
        wait_until(lambda: self.at_b(self.b.linked) == linked, limit,
                   f"b is {'linked' if linked else 'cut off'}")

    def test_the_cable_is_cut_and_mended(self):
        there, here = self.consumer(self.b), self.consumer(self.a, "here")
        local = self.consumer(self.b, "local")
        client = self.client(self.a)
        client_b = self.at_b(self.client, self.b)
        self.accepted(self.number(client, 0), "queued")
        self.wait_heard(there, [0])

        self.network.cut()
        for number in range(1, 50):  # the broker still thinks that b is there
            self.accepted(self.number(client, number), "queued")
        self.wait_b(False)
        for number in range(50, 100):  # and now it knows that it is not
            self.accepted(self.number(client, number), "queued")
        self.accepted(self.number(client, 100, "here"), "queued")
        self.wait_heard(here, [100])
        self.refused_by_broker(self.at_b(self.number, client_b, 101, "local", id="local"))
        self.wait_heard(local, [101])
        late = self.consumer(self.b, "late")
        self.assertEqual(set(self.heard(there)), {0})

        self.network.heal()
        self.wait_heard(there, range(100))
        self.wait_b(True)
        wait_until(lambda: self.number(client, 7, "late").statuses == ["queued"],
                   what="the session of the time without a cable is bound")
        self.wait_heard(late, [7])
        self.accepted(self.at_b(self.number, client_b, 102, "here"), "queued")
        self.wait_heard(here, [100, 102])

    def ids(self, consumer):
        """{number: (FID, MID)} of the newmail events; no folder has two FIDs."""
        found = {e["message_flags"]: (e.fid, e.mid) for e in consumer.events() if e["event"] == "newmail"}
        self.assertEqual(len({fid for fid, _ in found.values()}), 1, "one FID while a session lasts")
        return found

    def test_a_folder_that_got_two_identifiers_has_one_in_the_end(self):
        nodes = [self.a, self.b, self.node("c")]
        client, client_b = self.client(self.a), self.at_b(self.client, self.b)
        self.network.cut()
        self.wait_b(False)
        consumers = [self.consumer(node, "one") for node in nodes]
        self.accepted(self.number(client, 1, "one"), "queued")
        self.refused_by_broker(self.at_b(self.number, client_b, 2, "one"))
        for consumer, number in zip(consumers, (1, 2, 1)):
            self.wait_heard(consumer, [number])
        at_a, at_b, at_c = map(self.ids, consumers)
        self.assertEqual(at_a, at_c)
        self.assertNotEqual(at_a[1][0], at_b[2][0])

        self.network.heal()
        self.wait_b(True)
        self.accepted(self.at_b(self.number, client_b, 2, "one"))  # as its sender does
        wait_until(lambda: self.number(client, 3, "one").statuses and self.heard(consumers[1])[3],
                   what="b is bound")
        for consumer in consumers:
            self.wait_heard(consumer, [2, 3])
        at_a, at_b, at_c = map(self.ids, consumers)
        self.assertEqual(at_a, at_c)
        self.assertEqual([at_b[n][1] for n in (2, 3)], [at_a[n][1] for n in (2, 3)], "a mail has one MID")
        self.assertNotEqual(at_a[3][0], at_b[3][0], "nobody hears another FID while the session lasts")

        # whoever has the FID that lost gives it up once nobody is left who was told
        for consumer in consumers:
            consumer.close()
        wait_until(lambda: any("all nodes settled on" in node.log() for node in nodes), what="they agree")
        wait_until(lambda: "all nodes settled on" in self.b.log() or all(
            "all nodes settled on" in node.log() for node in (nodes[0], nodes[2])), what="all of them")
        consumers = [self.consumer(node, "one") for node in nodes]
        self.accepted(self.number(client, 4, "one"), "queued")
        for consumer in consumers:
            self.wait_heard(consumer, [4])
        new = [self.ids(consumer) for consumer in consumers]
        self.assertEqual(new, [new[0]] * 3)
        self.assertIn(new[0][4][0], (at_a[3][0], at_b[3][0]))

    def test_a_cut_too_short_to_be_noticed(self):
        there = self.consumer(self.b)
        client = self.client(self.a)
        connects = self.at_b(self.b.link, "connects")
        self.accepted(self.number(client, 0), "queued")
        self.network.cut()
        for number in range(1, 20):
            self.accepted(self.number(client, number), "queued")
        self.network.heal()
        self.wait_heard(there, range(20))
        self.assertGreaterEqual(self.at_b(self.b.link, "connects"), connects)


if __name__ == "__main__":
    become_root()
    unittest.main()
