# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Nodes (ocsmanager daemons) joined by a broker, and the base of the tests of it."""

from collections import Counter

from . import rabbit
from .case import ServiceTest
from .daemon import Daemon
from .load import Load
from .wait import LIMIT, wait_until

# Short times, so that what a fault costs is seen soon.
QUICK = {"heartbeat": "2", "confirm_timeout": "3"}
# An answer may take this long, whatever the broker does: the confirm timeout, and what a busy machine adds.
PROMPT = int(QUICK["confirm_timeout"]) + 4.0


def node_ini(uri, name, number=1, overrides=None, **keys):
    """Overrides for Daemon: a node with these keys of [rabbitmq]. number: its replica id."""
    sections = {"main": {"replica_id": str(number)},
                "rabbitmq": {"uri": uri, "node": name, **QUICK,
                             **{k: str(v) for k, v in keys.items()}}}
    for section, more in (overrides or {}).items():
        sections.setdefault(section, {}).update(more)
    return sections


class Node(Daemon):
    """A daemon with a name on the broker. program etc. as Daemon's are given in more."""

    def __init__(self, uri, name, number=1, overrides=None, more=None, **keys):
        self.name, self.number = name, number
        super().__init__(node_ini(uri, name, number, overrides, **keys), **(more or {}))

    @property
    def queue(self):
        return f"ocsmanager.node.{self.name}"

    def link(self, name):
        """A counter or gauge of the link (cluster/status.h)."""
        found, full = self.metrics(), f"ocsmanager_link_{name}"
        for known in (full + "_total", full):
            if known in found.names():
                return found.get(known)
        raise KeyError(full)

    def wait_link(self, name, value, limit=LIMIT):
        """Until it is at least that."""
        return wait_until(lambda: self.link(name) >= value, limit,
                          f"{self.name}: {name} reaches {value}")

    def healthy(self):
        return self.operations("/healthz")[0] == 200

    def states(self):
        """{publish, consume, bind: up, connecting, refused, blocked, off}"""
        return {dict(labels)["connection"]: dict(labels)["state"]
                for (name, labels), value in self.metrics().items()
                if name == "ocsmanager_link_state" and value == 1}

    def linked(self):
        return set(self.states().values()) <= {"up", "off"} and self.healthy()

    def wait_linked(self, limit=LIMIT):
        """Until all its connections do their work."""
        try:
            wait_until(self.linked, limit, f"node {self.name} is linked")
        except AssertionError as problem:
            raise AssertionError(f"{problem}: {self.states()} {self.operations('/healthz')}\n"
                                 f"{self.log()[-3000:]}") from None
        return self


class RabbitTest(ServiceTest):
    """A broker for the module, a fresh vhost for each test, nodes in it."""

    def setUp(self):
        self.broker = rabbit.shared()
        self.vhost = self.broker.vhost()
        self.addCleanup(self.broker.delete_vhost, self.vhost)

    def run(self, result=None):
        """What the nodes said, where a test failed."""
        before = len(result.failures) + len(result.errors) if result else 0
        self.started = []
        super().run(result)
        if result and len(result.failures) + len(result.errors) > before:
            for node in self.started:
                lines = node.log().splitlines()[-25:]
                print(f"--- node {node.name}", *(line[:300] for line in lines), sep="\n")
        return result

    @property
    def uri(self):
        return self.broker.uri(self.vhost)

    def amqp(self, **more):
        amqp = self.broker.amqp(self.vhost, **more)
        self.addCleanup(amqp.close)
        return amqp

    def node(self, name, uri=None, start=True, linked=True, **keys):
        """A node of that name; its replica id is made of it. linked: waits until it is."""
        number = keys.pop("number", 1 + (ord(name[0]) - ord("a")) % 26)
        node = Node(uri or self.uri, name, number, **keys)
        self.started.append(node)
        self.addCleanup(node.close)
        if start:
            node.start()
            if linked:
                node.wait_linked()
        return node

    def nodes(self, names="abc", **keys):
        """Started together."""
        found = [self.node(name, linked=False, **keys) for name in names]
        for node in found:
            node.wait_linked()
        return found

    def load(self, node, **more):
        load = Load(node, **more)
        self.addCleanup(load.stop)
        return load.start()

    def number(self, client, number, user="jdoe", **more):
        """PUT of a newmail that a subscriber knows by its number."""
        return client.newmail(f"n{number}", user=user, messageFlags=number, **more)

    def heard(self, consumer):
        """{number: how often} of the newmail events."""
        return Counter(e["message_flags"] for e in consumer.events() if e["event"] == "newmail")

    def wait_heard(self, consumer, numbers, limit=LIMIT, at_most=1):
        """Until each of them was heard; none more often than at_most."""
        numbers = set(numbers)

        def missing():
            return numbers - self.heard(consumer).keys()

        try:
            wait_until(lambda: not missing(), limit)
        except AssertionError:
            left = sorted(missing())
            self.fail(f"{len(left)} of {len(numbers)} were never heard: {left[:20]}")
        often = {n: count for n, count in self.heard(consumer).items() if count > at_most}
        self.assertEqual(often, {}, "heard more than once")

    def refused_by_broker(self, answer):
        self.refused(answer, 503, "BROKER_UNAVAILABLE")
        self.assertRegex(answer.headers.get("Retry-After", ""), r"^[0-9]+$", answer.headers)


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

    def unhealthy(self, node, limit=LIMIT):
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
