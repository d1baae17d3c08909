# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""UIDs that are given again: a home restored from a snapshot. The plugin tells which mail it is, in every format
of mailbox, and the daemon hears of each."""

import os
import shutil
import subprocess
import unittest

import dovecot_config
from plugin_case import MAIL, Rig
from harness.wait import wait_until

FORMATS = {"maildir": "~/Maildir", "mdbox": "~/mdbox", "sdbox": "~/sdbox", "mbox": "~/mbox"}


def snapshot(dovecot, user="alice"):
    home = os.path.join(dovecot.folder, "mail", user)
    subprocess.run(["/bin/cp", "-a", home, home + ".snapshot"], check=True)


def restore(dovecot, user="alice"):
    home = os.path.join(dovecot.folder, "mail", user)
    shutil.rmtree(home)
    os.rename(home + ".snapshot", home)


class Guid(Rig):
    def guids(self, count):
        return [(n["folder"], n["messageID"], n["uidValidity"], n["guid"])
                for n in self.server.wait_accepted(count) if "messageID" in n]

    def test_a_uid_that_is_given_again_names_another_mail(self):
        for driver, path in FORMATS.items():
            with self.subTest(format=driver):
                where = dovecot_config.mail_location(path, driver=driver)
                self.setup(events="newmail", dovecot={"extra": where + "\n"})
                self.dovecot.deliver("alice")
                self.server.wait_accepted(1)
                snapshot(self.dovecot)
                self.dovecot.deliver("alice")
                self.server.wait_accepted(2)
                restore(self.dovecot)
                self.dovecot.deliver("alice")
                first, second, again = self.guids(3)
                self.assertEqual(second[:3], again[:3], "the same UID and UIDVALIDITY")
                self.assertEqual(len({first[3], second[3], again[3]}), 3)
                self.doCleanups()

    def test_a_mail_stays_the_same_when_it_is_copied_moved_or_replicated(self):
        self.setup(events="newmail created copied moved")
        imap = self.dovecot.imap("alice")
        imap.create("Work")
        self.dovecot.deliver("alice")
        # another process tells of it
        wait_until(lambda: "newmail" in [n["category"] for n in self.server.accepted], 10, "newmail")
        imap.append("INBOX", None, None, MAIL)
        imap.select("INBOX")
        imap.copy("1:2", "Work")
        imap.uid("MOVE", "1:2", "Work")
        got = self.guids(6)
        self.assertEqual(len({g[3] for g in got[:2]}), 2)
        self.assertEqual([g[3] for g in got[2:]], [g[3] for g in got[:2]] * 2)
        self.server.accepted.clear()
        command = ["doveadm", "-c", self.dovecot.config, "dsync-server", "-u", "bob"]
        result = self.dovecot.doveadm("sync", "-u", "alice", *command)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(sorted(g[3] for g in self.guids(4)), sorted([g[3] for g in got[:2]] * 2))
        imap.logout()

    def test_a_mail_without_headers_and_one_with_endless_ones_are_told(self):
        self.setup(events="created")
        imap = self.dovecot.imap("alice")
        for mail in (b"\r\n", b"\r\ntext\r\n", b"Subject: " + b"x" * 300000 + b"\r\n\r\ntext\r\n",
                     b"no header at all"):
            imap.append("INBOX", None, None, mail)
        self.accepted(4)
        imap.logout()

    def test_compressed_mail_is_told_too(self):
        self.setup(events="newmail created", dovecot={"mail_plugins": dovecot_config.COMPRESS_PLUGINS}, start=False)
        self.dovecot.settings.update(dovecot_config.COMPRESS)
        self.dovecot.start()
        self.dovecot.deliver("alice")
        imap = self.dovecot.imap("alice")
        imap.append("INBOX", None, None, MAIL)
        self.assertTrue(all(g[3] for g in self.guids(2)))
        imap.logout()


if __name__ == "__main__":
    unittest.main(verbosity=2)
