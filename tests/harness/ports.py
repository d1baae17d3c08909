# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Ports of loopback that nobody else has."""

import random
import socket


def reserve_port():
    """A bound socket, whose port no other test gets, and which the program alone can listen on that it is for:
    reusing is allowed only after it was bound, and not asked for by those who look for a free port.
    Below the range that outgoing connections get their ports from: else one of those, even the
    daemon's own try to reconnect, could sit on the port while that program is down."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as f:
        top = int(f.read().split()[0])
    low = 10000 if top > 12000 else 1024
    for _ in range(1000):
        held = socket.socket()
        try:
            held.bind(("127.0.0.1", random.randrange(low, max(top, low + 1000))))
        except OSError:
            held.close()
            continue
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return held
    raise OSError("no free port")


def free_port():
    """One that nobody listens on, nor will while no other test looks for one."""
    with reserve_port() as held:
        return held.getsockname()[1]
