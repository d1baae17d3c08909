# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Whose store it is: what happens in a backup, a source of an import or a second location under a user's
name is not reported, what dsync does to the user's own store is."""

import glob
import os
import shutil
import time
import unittest

import dovecot_config
from plugin_case import MAIL, Rig
from rig import DOVEADM


# Dovecot 2.4 tells of an INBOX that comes into being with another folder
INBOX_IS_MADE = 1 if dovecot_config.NEW else 0


class Stores(Rig):
    def start(self, **settings):
        self.setup(**settings)
        self.backup = os.path.join(self.dovecot.folder, "backup")
        os.mkdir(self.backup)
        if os.geteuid() == 0:
            shutil.chown(self.backup, "nobody", "nogroup")

    def run_doveadm(self, *arguments, code=(0,)):
        result = self.dovecot.doveadm(*arguments)
        self.assertIn(result.returncode, code, result.stderr)
        return result

    def forget(self, count):
        self.server.wait_accepted(count)
        self.server.accepted.clear()

    def heard(self, count):
        """What was reported, until another user's mail, delivered after it, is."""
        self.dovecot.deliver("bob")
        got = self.server.wait_accepted(count + 2)
        mine = [n for n in got if n["username"] == "alice"]
        self.assertEqual(len(mine), count, mine)
        return [(n["category"], n["folder"], n.get("messageID")) for n in mine]

    def store(self):
        return f"maildir:{self.backup}/alice"

    def seed(self):
        """INBOX and Work with a mail in each, backed up once."""
        imap = self.dovecot.imap("alice")
        imap.create("Work")
        imap.append("INBOX", None, None, MAIL)
        imap.append("Work", None, None, MAIL)
        self.forget(4 - 1 + INBOX_IS_MADE)
        self.run_doveadm("backup", "-u", "alice", self.store())
        return imap

    def test_a_backup_tells_nothing_of_what_it_does_to_the_copy(self):
        self.start()
        imap = self.seed()
        time.sleep(1.1)  # for another uid validity
        imap.delete("Work")
        imap.create("Work")
        imap.append("Work", None, None, MAIL)
        self.forget(3)
        self.run_doveadm("backup", "-u", "alice", self.store())
        self.assertTrue(glob.glob(f"{self.backup}/alice/.Work/cur/*") +
                        glob.glob(f"{self.backup}/alice/.Work/new/*"), "the backup has it")
        self.assertEqual(self.heard(0), [])
        imap.logout()

    def test_a_restore_tells_what_it_does_to_the_users_own_store(self):
        self.start()
        imap = self.seed()
        imap.select("Work")
        imap.store("1", "+FLAGS", r"(\Deleted)")
        imap.expunge()
        self.forget(2)
        imap.logout()
        # the folder has lost a mail: the first run deletes it and says so, the second makes it anew
        self.run_doveadm("backup", "-R", "-u", "alice", self.store(), code=(0, 75))
        self.run_doveadm("backup", "-R", "-u", "alice", self.store())
        self.assertEqual(self.heard(3), [("deleted", "Work", None), ("created", "Work", None),
                                         ("newmail", "Work", "1")])

    def test_a_sync_with_a_location_tells_of_the_own_side_only(self):
        self.start()
        imap = self.seed()
        imap.append("Work", None, None, MAIL)
        self.forget(1)
        self.run_doveadm("sync", "-u", "alice", self.store())
        self.assertEqual(self.heard(0), [])
        self.server.accepted.clear()
        # a mail in the copy alone: put there as another server would
        source = glob.glob(f"{self.backup}/alice/.Work/*/*")[0]
        name = f"{self.backup}/alice/.Work/new/{int(time.time())}.M1P1.elsewhere"
        shutil.copy(source, name)
        if os.geteuid() == 0:
            shutil.chown(name, "nobody", "nogroup")
        self.run_doveadm("sync", "-u", "alice", self.store())
        self.dovecot.deliver("bob")
        got = [n for n in self.server.wait_accepted(2) if n["username"] == "alice"]
        self.assertEqual([(n["category"], n["folder"], n["messageID"]) for n in got],
                         [("newmail", "Work", "3")])
        imap.logout()

    def test_a_replica_is_told_and_old_or_read_mail_is_no_newmail(self):
        """The other host's store comes over a pipe: what happens here is in the user's own store."""
        self.start()
        imap = self.dovecot.imap("alice")
        imap.create("Work")
        imap.append("Work", None, None, MAIL)
        imap.append("Work", r"(\Seen)", None, MAIL)
        imap.append("Work", None, imaplib_date(time.time() - 3 * 86400), MAIL)
        imap.logout()
        self.forget(4 + INBOX_IS_MADE)
        # carol's store becomes a replica of alice's
        remote = f"{DOVEADM} -c {self.dovecot.config} dsync-server -u carol@example.org"
        self.run_doveadm("sync", "-f", "-u", "alice", *remote.split())
        got = [n for n in self.server.wait_accepted(4) if "messageID" in n]
        self.assertEqual([(n["category"], n["username"], n["folder"], n["messageID"],
                           n.get("messageFlags")) for n in got],
                         [("newmail", "carol@example.org", "Work", "1", None),
                          ("created", "carol@example.org", "Work", "2", "1"),
                          ("created", "carol@example.org", "Work", "3", None)])
        imap = self.dovecot.imap("carol@example.org")
        imap.select("Work")
        imap.store("1", "+FLAGS", r"(\Seen)")
        imap.logout()
        self.forget(5)
        self.run_doveadm("sync", "-u", "alice", *remote.split())
        got = self.heard(1)
        self.assertEqual(got, [("modified", "Work", "1")])

    def test_an_import_tells_of_the_target_only(self):
        self.start()
        imap = self.seed()
        os.makedirs(f"{self.backup}/other")
        os.chmod(f"{self.backup}/other", 0o777)
        for options in ((), ("-U", "bob")):
            self.server.accepted.clear()
            self.run_doveadm("import", "-u", "alice", *options, f"maildir:{self.backup}/alice", "Old", "all")
            self.dovecot.deliver("carol@example.org")
            self.server.wait_accepted(3)
            time.sleep(0.2)
            got = [(n["category"], n["username"], n["folder"]) for n in self.server.accepted
                   if "carol" not in n["username"]]
            self.assertEqual({u for _, u, _ in got}, {"alice"})
            self.assertEqual({f.split("/")[0] for _, _, f in got}, {"Old"})
            self.assertEqual({c for c, _, _ in got}, {"created"}, "nothing is copied from another store")
            # a source without an INBOX
            self.run_doveadm("import", "-u", "alice", *options, f"maildir:{self.backup}/other", "Old", "all")
        self.assertEqual([n for n in self.server.accepted if n["username"] == "bob"], [])
        imap.logout()

    def test_a_location_given_on_the_command_line_is_not_the_users(self):
        self.start()
        imap = self.seed()
        where = f"mail_location=maildir:{self.backup}/alice"
        self.run_doveadm("-o", where, "mailbox", "create", "-u", "alice", "More")
        self.run_doveadm("-o", where, "expunge", "-u", "alice", "mailbox", "Work", "all")
        self.run_doveadm("-o", f"mail_home={self.backup}/home", "mailbox", "create", "-u", "alice", "More")
        self.assertEqual(self.heard(0), [])
        self.server.accepted.clear()
        self.run_doveadm("-o", "mail_debug=no", "mailbox", "create", "-u", "alice", "Real")
        self.server.wait_accepted(1)
        self.assertEqual(self.server.accepted[0]["folder"], "Real")
        imap.logout()

    def test_the_indexer_changes_nothing(self):
        self.start()
        imap = self.seed()
        self.run_doveadm("index", "-u", "alice", "*")
        self.run_doveadm("index", "-q", "-u", "alice", "*")
        self.assertEqual(self.heard(0), [])
        imap.logout()

    def test_doveadm_moves_between_users_are_a_deletion_and_a_creation(self):
        self.start()
        self.dovecot.deliver("alice")
        bob = self.dovecot.imap("bob")
        bob.create("Archive")
        self.forget(3)
        self.run_doveadm("move", "-u", "bob", "Archive", "user", "alice", "mailbox", "INBOX", "UID", "1")
        got = self.accepted(2)
        self.assertEqual({(n["username"], n["category"], n["folder"], n["messageID"], n.get("oldFolder"))
                          for n in got},
                         {("bob", "created", "Archive", "1", None), ("alice", "deleted", "INBOX", "1", None)})
        self.assertEqual([n["uidValidity"] for n in got if n["username"] == "alice"], [self.validity()])
        self.server.accepted.clear()
        self.run_doveadm("copy", "-u", "alice", "INBOX", "user", "bob", "mailbox", "Archive", "all")
        self.assertEqual([(n["username"], n["category"], n["folder"]) for n in self.accepted(1)],
                         [("alice", "created", "INBOX")])
        bob.logout()


def imaplib_date(seconds):
    return time.strftime('"%d-%b-%Y %H:%M:%S +0000"', time.gmtime(seconds))


if __name__ == "__main__":
    unittest.main(verbosity=2)
