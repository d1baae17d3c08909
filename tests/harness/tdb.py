# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""libtdb by ctypes: to damage a record, or to hold a lock as a stopped process would.

As a program (python3 tdb.py FILE read|write): takes the lock, prints 'locked', stops itself; when
it is continued it lets go and ends."""

import ctypes
import os
import signal
import struct
import subprocess
import sys

TDB_SEQNUM = 128


class Data(ctypes.Structure):
    _fields_ = [("dptr", ctypes.c_void_p), ("dsize", ctypes.c_size_t)]


TRAVERSE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, Data, Data, ctypes.c_void_p)


def _library():
    tdb = ctypes.CDLL("libtdb.so.1")
    tdb.tdb_open.restype = ctypes.c_void_p
    tdb.tdb_open.argtypes = [ctypes.c_char_p, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_uint]
    for name in ("tdb_close", "tdb_lockall", "tdb_lockall_read", "tdb_unlockall",
                 "tdb_unlockall_read", "tdb_transaction_start", "tdb_transaction_cancel",
                 "tdb_transaction_commit"):
        getattr(tdb, name).argtypes = [ctypes.c_void_p]
    tdb.tdb_store.argtypes = [ctypes.c_void_p, Data, Data, ctypes.c_int]
    tdb.tdb_check.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
    tdb.tdb_traverse_read.argtypes = [ctypes.c_void_p, TRAVERSE, ctypes.c_void_p]
    return tdb


class Tdb:
    """Opens an existing file; close it soon: the daemon shares its locks."""

    def __init__(self, path):
        self.lib = _library()
        self.handle = self.lib.tdb_open(os.fsencode(path), 0, TDB_SEQNUM, os.O_RDWR, 0)
        if not self.handle:
            raise OSError(f"tdb_open {path}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.lib.tdb_close(self.handle)

    def records(self):
        found = {}

        def each(_, key, data, __):
            found[ctypes.string_at(key.dptr, key.dsize)] = ctypes.string_at(data.dptr, data.dsize)
            return 0

        callback = TRAVERSE(each)
        if self.lib.tdb_traverse_read(self.handle, callback, None) < 0:
            raise OSError("tdb_traverse_read")
        return found

    def sound(self):
        """Whether libtdb finds nothing wrong with its structure."""
        return self.lib.tdb_check(self.handle, None, None) == 0

    def store(self, *records):
        """Keys and values by turns, in one transaction."""
        if self.lib.tdb_transaction_start(self.handle) != 0:
            raise OSError("tdb_transaction_start")
        for key, value in zip(records[::2], records[1::2]):
            k, v = ctypes.create_string_buffer(key, len(key)), ctypes.create_string_buffer(value, len(value))
            if self.lib.tdb_store(self.handle, Data(ctypes.addressof(k), len(key)),
                                  Data(ctypes.addressof(v), len(value)), 0) != 0:
                raise OSError("tdb_store")
        if self.lib.tdb_transaction_commit(self.handle) != 0:
            raise OSError("tdb_transaction_commit")


def _jenkins(data):
    library = ctypes.CDLL("libtdb.so.1")
    library.tdb_jenkins_hash.argtypes = [ctypes.POINTER(Data)]
    library.tdb_jenkins_hash.restype = ctypes.c_uint
    buffer = ctypes.create_string_buffer(data, len(data))
    return library.tdb_jenkins_hash(ctypes.byref(Data(ctypes.addressof(buffer), len(data))))


def record(key, data):
    """A record as store/store.c makes one: it verifies."""
    h = _jenkins(key)
    return struct.pack("<BI", 1, ((h << 7 | h >> 25) & 0xffffffff) ^ _jenkins(data)) + data


class StoppedHolder:
    """A stopped process that holds a lock on a TDB: mode read (blocks commits) or write (a
    transaction that has begun)."""

    def __init__(self, path, mode):
        self.process = subprocess.Popen([sys.executable, os.path.abspath(__file__), path, mode],
                                        stdout=subprocess.PIPE)
        line = self.process.stdout.readline()
        if line != b"locked\n":
            raise AssertionError(f"no lock: {line!r}")
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WNOWAIT)

    @property
    def pid(self):
        return self.process.pid

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)
        self.process.wait()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        if self.process.poll() is None:
            self.kill()
        self.process.stdout.close()


def _hold(path, mode):
    with Tdb(path) as tdb:
        take = {"read": "tdb_lockall_read", "write": "tdb_transaction_start"}[mode]
        give = {"read": "tdb_unlockall_read", "write": "tdb_transaction_cancel"}[mode]
        if getattr(tdb.lib, take)(tdb.handle) != 0:
            raise OSError(take)
        print("locked", flush=True)
        os.kill(os.getpid(), signal.SIGSTOP)
        getattr(tdb.lib, give)(tdb.handle)


if __name__ == "__main__":
    _hold(*sys.argv[1:])
