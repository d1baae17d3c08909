# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Abuse of HTTP, a row a test (harness/attacks/requests.py), while a good client works. In test_framing: two lengths,
lengths that are none, a length with a transfer encoding, other encodings, folded lines, bare LF and CR, NUL, two Hosts,
control characters in the address, chunks and lengths of terabytes, a body that looks like a request. In test_http: a
first line of 100 KB, 400 headers of 500 bytes, broken chunks, bodies past max_body in each form, pipelining in order,
curl's 100-continue."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness.attacks.case import AttackTest, tests_of
from harness.attacks.requests import ROWS


@tests_of(ROWS)
class Http(AttackTest):
    pass


if __name__ == "__main__":
    unittest.main()
