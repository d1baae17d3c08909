# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""What goes along with an event (message flags) and in which order events of nested work arrive: scripts of
imapsieve change a mail while it is being appended."""

import unittest

import dovecot_config
from plugin_case import MAIL, Rig

ATTACHMENT = (b"From: a@example.org\r\nSubject: file\r\nMIME-Version: 1.0\r\n"
              b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nx\r\n'
              b"--b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename=a.pdf\r\n"
              b"\r\nx\r\n--b--\r\n")

IMAP_PLUGINS = "protocol imap {\n mail_plugins = notify ocsmanager imap_sieve\n}\n"


class Flags(Rig):
    def told(self, count):
        return [(n["category"], n["folder"], n.get("messageID"), n.get("messageFlags"))
                for n in self.accepted(count)]

    def test_flags_that_sieve_sets_go_along_with_the_newmail(self):
        for action, expected in (('setflag "\\\\Seen"; keep;', "1"), ("keep;", None),
                                 ('setflag ["\\\\Draft", "\\\\Flagged"]; keep;', "8"),
                                 ('keep :flags ["\\\\Seen", "\\\\Draft"];', "9"),
                                 ('setflag "\\\\Seen"; fileinto "INBOX";', "1")):
            with self.subTest(action=action):
                self.setup(events="newmail", dovecot={
                    "sieve": f'require ["imap4flags", "fileinto"];\n{action}\n'})
                self.dovecot.deliver("alice")
                self.assertEqual(self.told(1), [("newmail", "INBOX", "1", expected)])
                self.doCleanups()

    def test_flags_go_along_with_what_is_appended_copied_and_moved(self):
        self.setup(events="created copied moved")
        imap = self.dovecot.imap("alice")
        imap.create("Work")
        imap.append("INBOX", r"(\Seen \Answered)", None, MAIL)
        imap.append("INBOX", r"(\Draft)", None, MAIL)
        imap.append("INBOX", None, None, MAIL)
        imap.select("INBOX")
        imap.copy("1:3", "Work")
        imap.uid("MOVE", "1:3", "Work")
        flags = [t[3] for t in self.told(9)]
        self.assertEqual(flags, ["1", "8", None] * 3)
        imap.logout()

    def test_attachments_that_dovecot_detects_are_told(self):
        self.setup(events="newmail created",
                   dovecot={"extra": "mail_attachment_detection_options = add-flags\n"})
        imap = self.dovecot.imap("alice")
        imap.append("INBOX", r"(\Seen)", None, ATTACHMENT)
        imap.append("INBOX", None, None, MAIL)
        self.assertEqual([t[3] for t in self.told(2)], ["17", None])
        imap.logout()


class Order(Rig):
    def start(self, script, **more):
        self.setup(**more, start=False)
        path = self.dovecot.script("imapsieve", script)
        self.dovecot.extra = IMAP_PLUGINS + dovecot_config.imapsieve(path)
        self.dovecot.start()
        imap = self.dovecot.imap("alice")
        imap.create("Work")
        imap.create("Other")
        self.server.wait_accepted(2)
        self.server.accepted.clear()
        return imap

    def told(self, count):
        return [(n["category"], n["folder"], n.get("messageID"), n.get("oldFolder"))
                for n in self.accepted(count)]

    def test_what_an_imapsieve_script_changes_comes_after_the_arrival(self):
        imap = self.start('require ["imap4flags"];\naddflag "\\\\Flagged";\nkeep;\n')
        imap.append("Work", None, None, MAIL)
        imap.append("Work", None, None, MAIL)
        imap.select("Work")
        imap.copy("1:2", "Other")
        self.assertEqual(self.told(6), [  # the copies have the flag already
            ("created", "Work", "1", None), ("modified", "Work", "1", None),
            ("created", "Work", "2", None), ("modified", "Work", "2", None),
            ("copied", "Other", "1", "Work"), ("copied", "Other", "2", "Work")])
        imap.logout()

    def test_what_it_files_elsewhere_comes_after_the_arrival_too(self):
        imap = self.start('require ["fileinto", "mailbox"];\nfileinto :create "Filed";\n')
        imap.append("Work", None, None, MAIL)
        got = self.told(4)
        self.assertEqual(got[0], ("created", "Work", "1", None))
        self.assertEqual(got[1:], [("created", "Filed", None, None), ("created", "Filed", "1", None),
                                   ("modified", "Work", "1", None)])  # now marked as deleted
        imap.logout()


if __name__ == "__main__":
    unittest.main(verbosity=2)
