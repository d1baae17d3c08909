# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""ocsctl dead, on a real dead-letter queue: seen without being touched, tried again, thrown away."""

import json
import os
import subprocess
import sys
import unittest
from datetime import datetime, timezone

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness import paths
from harness.client import document, notification
from harness.daemon import SANITIZER
from harness.nodes import Node, RabbitTest, node_ini
from harness.ports import free_port
from harness.rabbit import PASSWORD, USER
from harness.wait import LIMIT, wait_until

DEAD, INGEST = "ocsmanager.dead", "ocsmanager.ingest"


class Result:
    def __init__(self, done):
        self.status, self.out, self.err = done.returncode, done.stdout, done.stderr

    @property
    def json(self):
        return json.loads(self.out)

    def __repr__(self):
        return f"exit {self.status}\n{self.out}{self.err}"


class DeadTest(RabbitTest):
    def ctl(self, *words, daemon=None, expect=0):
        done = subprocess.run(
            [paths.program("ocsctl"), "-c", (daemon or self.node).ini, *words], text=True,
            stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT, cwd="/", check=False)
        result = Result(done)
        self.assertFalse(SANITIZER.search(result.err), result)
        self.assertNotIn(PASSWORD, result.out + result.err)
        self.assertEqual(result.status, expect, result)
        return result

    def letters(self, *words):
        return self.ctl("dead", "--json", *words).json["letters"]

    def bodies(self):
        return [letter["body"] for letter in self.letters("--count", "1000")]


class Queue(DeadTest):
    """Dead letters as a node writes them; no node runs."""

    def setUp(self):
        super().setUp()
        self.node = self.daemon(node_ini(self.uri, "n1"), start=False)
        self.mq = self.amqp()
        self.mq.declare(DEAD)
        self.mq.declare(INGEST, quorum=False)  # adds no header of its own

    def dead_letter(self, body, reason="422 UNKNOWN_BACKEND no backend 'old'", account="mailer",
             at=1790000000, headers=None, **properties):
        more = {"ocs-reason": reason, "ocs-from": INGEST, "ocs-node": "n7", "ocs-account": account,
                "ocs-key": INGEST, **(headers or {})}
        if at:
            more["ocs-at"] = datetime.fromtimestamp(at, timezone.utc)  # a timestamp of AMQP
        wait_until(lambda: self.mq.publish(body, queue=DEAD, headers=more, **properties))

    def dead_letters(self, count):
        for number in range(1, count + 1):
            self.dead_letter(f"<n>{number}</n>", message_id=f"id{number}")

    def test_an_empty_queue_is_no_failure(self):
        self.assertEqual(self.ctl("dead").out, f"{DEAD}: 0 messages\n")
        self.assertEqual(self.ctl("dead", "--json").json,
                         {"queue": DEAD, "messages": 0, "letters": []})

    def test_the_list_tells_what_why_whence_and_when(self):
        self.dead_letter('<?xml version="1.0"?>\n<notification>\n   <backend>old</backend>\n'
                  '</notification>', message_id="m-1")
        text = self.ctl("dead").out
        self.assertEqual(text, f"""\
{DEAD}: 1 message

1  2026-09-21T14:13:20.000000Z  from {INGEST}, node n7, account mailer, 78 bytes
   422 UNKNOWN_BACKEND no backend 'old'
   <?xml version="1.0"?> <notification> <backend>old</backend> </notification>
""")
        [letter] = self.letters()
        self.assertEqual(letter, {
            "number": 1, "time": "2026-09-21T14:13:20.000000Z", "from": INGEST, "node": "n7",
            "account": "mailer", "key": INGEST, "reason": "422 UNKNOWN_BACKEND no backend 'old'",
            "message_id": "m-1", "content_type": "text/xml; charset=utf-8", "size": 78,
            "body": '<?xml version="1.0"?>\n<notification>\n   <backend>old</backend>\n'
                    '</notification>'})

    def test_looking_takes_nothing_away_and_keeps_the_order(self):
        self.dead_letters(30)
        all_of_them = [f"<n>{n}</n>" for n in range(1, 31)]
        shown = self.ctl("dead")
        self.assertTrue(shown.out.startswith(f"{DEAD}: 30 messages\n"), shown)
        self.assertIn("\n20  ", shown.out)
        self.assertNotIn("\n21  ", shown.out)
        self.assertIn("\n10 more: --count shows them\n", shown.out)
        first = self.ctl("dead", "--count", "3", "--json").json
        self.assertEqual(first["messages"], 30)
        self.assertEqual([l["body"] for l in first["letters"]], all_of_them[:3])
        for _ in range(3):
            self.assertEqual(self.bodies(), all_of_them)
        self.mq.wait_count(DEAD, 30)

    def test_more_than_it_can_hold_keep_their_order_too(self):
        # a queue that was just made refuses for a moment: the first is confirmed
        wait_until(lambda: self.mq.publish("1", queue=DEAD))
        self.mq.publish_many([str(n) for n in range(2, 10101)], DEAD)
        self.mq.wait_count(DEAD, 10100)
        for _ in range(2):
            result = self.ctl("dead", "--count", "2", "--json").json
            self.assertEqual(result["messages"], 10100)
            self.assertEqual([l["body"] for l in result["letters"]], ["1", "2"])
        self.ctl("dead", "--purge", "1")
        letters = self.letters("--count", "10000")
        self.assertEqual([l["body"] for l in letters], [str(n) for n in range(2, 10002)])

    def test_a_strange_message_is_shown_and_its_bytes_do_not_reach_the_terminal(self):
        self.mq.publish(b"\x1b[2J\x00\xff\xfe<a>\r\n" + b"z" * 100000, queue=DEAD,
                        content_type=None)
        self.mq.publish(b"", queue=DEAD, headers={"ocs-reason": 7, "ocs-at": "soon"})
        shown = self.ctl_bytes("dead")
        self.assertIn(b"\\x1b[2J", shown)
        self.assertNotIn(b"\x1b", shown)
        self.assertIn(b"...\n", shown)
        self.assertLess(len(shown), 1000)
        one, two = self.letters()
        self.assertEqual(one["size"], 100012)
        self.assertEqual(len(one["body"]), 4096)
        self.assertEqual((two["size"], two["reason"], two["time"]), (0, "", ""))

    def ctl_bytes(self, *words):
        done = subprocess.run([paths.program("ocsctl"), "-c", self.node.ini, *words],
                              capture_output=True, timeout=LIMIT, cwd="/", check=True)
        return done.stdout

    def test_a_cut_body_is_cut_between_characters(self):
        self.dead_letter("ä" * 5000)
        [letter] = self.letters()
        self.assertEqual(letter["body"], "ä" * 2048)
        self.dead_letter("x" + "ä" * 5000)
        self.assertEqual(self.letters()[1]["body"], "x" + "ä" * 2047)

    def test_a_retry_is_the_original_again(self):
        self.dead_letters(2)
        self.dead_letter("<third/>", account="mailer", message_id="m3", correlation_id="c", priority=3,
                  app_id="plugin", headers={"ocs-accepted": 1790000000123456, "x-own": "kept",
                                            "ocs-cc": ["a"], "ocs-origin": "n2"})
        self.dead_letters(1)
        self.assertEqual(self.ctl("dead", "--retry", "3").out,
                         f"{DEAD}: 1 message put into {INGEST}\n")
        self.mq.wait_count(INGEST, 1)
        message = self.mq.get(INGEST)
        self.assertEqual(message.body, b"<third/>")
        self.assertEqual(message.headers, {"ocs-accepted": 1790000000123456, "x-own": "kept"})
        self.assertEqual(
            (message.properties.message_id, message.properties.correlation_id,
             message.properties.app_id, message.properties.content_type,
             message.properties.delivery_mode, message.properties.user_id),
            ("m3", "c", "plugin", "text/xml; charset=utf-8", 2, USER))
        self.assertEqual(self.bodies(), ["<n>1</n>", "<n>2</n>", "<n>1</n>"])

    def test_what_came_without_a_user_goes_on_without(self):
        for account in ("", "anonymous"):
            self.dead_letter("<x/>", account=account)
            self.ctl("dead", "--retry", "1")
            message = self.mq.wait_get(INGEST)
            self.assertIsNone(message.properties.user_id)
            self.assertIsNone(message.properties.headers)

    def test_all_are_retried_in_their_order(self):
        self.dead_letters(40)
        self.letters()  # which leaves them with a count of deliveries
        self.assertEqual(self.ctl("dead", "--retry", "all", "--json").json,
                         {"queue": DEAD, "retried": 40})
        self.mq.wait_count(INGEST, 40)
        messages = self.mq.get_all(INGEST)
        self.assertEqual([m.body.decode() for m in messages], [f"<n>{n}</n>" for n in range(1, 41)])
        self.assertEqual([m.properties.headers for m in messages], [None] * 40)
        self.assertEqual(self.letters(), [])
        self.assertEqual(self.ctl("dead", "--retry", "all").out,
                         f"{DEAD}: 0 messages put into {INGEST}\n")

    def test_what_dies_again_meanwhile_is_not_retried_for_ever(self):
        self.mq.delete(INGEST)
        self.mq.declare(INGEST, quorum=False, x_max_length=0, x_dead_letter_exchange="",
                        x_dead_letter_routing_key=DEAD)
        self.dead_letters(5)
        self.assertEqual(self.ctl("dead", "--retry", "all", "--json").json["retried"], 5)
        self.mq.wait_count(DEAD, 5)

    def test_a_retry_that_no_queue_takes_stays_where_it_is(self):
        self.dead_letters(3)
        self.mq.delete(INGEST)
        result = self.ctl("dead", "--retry", "all", expect=1)
        self.assertIn(INGEST, result.err)
        self.assertIn("0 messages put", result.out)
        self.mq.declare(INGEST, quorum=False, x_max_length=2, x_overflow="reject-publish")
        result = self.ctl("dead", "--retry", "all", "--json", expect=1)
        self.assertEqual(result.json["retried"], 2)
        self.assertEqual(len(result.err.splitlines()), 1, result)
        self.mq.wait_count(DEAD, 1)
        self.assertEqual(self.bodies(), ["<n>3</n>"])

    def test_one_or_all_are_thrown_away(self):
        self.dead_letters(4)
        self.assertEqual(self.ctl("dead", "--purge", "2").out, f"{DEAD}: 1 message thrown away\n")
        self.assertEqual(self.bodies(), ["<n>1</n>", "<n>3</n>", "<n>4</n>"])
        self.assertEqual(self.ctl("dead", "--json", "--purge", "all").json,
                         {"queue": DEAD, "purged": 3})
        self.assertEqual(self.bodies(), [])
        self.assertEqual(self.mq.count(INGEST), 0)

    def test_a_queue_that_is_too_busy_to_be_counted(self):
        """RabbitMQ then says that it holds nothing."""
        def busy():
            self.broker.eval(f"P = whereis('{self.vhost}_{DEAD}'), sys:suspend(P), "
                             "spawn(fun() -> timer:sleep(1000), sys:resume(P) end).")

        self.dead_letters(2)
        busy()
        self.assertEqual(self.bodies(), ["<n>1</n>", "<n>2</n>"])
        busy()
        self.ctl("dead", "--retry", "2")
        self.assertEqual(self.bodies(), ["<n>1</n>"])
        self.assertEqual(self.mq.count(INGEST), 1)

    def test_a_number_that_is_not_in_the_list(self):
        self.dead_letters(2)
        for option in ("--retry", "--purge"):
            result = self.ctl("dead", option, "3", expect=1)
            self.assertIn("there is no message 3: ocsmanager.dead holds 2", result.err)
        self.assertEqual(len(self.bodies()), 2)

    def test_names_of_the_ini_are_used(self):
        self.mq.declare("other.dead")
        self.node.write_ini(node_ini(self.uri, "n1", dead_queue="other.dead"))
        self.assertEqual(self.ctl("dead", "--json").json["queue"], "other.dead")

    def test_what_cannot_be_reached_is_said_without_the_password(self):
        self.mq.delete(DEAD)
        self.assertIn("has no queue ocsmanager.dead", self.ctl("dead", expect=1).err)
        port = free_port()
        for uri, words in ((self.broker.uri(self.vhost, port=port), str(port)),
                           (self.broker.uri(self.vhost, password="wrong-one"), "password"),
                           (self.broker.uri("no-such-vhost"), "vhost"),
                           (None, "no uri in [rabbitmq]")):
            self.node.write_ini(node_ini(uri, "n1"))
            result = self.ctl("dead", expect=1)
            self.assertIn(words, result.err)
            self.assertNotIn("wrong-one", result.err)

    def test_the_command_is_in_the_help_and_has_its_own(self):
        self.assertRegex(self.ctl("--help").out, r"(?m)^  dead ")
        for option in ("--count", "--retry", "--purge"):
            self.assertIn(option, self.ctl("dead", "--help").out)

    def test_wrong_usage(self):
        for words in (["--count", "0"], ["--count", "all"], ["--count", "-1"], ["--count", "10001"], ["--retry", "x"],
                      ["--purge", ""], ["--purge", "1x"], ["--retry", "1", "--purge", "1"],
                      ["--count", "1", "--retry", "1"], ["extra"], ["--take"]):
            self.ctl("dead", *words, expect=2)


class DeliveryLimit(DeadTest):
    """RabbitMQ 4 throws away what came back 20 times, unless the queue says otherwise."""

    def start(self):
        self.node = Node(self.uri, "n1")
        self.addCleanup(self.node.close)
        self.node.start().wait_linked()

    def limits(self):
        # arguments: [[name, type, value], ...]
        return {q["name"]: next((a[-1] for a in q["arguments"] if a[0] == "x-delivery-limit"), None)
                for q in self.broker.queues(self.vhost, "arguments")
                if q["name"].startswith("ocsmanager.") and not q["name"].endswith(".lock")}

    def test_nothing_is_thrown_away_for_coming_back(self):
        self.start()
        with self.broker.amqp(self.vhost) as mq:
            wait_until(lambda: mq.publish("<n/>", queue=DEAD, headers={"ocs-from": INGEST}))
        wait_until(lambda: len(self.limits()) == 3, what="the queues")
        self.assertEqual(set(self.limits().values()), {-1 if self.broker.version() >= 4 else None})
        for _ in range(30):
            self.assertEqual(self.bodies(), ["<n/>"])
        with self.broker.amqp(self.vhost) as mq:
            for _ in range(30):
                mq.nack(wait_until(lambda: mq.get(DEAD, ack=False)))
        wait_until(lambda: self.bodies() == ["<n/>"], what="it is there still")

    def test_queues_that_were_made_without_saying_so_are_used_as_they_are(self):
        with self.broker.amqp(self.vhost) as mq:
            for queue in (DEAD, INGEST):
                mq.declare(queue)
        self.start()
        consumer = self.consumer(self.node)
        with self.broker.amqp(self.vhost) as mq:
            wait_until(lambda: mq.publish(document(notification(message="1.eml")), queue=INGEST))
        consumer.wait_events(1)
        self.assertEqual({self.limits()[q] for q in (DEAD, INGEST)}, {None})


class EndToEnd(DeadTest):
    def test_a_document_dies_of_a_missing_backend_and_is_done_once_there_is_one(self):
        self.node = Node(self.uri, "n1")
        self.addCleanup(self.node.close)
        self.node.start().wait_linked()
        consumer = self.consumer(self.node)
        body = document(notification(backend="later", message="1.eml"))
        with self.broker.amqp(self.vhost) as mq:
            # a queue that was just made refuses until it has its leader
            wait_until(lambda: mq.publish(body, queue=INGEST, user_id=USER),
                       what="the ingest queue takes it")
        self.node.wait_link("dead", 1)
        [letter] = self.letters()
        self.assertEqual((letter["from"], letter["account"], letter["node"]),
                         (INGEST, USER, "n1"))
        self.assertIn("later", letter["reason"])
        self.assertEqual(letter["body"], body)
        # Without a cure it dies again, and is not lost.
        self.ctl("dead", "--retry", "all")
        self.node.wait_link("dead", 2)
        wait_until(lambda: len(self.letters()) == 1, what="it is a dead letter again")
        sections = dict(self.node.overrides)
        sections["backend:later"] = {"uri": "later://{user}@mail/{folder}/{message}"}
        self.node.reload(sections)
        self.ctl("dead", "--retry", "1")
        consumer.wait_events(1)
        self.assertEqual(self.letters(), [])


if __name__ == "__main__":
    unittest.main()
