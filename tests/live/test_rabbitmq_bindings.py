# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Who is bound when: the bind_socket, the registry, the unbinding, and what the broker may lose. With a
real broker and the built daemon; whether a user is bound is seen as another node sees it, by a
mandatory message."""

import os
import signal
import socket
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness.case import ROOT
from harness.consumer import Consumer
from harness.nodes import RabbitTest
from harness.wait import LIMIT, stop_process, wait_until

EXCHANGE = "ocsmanager.users"
DEGRADED = "until the binding is made"


class Bindings(RabbitTest):
    def setUp(self):
        super().setUp()
        self.other = self.amqp()

    def bound(self, user, node="a"):
        """As the broker routes at this moment. The node drops it as one of its own."""
        return self.other.publish(b"", queue=user, exchange=EXCHANGE,
                                  headers={"ocs-origin": node})

    def wait_bound(self, user, value=True, limit=LIMIT):
        wait_until(lambda: self.bound(user) == value, limit, f"{user} bound: {value}")


class WhenASessionComes(Bindings):
    def test_a_subscription_returns_when_the_user_is_bound(self):
        node = self.node("a")
        self.assertFalse(self.bound("jdoe"))
        consumer = self.consumer(node, "jdoe")
        self.assertTrue(self.bound("jdoe"))
        self.assertFalse(self.bound("asmith"))
        self.assertNotIn(DEGRADED, consumer.err.text())
        self.assertEqual(node.link("bound_users"), 1)
        self.assertEqual(node.link("bind_timeouts"), 0)

    def test_a_long_name_is_bound_by_its_digest(self):
        user = "x" * 300
        node = self.node("a")
        self.consumer(node, user)
        keys = [key for key, _ in self.broker.bindings(self.vhost) if key.startswith("~")]
        self.assertEqual([len(key) for key in keys], [65])

    def test_sessions_of_a_daemon_that_starts_are_bound_without_being_asked_for(self):
        node = self.node("a")
        self.consumer(node, "jdoe")
        self.consumer(node, "asmith")
        node.kill()
        self.other.delete(node.queue)
        self.assertFalse(self.bound("jdoe"))
        node.start()
        self.wait_bound("jdoe")
        self.wait_bound("asmith")

    def test_a_storm_of_bind_requests(self):
        """A thousand users at once, more than are on their way at a time."""
        node = self.node("a", unbind_after=60)
        rings = []
        for number in range(1000):
            ring = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            self.addCleanup(ring.close)
            ring.settimeout(LIMIT)
            ring.connect(os.path.join(node.registry, "bind.sock"))
            ring.send(b"\x01B" + f"u{number}".encode())
            rings.append(ring)
        answers = [ring.recv(300)[:2] for ring in rings]
        self.assertEqual(answers.count(b"\x01\x00") + answers.count(b"\x01\x01"), 1000)
        # who was not answered in time is bound all the same
        wait_until(lambda: node.link("bound_users") == 1000, what="all are bound")
        self.assertTrue(self.bound("u0"))
        self.assertTrue(self.bound("u999"))

    @unittest.skipUnless(ROOT, "needs two users")
    def test_a_mapi_server_of_another_user_of_the_group_may_ring(self):
        node = self.node("a", more={"user": "nobody"})
        os.chmod(node.ini, 0o644)
        consumer = self.consumer(node, "jdoe", run_as="_apt")
        self.assertTrue(self.bound("jdoe"))
        self.assertNotIn(DEGRADED, consumer.err.text())


class WhenASessionGoes(Bindings):
    def test_a_user_is_unbound_some_time_after_his_last_session(self):
        node = self.node("a", unbind_after=1)
        first, second = self.consumer(node, "jdoe"), self.consumer(node, "jdoe")
        first.close()
        wait_until(lambda: node.metrics().get("ocsmanager_link_unbinds_total") == 0)
        self.assertTrue(self.bound("jdoe"))
        second.close()
        self.wait_bound("jdoe", False)
        node.wait_link("unbinds", 1)

    def test_a_session_at_the_moment_of_the_unbinding_is_bound(self):
        node = self.node("a", unbind_after=1)
        for pause in (1.0, 1.1, 1.2):
            self.consumer(node, "jdoe").close()
            # not for luck: each of them is another moment of the same race
            time.sleep(pause)
            consumer = self.consumer(node, "jdoe")
            self.assertTrue(self.bound("jdoe"), pause)
            consumer.close()

    def test_a_binding_without_a_session_is_found_by_what_it_brings(self):
        """Left over from a daemon that died, say."""
        node = self.node("a", unbind_after=1)
        self.other.bind(node.queue, EXCHANGE, "stranger")
        # of another node: only then it is looked at
        self.assertTrue(self.other.publish(b"<x/>", queue="stranger", exchange=EXCHANGE,
                                           headers={"ocs-origin": "z"}))
        self.wait_bound("stranger", False)


class WhenTheBrokerLosesThem(Bindings):
    def test_the_queue_is_deleted_by_hand(self):
        node = self.node("a")
        self.consumer(node, "jdoe")
        self.other.delete(node.queue)
        self.wait_bound("jdoe")

    def test_the_exchange_is_deleted_by_hand(self):
        node = self.node("a")
        self.consumer(node, "jdoe")
        self.other.channel.exchange_delete(EXCHANGE)
        self.other.declare_exchange(EXCHANGE)
        self.assertFalse(self.bound("jdoe"))
        self.wait_bound("jdoe")

    def test_what_changes_while_the_broker_is_away_is_done_when_it_is_back(self):
        node = self.node("a", unbind_after=1)
        gone = self.consumer(node, "gone")
        self.consumer(node, "stays")
        self.broker.stop()
        wait_until(lambda: node.states()["bind"] != "up", what="it has noticed")
        gone.close()
        # so that the daemon has had no connection for longer than it hopes for one
        time.sleep(2.1)
        new = self.consumer(node, "new")
        wait_until(lambda: DEGRADED in new.err.text(), what="a warning")
        self.broker.start()
        self.other = self.amqp()
        self.wait_bound("new")
        self.wait_bound("stays")
        self.wait_bound("gone", False)


    def test_what_a_killed_broker_has_not_written_down_is_bound_again(self):
        """RabbitMQ confirms a binding a second or two before it is on the disk."""
        a, b = self.node("a"), self.node("b")
        self.broker.wait_for_old_queues()
        consumers = [self.consumer(a, f"u{number}") for number in range(5)]
        self.broker.kill()
        self.broker.start()
        client = self.client(b)
        for number, consumer in enumerate(consumers):
            # 503 as long as it cannot be told whether somebody listens
            wait_until(lambda n=number: self.number(client, n, f"u{n}").status == 200, what="it is taken")
            self.wait_heard(consumer, [number])
        self.other = self.amqp()
        for number in range(5):
            self.wait_bound(f"u{number}")

    def test_a_memory_alarm_stops_publishers_and_not_the_binding(self):
        node = self.node("a")
        self.broker.memory_alarm(True)
        self.addCleanup(self.broker.memory_alarm, False)
        # Longer than it takes to look for the bindings, which is a message and blocks its connection.
        end = time.monotonic() + 7
        number = 0
        while time.monotonic() < end:
            number += 1
            self.consumer(node, f"u{number}").close()
            time.sleep(0.2)
        consumer = self.consumer(node, "jdoe")
        self.assertNotIn(DEGRADED, consumer.err.text())
        self.assertIn("jdoe", [key for key, _ in self.broker.bindings(self.vhost)])
        self.assertEqual(node.states()["bind"], "up")


class WhenTheDaemonCannotBind(Bindings):
    def test_a_broker_that_hangs_costs_two_seconds(self):
        node = self.node("a")
        self.broker.sigstop()
        try:
            consumer = self.consumer(node)
            wait_until(lambda: DEGRADED in consumer.err.text(), what="a warning")
            self.assertGreaterEqual(node.link("bind_timeouts"), 1)
        finally:
            self.broker.sigcont()
        self.wait_bound("jdoe")

    def test_a_daemon_that_hangs_costs_two_seconds(self):
        node = self.node("a")
        stop_process(node.pid)
        try:
            consumer = Consumer(node, "jdoe", ready=False)
            self.addCleanup(consumer.close)
            consumer.wait_subscribed()
            self.assertIn(DEGRADED, consumer.err.text())
        finally:
            node.process.send_signal(signal.SIGCONT)
        self.wait_bound("jdoe")

    def test_without_the_permission_to_bind_it_is_said_at_once(self):
        name = "p" + os.urandom(3).hex()
        self.broker.add_user(name, "pw", self.vhost, write="^ocsmanager[.](users|ingest|dead)$")
        node = self.node("a", uri=self.broker.uri(self.vhost, name, "pw"), linked=False)
        wait_until(lambda: node.states()["bind"] == "refused", what="it is refused")
        consumer = self.consumer(node)
        wait_until(lambda: DEGRADED in consumer.err.text(), what="a warning")
        self.assertIn("refuse", consumer.err.text())
        self.assertIn("set_permissions", node.log())

    def test_without_a_link_there_is_no_socket(self):
        daemon = self.daemon()
        self.consumer(daemon, "jdoe")
        self.assertFalse(os.path.exists(os.path.join(daemon.registry, "bind.sock")))


if __name__ == "__main__":
    unittest.main()
