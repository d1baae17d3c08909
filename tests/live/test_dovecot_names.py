# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""A folder has one name, whatever it is opened by, and no two folders have the same; names are told byte for
byte, or it is said that they cannot be."""

import unittest

import dovecot_config
from dovecot_config import ESCAPES
from plugin_case import MAIL, Rig
from harness.wait import wait_until


class Names(Rig):
    def start(self, extra="", **more):
        settings = more.pop("settings", {})
        self.setup(dovecot={"extra": extra, **more}, **settings)
        return self.dovecot.imap("alice")

    def told(self, count, inbox_is_made=False):
        return [(n["category"], n["folder"], n.get("oldFolder"))
                for n in self.accepted(count, inbox_is_made=inbox_is_made)]

    def validities(self):
        """Folder -> uid validities told of it."""
        found = {}
        for n in self.server.accepted:
            if "uidValidity" in n:
                found.setdefault(n["folder"], set()).add(n["uidValidity"])
        return found

    def test_white_space_at_an_end_is_part_of_a_name(self):
        imap = self.start()
        for name in ("Work", "Work ", " Work", "Sub/ x "):
            self.assertEqual(imap.create(f'"{name}"')[0], "OK")
        imap.append('"Work "', None, None, MAIL)
        imap.rename('"Work "', '"Work  "')
        imap.delete('"Work  "')
        self.assertEqual(self.told(7, inbox_is_made=True), [
            ("created", "Work", None), ("created", "Work ", None), ("created", " Work", None),
            ("created", "Sub/ x ", None), ("created", "Work ", None), ("moved", "Work  ", "Work "),
            ("deleted", "Work  ", None)])
        bodies = b"".join(r.body for r in self.server.reports())
        self.assertIn(b"<folder>Work</folder>", bodies, "old daemons see no attribute without need")
        self.assertIn(b'<folder xml:space="preserve">Work </folder>', bodies)
        self.assertIn(b'<oldFolder xml:space="preserve">Work </oldFolder>', bodies)
        imap.logout()

    def test_del_and_c1_controls_are_told(self):
        imap = self.start()
        for name in ("a\x7fb", "c\x85d"):
            result = self.dovecot.doveadm("mailbox", "create", "-u", "alice", name)
            self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual([t[1] for t in self.told(2, inbox_is_made=True)], ["a\x7fb", "c\x85d"])
        imap.logout()

    def test_a_name_that_cannot_be_told_is_said_once_and_the_rest_is_told(self):
        imap = self.start(dovecot_config.mail_location("~/Maildir", layout="fs") + "\n",
                          settings={"events": "created deleted moved copied folder-created "
                                              "folder-moved folder-deleted"})
        bad = "/".join(["x" * 200] * 6)  # 1,205 bytes
        imap.append("INBOX", None, None, MAIL)
        imap.append("INBOX", None, None, MAIL)
        imap.create(bad)
        imap.create("Good")
        imap.select("INBOX")
        self.assertEqual(imap.copy("1", bad)[0], "OK")
        imap.uid("MOVE", "2", bad)
        self.assertEqual(imap.select(f'"{bad}"')[0], "OK")
        imap.uid("MOVE", "1", "Good")
        imap.rename("Good", bad + "/y")
        imap.rename(bad + "/y", "Back")
        self.assertEqual(self.told(8), [
            ("created", "INBOX", None), ("created", "INBOX", None), ("created", "INBOX", None),
            ("created", "Good", None),
            ("deleted", "INBOX", None), ("created", "Good", None), ("deleted", "Good", None),
            ("created", "Back", None)])
        lines = [line for line in self.dovecot.log().splitlines() if "cannot be reported" in line]
        self.assertEqual(len(lines), 1, lines)
        self.assertIn("longer than 1024 bytes", lines[0])
        imap.logout()

    def test_a_slash_in_a_name_is_no_separator(self):
        imap = self.start(f"namespace inbox {{\n separator = .\n}}\n{ESCAPES.get('extra', '')}",
                          mail_plugins=ESCAPES.get("mail_plugins", "notify ocsmanager"))
        names = ("A.B", "A/B", "A%2FB", "A%252FB", "A%B", "A%/B", "A/%2F.C")
        for name in names:
            self.assertEqual(imap.create(f'"{name}"')[0], "OK", name)
            imap.append(f'"{name}"', None, None, MAIL)
        imap.append("A/B", None, None, MAIL)
        told = [n for n in self.accepted(15, inbox_is_made=True) if "messageID" in n]
        self.assertEqual([n["folder"] for n in told],
                         ["A/B", "A%2FB", "A%252FB", "A%25252FB", "A%B", "A%%2FB", "A%2F%252F/C", "A%2FB"])
        imap.logout()

    def test_an_alias_of_a_namespace_is_no_second_folder(self):
        imap = self.start("namespace compat {\n prefix = mail/\n separator = /\n hidden = yes\n"
                          f" list = no\n {dovecot_config.alias('inbox', '')}\n}}\n")
        imap.create("Work")
        imap.append("Work", None, None, MAIL)
        imap.append("mail/Work", None, None, MAIL)
        imap.append("mail/INBOX", None, None, MAIL)  # another folder than INBOX, says Dovecot 2.3
        imap.append("INBOX", None, None, MAIL)
        imap.select("mail/Work")
        imap.copy("1", "INBOX")
        imap.uid("MOVE", "2", "Work")
        imap.create("mail/More")
        imap.rename("mail/More", "mail/Less")
        imap.delete("mail/Less")
        other = [("created", "INBOX", None)] if dovecot_config.NEW else [("created", "mail/INBOX", None)] * 2
        self.assertEqual(self.told(9 + len(other), inbox_is_made=True), [
            ("created", "Work", None), ("created", "Work", None), ("created", "Work", None), *other,
            ("created", "INBOX", None), ("copied", "INBOX", "Work"),
            ("moved", "Work", "Work"), ("created", "More", None), ("moved", "Less", "More"),
            ("deleted", "Less", None)])
        self.assertTrue(all(len(v) == 1 for v in self.validities().values()), self.validities())
        imap.logout()

    def test_an_alias_with_another_separator_is_no_second_folder(self):
        imap = self.start("namespace inbox {\n prefix = INBOX.\n separator = .\n}\n"
                          "namespace compat {\n prefix =\n separator = .\n hidden = yes\n list = no\n"
                          f" inbox = no\n {dovecot_config.alias('inbox', 'INBOX.')}\n}}\n")
        imap.create("INBOX.Work.Sub")
        imap.append("Work.Sub", None, None, MAIL)
        imap.append("INBOX.Work.Sub", None, None, MAIL)
        imap.append("inbox.Work.Sub", None, None, MAIL)
        imap.append("inbox", None, None, MAIL)
        self.assertEqual(sorted(t[1] for t in self.told(6)), ["INBOX"] * 2 + ["INBOX/Work/Sub"] * 4)
        imap.logout()

    def test_an_inbox_in_any_case_is_one(self):
        imap = self.start("namespace inbox {\n prefix = mail/\n separator = /\n}\n")
        for name in ("inbox", "INBOX", "InBox", "mail/INBOX"):
            imap.append(name, None, None, MAIL)
        imap.create("mail/Work")
        imap.append("mail/Work", None, None, MAIL)
        self.assertEqual([t[1] for t in self.told(7)], ["INBOX"] * 5 + ["mail/Work"] * 2)
        imap.logout()

    def test_an_lmtp_delivery_and_imap_call_a_folder_the_same(self):
        imap = self.start("namespace inbox {\n separator = .\n}\n", sieve='require ["fileinto", "mailbox"];\n'
                          'fileinto :create "Lists.dev";\n', settings={"events": "newmail created"})
        self.dovecot.deliver("alice")
        wait_until(lambda: self.server.accepted, what="the delivery is told")
        imap.append("Lists.dev", None, None, MAIL)
        self.assertEqual(self.told(2), [("newmail", "Lists/dev", None), ("created", "Lists/dev", None)])
        imap.logout()


if __name__ == "__main__":
    unittest.main(verbosity=2)
