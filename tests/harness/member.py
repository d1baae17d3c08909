# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""A member of the registry's group, as a MAPI server is one: another user than the daemon's."""

import os
import pwd
import signal
import subprocess
import sys

from . import hostile
from .wait import LIMIT

# What programs of members begin with: the registry folder, libtdb, and stopping with all that is held.
_HEAD = """
import ctypes, fcntl, os, socket, struct, sys, time
sys.path.insert(0, {tests!r})
from harness.tdb import Tdb
registry = {registry!r}
os.chdir(registry)
os.umask(0)
def old(path):  # a file that nobody is just making
    os.utime(path, (time.time() - 3600,) * 2, follow_symlinks=False)
def hold():
    print("held", flush=True)
    os.kill(os.getpid(), 19)
"""
_TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Member:
    def __init__(self, registry, gid, user="nobody"):
        self.registry, self.gid = registry, gid
        self.uid = pwd.getpwnam(user).pw_uid
        self.held = []

    def _run(self, *words, **more):
        return subprocess.Popen([sys.executable, *words], user=self.uid, group=self.gid, extra_groups=[],
                                stdin=subprocess.DEVNULL, **more)

    def _start(self, code, **more):
        return self._run("-c", _HEAD.format(tests=_TESTS, registry=self.registry) + code, **more)

    def writes(self, *words):
        """Starts harness/hostile.py with these words."""
        process = self._run(hostile.__file__, self.registry, *words, stdout=subprocess.PIPE)
        self.held.append(process)
        return process

    def does(self, code):
        """Runs it to its end; it must not fail."""
        process = self._start(code, stderr=subprocess.PIPE)
        _, said = process.communicate(timeout=LIMIT)
        assert process.returncode == 0, said.decode()

    def holds(self, code):
        """Runs it, and leaves it stopped where it calls hold(). Returns its pid."""
        process = self._start(code + "\nhold()\n", stdout=subprocess.PIPE)
        line = process.stdout.readline()
        assert line == b"held\n", line
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        self.held.append(process)
        return process.pid

    def lets_go(self):
        for process in self.held:
            process.send_signal(signal.SIGKILL)
            process.wait(LIMIT)
            process.stdout.close()
        self.held = []
