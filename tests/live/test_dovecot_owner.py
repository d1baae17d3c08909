# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Whose folder it is: shared namespaces and public ones, with Dovecot's acl plugin. The owner of the store
decides, not who acts."""

import os
import shutil
import unittest

import dovecot_config
from dovecot_config import namespace
from plugin_case import MAIL, Rig

RIGHTS = ("lookup read write write-seen write-deleted insert post expunge create delete admin").split()


def namespaces(separator, folder, prefix, private_index, more):
    return ("protocol imap {\n mail_plugins = notify acl imap_acl ocsmanager\n}\n" +
            namespace("shared", "%%h/Maildir", private_index, type="shared", separator=separator,
                      prefix=f"shared{separator}%%u{separator}", subscriptions="no", list="children") +
            namespace("public", f"{folder}/public", type="public", separator=separator,
                      prefix=f"Public{separator}", subscriptions="no", list="children") +
            namespace("inbox", separator=separator, prefix=prefix) + more)


class Owner(Rig):
    def start(self, separator="/", prefix="", private_index=None, more="", grant=("INBOX", "Work"), **settings):
        dovecot = self.setup(dovecot={"mail_plugins": "notify acl ocsmanager"}, **settings, start=False)
        public = os.path.join(dovecot.folder, "public")
        os.mkdir(public)
        if os.geteuid() == 0:
            shutil.chown(public, "nobody", "nogroup")
        acl = os.path.join(dovecot.folder, "acl")
        with open(acl, "w", encoding="ascii") as f:
            f.write("Public* anyone lrwstipekxa\n")
        dovecot.extra = (dovecot_config.acl(acl, f"{dovecot.folder}/mail/shared.db") +
                         namespaces(separator, dovecot.folder, prefix, private_index, more))
        dovecot.start()
        imap = dovecot.imap("alice")
        imap.create(prefix + "Work")
        imap.append(prefix + "Work", None, None, MAIL)
        imap.append("INBOX", None, None, MAIL)
        imap.append("INBOX", None, None, MAIL)
        imap.logout()
        for folder in grant:
            name = folder if folder == "INBOX" else prefix + folder
            result = dovecot.doveadm("acl", "set", "-u", "alice", name, "user=bob", *RIGHTS)
            self.assertEqual(result.returncode, 0, result.stderr)
        made = 1 if dovecot_config.NEW else 0  # 2.4 tells of an INBOX that comes into being
        self.server.wait_accepted(4 + made)
        bob = dovecot.imap("bob")
        bob.select("INBOX")
        bob.append("INBOX", None, None, MAIL)
        self.server.wait_accepted(5 + 2 * made)
        self.server.accepted.clear()
        return bob

    def told(self, count):
        return [(n["username"], n["category"], n["folder"], n.get("messageID"), n.get("oldFolder"))
                for n in self.accepted(count)]

    def test_what_another_user_does_in_a_shared_folder_its_owner_is_told(self):
        bob = self.start()
        self.assertEqual(bob.select("shared/alice")[0], "OK")
        bob.store("1", "+FLAGS", r"(\Flagged)")
        bob.append("shared/alice", r"(\Seen)", None, MAIL)
        bob.store("2", "+FLAGS", r"(\Deleted)")
        bob.expunge()
        self.assertEqual(bob.append("shared/alice/Work", None, None, MAIL)[0], "OK")
        self.assertEqual(self.told(5), [("alice", "modified", "INBOX", "1", None),
                                        ("alice", "created", "INBOX", "3", None),
                                        ("alice", "modified", "INBOX", "2", None),
                                        ("alice", "deleted", "INBOX", "2", None),
                                        ("alice", "created", "Work", "2", None)])
        bob.logout()

    def test_copies_and_moves_within_another_users_folders_are_the_owners(self):
        bob = self.start()
        bob.select("shared/alice")
        bob.copy("1", "shared/alice/Work")
        bob.uid("MOVE", "2", "shared/alice/Work")
        self.assertEqual(self.told(2), [("alice", "copied", "Work", "2", "INBOX"),
                                        ("alice", "moved", "Work", "3", "INBOX")])
        bob.logout()

    def test_between_two_owners_it_is_a_creation_and_a_deletion(self):
        bob = self.start()
        bob.select("shared/alice")
        bob.uid("MOVE", "1", "INBOX")
        bob.copy("1", "INBOX")
        self.assertEqual(sorted(self.told(3)), [("alice", "deleted", "INBOX", "1", None),
                                                ("bob", "created", "INBOX", "2", None),
                                                ("bob", "created", "INBOX", "3", None)])
        self.server.accepted.clear()
        bob.select("INBOX")
        bob.uid("MOVE", "1", "shared/alice/Work")
        self.assertEqual(sorted(self.told(2)), [("alice", "created", "Work", "2", None),
                                                ("bob", "deleted", "INBOX", "1", None)])
        bob.logout()

    def test_a_shared_folder_that_is_made_renamed_or_deleted_is_the_owners(self):
        bob = self.start()
        self.assertEqual(bob.create("shared/alice/Work/Sub")[0], "OK")
        self.assertEqual(bob.rename("shared/alice/Work/Sub", "shared/alice/Work/New")[0], "OK")
        self.assertEqual(bob.delete("shared/alice/Work/New")[0], "OK")
        self.assertEqual([t[:3] + t[4:] for t in self.told(3)],
                         [("alice", "created", "Work/Sub", None),
                          ("alice", "moved", "Work/New", "Work/Sub"),
                          ("alice", "deleted", "Work/New", None)])
        bob.logout()

    def test_the_owners_names_are_used_with_prefix_and_separator(self):
        bob = self.start(separator=".", prefix="INBOX.")
        self.assertEqual(bob.select("shared.alice.Work")[0], "OK")
        bob.store("1", "+FLAGS", r"(\Flagged)")
        bob.append("shared.alice", None, None, MAIL)
        alice = self.dovecot.imap("alice")
        alice.append("INBOX.Work", None, None, MAIL)
        alice.logout()
        self.assertEqual(self.told(3), [("alice", "modified", "INBOX/Work", "1", None),
                                        ("alice", "created", "INBOX", "3", None),
                                        ("alice", "created", "INBOX/Work", "2", None)])
        bob.logout()

    def test_the_owners_name_is_formatted_as_the_users(self):
        bob = self.start(user_format=dovecot_config.variable("%Lu") + "@mail")
        bob.append("shared/alice/Work", None, None, MAIL)
        self.assertEqual(self.told(1)[0][0], "alice@mail")
        bob.logout()

    def test_each_of_the_owners_namespaces_is_found(self):
        more = (namespace("archive", "~/Archive", type="private", separator="/", prefix="Old/") +
                namespace("sharedarchive", "%%h/Archive", type="shared", separator="/",
                          prefix="oldof/%%u/", subscriptions="no", list="children"))
        bob = self.start(more=more)
        alice = self.dovecot.imap("alice")
        self.assertEqual(alice.create("Old/Y1")[0], "OK")
        alice.logout()
        self.server.wait_accepted(1)  # each process reports for itself: the order of two is theirs
        self.dovecot.doveadm("acl", "set", "-u", "alice", "Old/Y1", "user=bob", *RIGHTS)
        self.assertEqual(bob.append("oldof/alice/Y1", None, None, MAIL)[0], "OK")
        self.assertEqual(bob.append("shared/alice/Work", None, None, MAIL)[0], "OK")
        self.assertEqual(self.told(3), [("alice", "created", "Old/Y1", None, None),
                                        ("alice", "created", "Old/Y1", "1", None),
                                        ("alice", "created", "Work", "2", None)])
        bob.logout()

    def test_with_private_seen_flags_no_unread_count_is_claimed(self):
        bob = self.start(private_index="~/shared/%%u")
        bob.select("shared/alice")
        bob.store("1", "+FLAGS", r"(\Seen)")
        self.server.wait_accepted(1)
        got = self.server.accepted[0]
        self.assertEqual((got["username"], got["category"], got["folder"], got.get("unread")),
                         ("alice", "modified", "INBOX", None))
        bob.logout()

    def test_a_public_folder_is_the_same_for_all(self):
        bob = self.start()
        self.assertEqual(bob.create("Public/News")[0], "OK")
        bob.append("Public/News", None, None, MAIL)
        alice = self.dovecot.imap("alice")
        self.assertEqual(alice.select("Public/News")[0], "OK")
        alice.store("1", "+FLAGS", r"(\Flagged)")
        alice.logout()
        self.assertEqual(self.told(3), [("@public", "created", "Public/News", None, None),
                                        ("@public", "created", "Public/News", "1", None),
                                        ("@public", "modified", "Public/News", "1", None)])
        self.server.accepted.clear()
        bob.select("INBOX")
        bob.uid("MOVE", "1", "Public/News")
        self.assertEqual(sorted(self.told(2)), [("@public", "created", "Public/News", "2", None),
                                                ("bob", "deleted", "INBOX", "1", None)])
        bob.logout()

    def test_the_name_of_public_folders_owner_can_be_chosen_or_emptied(self):
        for name, expected in (("everybody", [("everybody", "created", "Public/News", None, None)]),
                               ("", [])):
            with self.subTest(name=name):
                bob = self.start(public_user=name)
                bob.create("Public/News")
                bob.create("Mine")
                self.assertEqual(self.told(len(expected) + 1)[:-1], expected)
                bob.logout()
                self.doCleanups()

    def test_mail_that_sieve_files_in_a_shared_folder_is_the_owners_newmail(self):
        script = 'require ["fileinto"];\nfileinto "shared/alice/Work";\n'
        bob = self.start()
        bob.logout()
        self.dovecot.stop_processes()
        self.dovecot.sieve = script
        self.dovecot.start()
        self.server.accepted.clear()
        self.dovecot.deliver("bob")
        self.assertEqual(self.told(1), [("alice", "newmail", "Work", "2", None)])


if __name__ == "__main__":
    unittest.main(verbosity=2)
