# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""What cleaners and admins remove under a running daemon and library is noticed, said and mended."""

import glob
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness import mq, paths
from harness.case import ServiceTest
from harness.wait import LIMIT, stop_process, wait_until


class Removed(ServiceTest):
    def setUp(self):
        self.d = self.daemon()
        self.o = self.consumer(self.d, tables=("newmail",))
        self.c = self.client(self.d)
        self.n = 0

    def wake(self, pattern="*"):
        return glob.glob(os.path.join(self.d.registry, "wake", pattern))

    def arrives(self):
        """More than the kernel's queue holds, so that a wake-up is needed."""
        for _ in range(15):
            self.accepted(self.c.newmail(str(self.n), messageFlags=self.n), "queued")
            self.n += 1
        self.assertEqual([e["message_flags"] for e in self.o.wait_events(self.n)],
                         list(range(self.n)))

    def never_dead(self):
        self.assertEqual(self.d.metrics().get("ocsmanager_sessions_reaped_total"), 0)
        self.assertNotIn("is gone: removed its", self.d.log())

    def test_the_sockets(self):
        self.arrives()
        for path in self.wake():
            os.unlink(path)
        self.o.err.wait_text("had been removed; made again")
        self.assertEqual((len(self.wake("*.sock")), len(self.wake("*.queues"))), (1, 1))
        self.arrives()
        self.never_dead()
        self.arrives()

    def test_the_folder_of_the_sockets(self):
        shutil.rmtree(os.path.join(self.d.registry, "wake"))
        self.o.err.wait_text("had been removed; made again")
        self.assertEqual(len(self.wake("*.sock")), 1)
        self.assertEqual(os.stat(os.path.join(self.d.registry, "wake")).st_mode & 0o7777, 0o1770)
        self.arrives()
        other = self.consumer(self.d, user="jane")
        self.accepted(self.c.newmail("1", user="jane"), "queued")
        other.wait_events(1)
        self.never_dead()

    def test_a_queue(self):
        self.arrives()
        [queue] = self.queues()
        for _ in range(3):
            self.accepted(self.c.newmail(f"w{self.n}", messageFlags=self.n), "queued")
            self.n += 1
        mq.unlink(queue)
        self.o.err.wait_text("1 message queue had been removed; made again")
        self.assertNotEqual(self.queues(), [queue])
        self.arrives()
        wait_until(lambda: self.d.metrics().get("ocsmanager_health_trouble", source="queues") == 0)

    def queues(self):
        done = subprocess.run([paths.program("ocsctl"), "-c", self.d.ini, "queues", "--json"],
                              check=True, capture_output=True, timeout=LIMIT)
        return [q["queue"] for q in json.loads(done.stdout)]

    def test_the_registry_with_entries_in_a_spill_list(self):
        self.arrives()
        self.o.stop()
        for _ in range(15):  # five are spilled
            self.accepted(self.c.newmail(f"s{self.n}", messageFlags=self.n), "queued")
            self.n += 1
        os.unlink(os.path.join(self.d.registry, "registry.tdb"))
        self.d.err.wait_text("made anew with all that it held")
        self.assertEqual(len(self.queues()), 1)
        self.o.go_on()
        self.assertEqual([e["message_flags"] for e in self.o.wait_events(self.n)],
                         list(range(self.n)))
        self.o.err.wait_text("the registry is a new one; registered again")
        self.arrives()
        self.consumer(self.d, user="jane")
        self.assertEqual(self.d.operations("/healthz")[0], 200)
        self.never_dead()

    def test_the_folder_of_the_spill_lists(self):
        self.arrives()
        self.o.stop()
        for _ in range(15):  # five are spilled
            self.accepted(self.c.newmail(f"s{self.n}", messageFlags=self.n), "queued")
            self.n += 1
        shutil.rmtree(os.path.join(self.d.registry, "spill"))
        self.d.err.wait_text("spill lists had been removed; made again with the 5 entries that wait in them")
        self.assertEqual(os.stat(os.path.join(self.d.registry, "spill")).st_mode & 0o7777, 0o750)
        self.o.go_on()
        self.assertEqual([e["message_flags"] for e in self.o.wait_events(self.n)], list(range(self.n)))
        self.arrives()
        self.assertEqual(self.d.operations("/healthz")[0], 200)

    def test_another_file_in_place_of_the_registry(self):
        self.arrives()
        path = os.path.join(self.d.registry, "registry.tdb")
        shutil.copy(path, path + ".copy")
        os.rename(path + ".copy", path)
        self.d.err.wait_text("made anew with all that it held")
        self.o.err.wait_text("the registry is a new one; registered again")
        self.arrives()
        self.assertEqual(len(glob.glob(path + ".other*")), 1)

    def damage(self, start):
        """Overwrites registry.tdb from there on, in place."""
        path = os.path.join(self.d.registry, "registry.tdb")
        size = os.path.getsize(path)
        with open(path, "r+b") as f:
            f.seek(start)
            f.write(random.Random(start).randbytes(size - start))

    def test_garbage_over_a_part_of_the_registry(self):
        """Size and header are what they were: only what is read shows it."""
        for start in (4096, 300000):
            with self.subTest(start=start):
                self.arrives()
                mark, known = len(self.d.err.lines), len(self.o.err.lines)
                self.damage(start)
                self.d.err.wait_text("damaged while in use: made anew and empty", start=mark)
                self.o.err.wait_text("registered again", start=known)
                wait_until(lambda: self.d.operations("/healthz")[0] == 200)
                self.arrives()
        self.assertEqual(len(self.queues()), 1)

    def test_who_was_taken_for_dead_is_back_when_it_wakes_up(self):
        self.arrives()
        self.o.stop()
        for path in self.wake():
            os.unlink(path)
        wait_until(lambda: self.d.metrics().get("ocsmanager_sessions_reaped_total") == 1,
                   what="it is taken for dead")
        self.o.go_on()
        self.o.err.wait_text("no longer registered")
        wait_until(lambda: self.queues())
        self.arrives()


class Files(ServiceTest):
    """The table of notify/dispatch_files.c, one by one: gone, said, there again, and it goes on."""

    def setUp(self):
        self.d = self.daemon()
        self.o = self.consumer(self.d, tables=("newmail",))
        self.c = self.client(self.d)
        self.n = 0

    def arrives(self):
        self.accepted(self.c.newmail(str(self.n), id=f"id-{self.n}", messageFlags=self.n), "queued")
        self.n += 1
        self.assertEqual([e["message_flags"] for e in self.o.wait_events(self.n)],
                         list(range(self.n)))

    def gone(self, name, remove=os.unlink):
        """Removed; waits until it is said and there again. Returns what was in it before."""
        path = os.path.join(self.d.registry, name)
        mark = len(self.d.err.lines)
        with open(path, "rb") as f:
            before = f.read()
        remove(path)
        self.d.err.wait_text(f"{name}: is ", start=mark)
        self.d.err.wait_text("made again, nothing is lost", start=mark)
        wait_until(lambda: os.path.exists(path))
        self.assertEqual(self.d.operations("/healthz")[0], 200)
        self.arrives()
        return before

    def now(self, name):
        with open(os.path.join(self.d.registry, name), "rb") as f:
            return f.read()

    def duplicate(self):
        """What was reported before the removal is known, now and after a restart."""
        for _ in range(2):
            self.accepted(self.c.newmail("0", id="id-0"), "duplicate")
            self.d.restart()
            self.c.close()
            self.c = self.client(self.d)

    def second(self):
        """What a second daemon of the same ini says before it ends."""
        done = subprocess.run([paths.program("ocsmanager"), "-c", self.d.ini, "-f"],
                              capture_output=True, timeout=LIMIT)
        self.assertNotEqual(done.returncode, 0)
        return done.stderr.decode()

    def test_the_lock(self):
        before = self.gone("ocsmanager.lock")
        self.assertEqual(self.now("ocsmanager.lock"), before)
        self.assertIn("another ocsmanager (pid %d) serves" % self.d.pid, self.second())
        done = subprocess.run([paths.program("ocsctl"), "-c", self.d.ini, "status"],
                              capture_output=True, timeout=LIMIT)
        self.assertEqual(done.returncode, 0, done)

    def test_a_second_daemon_is_refused_while_the_lock_is_gone(self):
        """The lock is the private folder's: nothing depends on who is quicker."""
        path = os.path.join(self.d.registry, "ocsmanager.lock")
        stop_process(self.d.pid)
        try:
            os.unlink(path)
            self.assertIn("another ocsmanager (pid %d) serves" % self.d.pid, self.second())
        finally:
            os.kill(self.d.pid, signal.SIGCONT)
        self.arrives()
        wait_until(lambda: os.path.exists(path) and self.now("ocsmanager.lock"))

    def test_the_secret(self):
        self.arrives()
        self.assertEqual(self.gone("private/secret"), self.now("private/secret"))
        self.assertEqual(os.stat(os.path.join(self.d.registry, "private/secret")).st_mode & 0o777,
                         0o600)
        self.d.restart()
        self.c.port = self.d.port
        again = self.client(self.d, login=False)
        again.token = self.c.token
        self.accepted(again.newmail("after", messageFlags=self.n), "queued")

    def test_the_tokens_that_were_logged_out(self):
        other = self.client(self.d)
        token = other.token
        other.logout()
        self.gone("private/auth.tdb")
        third = self.client(self.d)
        third_token = third.token
        third.logout()
        self.d.restart()
        for ended in (token, third_token):
            client = self.client(self.d, login=False)
            client.token = ended
            self.assertEqual(client.newmail("x").status, 401)

    def test_the_sequence(self):
        self.arrives()
        self.gone("private/sequence.log")
        self.d.restart()
        self.c.close()
        self.c = self.client(self.d)
        self.arrives()

    def test_the_journal_of_messages(self):
        self.arrives()
        path = os.path.join(self.d.registry, "private/messages.log")
        wait_until(lambda: os.path.getsize(path) == 0, what="it is in the index")
        self.gone("private/messages.log")
        self.duplicate()

    def test_the_journals_of_ids(self):
        for name in ("private/recent.log", "private/recent.old.log"):
            with self.subTest(name=name):
                self.arrives()
                self.gone(name)
        self.duplicate()

    def test_another_file_in_place_of_a_journal(self):
        def replace(path):
            with open(path + ".copy", "wb") as f:
                f.write(b"not ours")
            os.rename(path + ".copy", path)

        for name in ("private/recent.log", "private/messages.log", "private/sequence.log",
                     "private/auth.tdb", "ocsmanager.lock"):
            with self.subTest(name=name):
                self.arrives()
                self.gone(name, replace)
        self.duplicate()

    def test_the_list_of_replica_ids(self):
        with open(os.path.join(self.d.registry, "replica_ids"), "a") as f:
            f.write("7\n")
        self.d.restart()
        self.c.close()
        self.c = self.client(self.d)
        self.assertEqual(self.gone("replica_ids"), self.now("replica_ids"))

    def test_what_cannot_be_made_again_refuses_until_it_can(self):
        self.arrives()
        path = os.path.join(self.d.registry, "private/recent.log")
        os.mkdir(path + ".new")
        os.unlink(path)
        status, text = wait_until(
            lambda: (lambda r: r[0] == 503 and r)(self.d.operations("/healthz")))
        self.assertIn("recent.log: is gone", text)
        self.refused(self.c.newmail("x"), 503, "REGISTRY_UNAVAILABLE")
        self.assertEqual(self.d.metrics().get("ocsmanager_health_trouble", source="files"), 2)
        os.rmdir(path + ".new")
        wait_until(lambda: self.d.operations("/healthz")[0] == 200)
        self.arrives()
        self.duplicate()

    def test_a_secret_that_cannot_be_written_again_is_a_warning(self):
        self.d.write("secret", os.urandom(32), 0o600)
        os.mkdir(self.d.path("s"))
        os.rename(self.d.path("secret"), self.d.path("s/secret"))
        self.d.write_ini({"main": {"secret_file": self.d.path("s/secret")}})
        self.d.restart()
        os.rename(self.d.path("s"), self.d.path("away"))
        wait_until(lambda: self.d.metrics().get("ocsmanager_health_trouble", source="files") == 1)
        self.assertEqual(self.d.operations("/healthz")[0], 200)
        self.assertIn("s/secret: is gone", self.d.operations("/status")[1])
        os.rename(self.d.path("away"), self.d.path("s"))
        wait_until(lambda: self.d.metrics().get("ocsmanager_health_trouble", source="files") == 0)


class Anew(ServiceTest):
    """A registry made anew, empty, under a running system: nobody is told that nobody listens."""

    def send(self, until, statuses):
        client = self.client(self.d)
        n = 0
        while not until.is_set():
            n += 1
            answer = client.newmail(f"{threading.get_ident()}-{n}")
            if answer.status == 200:
                statuses.extend(answer.statuses)
            else:
                self.refused(answer, 503, "REGISTRY_UNAVAILABLE")
                statuses.append("refused")

    def sends(self, statuses):
        until = threading.Event()
        threads = [threading.Thread(target=self.send, args=(until, statuses)) for _ in range(2)]
        for thread in threads:
            thread.start()

        def end():
            until.set()
            for thread in threads:
                thread.join()
        self.addCleanup(end)
        return end

    def well(self):
        wait_until(lambda: self.d.operations("/healthz")[0] == 200, what="it is well again")

    def test_a_cut_registry_under_load_never_answers_nosubscriber(self):
        self.d = self.daemon()
        consumers = [self.consumer(self.d, tables=("newmail",)) for _ in range(2)]
        path = os.path.join(self.d.registry, "registry.tdb")
        statuses = []
        end = self.sends(statuses)
        for size in (0, 4096, 300000, os.path.getsize(path) // 2, 0):
            mark, known = len(self.d.err.lines), [len(o.err.lines) for o in consumers]
            os.truncate(path, size)
            self.d.err.wait_text("made anew and empty", start=mark)
            for consumer, start in zip(consumers, known):
                consumer.err.wait_text("registered again", start=start)
            self.well()
            n = statuses.count("queued")
            wait_until(lambda: statuses.count("queued") > n, what="they come through again")
        end()
        # refused, or waited for, only where nobody had registered again before it was asked
        self.assertLessEqual(set(statuses), {"queued", "refused"})

    def test_a_registry_that_went_while_no_daemon_ran(self):
        self.d = self.daemon()
        consumer = self.consumer(self.d, tables=("newmail",))
        self.d.terminate()
        os.unlink(os.path.join(self.d.registry, "registry.tdb"))
        self.d.start()
        statuses = []
        end = self.sends(statuses)
        consumer.err.wait_text("registered again")
        self.well()
        wait_until(lambda: "queued" in statuses)
        end()
        self.assertNotIn("nosubscriber", statuses)

    def test_who_does_not_come_back_is_waited_for_a_bounded_time(self):
        self.d = self.daemon()
        consumer = self.consumer(self.d, tables=("newmail",))
        consumer.stop()
        os.truncate(os.path.join(self.d.registry, "registry.tdb"), 4096)
        self.d.err.wait_text("waiting for 1 MAPI server to register again")
        self.d.err.wait_text("1 MAPI server did not register again within 10 s")
        self.well()
        consumer.go_on()
        consumer.err.wait_text("registered again")

    def test_who_is_dead_is_not_waited_for(self):
        self.d = self.daemon()
        self.consumer(self.d, tables=("newmail",)).kill()
        mark = len(self.d.err.lines)
        os.truncate(os.path.join(self.d.registry, "registry.tdb"), 4096)
        self.d.err.wait_text("made anew and empty", start=mark)
        self.accepted(self.client(self.d).newmail("1"), "nosubscriber")
        self.assertNotIn("waiting for", self.d.log())
        wait_until(lambda: not os.listdir(os.path.join(self.d.registry, "wake")),
                   what="what it left is removed")


if __name__ == "__main__":
    unittest.main()
