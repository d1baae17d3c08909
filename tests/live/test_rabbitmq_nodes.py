# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Nodes joined by a real RabbitMQ: a notification accepted anywhere is heard where the user has a
session, once, and comes to no other node."""

import json
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness import paths, rabbit, ropnotify
from harness.client import notification
from harness.nodes import Node, RabbitTest
from harness.ports import free_port
from harness.rabbit import PASSWORD
from harness.wait import LIMIT, wait_until

NEWMAIL = 0x8002


class ThreeNodes(RabbitTest):
    """The nodes are the class's; each test has a user of its own."""

    shared_nodes = None

    def setUp(self):
        cls = type(self)
        if cls.shared_nodes is None:
            cls.shared_broker = self.broker = rabbit.shared()
            cls.shared_vhost = self.vhost = self.broker.vhost()
            cls.addClassCleanup(self.broker.delete_vhost, self.vhost)
            cls.shared_nodes = [Node(self.uri, name, number, unbind_after=1)
                                for number, name in enumerate("abc", 1)]
            for node in cls.shared_nodes:
                cls.addClassCleanup(node.close)
                node.start()
        self.broker, self.vhost = cls.shared_broker, cls.shared_vhost
        self.a, self.b, self.c = self.started = cls.shared_nodes[:]
        for node in self.started:
            node.wait_linked()
        self.at_a, self.at_b, self.at_c = (self.client(n) for n in self.started)
        self.user = self.id().split(".")[-1]
        self.before = self.counters()

    def counters(self):
        return {name: [node.link(name) - node.link("node_own") * (name == "node_received")
                       for node in (self.a, self.b, self.c)]
                for name in ("node_received", "published", "confirmed", "returned", "unbinds")}

    def counted(self, name):
        """How much a counter grew in this test, at a, b and c."""
        return [new - old for new, old in zip(self.counters()[name], self.before[name])]

    def here(self, node, user=None, **more):
        return self.consumer(node, user or self.user, **more)

    def put(self, client, number, user=None, **more):
        if more.get("id"):
            more["id"] = f"{self.user}-{more['id']}"
        return self.number(client, number, user or self.user, **more)

    def wait_nobody(self, user):
        """Until no node has the user bound."""
        wait_until(lambda: self.at_a.put(self.report("modified", user)).statuses == ["nosubscriber"],
                   what=f"{user} is unbound")

    def marker(self, client, consumer, number=999999):
        """What must come after all that was sent through this client before it."""
        self.accepted(self.put(client, number))
        self.wait_heard(consumer, [number])
        return number

    def report(self, category, user=None, **more):
        return notification(category, user=user or self.user, **more)

    def test_what_a_accepts_is_heard_at_b_and_comes_to_no_other_node(self):
        consumer = self.here(self.b)
        answer = self.accepted(self.put(self.at_a, 1, id="first"))
        self.assertEqual(answer.results, [(self.user + "-first", "queued", 0, None)])
        self.wait_heard(consumer, [1])
        self.assertEqual(self.counted("node_received"), [0, 1, 0])
        self.assertEqual(self.counted("confirmed"), [1, 0, 0])
        self.assertEqual(self.counted("returned"), [0, 0, 0])

    def test_the_session_at_b_gets_the_bytes_and_the_datagram_it_would_get_at_a(self):
        ears = [self.udp(), self.udp()]
        context = "0102030405060708"
        consumers = [self.here(node, form="hex", push=ear.address, context=context)
                     for node, ear in zip((self.a, self.b), ears)]
        self.accepted(self.put(self.at_a, 4), "queued")
        for consumer, ear in zip(consumers, ears):
            line = consumer.out.wait(lambda lines: list(lines), what="a RopNotify")[0]
            [fields] = ropnotify.decode_all(bytes.fromhex(line))
            self.assertEqual((fields["NotificationFlags"] & 0x8FFF, fields["MessageFlags"]),
                             (NEWMAIL, 4))
            self.assertEqual(ear.receive()[0], bytes.fromhex(context))

    def test_nobody_anywhere(self):
        self.here(self.b, "somebody.else")
        self.accepted(self.put(self.at_a, 1), "nosubscriber")
        self.assertEqual(self.counted("returned"), [1, 0, 0])
        self.assertEqual(self.counted("node_received"), [0, 0, 0])

    def test_sessions_at_two_nodes_both_hear_once(self):
        consumers = [self.here(self.a), self.here(self.b)]
        answer = self.accepted(self.put(self.at_a, 1), "queued")
        self.assertEqual(answer.results[0][2], 1, "the queues of this node are counted")
        for consumer in consumers:
            self.wait_heard(consumer, [1])
            self.marker(self.at_a, consumer)
            self.assertEqual(sum(self.heard(consumer).values()), 2)

    def test_a_put_right_after_subscribed_is_heard(self):
        for number in range(8):
            user = f"user{number}"
            consumer = self.here(self.b, user)
            self.accepted(self.put(self.at_a, number, user), "queued")
            self.wait_heard(consumer, [number])
        self.assertEqual(self.b.link("bind_timeouts"), 0)

    def test_names_that_are_no_plain_words_travel_too(self):
        for number, user in enumerate(("größe@example.org", "a.b#*c", "x" * 400, "with space")):
            with self.subTest(user=user[:20]):
                consumer = self.here(self.b, user)
                self.accepted(self.put(self.at_a, number, user), "queued")
                self.wait_heard(consumer, [number])

    def test_an_id_sent_again_to_another_node_makes_no_second_event(self):
        consumer = self.here(self.b)
        self.accepted(self.put(self.at_a, 1, id="same"), "queued")
        self.accepted(self.put(self.at_a, 1, id="same"))
        self.accepted(self.put(self.at_c, 2, id="same"))
        self.wait_heard(consumer, [1])
        for client, number in ((self.at_a, 10), (self.at_c, 11)):
            self.marker(client, consumer, number)
        self.assertEqual(dict(self.heard(consumer)), {1: 1, 10: 1, 11: 1})

    def test_an_id_heard_from_another_node_is_known_when_it_is_sent_here(self):
        consumer = self.here(self.b)
        self.accepted(self.put(self.at_a, 1, id="once"), "queued")
        self.wait_heard(consumer, [1])
        self.accepted(self.put(self.at_b, 2, id="once"), "duplicate")
        self.marker(self.at_b, consumer, 10)
        self.assertEqual(dict(self.heard(consumer)), {1: 1, 10: 1})

    def test_without_an_id_each_report_is_one_of_its_own(self):
        consumer = self.here(self.b, tables=("object",))
        for client in (self.at_a, self.at_c, self.at_a):
            self.accepted(client.put(self.report("modified", message="m")), "queued")
        consumer.wait_events(3)

    def test_a_message_reported_to_two_nodes_is_announced_once(self):
        consumer = self.here(self.b)
        for client in (self.at_a, self.at_c):
            self.accepted(client.newmail("one", user=self.user, messageFlags=1))
        for client, number in ((self.at_a, 10), (self.at_c, 11)):
            self.marker(client, consumer, number)
        self.assertEqual(self.heard(consumer)[1], 1)

    def test_every_category_travels_with_its_fields(self):
        here = self.here(self.a, tables=("newmail", "object", "contents", "hierarchy"))
        there = self.here(self.b, tables=("newmail", "object", "contents", "hierarchy"))
        self.accepted(self.at_a.put(
            self.report("created", folder="New"),
            self.report("newmail", message="1", messageClass="IPM.Task", messageFlags=4, total=17,
                         unread=3, uidValidity=7),
            self.report("modified", message="1", total=17, unread=2),
            self.report("moved", message="2", folder="New", oldFolder="INBOX", oldMessageID="1"),
            self.report("copied", message="3", folder="INBOX", oldFolder="New", oldMessageID="2"),
            self.report("deleted", message="3"), self.report("search-completed", folder="S")))
        self.marker(self.at_a, there)
        same = ("event", "notification_flags", "table_event", "total", "unread", "message_flags",
                "message_class")
        wait_until(lambda: len(here.events()) == len(there.events()), what="as many at b")
        # Each queue has its order; how several are merged depends on when they are read.
        for queue in ("newmail", "table", "object"):
            told, expected = ([tuple(e[k] for k in same) for e in consumer.events()
                               if (e["event"] if e["event"] in ("newmail", "table") else "object") == queue]
                              for consumer in (there, here))
            self.assertEqual(told, expected)

    def whois(self, node, id):
        done = subprocess.run([paths.program("ocsctl"), "-c", node.ini, "whois", f"{id:016x}", "--json"],
                              text=True, capture_output=True, timeout=LIMIT, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        known = json.loads(done.stdout)
        return known["kind"], known["folder"], known["message"], known["deleted"]

    def test_folders_and_mails_have_one_identifier_on_every_node(self):
        consumers = [self.here(node, tables=("newmail", "object")) for node in self.started]
        clients = [self.at_a, self.at_b, self.at_c]
        reports = [
            self.report("created", folder="Work/2024"), self.report("newmail", message="1"),
            self.report("newmail", message="2", folder="Work/2024"),
            self.report("modified", message="1"), self.report("created", folder="Work/2024/May"),
            self.report("newmail", message="3", folder="Work/2024/May/Deep"),
            self.report("moved", folder="Done", oldFolder="Work"),
            self.report("moved", message="4", folder="Done/2024", oldFolder="INBOX", oldMessageID="1"),
            self.report("copied", message="5", folder="INBOX", oldFolder="Done/2024", oldMessageID="2"),
            self.report("moved", folder="Archive", oldFolder="INBOX"),
            self.report("newmail", message="1"), self.report("modified", message="5", folder="Archive"),
            self.report("deleted", message="9"), self.report("deleted", folder="Done/2024/May")]
        keys = ("event", "fid", "mid", "parent_fid", "old_fid", "old_mid", "old_parent_fid")

        def told(consumer):
            return [tuple(e.get(k) for k in keys) for e in consumer.events() if e["event"] != "table"]

        for number, report in enumerate(reports):
            before = [len(told(consumer)) for consumer in consumers]
            self.accepted(clients[number % 3].put(report), "queued")
            new = wait_until(lambda: all(len(told(c)) > n for c, n in zip(consumers, before)) and
                             len({len(told(c)) for c in consumers}) == 1 and
                             [sorted(told(c)[n:], key=str) for c, n in zip(consumers, before)],
                             what=f"report {number} at each node")
            self.assertEqual(new[1:], [new[0]] * 2, f"report {number}")
        for node in self.started:
            self.assertNotIn("is something else here", node.log())
        mails = {e.mid for e in consumers[0].events() if e["event"] == "newmail"}
        self.assertEqual(len(mails), 4)
        for id in mails | {e.fid for e in consumers[0].events()}:
            self.assertEqual(len({self.whois(node, id) for node in self.started}), 1)

    def test_a_batch_is_answered_in_order_and_heard_in_order(self):
        ann, bob = self.here(self.b, "ann"), self.here(self.c, "bob")
        users = ["ann", "bob", "nobody"]
        answer = self.accepted(self.at_a.put(*(
            self.report("newmail", user=users[n % 3], message=str(n), id=f"i{n}", messageFlags=n)
            for n in range(90)), self.report("newmail", backend="none", message="x")))
        self.assertEqual(
            answer.results[:90],
            [(f"i{n}", "nosubscriber" if n % 3 == 2 else "queued", 0, None) for n in range(90)])
        self.assertEqual(answer.results[90][3], "UNKNOWN_BACKEND")
        for consumer, rest in ((ann, 0), (bob, 1)):
            self.wait_heard(consumer, range(rest, 90, 3))
            self.assertEqual([e["message_flags"] for e in consumer.events()],
                             list(range(rest, 90, 3)))

    def test_a_user_whose_sessions_ended_is_unbound(self):
        consumer = self.here(self.b)
        self.accepted(self.put(self.at_a, 1), "queued")
        consumer.close()
        wait_until(lambda: self.counted("unbinds")[1] >= 1, what="an unbind")
        self.wait_nobody(self.user)
        again = self.here(self.b)
        self.accepted(self.put(self.at_a, 3), "queued")
        self.wait_heard(again, [3])

    def test_a_user_with_another_session_stays_bound(self):
        first, second = self.here(self.b), self.here(self.b)
        other = self.here(self.b, "other")
        first.close()
        other.close()
        self.wait_nobody("other")
        self.accepted(self.put(self.at_a, 1), "queued")
        self.wait_heard(second, [1])

    def test_what_came_while_a_node_was_restarted_is_heard(self):
        consumer = self.here(self.b)
        self.accepted(self.put(self.at_a, 1), "queued")
        self.wait_heard(consumer, [1])
        self.b.terminate()
        for number in range(2, 6):
            self.accepted(self.put(self.at_a, number), "queued")
        self.b.start()
        self.wait_heard(consumer, range(1, 6))

    def test_a_second_node_of_the_same_name_is_told_so_and_takes_nothing(self):
        consumer = self.here(self.b)
        twin = self.node("b", number=20, linked=False)
        twin.err.wait_text('another ocsmanager uses the node name "b"')
        for number in range(1, 20):
            self.accepted(self.put(self.at_a, number), "queued")
        self.wait_heard(consumer, range(1, 20))
        self.assertEqual(twin.link("node_received"), 0)
        # what it handed on would be dropped as b's own: it promises nothing to anybody
        wait_until(lambda: twin.operations("/healthz")[0] == 503, what="the twin to say so")
        self.assertIn("uses this node's name", twin.operations("/healthz")[1])
        self.refused(self.put(self.client(twin), 30), 503, "BROKER_UNAVAILABLE")

    def test_the_status_of_the_link_is_shown(self):
        self.here(self.b)
        self.accepted(self.put(self.at_a, 1), "queued")
        wait_until(lambda: self.counted("node_received")[1] == 1)
        status, page = self.b.operations("/status")
        self.assertEqual(status, 200)
        for connection in ("publish", "consume", "bind"):
            self.assertRegex(page, f"{connection}</td><td>up .*:{self.broker.port}/{self.vhost}<")
        self.assertNotIn(PASSWORD, page)
        shown = subprocess.run([paths.program("ocsctl"), "-c", self.b.ini, "status"], text=True,
                               capture_output=True, timeout=LIMIT, check=False)
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
    MAP = ("sogo\tshared\tINBOX\talice\t-\n"
           "sogo\tshared\tINBOX\tbob\t-\n"
           "sogo\tshared\tINBOX\tcarol\t-\n"
           "sogo\tjdoe\t*\t=\t-\n")

    def test_users_on_several_nodes_hear_of_one_folder_by_one_message(self):
        nodes = [self.node(name, start=False, overrides={"users": {"map": "map"}}, unbind_after=1)
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
        # a session of another node that sees the store, in no line of any map
        dora = self.consumer(b, "dora", maps=("sogo:nobody",))
        before = c.link("node_received")
        self.accepted(self.number(client, 4, "nobody"), "queued")
        self.wait_heard(dora, [4])
        self.assertEqual(c.link("node_received"), before)
        dora.close()
        wait_until(lambda: self.number(client, 5, "nobody").status == 422, what="the store is unbound")
        self.assertIn(self.amqp().count("ocsmanager.dead"), (None, 0), "what came meanwhile is no dead letter")


class Transport(RabbitTest):
    def test_tls_with_the_ca_that_is_named(self):
        uri = self.broker.uri(self.vhost, tls=True, host="localhost")
        a, b = self.nodes("ab", uri=uri, ca_file=self.broker.ca_file)
        consumer = self.consumer(b)
        self.accepted(self.number(self.client(a), 1), "queued")
        self.wait_heard(consumer, [1])

    def test_tls_with_a_ca_that_is_not_trusted_is_refused_unless_told_otherwise(self):
        uri = self.broker.uri(self.vhost, tls=True, host="localhost")
        node = self.node("a", uri=uri, linked=False)
        node.err.wait_text("certificate")
        wait_until(lambda: not node.healthy(), what="the health check says so")
        self.assertNotIn(PASSWORD, node.log())
        self.node("b", uri=uri, tls_verify="no")

    def test_tls_with_an_address_is_refused_even_if_the_certificate_names_it(self):
        uri = self.broker.uri(self.vhost, tls=True)
        node = self.node("a", uri=uri, ca_file=self.broker.ca_file, linked=False)
        node.err.wait_text("its certificate is for another host name than that in uri")

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
