#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""make demo-cluster: a mail is delivered on one machine and seen by the user's sessions on two others,
through a real RabbitMQ; then the broker is killed, mails are delivered all the same, and arrive when
it is back. Explains what it does while it does it.

    demo/demo_cluster.py [BUILD]        BUILD: folder of the built programs (build, or $OCS_BUILD)

Three nodes (a, b, c), each with a folder and queues of its own, stand for three machines. Runs as any
user, in temporary folders, on loopback; leaves nothing behind.
"""

import re
import statistics
import sys
import time

from common import ACCOUNT, PASSWORD, Story, end_all, explain, need, run, start_dovecot
from harness import hashes
from harness.consumer import Consumer
from harness.nodes import Node
from harness.rabbit import USER as BROKER_USER, Broker
from harness.udp import Udp
from harness.wait import wait_until

USER, NOBODY_WAITS = "alice", "bob"
CONTEXTS = {"b": bytes.fromhex("0b0b0b0b0b0b0b0b"), "c": bytes.fromhex("0c0c0c0c0c0c0c0c")}
MAILS = 5  # delivered while the broker is away

INTRODUCTION = """\
   Node a is the mail host: a Dovecot, and an ocsmanager that its plugin reports to. Nobody is logged
   in there. Nodes b and c are where the MAPI servers are: an ocsmanager each, and a session of
   {user} (ocsconsumer: what a MAPI server does for an Outlook).
   RabbitMQ joins them. A node tells it which users have a session there, by binding its own queue
   to the exchange ocsmanager.users with the user's name as the key. What a node accepts it hands to
   that exchange, which puts a copy into the queue of each node that waits for this user, and tells
   the sender when there is none. So a notification reaches the nodes that need it, and no other."""


class Ear:
    """A client of a session on a node: its datagrams, and the RopNotify of its idle calls."""

    def __init__(self, node, cleanup):
        self.node = node
        self.udp = Udp()
        cleanup.append(self.udp.close)
        self.context = CONTEXTS[node.name]
        self.consumer = Consumer(node, USER, push=self.udp.address, context=self.context.hex(),
                                 form="hex")
        cleanup.append(self.consumer.close)
        self.heard = 0

    def next(self, count, limit=60):
        """[(bytes, when)] of the next RopNotify responses."""
        goal = self.heard + count
        self.consumer.out.wait(lambda lines: len(lines) >= goal, limit,
                               f"{count} RopNotify at {self.node.name}")
        found = list(zip(self.consumer.out.lines, self.consumer.out.times))[self.heard:goal]
        self.heard = goal
        return [(bytes.fromhex(line), when) for line, when in found]

    def datagram(self):
        payload, when = self.udp.receive(15) or (None, None)
        if payload != self.context:
            raise RuntimeError(f"the datagram at {self.node.name} carries {payload!r}")
        return when

    def nothing_more(self):
        if len(self.consumer.out.snapshot()) != self.heard:
            raise RuntimeError(f"something came twice at {self.node.name}")


def start_broker(story, cleanup):
    began = time.monotonic()
    broker = Broker()
    cleanup.append(broker.close)
    broker.start()
    story.tell(f"RabbitMQ answers on 127.0.0.1:{broker.port} (after {time.monotonic() - began:.1f} s), "
               f"with a user\nfor the nodes, {BROKER_USER}, and a vhost")
    return broker


def start_nodes(story, broker, vhost, cleanup):
    nodes = []
    for number, name in enumerate("abc", 1):
        overrides = {"main": {"auth": "file"}, "auth:file": {"file": "accounts"},
                     "backend:dovecot": {"uri": "imap://{user}@mail/{folder}/{message}"}}
        keys = {"spool_max": "64"} if name == "a" else {}
        node = Node(broker.uri(vhost), name, number, overrides, **keys)
        cleanup.append(node.close)
        node.write("accounts", f"{ACCOUNT}:{hashes.scram(PASSWORD)}\n", 0o600)
        nodes.append(node.start())
    with open(nodes[0].ini, encoding="ascii") as f:
        section = f.read().split("[rabbitmq]")[1].split("\n[")[0].strip()
    section = re.sub(r"(://[^:]+:)[^@]+@", r"\1(password)@", section)
    story.tell("three ocsmanager; what makes the first one node a of a cluster:\n[rabbitmq]\n"
               + section)
    for node in nodes:
        node.wait_linked()
    story.tell("each has its three connections to the broker (publish, consume, bind)")
    return nodes


def mail_host(story, node, cleanup):
    dovecot = start_dovecot(node, node.path("credentials"), [USER, NOBODY_WAITS], cleanup)
    node.wait_metric("ocsmanager_notifications_total", 2, result="nosubscriber")
    story.tell(f"Dovecot answers LMTP on 127.0.0.1:{dovecot.lmtp_port}; its plugin reports to node a")
    return dovecot


def received(node):
    """Messages of other nodes: without its own, by which it sees that its bindings work."""
    return int(node.link("node_received") - node.link("node_own"))


def figures(nodes):
    lines = []
    for node in nodes:
        numbers = {name: int(node.link(name)) for name in ("published", "confirmed", "returned")}
        lines.append(f"node {node.name}: " + "".join(f"{k} {v}, " for k, v in numbers.items())
                     + f"received {received(node)}")
    return "\n".join(lines)


def one_mail(story, dovecot, nodes, ears):
    story.title(f"3. A mail for {USER} is delivered on node a (times from here on count from this "
                "moment)")
    story.began = time.monotonic()
    seconds = dovecot.deliver(USER, subject="demo")
    story.tell(f"delivered: Dovecot said 250 after {seconds * 1000:.1f} ms; its plugin reports "
               "behind it",
               story.began + seconds)
    happened, first = [], None
    for ear in ears:
        happened.append((ear.datagram(), f"node {ear.node.name}: UDP received: {ear.context.hex()} at "
                                         f"{ear.udp.address}: 'come and ask'"))
        [(data, when)] = ear.next(1)
        happened.append((when, f"node {ear.node.name}: the next idle call brings a RopNotify"))
        first = first or (data, when)
    for when, text in sorted(happened):
        story.tell(text, when)
    explain(story, 1, *first)

    story.title("4. Who got what")
    sent = nodes[0].link("returned")
    dovecot.deliver(NOBODY_WAITS, subject="demo")
    wait_until(lambda: nodes[0].link("returned") > sent, 15, "the broker returns it")
    story.tell(f"a mail for {NOBODY_WAITS}, who is logged in nowhere, was delivered too: the broker "
               "returned its\nnotification, since no node waits for them")
    story.tell(figures(nodes) + "\n(returned: that one, and the two INBOXes made at the start)")
    if received(nodes[0]) != 0:
        raise RuntimeError("node a received something")


def broker_away(story, broker, dovecot, nodes, ears):
    a = nodes[0]
    story.title("5. The broker is killed")
    story.began = None
    broker.kill()
    spooled = a.link("spooled")
    times = [dovecot.deliver(USER, subject=f"away-{n}") for n in range(MAILS)]
    wait_until(lambda: a.link("spooled") >= spooled + MAILS, 15, "they are in the spool")
    story.tell(f"kill -9 of RabbitMQ. {MAILS} mails for {USER} delivered: Dovecot said 250 after "
               f"{statistics.median(times) * 1000:.1f} ms\n(median; {max(times) * 1000:.1f} ms at most). "
               "Nothing was refused, and nothing can be heard yet:\n"
               f"the spool of node a holds {int(a.link('spool_messages'))} messages, "
               f"{int(a.link('spool_bytes'))} bytes on disk")
    for ear in ears:
        ear.udp.drain()
        ear.nothing_more()

    story.title("6. The broker comes back (times from here on count from its being ready)")
    began = time.monotonic()
    broker.start()
    story.began = time.monotonic()
    story.tell(f"RabbitMQ is up again after {story.began - began:.1f} s; nobody tells the nodes")
    happened = []
    for ear in ears:
        arrived = ear.next(MAILS)
        for number, (data, when) in enumerate(arrived, 1):
            happened.append((when, f"node {ear.node.name}: RopNotify {number} of {MAILS}, "
                                   f"{len(data)} bytes"))
    for when, text in sorted(happened):
        story.tell(text, when)
    wait_until(lambda: a.link("spool_messages") == 0, 15, "the spool is empty")
    for ear in ears:
        ear.nothing_more()
    story.tell(f"the spool is empty: {int(a.link('unspooled'))} messages sent from it, each heard once "
               "on each node")
    story.tell(figures(nodes))


def demo(_, cleanup):
    story = Story()
    need("ocsmanager", "ocsconsumer", "lib90_ocsmanager_plugin.so")
    story.title("What is what")
    print(INTRODUCTION.format(user=USER))

    story.title("1. Everything starts")
    broker = start_broker(story, cleanup)
    vhost = broker.vhost()
    nodes = start_nodes(story, broker, vhost, cleanup)
    dovecot = mail_host(story, nodes[0], cleanup)

    story.title(f"2. {USER} logs in on nodes b and c")
    ears = []
    for node in nodes[1:]:
        began = time.monotonic()
        ears.append(Ear(node, cleanup))
        story.tell(f"node {node.name}: ocsconsumer subscribed and its user bound, "
                   f"{(time.monotonic() - began) * 1000:.0f} ms after its start")
    story.tell("the exchange ocsmanager.users now has these bindings:\n"
               + "\n".join(f"{key} -> {queue}" for key, queue in broker.bindings(vhost)
                           if key == USER))

    one_mail(story, dovecot, nodes, ears)
    broker_away(story, broker, dovecot, nodes, ears)

    story.title("7. Everything ends")
    end_all(cleanup)
    story.tell("Dovecot, the consumers, the nodes and the broker ended; nothing is left")
    print(f"\nThe demo worked: {1 + MAILS} mails on node a, each heard once on node b and once on "
          "node c.", flush=True)


if __name__ == "__main__":
    sys.exit(run(demo))
