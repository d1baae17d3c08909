# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""ocsconsumer: options, formats, endings; and the examples of the documentation."""

import json
import os
import re
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness import paths, queues
from harness.case import ServiceTest
from harness.wait import LIMIT


def run(*words):
    return subprocess.run([paths.program("ocsconsumer"), *words], capture_output=True, text=True,
                          timeout=LIMIT, check=False)


class Options(unittest.TestCase):
    def test_help_and_version_go_to_standard_output(self):
        answer = run("--help")
        self.assertEqual((answer.returncode, answer.stderr), (0, ""))
        for word in ("--user", "--folder", "--table", "--types", "--push", "--context", "--idle",
                     "--count", "--format"):
            self.assertIn(word, answer.stdout)
        self.assertRegex(run("--version").stdout, r"^ocsconsumer \d")

    def test_a_mistake_is_told_and_ends_with_2(self):
        for words in ([], ["-u", "x", "extra"], ["-u", "x", "--nonsense"],
                      ["-u", "x", "--folder", "INBOX"], ["-u", "x", "--table", "tasks"],
                      ["-u", "x", "--types", "0"], ["-u", "x", "--types", "0x200"],
                      ["-u", "x", "--types", "new"], ["-u", "x", "--push", "127.0.0.1"],
                      ["-u", "x", "--push", "127.0.0.1:0"], ["-u", "x", "--push", "::1:80"],
                      ["-u", "x", "--push", "localhost:80"],
                      ["-u", "x", "--push", "127.0.0.1:80", "--context", "0"],
                      ["-u", "x", "--push", "127.0.0.1:80", "--context", "00" * 17],
                      ["-u", "x", "--context", "00"], ["-u", "x", "--idle", "0"],
                      ["-u", "x", "--idle", "nan"], ["-u", "x", "--count", "-1"],
                      ["-u", "x", "--format", "xml"],
                      ["-u", "x", "--table", "newmail", "--types", "4"]):
            with self.subTest(words=words):
                answer = run(*words)
                self.assertEqual((answer.returncode, answer.stdout), (2, ""), answer.stderr)
                self.assertIn("ocsconsumer", answer.stderr)

    def test_a_missing_ini_ends_with_1(self):
        answer = run("-c", "/nonexistent.ini", "-u", "x")
        self.assertEqual(answer.returncode, 1)
        self.assertIn("/nonexistent.ini", answer.stderr)


class Endings(ServiceTest):
    def test_without_a_registry_it_says_to_start_the_daemon(self):
        d = self.daemon(start=False)
        consumer = self.consumer(d, ready=False)
        self.assertEqual(consumer.wait_exit(), 1)
        self.assertIn("start ocsmanager", consumer.err.text())

    def test_sigterm_and_sigint_end_it_with_0_and_leave_no_queue(self):
        d = self.daemon()
        for number in (signal.SIGTERM, signal.SIGINT):
            consumer = self.consumer(d, "ends")
            consumer.process.send_signal(number)
            self.assertEqual(consumer.wait_exit(), 0)
            self.assertEqual(queues.names("ends"), [])

    def test_count_ends_it_after_as_many_events(self):
        d = self.daemon()
        consumer, c = self.consumer(d, count=3, idle=0.1), self.client(d)
        for n in range(5):
            self.accepted(c.newmail(str(n)))
        self.assertEqual(consumer.wait_exit(), 0)
        self.assertEqual(len(consumer.events()), 3)


class Formats(ServiceTest):
    def setUp(self):
        self.d = self.daemon()
        self.c = self.client(self.d)

    def lines(self, form, n, message="1.eml", **more):
        consumer = self.consumer(self.d, form=form, idle=0.2, **more)
        self.accepted(self.c.newmail(message, messageFlags=5), "queued")
        return consumer.out.wait(lambda l: len(l) >= n and list(l), what=f"{n} lines")

    def test_text_is_time_event_queue_fid_mid_and_pairs(self):
        line, = self.lines("text", 1)
        time, event, queue, fid, mid, *rest = line.split(" ")
        self.assertRegex(time, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")
        self.assertEqual(event, "newmail")
        self.assertRegex(queue, r"^/ocs\.jdoe\.store\.newmail\.[0-9a-f]{8}$")
        self.assertRegex(fid, r"^[0-9a-f]{16}$")
        self.assertRegex(mid, r"^[0-9a-f]{16}$")
        pairs = dict(word.split("=", 1) for word in rest)
        self.assertEqual(pairs["message_flags"], "0x5")
        self.assertEqual(pairs["message_class"], "IPM.Note")
        self.assertEqual(pairs["notification_flags"], "0x8002")
        self.assertEqual(pairs["uri"], "sogo://jdoe@mail/INBOX/1.eml")

    def test_json_has_all_fields(self):
        event = json.loads(self.lines("json", 1)[0])
        for key in ("time", "event", "queue", "user", "fid", "mid", "parent_fid", "old_fid",
                    "old_mid", "total", "unread", "message_flags", "message_class",
                    "notification_flags", "handle", "id", "backend", "backend_user", "folder",
                    "message", "old_folder", "old_message", "uri"):
            self.assertIn(key, event)
        self.assertEqual((event["event"], event["user"], event["message_flags"],
                          event["notification_flags"], event["total"]),
                         ("newmail", "jdoe", 5, 0x8002, None))

    def test_hex_is_the_bytes_of_a_response_and_nothing_else(self):
        line, = self.lines("hex", 1)
        data = bytes.fromhex(line)
        self.assertEqual((data[0], data[6:8]), (0x2A, b"\x02\x80"))
        self.assertTrue(data.endswith(b"\x05\0\0\0\0IPM.Note\0"))

    def test_the_fid_as_printed_is_a_folder(self):
        first = json.loads(self.lines("json", 1)[0])
        line, = self.lines("text", 1, message="2.eml", folder=first["fid"])
        self.assertIn(f".{first['fid']}.newmail.", line)

    def test_types_choose_the_tables(self):
        consumer = self.consumer(self.d, types=0x0002 | 0x0004, idle=0.2)
        self.accepted(self.c.newmail("2.eml"), "queued")
        self.assertEqual([e["event"] for e in consumer.wait_events(2)], ["newmail", "created"])


class Examples(unittest.TestCase):
    """The lines of C in the documentation are those that the unit test compiles and runs."""

    @staticmethod
    def statements(text):
        text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
        return [re.sub(r"\s+", "", s) for s in text.split(";") if s.strip()]

    def test_the_documented_lines_are_tested(self):
        tested = []
        for name in ("libocsnotify/test_example.c", "libocsemsmdb/test_example.c"):
            with open(os.path.join(paths.TREE, "tests/unit", name), encoding="utf-8") as f:
                tested += self.statements(f.read())
        for page in ("README.md", "doc/integration.md"):
            with open(os.path.join(paths.TREE, page), encoding="utf-8") as f:
                blocks = re.findall(r"^```c\n(.*?)^```", f.read(), flags=re.S | re.M)
            self.assertTrue(blocks, f"{page} has an example")
            for statement in self.statements("".join(blocks)):
                with self.subTest(page=page):
                    self.assertIn(statement, tested)


if __name__ == "__main__":
    unittest.main()
