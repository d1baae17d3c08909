# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""What a real broker can do to its nodes, and what can happen to a node, under load: nothing that was
accepted is lost, nothing is heard twice but where a node was killed, answers stay prompt, local
delivery goes on, memory stays bounded, and it heals by itself."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness.nodes import FaultTest
from harness.rabbit import PASSWORD, rss
from harness.wait import wait_until

MORE_MEMORY = 400 if "san" in os.path.basename(os.environ.get("OCS_BUILD", "")) else 64  # MiB


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
        for node in memory:
            node.wait_linked()
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
            wait_until(lambda: b.link("bind_timeouts") >= 1, what="the subscription is counted")
        finally:
            self.broker.sigcont()
        load.wait_accepted(100)
        self.stop_loads()
        self.wait_heard(there, load.accepted)
        wait_until(lambda: self.number(client, 5, "late").statuses == ["queued"],
                   what="the late session is bound")
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

        node.err.wait(says, what=f"a line with {words}")
        self.assertNotIn(PASSWORD, node.log())
        wait_until(lambda: "refused" in node.states().values(), what="the state of the connection")
        status, reason = wait_until(  # another connection may still be on its way
            lambda: next((r for r in [node.operations("/healthz")] if (r[0] == 200) == publishes), None), what="the health check")
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
        self.broker.add_vhost("nowhere-" + self.vhost)
        amqp.delete("ocsmanager.node.c")
        amqp.delete("other.ingest")
        for node in (wrong, lost, queue, ingest):
            node.wait_linked()
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
        loads = [self.load(a, prefix=f"p{n}-", first=n * 1000000, pause=0) for n in range(4)]

        def more():
            for load in loads:  # one after the other, and all of them go on meanwhile: a hundred of each
                load.wait_accepted(25)
            return [number for load in loads for number in load.accepted[:]]

        more()
        b.kill()
        for load in loads:  # full speed is for what is on its way at that moment
            load.pause = 0.02
        self.wait_heard(at_c, more())
        b.start()
        more()
        self.stop_loads()
        accepted = [number for load in loads for number in load.accepted]
        self.assertEqual([load.refused for load in loads], [{}] * 4)
        self.wait_heard(at_c, accepted)
        self.wait_heard(at_b, accepted, at_most=2)
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


if __name__ == "__main__":
    unittest.main()
