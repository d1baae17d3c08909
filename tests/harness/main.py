# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Runs the tests of some modules in one process, one module after the other:  main.py FILE..."""

import os
import sys
import unittest

sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
files = sys.argv[1:]
for folder in {os.path.dirname(os.path.abspath(file)) for file in files}:
    sys.path.insert(0, folder)
unittest.main(module=None, argv=[sys.argv[0], "-v", *(os.path.basename(file)[:-3] for file in files)])
