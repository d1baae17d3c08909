# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Every file that the daemon keeps, damaged while no daemon runs: empty, cut short, garbage, some bits of it changed. The
next start goes on without what the file held, or is refused and says which file it is and what to do. Whatever it was: a
MAPI server that stayed goes on with the daemon, no identifier is given twice, and what other files hold is there."""

import glob
import os
import random
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness.case import ServiceTest
from harness.client import notification
from harness.wait import wait_until

WAITING = 40  # entries in the spill list of a MAPI server that is stopped
RANDOM = random.Random(13)


def bits(data):
    changed = bytearray(data)
    for _ in range(16 if data else 0):
        changed[RANDOM.randrange(len(data))] ^= 1 << RANDOM.randrange(8)
    return bytes(changed)


HARMS = {
    "empty": lambda data: b"",
    "half": lambda data: data[:len(data) // 2],
    "garbage": lambda data: RANDOM.randbytes(len(data) or 200),
    "bits": bits,
}
ADVICE = r"ocsctl index restore|put back"


class Damage(ServiceTest):
    def setUp(self):
        self.d = self.daemon({"users": {"map": "users"}}, start=False)
        self.d.write("users", "sogo\t*\t*\t=\t-\n")
        self.d.start()
        self.consumer_ = self.consumer(self.d, tables=("newmail",))
        self.mids, self.numbers = {}, 0
        self.login()

    def login(self):
        self.c = self.client(self.d)

    def mails(self, count):
        """Reported, with an id each; their numbers."""
        first, self.numbers = self.numbers, self.numbers + count
        numbers = range(first, self.numbers)
        self.accepted(self.c.put(*(notification(message=f"m{n}", id=f"id{n}", messageFlags=n) for n in numbers)))
        return numbers

    def heard(self):
        """Numbers in their order; none has two identifiers, no identifier is two mails'."""
        events = self.consumer_.events()
        for event in events:
            self.assertEqual(self.mids.setdefault(event.mid, event["message_flags"]), event["message_flags"])
        self.assertEqual(len(set(self.mids.values())), len(self.mids), "a mail with two identifiers")
        return [event["message_flags"] for event in events]

    def wait_heard(self, numbers):
        wait_until(lambda: set(numbers) <= set(self.heard()), what=lambda: f"{set(numbers) - set(self.heard())} are heard")

    def paths(self, names):
        """The files of these names, in which a * stands for anything."""
        return [path for name in names for path in sorted(glob.glob(os.path.join(self.d.registry, name)))]

    def life(self, names, harm):
        """Mails wait when the daemon is killed and the files damaged. Returns their numbers, and whether the next start
        was refused."""
        self.wait_heard(self.mails(3))
        self.consumer_.stop()
        waiting = self.mails(WAITING)
        self.d.kill()
        good, start = {}, len(self.d.history)
        for path in self.paths(names):
            with open(path, "r+b") as f:
                good[path] = f.read()
                f.seek(0)
                f.truncate()
                f.write(harm(good[path]))
        self.assertGreaterEqual(len(good), len(names), good.keys())
        refused = self.start_is_refused()
        if refused:
            said = self.d.log()[start:]
            self.assertTrue(all(path in said for path in good), said)
            self.assertRegex(said, ADVICE)
            for path, data in good.items():  # what the admin does
                with open(path, "r+b") as f:
                    f.truncate()
                    f.write(data)
            self.d.start()
        self.consumer_.go_on()
        self.login()
        return waiting, refused

    def start_is_refused(self):
        self.d.start(ready=False)
        try:
            self.d.wait_ready()
        except AssertionError:  # it ended
            self.assertEqual(self.d.wait_exit(), 1)
            return True
        return False

    def known(self, numbers, ids):
        """By their ids, or by their names."""
        answer = self.c.put(*(notification(message=f"m{n}", id=f"id{n}" if ids else None) for n in numbers))
        self.assertEqual(set(self.accepted(answer).statuses), {"duplicate"}, ids)

    def damaged(self, *names, loses=(), refuses=()):
        """loses: of "waiting", "ids", "names" what the files hold. refuses: with which harms it does not start."""
        for what, harm in HARMS.items():
            with self.subTest(files=names, harm=what):
                waiting, refused = self.life(names, harm)
                # of a database only where it is used, not where it is free
                self.assertTrue(refused == (what in refuses) or (refuses and what in ("half", "bits")), refused)
                if refused or "waiting" not in loses:
                    self.wait_heard(waiting)
                for ids, kept in ((True, "ids"), (False, "names")):
                    if refused or kept not in loses:
                        self.known(waiting, ids)
                self.wait_heard(self.mails(3))
                wait_until(lambda: self.d.operations("/healthz")[0] == 200, what=lambda: self.d.operations("/healthz")[1])

    def test_what_nobody_misses(self):
        self.d.reload()
        self.damaged("id_mark.1", "replica_ids", "users.map", "ocsmanager.lock", "wake/*.queues", "private/auth.tdb",
                     "private/sequence.log", "private/reload")

    def test_the_registry(self):
        self.damaged("registry.tdb")

    def test_the_index(self):
        self.damaged("index.tdb", loses=("names",), refuses=("empty", "half", "garbage"))

    def test_the_secret(self):
        """One of the right size is another secret."""
        self.damaged("private/secret", refuses=("empty", "half"))

    def test_the_messages_on_their_way_to_the_index(self):
        self.damaged("private/messages.log", loses=("names",))

    def test_the_ids(self):
        self.damaged("private/recent.log", "private/recent.old.log", loses=("ids",))

    def test_the_spill_lists(self):
        self.damaged("spill/*", loses=("waiting",))


if __name__ == "__main__":
    unittest.main()
