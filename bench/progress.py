# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""What is being measured and how long it will take, in one line of a terminal; and the report, which goes to
standard output and to a file. Python's standard library only."""
import sys
import time


def duration(seconds):
    seconds = max(round(seconds), 0)
    return f"{seconds} s" if seconds < 100 else f"{seconds // 60} min {seconds % 60:02} s"


class Progress:
    """The line, on standard error if that is a terminal; nothing otherwise."""

    def __init__(self, stream=None):
        self.stream = stream or sys.stderr
        self.terminal = self.stream.isatty()
        self.part, self.begun, self.seconds, self.later, self.shown = "", 0.0, 0.0, 0.0, False

    def begin(self, part, seconds, later):
        """seconds: of this part as estimated; later: of those behind it."""
        self.part, self.seconds, self.later, self.begun = part, seconds, later, time.monotonic()
        self.step("starting")

    def step(self, what):
        if not self.terminal:
            return
        left = max(self.seconds - (time.monotonic() - self.begun), 0) + self.later
        self.stream.write(f"\r\033[K[{self.part}] {what}; about {duration(left)} left"[:160])
        self.stream.flush()
        self.shown = True

    def clear(self):
        if self.shown:
            self.stream.write("\r\033[K")
            self.stream.flush()
            self.shown = False


class Report:
    """Stands in for standard output: what is printed is in the file too, and the line goes before it comes."""

    def __init__(self, progress, out, path):
        # line by line: a run that is killed has told what it knew
        self.progress, self.out, self.file = progress, out, open(path, "w", encoding="utf-8", buffering=1)

    def write(self, text):
        self.progress.clear()
        self.out.write(text)
        self.file.write(text)
        return len(text)

    def flush(self):
        self.out.flush()
        self.file.flush()

    def close(self):
        self.flush()
        self.file.close()
