# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Which POSIX queues the kernel has: seen in /dev/mqueue only, which the runner mounts."""

import os

from . import isolation


def names(user):
    """Names of the kernel's queues of that user."""
    if not isolation.queues_mounted():
        raise AssertionError("queues cannot be seen: " + isolation.HOW)
    return sorted(n for n in os.listdir(isolation.QUEUES) if n.startswith(f"ocs.{user}."))
