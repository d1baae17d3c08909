# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""What a node publishes, seen from the broker: the messages themselves, and what becomes of them when
the broker refuses or returns them, loses what they go through, or cuts the connection."""

import itertools
import os
import re
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness.nodes import QUICK, RabbitTest
from harness.rabbit import USER
from harness.wait import wait_until

EXCHANGE, INGEST = "ocsmanager.users", "ocsmanager.ingest"
CONFIRM_TIMEOUT = int(QUICK["confirm_timeout"])
LONG = 9  # below the deadline of a request; what does not wait for it has happened long before
ID = re.compile(rb'id="[a-z]([0-9]+)"')


class OutboxTest(RabbitTest):
    def listen(self, amqp, key="jdoe", queue="elsewhere", **arguments):
        """A queue bound as that of another node would be."""
        amqp.declare(queue, **arguments)
        amqp.bind(queue, EXCHANGE, key)
        return queue

    def numbers(self, amqp, queue):
        """Of the ids of all messages there, in order."""
        return [int(ID.search(m.body).group(1)) for m in amqp.get_all(queue)]


class Messages(OutboxTest):
    def test_to_other_nodes_it_is_persistent_and_tells_origin_account_and_time(self):
        a, amqp = self.node("a"), self.amqp()
        queue = self.listen(amqp)
        before = time.time()
        self.accepted(self.number(self.client(a), 5, id="x5"), "queued")
        message = amqp.wait_get(queue)
        self.assertEqual(message.routing_key, "jdoe")
        self.assertEqual(message.headers["ocs-origin"], "a")
        self.assertEqual(message.headers["ocs-account"], "openchange")
        self.assertAlmostEqual(message.headers["ocs-accepted"] / 1e6, before, delta=10)
        properties = message.properties
        self.assertEqual(properties.delivery_mode, 2)
        self.assertEqual(properties.content_type, "text/xml; charset=utf-8")
        self.assertEqual(properties.app_id, "ocsmanager")
        self.assertTrue(properties.message_id)
        self.assertIn(b"<messageID>n5</messageID>", message.body)
        self.assertNotIn(b"token", message.body)

    def test_a_relay_hands_documents_on_as_the_user_it_is_at_the_broker(self):
        relay, amqp = self.node("r", relay="yes"), self.amqp()
        self.accepted(self.number(self.client(relay), 5, id="x5"), "queued")
        message = amqp.wait_get(INGEST)
        self.assertEqual(message.properties.user_id, USER)
        self.assertNotIn("ocs-origin", message.headers)
        self.assertIn(b"<messageID>n5</messageID>", message.body)

    def test_what_nobody_is_bound_to_is_returned_and_has_no_subscriber(self):
        a = self.node("a")
        for number in range(20):
            self.accepted(self.number(self.client(a), number, "nobody"), "nosubscriber")
        self.assertEqual(a.link("returned"), 20)
        self.assertEqual(a.link("pending"), 0)

    def test_the_connection_has_a_name_at_the_broker(self):
        self.node("a")
        names = [dict((key, value) for key, _, value in c["client_properties"])
                 .get("connection_name") if isinstance(c["client_properties"], list)
                 else c["client_properties"].get("connection_name")
                 for c in self.broker.connections() if c["vhost"] == self.vhost]
        self.assertIn("ocsmanager a publish", names)


class Trouble(OutboxTest):
    def test_a_missing_ingest_queue_is_made_again_and_nothing_is_lost(self):
        relay, amqp = self.node("r", relay="yes"), self.amqp()
        client = self.client(relay)
        self.accepted(self.number(client, 1, id="x1"), "queued")
        amqp.delete(INGEST)
        self.accepted(self.number(client, 2, id="x2"), "queued")
        self.assertEqual(self.numbers(amqp, INGEST), [2])
        self.assertEqual(relay.link("reconnects"), 0)

    def test_a_missing_exchange_is_made_again(self):
        a, amqp, numbers = self.node("a"), self.amqp(), itertools.count(100)
        amqp.channel.exchange_delete(EXCHANGE)
        client = self.client(a)
        # 503 where it took so long that it is an outage: who listened has to bind anew
        wait_until(lambda: self.number(client, next(numbers)).statuses == ["nosubscriber"], what="it is made")
        queue = self.listen(amqp)
        self.accepted(self.number(self.client(a), 2, id="x2"), "queued")
        self.assertEqual(self.numbers(amqp, queue), [2])

    def fill(self, amqp):
        """A node that is away, its queue full."""
        queue = self.listen(amqp, "away", "full", x_max_length=1, x_overflow="reject-publish")
        wait_until(lambda: not amqp.publish("x", "away", EXCHANGE), what="it refuses more")
        return queue

    def test_a_full_queue_of_one_node_holds_up_no_other_user(self):
        a, amqp = self.node("a", confirm_timeout=LONG), self.amqp()
        elsewhere, full = self.listen(amqp), self.fill(amqp)
        answers = []
        client = self.client(a)
        thread = threading.Thread(
            target=lambda: answers.append(self.number(client, 0, "away", id="x0")))
        thread.start()
        a.wait_link("nacked", 2)
        other = self.client(a)
        for number in range(1, 51):
            self.accepted(self.number(other, number, id=f"x{number}"), "queued")
        self.assertEqual(answers, [], "it still waits")
        thread.join(LONG + 10)
        self.refused_by_broker(answers[0])
        self.assertEqual(self.numbers(amqp, elsewhere), [*range(1, 51)])

        # There is room again: within its time a message is sent until it is taken.
        thread = threading.Thread(
            target=lambda: answers.append(self.number(client, 51, "away", id="x51")))
        nacked = a.link("nacked")
        thread.start()
        a.wait_link("nacked", nacked + 1)
        amqp.purge(full)
        thread.join(CONFIRM_TIMEOUT + 5)
        self.accepted(answers[1], "queued")
        self.assertEqual(self.numbers(amqp, full), [51])

    def test_with_a_spool_what_a_full_queue_refuses_is_kept_until_there_is_room(self):
        a, amqp = self.node("a", spool_max=1), self.amqp()
        elsewhere, full = self.listen(amqp), self.fill(amqp)
        self.accepted(self.number(self.client(a), 0, "away", id="x0"), "queued")
        self.assertEqual(a.link("spooled"), 1)
        client = self.client(a)
        for number in range(1, 51):
            self.accepted(self.number(client, number, id=f"x{number}"), "queued")
        self.assertEqual(a.link("spooled"), 1, "others do not wait for the disk")
        self.assertEqual(self.numbers(amqp, elsewhere), [*range(1, 51)])
        amqp.purge(full)
        wait_until(lambda: self.numbers(amqp, full) == [0], what="it is sent from the spool")
        wait_until(lambda: a.link("spool_messages") == 0, what="the spool is empty")

    def test_connections_cut_by_an_admin_are_not_noticed(self):
        a, amqp = self.node("a"), self.amqp()
        queue = self.listen(amqp)
        load = self.load(a)
        load.wait_accepted(50)
        self.broker.ctl("close_all_connections", "--vhost", self.vhost, "a test")
        amqp = self.amqp()
        a.wait_link("reconnects", 1)
        load.wait_accepted(50)
        load.stop()
        self.assertEqual(load.refused, {})
        found = self.numbers(amqp, queue)
        self.assertEqual([n for i, n in enumerate(found) if n not in found[:i]], load.accepted)

    def test_what_was_answered_before_a_kill_is_in_the_queue_in_order(self):
        a, amqp = self.node("a"), self.amqp()
        queue = self.listen(amqp)
        load = self.load(a, pause=0)
        load.wait_accepted(100)
        self.broker.kill()
        load.wait_refused(3)
        self.broker.start()
        load.wait_accepted(100)
        load.stop()
        found = self.numbers(self.amqp(), queue)
        first = [n for i, n in enumerate(found) if n not in found[:i]]
        self.assertEqual(first, sorted(first))
        self.assertLessEqual(set(load.accepted), set(first))


if __name__ == "__main__":
    unittest.main()
