# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""The files on disk when others hold their locks, damage them, or take them away."""

import http.client
import os
import random
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness.case import ServiceTest
from harness.client import notification
from harness.tdb import StoppedHolder, Tdb
from harness.wait import LIMIT, wait_until


def garbage(size):
    """The same bytes each time, so that a failure can be repeated."""
    return random.Random(size).randbytes(size)


class StoppedProcess(ServiceTest):
    """A stopped process that holds a lock: it cannot be waited for, and must not stop the others."""

    def setUp(self):
        self.d = self.daemon({"limits": {"request_deadline": "1"}})
        self.o = self.consumer(self.d, tables=("object",))
        self.c, self.other = self.client(self.d, timeout=LIMIT), self.client(self.d, timeout=LIMIT)
        self.accepted(self.c.put(notification("modified")), "queued")  # the folder is known

    def hold(self, name, mode):
        holder = StoppedHolder(os.path.join(self.d.registry, name), mode)
        self.addCleanup(holder.close)
        return holder

    def trouble(self, holder, blocked, let_go):
        found = {}

        def ask():
            start = time.monotonic()
            found["answer"], found["seconds"] = blocked(), time.monotonic() - start
        thread = threading.Thread(target=ask)
        thread.start()
        seen = len(self.o.events())
        meanwhile = 0
        for n in range(1, 9):  # what needs no commit is answered
            self.accepted(self.other.put(notification("modified")), "queued")
            meanwhile += "answer" not in found
            self.o.wait_events(seen + n)
        self.assertGreater(meanwhile, 0, "answered while the other one still waits")
        thread.join(LIMIT)
        answer = self.refused(found["answer"], 503, "REGISTRY_UNAVAILABLE")
        self.assertGreaterEqual(int(answer.headers["Retry-After"]), 1)
        self.assertGreater(found["seconds"], 0.5)

        status, text = wait_until(
            lambda: (lambda r: r[0] == 503 and r)(self.d.operations("/healthz")),
            what="the health check says so")
        self.assertIn(str(holder.pid), text, "it names the process that holds the lock")
        self.accepted(self.other.put(notification("modified")), "queued")

        let_go()
        wait_until(lambda: self.d.operations("/healthz")[0] == 200, what="it recovers")
        answer = wait_until(lambda: (lambda a: a.status == 200 and a)(blocked()))
        self.assertIn(answer.statuses[0], ("queued", "duplicate"))
        metrics = self.d.metrics()
        self.assertEqual(metrics.get("ocsmanager_notifications_received_total"),
                         metrics.get("ocsmanager_notifications_total"))

    def newmail(self):
        return self.c.newmail("blocked", id="blocked")

    def test_a_transaction_in_the_index_continued(self):
        holder = self.hold("index.tdb", "write")
        self.trouble(holder, self.newmail, holder.go_on)

    def test_a_transaction_in_the_index_killed(self):
        holder = self.hold("index.tdb", "write")
        self.trouble(holder, self.newmail, holder.kill)

    def test_a_read_lock_on_the_index(self):
        holder = self.hold("index.tdb", "read")
        self.trouble(holder, self.newmail, holder.kill)

    def test_a_lock_on_the_registry_stops_no_notification(self):
        full = self.consumer(self.d, "full", tables=("object",))
        full.stop()
        for n in range(10):
            self.accepted(self.c.put(notification("modified", user="full", total=n, unread=0)), "queued")
        for mode, first in (("write", 10), ("read", 30)):
            with self.subTest(mode=mode):
                holder = self.hold("registry.tdb", mode)
                for n in range(first, first + 20):  # to its spill list: the queue is full
                    self.accepted(self.c.put(notification("modified", user="full", total=n, unread=0, id=f"i{n}")),
                                  "queued")
                holder.kill()
        full.go_on()
        self.assertEqual([e["total"] for e in full.wait_events(50)], list(range(50)))

    def test_sigterm_ends_the_daemon_in_time_even_so(self):
        holder = self.hold("index.tdb", "write")

        def ask():
            try:
                self.assertEqual(self.newmail().status, 503)
            except (OSError, http.client.HTTPException):
                pass  # it came when the daemon had stopped listening

        thread = threading.Thread(target=ask)
        thread.start()
        self.d.terminate()
        thread.join()
        holder.kill()

    def test_a_consumer_stopped_at_any_moment_of_its_drain_delays_nobody_for_long(self):
        # it may be stopped with or without a lock; either way the daemon answers within its deadline
        victim = self.consumer(self.d, "victim", tables=("object",))
        for round_ in range(30):
            self.c.put(*[notification("modified", user="victim", total=n) for n in range(40)])
            victim.stop()
            answer = self.c.newmail(f"round {round_}")  # or the client's time is over
            self.assertIn(answer.status, (200, 503))
            victim.go_on()
        wait_until(lambda: self.d.operations("/healthz")[0] == 200)


class Damage(ServiceTest):
    def user_key(self, tdb, user):
        return next(k for k in tdb.records() if k[:1] == b"U" and user.encode() in k)

    def test_a_damaged_user_record_is_reported_and_skipped_and_the_others_are_served(self):
        d = self.daemon()
        hurt, well, c = self.consumer(d, "hurt"), self.consumer(d, "well"), self.client(d)
        with Tdb(os.path.join(d.registry, "registry.tdb")) as tdb:
            key = self.user_key(tdb, "hurt")
            tdb.store(key, garbage(len(tdb.records()[key])))
        answer = self.accepted(c.newmail("1", user="hurt"))
        self.assertIn(answer.statuses[0], ("nosubscriber", "refused"))
        self.accepted(c.newmail("1", user="well"), "queued")
        self.assertEqual(len(well.wait_events(1)), 1)
        wait_until(lambda: d.metrics().get("ocsmanager_damaged_records_total") >= 1)
        self.assertIn("damaged", d.log().lower())
        self.assertEqual(d.operations("/healthz")[0], 200)
        again = self.consumer(d, "hurt")  # a new subscription of that user works
        self.accepted(c.newmail("2", user="hurt"), "queued")
        self.assertEqual(len(again.wait_events(1)), 1)

    def test_one_changed_bit_is_noticed(self):
        d = self.daemon()
        self.consumer(d, "hurt")
        c = self.client(d)
        with Tdb(os.path.join(d.registry, "registry.tdb")) as tdb:
            key = self.user_key(tdb, "hurt")
            value = bytearray(tdb.records()[key])
            value[len(value) // 2] ^= 0x10
            tdb.store(key, bytes(value))
        self.assertIn(self.accepted(c.newmail("1", user="hurt")).statuses[0],
                      ("nosubscriber", "refused"))
        wait_until(lambda: d.metrics().get("ocsmanager_damaged_records_total") >= 1)

    def test_a_damaged_registry_is_moved_aside_and_made_anew(self):
        d = self.daemon()
        d.terminate()
        path = os.path.join(d.registry, "registry.tdb")
        with open(path, "r+b") as f:
            f.write(garbage(4096))
        d.start()
        self.assertIn("moved aside", d.log())
        self.assertTrue([n for n in os.listdir(d.registry) if n.startswith("registry.tdb.corrupt-")])
        self.accepted(self.client(d).newmail("1"), "nosubscriber")

    def refuses_to_start(self, d):
        d.start(ready=False)
        status = d.wait_exit()
        self.assertEqual(status, 1)
        self.assertIn("index.tdb", d.log())
        return d.log()

    def used(self):
        d = self.daemon()
        self.accepted(self.client(d).newmail("1"))
        d.terminate()
        return d, os.path.join(d.registry, "index.tdb")

    def test_an_index_of_garbage_is_refused_with_advice(self):
        d, path = self.used()
        size = os.path.getsize(path)
        with open(path, "wb") as f:
            f.write(garbage(size))
        self.assertRegex(self.refuses_to_start(d), r"replica_id|restore|backup")

    def test_a_truncated_index_is_refused(self):
        d, path = self.used()
        os.truncate(path, os.path.getsize(path) // 20)  # behind it there may be free space only
        self.refuses_to_start(d)

    def test_an_empty_index_is_refused(self):
        d, path = self.used()
        os.truncate(path, 0)
        self.refuses_to_start(d)

    def test_an_index_that_is_gone_is_refused(self):
        d, path = self.used()
        os.unlink(path)
        self.refuses_to_start(d)

    def test_another_replica_id_is_the_way_out(self):
        d, path = self.used()
        os.unlink(path)
        self.refuses_to_start(d)
        d.write_ini({"main": {"replica_id": "2"}})
        d.start()
        consumer = self.consumer(d)
        self.accepted(self.client(d).newmail("1"), "queued")
        self.assertEqual(consumer.wait_events(1)[0].mid & 0xFFFF, 2)


if __name__ == "__main__":
    unittest.main()
