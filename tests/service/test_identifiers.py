# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Identifiers lead back to what they name, for MAPI servers and for ocsctl whois."""

import json
import os
import stat
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from harness import paths  # noqa: E402
from harness.case import ServiceTest  # noqa: E402
from harness.client import notification  # noqa: E402
from harness.wait import LIMIT, wait_until  # noqa: E402

SOGO = {"backend:sogo": {"uri": "sogo://{user}:*@mail/{folder:sogo}/{message}.eml"}}
INBOX = "sogo://jdoe:*@mail/folderINBOX/"


class Identifiers(ServiceTest):
    def setUp(self):
        super().setUp()
        self.d = self.daemon(SOGO)
        self.c = self.client(self.d)
        self.events = self.consumer(self.d, types=0x7E, idle=0.05)

    def ctl(self, *words, expect=0):
        done = subprocess.run([paths.program("ocsctl"), "-c", self.d.ini, *words], text=True,
                              capture_output=True, timeout=LIMIT, cwd="/")
        self.assertEqual(done.returncode, expect, done)
        return done

    def whois(self, id, expect=0):
        done = self.ctl("whois", id, "--json", expect=expect)
        return json.loads(done.stdout) if expect == 0 else done.stderr

    def event(self, category, **more):
        """Reports, and returns the event of that name."""
        had = len(self.events.events())
        self.accepted(self.c.put(notification(category, **more)), "queued")
        return wait_until(lambda: next((e for e in self.events.events()[had:]
                                        if e["event"] == category), None), what=category)

    def test_a_mid_leads_to_the_mail_at_once_and_later(self):
        for n in range(20):
            event = self.event("newmail", message=f"{n}")
            self.assertEqual((event["backend"], event["backend_user"], event["folder"],
                              event["message"], event["uri"]),
                             ("sogo", "jdoe", "INBOX", f"{n}", f"{INBOX}{n}.eml"))
            known = self.whois(event["mid"])
            self.assertEqual((known["id"], known["kind"], known["user"], known["backend"],
                              known["backend_user"], known["folder"], known["message"],
                              known["uri"], known["deleted"]),
                             (event["mid"], "message", "jdoe", "sogo", "jdoe", "INBOX", f"{n}",
                              f"{INBOX}{n}.eml", False))
        self.assertEqual(self.whois("0x" + event["mid"]), known)
        self.assertEqual(self.whois(str(int(event["mid"], 16))), known)
        self.d.restart()
        self.assertEqual(self.whois(event["mid"]), known)
        self.d.kill()
        self.assertEqual(self.whois(event["mid"]), known)

    def test_what_is_killed_before_it_is_in_the_index_is_known(self):
        event = self.event("newmail", message="1")
        self.d.kill()
        self.assertEqual(self.whois(event["mid"])["message"], "1")

    def test_deleted_and_renamed(self):
        mail = self.event("newmail", message="1", folder="Work/A")
        other = self.event("newmail", message="2", folder="Work/A")
        gone = self.event("deleted", message="1", folder="Work/A")
        self.assertEqual((gone["mid"], gone["message"], gone["folder"]), (mail["mid"], "1", "Work/A"))
        never = self.event("deleted", message="not seen", folder="Work/A")
        self.assertEqual(never["message"], "not seen")
        for event in (gone, never):
            self.assertTrue(self.whois(event["mid"])["deleted"])
        self.event("moved", folder="R&D", oldFolder="Work/A")
        known = self.whois(other["mid"])
        self.assertEqual((known["folder"], known["uri"], known["deleted"]),
                         ("R&D", "sogo://jdoe:*@mail/folderR_AM_D/2.eml", False))
        moved = self.event("moved", folder="INBOX", message="9", oldFolder="R&D",
                           oldMessageID="2")
        self.assertEqual((moved["old_mid"], moved["old_folder"], moved["old_message"],
                          moved["folder"], moved["message"]),
                         (other["mid"], "R&D", "2", "INBOX", "9"))
        self.assertTrue(self.whois(other["mid"])["deleted"])
        self.assertFalse(self.whois(moved["mid"])["deleted"])
        folder = self.event("deleted", folder="R&D")
        self.assertEqual((folder["folder"], folder["uri"]),
                         ("R&D", "sogo://jdoe:*@mail/folderR_AM_D/"))
        known = self.whois(folder["fid"])
        self.assertEqual((known["kind"], known["deleted"], known["message"]), ("folder", True, None))
        self.assertEqual(self.whois(known["id"])["folder"], "R&D")
        again = self.event("newmail", message="2", folder="R&D")
        self.assertNotEqual(again["fid"], folder["fid"])
        self.assertNotEqual(again["mid"], other["mid"])

    def test_a_folder_unknown_ones_and_mistakes(self):
        event = self.event("newmail", message="1")
        self.assertEqual(self.whois(event["fid"])["uri"], INBOX)
        self.assertIn("not known", self.whois("7700000000000001", expect=1))
        for wrong in ("", "x", "0x", "-1", "1 ", "0x1ffffffffffffffff"):
            self.whois(wrong, expect=2)
        text = self.ctl("whois", event["mid"]).stdout
        self.assertIn(f"uri           {INBOX}1.eml\n", text)
        self.assertIn("deleted       no\n", text)

    def test_a_password_is_shown_nowhere_and_a_reload_is_followed(self):
        event = self.event("newmail", message="1")
        self.d.reload({"backend:sogo": {"uri": "imap://{user}:geheim@h/{folder}/{message}"}})
        shown = "imap://jdoe:***@h/INBOX/1"
        wait_until(lambda: self.whois(event["mid"])["uri"] == shown, what="the new template")
        self.assertIn(shown, self.ctl("whois", event["mid"]).stdout)
        again = self.event("newmail", message="2")
        self.assertEqual(again["uri"], "imap://jdoe:***@h/INBOX/2")
        self.assertNotIn("geheim", self.d.log())

    def test_the_group_may_read_the_message_log_and_nobody_else(self):
        folder = os.path.join(self.d.registry, "messages")
        self.assertEqual(stat.S_IMODE(os.stat(folder).st_mode) & 0o777, 0o750)
        self.assertEqual(stat.S_IMODE(os.stat(folder + "/log").st_mode), 0o640)
        self.assertEqual(os.stat(folder + "/log").st_gid, os.stat(self.d.registry).st_gid)

    def test_the_folder_of_the_message_log_is_made_again(self):
        folder = os.path.join(self.d.registry, "messages")
        os.unlink(folder + "/log")
        os.rmdir(folder)
        event = self.event("newmail", message="1")
        self.assertEqual(event["message"], "1")


if __name__ == "__main__":
    unittest.main()
