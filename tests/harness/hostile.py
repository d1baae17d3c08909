# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""A hostile member of the registry's group: writes at random into the shared folder.

As a program (python3 hostile.py REGISTRY SEED COUNT TARGET...): does COUNT things, then prints how often it did what, or
failed to. TARGET: files and folders of others that its links lead to."""

import collections
import fcntl
import os
import random
import signal
import socket
import stat
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness.tdb import Tdb, record  # noqa: E402

# Queues that a list may name: of nobody, of somebody else (the test makes it), and what is none.
FOREIGN = "/ocs.someone.store.newmail.00000001"
QUEUES = (FOREIGN, "/ocs.jdoe.store.newmail.00000001", "/etc/passwd", "/", "", "x" * 300, "/\0", "/ocs..\n")
NUMBERS = (0, 1, 0x7f, 0x80, 0xff, 2**16, 2**31 - 1, 2**32 - 1, 2**63, 2**64 - 1)
SIZES = (0, 1, 100, 4096, 5000, 1 << 20, 1 << 33, 1 << 40)
CHILD_LIMIT = 5  # seconds
HELD = 0.05  # seconds that a lock is held at most
PAUSE = 0.01  # seconds between two things at most, so that others have a turn


class Writer:
    def __init__(self, seed, targets):
        self.random, self.targets = random.Random(seed), targets
        self.done = collections.Counter()

    def run(self, count):
        actions = [getattr(self, name) for name in sorted(dir(self)) if name.startswith("do_")]
        for _ in range(count):
            time.sleep(self.random.random() * PAUSE)
            action = self.random.choice(actions)
            try:
                action()
                what = "done"
            except (OSError, ValueError) as error:  # it is not there, not ours, being replaced, or beyond repair
                what = type(error).__name__
            self.done[f"{action.__name__[3:]} {what}"] += 1

    # -- parts

    def in_child(self, what):
        """libtdb believes what it reads, so that it may crash, or go on for ever."""
        rest = self.random.getrandbits(64)
        pid = os.fork()
        if pid == 0:
            signal.alarm(CHILD_LIMIT)
            status = 1
            try:
                self.random.seed(rest)
                with Tdb("registry.tdb") as tdb:
                    what(tdb)
                status = 0
            finally:
                os._exit(status)
        if os.waitpid(pid, 0)[1] != 0:
            raise OSError("libtdb")

    def number(self):
        return self.random.choice(NUMBERS) if self.random.randrange(3) else self.random.getrandbits(64)

    def any_of(self, folder, end="", kind=None):
        """A path in it, of a kind; ValueError: there is none."""
        paths = [os.path.join(folder, n) for n in sorted(os.listdir(folder)) if n.endswith(end)]
        paths = [p for p in paths if kind is None or kind(os.lstat(p).st_mode)]
        if not paths:
            raise ValueError(folder)
        return self.random.choice(paths)

    def scribble(self, path, least=0):
        """Without a lock, as no library writes."""
        fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW)
        try:
            size = max(os.fstat(fd).st_size, least + 1)
            for _ in range(self.random.randrange(1, 10)):
                data = self.random.choice((self.random.randbytes(self.random.randrange(1, 65)),
                                           struct.pack("<Q", self.number()), struct.pack("<I", self.number() & 0xffffffff)))
                os.pwrite(fd, data, self.random.randrange(least, min(size, 1 << 24)))
            if self.random.randrange(20) == 0:
                os.ftruncate(fd, self.random.choice(SIZES))
        finally:
            os.close(fd)

    def changed(self, data):
        data = bytearray(data)
        for _ in range(self.random.randrange(1, 4)):
            if data:
                data[self.random.randrange(len(data))] = self.number() & 0xff
        if self.random.randrange(4) == 0:
            del data[self.random.randrange(len(data) + 1):]
        if self.random.randrange(8) == 0:
            data += self.random.randbytes(self.random.randrange(200))
        return bytes(data)

    def place(self, folder, name):
        """Something that is no file of ours, in a place where one may be looked for. Its age is that at which it is."""
        path = os.path.join(folder, name)
        target = self.random.choice(self.targets)
        make = self.random.choice((
            lambda: os.mkfifo(path), lambda: os.symlink(target, path), lambda: os.makedirs(path + "/x"),
            lambda: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).bind(path),
            lambda: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM).bind(path),
            lambda: os.link(self.any_of(folder), path),
            lambda: os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o666))))
        make()
        if not os.path.islink(path):
            os.utime(path, (time.time() - 3600,) * 2)

    # -- what it does

    def do_forge_records(self):
        """Records that verify, in a transaction."""
        def forge(tdb):
            records = tdb.records()
            for key in self.random.sample(sorted(records), min(4, len(records))):
                tdb.store(key, record(key, self.changed(records[key][5:])))
        self.in_child(forge)

    def do_forge_keys(self):
        kind = self.random.choice(b"LTCSPEUXMs")
        key = bytes([kind]) + self.random.choice((struct.pack("<Q", self.number()), b"jdoe", b"sogo\0jdoe", b"", b"s"))
        self.in_child(lambda tdb: tdb.store(key, record(key, self.random.randbytes(self.random.randrange(200)))))

    def do_scribble_registry(self):
        self.scribble("registry.tdb")

    def do_scribble_spill(self):
        self.scribble(self.any_of("spill", kind=stat.S_ISREG))

    def do_forge_spill(self):
        """How far it was read, at the beginning of the file."""
        fd = os.open(self.any_of("spill", kind=stat.S_ISREG), os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
        os.pwrite(fd, struct.pack("<QQ", self.number(), self.number()), 0)
        os.close(fd)

    def do_scribble_any(self):
        """Of the files in the folder itself: registry, index, marks, lists."""
        self.scribble(self.any_of(".", kind=stat.S_ISREG))

    def do_place_in_wake(self):
        self.place("wake", f"{self.random.getrandbits(64):016x}.{self.random.choice(('sock', 'queues', 'new', ''))}")

    def do_place_in_folder(self):
        self.place(".", self.random.choice(("registry.tdb.new", "registry.tdb.fresh", "registry.tdb.other", "index.1.tdb",
                                            "users.map.new", "id_mark.2", "private.new", "messages/x", "x")))

    def do_place_over(self):
        """The name of what is there: it must be our own, or the folder's sticky bit is in the way."""
        path = self.any_of(self.random.choice((".", "wake", "spill", "messages")))
        os.unlink(path)
        self.place(".", path)

    def do_queue_list(self):
        path = f"wake/{self.random.getrandbits(64):016x}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as dead:
            dead.bind(path + ".sock")
        with open(path + ".queues", "w", encoding="utf-8") as f:
            f.write("\n".join(self.random.choices(QUEUES, k=self.random.randrange(6))))
            if self.random.randrange(4) == 0:
                f.truncate(self.random.choice(SIZES))
        for end in (".sock", ".queues"):
            os.utime(path + end, (time.time() - 3600,) * 2)
        contexts = bytes.fromhex(path[5:])[::-1] * self.random.randrange(1, 4)
        self.in_child(lambda tdb: tdb.store(b"L", record(b"L", contexts)))

    def do_lock(self):
        fd = os.open(self.any_of(".", kind=stat.S_ISREG), os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW)
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, *self.random.choice(((), (1, 0), (0, 168))))
        time.sleep(self.random.random() * HELD)
        os.close(fd)

    def do_flock(self):
        fd = os.open(self.random.choice((".", "messages", "ocsmanager.lock", "wake")), os.O_RDONLY | os.O_NONBLOCK)
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        time.sleep(self.random.random() * HELD)
        os.close(fd)

    def do_datagram(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.setblocking(False)
            for _ in range(20):
                s.sendto(self.random.randbytes(self.random.choice((0, 1, 8, 128, 4096))), self.any_of("wake", ".sock"))

    def do_talk(self):
        kind, name = self.random.choice(((socket.SOCK_SEQPACKET, "bind.sock"), (socket.SOCK_STREAM, "report.sock")))
        with socket.socket(socket.AF_UNIX, kind) as s:
            s.settimeout(HELD)
            s.connect(name)
            s.send(self.random.choice((b"", b"\1B", b"PUT /notification HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n",
                                       b"GET")) + self.random.randbytes(self.random.randrange(200)))

    def do_clean(self):
        """So that nobody is slow for the number of files alone."""
        for folder in (".", "wake"):
            for name in os.listdir(folder):
                path = os.path.join(folder, name)
                if os.lstat(path).st_uid == os.getuid() and not stat.S_ISDIR(os.lstat(path).st_mode):
                    os.unlink(path)


def main():
    registry, seed, count, *targets = sys.argv[1:]
    os.chdir(registry)
    os.umask(0)
    writer = Writer(int(seed), targets)
    writer.run(int(count))
    print(", ".join(f"{what}: {n}" for what, n in sorted(writer.done.items())), flush=True)


if __name__ == "__main__":
    main()
