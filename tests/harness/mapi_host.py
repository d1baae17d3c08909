# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""tests/tools/mapi_host: a MAPI server's side of libocsnotify, driven line by line."""

import subprocess
import time
from collections import namedtuple

from . import paths
from .wait import LIMIT

NEWMAIL, CREATED, DELETED, MODIFIED, MOVED, COPIED, SEARCH = (1 << i for i in range(1, 8))

Event = namedtuple("Event", "handle word flags table_event fid mid old_fid old_mid parent")
Object = namedtuple("Object", "kind deleted user backend backend_user folder message uri")
Result = namedtuple("Result", "status queues code name")


class HostError(Exception):
    def __init__(self, code, text):
        super().__init__(f"{code}: {text}")
        self.code, self.text = code, text


class MapiHost:
    """wrapper: words before the program's; more: of Popen()."""

    def __init__(self, daemon, wrapper=(), **more):
        self.warnings = []
        self.process = subprocess.Popen(
            [*wrapper, paths.program("tests/mapi_host"), daemon.registry], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True, **more)

    def close(self):
        self.process.stdin.close()
        status = self.process.wait(LIMIT)
        self.process.stdout.close()
        assert status == 0, f"mapi_host ended with {status}"

    def ask(self, *words):
        """What it says, a list of words each, and the code; raises where that is an error."""
        said = []
        self.process.stdin.write("\t".join("-" if w is None else str(w) for w in words) + "\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            first, rest = line.rstrip("\n").split(" ", 1)
            if first == "end":
                code, text = rest.split(" ", 1)
                if int(code) < 0:
                    raise HostError(int(code), text)
                return said, int(code)
            if first == "warning":
                self.warnings.append(rest)
            else:
                said.append(rest.split(" "))
        raise AssertionError(f"mapi_host has ended: {self.process.wait(LIMIT)}")

    sessions = 0

    def session(self, user):
        self.ask("session", user)
        self.sessions += 1
        return self.sessions - 1

    def subscribe(self, session, handle, types=0xfe, folder="store", message=0):
        self.ask("subscribe", session, f"{handle:x}", f"{types:x}",
                 folder if folder == "store" else f"{folder:x}", f"{message:x}")

    def table(self, session, handle, folder, kind="contents"):
        self.ask("table", session, f"{handle:x}", kind, f"{folder:x}")

    def drain(self, session):
        said, _ = self.ask("drain", session)
        return [Event(int(w[0], 16), w[1], *(int(x, 16) for x in w[2:])) for w in said]

    def wait_events(self, session, n, limit=LIMIT):
        end, found = time.monotonic() + limit, []
        while len(found) < n:
            assert time.monotonic() < end, f"{found}, {n} wanted"
            found += self.drain(session)
            if len(found) < n:
                time.sleep(0.02)
        return found

    def lookup(self, id):
        [words], _ = self.ask("lookup", f"{id:x}")
        return Object(words[0], words[1] == "1", *(None if w == "-" else w for w in words[2:]))

    def pending(self, session):
        return self.ask("pending", session)[1]

    def know(self, number, folder=None, message=None, backend="sogo", user="jdoe"):
        """A folder, a message in it, or (None) the user's root has this identifier here."""
        if folder is None:
            self.ask("know", f"{number:x}", 1)
        else:
            self.ask("know", f"{number:x}", 3 if message else 2, backend, user, folder, message)

    def report(self, *events, but=None):
        """events: (type, folder, message, {old_folder, old_message, id, backend, user})."""
        for kind, folder, message, more in events:
            self.ask("event", f"{kind:x}", more.get("backend", "sogo"), more.get("user", "jdoe"), folder, message,
                     more.get("old_folder"), more.get("old_message"), more.get("id"))
        said, _ = self.ask("report", but)
        return [Result(w[0], int(w[1]), int(w[2]), w[3]) for w in said]
