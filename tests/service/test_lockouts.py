#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Guessing passwords and hoarding logins: who is refused, who gets in all the same, and what the admin sees of it."""

import json
import os
import re
import socket
import stat
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness import paths
from harness.case import ROOT, ServiceTest
from harness.client import ACCOUNT, PASSWORD, Client, ssha_answer
from harness.daemon import SANITIZER
from harness.mapihttp import MapiClient, Server
from harness.netns import Network
from harness.wait import LIMIT, wait_until


class LockTest(ServiceTest):
    def lockouts(self, daemon, *words, expect=0):
        done = subprocess.run([paths.program("ocsctl"), "-c", daemon.ini, "lockouts", *words], capture_output=True,
                              text=True, timeout=LIMIT, check=False)
        self.assertEqual(done.returncode, expect, done)
        self.assertIsNone(SANITIZER.search(done.stderr), done.stderr)
        return done

    def listed(self, daemon):
        return json.loads(self.lockouts(daemon, "--json").stdout)["lockouts"]

    def guess(self, daemon, name=ACCOUNT, source=None, times=1):
        """The statuses of wrong logins."""
        with Client(daemon, source=source) as c:
            return [c.login_ssha(name, "wrong").status for _ in range(times)]

    def log_in(self, daemon, source=None):
        with Client(daemon, source=source) as c:
            return c.login_ssha().status


class Shown(LockTest):
    LIMITS = {"limits": {"failed_logins": "3"}}

    def test_nobody_is_locked_out(self):
        daemon = self.daemon()
        self.assertEqual(self.lockouts(daemon).stdout, "nobody is locked out\n")
        self.assertEqual(json.loads(self.lockouts(daemon, "--json").stdout), {"lockouts": [], "left_out": 0})
        self.assertEqual(self.lockouts(daemon, "--clear").stdout, "0 locks cleared\n")

    def test_who_is_locked_out_is_shown_and_let_in_again(self):
        daemon = self.daemon(self.LIMITS)
        self.assertEqual(self.guess(daemon, times=4), [401, 401, 401, 429])
        self.assertEqual(self.guess(daemon, "unknown", "127.0.0.2", 4), [401, 401, 401, 429])
        found = {one["account"]: one for one in self.listed(daemon)}
        self.assertEqual(set(found), {ACCOUNT, "unknown"})
        one = found[ACCOUNT]
        self.assertEqual((one["program"], one["counted"], one["address"], one["failures"]),
                         ("ocsmanager", "pair", "127.0.0.1", 3))
        self.assertTrue(0 < one["seconds"] <= 300)
        self.assertRegex(one["until"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$")
        self.assertRegex(self.lockouts(daemon).stdout,
                         rf"(?m)^COUNTED +ACCOUNT +ADDRESS .*\n(?:.*\n)*pair +{ACCOUNT} +127\.0\.0\.1 +3 +\S+Z +\d+ +ocsm")
        metrics = daemon.metrics()
        self.assertEqual(metrics.get("ocsmanager_lockouts", counted="pair"), 2)
        self.assertEqual(metrics.get("ocsmanager_lockouts"), 2)
        self.assertEqual(metrics.get("ocsmanager_lockouts_total", counted="pair"), 2)

        self.assertEqual(self.log_in(daemon), 429)
        self.assertEqual(self.lockouts(daemon, "--clear", "nobody").stdout, "0 locks cleared\n")
        self.assertEqual(json.loads(self.lockouts(daemon, "--clear", ACCOUNT.upper(), "--json").stdout), {"cleared": 1})
        self.assertEqual(self.log_in(daemon), 200)
        self.assertEqual([one["account"] for one in self.listed(daemon)], ["unknown"])
        self.assertEqual(self.lockouts(daemon, "--clear", "127.0.0.2").stdout, "1 lock cleared\n")
        self.guess(daemon, times=3)
        self.assertEqual(self.lockouts(daemon, "--clear").stdout, "1 lock cleared\n")
        self.assertEqual(self.listed(daemon), [])
        self.assertIn("failed logins of everybody are forgotten, which ended 1 lock", daemon.log())
        self.assertEqual(daemon.metrics().get("ocsmanager_lockouts"), 0)

    def test_a_lock_ends_by_itself_and_each_is_told_with_its_length(self):
        """How they grow, and when they forget, is the unit tests': here a slow machine may be slower than a lock."""
        daemon = self.daemon({"limits": {"failed_logins": "1", "failure_window": "1"}})
        for number in (1, 2):
            self.assertEqual(wait_until(lambda: [s for s in self.guess(daemon) if s != 429], what="the lock ends"),
                             [401])
            told = daemon.err.wait(lambda lines, n=number: re.findall(r"are refused for (\d+) s, too many failed",
                                                                      "\n".join(lines))[n - 1:])
            self.assertIn(told[0], ("1", "2")[:number])
            with Client(daemon) as c:
                answer = c.login_plain()
            if answer.status != 200:  # else this machine took longer than the lock
                self.refused(answer, 429, "TOO_MANY_ATTEMPTS")
                self.assertIn(int(answer.headers["Retry-After"]), range(1, int(told[0]) + 1))

    def test_what_is_no_account_and_no_address_is_refused(self):
        daemon = self.daemon()
        for what in ("a b", "1.2.3.4/x", "1.2.3.4/33", "2001:db8::/129", "x" * 200, "x" * 2000, "a\nlockouts clear"):
            with self.subTest(what[:20]):
                self.assertTrue(self.lockouts(daemon, "--clear", what, expect=1).stderr)
        self.lockouts(daemon, "--clear", "", expect=2)
        self.lockouts(daemon, "anna", expect=2)
        self.lockouts(daemon, "--clear", "a", "b", expect=2)

    def test_without_a_daemon_it_says_so(self):
        daemon = self.daemon()
        daemon.kill()
        self.assertIn("no daemon serves", self.lockouts(daemon, expect=1).stderr)
        daemon.start()
        self.lockouts(daemon)
        daemon.terminate()
        self.assertIn("no daemon serves", self.lockouts(daemon, "--clear", expect=1).stderr)

    def test_of_a_daemon_that_cannot_be_asked_nothing_is_said_to_be_none(self):
        """Whether ocsmapihttp answers or nobody does."""
        daemon = self.daemon()
        os.unlink(os.path.join(daemon.registry, "private", "control.sock"))
        for with_mapi in (False, True):
            if with_mapi:
                self.addCleanup(Server(daemon).stop)
            for words in ((), ("--json",), ("--clear",)):
                said = self.lockouts(daemon, *words, expect=1)
                self.assertIn(f"cannot ask ocsmanager, which runs (process {daemon.pid})", said.stderr)
                self.assertNotIn("nobody is locked", said.stdout)
                self.assertNotIn("no daemon serves", said.stderr)
        daemon.terminate()
        self.assertEqual(self.lockouts(daemon).stdout, "nobody is locked out; ocsmanager does not run\n")

    def test_nobody_but_the_admin_may_ask(self):
        daemon = self.daemon()
        path = os.path.join(daemon.registry, "private", "control.sock")
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode), 0o700)
        self.assertEqual(daemon.operations("/lockouts")[0], 404)

    def ask(self, daemon, data):
        """The answer; "" where it hangs up."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
            s.settimeout(LIMIT)
            s.connect(os.path.join(daemon.registry, "private", "control.sock"))
            try:
                s.sendall(data)
                return b"".join(iter(lambda: s.recv(65536), b"")).decode()
            except (ConnectionResetError, BrokenPipeError):
                return ""

    def test_questions_that_are_none(self):
        daemon = self.daemon()
        for data in (b"\n", b"lockout\n", b"lockouts clearx\n", b"lockouts \n", b"\xff\0\n"):
            self.assertRegex(self.ask(daemon, data), r"^error .*\n$", data)
        self.assertRegex(self.ask(daemon, b"lockouts clear \n"), r"^error .*\n$")
        self.assertEqual(self.ask(daemon, b"x" * 100000), "")
        self.assertEqual(self.ask(daemon, b"lockouts\nlockouts\n"), "ok 0\n")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:  # whoever says nothing delays nobody for long,
            s.connect(os.path.join(daemon.registry, "private", "control.sock"))
            self.lockouts(daemon)
            s.settimeout(LIMIT)
            self.assertEqual(s.recv(1), b"")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:  # and a stop not at all
            s.connect(os.path.join(daemon.registry, "private", "control.sock"))
            daemon.terminate()

    def test_a_long_path_of_the_registry(self):
        daemon = self.daemon({"main": {"registry": "r" * 120}, **self.LIMITS})
        self.guess(daemon, times=3)
        self.assertEqual(len(self.listed(daemon)), 1)

    def test_mapi_over_http_has_locks_of_its_own(self):
        daemon = self.daemon(self.LIMITS)
        server = Server(daemon)
        self.addCleanup(server.stop)
        client = MapiClient(server, password="wrong")
        self.addCleanup(client.close)
        self.assertEqual([client.connect().status for _ in range(4)], [401, 401, 401, 429])
        self.assertEqual(self.log_in(daemon), 200)
        one, = self.listed(daemon)
        self.assertEqual((one["program"], one["counted"], one["address"]), ("ocsmapihttp", "pair", "127.0.0.1"))
        self.assertEqual(self.lockouts(daemon, "--clear", one["account"]).stdout, "1 lock cleared\n")
        client.password = PASSWORD
        self.assertEqual(client.connect().status, 200)
        path = os.path.join(daemon.registry, "private-mapihttp", "control.sock")
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        server.stop()
        self.assertFalse(os.path.exists(path))


@unittest.skipUnless(ROOT, "needs root: a network of its own")
class FromManyAddresses(LockTest):
    """In a network in which all of 10/8 and 2001:db8::/32 is ours."""

    @classmethod
    def setUpClass(cls):
        cls.network = Network()
        cls.addClassCleanup(cls.network.close)
        cls.network.enter_left()
        for net in ("10.0.0.0/8", "2001:db8::/32"):
            cls.network.own(cls.network.left, net)

    def open_daemon(self, **limits):
        daemon = self.daemon({"server:main": {"host": "::", "plain_http": "yes"}, "limits": {k: str(v) for k, v in limits.items()}})
        daemon.host = "10.0.0.1"
        return daemon

    def test_an_account_attacked_from_many_addresses_lets_its_owner_in(self):
        daemon = self.open_daemon(failed_logins=5)
        statuses = [s for i in range(200) for s in self.guess(daemon, source=f"10.1.{i}.1", times=6)]
        # fifty failures until it is seen, from then on one for each
        self.assertLessEqual(statuses.count(401), 50 + 200)
        self.assertEqual(statuses.count(401) + statuses.count(429), len(statuses))
        account, = [one for one in self.listed(daemon) if one["counted"] == "account"]
        self.assertEqual((account["account"], account.get("address")), (ACCOUNT, None))
        self.assertIn(f"attacked: too many logins as {ACCOUNT} failed", daemon.log())
        self.assertEqual(self.log_in(daemon, source="10.2.0.1"), 200)
        self.assertEqual(self.guess(daemon, source="10.2.0.1", times=6), [401] * 5 + [429])
        self.assertEqual(self.guess(daemon, source="10.3.0.1", times=2), [401, 429])
        self.lockouts(daemon, "--clear", ACCOUNT)
        self.assertEqual(self.listed(daemon), [])
        self.assertEqual(self.guess(daemon, source="10.3.0.1", times=6), [401] * 5 + [429])

    def test_one_address_with_many_names_is_locked_and_known_accounts_get_in(self):
        daemon = self.open_daemon(failed_logins=3)
        self.assertEqual(self.log_in(daemon, source="10.1.0.1"), 200)
        with Client(daemon, source="10.1.0.1") as c:
            statuses = [c.login_ssha(f"name{i}", "wrong").status for i in range(200)]
        self.assertEqual(statuses, [401] * 30 + [429] * 170)
        self.assertEqual(self.log_in(daemon, source="10.1.0.1"), 200)
        self.assertEqual(self.guess(daemon, source="10.1.0.1"), [429], "which nobody finds out by guessing")
        one, = self.listed(daemon)
        self.assertEqual((one["counted"], one.get("account"), one["address"], one["failures"]),
                         ("address", None, "10.1.0.1", 30))
        self.assertEqual(self.guess(daemon, "new", "10.1.0.2"), [401])
        self.lockouts(daemon, "--clear", "10.1.0.0/16")
        self.assertEqual(self.guess(daemon, "new", "10.1.0.1"), [401])

    def test_hopping_through_a_prefix_of_ipv6_ends(self):
        daemon = self.open_daemon(failed_logins=2)
        daemon.host = "2001:db8:ffff::1"
        statuses = [s for i in range(100) for s in self.guess(daemon, f"name{i}", f"2001:db8:1:{i:x}::1")]
        self.assertEqual(statuses, [401] * 80 + [429] * 20)
        self.assertEqual(self.log_in(daemon, source="2001:db8:1:abcd::1"), 429)
        self.assertEqual(self.log_in(daemon, source="2001:db8:2::1"), 200)
        self.assertEqual([(one["counted"], one["address"]) for one in self.listed(daemon)],
                         [("prefix", "2001:db8:1::/48")])
        self.assertEqual(self.lockouts(daemon, "--clear", "2001:db8:1:abcd::1").stdout, "1 lock cleared\n")
        self.assertEqual(self.log_in(daemon, source="2001:db8:1:abcd::1"), 200)

    def hoard(self, daemon, source, number):
        with Client(daemon, source=source) as c:
            statuses = {c.challenge(f"name{i % 7}")[0].status for i in range(number)}
        self.assertEqual(statuses, {200})

    def test_five_thousand_open_logins_keep_nobody_out(self):
        daemon = self.open_daemon()
        with Client(daemon, source="10.2.0.1") as before:
            _, salt, token_salt, cookie = before.challenge()
            self.hoard(daemon, "10.1.0.1", 5000)
            answer = before.answer_challenge(cookie, ssha_answer(ACCOUNT, PASSWORD, salt, token_salt))
            self.assertEqual(answer.status, 200)
        metrics = daemon.metrics()
        self.assertLessEqual(metrics.get("ocsmanager_pending_challenges"), 4096 / 8)
        self.assertEqual(metrics.get("ocsmanager_challenges_displaced_total"), 5000 - 4096 / 8)
        for source in ("10.2.0.1", "10.1.0.1", None):
            self.assertEqual(self.log_in(daemon, source=source), 200)

    def test_a_full_table_of_the_own_host_keeps_nobody_out(self):
        daemon = self.open_daemon(pending_challenges=100)
        daemon.host = "127.0.0.1"
        self.hoard(daemon, None, 300)
        self.assertEqual(daemon.metrics().get("ocsmanager_pending_challenges"), 100)
        with Client(daemon) as c:
            for login in (c.login_ssha, c.login_scram):
                self.assertIn(login().status, (200, 401))
            self.assertEqual(c.login_ssha().status, 200)
        daemon.host = "10.0.0.1"
        self.assertEqual(self.log_in(daemon, source="10.2.0.1"), 200)


if __name__ == "__main__":
    unittest.main()
