# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""ocsnotify_report(): what a MAPI server changed itself, over report.sock in the registry folder."""

import json
import os
import signal
import stat
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import paths  # noqa: E402
from harness.case import ServiceTest  # noqa: E402
from harness.client import Client, document, notification  # noqa: E402
from harness.mapi_host import CREATED, DELETED, MODIFIED, MOVED, NEWMAIL, HostError, MapiHost  # noqa: E402
from harness.wait import LIMIT, wait_until  # noqa: E402
from test_local_socket import LocalConnection  # noqa: E402

STORE = NEWMAIL | CREATED | DELETED | MODIFIED | MOVED
E_DAEMON = -12


def event(message, kind=NEWMAIL, folder="INBOX", **more):
    return kind, folder, message, more


class ReportClient(Client):
    """The same socket by hand."""

    def __init__(self, daemon):
        super().__init__(daemon)
        self.connection = LocalConnection(os.path.join(daemon.registry, "report.sock"))


class Report(ServiceTest):
    def host(self, daemon):
        host = MapiHost(daemon)
        self.addCleanup(host.close)
        return host

    def by_hand(self, daemon):
        client = ReportClient(daemon)
        self.addCleanup(client.close)
        return client

    # -- who hears of it

    def test_the_session_that_did_it_hears_nothing_and_all_others_do(self):
        daemon = self.daemon()
        host, other = self.host(daemon), self.host(daemon)
        mine, second, elsewhere = host.session("jdoe"), host.session("jdoe"), other.session("jdoe")
        stranger = host.session("mary")
        for server, session in ((host, mine), (host, second), (host, stranger), (other, elsewhere)):
            server.subscribe(session, 1, STORE)
        results = host.report(event("1"), event("2", CREATED, "Sent"), but=mine)
        self.assertEqual([r.status for r in results], ["queued", "queued"])
        for server, session in ((host, second), (other, elsewhere)):
            found = [e.word for e in server.wait_events(session, 5)]
            self.assertEqual(sorted(found), ["created", "created", "modified", "modified", "newmail"])
        self.assertEqual(host.drain(mine), [])
        self.assertEqual(host.drain(stranger), [])
        self.assertEqual(host.pending(mine), 0)

    def test_it_hears_of_it_where_nobody_is_left_out_and_of_what_others_report(self):
        daemon = self.daemon()
        host = self.host(daemon)
        mine = host.session("jdoe")
        host.subscribe(mine, 1, NEWMAIL)
        self.assertEqual(host.report(event("1"), but=mine)[0].status, "nosubscriber")
        self.assertEqual(host.report(event("2"))[0], ("queued", 1, 0, "-"))
        self.accepted(self.client(daemon).newmail("3"), "queued")
        self.assertEqual(len(host.wait_events(mine, 2)), 2)

    def test_what_needs_no_disk_leaves_it_out_too(self):
        daemon = self.daemon()
        host = self.host(daemon)
        mine, second = host.session("jdoe"), host.session("jdoe")
        for session in (mine, second):
            host.subscribe(session, 1, MODIFIED)
        for i in range(5):
            self.assertEqual(host.report(event(None, MODIFIED), but=mine)[0].status, "queued", i)
        self.assertEqual(len(host.wait_events(second, 5)), 5)
        self.assertEqual(host.drain(mine), [])

    def test_what_a_full_queue_spills_leaves_the_session_out_too(self):
        daemon = self.daemon({"mqueue": {"max_messages": "2"}})
        host = self.host(daemon)
        mine, second = host.session("jdoe"), host.session("jdoe")
        for session in (mine, second):
            host.subscribe(session, 1, NEWMAIL)
        events = [event(str(i)) for i in range(40)]
        self.assertEqual({r.status for r in host.report(*events, but=mine)}, {"queued"})
        self.assertEqual(len(host.wait_events(second, 40)), 40)
        self.assertEqual(host.drain(mine), [])

    # -- the rules are the daemon's

    def test_each_event_has_its_result(self):
        daemon = self.daemon()
        host = self.host(daemon)
        host.subscribe(host.session("jdoe"), 1, STORE)
        results = host.report(
            event("1", id="a"), event("2", id="a"), event("1"), event("3", backend="nope"),
            event("4", MOVED), event("5", folder="/INBOX"), event("6\x01x"),
            event("7", MOVED, "Archive", old_folder="INBOX", old_message="1"))
        self.assertEqual([(r.status, r.name) for r in results], [
            ("queued", "-"), ("duplicate", "-"), ("duplicate", "-"), ("refused", "UNKNOWN_BACKEND"),
            ("refused", "MISSING_PARAMETER"), ("refused", "INVALID_PARAMETER"),
            ("refused", "INVALID_PARAMETER"), ("queued", "-")])

    def test_a_single_one_that_is_refused_says_why(self):
        host = self.host(self.daemon())
        self.assertEqual(host.report(event("1", backend="nope")),
                         [("refused", 0, 422, "UNKNOWN_BACKEND")])

    def test_names_are_exact(self):
        daemon = self.daemon()
        host = self.host(daemon)
        names = ["x", "x ", " x", "a&b<c>\"d'", "\u00e4\u0085"]
        self.assertEqual({r.status for r in host.report(*[event(n) for n in names])}, {"nosubscriber"})
        exact = [notification(message=n).replace("<notification", "<notification xml:space='preserve'")
                 for n in names]
        self.accepted(self.client(daemon).put(*exact), *["duplicate"] * len(names))

    def test_more_than_a_batch_is_split_whatever_the_ini_allows_others(self):
        daemon = self.daemon({"server:main": {"max_batch": "2", "max_body": "1024"}})
        host = self.host(daemon)
        session = host.session("jdoe")
        host.subscribe(session, 1, NEWMAIL)
        results = host.report(*[event(f"{i}-{'&' * 700}", id=str(i)) for i in range(600)])
        self.assertEqual({r.status for r in results}, {"queued"})
        self.assertEqual(len(host.wait_events(session, 600)), 600)

    def test_it_counts_as_account_registry_whose_limits_hold(self):
        daemon = self.daemon({"account:registry": {"users": "j*"}})
        host = self.host(daemon)
        self.assertEqual([(r.status, r.name) for r in host.report(event("1"), event("1", user="mary"))],
                         [("nosubscriber", "-"), ("refused", "ACCESS_FORBIDDEN")])

    # -- the socket

    def test_only_the_registrys_group_may_connect_and_both_names_go_with_the_daemon(self):
        daemon = self.daemon()
        path = os.path.join(daemon.registry, "report.sock")
        found, folder = os.stat(path), os.stat(daemon.registry)
        self.assertTrue(stat.S_ISSOCK(found.st_mode))
        self.assertEqual((stat.S_IMODE(found.st_mode), found.st_gid), (0o660, folder.st_gid))
        daemon.terminate()
        self.assertFalse(os.path.lexists(path))
        self.assertFalse(os.path.lexists(os.path.join(daemon.registry, "private/report.sock")))

    def test_it_is_made_again_where_it_is_removed(self):
        daemon = self.daemon()
        path = os.path.join(daemon.registry, "report.sock")
        host = self.host(daemon)
        os.unlink(path)
        wait_until(lambda: os.path.lexists(path), what="report.sock")
        self.assertEqual(host.report(event("1"))[0].status, "nosubscriber")
        os.unlink(path)
        with open(path, "w", encoding="ascii"):
            pass
        wait_until(lambda: stat.S_ISSOCK(os.lstat(path).st_mode), what="report.sock")
        self.assertEqual(host.report(event("2"))[0].status, "nosubscriber")

    def test_what_a_killed_daemon_left_is_replaced(self):
        daemon = self.daemon()
        host = self.host(daemon)
        daemon.kill()
        with self.assertRaises(HostError) as raised:
            host.report(event("1"))
        self.assertEqual(raised.exception.code, E_DAEMON)
        self.assertIn("is not running", raised.exception.text)
        daemon.start()
        self.assertEqual(host.report(event("1"))[0].status, "nosubscriber")

    def test_a_daemon_that_hangs_is_waited_for_no_longer_than_documented(self):
        daemon = self.daemon()
        host = self.host(daemon)
        os.kill(daemon.pid, signal.SIGSTOP)
        self.addCleanup(os.kill, daemon.pid, signal.SIGCONT)
        for _ in range(2):
            with self.assertRaises(HostError) as raised:
                host.report(event("1", id="x"))
            self.assertEqual(raised.exception.code, E_DAEMON)
            self.assertIn("does not answer", raised.exception.text)
        os.kill(daemon.pid, signal.SIGCONT)
        wait_until(lambda: host.report(event("1", id="x"))[0].status == "duplicate",
                   what="it was taken, late")

    # -- who may leave a session out

    def test_a_session_to_leave_out_means_something_on_this_socket_alone(self):
        daemon = self.daemon()
        host = self.host(daemon)
        session = host.session("jdoe")
        host.subscribe(session, 1, NEWMAIL)
        left_out = self.session_id(daemon)
        body = document(f"<exceptSession>{left_out}</exceptSession>{notification(message='1')}")
        by_hand, client = self.by_hand(daemon), self.client(daemon)
        self.accepted(by_hand.request("PUT", "/notification", body), "nosubscriber")
        body = body.replace(">1<", ">2<")
        self.accepted(client.request("PUT", "/notification", body,
                                     {"Authorization": f"Bearer {client.token}"}), "queued")
        self.assertEqual(len(host.wait_events(session, 1)), 1)

    def session_id(self, daemon):
        """Of the one session that there is."""
        said = subprocess.run([paths.program("ocsctl"), "-c", daemon.ini, "sessions", "--json"],
                              capture_output=True, check=True, timeout=LIMIT)
        [session] = json.loads(said.stdout)
        return session["session"]

    def test_what_is_no_session_is_refused_here_and_ignored_elsewhere(self):
        daemon = self.daemon()
        by_hand, client = self.by_hand(daemon), self.client(daemon)
        for inside in ("<exceptSession>x</exceptSession>", "<exceptSession></exceptSession>",
                       "<exceptSession>0000000000000000</exceptSession>",
                       "<exceptSession>00000000000000aa</exceptSession>" * 2):
            body = document(inside + notification(message="1"))
            self.refused(by_hand.request("PUT", "/notification", body), 422, "INVALID_PARAMETER")
            self.accepted(client.request("PUT", "/notification", body,
                                         {"Authorization": f"Bearer {client.token}"}))


if __name__ == "__main__":
    unittest.main()
