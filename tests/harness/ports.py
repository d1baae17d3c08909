# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""TCP ports for the programs under test, where they cannot take any free one by themselves."""

import random
import socket

_held = []


def reserve_port():
    """A bound socket, whose port no other test gets, and which the program under test alone can listen
    on: reusing is allowed only after it was bound, and not asked for by those who look for a free port.
    Below the range that outgoing connections get their ports from: else one of those, even the
    daemon's own try to reconnect, could sit on the port while the program is down."""
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
    """One that nobody listens on, nor will but for who was given it, while this process lives."""
    _held.append(reserve_port())
    return _held[-1].getsockname()[1]
