# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""What the runner changes around the tests: namespaces, so that neither the queues nor the ports of others
disturb or are disturbed, and /dev/mqueue, by which tests see which queues there are.

It is made in namespaces that end with the process: nothing of the machine changes. That needs root; others work
with what is there.
"""

import ctypes
import fcntl
import os
import socket
import stat
import struct
import tempfile

CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWNET = 0x00020000, 0x08000000, 0x40000000
MS_BIND, MS_REC, MS_PRIVATE, MS_MOVE = 0x1000, 0x4000, 1 << 18, 0x2000
MNT_DETACH = 2
MQUEUE_MAGIC = 0x19800202  # linux/magic.h
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1

QUEUES = "/dev/mqueue"
HOW = f"mkdir -p {QUEUES} && mount -t mqueue none {QUEUES}   (as root)"

libc = ctypes.CDLL(None, use_errno=True)


def call(name, *arguments):
    """A function of libc that returns 0 or sets errno."""
    if getattr(libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def mount(source, target, kind=None, flags=0):
    call("mount", source.encode(), target.encode(), kind and kind.encode(), flags, None)


def queues_mounted():
    """Whether the queues can be seen. A folder alone, empty, looks like no queues."""
    room = (ctypes.c_long * 64)()  # struct statfs: f_type is its first word
    return libc.statfs(QUEUES.encode(), room) == 0 and room[0] == MQUEUE_MAGIC


def _copy_entry(entry, target):
    about = entry.stat(follow_symlinks=False)
    if entry.is_symlink():
        os.symlink(os.readlink(entry.path), target)
    elif stat.S_ISCHR(about.st_mode) or stat.S_ISBLK(about.st_mode):
        # not by a bind mount: the kernel looks for pts beside ptmx
        os.mknod(target, about.st_mode, about.st_rdev)
        os.chmod(target, stat.S_IMODE(about.st_mode))
        os.chown(target, about.st_uid, about.st_gid)
    else:
        if entry.is_dir():
            os.mkdir(target)
        else:
            os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o600))
        mount(entry.path, target, None, MS_BIND | MS_REC)


def _copy_of_dev():
    """/dev of this mount namespace becomes a folder in memory with all that the old one has, so that a folder
    can be made there that the machine does not get."""
    new = tempfile.mkdtemp(prefix="ocsdev")
    try:
        mount("none", new, "tmpfs")
        os.chmod(new, 0o755)
        for entry in os.scandir("/dev"):
            _copy_entry(entry, os.path.join(new, entry.name))
        mount(new, "/dev", None, MS_MOVE)
    except OSError:
        libc.umount2(new.encode(), MNT_DETACH)
        raise
    finally:
        os.rmdir(new)


def _see_queues():
    if not os.path.isdir(QUEUES):
        _copy_of_dev()
        os.mkdir(QUEUES, 0o755)
    mount("ocs-tests", QUEUES, "mqueue")


def own_queues():
    """Queues and mounts of our own, before the process has threads. OSError where that cannot be."""
    call("unshare", CLONE_NEWNS | CLONE_NEWIPC)
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    _see_queues()


def own_network():
    """The calling thread, and what it starts from now on, get a network with nothing but a loopback device.
    OSError where that cannot be."""
    call("unshare", CLONE_NEWNET)
    with socket.socket() as s:
        request = struct.pack("16sH14x", b"lo", 0)
        flags = struct.unpack("16sH14x", fcntl.ioctl(s, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | IFF_UP))


def our_queues():
    """Names of the queues that this user made; None if that cannot be seen."""
    if not queues_mounted():
        return None
    with os.scandir(QUEUES) as entries:
        return {e.name for e in entries
                if e.name.startswith("ocs.") and e.stat().st_uid == os.geteuid()}
