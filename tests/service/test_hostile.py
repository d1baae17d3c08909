# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""A fuzzer in the registry's folder: a hostile member of the group writes at random while the daemon and a MAPI server
work for somebody else. They may answer 503 or an error, and lose events; they do not crash, hang, or touch what is not
theirs, and end when they are told to.

OCS_TEST_LONG=SECONDS does it for as long, with one seed after the other; OCS_TEST_SEED=N begins with that one."""

import os
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness import hostile, mq
from harness.daemon import SANITIZER
from harness.mapi_host import HostError, MapiHost
from harness.wait import LIMIT, wait_until
from test_member import HOST, OWNER, Case

LONG = float(os.environ.get("OCS_TEST_LONG", 0))
SEED = int(os.environ.get("OCS_TEST_SEED", 1))
WRITES = 250  # by one writer


class Canaries:
    """Files, a folder and a queue that are nobody's business."""

    def __init__(self, folder):
        os.makedirs(folder)
        self.folder, self.paths = folder, [os.path.join(folder, n) for n in ("file", "folder")]
        with open(self.paths[0], "w", encoding="ascii") as f:
            f.write("nobody's business\n" * 300)
        os.mkdir(self.paths[1])
        open(self.paths[1] + "/inside", "w", encoding="ascii").close()
        mq.create_as(OWNER, hostile.FOREIGN)
        self.seen = self.look()

    def look(self):
        seen = [mq.state(hostile.FOREIGN)]
        for path, folders, files in os.walk(self.folder):
            for name in ["."] + folders + files:
                st = os.lstat(os.path.join(path, name))
                seen.append((path, name, st.st_mode, st.st_uid, st.st_gid, st.st_size, st.st_mtime_ns, st.st_ino, st.st_nlink))
        return sorted(seen, key=str)


class Hostile(Case):
    limits = {"limits": {"request_deadline": "1"}, "mqueue": {"max_messages": "3"}}

    def begin(self):
        super().begin()
        self.canaries = Canaries(self.d.path("theirs"))
        self.addCleanup(mq.unlink, hostile.FOREIGN)

    def mapi_host(self):
        with open(self.d.path("host.err"), "ab") as err:
            host = MapiHost(self.d, stderr=err,
                            wrapper=["setpriv", f"--reuid={HOST}", f"--regid={self.gid}", "--clear-groups"])
        self.addCleanup(self.end_host, host)
        return host

    def end_host(self, host):
        if host.process.poll() is None:
            host.process.kill()
        host.process.wait(LIMIT)
        host.process.stdin.close()
        host.process.stdout.close()

    def asked(self, host, call, *arguments):
        """None for an error that it reports; it is killed, so that it has none to report, if it hangs."""
        timer = threading.Timer(LIMIT, host.process.kill)
        timer.start()
        try:
            return call(*arguments) or ()
        except HostError:
            return None
        finally:
            timer.cancel()

    def one_round(self, client, host, n):
        for user in ("jdoe", f"new{n}") if n % 3 == 0 else ("jdoe",):
            answer = client.newmail(f"{user}.{n}", user=user)
            self.assertIn(answer.status, (200, 503), answer)
        if n % 10 == 5:  # the queue and its list fill, and are drained at once
            self.asked(host, host.session, f"s{n}")
        elif n % 5 == 4:
            self.asked(host, host.drain, 0)
            self.asked(host, host.pending, 0)
        self.assertIn(self.d.operations("/healthz")[0], (200, 503))

    def one_seed(self, seed):
        # what the last writer left may have to be mended first
        host = wait_until(self.subscribed, what="a MAPI server has a session")
        client = self.client(self.d, timeout=LIMIT)
        writer = self.member.writes(str(seed), str(WRITES), *self.canaries.paths)
        rounds = 0
        while writer.poll() is None:
            self.one_round(client, host, rounds)
            rounds += 1
        self.assertEqual(writer.returncode, 0, "the writer's own fault")
        print(f"seed {seed}, {rounds} rounds: {writer.stdout.read().decode()}", end="", file=sys.stderr)
        self.assertIsNone(host.process.poll(), "the MAPI server lives")
        client.close()
        self.asked(host, host.close)
        self.assertEqual(host.process.returncode, 0, "it ends when it is told to")

    def subscribed(self):
        host = self.mapi_host()
        if self.asked(host, host.session, "jdoe") is not None and self.asked(host, host.subscribe, 0, 1) is not None:
            return host
        self.end_host(host)
        return None

    def all_stopped(self):
        """SIGTERM, with what the last writer left."""
        self.d.terminate()
        self.assertEqual(self.canaries.look(), self.canaries.seen, "nothing that is not theirs was touched")
        with open(self.d.path("host.err"), encoding="utf-8", errors="replace") as f:
            self.assertNotRegex(f.read(), SANITIZER)

    def anew(self):
        """The index and its mark, which nobody can do without, as they were; the registry as it is."""
        for name in self.kept:
            subprocess.run(["cp", "-p", self.d.path("kept/" + name), self.path(name)], check=True)
        self.d.start()

    def test_a_random_writer(self):
        self.d.terminate()
        self.kept = [n for n in os.listdir(self.d.registry) if n.startswith(("index", "id_mark", "replica_ids"))]
        os.mkdir(self.d.path("kept"))
        for name in self.kept:
            subprocess.run(["cp", "-p", self.path(name), self.d.path("kept/" + name)], check=True)
        self.d.start()
        end, seed = time.monotonic() + LONG, SEED
        while True:
            print(f"OCS_TEST_SEED={seed} repeats it", file=sys.stderr)
            self.one_seed(seed)
            self.all_stopped()
            self.anew()
            seed += 1
            if time.monotonic() >= end:
                break
        self.all_is_well()


if __name__ == "__main__":
    unittest.main()
