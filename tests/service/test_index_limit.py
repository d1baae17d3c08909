# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""How large the identifier index may be, how deep a folder; and files that are cut short or overwritten in
place under a daemon and a consumer at work."""

import os
import random
import sys
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness.case import ServiceTest
from harness.client import notification
from harness.wait import LIMIT, wait_until

BATCH = 40


class Full(ServiceTest):
    def fill(self, client, until, start=0):
        """Mails with the longest names, until one is refused or until() says so."""
        for n in range(start, 100000, BATCH):
            answer = client.put(*[notification(message=f"{i:01000d}") for i in range(n, n + BATCH)])
            self.assertIn(answer.status, (200, 503), answer)
            if answer.status == 503 or any(s == "refused" for s in answer.statuses) or until():
                return n + BATCH, answer
        raise AssertionError("never")

    def trouble(self, d):
        return d.metrics().get("ocsmanager_health_trouble", source="index-size")

    def size(self, d):
        return d.metrics().get("ocsmanager_index_bytes")

    def test_it_warns_then_refuses_what_is_new_and_serves_what_it_knows(self):
        d = self.daemon({"main": {"index_limit": "1000"}})
        c = self.client(d)
        self.accepted(c.newmail("known"), "nosubscriber")
        self.assertEqual(self.trouble(d), 0)
        self.assertEqual(d.metrics().get("ocsmanager_index_limit_bytes"), 1000 << 20)
        self.assertEqual(d.metrics().get("ocsmanager_index_files"), 1)

        n, _ = self.fill(c, lambda: self.size(d) > 12 << 20)
        d.restart()  # all of the journal is in the index then
        c = self.client(d)
        limit = int(1.5 * self.size(d)) >> 20
        d.write_ini({"main": {"index_limit": str(limit)}})
        d.reload()
        wait_until(lambda: self.trouble(d) == 1, what="a warning")
        self.assertEqual(d.operations("/healthz")[0], 200)
        self.assertRegex(d.log(), r"warning: .*index\.tdb.*index_limit")

        n, answer = self.fill(c, lambda: False, n)
        self.assertIn("index_limit", answer.text)
        self.assertIn("REGISTRY_UNAVAILABLE", answer.text)
        status, text = wait_until(lambda: (lambda r: r[0] == 503 and r)(d.operations("/healthz")))
        self.assertIn("index_limit", text)
        self.assertEqual(self.trouble(d), 2)
        self.refused(c.newmail("new"), 503, "REGISTRY_UNAVAILABLE")
        self.refused(c.put(notification("created", folder="New")), 503, "REGISTRY_UNAVAILABLE")
        self.assertEqual(c.newmail("known").statuses, ["duplicate"])
        self.accepted(c.put(notification("modified", message="known")), "nosubscriber")
        self.accepted(c.put(notification("modified")), "nosubscriber")
        self.accepted(c.put(notification("deleted", message="known")), "nosubscriber")

        d.restart()
        c = self.client(d)
        self.refused(c.newmail("new"), 503, "REGISTRY_UNAVAILABLE")
        d.write_ini({"main": {"index_limit": "1000"}})
        d.reload()
        wait_until(lambda: d.operations("/healthz")[0] == 200, what="it is well again")
        self.accepted(c.newmail("new"), "nosubscriber")
        self.assertEqual(self.trouble(d), 0)


class Depth(ServiceTest):
    def test_a_folder_has_at_most_64_levels(self):
        d = self.daemon()
        c = self.client(d)
        deepest = "/".join(["d"] * 64)
        self.accepted(c.put(notification(folder=deepest, message="1")), "nosubscriber")
        deeper = deepest + "/d"
        for what in (notification(folder=deeper, message="1"), notification("created", folder=deeper)):
            answer = self.refused(c.put(what), 422, "INVALID_PARAMETER")
            self.assertIn("64 levels", answer.text)

    def test_an_attacker_writes_little_more_than_they_send(self):
        d = self.daemon()
        c = self.client(d)
        user = "u" * 1000
        path = os.path.join(d.registry, "index.tdb")
        before = os.path.getsize(path)
        for n in range(20):
            c.put(*[notification(user=user, folder="/".join([f"{n}x{i}"] + ["d"] * 63), message="1")
                    for i in range(20)])
        # 400 paths of 64 levels: 25,600 folders, three records each, and no user name in them.
        self.assertLess(os.path.getsize(path) - before, 12_000_000)


class Abuse(ServiceTest):
    """Nobody dies, whatever is done to the files; what was there, put back, goes on."""

    def abuse(self, name):
        d = self.daemon({"limits": {"request_deadline": "5"}})
        consumer = self.consumer(d, tables=("object",))
        c = self.client(d, timeout=LIMIT)
        self.accepted(c.put(notification("modified")), "queued")
        path = os.path.join(d.registry, name)
        stop = threading.Event()

        def load(k):
            with self.client(d, timeout=LIMIT) as client:
                n = 0
                while not stop.is_set():
                    n += 1
                    client.newmail(f"{k}.{n}")
        threads = [threading.Thread(target=load, args=(k,)) for k in range(2)]
        for thread in threads:
            thread.start()
        rnd = random.Random(name)
        with open(path, "rb") as f:
            whole = f.read()
        for n in range(40):
            if n % 4 == 0:
                os.truncate(path, rnd.randrange(len(whole)))
            elif n % 4 == 1:
                with open(path, "r+b") as f:
                    f.seek(rnd.randrange(len(whole)))
                    f.write(rnd.randbytes(65536))
            elif n % 4 == 2:
                with open(path, "wb") as f:
                    f.write(whole[:rnd.randrange(len(whole))])
            else:
                with open(path, "r+b") as f:
                    f.write(rnd.randbytes(4096))
            c.put(notification("modified", user=f"user{n}"))
            self.assertTrue(d.alive(), d.log()[-2000:])
            self.assertTrue((consumer.process.poll() is None))
        stop.set()
        for thread in threads:
            thread.join(LIMIT)
        self.assertTrue(d.alive() and (consumer.process.poll() is None))
        with open(path, "r+b") as f:  # as it was
            f.write(whole)
            f.truncate()
        self.wait_well(d, c)
        seen = len(consumer.events())
        self.accepted(c.put(notification("modified")), "queued")
        consumer.wait_events(seen + 1)
        return d, consumer, path

    def wait_well(self, d, client):
        wait_until(lambda: client.newmail("afterwards").status == 200, what="mail is accepted again")
        wait_until(lambda: d.operations("/healthz")[0] == 200, what="it is well again")

    def test_the_index(self):
        d, _, path = self.abuse("index.tdb")
        self.assertRegex(d.log(), r"index\.tdb: (cut short|overwritten|cannot|full)")

    def test_the_registry(self):
        d, _, path = self.abuse("registry.tdb")
        self.assertRegex(d.log(), r"registry\.tdb: (cut short|overwritten|cannot)")


if __name__ == "__main__":
    unittest.main()
