# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""The ingest queue of a real RabbitMQ: what a system may publish there instead of HTTP, what becomes
of what can never succeed, and what a second delivery does."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness import rabbit, tdb
from harness.client import document, notification
from harness.nodes import Node, RabbitTest
from harness.wait import LIMIT, wait_until

INGEST, DEAD = "ocsmanager.ingest", "ocsmanager.dead"
OLD = {"backend:old": {"uri": "old://{user}@mail/{folder}/{message}"}}


def newmail(number, user="jdoe", **more):
    return notification(message=f"m{number}", user=user, messageFlags=number, **more)


class IngestTest(RabbitTest):
    def setUp(self):
        super().setUp()
        self.mq = self.amqp()

    def listening(self, name="a", **more):
        """A node that consumes, and queues that take messages."""
        node = self.node(name, **more)
        wait_until(lambda: self.mq.state(INGEST) and self.mq.state(INGEST).consumer_count,
                   what="the ingest queue has a consumer")
        return node

    def publish(self, body, **more):
        # a queue that was just made refuses until it has its leader
        wait_until(lambda: self.mq.publish(body, queue=INGEST, **more), what="the queue takes it")

    def letters(self, count, limit=LIMIT):
        found = []
        wait_until(lambda: found.extend(self.mq.get_all(DEAD)) or len(found) >= count, limit,
                   f"{count} dead letters")
        self.assertEqual(len(found), count, found)
        return found

    def reason(self):
        return self.letters(1)[0].headers["ocs-reason"]

    def wait_done(self, node, count):
        """So many documents came, and all that came is acknowledged."""
        node.wait_link("ingested", count)
        # more: what a node sends to itself to see that its bindings are there
        wait_until(lambda: node.link("acked") >= node.link("ingested") + node.link("node_received"), what="all is acknowledged")
        self.assertEqual(node.link("ingested"), count)
        wait_until(lambda: node.link("held") == 0, what="nothing is held")
        self.mq.wait_count(INGEST, 0)


class Documents(IngestTest):
    def test_documents_are_done_in_order_and_poison_among_them_stops_nothing(self):
        node = self.listening()
        consumer = self.consumer(node)
        poison = {40: b"hello", 80: b"<ocsmanager><notification>", 120: b"\xff" * 5000, 160: b""}
        for number in range(200):
            self.publish(document(newmail(number)), message_id=f"id{number}")
            if number in poison:
                self.publish(poison[number])
        self.wait_heard(consumer, range(200))
        heard = [e["message_flags"] for e in consumer.events() if e["event"] == "newmail"]
        self.assertEqual(heard, list(range(200)))
        letters = self.letters(4)
        self.assertEqual([l.body for l in letters], list(poison.values()))
        for letter in letters:
            self.assertRegex(letter.headers["ocs-reason"], "^400 MALFORMED_XML ")
            self.assertEqual(
                [letter.headers[f"ocs-{what}"] for what in ("from", "node", "account")],
                [INGEST, "a", "anonymous"])
        self.wait_done(node, 204)
        self.assertEqual(node.link("dead"), 4)
        self.assertEqual(node.states()["consume"], "up")

    def test_of_a_batch_the_good_are_done_and_the_whole_is_a_dead_letter(self):
        node = self.listening()
        consumer = self.consumer(node)
        body = document(newmail(1) + newmail(2, backend="other") +
                        notification(message="x", folder=None) + newmail(4))
        self.publish(body, message_id="batch", correlation_id="kept", priority=3,
                     headers={"mine": "too", "CC": ["ocsmanager.elsewhere"]}, expiration="600000")
        self.wait_heard(consumer, [1, 4])
        [letter] = self.letters(1)
        self.assertEqual(letter.body.decode(), body)
        self.assertRegex(letter.headers["ocs-reason"],
                         r"^item 2 of 4: 422 UNKNOWN_BACKEND .*other.* \(and 1 more\)$")
        self.assertEqual(letter.headers["mine"], "too")
        self.assertEqual(letter.headers["ocs-cc"], ["ocsmanager.elsewhere"])
        self.assertNotIn("CC", letter.headers)
        self.assertEqual((letter.properties.message_id, letter.properties.correlation_id,
                          letter.properties.expiration), ("batch", "kept", None))
        self.wait_done(node, 1)

    def test_the_json_of_the_older_plugin(self):
        node = self.listening()
        consumer = self.consumer(node)
        for uid, content_type in ((7, None), (8, "application/json"),
                                  (9, "Application/JSON; charset=utf-8")):
            self.publish('{ "user": "jdoe", "folder": "INBOX", "uid": %d }' % uid,
                         content_type=content_type)
        consumer.wait_events(3)
        self.publish('{ "user": "jdoe", "folder": "INBOX", "uid": "8" }',
                     content_type="application/json")
        self.assertEqual(self.reason(),
                         "422 INVALID_PARAMETER uid is not a whole number of 32 bits")
        self.publish('{ "user": "jdoe", "folder": "INBOX", "uid": 8 }')
        self.assertRegex(self.reason(), "^400 MALFORMED_XML ")
        self.wait_done(node, 5)

    def test_json_names_no_backend_and_there_are_two(self):
        node = self.listening(overrides=OLD)
        self.publish('{ "user": "jdoe", "folder": "INBOX", "uid": 7 }', content_type=None)
        self.assertIn("json_backend", self.reason())
        self.wait_done(node, 1)

    def test_what_is_neither(self):
        node = self.listening()
        for content_type, body in (("text/plain", document(newmail(1))), (None, "hello"),
                                   ("text/xml; charset=latin1", document(newmail(1)))):
            self.publish(body, content_type=content_type)
            self.assertRegex(self.reason(), "^415 UNSUPPORTED_MEDIA_TYPE ")
        self.publish(document(newmail(1)), content_encoding="gzip")
        self.assertRegex(self.reason(), "^415 UNSUPPORTED_MEDIA_TYPE .*encoding")
        self.wait_done(node, 4)

    def test_a_body_of_many_megabytes_is_passed_on_without_being_kept(self):
        node = self.listening()
        before = rabbit.rss(node.pid)
        body = document("<!--" + os.urandom(12 << 20).hex() + "-->" + newmail(1)).encode()
        self.publish(body, message_id="large")
        [letter] = self.letters(1)
        self.assertTrue(letter.body == body, "it is the same")
        self.assertRegex(letter.headers["ocs-reason"],
                         f"^413 CONTENT_TOO_LARGE .* {len(body)} bytes")
        self.wait_done(node, 1)
        if not os.environ.get("OCS_BUILD", "").endswith("asan"):
            self.assertLess(rabbit.rss(node.pid) - before, 8)

    def test_the_deletion_of_a_queue_is_survived(self):
        node = self.listening()
        consumer = self.consumer(node)
        self.mq.delete(INGEST)
        self.publish(document(newmail(1)))
        self.wait_heard(consumer, [1])
        self.mq.delete(DEAD)
        self.publish("hello")
        wait_until(lambda: self.mq.count(DEAD), what="the dead-letter queue is there again")
        self.assertRegex(self.reason(), "^400 ")


class Accounts(IngestTest):
    def test_a_user_id_is_held_to_the_limits_of_the_account(self):
        node = self.listening(overrides={"account:mailer": {"backends": "sogo", "users": "j*"}})
        self.broker.add_user("mailer", "secret", self.vhost)
        consumer, other = self.consumer(node), self.consumer(node, "mary")
        with self.broker.amqp(self.vhost, "mailer", "secret") as mailer:
            body = document(newmail(1) + newmail(2, user="mary"))
            self.assertTrue(mailer.publish(body, queue=INGEST, user_id="mailer"))
            self.wait_heard(consumer, [1])
            [letter] = self.letters(1)
            self.assertRegex(letter.headers["ocs-reason"],
                             "^item 2 of 2: 403 ACCESS_FORBIDDEN .*mailer")
            self.assertEqual(letter.headers["ocs-account"], "mailer")
            # The broker itself refuses somebody else's name.
            with self.assertRaises(Exception) as refused:
                mailer.publish(document(newmail(3)), queue=INGEST, user_id="anonymous")
            self.assertIn("406", str(refused.exception))
        self.wait_done(node, 1)
        self.assertEqual(other.events(), [])

    def test_without_a_user_id_it_counts_as_the_configured_account(self):
        node = self.listening(ingest_account="guest",
                              overrides={"account:guest": {"users": "j*"}})
        consumer = self.consumer(node)
        self.publish(document(newmail(1)))
        self.wait_heard(consumer, [1])
        self.publish(document(newmail(1, user="mary")))
        self.assertRegex(self.reason(), "^403 ACCESS_FORBIDDEN .*guest")
        self.wait_done(node, 2)

    def test_without_either_it_is_refused(self):
        node = self.listening(ingest_account="")
        self.publish(document(newmail(1)))
        self.assertRegex(self.reason(), "^403 ACCESS_FORBIDDEN .*ingest_account")
        self.wait_done(node, 1)


class Deliveries(IngestTest):
    def test_two_nodes_share_the_work_and_each_is_heard_once(self):
        nodes = [self.listening(name, prefetch=4) for name in "ab"]
        consumers = [self.consumer(nodes[0]), self.consumer(nodes[1], "mary")]
        wait_until(lambda: self.mq.state(INGEST).consumer_count == 2, what="both consume")
        for number in range(100):
            self.publish(document(newmail(number)), message_id=f"j{number}")
            self.publish(document(newmail(number, user="mary")), message_id=f"m{number}")
        for consumer in consumers:
            self.wait_heard(consumer, range(100))
        wait_until(lambda: sum(n.link("ingested") for n in nodes) == 200)
        for node in nodes:
            self.assertGreater(node.link("ingested"), 0)
            self.assertEqual(node.link("redelivered"), 0)

    def killed_at(self, point):
        """A node that dies at a kill point over message 1, and was started again."""
        node = self.listening(more={"program": "ocsmanager-faults"})
        consumer = self.consumer(node)
        node.terminate()
        self.publish(document(newmail(1)), message_id="one")
        node.env = {"OCS_FAULT_KILL": point}
        node.start(ready=False)
        node.process.wait(LIMIT)
        node.kill()
        node.env = {}
        node.start().wait_linked()
        self.wait_done(node, 1)
        return node, consumer

    def test_the_id_of_the_message_tells_a_second_one(self):
        node = self.listening()
        consumer = self.consumer(node, tables=("object",))
        body = document(notification("modified", total=5) + notification("modified", total=6))
        for message_id in ("x", "x", "y"):
            self.publish(body, message_id=message_id)
        self.wait_done(node, 3)
        wait_until(lambda: len(consumer.events()) >= 4, what="four events")
        self.publish(document(notification("modified", total=7)))
        consumer.wait_event(lambda e: e["total"] == 7)
        self.assertEqual([e["total"] for e in consumer.events()], [5, 6, 5, 6, 7])

    def second_deliveries(self, node):
        """How many were duplicates, and how many were dispatched."""
        self.assertGreaterEqual(node.link("redelivered"), 1)
        return [node.link("redelivered_duplicate"), node.link("redelivered_again")]

    def test_killed_after_it_was_registered_the_second_delivery_is_a_duplicate(self):
        node, consumer = self.killed_at("newmail-done")
        self.wait_heard(consumer, [1])
        self.assertEqual(self.second_deliveries(node), [1, 0])

    def test_killed_between_the_entry_and_its_registration_is_where_it_may_be_seen_twice(self):
        node, consumer = self.killed_at("newmail-sent")
        self.wait_heard(consumer, [1], at_most=2)
        self.assertEqual(self.second_deliveries(node), [0, 1])

    def test_a_message_that_killed_twenty_times_is_put_aside_and_those_behind_it_are_done(self):
        self.mq.declare(INGEST)
        self.mq.declare(DEAD)
        for number in range(3):
            self.publish(document(newmail(number)), message_id=f"id{number}")
        for _ in range(20):
            held = [wait_until(lambda: self.mq.get(INGEST, ack=False)) for _ in range(3)]
            for message in reversed(held):
                self.mq.nack(message)
            self.mq.wait_count(INGEST, 3)
        node = self.node("a", start=False)
        node.start()
        [letter] = self.letters(1)
        self.assertIn("delivered 20 times", letter.headers["ocs-reason"])
        self.wait_done(node, 3)
        self.assertEqual(node.metrics().get("ocsmanager_notifications_total"), 2)

    def test_what_the_registry_cannot_take_now_is_held_and_done_later(self):
        node = self.listening(overrides={"limits": {"request_deadline": "2"}}, confirm_timeout=1)
        consumer = self.consumer(node)
        holder = tdb.StoppedHolder(os.path.join(node.registry, "index.tdb"), "write")
        self.addCleanup(holder.close)
        self.publish(document(newmail(1) + newmail(2)), message_id="held")
        node.wait_link("retried", 1)
        self.assertEqual([node.link(what) for what in ("held", "dead")], [1, 0])
        holder.go_on()
        self.wait_heard(consumer, [1, 2])
        self.wait_done(node, 1)

    def test_a_backend_that_only_the_sender_knows_is_a_dead_letter_of_the_receiver(self):
        a = self.node("a", overrides=OLD)
        b = self.node("b")
        self.consumer(b)
        self.accepted(self.client(a).put(newmail(1, backend="old", id="x")), "queued")
        [letter] = self.letters(1)
        self.assertEqual((letter.headers["ocs-from"], letter.headers["ocs-node"],
                          letter.headers["ocs-origin"], letter.headers["ocs-key"]),
                         (b.queue, "b", "a", "jdoe"))
        self.assertRegex(letter.headers["ocs-reason"], "^422 UNKNOWN_BACKEND ")
        self.assertEqual(b.link("held"), 0)


class Queues(IngestTest):
    def test_two_nodes_of_one_name(self):
        first = self.node("a")
        second = Node(self.uri, "a", 2)
        self.addCleanup(second.close)
        second.start()
        line = second.err.wait_text("another ocsmanager uses the node name")
        self.assertIn('"a"', line)
        self.assertEqual(second.states()["consume"], "refused")
        self.assertEqual(first.states()["consume"], "up")
        first.terminate()
        wait_until(lambda: second.states()["consume"] == "up", what="the second takes over")

    def test_an_ingest_queue_with_other_arguments_does_not_stop_the_nodes_own(self):
        self.mq.declare(INGEST, quorum=False)
        a, b = self.node("a", linked=False), self.node("b", linked=False)
        line = a.err.wait_text("other arguments")
        self.assertIn(INGEST, line)
        self.assertEqual(a.states()["consume"], "refused")
        consumer = self.consumer(b)
        wait_until(lambda: a.states()["publish"] == "up")
        self.accepted(self.number(self.client(a), 1))
        self.wait_heard(consumer, [1])
        self.mq.delete(INGEST)
        wait_until(lambda: a.states()["consume"] == "up", what="it is tried again")
        self.assertEqual(len([l for l in a.err.snapshot() if "other arguments" in l]), 1)

    def test_a_node_that_takes_no_part_leaves_the_ingest_queue_alone(self):
        node = self.node("a", ingest="no")
        self.assertIsNone(self.mq.state(INGEST))
        self.assertEqual(node.states()["consume"], "up")


if __name__ == "__main__":
    unittest.main()
