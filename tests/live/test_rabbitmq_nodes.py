"""Nodes joined by a real RabbitMQ: a notification accepted anywhere is heard where the user has a
session, once, and comes to no other node."""

import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness import paths, ropnotify
from harness.client import notification
from harness.nodes import RabbitTest
from harness.rabbit import PASSWORD, free_port
from harness.wait import wait_until

NEWMAIL = 0x8002


class ThreeNodes(RabbitTest):
    broker_options = {"tls": True}

    def setUp(self):
        super().setUp()
        self.a, self.b, self.c = self.nodes(unbind_after=1)
        self.at_a, self.at_b, self.at_c = (self.client(n) for n in (self.a, self.b, self.c))

    def marker(self, client, consumer, number=999999, user="jdoe"):
        """What must come after all that was sent through this client before it."""
        self.accepted(self.number(client, number, user))
        self.wait_heard(consumer, [number])
        return number

    def test_what_a_accepts_is_heard_at_b_and_comes_to_no_other_node(self):
        consumer = self.consumer(self.b)
        answer = self.accepted(self.number(self.at_a, 1, id="first"))
        self.assertEqual(answer.results, [("first", "queued", 0, None)])
        self.wait_heard(consumer, [1])
        self.assertEqual([n.link("node_received") for n in (self.a, self.b, self.c)], [0, 1, 0])
        self.assertEqual(self.a.link("confirmed"), 1)
        self.assertEqual(self.a.link("returned"), 0)

    def test_the_session_at_b_gets_the_bytes_and_the_datagram_it_would_get_at_a(self):
        ears = [self.udp(), self.udp()]
        context = "0102030405060708"
        consumers = [self.consumer(node, form="hex", push=ear.address, context=context)
                     for node, ear in zip((self.a, self.b), ears)]
        self.accepted(self.number(self.at_a, 4), "queued")
        for consumer, ear in zip(consumers, ears):
            line = consumer.out.wait(lambda lines: list(lines), what="a RopNotify")[0]
            [fields] = ropnotify.decode_all(bytes.fromhex(line))
            self.assertEqual((fields["NotificationFlags"] & 0x8FFF, fields["MessageFlags"]),
                             (NEWMAIL, 4))
            self.assertEqual(ear.receive()[0], bytes.fromhex(context))

    def test_nobody_anywhere(self):
        self.consumer(self.b, "somebody.else")
        self.accepted(self.number(self.at_a, 1), "nosubscriber")
        self.assertEqual(self.a.link("returned"), 1)
        self.assertEqual(sum(n.link("node_received") for n in (self.a, self.b, self.c)), 0)

    def test_sessions_at_two_nodes_both_hear_once(self):
        consumers = [self.consumer(self.a), self.consumer(self.b)]
        answer = self.accepted(self.number(self.at_a, 1), "queued")
        self.assertEqual(answer.results[0][2], 1, "the queues of this node are counted")
        for consumer in consumers:
            self.wait_heard(consumer, [1])
            self.marker(self.at_a, consumer)
            self.assertEqual(sum(self.heard(consumer).values()), 2)

    def test_a_put_right_after_subscribed_is_heard(self):
        for number in range(8):
            user = f"user{number}"
            consumer = self.consumer(self.b, user)
            self.accepted(self.number(self.at_a, number, user), "queued")
            self.wait_heard(consumer, [number])
        self.assertEqual(self.b.link("bind_timeouts"), 0)

    def test_names_that_are_no_plain_words_travel_too(self):
        for number, user in enumerate(("größe@example.org", "a.b#*c", "x" * 400, "with space")):
            with self.subTest(user=user[:20]):
                consumer = self.consumer(self.b, user)
                self.accepted(self.number(self.at_a, number, user), "queued")
                self.wait_heard(consumer, [number])

    def test_an_id_sent_again_to_another_node_makes_no_second_event(self):
        consumer = self.consumer(self.b)
        self.accepted(self.number(self.at_a, 1, id="same"), "queued")
        self.accepted(self.number(self.at_a, 1, id="same"))
        self.accepted(self.number(self.at_c, 2, id="same"))
        self.wait_heard(consumer, [1])
        for client, number in ((self.at_a, 10), (self.at_c, 11)):
            self.marker(client, consumer, number)
        self.assertEqual(dict(self.heard(consumer)), {1: 1, 10: 1, 11: 1})

    def test_an_id_heard_from_another_node_is_known_when_it_is_sent_here(self):
        consumer = self.consumer(self.b)
        self.accepted(self.number(self.at_a, 1, id="once"), "queued")
        self.wait_heard(consumer, [1])
        self.accepted(self.number(self.at_b, 2, id="once"), "duplicate")
        self.marker(self.at_b, consumer, 10)
        self.assertEqual(dict(self.heard(consumer)), {1: 1, 10: 1})

    def test_without_an_id_each_report_is_one_of_its_own(self):
        consumer = self.consumer(self.b, tables=("object",))
        for client in (self.at_a, self.at_c, self.at_a):
            self.accepted(client.put(notification("modified", message="m")), "queued")
        consumer.wait_events(3)

    def test_a_message_reported_to_two_nodes_is_announced_once(self):
        consumer = self.consumer(self.b)
        for client in (self.at_a, self.at_c):
            self.accepted(client.newmail("one", messageFlags=1))
        for client, number in ((self.at_a, 10), (self.at_c, 11)):
            self.marker(client, consumer, number)
        self.assertEqual(self.heard(consumer)[1], 1)

    def test_every_category_travels_with_its_fields(self):
        here = self.consumer(self.a, tables=("newmail", "object", "contents", "hierarchy"))
        there = self.consumer(self.b, tables=("newmail", "object", "contents", "hierarchy"))
        self.accepted(self.at_a.put(
            notification("created", folder="New"),
            notification("newmail", message="1", messageClass="IPM.Task", messageFlags=4, total=17,
                         unread=3, uidValidity=7),
            notification("modified", message="1", total=17, unread=2),
            notification("moved", message="2", folder="New", oldFolder="INBOX", oldMessageID="1"),
            notification("copied", message="3", folder="INBOX", oldFolder="New", oldMessageID="2"),
            notification("deleted", message="3"), notification("search-completed", folder="S")))
        self.marker(self.at_a, there)
        same = ("event", "notification_flags", "table_event", "total", "unread", "message_flags",
                "message_class")
        wait_until(lambda: len(here.events()) == len(there.events()), what="as many at b")
        self.assertEqual([tuple(e[k] for k in same) for e in there.events()],
                         [tuple(e[k] for k in same) for e in here.events()])

    def test_a_batch_is_answered_in_order_and_heard_in_order(self):
        ann, bob = self.consumer(self.b, "ann"), self.consumer(self.c, "bob")
        users = ["ann", "bob", "nobody"]
        answer = self.accepted(self.at_a.put(*(
            notification("newmail", user=users[n % 3], message=str(n), id=f"i{n}", messageFlags=n)
            for n in range(90)), notification("newmail", backend="none", message="x")))
        self.assertEqual(
            answer.results[:90],
            [(f"i{n}", "nosubscriber" if n % 3 == 2 else "queued", 0, None) for n in range(90)])
        self.assertEqual(answer.results[90][3], "UNKNOWN_BACKEND")
        for consumer, rest in ((ann, 0), (bob, 1)):
            self.wait_heard(consumer, range(rest, 90, 3))
            self.assertEqual([e["message_flags"] for e in consumer.events()],
                             list(range(rest, 90, 3)))

    def test_a_user_whose_sessions_ended_is_unbound(self):
        consumer = self.consumer(self.b)
        self.accepted(self.number(self.at_a, 1), "queued")
        consumer.close()
        self.b.wait_link("unbinds", 1)
        self.accepted(self.number(self.at_a, 2), "nosubscriber")
        self.assertEqual(self.b.link("bound_users"), 0)
        again = self.consumer(self.b)
        self.accepted(self.number(self.at_a, 3), "queued")
        self.wait_heard(again, [3])

    def test_a_user_with_another_session_stays_bound(self):
        first, second = self.consumer(self.b), self.consumer(self.b)
        other = self.consumer(self.b, "other")
        first.close()
        other.close()
        self.b.wait_link("unbinds", 1)  # of the other one
        self.accepted(self.number(self.at_a, 1), "queued")
        self.wait_heard(second, [1])

    def test_what_came_while_a_node_was_restarted_is_heard(self):
        consumer = self.consumer(self.b)
        self.accepted(self.number(self.at_a, 1), "queued")
        self.wait_heard(consumer, [1])
        self.b.terminate()
        for number in range(2, 6):
            self.accepted(self.number(self.at_a, number), "queued")
        self.b.start()
        self.wait_heard(consumer, range(1, 6))

    def test_a_second_node_of_the_same_name_is_told_so_and_takes_nothing(self):
        consumer = self.consumer(self.b)
        twin = self.node("b", number=20, linked=False)
        twin.err.wait_text('another ocsmanager uses the node name "b"', 20)
        for number in range(1, 20):
            self.accepted(self.number(self.at_a, number), "queued")
        self.wait_heard(consumer, range(1, 20))
        self.assertEqual(twin.link("node_received"), 0)

    def test_the_status_of_the_link_is_shown(self):
        self.consumer(self.b)
        self.accepted(self.number(self.at_a, 1), "queued")
        self.b.wait_link("node_received", 1)
        status, page = self.b.operations("/status")
        self.assertEqual(status, 200)
        self.assertIn("ocsmanager.node.b", page)
        self.assertNotIn(PASSWORD, page)
        shown = subprocess.run([paths.program("ocsctl"), "-c", self.b.ini, "status"], text=True,
                               capture_output=True, timeout=30, check=False)
        self.assertEqual(shown.returncode, 0, shown.stderr)
        self.assertIn("publish", shown.stdout)

    def test_the_password_is_nowhere_to_be_seen(self):
        for node in (self.a, self.b):
            with open(f"/proc/{node.pid}/cmdline", "rb") as f:
                self.assertNotIn(PASSWORD.encode(), f.read())
            for path in ("/metrics", "/status", "/healthz"):
                self.assertNotIn(PASSWORD, node.operations(path)[1])
            self.assertNotIn(PASSWORD, node.log())
            self.assertNotIn("a%2Fsecret", node.log())


class Map(RabbitTest):
    broker_options = {"tls": True}
    MAP = ("sogo\tshared\tINBOX\talice\t-\n"
           "sogo\tshared\tINBOX\tbob\t-\n"
           "sogo\tshared\tINBOX\tcarol\t-\n"
           "sogo\tjdoe\t*\t=\t-\n")

    def test_users_on_several_nodes_hear_of_one_folder_by_one_message(self):
        nodes = [self.node(name, start=False, overrides={"users": {"map": "map"}})
                 for name in "abc"]
        for node in nodes:
            node.write("map", self.MAP)
            node.start()
        for node in nodes:
            node.wait_linked()
        a, b, c = nodes
        consumers = [self.consumer(a, "alice"), self.consumer(b, "bob"), self.consumer(b, "carol"),
                     self.consumer(c, "carol")]
        stranger = self.consumer(c, "jdoe")
        client = self.client(a)
        self.accepted(self.number(client, 1, "shared"), "queued")
        self.accepted(self.number(client, 2, "jdoe"), "queued")
        for consumer in consumers:
            self.wait_heard(consumer, [1])
        self.wait_heard(stranger, [2])
        self.assertEqual(set(self.heard(stranger)), {2})
        self.assertEqual(a.link("published"), 2)
        self.assertEqual([b.link("node_received"), c.link("node_received")], [1, 2])
        self.refused(self.number(client, 3, "nobody"), 422, "UNKNOWN_USER")


class Transport(RabbitTest):
    broker_options = {"tls": True}

    def test_tls_with_the_ca_that_is_named(self):
        uri = self.broker.uri(self.vhost, tls=True, host="localhost")
        a, b = self.nodes("ab", uri=uri, ca_file=self.broker.ca_file)
        consumer = self.consumer(b)
        self.accepted(self.number(self.client(a), 1), "queued")
        self.wait_heard(consumer, [1])

    def test_tls_with_a_ca_that_is_not_trusted_is_refused_unless_told_otherwise(self):
        uri = self.broker.uri(self.vhost, tls=True, host="localhost")
        node = self.node("a", uri=uri, linked=False)
        node.err.wait_text("certificate", 20)
        wait_until(lambda: not node.healthy(), 10, "the health check says so")
        self.assertNotIn(PASSWORD, node.log())
        self.node("b", uri=uri, tls_verify="no")

    def test_a_broker_that_is_not_there_is_passed_over(self):
        nobody = self.broker.uri(self.vhost, port=free_port())
        a, b = self.nodes("ab", uri=f"{nobody}, {self.uri}")
        consumer = self.consumer(b)
        self.accepted(self.number(self.client(a), 1), "queued")
        self.wait_heard(consumer, [1])

    def test_the_names_of_exchange_and_queue_are_settings(self):
        a, b = self.nodes("ab", exchange="my.users", ingest_queue="my.ingest", dead_queue="my.dead")
        consumer = self.consumer(b)
        self.accepted(self.number(self.client(a), 1), "queued")
        self.wait_heard(consumer, [1])
        amqp = self.amqp()
        for queue in ("my.ingest", "my.dead"):
            self.assertIsNotNone(amqp.count(queue))
        self.assertIsNone(amqp.count("ocsmanager.ingest"))


if __name__ == "__main__":
    unittest.main()
