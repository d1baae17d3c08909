# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""The daemon, of which any call to the system fails: while something is asked of it the first one of a kind fails, the next
time the second, and so on, alone and with all that follow. It lives; what it acknowledged is heard, once and in order; what
it did not, comes through when it is sent again; a message keeps its identifier; no descriptor is left of requests. Of many calls
some fail, with OCS_TEST_LONG all; OCS_FAULT_REPORT tells of each, OCS_FAULT_KINDS="READ SYNC" tries only these."""

import glob
import http.client
import os
import re
import signal
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness import paths
from harness.case import ServiceTest
from harness.client import Client, notification
from harness.faults import Faults
from harness.mapi_host import DELETED, MODIFIED, MOVED, NEWMAIL, MapiHost
from harness.wait import LIMIT, wait_until

LONG = "OCS_TEST_LONG" in os.environ
REPORT = "OCS_FAULT_REPORT" in os.environ
KINDS = os.environ.get("OCS_FAULT_KINDS", "").split()
# Whoever is interrupted tries again, for ever; and no disk writes half of everything.
ALONE = {"WAIT", "RANDOM", "SHORT"}
MANY = 20  # calls that failed, of those that all do: some are tried until they pass
MAILS = 14  # of which a kernel queue takes ten
# An hour ahead the token of a moment ago has ended.
CODES = {"CLOCK": (500, 503, 401)}


def points(count, some):
    """Of so many calls about `some`, all of them or, under a sanitizer, which sees the same in fewer, half of them."""
    step = 1 if LONG else max(1, count // (max(1, some // 2) if paths.sanitized() else some))
    return range(step // 2, count, step)


class FaultsTest(ServiceTest):
    SOME = 4
    SURELY = {"MEMORY", "RECEIVE", "SEND"}  # kinds that the operations have so many of that one fails
    codes = ()

    def setUp(self):
        self.d = self.daemon(start=False)
        self.faults = Faults(self.d.path("calls"))
        self.addCleanup(self.faults.close)
        self.d.env = self.faults.environment
        self.d.start()
        self.tried = self.failed = 0
        self.kinds = set()  # of which one failed

    def tearDown(self):
        if REPORT:
            print(f"{self.id()}: {self.failed} of {self.tried} had calls that failed", flush=True)

    def log(self):
        return "\n".join(line for line in self.d.log().splitlines() if " logged " not in line)[-3000:]

    def descriptors(self):
        """What they are of; of queues and spill lists, which stay open for a while, those that are open twice."""
        found, cached = [], set()
        for path in glob.glob(f"/proc/{self.d.pid}/fd/*"):
            try:
                name = os.readlink(path)
            except FileNotFoundError:
                continue
            if name in cached or not re.search(r"^/ocs\.|/spill/", name):
                found.append(name)
            else:
                cached.add(name)
        return sorted(found)

    # -- requests, each over a connection of its own, which may be lost

    def put(self, *notifications):
        """Logs in, reports, logs out. The statuses; None: it was refused as a whole, or nobody knows what was done.
        self.codes: why, by HTTP status; 0: the connection was lost."""
        self.codes = []
        try:
            with Client(self.d) as client:
                if self.is_ok(client.login_ssha()):
                    answer = client.put(*notifications)
                    if self.is_ok(answer):
                        self.is_ok(client.logout())
                        return answer.statuses
        except (ConnectionError, http.client.HTTPException):
            self.codes.append(0)
        return None

    def is_ok(self, answer):
        if answer.status == 200:
            return True
        self.codes.append(answer.error[1])
        return False

    def told(self, statuses, kind):
        """What somebody may be told while a call fails; without, nothing but that it was done."""
        self.assertLessEqual(set(self.codes), {0, *CODES.get(kind, (500, 503))} if kind else set())
        self.assertLessEqual(set(statuses or ()), {"queued", "refused"} if kind else {"queued"})
        self.assertTrue(statuses or self.codes)

    # -- one call after the other

    def each(self, operation, check):
        """check(what operation() returned, kind) is called without faults; kind None: there were none."""
        check(operation(), None)
        results = []
        counts = self.faults.count(lambda: results.append(operation()))
        check(results[0], None)
        known = self.descriptors()
        for kind, count in counts.items():
            for n, lasts in self.points(kind, count):
                self.one(operation, check, known, kind, n, lasts)
        wait_until(lambda: self.d.operations("/healthz") == (200, "ok\n"), what=lambda: self.d.operations("/healthz"))
        # Threads that work by themselves are counted too, so not each number comes to fail.
        self.assertLessEqual(self.SURELY & set(KINDS or self.SURELY), self.kinds)

    def points(self, kind, count):
        """(n, whether all that follow fail too), half as many of these."""
        if KINDS and kind not in KINDS:
            return []
        alone = points(count, self.SOME)
        return [(n, False) for n in alone] + [(n, True) for n in alone[::2] if kind not in ALONE]

    def one(self, operation, check, known, kind, n, lasts):
        results, start = [], time.monotonic()
        thread = threading.Thread(target=lambda: results.append(operation()))
        self.faults.fail(kind, n, lasts)
        thread.start()
        try:
            wait_until(lambda: not thread.is_alive() or lasts and self.faults.failed >= MANY, what="an answer")
        finally:
            failed = self.faults.over()
        thread.join(LIMIT)
        codes, answered = self.codes, time.monotonic()
        try:
            self.assertTrue(self.d.alive(), "the daemon has died")
            self.assertTrue(results, "no answer")
            check(results[0], kind)
            wait_until(lambda: len(self.descriptors()) <= len(known), what=lambda: f"{self.descriptors()}, not {known}")
        except Exception as problem:
            raise AssertionError(f"{kind} {n}{' and all after it' if lasts else ''}: {results} {codes}: {problem}\n"
                                 f"{self.log()}") from problem
        self.tried += 1
        self.failed += failed > 0
        if failed:
            self.kinds.add(kind)
        if REPORT:
            print(f"{kind} {n} {lasts} {failed}: {results} {codes} {answered - start:.3f} {time.monotonic() - answered:.3f}",
                  flush=True)


class Mails(FaultsTest):
    def setUp(self):
        super().setUp()
        self.host = MapiHost(self.d)
        self.addCleanup(self.host.close)
        self.session = self.host.session("jdoe")
        self.host.subscribe(self.session, 1, NEWMAIL | MODIFIED)
        self.numbers = range(0)
        self.mids = {}

    def report(self):
        """More than a kernel queue takes, and something of a message in a folder that is known."""
        self.numbers = range(self.numbers.stop, self.numbers.stop + MAILS)
        return self.repeat()

    def repeat(self):
        mails = [notification(message=f"m{n}", id=f"id{n}") for n in self.numbers]
        return self.put(*mails, notification("modified", message=f"m{self.numbers[0]}", id=f"change{self.numbers[0]}"))

    def again(self):
        """Until it is taken: a store that has failed is mended within a moment."""
        statuses = self.repeat()
        return "refused" not in (statuses or ("refused",)) and statuses

    def is_heard(self, statuses, kind):
        self.told(statuses, kind)
        names = [f"m{n}" for n in self.numbers] + ["change"]
        surely = [name for name, status in zip(names, statuses or ()) if status == "queued"]
        again = wait_until(self.again, what=lambda: f"an answer, not {self.codes}")
        for name, status in zip(names, again):
            self.assertIn(status, ("duplicate",) if name in surely else ("queued", "duplicate"))
        heard = self.hear(names)
        self.assertEqual([name for name in heard if name in surely], surely)

    def hear(self, names):
        """Until all have been heard; all of it, without the change that a message has with a new one."""
        heard = []

        def found():
            for event in self.host.drain(self.session):
                if not event.mid:  # the folder has changed too
                    continue
                name = self.host.lookup(event.mid).message
                self.assertEqual(self.mids.setdefault(name, event.mid), event.mid, f"{name} has two identifiers")
                heard.append(name if event.flags & NEWMAIL else "change")
            return set(names) <= set(heard)

        wait_until(found, what=lambda: f"{set(names) - set(heard)} are heard")
        self.assertEqual(self.host.pending(self.session), 0)
        self.assertEqual(len(set(self.mids.values())), len(self.mids), "two mails have one identifier")
        return heard

    def test_mails(self):
        self.each(self.report, self.is_heard)


class Folders(FaultsTest):
    SOME = 2

    def setUp(self):
        super().setUp()
        self.host = MapiHost(self.d)
        self.addCleanup(self.host.close)
        self.session = self.host.session("jdoe")
        self.host.subscribe(self.session, 1, MOVED | DELETED | NEWMAIL)
        # With somebody to be woken, for whom a socket stays open.
        self.told(self.put(*(notification(message=f"m{n}") for n in range(MAILS))), None)
        self.host.wait_events(self.session, MAILS)
        self.round = 0
        self.prepare()

    def prepare(self):
        """Two folders with a mail each, for the next round."""
        self.round += 1
        self.before = f"A{self.round}", f"B{self.round}"
        self.after = f"C{self.round}"
        statuses = self.put(*(notification(folder=folder, message="1") for folder in self.before))
        self.told(statuses, None)
        self.mids = [e.mid for e in self.host.wait_events(self.session, 2)]

    def change(self):
        moved, deleted = self.before
        return self.put(notification("moved", folder=self.after, oldFolder=moved, id=f"moved{self.round}"),
                        notification("deleted", folder=deleted, id=f"deleted{self.round}"))

    def again(self):
        statuses = self.change()
        return "refused" not in (statuses or ("refused",)) and statuses

    def is_changed(self, statuses, kind):
        """Once: the mails have the identifiers that they had."""
        self.told(statuses, kind)
        again = wait_until(self.again, what=lambda: f"an answer, not {self.codes}")
        for status, repeated in zip(statuses or (None, None), again):
            # of what was an hour ago ids are known no more
            self.assertIn(repeated, ("duplicate",) if status == "queued" and kind != "CLOCK" else ("queued", "duplicate"))
        wait_until(lambda: self.host.lookup(self.mids[0]).folder == self.after, what="it has moved")
        wait_until(lambda: self.host.lookup(self.mids[1]).deleted, what="it is deleted")
        heard = []
        wait_until(lambda: heard.extend(e.flags for e in self.host.drain(self.session)) or {MOVED, DELETED} <= set(heard),
                   what=lambda: f"the changes are heard, not only {heard}")
        if statuses == ["queued", "queued"] and again == ["duplicate", "duplicate"]:
            self.assertEqual(heard, [MOVED, DELETED])
        self.assertEqual(self.put(notification(folder=self.after, message="1")), ["duplicate"])
        self.prepare()

    def test_folders(self):
        self.each(self.change, self.is_changed)


class Operations(FaultsTest):
    SOME = 3
    SURELY = {"MEMORY"}
    reloads = 0

    def ask(self):
        self.codes = []
        return [self.operations(path) for path in ("/metrics", "/healthz")]

    def operations(self, path):
        try:
            return self.d.operations(path)[0]
        except (ConnectionError, http.client.HTTPException):
            return 0

    def is_told(self, statuses, kind):
        self.assertLessEqual(set(statuses), {200, 500, 503, 0} if kind else {200})
        wait_until(lambda: self.ask() == [200, 200], what=lambda: f"both answer, not {self.ask()}")

    def test_operations(self):
        self.each(self.ask, self.is_told)

    def reload(self):
        """With another backend each time."""
        self.codes = []
        self.reloads += 1
        return self.d.reload({f"backend:b{self.reloads}": {"uri": "x://{user}/{folder}/{message}"}})

    def is_reloaded(self, line, kind):
        self.assertIn("reloaded" if not kind else "reload", line)
        if "reloaded" not in line:
            self.assertIn("reloaded", self.reload())
        self.assertEqual(self.put(notification(backend=f"b{self.reloads}", message="1")), ["nosubscriber"])

    def test_reload(self):
        self.each(self.reload, self.is_reloaded)


class Lives(FaultsTest):
    SOME = 1
    new = 0

    def known(self):
        """What was acknowledged still is, and something new can be."""
        self.assertEqual(self.put(notification(message="known", id="known")), ["duplicate"])
        self.new += 1
        self.assertEqual(self.put(notification(message=f"m{self.new}")), ["nosubscriber"])

    def begins(self, kind, n, lasts):
        """Or says why it does not."""
        before = len(self.d.log())
        self.faults.fail(kind, n, lasts)
        self.d.start(ready=False)
        try:
            self.d.wait_ready()
            self.failed += self.faults.over() > 0
        except AssertionError:
            self.assertEqual(self.d.wait_exit(), 1)
            self.assertGreater(self.faults.over(), 0)
            self.assertTrue(self.d.log()[before:].strip(), "it says why")
            self.failed += 1
            self.d.start()
        self.tried += 1

    def ends(self, kind, n, lasts):
        self.faults.fail(kind, n, lasts)
        self.d.process.send_signal(signal.SIGTERM)
        self.assertIn(self.d.wait_exit(), (0, 1))
        self.faults.over()

    def test_lives(self):
        self.assertEqual(self.put(notification(message="known", id="known")), ["nosubscriber"])
        of_ends = self.faults.count(self.d.terminate)
        of_starts = self.faults.count(self.d.start)
        self.d.terminate()
        for kind, count in of_starts.items():
            for n, lasts in self.points(kind, count):
                before = len(self.d.log())
                try:
                    self.begins(kind, n, lasts)
                    self.known()
                    self.ends(kind, n % max(1, of_ends[kind]), lasts)
                except Exception as problem:
                    raise AssertionError(f"{kind} {n}{' and all after it' if lasts else ''}: {problem}\n"
                                         f"{self.d.log()[before:]}") from problem
        self.assertGreater(self.failed, 0 if KINDS else 5)
        self.d.start()
        self.known()


if __name__ == "__main__":
    unittest.main()
