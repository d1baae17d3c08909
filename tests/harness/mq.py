# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Message queues made by hand, also as another user; without /dev/mqueue."""

import ctypes
import os
import pwd

_rt = ctypes.CDLL(None, use_errno=True)


class Attributes(ctypes.Structure):
    _fields_ = [(name, ctypes.c_long) for name in
                ("flags", "max_messages", "message_size", "messages", "a", "b", "c", "d")]


def _check(result, what):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def unlink(name):
    _check(_rt.mq_unlink(name.encode()), name)


def create_as(user, name):
    """A queue of that user's, which everybody may write to (root only)."""
    attributes = Attributes(0, 10, 256, 0)
    fd = _check(_rt.mq_open(name.encode(), os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NONBLOCK,
                            0o600, ctypes.byref(attributes)), name)
    entry = pwd.getpwnam(user)
    os.fchown(fd, entry.pw_uid, entry.pw_gid)
    os.fchmod(fd, 0o666)
    os.close(fd)


def state(name):
    """(messages, uid) of a queue."""
    fd = _check(_rt.mq_open(name.encode(), os.O_RDONLY | os.O_NONBLOCK), name)
    attributes = Attributes()
    try:
        _check(_rt.mq_getattr(fd, ctypes.byref(attributes)), name)
        return attributes.messages, os.fstat(fd).st_uid
    finally:
        os.close(fd)

