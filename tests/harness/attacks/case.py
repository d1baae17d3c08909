# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Makes tests of rows: what the attacker is told, that a good client is answered all the while, that memory stays."""

from . import GoodClient, Target
from .. import paths
from ..case import SharedDaemonTest
from ..client import logged_in

# MiB that all attacks together may take. Allowed at once are 400 connections of 32 KiB and a body of 64 KiB each; a
# sanitizer keeps what was freed.
MEMORY, MEMORY_SANITIZED = 64, 1024


def memory(pid, which):
    """MiB. VmHWM is the most there has been."""
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith(which + ":")) / 1024


class AttackTest(SharedDaemonTest):
    rows = ()
    overrides = {"limits": {"failed_logins": "100000", "request_deadline": "60"}}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with logged_in(cls.shared) as client:
            cls.token = client.token
        cls.before = memory(cls.shared.pid, "VmRSS")

    def attack(self, row):
        target = Target(self.shared, self.token)
        with GoodClient(self.shared, patient=row.flood) as good:
            for _ in range(row.times):
                outcomes = list(row.attack(target))
                self.assertTrue(outcomes, "it did nothing")
                wrong = {outcome for outcome in outcomes if not row.may_be(outcome)}
                self.assertFalse(wrong, f"{row.name}: allowed is {row.allowed}")
            good.wait_more()
        self.assertTrue(self.shared.alive(), self.shared.log()[-3000:])
        self.assertLess(memory(self.shared.pid, "VmHWM") - self.before,
                        MEMORY_SANITIZED if paths.sanitized() else MEMORY, "MiB more than before all attacks")


def tests_of(rows):
    """For a class: a test of each."""
    def add(case):
        for row in rows:
            assert not hasattr(case, row.method), row.method
            setattr(case, row.method, lambda self, row=row: self.attack(row))
        return case
    return add
