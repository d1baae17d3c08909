# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""UDP push: the datagram when something becomes pending, and its repetition until it is drained."""

import os
import socket
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness.case import ServiceTest


class Push(ServiceTest):
    CONTEXT = "0011223344556677"

    def check(self, family):
        d = self.daemon({"push": {"interval": "1"}})
        udp, c = self.udp(family), self.client(d)
        consumer = self.consumer(d, push=udp.address, context=self.CONTEXT, idle=8)
        self.assertIsNone(udp.receive(0.2), "nothing is pending: nothing is sent")
        self.accepted(c.newmail("1"), "queued")
        consumer.wait_events(1)  # an idle call: the next one is 8 s away
        self.assertGreaterEqual(len(udp.drain()), 1)

        self.accepted(c.newmail("2"), "queued")
        times, told = [], 1
        while len(times) < 3:
            found = udp.receive(4)
            if len(consumer.events()) > told:  # an idle call on a slow machine: once more
                told, times = len(consumer.events()), []
                udp.drain()
                self.accepted(c.newmail(str(told + 1)), "queued")
                continue
            self.assertIsNotNone(found, "the datagram is repeated while it is pending")
            self.assertEqual(found[0], bytes.fromhex(self.CONTEXT), "exactly the context")
            times.append(found[1])
        for one, two in zip(times, times[1:]):
            self.assertGreater(two - one, 0.5)
        consumer.wait_events(told + 1)
        udp.drain()
        self.assertIsNone(udp.receive(2.5), "drained: no more datagrams")
        sent = consumer.udp()
        self.assertTrue(all(payload == bytes.fromhex(self.CONTEXT) for _, payload in sent))
        self.assertEqual({address for address, _ in sent}, {udp.address})

    def test_ipv4(self):
        self.check(socket.AF_INET)

    def test_ipv6(self):
        try:
            self.udp(socket.AF_INET6)
        except OSError:
            self.skipTest("no IPv6 here")
        self.check(socket.AF_INET6)

    def test_more_news_while_something_is_pending_is_no_flood(self):
        d = self.daemon()  # interval 60 s
        udp, c = self.udp(), self.client(d)
        consumer = self.consumer(d, push=udp.address, context="aa", idle=3)
        self.accepted(c.newmail("first"), "queued")
        self.assertIsNotNone(udp.receive(15), "the first one goes at once, not after the interval")
        consumer.wait_events(1)
        udp.drain()
        for n in range(100):
            self.accepted(c.newmail(str(n)), "queued")
        consumer.wait_events(101)
        self.assertLessEqual(len(udp.drain()), 4, "one for each time that something became pending")

    def test_a_push_address_that_refuses_disturbs_nothing(self):
        d = self.daemon({"push": {"interval": "1"}})
        udp, c = self.udp(), self.client(d)
        address = udp.address
        consumer = self.consumer(d, push=address, context="aa")
        udp.close()  # the kernel answers with port unreachable from now on
        for n in range(20):
            self.accepted(c.newmail(str(n), messageFlags=n), "queued")
            if n == 10:
                consumer.wait_events(11)
        self.assertEqual(len(consumer.wait_events(20)), 20)

    def test_each_session_has_its_own_address_and_context(self):
        d = self.daemon()
        one, two, c = self.udp(), self.udp(), self.client(d)
        first = self.consumer(d, push=one.address, context="01", idle=8)
        second = self.consumer(d, push=two.address, context="02", idle=8)
        got, n = {}, 0
        while len(got) < 2 and n < 10:  # again where an idle call was quicker than the datagram
            n += 1
            self.accepted(c.newmail(str(n)), "queued")
            for name, udp in ((1, one), (2, two)):
                found = udp.receive(5)
                if found is not None:
                    got[name] = found[0]
        self.assertEqual(got, {1: b"\1", 2: b"\2"})
        first.wait_events(1)
        second.wait_events(1)


if __name__ == "__main__":
    unittest.main()
