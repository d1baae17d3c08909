# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Hostile XML, a row a test (harness/attacks/documents.py), each to the notifications and to the login, while a good
client works. In test_protocol_errors: a document type, a bomb of entities, an external entity of a file, an entity that
nobody declared, eight levels and nine, what is not UTF-8, a NUL, an unbound prefix, another root, text behind it,
Content-Encoding."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness.attacks.case import AttackTest, tests_of
from harness.attacks.documents import ROWS


@tests_of(ROWS)
class Xml(AttackTest):
    pass


if __name__ == "__main__":
    unittest.main()
