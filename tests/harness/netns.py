# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Two network namespaces with a cable between them (ip netns, veth). Needs root."""

import ctypes
import os
import subprocess
from contextlib import contextmanager

from .wait import LIMIT

CLONE_NEWNET = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)


def ip(*words):
    done = subprocess.run(["ip", *words], capture_output=True, text=True, timeout=LIMIT, check=False)
    if done.returncode != 0:
        raise OSError(f"ip {' '.join(words)}: {done.stderr.strip()}")


def enter(path):
    """The calling thread, and what it starts from now on, is in that namespace."""
    fd = os.open(path, os.O_RDONLY)
    try:
        if libc.setns(fd, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns {path}")
    finally:
        os.close(fd)


class Network:
    """Namespaces `left` and `right`, addresses LEFT and RIGHT."""

    LEFT, RIGHT = "10.213.7.1", "10.213.7.2"

    def __init__(self):
        mine = f"ocs{os.getpid()}"
        self.left, self.right = mine + "l", mine + "r"
        self._home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            for name in (self.left, self.right):
                ip("netns", "add", name)
                ip("-n", name, "link", "set", "lo", "up")
            ip("-n", self.left, "link", "add", "cable0", "type", "veth", "peer", "name", "cable1",
               "netns", self.right)
            ip("-n", self.left, "addr", "add", self.LEFT + "/24", "dev", "cable0")
            ip("-n", self.right, "addr", "add", self.RIGHT + "/24", "dev", "cable1")
            self.heal()
        except OSError:
            self.close()
            raise

    def cut(self):
        ip("-n", self.left, "link", "set", "cable0", "down")

    def heal(self):
        for name, cable in ((self.left, "cable0"), (self.right, "cable1")):
            ip("-n", name, "link", "set", cable, "up")

    def own(self, name, net):
        """Every address of that net is one of the namespace itself, which programs in it may come from."""
        ip("-n", name, *(["-6"] if ":" in net else []), "route", "add", "local", net, "dev", "lo")
        if ":" in net:
            with self.inside(name), open("/proc/sys/net/ipv6/ip_nonlocal_bind", "w", encoding="ascii") as f:
                f.write("1")

    @staticmethod
    def wrapper(name):
        """Words that run a program in the namespace; its pid stays its own."""
        return ["nsenter", f"--net=/run/netns/{name}"]

    def enter_left(self):
        """For good: close() brings the thread back."""
        enter(f"/run/netns/{self.left}")

    @contextmanager
    def inside(self, name):
        """This thread is in the namespace meanwhile; what it opens or starts stays there."""
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            enter(f"/run/netns/{name}")
            yield
        finally:
            enter(f"/proc/self/fd/{before}")
            os.close(before)

    def close(self):
        enter(f"/proc/self/fd/{self._home}")
        for name in (self.left, self.right):
            if os.path.exists(f"/run/netns/{name}"):
                ip("netns", "del", name)
        os.close(self._home)
