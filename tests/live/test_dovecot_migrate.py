# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""doc/migrate.md with a real Dovecot: mails that OpenChange had numbered keep their identifiers when our plugin
reports what becomes of them."""

import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import unittest

from rig import Dovecot

from harness import openchange, paths
from harness.case import ServiceTest
from harness.daemon import ACCOUNT, PASSWORD
from harness.mapi_host import DELETED, MODIFIED, MOVED, NEWMAIL, MapiHost
from harness.wait import LIMIT, wait_until

HERE = os.path.dirname(os.path.abspath(__file__))
INBOX, WORK = 0x2c00000000000001, 0x2d00000000000001


def mid_of(n):
    """Of the nth mail, as OpenChange numbered it."""
    return 0x0004000000000001 + (n << 56)


def said_by_manual(word):
    """The value that doc/migrate.md gives a setting of the plugin."""
    with open(os.path.join(HERE, "..", "..", "doc", "migrate.md"), encoding="utf-8") as f:
        return re.search(rf"`{word} = (\S+)`", f.read()).group(1)


class Migrated(ServiceTest):
    def ctl(self, *words):
        done = subprocess.run([paths.program("ocsctl"), "-c", self.d.ini, *words], text=True, capture_output=True,
                              timeout=LIMIT, check=True, cwd="/")
        return done.stdout

    def before(self):
        """A store with mails, and OpenChange's files about it."""
        self.dovecot = Dovecot(plugin=paths.program("lib90_ocsmanager_plugin.so"), mail_plugins="")
        self.addCleanup(self.dovecot.stop)
        self.dovecot.start()
        for _ in range(4):
            self.dovecot.deliver("alice")
        imap = self.dovecot.imap("alice")
        imap.create("Work")
        imap.select("INBOX")
        imap.uid("COPY", "1", "Work")
        imap.logout()
        self.dovecot.stop_processes()

        os.mkdir(self.d.path("alice"))
        self.tdb = self.d.path("alice/indexing.tdb")
        records = {f"0x{INBOX:016x}": "sogo://alice:alice@mail/folderINBOX/",
                   f"0x{WORK:016x}": "sogo://alice:alice@mail/folderWork/", "GlobalCount": "0x0000000000000500",
                   f"0x{mid_of(9):016x}": "sogo://alice:alice@mail/folderWork/1.eml"}
        records.update({f"0x{mid_of(n):016x}": f"sogo://alice:alice@mail/folderINBOX/{n}.eml" for n in range(1, 5)})
        script = f"create {self.tdb}\n" + "".join(f"insert {key} {value}\n" for key, value in records.items())
        subprocess.run(["tdbtool"], input=script, text=True, check=True, capture_output=True, timeout=LIMIT)
        openchange.make(self.d, openchange.mailbox("alice", INBOX))

    def migrate(self):
        self.d.start()
        self.d.terminate()
        self.assertIn("2 folders, 5 messages, 0 deleted ones", self.ctl("index", "import", self.tdb))
        self.ctl("index", "check")
        self.d.start()
        credentials = os.path.join(self.dovecot.folder, "credentials")
        with open(credentials, "w", encoding="ascii") as f:
            f.write(f"username={ACCOUNT}\npassword={PASSWORD}\n")
        os.chmod(credentials, 0o600)
        self.dovecot.mail_plugins = "notify ocsmanager"
        self.dovecot.settings.update({
            "ocsmanager_url": f"http://{self.d.host}:{self.d.port}", "ocsmanager_credentials": "<" + credentials,
            **{word: said_by_manual(word) for word in ("ocsmanager_backend", "ocsmanager_mechanism")}})
        self.dovecot.start()

    def test_identifiers_that_openchange_gave_go_on(self):
        self.d = self.daemon({
            "main": {"replica_id": "2", "case": "fold", "openchangedb": "openchange.ldb"},
            "backend:sogo": {"uri": "sogo://{user}:{user}@mail/{folder:sogo}/{message}.eml"}}, start=False)
        self.before()
        self.migrate()
        host = MapiHost(self.d)
        self.addCleanup(host.close)
        session = host.session("Alice")
        host.subscribe(session, 1, NEWMAIL | DELETED | MODIFIED | MOVED)

        found = []

        def told(word, mid=None):
            found.extend(host.drain(session))
            return [e for e in found if e.word == word and mid in (None, e.mid, e.old_mid)]

        self.dovecot.deliver("alice")
        [new] = wait_until(lambda: told("newmail"), what="the new mail")
        self.assertEqual(new.fid, INBOX)
        self.assertEqual(json.loads(self.ctl("--json", "whois", f"{new.mid:016x}"))["uri"],
                         "sogo://alice:***@mail/folderINBOX/5.eml")
        self.assertNotIn(new.mid, [mid_of(n) for n in range(10)])

        imap = self.dovecot.imap("alice")
        self.addCleanup(imap.logout)
        imap.select("INBOX")
        imap.uid("STORE", "1", "+FLAGS", r"(\Seen)")
        imap.uid("STORE", "2", "+FLAGS", r"(\Deleted)")
        imap.expunge()
        imap.uid("MOVE", "3", "Work")
        wait_until(lambda: told("modified", mid_of(1)), what="the mail that was read")
        wait_until(lambda: told("deleted", mid_of(2)), what="the mail that was deleted")
        [moved] = wait_until(lambda: told("moved", mid_of(3)), what="the mail that was moved")
        self.assertEqual((moved.fid, moved.old_fid), (WORK, INBOX))
        imap.rename("Work", "Done")
        wait_until(lambda: host.lookup(mid_of(9)).folder == "Done", what="the rename")
        self.assertEqual(host.lookup(mid_of(9))[:7], ("message", False, "alice", "sogo", "alice", "Done", "1"))
        self.assertEqual(host.lookup(WORK)[:6], ("folder", False, "alice", "sogo", "alice", "Done"))
        self.assertTrue(host.lookup(mid_of(2)).deleted)
        self.ctl("index", "check")


if __name__ == "__main__":
    unittest.main()
