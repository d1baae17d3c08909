# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Whatever makes it refuse makes it unhealthy, at once and everywhere, and well again by itself."""

import os
import resource
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness import disk, paths
from harness.case import ROOT, ServiceTest
from harness.client import notification
from harness.wait import LIMIT, wait_until


class Manager:
    """The service manager's end of NOTIFY_SOCKET."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="o")
        self.path = os.path.join(self.folder, "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.settimeout(LIMIT)

    def wait(self, words):
        heard, end = [], time.monotonic() + LIMIT  # the watchdog is heard for ever
        while time.monotonic() < end:
            heard.append(self.socket.recv(4096).decode())
            if words in heard[-1]:
                return heard[-1]
        raise AssertionError(f"not within {LIMIT} s: {words!r}; heard {sorted(set(heard))}")

    def close(self):
        self.socket.close()
        shutil.rmtree(self.folder)


class HealthTest(ServiceTest):
    def start(self, **more):
        self.manager = Manager()
        self.addCleanup(self.manager.close)
        self.d = self.daemon(env={"NOTIFY_SOCKET": self.manager.path}, **more)
        self.c = self.client(self.d)
        self.manager.wait("READY=1\nSTATUS=delivers")

    def ctl_status(self):
        done = subprocess.run([paths.program("ocsctl"), "-c", self.d.ini, "status"],
                              capture_output=True, timeout=LIMIT)
        return done.returncode, done.stdout.decode() + done.stderr.decode()

    def unwell_everywhere(self, words, source):
        """Already, or within seconds without a request."""
        status, text = wait_until(
            lambda: (lambda r: r[0] == 503 and r)(self.d.operations("/healthz")),
            what="it says that it is not well")
        self.assertIn(words, text)
        self.assertIn("It cannot deliver", self.d.operations("/status")[1])
        self.assertIn(words, self.d.operations("/status")[1])
        self.assertEqual(self.d.metrics().get("ocsmanager_healthy"), 0)
        self.assertEqual(self.d.metrics().get("ocsmanager_health_trouble", source=source), 2)
        code, text = self.ctl_status()
        self.assertEqual(code, 1, text)
        self.assertIn("cannot deliver", text)
        self.assertIn(words, text)
        self.assertIn(words, self.manager.wait("STATUS=cannot deliver: "))
        self.assertIn(f"cannot deliver ({source})", self.d.log())

    def well_everywhere(self):
        """Without a request."""
        wait_until(lambda: self.d.operations("/healthz")[0] == 200, what="it is well again")
        self.assertIn("It can deliver", self.d.operations("/status")[1])
        self.assertEqual(self.d.metrics().get("ocsmanager_healthy"), 1)
        self.manager.wait("STATUS=delivers")
        self.assertEqual(self.ctl_status()[0], 0)
        self.assertIn("delivers again", self.d.log())

    def refuses(self, n):
        self.refused(self.c.newmail(f"refused-{n}"), 503, "REGISTRY_UNAVAILABLE")


@unittest.skipUnless(ROOT, "mounts")
class FullDisk(HealthTest):
    def begin(self):
        self.manager = Manager()
        self.addCleanup(self.manager.close)
        self.d = self.daemon(start=False)
        self.disk = disk.memory(self, self.d.registry, 64)
        self.d.env = {"NOTIFY_SOCKET": self.manager.path}
        self.d.start()
        self.c = self.client(self.d)
        self.manager.wait("READY=1\nSTATUS=delivers")
        self.accepted(self.c.newmail("first"), "nosubscriber")

    def test_a_full_disk_is_known_with_the_first_refusal_and_over_without_a_request(self):
        self.begin()
        filler = self.disk.fill()
        for n in range(100):  # what is allocated already takes a few more
            answer = self.c.newmail(f"x{n}" + "y" * 900)
            if answer.status != 200:
                break
        self.refused(answer, 503, "REGISTRY_UNAVAILABLE")
        self.assertEqual(self.d.operations("/healthz")[0], 503, "at once")
        for n in range(20):
            if self.c.newmail(f"z{n}" + "y" * 900).status != 200:
                self.assertEqual(self.d.operations("/healthz")[0], 503)
        self.unwell_everywhere("No space left", "store")
        os.unlink(filler)
        self.well_everywhere()
        self.accepted(self.c.newmail("again"), "nosubscriber")
        self.assertLess(len([l for l in self.d.log().splitlines() if "No space left" in l]), 40)

    def test_a_full_disk_is_known_before_anybody_is_refused(self):
        self.begin()
        filler = self.disk.fill()
        self.unwell_everywhere("No space left", "store")
        self.assertEqual(self.d.metrics().get("ocsmanager_notifications_total", result="refused"),
                         0)
        os.unlink(filler)
        self.well_everywhere()
        # What was written to find that out is nothing that is wrong with the index.
        done = subprocess.run([paths.program("ocsctl"), "-c", self.d.ini, "index", "check"], capture_output=True,
                              text=True, timeout=LIMIT)
        self.assertIn("all of it fits together", done.stdout)


class Gone(HealthTest):
    def away(self, name):
        """Moved away; returns how to put it back."""
        path = os.path.join(self.d.registry, name) if name else self.d.registry
        os.rename(path, self.d.path("kept"))
        return lambda: os.rename(self.d.path("kept"), path)

    def test_private_moved_away_and_back(self):
        self.start()
        back = self.away("private")
        self.refuses(1)
        self.unwell_everywhere("private: is gone", "private")
        back()
        self.well_everywhere()
        self.accepted(self.c.newmail("2"), "nosubscriber")

    def test_the_registry_folder_moved_away_and_back(self):
        self.start()
        back = self.away("")
        self.refuses(1)
        status, text = self.d.operations("/healthz")
        self.assertEqual(status, 503)
        self.assertIn("run: is gone", text)
        self.assertIn("STATUS=cannot deliver", self.manager.wait("run: is gone"))
        back()
        self.well_everywhere()

    def test_the_index_moved_away_gives_no_identifiers_until_it_is_back(self):
        self.start()
        back = self.away("index.tdb")
        self.refuses(1)
        self.unwell_everywhere("identifiers must not repeat", "index")
        shutil.copy(self.d.path("kept"), os.path.join(self.d.registry, "index.tdb"))
        wait_until(lambda: "not the file in use" in self.d.operations("/healthz")[1])
        self.refuses(2)
        back()
        self.well_everywhere()

    def test_a_registry_file_that_cannot_be_made_anew_refuses_until_it_can(self):
        self.start()
        hindrance = os.path.join(self.d.registry, "private/registry.tdb.fresh")
        os.mkdir(hindrance)
        os.unlink(os.path.join(self.d.registry, "registry.tdb"))
        self.unwell_everywhere("cannot be made anew", "registry")
        for name in (1, 2):  # looking before each of them makes it well for nobody
            self.refuses(name)
        self.assertEqual(self.d.log().count("delivers again (registry)"), 0)
        os.rmdir(hindrance)
        self.well_everywhere()
        self.assertIn("made anew with all that it held", self.d.log())
        self.accepted(self.c.newmail("3"), "nosubscriber")


@unittest.skipUnless(ROOT, "nothing is read-only to root, and a user of its own needs root")
class ReadOnly(ServiceTest):
    def test_a_folder_that_cannot_be_written(self):
        d = self.daemon(user="nobody")
        c = self.client(d)
        for folder, mode in ((d.registry, 0o3770), (os.path.join(d.registry, "private"), 0o700)):
            with self.subTest(folder=folder):
                os.chmod(folder, 0o500)
                _, text = wait_until(lambda: (lambda r: r[0] == 503 and r)(d.operations("/healthz")),
                                     what="it says that it is not well")
                self.assertIn("Permission denied", text)
                self.assertIn(folder, text)
                os.chmod(folder, mode)
                wait_until(lambda: d.operations("/healthz")[0] == 200, what="it is well again")
                self.accepted(c.newmail(folder), "nosubscriber")


def threads(pid):
    return len(os.listdir(f"/proc/{pid}/task"))


class Scarce(HealthTest):
    """Out of memory, out of threads: survived, said once, and left without a request."""

    def test_out_of_memory(self):
        self.start(overrides={"server:main": {"max_body": 16777216, "max_batch": 1000,
                                              "threads": 1}})
        with open(f"/proc/{self.d.pid}/statm") as f:
            size = int(f.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        if size > 1 << 40:
            self.skipTest("a sanitizer, whose shadow memory this is, ends the process where memory ends")
        resource.prlimit(self.d.pid, resource.RLIMIT_AS, (size + (1 << 19), -1))
        body = self.c.body([notification("newmail", message=str(n) + "x" * 900)
                            for n in range(900)])
        for _ in range(3):
            answer = self.c.request("PUT", "/notification", body)
            self.assertTrue(answer.status == 500 or "refused" in answer.statuses)
            self.assertEqual(self.d.operations("/healthz")[0], 503,
                             (answer.text[:300], self.d.log()[-800:]))
        self.assertIn("out of memory: requests are refused", self.d.operations("/healthz")[1])
        self.assertIn("out of memory: requests are refused", self.d.operations("/status")[1])
        self.assertEqual(self.d.metrics().get("ocsmanager_health_trouble", source="memory"), 2)
        code, text = self.ctl_status()
        self.assertEqual(code, 1)
        self.assertIn("out of memory", text.lower())
        resource.prlimit(self.d.pid, resource.RLIMIT_AS, (-1, -1))
        self.well_everywhere()
        self.assertEqual(self.d.log().count("cannot deliver (memory)"), 1)
        self.accepted(self.c.newmail("again"), "nosubscriber")

    @unittest.skipUnless(ROOT, "a user of its own")
    def test_out_of_threads_at_the_start(self):
        user = 1000000 + secrets.randbelow(1000000)  # whose threads are counted: nobody else's in this machine
        d = self.daemon(user=user)
        most = threads(d.pid)
        d.terminate()
        d.wrapper = ["prlimit", f"--nproc={most - 1}:{most}"]
        d.start()
        self.assertEqual(threads(d.pid), most - 1)
        self.assertEqual(d.operations("/healthz")[0], 200)
        self.assertEqual(d.metrics().get("ocsmanager_health_trouble", source="threads"), 1)
        self.assertIn("cannot start a thread", d.operations("/status")[1])
        self.accepted(self.client(d).newmail("1"), "nosubscriber")
        subprocess.run(["prlimit", f"--pid={d.pid}", f"--nproc={most}:{most}"], check=True,
                       user=user, group=user, extra_groups=[])
        wait_until(lambda: d.metrics().get("ocsmanager_health_trouble", source="threads") == 0)
        self.assertEqual(threads(d.pid), most)
        self.assertEqual(d.log().count("cannot start a thread"), 2, "when it began and ended")
        d.terminate()
        for few in (2, most // 2, most - 2):
            d.wrapper = ["prlimit", f"--nproc={few}"]
            d.start(ready=False)
            self.assertNotEqual(d.wait_exit(), 0)


if __name__ == "__main__":
    unittest.main()
