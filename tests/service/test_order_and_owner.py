# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""What a restart with another clock, or a queue of somebody else's, must not change."""

import json
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness import mq, paths
from harness.case import ROOT, ServiceTest
from harness.wait import LIMIT, wait_until


class Clock(ServiceTest):
    def flood(self, client, first, count):
        for n in range(first, first + count):
            self.accepted(client.newmail(f"m{n}", messageFlags=n), "queued")

    def test_a_clock_set_back_two_hours_across_a_restart_changes_no_order(self):
        self.assertTrue(paths.have("ocsmanager-faults"), "the daemon of the tests is not built")
        d = self.daemon(program="ocsmanager-faults")
        consumer, c = self.consumer(d), self.client(d)
        consumer.stop()
        self.flood(c, 0, 30)  # ten in the kernel's queue, the rest spilled
        for offset, first in (("-7200", 30), ("-14400", 45), ("0", 60), ("-3600", 75)):
            d.terminate()
            d.env = {"OCS_FAULT_CLOCK": offset}
            d.start()
            self.flood(self.client(d), first, 15)
        consumer.go_on()
        events = consumer.wait_events(90)
        self.assertEqual([e["message_flags"] for e in events], list(range(90)))
        times = [e["time"] for e in events]
        self.assertNotEqual(times, sorted(times), "the clock did go back")


def ctl(daemon, *words):
    return subprocess.run([paths.program("ocsctl"), "-c", daemon.ini, *words], check=True,
                          capture_output=True, timeout=LIMIT).stdout.decode()


@unittest.skipUnless(ROOT, "needs another user")
class Owner(ServiceTest):
    def queue_of(self, d):
        return json.loads(ctl(d, "queues", "--json"))[0]["queue"]

    def test_a_name_that_another_user_took_gets_nothing_and_all_arrives(self):
        d = self.daemon()
        consumer, c = self.consumer(d, tables=("newmail",)), self.client(d)
        name = self.queue_of(d)
        consumer.stop()
        mq.unlink(name)
        mq.create_as("nobody", name)
        self.addCleanup(mq.unlink, name)
        for n in range(5):
            self.accepted(c.newmail(str(n), messageFlags=n), "queued")
        messages, uid = mq.state(name)
        self.assertNotEqual(uid, 0)
        self.assertEqual(messages, 0)
        line = d.err.wait_text("cannot use queue")
        self.assertIn(name, line)
        self.assertIn(f"belongs to uid {uid}, not to uid 0", line)
        self.assertEqual(d.metrics().get("ocsmanager_health_trouble", source="queues"), 1)
        self.assertIn("warning: queues: ", d.operations("/healthz")[1])
        # nor does a tool take it for the session's
        self.assertIn("belongs to another user", ctl(d, "queues"))
        consumer.go_on()
        self.assertEqual([e["message_flags"] for e in consumer.wait_events(5)], list(range(5)))
        self.accepted(c.newmail("x", messageFlags=9), "queued")
        consumer.wait_events(6)
        self.assertEqual(mq.state(name)[0], 0)

    def test_the_queue_of_somebody_else_is_left_when_the_session_ends(self):
        d = self.daemon()
        consumer = self.consumer(d)
        name = self.queue_of(d)
        consumer.stop()
        mq.unlink(name)
        mq.create_as("nobody", name)
        self.addCleanup(mq.unlink, name)
        consumer.kill()
        wait_until(lambda: d.metrics().get("ocsmanager_sessions_reaped_total") == 1,
                   what="the session is removed")
        self.assertNotEqual(mq.state(name)[1], 0)


if __name__ == "__main__":
    unittest.main()
