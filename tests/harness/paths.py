# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Where the built programs are."""

import os

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("OCS_BUILD", os.path.join(TREE, "build")))


def program(name):
    return os.path.join(BUILD, name)


def have(name):
    return os.access(program(name), os.X_OK)


TSAN_OPTIONS = "suppressions=" + os.path.join(TREE, "tests", "tsan.supp")
os.environ.setdefault("TSAN_OPTIONS", TSAN_OPTIONS)
