# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Hostile AMQP properties at the ingest queue: what may be published there by whoever the broker lets, while a good
publisher's documents are done in order. In test_rabbitmq_ingest: content types and encodings that are none of ours, a
user_id past its account's limits, a body of megabytes, a message_id that comes twice, poison among good documents."""

import os
import struct
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import pika

from harness.client import document
from harness.wait import wait_until
from test_rabbitmq_ingest import DEAD, IngestTest, newmail

HEADERS = 0x2000  # the flag of AMQP 0-9-1 that says that there are headers
FRAME = 131072 - 200  # what of a frame a table of headers may be
HOSTILE = "x\u202ey\r\n<b>\x1b[2J\u2028%s%n"


class Encoded(pika.BasicProperties):
    """Headers as these bytes."""

    def __init__(self, table):
        super().__init__()
        self.table = table

    def encode(self):
        return [struct.pack(">HI", HEADERS, len(self.table)), self.table]


def nested_arrays(size):
    """One array in the other, as deep as that many bytes go."""
    levels = size // 5
    return b"\1a" + b"".join(b"A" + struct.pack(">I", 5 * (levels - 1 - n)) for n in range(levels))


def nested_tables(size):
    """Each the only value of the one around it."""
    levels = size // 7
    return b"".join(b"\1tF" + struct.pack(">I", 7 * (levels - 1 - n)) for n in range(levels))


# A good document with them is done.
PROPERTIES = {
    "texts of 255 bytes": {name: "x" * 255 for name in ("message_id", "correlation_id", "reply_to", "type", "app_id",
                                                       "cluster_id")},
    "texts with what a log must not say": {name: HOSTILE for name in ("message_id", "correlation_id", "reply_to",
                                                                      "type",
                                                                      "app_id")},
    "numbers": {"priority": 255, "timestamp": 2**63 - 1, "expiration": "4000000000"},
    "our own headers, forged": {"headers": {"ocs-account": "admin", "ocs-origin": "a", "ocs-accepted": 2**62,
                                            "ocs-ids": "x" * 5000,
                                            "ocs-reason": "none", "ocs-from": "x", "ocs-node": "b", "ocs-at": "never"}},
    "our own headers, of other kinds": {"headers": {name: value for name in ("ocs-account", "ocs-origin",
                                                                             "ocs-accepted", "ocs-ids")
                                                    for value in ({"a": [1]},)}},
    "headers that the broker reads": {"headers": {"x-death": [{"count": -1, "reason": HOSTILE}], "x-delivery-count": 1,
                                                  "x-match": "all"}},
    "many headers": {"headers": {f"h{n}": n for n in range(8000)}},
    "names of headers": {"headers": {HOSTILE: HOSTILE, "": "", "x" * 255: None}},
}
TABLES = {"arrays in arrays": nested_arrays(FRAME), "tables in tables": nested_tables(FRAME),
          "one value as long as the frame": b"\1aS" + struct.pack(">I", FRAME - 7) + b"x" * (FRAME - 7)}


class Hostile(IngestTest):
    def setUp(self):
        super().setUp()
        self.node_a = self.listening()
        self.listener = self.consumer(self.node_a)

    def publish_encoded(self, table, body):
        """pika does not do what it is asked here by itself."""
        def sent():
            try:
                self.mq.channel.basic_publish("", "ocsmanager.ingest", body.encode(), Encoded(table), mandatory=True)
                return True
            except (pika.exceptions.UnroutableError, pika.exceptions.NackError):
                return False
        wait_until(sent, what="the queue takes it")

    def test_documents_with_them_are_done(self):
        for number, more in enumerate(PROPERTIES.values()):
            self.publish(document(newmail(2 * number)), **more)
            self.publish(document(newmail(2 * number + 1)))
        self.wait_heard(self.listener, range(2 * len(PROPERTIES)))
        self.wait_done(self.node_a, 2 * len(PROPERTIES))
        self.assertEqual(self.mq.count(DEAD) or 0, 0)
        self.assertNotIn("\u202e", self.node_a.log())

    def test_dead_letters_have_them(self):
        """What can never succeed is put aside whatever comes with it, and those behind it are done."""
        for number, more in enumerate(PROPERTIES.values()):
            self.publish("hello", **more)
            self.publish(document(newmail(number)))
        self.wait_heard(self.listener, range(len(PROPERTIES)))
        for letter in self.letters(len(PROPERTIES)):
            self.assertRegex(letter.headers["ocs-reason"], "^(400|415) ")
            self.assertEqual((letter.headers["ocs-account"], letter.headers["ocs-node"]), ("anonymous", "a"))
        self.assertNotIn("\u202e", self.node_a.log())

    def test_headers_as_deep_and_as_long_as_a_frame(self):
        for number, table in enumerate(TABLES.values()):
            self.publish_encoded(table, document(newmail(3 * number)))
            self.publish_encoded(table, "hello")
            self.publish(document(newmail(3 * number + 1)))
        self.wait_heard(self.listener, [3 * number + 1 for number in range(len(TABLES))])
        # From 0.14 on librabbitmq decodes no more than 100 levels; those are rejected.
        def ends():
            heard = [event["message_flags"] for event in self.listener.events()]
            return (sum(3 * number in heard for number in range(len(TABLES))), self.mq.count(DEAD),
                    self.node_a.log().count("is rejected: librabbitmq cannot decode"))
        done, dead, rejected = wait_until(lambda: (lambda e: e if sum(e) >= 2 * len(TABLES) else None)(ends()), what=ends)
        self.assertIn((done, dead, rejected), [(len(TABLES), len(TABLES), 0), (1, 1, 4)])


if __name__ == "__main__":
    unittest.main()
