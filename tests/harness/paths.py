# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Where the built programs are."""

import functools
import os

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("OCS_BUILD", os.path.join(TREE, "build")))


def program(name):
    return os.path.join(BUILD, name)


def have(name):
    return os.access(program(name), os.X_OK)


@functools.cache
def sanitized():
    """Whether the programs were built with one."""
    with open(program("ocsmanager"), "rb") as f:
        text = f.read()
    return any(name in text for name in (b"__asan_init", b"__ubsan_", b"__tsan_init"))


TSAN_OPTIONS = "suppressions=" + os.path.join(TREE, "tests", "tsan.supp")
os.environ.setdefault("TSAN_OPTIONS", TSAN_OPTIONS)
