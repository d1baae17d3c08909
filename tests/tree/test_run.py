# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""tests/run.py itself: whoever ends it ends all that it started."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness import paths
from harness.wait import LIMIT, wait_until

# Has a child in a session of its own, as servers have.
PROGRAM = """#!/bin/sh
setsid sleep 1000 &
echo $! >"$NOTE"
sleep 1000
"""


class EndedEarly(unittest.TestCase):
    def ended_by(self, number):
        folder = tempfile.mkdtemp(prefix="tr")
        self.addCleanup(shutil.rmtree, folder)
        tests, temporary, note = (os.path.join(folder, name) for name in ("tests", "tmp", "note"))
        for name in ("unit/m", "tree", "service", "live"):
            os.makedirs(os.path.join(tests, name))
        os.makedirs(os.path.join(folder, "build/tests/unit/m"))
        os.mkdir(temporary)
        shutil.copytree(os.path.join(paths.TREE, "tests/harness"), os.path.join(tests, "harness"))
        shutil.copy(os.path.join(paths.TREE, "tests/run.py"), tests)
        program = os.path.join(folder, "build/tests/unit/m/test_long")
        for path, text in ((os.path.join(tests, "unit/m/test_long.c"), ""), (program, PROGRAM)):
            with open(path, "w", encoding="ascii") as f:
                f.write(text)
        os.chmod(program, 0o755)
        process = subprocess.Popen([sys.executable, os.path.join(tests, "run.py"), os.path.join(folder, "build")],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   env=dict(os.environ, NOTE=note, TMPDIR=temporary))
        try:
            wait_until(lambda: os.path.exists(note) and os.path.getsize(note) > 1, what="a test runs")
            process.send_signal(number)
            out, err = process.communicate(timeout=LIMIT)
        finally:
            process.kill()
        self.assertEqual(process.returncode, 128 + number, out + err)
        self.assertIn(f"ended by {number.name}", err)
        self.assertEqual(os.listdir(temporary), [])
        with open(note, encoding="ascii") as f:
            self.assertFalse(os.path.exists(f"/proc/{f.read().strip()}"))

    def test_by_a_signal(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            with self.subTest(number.name):
                self.ended_by(number)


if __name__ == "__main__":
    unittest.main()
