# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Floods of connections, and requests that take their time (harness/attacks/floods.py, slow.py), a row a test, while a
good client works. In test_room: 400 silent connections of two addresses, who has to leave, too few descriptors; in
test_tls: handshakes that take too long; in test_lifecycle and others tests/tools/hammer: clients that leave at every
stage; in test_lockouts: 5,000 open logins, 10,000 addresses that guess; in test_log_budget: floods of log lines."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness.attacks import floods, slow
from harness.attacks.case import AttackTest, tests_of


@tests_of(floods.ROWS)
class Floods(AttackTest):
    pass


@tests_of(slow.ROWS)
class Slow(AttackTest):
    """The deadline is that of the good client's requests too, so it is as long as a busy machine may take for one."""

    overrides = {"limits": {"request_deadline": "10"}}


if __name__ == "__main__":
    unittest.main()
