# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""No MID comes twice: not when a file of the registry, or all of it, is set back to an earlier state, is lost, is
copied elsewhere; and what an admin does then."""

import json
import os
import pty
import random
import shutil
import subprocess
import sys
import unittest
from collections import Counter

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness import paths
from harness.case import ROOT, ServiceTest
from harness.client import notification
from harness.daemon import SANITIZER
from harness.mapi_host import MapiHost
from harness.wait import LIMIT, wait_until

COUNT = 4000
BATCH = 100
NEWMAIL = 0x8002


def files_below(folder):
    """The regular files in a folder and below it, relative to it."""
    return sorted(os.path.relpath(os.path.join(at, name), folder)
                  for at, _, names in os.walk(folder) for name in names
                  if os.path.isfile(os.path.join(at, name)))


class Identifiers(ServiceTest):
    def setUp(self):
        self.mids, self.sent = [], 0

    def mails(self, d, count):
        """Reports mails that were never seen before; their MIDs are noted."""
        consumer, client = self.consumer(d), self.client(d)
        for start in range(0, count, BATCH):
            batch = [notification(message=f"{self.sent + i}") for i in range(start, min(start + BATCH, count))]
            self.assertEqual(set(self.accepted(client.put(*batch)).statuses), {"queued"})
        self.sent += count
        got = wait_until(lambda: (lambda mids: len(mids) == count and mids)(
            [e.mid for e in consumer.events() if e.flags == NEWMAIL]), what="all mails")
        consumer.close()
        self.mids += got

    def ck_distinct(self):
        twice = {mid for mid, count in Counter(self.mids).items() if count > 1}
        places = [(self.mids.index(mid), len(self.mids) - 1 - self.mids[::-1].index(mid), f"{mid:016x}")
                  for mid in sorted(twice)[:1] + sorted(twice)[-1:]]
        starts = [f"{self.mids[n]:016x}" for n in range(0, len(self.mids), BATCH)]
        self.assertFalse(twice, f"{len(twice)} of {len(self.mids)} MIDs were given twice: {places}; each {BATCH}th: {starts}")

    def ctl(self, d, *words, expect=0, wrapper=()):
        done = subprocess.run([*wrapper, paths.program("ocsctl"), "-c", d.ini, *words], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=LIMIT, cwd="/")
        self.assertEqual(done.returncode, expect, done)
        self.assertNotRegex(done.stderr, SANITIZER)
        return done

    def check(self, d, expect, wrapper=()):
        """What ocsmanager -t says."""
        done = subprocess.run([*wrapper, paths.program("ocsmanager"), "-t", "-c", d.ini], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=LIMIT, cwd="/")
        self.assertEqual(done.returncode, expect, done)
        return done.stdout + done.stderr

    def run_path(self, d, name):
        return os.path.join(d.registry, name)


class SetBack(Identifiers):
    def test_an_older_copy_of_the_index_gives_none_of_4000_twice(self):
        d = self.daemon()
        self.mails(d, BATCH)
        d.terminate()
        shutil.copy(self.run_path(d, "index.tdb"), d.path("copy"))
        d.start()
        self.mails(d, COUNT)
        d.terminate()
        shutil.copy(d.path("copy"), self.run_path(d, "index.tdb"))
        self.assertIn("older copy", self.check(d, 0))
        d.start()
        d.err.wait_text("older copy")
        self.mails(d, COUNT)
        self.ck_distinct()
        d.terminate()
        self.assertNotIn("older copy", self.check(d, 0))

    def test_each_file_and_all_together(self):
        d = self.daemon()
        self.mails(d, BATCH)
        d.terminate()
        saved = d.path("saved")
        shutil.copytree(d.registry, saved, symlinks=True, copy_function=shutil.copy2,
                        ignore=lambda at, names: [n for n in names if not os.path.isfile(os.path.join(at, n)) and
                                                  not os.path.isdir(os.path.join(at, n))])
        names = files_below(saved)
        for name in ("index.tdb", "id_mark.1", "replica_ids", "private/messages.log"):
            self.assertIn(name, names)
        for name in [*names, "all", "gone"]:
            with self.subTest(file=name):
                d.start()
                self.mails(d, BATCH)
                d.terminate()
                if name in names:
                    shutil.copy2(os.path.join(saved, name), os.path.join(d.registry, name))
                else:
                    shutil.rmtree(d.registry)
                if name == "all":
                    shutil.copytree(saved, d.registry, copy_function=shutil.copy2)
                    os.chmod(d.registry, 0o3770)
        d.start()
        self.mails(d, BATCH)
        self.ck_distinct()

    def test_under_load_and_kills(self):
        """Killed while it accepts mails, and the index set back every other time. A mail may be told twice, with its
        MID."""
        d = self.daemon()
        consumer = self.consumer(d)
        loads = self.loads(d, 2, batch=20, ids=False)
        copy = d.path("copy")
        for round_ in range(10):
            before, more = sum(len(load.accepted) for load in loads), random.randrange(40, 400)
            wait_until(lambda: sum(len(load.accepted) for load in loads) >= before + more)
            d.kill()
            if round_ == 0:
                shutil.copy(self.run_path(d, "index.tdb"), copy)
            elif round_ % 2:
                shutil.copy(copy, self.run_path(d, "index.tdb"))
            d.start()
        accepted = [n for load in loads for n in load.stop().accepted]
        self.accepted(self.client(d).newmail("end", messageClass="IPM.End"), "queued")
        consumer.wait_event(lambda e: e["message_class"] == "IPM.End")
        told = {(e.mid, e["message_flags"]) for e in consumer.events() if e.flags == NEWMAIL}
        self.assertLessEqual(set(accepted), {number for _, number in told})
        self.assertEqual(len({mid for mid, _ in told}), len(told))


class Running(Identifiers):
    def test_a_mark_that_is_removed_or_damaged_is_made_again(self):
        d = self.daemon()
        self.mails(d, BATCH)
        mark = self.run_path(d, "id_mark.1")
        os.unlink(mark)
        d.err.wait_text("id_mark.1: is gone: made again")
        os.truncate(mark, 0)
        d.err.wait_text("id_mark.1: damaged: made again")
        self.mails(d, BATCH)
        self.assertEqual(d.operations("/healthz")[0], 200)
        d.terminate()
        os.truncate(mark, 10)
        self.assertIn("id_mark.1: damaged", self.check(d, 0))
        d.start()
        d.err.wait_text("id_mark.1 was damaged")
        self.mails(d, BATCH)
        self.ck_distinct()


class Restore(Identifiers):
    def test_restore(self):
        d = self.daemon()
        self.mails(d, BATCH)
        self.assertIn("stop it first", self.ctl(d, "index", "restore", self.run_path(d, "index.tdb"), expect=1).stderr)
        d.terminate()
        shutil.copy(self.run_path(d, "index.tdb"), d.path("backup"))
        d.start()
        self.mails(d, BATCH)
        d.terminate()
        before = files_below(d.registry)
        d.write("garbage", "garbage")
        for name in ("garbage", "nothing", "run/registry.tdb"):
            self.assertIn(os.path.basename(name), self.ctl(d, "index", "restore", d.path(name), expect=1).stderr)
        self.assertEqual(files_below(d.registry), before)

        os.unlink(self.run_path(d, "index.tdb"))
        d.start(ready=False)
        self.assertNotEqual(d.wait_exit(), 0)
        self.assertIn("ocsctl index restore", d.log())
        self.assertIn("ocsctl index restore", self.check(d, 1))
        told = json.loads(self.ctl(d, "--json", "index", "restore", d.path("backup")).stdout)
        self.assertEqual((told["files"], told.get("kept")), (1, None))
        self.assertGreater(told["counter"], 1)
        self.check(d, 0)
        d.start()
        self.assertNotIn("older copy", d.err.text())
        self.mails(d, BATCH)
        d.terminate()

        told = self.ctl(d, "index", "restore", d.path("backup")).stdout
        kept = [f for f in files_below(d.registry) if f.startswith("index.tdb.before-")]
        self.assertEqual(len(kept), 1)
        self.assertIn(kept[0], told)
        d.start()
        self.mails(d, BATCH)
        self.ck_distinct()

    def test_restored_twice_what_was_there_first_is_kept(self):
        d = self.daemon()
        self.mails(d, BATCH)
        d.terminate()
        shutil.copy(self.run_path(d, "index.tdb"), d.path("backup"))
        d.start()
        self.mails(d, BATCH)
        d.terminate()
        with open(self.run_path(d, "index.tdb"), "rb") as f:
            there = f.read()
        kept = [json.loads(self.ctl(d, "--json", "index", "restore", d.path("backup")).stdout)["kept"]
                for _ in range(3)]
        self.assertEqual(len(set(kept)), 3, kept)
        with open(kept[0], "rb") as f:
            self.assertEqual(f.read(), there)

    def test_after_a_kill_what_the_backup_has_no_folder_for_is_left_out(self):
        d = self.daemon()
        self.accepted(self.client(d).put(notification(message="before")))
        d.terminate()
        shutil.copy(self.run_path(d, "index.tdb"), d.path("backup"))
        d.start()
        client, consumer, folders = self.client(d), self.consumer(d), ("New", "INBOX")
        # The first ones are brought into the index at once, those after them are on their way.
        for n in range(20):
            for folder in folders:
                self.accepted(client.put(notification(folder=folder, message=str(n))), "queued")
        last = wait_until(lambda: (lambda mids: len(mids) == 40 and mids)(
            [e.mid for e in consumer.events() if e.flags == NEWMAIL]), what="all mails")[-2:]
        d.kill()
        self.ctl(d, "index", "restore", d.path("backup"))
        d.start()
        d.err.wait_text("of folders that it does not know: left out")
        self.ctl(d, "index", "check")
        self.ctl(d, "whois", f"{last[0]:016x}", expect=1)
        self.assertIn("INBOX", self.ctl(d, "whois", f"{last[1]:016x}").stdout)
        self.accepted(self.client(d).put(notification(folder="New", message="19")), "queued")

    def test_a_server_that_stayed_goes_on_with_the_backup(self):
        d = self.daemon()
        self.mails(d, BATCH)
        host = MapiHost(d)
        self.addCleanup(host.close)
        self.assertEqual(host.lookup(self.mids[0]).kind, "message")
        d.terminate()
        shutil.copy(self.run_path(d, "index.tdb"), d.path("backup"))
        self.ctl(d, "index", "restore", d.path("backup"))
        d.start()
        self.mails(d, BATCH)
        self.assertEqual(host.lookup(self.mids[-1]).message, str(self.sent - 1))
        session = host.session("jdoe")
        host.subscribe(session, 1)
        self.accepted(self.client(d).newmail("last"), "queued")
        self.assertEqual(host.lookup(host.wait_events(session, 1)[0].mid).message, "last")

    def test_start_with_an_empty_index(self):
        d = self.daemon()
        self.mails(d, BATCH)
        d.terminate()
        os.unlink(self.run_path(d, "index.tdb"))
        self.ctl(d, "index", "restore", "--empty")
        d.start()
        self.mails(d, BATCH)
        self.ck_distinct()

    def test_usage(self):
        d = self.daemon(start=False)
        for words in (["restore"], ["restore", "--empty", "x"], ["restore", "--yes", "x"], ["adopt", "x"],
                      ["adopt", "--empty"], ["mend"], []):
            self.ctl(d, "index", *words, expect=2)
        for words in (["restore", "/etc/hostname"], ["restore", "--empty"], ["adopt"]):
            self.assertIn("run", self.ctl(d, "index", *words, expect=1).stderr)


class Copies(Identifiers):
    def test_a_copy_is_refused_until_it_is_adopted(self):
        d = self.daemon()
        self.mails(d, BATCH)
        d.terminate()
        d.start()
        copy = self.daemon({"main": {"registry": "run2"}}, start=False)
        shutil.copytree(d.registry, copy.path("run2"), ignore=shutil.ignore_patterns("wake", "*.sock"))
        os.chmod(copy.path("run2"), 0o3770)
        copy.start(ready=False)
        self.assertNotEqual(copy.wait_exit(), 0)
        self.assertIn(d.registry, copy.log())
        self.assertIn("ocsctl index adopt", copy.log())
        self.assertIn("ocsctl index adopt", self.check(copy, 1))
        self.assertIn("--yes", self.ctl(copy, "index", "adopt", expect=1).stderr)
        self.assertIn("ocsctl index adopt", self.check(copy, 1))

        # With an id of its own.
        copy.write_ini({"main": {"registry": "run2", "replica_id": "7"}})
        self.check(copy, 0)
        copy.start()
        copy.terminate()
        # Or when the original is given up, asked for at a terminal.
        copy.write_ini({"main": {"registry": "run2"}})
        d.terminate()
        self.assertIn("ocsctl index adopt", self.check(copy, 1))
        self.answer(copy, b"n\n", 1)
        self.assertIn("ocsctl index adopt", self.check(copy, 1))
        self.answer(copy, b"y\n", 0)
        self.check(copy, 0)
        self.assertFalse(json.loads(self.ctl(copy, "--json", "index", "adopt").stdout)["adopted"])
        copy.start()
        self.mails(copy, BATCH)
        self.ck_distinct()

    def answer(self, d, text, expect):
        master, slave = pty.openpty()
        with subprocess.Popen([paths.program("ocsctl"), "-c", d.ini, "index", "adopt"], stdin=slave,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
            os.close(slave)
            os.write(master, text)
            process.stderr.read()
            self.assertEqual(process.wait(LIMIT), expect)
        os.close(master)

    def test_a_moved_registry_goes_on(self):
        d = self.daemon()
        self.mails(d, BATCH)
        d.terminate()
        os.rename(d.registry, d.path("elsewhere"))
        d.write_ini({"main": {"registry": "elsewhere"}})
        self.assertIn("was moved here", self.check(d, 0))
        d.start()
        d.err.wait_text("was moved here")
        self.mails(d, BATCH)
        self.ck_distinct()

    @unittest.skipUnless(ROOT and os.path.exists("/etc/machine-id"), "needs root, and a machine id to hide")
    def test_another_machine(self):
        d = self.daemon()
        self.mails(d, BATCH)
        d.terminate()
        machine = d.write("machine-id", "ffffffffffffffffffffffffffffffff\n")
        other = ["unshare", "--mount", "sh", "-c", f'mount --bind {machine} /etc/machine-id && exec "$@"', "sh"]
        d.wrapper = other
        d.start(ready=False)
        self.assertNotEqual(d.wait_exit(), 0)
        self.assertIn("another machine", d.log())
        self.assertIn("another machine", self.check(d, 1, other))
        self.assertIn("start the daemon", self.ctl(d, "index", "adopt", "--yes", wrapper=other).stdout)
        self.check(d, 0, other)
        self.assertIn("another machine", self.check(d, 1))
        d.start()
        self.mails(d, BATCH)
        self.ck_distinct()


if __name__ == "__main__":
    unittest.main()
