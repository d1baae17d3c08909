# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""tools/install-packages: installs what is missing, starts no daemon, leaves nothing behind."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness.wait import LIMIT, wait_until

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.path.join(TREE, "tools", "install-packages")

# Notes what it was asked for and what the policy says to a package that wants to start its daemon; then waits
# until the test lets it go on.
APT = """#!/bin/sh
echo "$*" >>"$FOLDER/asked"
[ "$1" = install ] || exit 0
"$POLICY_RC_D"; echo $? >"$FOLDER/policy-says"
while [ -e "$FOLDER/hold" ]; do sleep 0.02; done
exit $(cat "$FOLDER/status")
"""
DPKG = """#!/bin/sh
for package; do :; done
case $package in there) echo installed ;; half) echo config-files ;; *) exit 1 ;; esac
"""


class InstallPackages(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="ip")
        self.addCleanup(shutil.rmtree, self.folder)
        for name, text in (("apt-get", APT), ("dpkg-query", DPKG), ("id", "#!/bin/sh\necho 0\n"), ("status", "0\n")):
            self.write(name, text)
        self.policy = self.path("policy")

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="ascii") as f:
            f.write(text)
        os.chmod(self.path(name), 0o755)
        return self.path(name)

    def read(self, name):
        with open(self.path(name), encoding="ascii") as f:
            return f.read()

    def start(self, text):
        env = dict(os.environ, PATH=f"{self.folder}:{os.environ['PATH']}", POLICY_RC_D=self.policy, FOLDER=self.folder)
        process = subprocess.Popen([PROGRAM, self.write("list", text)], env=env, stdin=subprocess.DEVNULL, text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        self.addCleanup(process.stdout.close)
        return process

    def run_it(self, text):
        process = self.start(text)
        said = process.communicate(timeout=LIMIT)[0]
        return process.returncode, said

    def test_nothing_is_done_where_nothing_is_missing(self):
        self.assertEqual(self.run_it("# comment\nthere\n\n"), (0, ""))
        self.assertFalse(os.path.exists(self.path("asked")))

    def test_only_what_is_missing_is_installed_and_no_daemon_is_started(self):
        status, said = self.run_it("there\nmissing # why\nhalf\n")
        self.assertEqual(status, 0, said)
        self.assertIn("installing: missing half\n", said)
        self.assertTrue(self.read("asked").endswith(" missing half\n"))
        self.assertEqual(self.read("policy-says"), "101\n")
        self.assertFalse(os.path.exists(self.policy))

    def test_a_failure_is_a_failure_and_leaves_nothing(self):
        self.write("status", "100\n")
        self.assertEqual(self.run_it("missing\n")[0], 100)
        self.assertFalse(os.path.exists(self.policy))

    def test_a_policy_of_the_admin_stays(self):
        self.write("policy", "#!/bin/sh\nexit 104\n")
        self.assertEqual(self.run_it("missing\n")[0], 0)
        self.assertEqual(self.read("policy-says"), "104\n")
        self.assertIn("104", self.read("policy"))

    def test_however_it_ends_no_policy_is_left(self):
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            self.write("hold", "")
            process = self.start("missing\n")
            wait_until(lambda: os.path.exists(self.path("policy-says")), what="apt-get runs")
            process.send_signal(number)
            if number == signal.SIGKILL:
                process.wait(LIMIT)
                self.assertTrue(os.path.exists(self.policy), "apt-get still runs")
            os.unlink(self.path("hold"))
            process.wait(LIMIT)
            self.assertNotEqual(process.returncode, 0)
            wait_until(lambda: not os.path.exists(self.policy), what=f"{number!r}: the policy is gone")
            os.unlink(self.path("policy-says"))

    def test_without_root_and_sudo_it_says_what_is_missing_and_how_to_go_on(self):
        self.write("id", "#!/bin/sh\necho 1000\n")
        for name in ("sh", "sed"):
            os.symlink(shutil.which(name), self.path(name))
        done = subprocess.run([PROGRAM, self.write("list", "missing\n")], env={"PATH": self.folder}, text=True,
                              capture_output=True, timeout=LIMIT, check=False)
        self.assertEqual(done.returncode, 1, done)
        self.assertIn("Missing packages: missing\n", done.stderr)
        self.assertIn("DEPS=no", done.stderr)
        self.assertEqual(self.run_it("there\n"), (0, ""), "nothing is missing: no root is needed")


if __name__ == "__main__":
    unittest.main()
