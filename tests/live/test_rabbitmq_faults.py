"""What a real broker can do to its nodes, and what can happen to a node, under load: nothing that was
accepted is lost, nothing is heard twice but where a node was killed, answers stay prompt, local
delivery goes on, memory stays bounded, and it heals by itself."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness.client import notification
from harness.nodes import QUICK, RabbitTest
from harness.rabbit import PASSWORD, rss
from harness.wait import wait_until

# An answer may take this long, whatever the broker does: the confirm timeout and a second.
PROMPT = int(QUICK["confirm_timeout"]) + 1.0
MORE_MEMORY = 400 if "san" in os.path.basename(os.environ.get("OCS_BUILD", "")) else 64  # MiB


class FaultTest(RabbitTest):
    def setUp(self):
        super().setUp()
        self.loads = []

    def load(self, node, **more):
        self.loads.append(super().load(node, **more))
        return self.loads[-1]

    def stop_loads(self):
        for load in self.loads:
            load.stop()
            self.assertLess(load.slowest, PROMPT, f"the slowest answer of {load.sent}")
            self.assertEqual(load.broken, {})
            for status, retry in load.refused.values():
                self.assertEqual(status, 503)
                self.assertRegex(retry or "", r"^[0-9]+$", "Retry-After")

    def unhealthy(self, node, limit=20.0):
        """The reason, once it says it is not well."""
        wait_until(lambda: not node.healthy(), limit, f"{node.name} says it is not linked")
        return node.operations("/healthz")[1]

    def still_delivers_locally(self, node, client, consumer, numbers):
        """What is refused for the others' sake is heard here all the same."""
        for number in numbers:
            self.number(client, number)
        self.wait_heard(consumer, numbers)

    def works(self, sender, receiver, user, number=777):
        """A session that begins now is heard about at once."""
        consumer = self.consumer(receiver, user)
        self.accepted(self.number(self.client(sender), number, user), "queued")
        self.wait_heard(consumer, [number])


class BrokerFaults(FaultTest):
    def test_broker_killed_and_restarted_under_load(self):
        a, b, c = self.nodes()
        relay = self.node("r", relay="yes")
        here, there = self.consumer(a, "here"), self.consumer(b)
        memory = {node: rss(node.pid) for node in (a, b, c, relay)}
        loads = [self.load(a), self.load(relay, prefix="r", first=1000000)]
        for load in loads:
            load.wait_accepted(150)

        self.broker.kill()
        for load in loads:
            load.wait_refused(5)
        self.assertIn("broker", self.unhealthy(a).lower())
        client = self.client(a)
        for number in range(3):
            self.refused_by_broker(self.number(client, number, "here", id=f"h{number}"))
        self.wait_heard(here, range(3))

        self.broker.start()
        for load in loads:
            load.wait_accepted(150)
        self.stop_loads()
        self.wait_heard(there, loads[0].accepted + loads[1].accepted)
        for number in range(4):  # what was refused is sent again, and is not heard twice here
            self.accepted(self.number(client, number, "here", id=f"h{number}"))
        self.wait_heard(here, range(4))
        self.works(c, a, "afterwards")
        self.assertGreaterEqual(a.link("reconnects"), 1)
        for node, before in memory.items():
            self.assertLess(rss(node.pid), before + MORE_MEMORY, node.name)

    def test_broker_that_hangs_past_the_heartbeat(self):
        a, b = self.nodes("ab")
        here, there = self.consumer(a, "here"), self.consumer(b)
        load = self.load(a)
        load.wait_accepted(100)
        self.broker.sigstop()
        try:
            load.wait_refused(3)
            self.unhealthy(a)
            client = self.client(a)
            for number in range(2):
                self.number(client, number, "here")
            self.wait_heard(here, range(2))
            # a session that begins now does not wait for ever for its binding
            late = self.consumer(b, "late")
            wait_until(lambda: b.link("bind_timeouts") >= 1, 10, "the subscription is counted")
        finally:
            self.broker.sigcont()
        load.wait_accepted(100, limit=40)
        self.stop_loads()
        self.wait_heard(there, load.accepted)
        wait_until(lambda: self.number(client, 5, "late").statuses == ["queued"], 20,
                   "the late session is bound")
        self.wait_heard(late, [5])

    def test_memory_alarm(self):
        a, b = self.nodes("ab")
        here, there = self.consumer(a, "here"), self.consumer(b)
        load = self.load(a)
        load.wait_accepted(100)
        self.addCleanup(self.broker.memory_alarm, False)
        self.broker.memory_alarm(True)
        load.wait_refused(3)
        self.assertGreaterEqual(a.link("blocked"), 1)
        self.unhealthy(a)
        client = self.client(a)
        self.still_delivers_locally(a, client, self.consumer(a, "jdoe"), range(2000000, 2000003))
        self.number(client, 1, "here")
        self.wait_heard(here, [1])
        self.broker.memory_alarm(False)
        load.wait_accepted(100)
        a.wait_linked()
        self.stop_loads()
        self.wait_heard(there, load.accepted)


class NotPermitted(FaultTest):
    """What an admin has to mend: said in the log with what to do, shown by the health check; local
    delivery goes on; once mended it comes up by itself."""

    def check(self, node, *words, publishes=False):
        def says(lines):
            return next((l for l in lines if all(w.lower() in l.lower() for w in words)), None)

        node.err.wait(says, 20, f"a line with {words}")
        self.assertNotIn(PASSWORD, node.log())
        wait_until(lambda: "refused" in node.states().values(), 10, "the state of the connection")
        status, reason = node.operations("/healthz")
        self.assertEqual(status, 200 if publishes else 503, reason)
        for word in words:
            self.assertIn(word.lower(), reason.lower())
        consumer = self.consumer(node)
        self.number(self.client(node), 1)
        self.wait_heard(consumer, [1])

    def test_wrong_password_missing_vhost_and_queues_with_other_arguments(self):
        amqp = self.amqp()
        amqp.declare("ocsmanager.node.c", quorum=False)
        amqp.declare("other.ingest", quorum=False)
        user = f"user-{self.vhost}"
        wrong = self.node("a", uri=self.broker.uri(self.vhost, user=user, password="not it"),
                          linked=False)
        lost = self.node("b", uri=self.broker.uri("nowhere-" + self.vhost), linked=False)
        queue = self.node("c", linked=False)
        ingest = self.node("d", ingest_queue="other.ingest", linked=False)
        self.check(wrong, user, "password")
        self.check(lost, "vhost", "nowhere-" + self.vhost)
        self.check(queue, "ocsmanager.node.c", "argument", publishes=True)
        self.check(ingest, "other.ingest", "argument", publishes=True)

        self.broker.add_user(user, "not it", self.vhost)
        self.broker.ctl("add_vhost", "nowhere-" + self.vhost)
        self.broker.permissions("ocsnode", "nowhere-" + self.vhost)
        amqp.delete("ocsmanager.node.c")
        amqp.delete("other.ingest")
        for node in (wrong, lost, queue, ingest):
            node.wait_linked(40)
        self.works(wrong, queue, "both")
        for node in (wrong, lost, queue, ingest):
            lines = [l for l in node.log().splitlines() if "broker" in l.lower()]
            self.assertLess(len(lines), 20, "the log is not flooded")

    def test_a_user_without_rights(self):
        user = f"poor-{self.vhost}"
        self.broker.add_user(user, "poor", self.vhost, configure="", write="", read="")
        node = self.node("a", uri=self.broker.uri(self.vhost, user=user, password="poor"),
                         linked=False)
        self.check(node, "permission")


class NodeFaults(FaultTest):
    def test_a_node_killed_under_load_loses_nothing_and_its_peers_go_on(self):
        a, b, c = self.nodes()
        at_b, at_c = self.consumer(b), self.consumer(c)
        load = self.load(a)
        load.wait_accepted(150)
        b.kill()
        load.wait_accepted(150)
        self.wait_heard(at_c, load.accepted[:])
        self.assertEqual(load.refused, {})
        b.start()
        load.wait_accepted(150)
        self.stop_loads()
        self.wait_heard(at_c, load.accepted)
        self.wait_heard(at_b, load.accepted, at_most=2)
        twice = sum(count > 1 for count in self.heard(at_b).values())
        self.assertLessEqual(twice, b.link("redelivered_again"), "what is heard twice is counted")

    def test_a_node_killed_while_it_accepts_keeps_what_it_answered(self):
        a, b = self.nodes("ab")
        consumer = self.consumer(b)
        load = self.load(a)
        load.wait_accepted(150)
        a.kill()
        load.stop()
        self.wait_heard(consumer, load.accepted)
        a.start().wait_linked()
        self.works(b, a, "afterwards")

    def test_a_node_stopped_under_load_answers_what_it_took(self):
        a, b = self.nodes("ab")
        consumer = self.consumer(b)
        load = self.load(a)
        load.wait_accepted(100)
        a.terminate()
        load.stop()
        self.wait_heard(consumer, load.accepted)


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
        self.puts(client, range(10, 100))
        self.assertTrue(a.healthy(), "notifications for others are taken")
        a.wait_link("spool_messages", 80)
        a.kill()
        a.start()
        client = self.client(a)
        self.puts(client, range(100, 150))
        full = self.fill(client)
        answer = self.number(client, 150, id="s150")
        self.refused_by_broker(answer)
        self.assertGreaterEqual(a.link("spool_full"), 1)
        self.assertLessEqual(a.link("spool_bytes"), 1024 * 1024)
        self.unhealthy(a)

        self.broker.start()
        expected = [*range(150), *range(10000, full)]
        self.wait_heard(there, expected, limit=40, at_most=1)
        order = [e["message_flags"] for e in there.events()]
        self.assertEqual([n for n in order if n in set(expected)], expected)
        wait_until(lambda: a.link("spool_messages") == 0, 15, "the spool is empty")
        a.wait_linked()
        self.puts(client, range(151, 160))
        self.wait_heard(there, range(151, 160))

    def test_a_node_that_starts_without_a_broker(self):
        self.broker.kill()
        spooling, plain = (self.node(name, linked=False, **keys)
                           for name, keys in (("a", {"spool_max": 1}), ("b", {})))
        self.puts(self.client(spooling), range(20))
        here = self.consumer(plain)
        client = self.client(plain)
        self.refused_by_broker(self.number(client, 1000))
        self.wait_heard(here, [1000])
        self.broker.start()
        for node in (spooling, plain):
            node.wait_linked(40)
        self.accepted(self.number(client, 1001), "queued")
        self.wait_heard(here, [1000, 1001])


if __name__ == "__main__":
    unittest.main()
