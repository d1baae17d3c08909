# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""ocsctl search finds folders and messages by a pattern of their URI, while the daemon runs."""

import json
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from harness import paths  # noqa: E402
from harness.case import ServiceTest  # noqa: E402
from harness.client import notification  # noqa: E402
from harness.wait import LIMIT  # noqa: E402

BACKENDS = {"backend:sogo": {"uri": "sogo://{user}:*@mail/{folder:sogo}/{message}.eml"},
            "backend:imap": {"uri": "imap://{user}:secret@mail.example.org/{folder}/{message}"}}


class Search(ServiceTest):
    def setUp(self):
        super().setUp()
        self.d = self.daemon(BACKENDS)
        self.c = self.client(self.d)
        self.events = self.consumer(self.d, types=0x7E, idle=0.05)
        for n in range(20):
            self.report("newmail", message=f"msg{n}")

    def report(self, category, **more):
        self.accepted(self.c.put(notification(category, **more)), "queued")

    def ctl(self, *words, expect=0):
        done = subprocess.run([paths.program("ocsctl"), "-c", self.d.ini, *words], text=True,
                              capture_output=True, timeout=LIMIT, cwd="/")
        self.assertEqual(done.returncode, expect, done)
        return done

    def search(self, *words):
        return json.loads(self.ctl("search", "--json", *words).stdout)

    def uris(self, *words):
        return [found["uri"] for found in self.search(*words)["found"]]

    def test_what_was_reported_is_found_at_once_and_later(self):
        inbox = "sogo://jdoe:*@mail/folderINBOX/"
        expected = [inbox] + [f"{inbox}msg{n}.eml" for n in range(20)]
        self.assertEqual(self.uris("sogo://jdoe:*"), expected)
        self.d.restart()
        self.assertEqual(self.uris("sogo://jdoe:*"), expected)
        self.assertEqual(self.uris("*msg17*"), [inbox + "msg17.eml"])
        self.assertEqual(self.uris("*sg17.eml", "--user", "jdoe"), [inbox + "msg17.eml"])
        self.assertEqual(self.uris("*msg17*", "--user", "other"), [])
        self.assertEqual(self.uris("*INBOX/msg17*"), [inbox + "msg17.eml"])
        self.assertIn("msg3.eml", self.ctl("search", "*msg3.eml").stdout)

    def test_pages_have_each_once(self):
        found, after = [], []
        while after is not None:
            page = self.search("*msg1*", "--limit", "3", *after)
            self.assertLessEqual(len(page["found"]), 3)
            found += [f["message"] for f in page["found"]]
            after = ["--after", page["next"]] if page["next"] is not None else None
        self.assertEqual(found, ["msg1"] + [f"msg{n}" for n in range(10, 20)])
        self.assertIn("cursor", self.ctl("search", "x", "--after", "1.2.3", expect=2).stderr)
        self.assertIn("--limit", self.ctl("search", "x", "--limit", "0", expect=2).stderr)

    def test_deleted_and_renamed(self):
        self.report("deleted", message="msg7")
        self.report("newmail", message="msg7", folder="Work/Plans")
        self.report("moved", folder="Leisure/Plans", oldFolder="Work/Plans")
        self.d.restart()
        self.assertEqual(self.uris("*msg7*"), ["sogo://jdoe:*@mail/folderLeisure/folderPlans/msg7.eml"])
        self.assertEqual(len(self.uris("*msg7*", "--deleted")), 2)
        self.assertEqual(self.uris("*Leisure/folderPl*s/"), ["sogo://jdoe:*@mail/folderLeisure/folderPlans/"])
        self.assertEqual(self.uris("*Work/*msg*"), [])

    def test_a_password_is_neither_compared_nor_shown(self):
        self.report("newmail", message="m1", backend="imap")
        self.assertEqual(self.uris("imap://*m1"), ["imap://jdoe:***@mail.example.org/INBOX/m1"])
        self.assertEqual(self.uris("imap://jdoe:***@*m1"), ["imap://jdoe:***@mail.example.org/INBOX/m1"])
        self.assertEqual(self.uris("imap://*:secret@*"), [])

    def test_rebuilt_beside_the_daemon(self):
        before = self.uris("*")
        self.assertIn("searched", self.ctl("index", "rebuild").stdout)
        self.assertEqual(self.uris("*"), before)
        self.report("newmail", message="after")
        self.assertEqual(len(self.uris("*after*")), 1)


if __name__ == "__main__":
    unittest.main()
