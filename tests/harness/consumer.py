# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""ocsconsumer: the library seen from outside."""

import json
import os
import re
import signal
import subprocess

from . import paths
from .daemon import SANITIZER
from .wait import LIMIT, Lines, stop_process

UDP_LINE = re.compile(r"^udp (\S+) bytes=([0-9a-f]*)")


def number(value):
    """Ids and flags as ints, whatever base the tool prints them in."""
    if value is None or isinstance(value, int):
        return value
    return int(value, 16)


class Event(dict):
    """One line of --format json; flags, fid and the like as numbers by attribute."""

    @property
    def flags(self):
        return number(self["notification_flags"])

    @property
    def table_event(self):
        return number(self.get("table_event") or 0)

    @property
    def fid(self):
        return number(self.get("fid") or 0)

    @property
    def mid(self):
        return number(self.get("mid") or 0)

    @property
    def old_fid(self):
        return number(self.get("old_fid") or 0)

    @property
    def old_mid(self):
        return number(self.get("old_mid") or 0)

    @property
    def old_parent_fid(self):
        return number(self.get("old_parent_fid") or 0)

    @property
    def parent_fid(self):
        return number(self.get("parent_fid") or 0)

    @property
    def table(self):
        return self["queue"].split(".")[-2]

    @property
    def kind(self):
        """(flags, te): what design section 4 tabulates."""
        return self.flags, self.table_event


class Consumer:
    """tables: words of --table; folder: FID as text or int, None for the store; wrapper: words
    before the program's (prlimit ...)."""

    def __init__(self, daemon, user, tables=(), folder=None, types=None, push=None, context=None,
                 idle=0.05, count=None, form="json", run_as=None, wrapper=(), ready=True, env=None, maps=()):
        words = [*wrapper, paths.program("ocsconsumer"), "-c", daemon.ini, "-u", user,
                 "--format", form, "--idle", str(idle)]
        if folder is not None:
            words += ["--folder", f"{folder:016x}" if isinstance(folder, int) else folder]
        for table in tables:
            words += ["--table", table]
        if types is not None:
            words += ["--types", hex(types) if isinstance(types, int) else types]
        for store in maps:
            words += ["--map", store]
        if push:
            words += ["--push", push]
        if context:
            words += ["--context", context]
        if count is not None:
            words += ["--count", str(count)]
        identity = {"user": run_as, "extra_groups": []} if run_as else {}
        if run_as:
            import pwd
            identity["group"] = pwd.getpwnam(run_as).pw_gid
        self.process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            cwd="/", env=dict(os.environ, **(env or {})), **identity)
        self.out = Lines(self.process.stdout)
        self.err = Lines(self.process.stderr)
        self._events = []
        if ready:
            self.wait_subscribed()

    @property
    def pid(self):
        return self.process.pid

    def wait_subscribed(self, limit=LIMIT):
        self.err.wait(lambda lines: any(l.startswith("subscribed") for l in lines), limit,
                      "'subscribed'")
        return self

    # -- what came

    def events(self):
        lines = self.out.snapshot()
        self._events += [Event(json.loads(line)) for line in lines[len(self._events):]]
        return list(self._events)

    def wait_events(self, n, limit=LIMIT):
        """The first n events (and fails if they do not come)."""
        self.out.wait(lambda lines: len(lines) >= n, limit, f"{n} events")
        return self.events()

    def wait_event(self, found, limit=LIMIT, what="an event"):
        def search(lines):
            return next((e for e in (Event(json.loads(l)) for l in lines) if found(e)), None)
        return self.out.wait(search, limit, what)

    def udp(self):
        """[(address, payload)] of the datagrams it says it sent."""
        found = (UDP_LINE.match(line) for line in self.err.snapshot())
        return [(m.group(1), bytes.fromhex(m.group(2))) for m in found if m]

    # -- life

    def stop(self):
        stop_process(self.pid)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def kill(self):
        self.process.kill()
        self.process.wait(LIMIT)
        self._ended()

    def _ended(self):
        self.out.join()
        self.err.join()

    def wait_exit(self, limit=LIMIT):
        try:
            status = self.process.wait(limit)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"ocsconsumer still runs after {limit} s") from None
        self._ended()
        return status

    def close(self):
        """SIGTERM ends it with 0; no sanitizer report."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(signal.SIGTERM)
            try:
                status = self.process.wait(LIMIT)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                self._ended()
                raise AssertionError("ocsconsumer: SIGTERM does not end it") from None
            self._ended()
            assert status == 0, f"ocsconsumer ended with {status}:\n{self.err.text()[-3000:]}"
        found = SANITIZER.search(self.err.text())
        assert not found, "a sanitizer reported:\n" + self.err.text()[-6000:]
