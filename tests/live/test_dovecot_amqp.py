# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""ocsmanager_transport = amqp, the whole way: a real Dovecot with the plugin, a daemon on the mail host
that relays, a real RabbitMQ, and the node where the user's MAPI session is."""

import grp
import os
import statistics
import pwd
import signal
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from rig import Dovecot  # noqa: E402

from harness import paths, rabbit  # noqa: E402
from harness.case import ROOT  # noqa: E402
from harness.nodes import RabbitTest  # noqa: E402
from harness.wait import LIMIT, stop_process, wait_until  # noqa: E402

BACKEND = {"backend:dovecot": {"uri": "imap://{user}@mailhost/{folder}/{message}"}}
# What a delivery may take at most while something else is dead or hangs.
PROMPT = 0.9
MAIL = b"From: a@example.org\r\nSubject: appended\r\n\r\nHello.\r\n"


class DovecotAmqp(RabbitTest):
    lmtp = None

    def mail_host(self, settings=None, **keys):
        """The relay and Dovecot beside it."""
        server = {"port": "0", "socket": "sock/o.sock"}
        if ROOT:  # Dovecot's mail processes are nobody's
            server["socket_group"] = grp.getgrgid(pwd.getpwnam("nobody").pw_gid).gr_name
        self.relay = self.node("r", relay="yes", overrides={**BACKEND, "server:main": server},
                               **keys)
        self.dovecot = Dovecot(plugin=paths.program("lib90_ocsmanager_plugin.so"))
        self.addCleanup(self.stop_dovecot)
        self.dovecot.settings = {"ocsmanager_transport": "amqp",
                                 "ocsmanager_socket": self.relay.path("sock/o.sock"),
                                 **(settings or {})}
        self.dovecot.start()
        self.settled_from = time.monotonic()
        # a mailbox that is there: its creation is no part of the story
        imap = self.dovecot.imap("alice")
        imap.select("INBOX")
        imap.logout()

    def stop_dovecot(self):
        log = self.dovecot.log() + self.dovecot.console()
        self.dovecot.stop()
        for word in ("Panic", "killed with signal", "AddressSanitizer", rabbit.PASSWORD):
            self.assertNotIn(word, log)

    def kill_broker(self):
        """A queue of a broker that is killed within a second of its declaration does not come back: the
        list of the quorum queues is written to the disk with that delay."""
        time.sleep(max(0.0, self.settled_from + 3 - time.monotonic()))
        self.broker.kill()

    def deliver(self, count):
        """By one process, none of them held up: the most of them would take seconds else."""
        if self.lmtp is None:
            self.lmtp = self.dovecot.lmtp()
            self.addCleanup(self.lmtp.close)
        times = [self.lmtp.deliver(["alice"], self.dovecot.message()) for _ in range(count)]
        self.assertLess(statistics.median(times), PROMPT, times)
        return max(times)

    def new_mails(self, consumer):
        return [e.mid for e in consumer.events() if e.flags == 0x8002]

    def wait_new_mails(self, consumer, count, limit=LIMIT):
        """Exactly so many, none twice."""
        wait_until(lambda: len(set(self.new_mails(consumer))) >= count, limit,
                   f"{count} new mails (relay's log: {self.relay.log()[-1500:]})")
        mids = self.new_mails(consumer)
        self.assertEqual((len(mids), len(set(mids))), (count, count))

    def complaints(self):
        return [l for l in self.dovecot.log().splitlines() if "Warning: ocsmanager:" in l]

    def mails(self):
        imap = self.dovecot.imap("alice")
        count = int(imap.select("INBOX")[1][0])
        imap.logout()
        return count

    def listen(self, node, tables=("newmail",)):
        return self.consumer(node, "alice", tables)

    def test_a_delivery_is_a_ropnotify_on_the_node_of_the_session(self):
        node = self.node("n", overrides=BACKEND)
        self.mail_host()
        consumer = self.listen(node, ("newmail", "object"))
        self.deliver(2)
        self.wait_new_mails(consumer, 2)
        imap = self.dovecot.imap("alice")
        imap.append("INBOX", None, None, MAIL)
        imap.select("INBOX")
        imap.store("1", "+FLAGS", r"(\Seen)")
        # while it is there: what a process cannot report before it ends waits for the next one
        consumer.wait_event(lambda e: e.flags == 0x8010)
        imap.logout()
        self.assertEqual(len([e for e in consumer.events() if e.flags == 0x8004]), 3)
        self.assertEqual(self.complaints(), [])
        self.assertGreaterEqual(self.relay.link("relayed"), 4)

    def test_the_session_may_be_on_any_of_several_nodes(self):
        nodes = self.nodes("ab", overrides=BACKEND)
        self.mail_host()
        consumers = [self.listen(node) for node in nodes]
        self.deliver(6)  # the nodes share what the relay hands out
        for consumer in consumers:
            self.wait_new_mails(consumer, 6)

    def test_a_broker_that_is_killed_during_deliveries_costs_no_event_with_a_spool(self):
        node = self.node("n", overrides=BACKEND)
        self.mail_host(spool_max=1)
        consumer = self.listen(node)
        self.deliver(10)
        self.kill_broker()
        self.deliver(30)
        self.relay.wait_link("spooled", 1)
        self.relay.terminate()  # the spool is on disk
        self.deliver(5)
        self.relay.start()
        self.broker.start()
        self.deliver(5)
        self.wait_new_mails(consumer, 50)
        self.assertEqual(self.mails(), 50)

    def test_without_a_spool_the_plugin_keeps_what_the_relay_refuses(self):
        node = self.node("n", overrides=BACKEND)
        self.mail_host()
        consumer = self.listen(node)
        self.deliver(3)
        self.wait_new_mails(consumer, 3)
        self.kill_broker()
        self.deliver(20)
        self.dovecot.wait_log("BROKER_UNAVAILABLE")
        self.deliver(5)
        self.assertEqual(len(self.complaints()), 1, "said once")
        self.broker.start()
        self.wait_new_mails(consumer, 28)
        self.dovecot.wait_log("answers again")

    def test_a_broker_that_hangs_delays_no_delivery(self):
        node = self.node("n", overrides=BACKEND)
        self.mail_host()
        consumer = self.listen(node)
        self.deliver(3)
        self.wait_new_mails(consumer, 3)
        self.broker.sigstop()
        try:
            end = time.monotonic() + 3
            sent = 3
            while time.monotonic() < end:
                self.deliver(5)
                sent += 5
                time.sleep(0.1)
        finally:
            self.broker.sigcont()
        self.wait_new_mails(consumer, sent)

    def test_a_relay_that_is_killed_or_hangs_costs_no_event_and_no_time(self):
        node = self.node("n", overrides=BACKEND)
        self.mail_host()
        consumer = self.listen(node)
        self.deliver(5)
        self.relay.kill()
        self.deliver(15)
        self.dovecot.wait_log("mail is stored as usual")
        self.relay.start()
        self.wait_new_mails(consumer, 20)
        stop_process(self.relay.pid)
        try:
            self.deliver(15)
            time.sleep(0.3)
            self.deliver(5)
        finally:
            self.relay.process.send_signal(signal.SIGCONT)
        self.wait_new_mails(consumer, 40)
        self.assertEqual(self.mails(), 40)


if __name__ == "__main__":
    unittest.main()
