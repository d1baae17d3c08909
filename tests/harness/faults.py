# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""A program of which the nth call of a kind fails: the other end of tests/faults/calls.h, which is preloaded."""

import mmap
import os
import struct

from . import paths

FIELDS = struct.Struct("=4i")  # kind, left, lasts, failed
KINDS_MAX, NAME_SIZE = 32, 16
SEEN = FIELDS.size
NAMES = SEEN + 4 * KINDS_MAX
SIZE = NAMES + KINDS_MAX * NAME_SIZE
NONE = -1
NEVER = 2 ** 31 - 1


class Faults:
    """path: a file to be made, by which the program is told; it and whatever starts it have `environment`. Once it runs it has
    mapped the file."""

    def __init__(self, path, program="ocsmanager"):
        self.environment = {
            "LD_PRELOAD": paths.program("tests/calls.so"), "OCS_FAULT_CALLS": path, "OCS_FAULT_PROGRAM": program,
            "ASAN_OPTIONS": "verify_asan_link_order=0:" + os.environ.get("ASAN_OPTIONS", "")}
        with open(path, "w+b") as f:
            f.write(FIELDS.pack(NONE, 0, 0, 0).ljust(SIZE, b"\0"))
            f.flush()
            self._map = mmap.mmap(f.fileno(), SIZE)

    @property
    def kinds(self):
        """Their names, in order; the program has written them."""
        names = [self._map[at:at + NAME_SIZE].rstrip(b"\0").decode() for at in range(NAMES, SIZE, NAME_SIZE)]
        return [name for name in names if name]

    def fail(self, kind, n, lasts=False):
        """After n more calls of the kind one fails, or, if it lasts, all."""
        number = self.kinds.index(kind)
        self.over()
        self._map[4:FIELDS.size] = FIELDS.pack(number, n, lasts, 0)[4:]
        self._map[:4] = struct.pack("=i", number)

    @property
    def failed(self):
        """How many did."""
        return FIELDS.unpack(self._map[:FIELDS.size])[3]

    def over(self):
        """None fails any more; how many did."""
        self._map[:4] = struct.pack("=i", NONE)
        return self.failed

    def count(self, operation):
        """{kind: how many calls of it there are while operation() runs}"""
        self._map[SEEN:NAMES] = bytes(NAMES - SEEN)
        self.fail(self.kinds[0], NEVER)
        operation()
        self.over()
        seen = struct.unpack(f"={KINDS_MAX}i", self._map[SEEN:NAMES])
        return dict(zip(self.kinds, seen))

    def close(self):
        self.over()
        self._map.close()
