# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Start, reload, stop, sudden death."""

import grp
import os
import random
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness import paths, queues
from harness.case import ROOT, ServiceTest, unprivileged
from harness.client import notification
from harness.storm import Storm
from harness.wait import LIMIT, wait_until


class Starting(ServiceTest):
    def test_it_runs_from_any_folder_as_an_ordinary_user(self):
        user = unprivileged()
        d = self.daemon(user=user, cwd="/usr")
        consumer = self.consumer(d, run_as=user)
        self.accepted(self.client(d).newmail("1"), "queued")
        self.assertEqual(len(consumer.wait_events(1)), 1)
        self.assertEqual(os.stat(d.registry).st_mode & 0o7777, 0o3770)
        if user:
            self.assertNotEqual(os.stat(d.registry).st_uid, 0)

    @unittest.skipUnless(ROOT, "needs root")
    def test_started_as_root_it_becomes_the_user_of_the_ini_and_serves_a_consumer_of_its_group(self):
        d = self.daemon({"main": {"user": "nobody", "group": "nogroup"}}, start=False)
        os.chmod(d.folder, 0o755)
        d.start()
        with open(f"/proc/{d.pid}/status", encoding="ascii") as f:
            status = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
        self.assertNotIn("0", status["Uid"].split())
        self.assertNotIn("0", status["Gid"].split())
        consumer, c = self.consumer(d, "victim3"), self.client(d)  # another user's: root's
        self.accepted(c.newmail("1", user="victim3"), "queued")
        self.assertEqual(len(consumer.wait_events(1)), 1)
        consumer.kill()  # its queue is removed although /dev/mqueue is sticky
        wait_until(lambda: not queues.names("victim3"), what="the queue is removed")

    @unittest.skipUnless(ROOT, "needs root")
    def test_an_ini_of_its_group_can_be_reloaded_after_root_is_dropped(self):
        """As `make install INI_GROUP=nogroup` leaves it; with root's group the start warns and says
        what to do, and a reload changes nothing."""
        d = self.daemon({"main": {"user": "nobody"}}, start=False)
        os.chmod(d.ini, 0o640)
        d.start()
        self.assertIn(f"SIGHUP will fail: chgrp nogroup {d.ini} && chmod 640 {d.ini}", d.log())
        self.assertIn("refused", d.reload(says="reload refused"))
        d.terminate()
        os.chown(d.ini, 0, grp.getgrnam("nogroup").gr_gid)
        start = len(d.history)
        d.start()
        self.assertNotIn("SIGHUP", d.log()[start:])
        d.reload(says="reloaded ")

    def test_a_second_daemon_on_the_same_registry_is_refused(self):
        d = self.daemon()
        second = self.daemon({"main": {"registry": d.registry}}, start=False)
        second.start(ready=False)
        self.assertEqual(second.wait_exit(), 1)
        self.assertIn(d.registry, second.log())
        self.accepted(self.client(d).newmail("1"), "nosubscriber")

    def test_it_starts_again_at_once_after_a_kill(self):
        d = self.daemon()
        for n in range(5):
            d.kill()
            d.start()
            self.accepted(self.client(d).newmail(str(n)), "nosubscriber")

    def test_a_port_in_use_is_said_with_its_address(self):
        d = self.daemon()
        second = self.daemon({"server:main": {"port": str(d.port)}}, start=False)
        second.start(ready=False)
        self.assertEqual(second.wait_exit(), 1)
        self.assertIn(str(d.port), second.log())

    def test_an_ini_with_an_error_is_refused_with_its_line(self):
        d = self.daemon({"server:main": {"max_batch": "many"}}, start=False)
        d.start(ready=False)
        self.assertEqual(d.wait_exit(), 1)
        self.assertRegex(d.log(), r"ocsmanager\.ini:\d+")

    def test_a_consumer_without_a_daemon_says_what_to_do(self):
        d = self.daemon(start=False)
        consumer = self.consumer(d, ready=False)
        self.assertEqual(consumer.wait_exit(), 1)
        self.assertIn("ocsmanager", consumer.err.text())

    def test_wrong_usage_is_2(self):
        for words in (["--what"], ["-c"], ["extra", "words"]):
            status = subprocess.run([paths.program("ocsmanager"), *words], capture_output=True,
                                    timeout=LIMIT, check=False).returncode
            self.assertEqual(status, 2, words)


class Stopping(ServiceTest):
    def test_sigterm_and_sigint_stop_it_in_time_under_load(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            d = self.daemon()
            self.consumer(d, tables=("newmail", "object"))
            loads = self.loads(d, 8, batch=10)
            wait_until(lambda: d.metrics().get("ocsmanager_notifications_received_total") > 200)
            d.process.send_signal(number)
            self.assertEqual(d.wait_exit(), 0)
            self.assertGreater(sum(len(load.stop().accepted) for load in loads), 0)

    def test_idle_and_half_open_connections_do_not_hold_it(self):
        d = self.daemon()
        idle = [self.raw(d) for _ in range(20)]
        for raw in idle[:10]:
            raw.send("PUT /notification HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc")
        d.terminate()

    def test_an_accepted_notification_is_there_whatever_ends_the_daemon_next(self):
        d = self.daemon()
        consumer, c = self.consumer(d), self.client(d)
        consumer.stop()
        for n in range(40):
            self.accepted(c.newmail(str(n), messageFlags=n), "queued")
        d.kill()
        consumer.go_on()
        self.assertEqual([e["message_flags"] for e in consumer.wait_events(40)], list(range(40)))
        d.start()
        self.accepted(self.client(d).newmail("40", messageFlags=40), "queued")
        self.assertEqual(len(consumer.wait_events(41)), 41)


class Reloading(ServiceTest):
    def test_a_good_ini_is_taken(self):
        d = self.daemon()
        c = self.client(d)
        self.refused(c.newmail("1", backend="dovecot"), 422, "UNKNOWN_BACKEND")
        d.reload({"backend:dovecot": {"uri": "imap://{user}@x/{folder}/{message}"},
                  "server:main": {"max_batch": "1"}}, says="reloaded")
        self.accepted(c.newmail("1", backend="dovecot"), "nosubscriber")
        self.refused(c.put(notification("modified"), notification("modified")), 422,
                     "BATCH_TOO_LARGE")

    def test_a_bad_ini_changes_nothing(self):
        d = self.daemon()
        c = self.client(d)
        line = d.reload({"backend:dovecot": {"uri": "imap://{user}@x/{folder}/{message}"},
                         "server:main": {"max_batch": "none"}}, says="reload refused")
        self.assertTrue(line)
        self.assertRegex(d.log(), r"ocsmanager\.ini:\d+.*max_batch")
        self.refused(c.newmail("1", backend="dovecot"), 422, "UNKNOWN_BACKEND")
        self.accepted(c.put(notification("modified"), notification("modified")))
        os.unlink(d.ini)
        d.reload(says="reload refused")
        self.accepted(c.put(notification("modified")))

    def test_what_needs_a_restart_is_said(self):
        """At each reload, as long as another value runs."""
        d = self.daemon({"server:main": {"threads": "6"}})
        told = "[server:main] threads has changed: restart to apply it"
        for threads, times in (("7", 1), ("7", 2), ("6", 2), ("8", 3)):
            d.reload({"server:main": {"threads": threads}}, says="reloaded")
            self.assertEqual(d.log().count(told), times, d.log())

    def test_a_link_that_needs_a_restart_is_not_asked_for_before(self):
        """Libraries are told what runs, not what stands in the ini."""
        d = self.daemon()
        d.reload({"rabbitmq": {"uri": "amqp://u:p@127.0.0.1:1/"}}, says="reloaded")
        self.assertIn("[rabbitmq] uri has changed: restart to apply it", d.log())
        c = self.client(d)
        c.newmail("before")  # behind which the settings are published
        consumer = self.consumer(d)
        c.newmail("after")
        self.assertEqual(len(consumer.wait_events(1)), 1)
        self.assertNotIn("not running", consumer.err.text())

    def test_under_load_no_request_is_lost(self):
        d = self.daemon()
        loads = self.loads(d, 4)
        for n in range(10):
            d.reload({"server:main": {"max_batch": str(100 + n)}}, says="reloaded")
        for load in loads:
            load.stop()
            self.assertEqual((load.refused, load.broken), ({}, {}))


class SuddenDeath(ServiceTest):
    """Killed between each two steps of a newmail: the sender sends it again, and the subscriber has
    seen it, with one identifier."""

    def killed_at(self, point, full=False, replaces=False):
        self.assertTrue(paths.have("ocsmanager-faults"), "the daemon with kill points is not built")
        overrides = {"mqueue": {"max_messages": "1"}} if full else {}
        d = self.daemon(overrides, program="ocsmanager-faults")
        consumer, c = self.consumer(d), self.client(d)
        if full:
            consumer.stop()
            self.accepted(c.newmail("first"), "queued")
        guid = None
        if replaces:  # another mail had the name
            guid = "now"
            self.accepted(c.newmail("victim", guid="before", messageFlags=55), "queued")
        token = c.token
        d.terminate()
        d.env = {"OCS_FAULT_KILL": point}
        d.start()
        c = self.client(d, login=False)
        with self.assertRaises(Exception):
            c.put(notification("newmail", message="victim", id="victim", messageFlags=77, guid=guid),
                  token=token)
        self.assertEqual(d.wait_exit(), -signal.SIGKILL)
        d.env = {}
        d.start()
        c = self.client(d, login=False)
        answer = self.accepted(c.put(
            notification("newmail", message="victim", id="victim", messageFlags=77, guid=guid),
            token=token))
        self.assertIn(answer.statuses[0], ("queued", "duplicate"))
        if full:
            consumer.go_on()
        self.accepted(c.put(notification("newmail", message="after", messageFlags=99), token=token),
                      "queued")
        consumer.wait_event(lambda e: e["message_flags"] == 99)
        mids = [e.mid for e in consumer.events() if e["message_flags"] == 77]
        self.assertGreaterEqual(len(mids), 1, "at least once")
        self.assertEqual(len(set(mids)), 1, "with one identifier")
        self.assertNotIn(mids[0], [e.mid for e in consumer.events() if e["message_flags"] == 55])
        for again in (notification("newmail", message="victim", id="victim", guid=guid),
                      notification("newmail", message="victim", id="another", guid=guid)):
            self.accepted(c.put(again, token=token), "duplicate")
        after = [e.mid for e in consumer.events() if e["message_flags"] == 99]
        self.assertNotEqual(after[0], mids[0])

    def test_when_it_was_accepted(self):
        self.killed_at("newmail-accepted")

    def test_when_its_identifier_was_assigned(self):
        self.killed_at("newmail-assigned")

    def test_when_its_entries_were_sent(self):
        self.killed_at("newmail-sent")

    def test_when_it_was_done_and_not_yet_answered(self):
        self.killed_at("newmail-done")

    def test_when_its_entry_was_spilled(self):
        self.killed_at("spill-written", full=True)


    def test_when_another_mail_had_its_name(self):
        for point in ("newmail-accepted", "newmail-assigned", "newmail-sent", "newmail-done"):
            with self.subTest(point):
                self.killed_at(point, replaces=True)

    def test_a_storm_of_kills_loses_doubles_and_damages_nothing(self):
        seed = random.randrange(10 ** 6)
        rng, d = random.Random(seed), self.daemon()
        storm = Storm(rng, [d], [(d, d, "ann"), (d, d, "bob")])
        self.addCleanup(storm.abandon)
        with self.subTest(seed=seed):
            for _ in range(4 if paths.sanitized() else 8):
                storm.cycle(rng.choice(("daemon", "consumer", "both")))
            storm.close(known=10 ** 6)


if __name__ == "__main__":
    unittest.main()
