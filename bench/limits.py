# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""The kernel's limits of message queues while the bench runs. Each part of it gets an IPC namespace of its own, with
no queue of anybody in it and the kernel's defaults, which are raised in it where a part wants that: nothing of the
machine changes. That needs root, or user namespaces for everybody; without either what is there is used, and
whoever measures has to look which road it was.
"""
import ctypes
import os
import resource
import sys

CLONE_NEWUSER, CLONE_NEWIPC = 0x10000000, 0x08000000
LIBC = ctypes.CDLL(None, use_errno=True)
SETTINGS = "/proc/sys/fs/mqueue/"
UNLIMITED = resource.RLIM_INFINITY
MESSAGE_CHARGE = 256 + 96  # the kernel's, for a message of [mqueue] message_size


def _unshare(flags):
    if LIBC.unshare(flags) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _own_user():
    """Those who are not root become it for what follows, as far as a user namespace goes; who they are stays."""
    user, group = os.geteuid(), os.getegid()
    _unshare(CLONE_NEWUSER)
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as out:
            out.write(text)


def _may(try_it):
    """Whether that goes well, in a child: a user namespace in which it then fails could not be left again."""
    child = os.fork()
    if child == 0:
        try:
            try_it()
            os._exit(0)
        except BaseException:  # pylint: disable=broad-except
            os._exit(1)
    return os.waitpid(child, 0)[1] == 0


def _own_user_queues():
    _own_user()
    _unshare(CLONE_NEWIPC)


def own_queues():
    """None, or why queues are those of the whole machine. Before the process has threads."""
    try:
        try:
            _unshare(CLONE_NEWIPC)
        except PermissionError:
            if not _may(_own_user_queues):
                raise
            _own_user_queues()
    except OSError as error:
        return f"no IPC namespace: {error.strerror}"
    return None


def setting(name):
    try:
        with open(SETTINGS + name, encoding="ascii") as text:
            return int(text.read())
    except (OSError, ValueError):
        return None


def raise_settings(messages, queues):
    """In a namespace of our own: at least so many messages a queue, so many queues. None, or why not."""
    for name, value in (("msg_max", messages), ("queues_max", queues)):
        if (setting(name) or 0) >= value:
            continue
        try:
            with open(SETTINGS + name, "w", encoding="ascii") as out:
                out.write(str(value))
        except OSError as error:
            return f"fs.mqueue.{name} = {value}: {error.strerror}"
    return None


def budget():
    """Bytes of queues that what we start may have, RLIMIT_MSGQUEUE, raised as far as it goes: more than its hard limit
    is for who has CAP_SYS_RESOURCE. All processes of a user share it, in whatever namespace they are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_MSGQUEUE)
    try:
        resource.setrlimit(resource.RLIMIT_MSGQUEUE, (soft, UNLIMITED))
    except (ValueError, OSError):
        return hard
    return UNLIMITED


def queues_within(size, messages):
    """How many queues of so many messages of the default size a budget has room for."""
    return sys.maxsize if size == UNLIMITED else size // (messages * MESSAGE_CHARGE)


def set_budget(size):
    """RLIMIT_MSGQUEUE of this process, as near to it as it may be."""
    hard = resource.getrlimit(resource.RLIMIT_MSGQUEUE)[1]
    try:
        resource.setrlimit(resource.RLIMIT_MSGQUEUE, (size, size))
    except (ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_MSGQUEUE, (hard, hard))
