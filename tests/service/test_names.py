# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""A name is what the store says, byte for byte, on every way in."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness.case import ServiceTest
from harness.client import notification

EXACT = " xml:space='preserve'"


def exact(category="newmail", **more):
    return notification(category, **more).replace("<notification", "<notification" + EXACT, 1)


class Exact(ServiceTest):
    def setUp(self):
        self.d = self.daemon()
        self.c = self.client(self.d)

    def test_a_folder_with_a_space_at_its_end_is_another_folder(self):
        consumer = self.consumer(self.d, tables=("object",), types=0x007C)
        self.accepted(self.c.put(exact("created", folder="Work"), exact("created", folder="Work "),
                                 exact("created", folder=" Work"), exact("deleted", folder="Work ")),
                      *["queued"] * 4)
        events = consumer.wait_events(4)
        fids = [e.fid for e in events if e["event"] == "created"]
        self.assertEqual(len(set(fids)), 3)
        self.assertEqual([e.fid for e in events if e["event"] == "deleted"], [fids[1]])

    def test_without_the_attribute_all_is_as_it_was(self):
        consumer = self.consumer(self.d, tables=("object",), types=0x0004)
        self.accepted(self.c.put(notification("created", folder="Work"),
                                 notification("created", folder=" Work "),
                                 notification("created", folder="\n Work\n")), *["queued"] * 3)
        self.assertEqual(len({e.fid for e in consumer.wait_events(3)}), 1)

    def test_messages_and_users_are_exact_too(self):
        self.accepted(self.c.put(exact(message="1"), exact(message="1 "), exact(message=" 1"),
                                 exact(message="\x7f"), exact(message="\x80")),
                      *["nosubscriber"] * 5)
        self.accepted(self.c.put(exact(message=" 1")), "duplicate")
        consumer = self.consumer(self.d, user="jdoe ")
        self.accepted(self.c.put(exact(user="jdoe ", message="2")), "queued")
        self.accepted(self.c.put(exact(user="jdoe", message="2")), "nosubscriber")
        consumer.wait_events(1)

    def test_the_root_may_say_it_for_all(self):
        body = self.c.body([notification(message="1 "), notification(message="1")])
        body = body.replace("<ocsmanager", "<ocsmanager" + EXACT, 1)
        answer = self.c.request("PUT", "/notification", body)
        self.accepted(answer, "nosubscriber", "nosubscriber")

    def test_what_cannot_be_a_name_is_refused_and_says_why(self):
        for folder, words in (("/INBOX", "empty level"), ("a//b", "empty level"), ("/", "empty level"),
                              ("a/", "empty level"), ("", "empty")):
            for note in (exact("created", folder=folder), notification("created", folder=folder),
                         exact("moved", folder="x", oldFolder=folder)):
                with self.subTest(note=note):
                    answer = self.refused(self.c.put(note), 422, "INVALID_PARAMETER")
                    self.assertIn(words, answer.error_text)
        for text in ("a&#9;", "a&#10;b", "&#13;a"):
            note = exact("created", folder=None, raw=f"<folder>{text}</folder>")
            answer = self.refused(self.c.put(note), 422, "INVALID_PARAMETER")
            self.assertIn("control character", answer.error_text)
        self.refused(self.c.put(notification("created").replace(
            "<notification", "<notification xml:space='yes'")), 400, "MALFORMED_REQUEST")


if __name__ == "__main__":
    unittest.main()
