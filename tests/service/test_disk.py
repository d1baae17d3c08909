# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""A disk that is full, read-only or broken, under load and at a start: refused with the reason, nothing that was
acknowledged is lost, and all goes on once it is mended."""

import os
import sys
import unittest
from collections import Counter

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness import disk
from harness.case import ROOT, ServiceTest
from harness.client import notification
from harness.wait import wait_until


@unittest.skipUnless(ROOT, "mounts")
class Disk(ServiceTest):
    def begin(self, kind, megabytes):
        self.d = self.daemon(start=False)
        self.disk = kind(self, self.d.registry, megabytes)
        self.d.start()

    def load(self):
        """A consumer, and a sender that repeats what is refused."""
        self.events = self.consumer(self.d, tables=("newmail",))
        [self.sender] = self.loads(self.d, 1, batch=10, again=True)
        self.sender.wait_accepted(100)

    def refuses(self, *reasons):
        """Whoever reports, and with the reason."""
        self.sender.wait_refused(1)
        status, text = wait_until(lambda: (lambda r: r[0] == 503 and r)(self.d.operations("/healthz")))
        self.assertEqual(status, 503)
        self.assertTrue(any(reason in text for reason in reasons), text)

    def numbers(self):
        return [e["message_flags"] for e in self.events.events()]

    def wait_heard(self):
        accepted = set(self.sender.accepted)
        wait_until(lambda: accepted <= set(self.numbers()), what=lambda: f"{len(accepted - set(self.numbers()))} are heard")

    def refused_at_start(self, *words):
        """And a line has these words."""
        start = len(self.d.history)
        self.d.start(ready=False)
        self.assertEqual(self.d.wait_exit(), 1)
        said = self.d.history[start:].splitlines()
        self.assertTrue(any(all(word in line for word in words) for line in said), said)

    def test_full_under_load(self):
        self.begin(disk.memory, 32)
        self.load()
        filler = self.disk.fill()
        self.refuses("No space left")
        os.unlink(filler)
        self.sender.wait_accepted(100)
        filler = self.disk.fill()
        self.sender.wait_refused(1)
        self.d.kill()
        os.unlink(filler)
        self.d.start()
        self.sender.wait_accepted(100)
        self.sender.stop()
        self.wait_heard()
        heard = [n for n in self.numbers() if n not in self.sender.refused]
        self.assertEqual(heard, sorted(heard))
        told = Counter(self.numbers())
        twice = {n for n, count in told.items() if count > 1}
        self.assertLessEqual(twice, self.sender.broken.keys() | self.sender.refused.keys(), "but what was repeated")

    def test_a_start_on_a_full_disk(self):
        self.begin(disk.memory, 32)
        self.accepted(self.client(self.d).newmail("1"), "nosubscriber")
        self.d.kill()
        filler = self.disk.fill()
        self.refused_at_start(self.d.registry, "No space left")
        os.unlink(filler)
        self.d.start()
        self.accepted(self.client(self.d).newmail("1"), "duplicate")

    def test_a_start_on_a_read_only_disk(self):
        self.begin(disk.memory, 32)
        self.accepted(self.client(self.d).newmail("1"), "nosubscriber")
        self.d.terminate()
        self.disk.remount("ro")
        self.refused_at_start(self.d.registry, "Read-only file system")
        self.disk.remount("rw")
        self.d.start()
        self.accepted(self.client(self.d).newmail("1"), "duplicate")

    def test_one_that_breaks_under_load(self):
        self.begin(disk.device, 48)
        self.load()
        self.disk.fail()
        self.refuses("Read-only file system", "Input/output error")
        self.wait_heard()  # what is on the disk can be read
        self.sender.stop()
        self.events.close()
        self.d.terminate()
        self.disk.repair()
        self.d.start()
        client, known = self.client(self.d), self.sender.accepted
        for first in range(0, len(known), 100):
            answer = client.put(*(notification(message=self.sender.name(n)) for n in known[first:first + 100]))
            self.assertEqual(set(self.accepted(answer).statuses), {"duplicate"})
        consumer = self.consumer(self.d)
        self.accepted(client.newmail("after", messageFlags=1), "queued")
        consumer.wait_events(1)

    def test_a_list_that_nobody_has_opened_before_it_broke(self):
        self.begin(disk.device, 48)
        self.events = self.consumer(self.d, tables=("newmail",))
        self.events.stop()
        client = self.client(self.d)
        for n in range(30):  # of which a queue takes ten
            self.accepted(client.newmail(str(n), messageFlags=n), "queued")
        self.disk.fail()
        self.events.go_on()
        wait_until(lambda: len(self.numbers()) >= 30, what="all are heard")
        self.assertEqual(self.numbers(), list(range(30)))


if __name__ == "__main__":
    unittest.main()
