# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Waiting for conditions, and for lines of a program's output."""

import os
import select
import signal
import threading
import time

# Seconds after which what is waited for never comes: far above any pause a busy machine makes (its disk stood still for
# 100 s once), since how fast something is no test of a condition says.
LIMIT = 150.0


def wait_until(condition, limit=LIMIT, what="the condition"):
    """Returns the first true value of condition(); AssertionError after limit seconds, with what (or what it
    returns). What takes long is asked for less often: asking takes the time of those who are waited for."""
    start = time.monotonic()
    while True:
        value = condition()
        if value:
            return value
        passed = time.monotonic() - start
        if passed > limit:
            raise AssertionError(f"not within {limit} s: {what() if callable(what) else what}")
        time.sleep(min(0.1, 0.005 + passed / 20))


def stop_process(pid):
    """SIGSTOP for a child, and waits until it has an effect: one of its threads has to run to take the signal, and
    until it does, which is a while on a busy machine, the others work on."""
    os.kill(pid, signal.SIGSTOP)
    os.waitid(os.P_PID, pid, os.WSTOPPED)


class Lines:
    """The lines of a pipe, read by a thread so that the writer never blocks on us. Who asks what has been said
    gets all that was written before, also what the thread has not come to."""

    def __init__(self, pipe, on_line=None):
        self.lines = []
        self.times = []
        self.ended = False
        self.changed = threading.Condition()
        self._pipe, self._on_line, self._rest = pipe, on_line, b""
        os.set_blocking(pipe.fileno(), False)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        poll = select.poll()
        poll.register(self._pipe.fileno(), select.POLLIN)
        while not self.ended:
            poll.poll()
            with self.changed:
                self._take()

    def _take(self):
        """What is in the pipe now. The lock is held."""
        while not self.ended:
            try:
                data = os.read(self._pipe.fileno(), 65536)
            except BlockingIOError:
                return
            *lines, self._rest = (self._rest + data).split(b"\n")
            if not data:
                self.ended = True
                lines += [self._rest] if self._rest else []
            for raw in lines:
                line = raw.decode("utf-8", "replace")
                self.lines.append(line)
                self.times.append(time.monotonic())
                if self._on_line:
                    self._on_line(line)
            self.changed.notify_all()

    def join(self):
        self._thread.join(LIMIT)
        self._pipe.close()

    def text(self):
        return "\n".join(self.snapshot())

    def snapshot(self):
        with self.changed:
            if not self._pipe.closed:
                self._take()
            return list(self.lines)

    def wait(self, found, limit=LIMIT, what="a line"):
        """found(lines) is called with all lines so far until it returns something true."""
        end = time.monotonic() + limit
        with self.changed:
            while True:
                value = found(self.lines)
                if value:
                    return value
                left = end - time.monotonic()
                if left <= 0 or self.ended:
                    why = "the program ended" if self.ended else f"not within {limit} s"
                    tail = "\n  ".join(self.lines[-40:])
                    raise AssertionError(f"{why}: {what}; it said:\n  {tail}")
                self.changed.wait(left)

    def wait_text(self, text, limit=LIMIT, start=0):
        """The first line at or after index start that contains text."""
        return self.wait(lambda lines: next((l for l in lines[start:] if text in l), None), limit,
                         f"a line with {text!r}")
