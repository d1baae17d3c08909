# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""The unit of systemd: how far it is shut, what it must not say, and that the filter of system calls that the tests run
the daemon under is the unit's."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness import paths
from harness.daemon import Daemon
from harness.wait import wait_until

UNIT = os.path.join(paths.TREE, "dist", "ocsmanager.service")
EXPOSURE_MAX = 1.5  # of 10, as systemd-analyze counts it


class Unit(unittest.TestCase):
    def text(self):
        with open(UNIT, encoding="ascii") as f:
            return f.read()

    def test_its_exposure(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "ocsmanager.service")
            with open(path, "w", encoding="ascii") as f:
                f.write(self.text().replace("@sbindir@", "/usr/sbin").replace("@sysconfdir@", "/etc"))
            done = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--no-pager", path], check=True,
                                  capture_output=True, text=True, env=dict(os.environ, LC_ALL="C.UTF-8"))
        [exposure] = re.findall(r"Overall exposure level for ocsmanager.service: (\S+)", done.stdout)
        self.assertLessEqual(float(exposure), EXPOSURE_MAX, done.stdout)

    def test_what_would_hide_or_delete_queues(self):
        for name in ("PrivateIPC", "DynamicUser", "RemoveIPC", "PrivateUsers"):
            self.assertNotRegex(self.text(), rf"(?m)^{name}=")

    def filtered(self, *words):
        return subprocess.run([paths.program("tests/filtered"), paths.program("tests/syscalls"), *words],
                              capture_output=True, text=True).returncode

    def test_the_filter_of_the_tests(self):
        self.assertEqual(self.filtered(shutil.which("true")), 0)
        for refused in ("import os; os.chown('/', -1, -1)", "import os; os.setgroups([])", "import socket; socket.sethostname('x')",
                        "import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
                        "import os; os.chmod('/nowhere', 0o2770)"):
            with self.subTest(refused):
                self.assertEqual(self.filtered(sys.executable, "-c", refused), -signal.SIGSYS)

    def test_a_new_registry_as_systemd_makes_it(self):
        if paths.sanitized():
            self.skipTest("a sanitizer needs more calls")
        daemon = Daemon()
        try:
            os.mkdir(daemon.registry)
            os.chmod(daemon.registry, 0o3770)
            daemon.start()
            with open(f"/proc/{daemon.pid}/status", encoding="ascii") as f:
                self.assertRegex(f.read(), r"\nSeccomp:\s+2\n")
            # made again while it runs
            os.rmdir(os.path.join(daemon.registry, "spill"))
            wait_until(lambda: os.path.isdir(os.path.join(daemon.registry, "spill")), what="the folder of spill lists")
        finally:
            daemon.close()


if __name__ == "__main__":
    unittest.main()
