# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""What doc/cluster.md has an admin do at the broker, read from the page and done: the permissions
are enough for a node, a relay and a publisher, and none of a node's can be left out."""

import json
import os
import re
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness import paths, rabbit
from harness.client import document, notification
from harness.nodes import Node
from harness.case import ServiceTest
from harness.wait import LIMIT, wait_until

import pika

PASSWORD = "a-secret"
HASH = rabbit.password_hash(PASSWORD)
KINDS = ("configure", "write", "read")

# What a node does there, by what it needs for it.
NEEDS = {
    "configure": ["ocsmanager.users", "ocsmanager.ingest", "ocsmanager.dead", "ocsmanager.node.NODE",
                  "ocsmanager.node.NODE.lock"],
    "write": ["amq.default", "ocsmanager.users", "ocsmanager.node.NODE"],
    "read": ["ocsmanager.users", "ocsmanager.ingest", "ocsmanager.dead", "ocsmanager.node.NODE"],
}


def page():
    with open(os.path.join(paths.TREE, "doc", "cluster.md"), encoding="utf-8") as f:
        return f.read()


def permissions(user):
    """The three expressions after `set_permissions -p ocsmanager USER`, as the shell would pass
    them."""
    found = re.search(r"set_permissions -p ocsmanager " + re.escape(user) + r"((?:[ \\\n]+"
                      r"""(?:"[^"]*"|'[^']*')){3})""", page())
    quoted = re.findall(r"""("[^"]*"|'[^']*')""", found.group(1))
    plain = [q[1:-1].replace("\\$", "$$$").replace("$$$", "$") if q[0] == '"' else q[1:-1]
             for q in quoted]
    return dict(zip(KINDS, plain))


def of_node(node):
    return {kind: text.replace("$node", node) for kind, text in permissions("$node").items()}


def only(names):
    return "^(" + "|".join(re.escape(n).replace(r"\-", "-") for n in names) + ")$"


class Manual(ServiceTest):
    def setUp(self):
        self.broker = rabbit.shared()

    def define(self, users, **more):
        """users: [(name, vhost, permissions)]; the vhosts are made."""
        vhosts = sorted({vhost for _, vhost, _ in users})
        definitions = {
            "users": [{"name": name, "password_hash": HASH, "tags": [],
                       "hashing_algorithm": "rabbit_password_hashing_sha256"}
                      for name in sorted({name for name, _, _ in users})],
            "vhosts": [{"name": vhost} for vhost in vhosts],
            "permissions": [{"user": rabbit.USER, "vhost": v, "configure": ".*", "write": ".*",
                             "read": ".*"} for v in vhosts] +
                           [{"user": n, "vhost": v, **p} for n, v, p in users], **more}
        path = os.path.join(self.broker.folder, "more.json")
        with open(path, "w", encoding="utf-8") as f:
            json.dump(definitions, f)
        self.broker.ctl("import_definitions", path)

    def node(self, name, vhost, start=True, **keys):
        node = Node(self.broker.uri(vhost, user=name, password=PASSWORD), name,
                    **{"confirm_timeout": 1, **keys})
        self.addCleanup(node.close)
        return node.start() if start else node

    def reasons(self, node):
        states = json.loads(node.operations("/link")[1])["connections"].values()
        return [s["reason"] for s in states if s["state"] == "refused"]

    def wait_refused(self, node):
        try:
            wait_until(lambda: self.reasons(node), what=f"{node.name} is refused")
        except AssertionError as problem:
            raise AssertionError(f"{problem}:\n{node.operations('/link')[1]}\n"
                                 f"{node.log()[-3000:]}") from None
        for reason in self.reasons(node):
            self.assertIn("ACCESS_REFUSED", reason)

    def publish(self, vhost, user, exchange, key, body, **properties):
        """Whether the broker took it."""
        try:
            with self.broker.amqp(vhost, user, PASSWORD) as amqp:
                return amqp.publish(body, key, exchange, **properties)
        except pika.exceptions.ChannelClosedByBroker as problem:
            self.assertEqual(problem.reply_code, 403)
            return False

    def dead(self, node):
        return subprocess.run([paths.program("ocsctl"), "-c", node.ini, "dead"],
                              capture_output=True, text=True, timeout=LIMIT, check=False)

    def test_the_expressions_fit_what_a_node_needs_and_no_other_node(self):
        given = of_node("node1")
        for kind in KINDS:
            for name in NEEDS[kind]:
                self.assertRegex(name.replace("NODE", "node1"), given[kind])
            for name in ("ocsmanager.node.node2", "ocsmanager.node.node11", "xocsmanager.users",
                         "ocsmanagerxusers", "ocsmanager.in", "amq.direct"):
                self.assertNotRegex(name, given[kind])

    def test_they_are_enough_for_two_nodes(self):
        self.define([(n, "enough", of_node(n)) for n in ("node1", "node2")])
        one, two = self.node("node1", "enough"), self.node("node2", "enough")
        one.wait_linked(), two.wait_linked()
        consumer = self.consumer(two)
        answer = self.client(one).newmail("1")
        self.accepted(answer, "queued")
        consumer.wait_events(1)
        with self.broker.amqp("enough") as amqp:
            amqp.publish("nonsense", "ocsmanager.ingest")
        wait_until(lambda: "1 message" in self.dead(one).stdout, what="there is a dead letter")
        # a quorum queue that is new may have no leader for a moment
        wait_until(lambda: not self.reasons(one) and not self.reasons(two), what="no reason is left")

    def test_none_of_them_can_be_left_out(self):
        cases = []
        for kind in KINDS:
            for missing in NEEDS[kind]:
                name = f"less{len(cases)}"
                given = {k: only([n.replace("NODE", name) for n in NEEDS[k]
                                  if (k, n) != (kind, missing)]) for k in KINDS}
                cases.append((name, given, (kind, missing)))
        self.define([(name, name, given) for name, given, _ in cases])
        nodes = {what: self.node(name, name) for name, _, what in cases}
        for what, node in nodes.items():
            with self.subTest(missing=what):
                if what == ("read", "ocsmanager.dead"):
                    node.wait_linked()
                    self.assertEqual(self.dead(node).returncode, 1)
                    continue
                if what == ("write", "amq.default"):
                    node.wait_linked()
                    with self.broker.amqp(node.name) as amqp:
                        amqp.publish("nonsense", "ocsmanager.ingest")
                elif what == ("write", "ocsmanager.users"):
                    wait_until(lambda: node.states()["publish"] == "up", what="it can publish")
                    self.refused(self.client(node).newmail("1"), 503, "BROKER_UNAVAILABLE")
                    wait_until(lambda: "access to exchange 'ocsmanager.users'" in node.log(),
                               what="the log says why")
                    continue
                self.wait_refused(node)

    def test_a_relay_fills_the_ingest_queue_and_nothing_else_is_needed(self):
        given = permissions("mail1")
        self.define([("mail1", "relay", given)])
        relay = self.node("mail1", "relay", relay="yes").wait_linked()
        self.accepted(self.client(relay).newmail("1"), "queued")
        with self.broker.amqp("relay") as amqp:
            message = amqp.get("ocsmanager.ingest")
            self.assertEqual(message.properties.user_id, "mail1")
        self.assertFalse(self.publish("relay", "mail1", "amq.direct", "x", "x"))

    def test_other_publishers_reach_the_ingest_queue_alone(self):
        block = re.search(r'^    \{\n      "exchanges".*?^    \}$', page(), re.M | re.S).group(0)
        self.define([("scanner", "ocsmanager", permissions("scanner")),
                     ("node1", "ocsmanager", of_node("node1"))], **json.loads(block))
        node = self.node("node1", "ocsmanager").wait_linked()  # the queue made by hand is the node's
        consumer = self.consumer(node)
        mail = document(notification("newmail", message="1"))
        self.assertTrue(self.publish("ocsmanager", "scanner", "ocsmanager.in", "", mail,
                                     user_id="scanner"))
        consumer.wait_events(1)
        for exchange, key in (("", "ocsmanager.ingest"), ("", "ocsmanager.node.node1"),
                              ("ocsmanager.users", "jdoe")):
            self.assertFalse(self.publish("ocsmanager", "scanner", exchange, key, mail))


if __name__ == "__main__":
    unittest.main()
