# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""What strangers and senders say is shown in the log, on the pages of the operations address and by ocsctl: a line
stays one line that reads from left to right, a page stays the page it was, a terminal is not driven. In
test_log_budget: floods of lines; in test_operations: line ends; in unit/base: each kind of character."""

import os
import re
import subprocess
import sys
import unicodedata
import unittest
from xml.sax.saxutils import escape

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness import paths
from harness.case import ServiceTest
from harness.client import document, notification
from harness.hammer import head
from harness.wait import LIMIT, wait_until

LINE = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (error|warning|notice|info|debug): ")
# U+202E writes backwards; a name that ends so, and the line behind it, reads as another.
NAMES = {
    "bidirectional": "a\u202egnp.exe\u2066b\u2069\u200f",
    "unseen": "jd\u200boe\ufeff\u00ad\u2060\U000e0041",
    "separators": "a\u2028b\u2029c",
    "C1": "a\u009b2Jb\u0085c\u007f",
    "HTML": "<script>alert(1)</script>&lt;img src=x onerror=y>\"'",
    "a format": "%s%n%99999d",
    "a line of the log": "x 2026-01-01T00:00:00.000Z error: broken into",
}
PRESERVE = " xml:space='preserve'"


def hostile(text):
    """Characters that no line may have in it."""
    return {hex(ord(c)) for c in text if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp", "Cs") and c != "\n"}


class Shown(ServiceTest):
    def check_log(self, daemon):
        for line in daemon.log().splitlines():
            self.assertRegex(line, LINE)
        self.assertFalse(hostile(daemon.log()))

    def check_pages(self, daemon):
        for page in ("/healthz", "/metrics", "/status", "/link", "/identity"):
            _, text = daemon.operations(page)
            self.assertFalse(hostile(text), page)
            if page == "/status":
                self.assertNotRegex(text, r"(?i)<(script|img)")

    def test_what_a_sender_reports(self):
        daemon = self.daemon({"main": {"log_level": "debug"}})
        client = self.client(daemon)
        for kind, text in NAMES.items():
            with self.subTest(kind):
                for place in ("backend", "user", "folder", "message", "oldFolder", "messageClass", "guid", "total"):
                    for category in ("newmail", "moved", "nothing"):
                        values = {"message": "1", place: text}
                        for one in (notification(category, **values), notification(text, **values),
                                    notification(category, id=text, **values)):
                            client.put(one.replace("<notification", "<notification" + PRESERVE))
        self.check_log(daemon)
        self.check_pages(daemon)
        self.assertIn("\\xe2\\x80\\xae", daemon.log(), "it is told all the same")
        daemon.terminate()
        self.check_log(daemon)

    def test_who_says_they_log_in(self):
        daemon = self.daemon({"main": {"log_level": "debug"}, "limits": {"failed_logins": "3"}})
        client = self.client(daemon, login=False)
        for text in NAMES.values():
            for login in (client.login_plain, client.login_scram):
                login(text)
            client.challenge(escape(text))
            client.request("POST", "/authenticate/token", document("<login>" + escape(text) + "</login>"))
            client.request("POST", "/authenticate/token", document(f"<sasl mechanism={text!r}>eA</sasl>"))
        self.check_log(daemon)
        self.check_pages(daemon)

    def test_what_stands_in_a_request(self):
        """Method, address and headers, also where libmicrohttpd is who complains."""
        daemon = self.daemon({"main": {"log_level": "debug"}})
        raws = []
        for text in (*NAMES.values(), "\x1b]0;title\x07", "\x1b[2J", "\r\x1b[K"):
            for data in (f"{text} / HTTP/1.1\r\nHost: x\r\n\r\n", f"GET /{text} HTTP/1.1\r\nHost: x\r\n\r\n",
                         f"GET / HTTP/1.1\r\nHost: {text}\r\n\r\n", f"GET / HTTP/1.1\r\nHost: x\r\n{text}: y\r\n\r\n",
                         f"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {text}\r\n\r\n",
                         f"GET / HTTP/1.1\r\nHost: x\r\nForwarded: for={text}\r\n\r\n",
                         f"GET / HTTP/1.1\r\nHost: x\r\nCookie: {text}\r\n\r\n", f"GET / {text}\r\n\r\n"):
                raws.append(self.raw(daemon))
                raws[-1].send(data)
                raws[-1].socket.shutdown(1)
            for kind in ("Content-Type", "Content-Encoding"):
                raws.append(self.raw(daemon))
                raws[-1].send(head("PUT", "/notification", b"x").replace(b"\r\n\r\n",
                                                                         f"\r\n{kind}: {text}\r\n\r\n".encode()))
                raws[-1].socket.shutdown(1)
        for raw in raws:
            raw.response()
        self.check_log(daemon)
        self.check_pages(daemon)

    def test_a_name_on_a_page(self):
        """The user whose entries are dropped is named by /healthz and /status; a name that is cut is cut between two
        characters."""
        for text in (NAMES["bidirectional"], NAMES["HTML"], "x" + "é" * 200):
            with self.subTest(text[:20]):
                daemon = self.daemon({"mqueue": {"spill_max": "1"}})
                consumer, client = self.consumer(daemon, text), self.client(daemon)
                consumer.stop()
                client.put(*(notification("newmail", user=text, message=str(n), messageFlags=n).replace(
                    "<notification", "<notification" + PRESERVE) for n in range(40)))
                wait_until(lambda d=daemon: "dropped" in d.operations("/healthz")[1], what="it is told")
                self.check_pages(daemon)
                self.assertIn("dropped", daemon.operations("/status")[1])
                self.check_log(daemon)

    def test_a_name_that_ocsctl_shows(self):
        daemon = self.daemon()
        users = [text for kind, text in NAMES.items() if kind != "C1"]  # which is no user for the library
        consumers = [self.consumer(daemon, text) for text in users]
        self.assertEqual(len(consumers), len(users))
        for words in (("sessions",), ("queues",), ("status",), *(("user", text) for text in users)):
            done = subprocess.run([paths.program("ocsctl"), "-c", daemon.ini, *words], capture_output=True, text=True,
                                  timeout=LIMIT, check=False)
            self.assertFalse(hostile(done.stdout + done.stderr), (words, done))


if __name__ == "__main__":
    unittest.main()
