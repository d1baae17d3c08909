# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""What the tests of the Dovecot plugin share: a real Dovecot and a scripted daemon for each test.

OCS_BUILD is the folder of lib90_ocsmanager_plugin.so (default: build)."""

import os
import shutil
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import dovecot_config  # noqa: E402
from fakeserver import FakeServer  # noqa: E402
from rig import Dovecot  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PLUGIN = os.path.join(ROOT, os.environ.get("OCS_BUILD", "build"), "lib90_ocsmanager_plugin.so")
PASSWORD = "secret=of <the> reporter"
MAIL = b"From: a@example.org\r\nSubject: appended\r\n\r\ntext\r\n"


class Rig(unittest.TestCase):
    """Dovecot and server are started by setup(), which every test calls with its settings."""

    dovecot = None
    amqp = False  # ocsmanager_transport: the server is one of this host, on a socket

    def setup(self, behave=None, server=None, dovecot=None, start=True, **settings):
        """start: else the caller does, once it has changed what it wants in self.dovecot."""
        server = dict(server or {})
        if self.amqp:
            folder = tempfile.mkdtemp(prefix="ocs-socket-")
            self.addCleanup(shutil.rmtree, folder)
            os.chmod(folder, 0o755)
            server["path"] = os.path.join(folder, "socket")
        self.server = FakeServer(password=PASSWORD, **server).start()
        self.addCleanup(self.server.stop)
        self.server.behave = behave
        self.dovecot = Dovecot(plugin=PLUGIN, **(dovecot or {}))
        self.addCleanup(self.dovecot.stop)
        self.server.dovecot = self.dovecot
        self.credentials = os.path.join(self.dovecot.folder, "credentials")
        self.write_credentials(self.server.username, PASSWORD)
        self.dovecot.settings = {"ocsmanager_timeout": "1s"}
        if self.amqp:
            self.dovecot.settings.update({"ocsmanager_transport": "amqp",
                                          "ocsmanager_socket": self.server.path})
        else:
            self.dovecot.settings.update({"ocsmanager_url": self.server.url,
                                          "ocsmanager_credentials": "<" + self.credentials})
        self.dovecot.settings.update({f"ocsmanager_{k}": v for k, v in settings.items()})
        if start:
            self.dovecot.start()
        return self.dovecot

    def write_credentials(self, username, password, mode=0o600):
        with open(self.credentials, "w", encoding="utf-8") as f:
            f.write(f"# who reports\nusername={username}\npassword={password}\n")
        os.chmod(self.credentials, mode)

    def tearDown(self):
        if self.dovecot is None:
            return
        log = self.dovecot.log() + self.dovecot.console()
        self.assertEqual(self.dovecot.findings(), "")
        self.assertNotIn("Panic", log)
        self.assertNotIn("killed with signal 6", log)
        self.assertNotIn("killed with signal 11", log)
        self.assertNotIn(PASSWORD, log)
        for token in list(self.server.tokens):
            self.assertNotIn(token, log)

    def prepare(self, mails=0, folders=()):
        """Mail and folders a test starts from; what they report is waited for and forgotten."""
        for _ in range(mails):
            self.dovecot.deliver("alice")
        expected = mails + (1 if mails else 0)
        if folders:
            imap = self.dovecot.imap("alice")
            for folder in folders:
                imap.create(folder)
            imap.logout()
            expected += len(folders)
        self.server.wait_accepted(expected)
        self.server.accepted.clear()

    def accepted(self, count, inbox_is_made=False):
        """Exactly count notifications; ids and guids are checked and taken out. inbox_is_made: something else
        is the first that the user ever had, and Dovecot 2.4 makes an INBOX then, which is told too."""
        more = 1 if inbox_is_made and dovecot_config.NEW else 0
        self.server.wait_accepted(count + more)
        time.sleep(0.1)  # for one too many
        result = self.server.wait_accepted(count + more)
        if more:
            made = [n for n in result if n["folder"] == "INBOX" and "messageID" not in n]
            self.assertEqual([n["category"] for n in made], ["created"])
            result = [n for n in result if n not in made]
        ids = [n.pop("id") for n in result]
        self.assertEqual(len(set(ids)), len(ids), "an id was used twice")
        for ident in ids:
            self.assertRegex(ident, r"^[A-Za-z0-9_.-]{8,128}$")
        for n in result:
            self.assertRegex(n.pop("guid", "0" * 32), r"^[0-9a-f]{32}$")
        self.assertEqual(len(result), count, result)
        return result

    def validity(self, folder="INBOX", user="alice"):
        return str(self.dovecot.uid_validity(user, folder))

    def message(self, category, folder, uid, total, unread, **more):
        return {"category": category, "backend": "dovecot", "username": "alice", "folder": folder,
                "messageID": str(uid), "uidValidity": self.validity(folder), "total": str(total),
                "unread": str(unread), **more}

    def folder(self, category, folder, **more):
        return {"category": category, "backend": "dovecot", "username": "alice", "folder": folder,
                **more}
