# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""What the log says of refusals: who was not told, failed logins in any flood, the moment of a lock."""

import os
import re
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness.case import ServiceTest
from harness.client import document, notification


class Budgets(ServiceTest):
    def flood(self, daemon, count=60):
        client = self.client(daemon)
        for i in range(count):
            self.refused(client.put(notification(message=str(i), backend="nope", user="lost")), 422,
                         "UNKNOWN_BACKEND")

    def test_a_refusal_says_who_was_not_told_of_what(self):
        daemon = self.daemon()
        client = self.client(daemon)
        client.put(notification(message="17", backend="nope", user="jdoe", folder="Work", id="x1"))
        client.put(notification(message="1", user="good") +
                   notification(message="2", backend="nope", user="bad"))
        client.token = "wrong"
        client.put(notification(message="3", user="one") + notification(message="4", user="two"))
        daemon.terminate()
        for line in (r"as openchange: /notification refused: 422 UNKNOWN_BACKEND: .*; not told: "
                     r"newmail id=x1 nope jdoe Work 17",
                     r"UNKNOWN_BACKEND: .*; not told: newmail id=- nope bad INBOX 2",
                     r"TOKEN_INVALID: .*; not told: newmail id=- sogo one INBOX 3 and 1 more"):
            self.assertRegex(daemon.log(), f"(?m){line}$")

    def test_a_flood_hides_no_failed_login_and_is_counted_to_the_last(self):
        daemon = self.daemon({"limits": {"failed_logins": "1000"}})
        self.flood(daemon)
        client = self.client(daemon, login=False)
        for name in ("alice", "bob", "carol"):
            client.login_plain(name, "guess")
        for _ in range(30):
            client.login_plain("mallory", "guess")
        daemon.terminate()
        log = daemon.log()
        for name in ("alice", "bob", "carol"):
            self.assertEqual(log.count(f" as {name}: /authenticate/login refused: 401"), 1, log)
        self.assertEqual(self.told(log, "UNKNOWN_BACKEND"), 60)
        self.assertEqual(self.told(log, "as mallory"), 30)
        self.assertLess(log.count("UNKNOWN_BACKEND"), 60)

    def told(self, log, words):
        """Lines with these words, and those that lines like them stand for."""
        total = 0
        for line in log.splitlines():
            if words in line:
                more = re.search(r": (\d+) more lines like this one in 10 s: ", line)
                total += int(more.group(1)) if more else 1
        return total

    def test_the_count_is_said_though_nothing_more_comes(self):
        daemon = self.daemon()
        self.flood(daemon, 25)
        daemon.err.wait_text("more lines like this one in 10 s")
        self.assertEqual(self.told(daemon.log(), "UNKNOWN_BACKEND"), 25)

    def test_the_moment_of_a_lock_is_logged_once(self):
        daemon = self.daemon({"limits": {"failed_logins": "3", "failure_window": "60"}})
        client = self.client(daemon, login=False)
        for _ in range(5):
            client.login_plain("alice", "guess")
        daemon.terminate()
        lines = [line for line in daemon.log().splitlines() if "alice" in line]
        self.assertEqual(["401" in l or "429" in l or "locked" for l in lines],
                         [True, True, True, "locked", True, True], lines)
        self.assertRegex(lines[3], r"warning: locked: logins as alice from 127\.0\.0\.1 are refused "
                         r"for (60|5\d) s, too many failed \(\[limits\] failed_logins\)$")
        self.assertEqual(sum("429 TOO_MANY_ATTEMPTS" in line for line in lines), 2)


if __name__ == "__main__":
    unittest.main()
