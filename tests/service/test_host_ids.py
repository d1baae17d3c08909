# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""[main] identifiers = host: a MAPI server whose clients know its own identifiers only."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness.case import ServiceTest  # noqa: E402
from harness.client import notification  # noqa: E402
from harness.mapi_host import CREATED, DELETED, MODIFIED, MOVED, NEWMAIL, HostError, MapiHost  # noqa: E402

ROOT, INBOX, ARCHIVE, LATER = 0xffffffffffffffff, 0x1, 0x8000000000000000, 0xdeadbeef00000000
MAIL, MOVED_MAIL, LATE_MAIL = 0x7fff, 0x123456789abcdef0, 0x2
ALL = NEWMAIL | CREATED | DELETED | MODIFIED | MOVED


class HostIdentifiers(ServiceTest):
    def host(self, daemon):
        host = MapiHost(daemon)
        self.addCleanup(host.close)
        host.ask("identifiers")
        host.know(ROOT)
        host.know(INBOX, "INBOX")
        host.know(ARCHIVE, "Archive")
        return host

    def served(self):
        daemon = self.daemon({"main": {"identifiers": "host"}})
        return daemon, self.host(daemon), self.client(daemon)

    def test_a_mail_that_comes_moves_and_goes_has_the_servers_identifiers(self):
        daemon, host, client = self.served()
        session = host.session("jdoe")
        host.subscribe(session, 1, ALL)
        host.table(session, 2, INBOX)
        host.table(session, 3, ROOT, "hierarchy")
        host.know(MAIL, "INBOX", "1")
        host.know(MOVED_MAIL, "Archive", "2")
        self.accepted(client.newmail("1"), "queued")
        found = host.wait_events(session, 5)
        self.assertIn((1, "newmail", 0x8002, 0, INBOX, MAIL, 0, 0, 0), found)
        self.assertIn((1, "created", 0x8004, 0, INBOX, MAIL, 0, 0, 0), found)
        self.assertIn((1, "modified", 0x10, 0, INBOX, 0, 0, 0, 0), found)
        self.assertIn((2, "table", 0x8100, 3, INBOX, MAIL, 0, 0, 0), found)
        self.assertIn((3, "table", 0x100, 5, INBOX, 0, 0, 0, ROOT), found)
        self.accepted(client.put(notification("moved", folder="Archive", message="2", oldFolder="INBOX",
                                              oldMessageID="1")), "queued")
        found = host.wait_events(session, 6)
        self.assertIn((1, "moved", 0x8020, 0, ARCHIVE, MOVED_MAIL, INBOX, MAIL, 0), found)
        self.assertIn((2, "table", 0x8100, 4, INBOX, MAIL, 0, 0, 0), found)
        self.accepted(client.put(notification("deleted", folder="Archive", message="2")), "queued")
        self.assertIn((1, "deleted", 0x8008, 0, ARCHIVE, MOVED_MAIL, 0, 0, 0), host.wait_events(session, 3))
        self.assertEqual(host.warnings, [])

    def test_a_folder_that_it_learns_of_later_is_waited_for(self):
        daemon, host, client = self.served()
        session = host.session("jdoe")
        host.subscribe(session, 1, NEWMAIL)
        with self.assertRaises(HostError):
            host.subscribe(session, 2, NEWMAIL, LATER)
        host.know(MAIL, "INBOX", "1")
        self.accepted(client.newmail("9", folder="Later"), "queued")
        self.accepted(client.newmail("1"), "queued")
        self.assertEqual(host.pending(session), 0)
        self.assertEqual(host.drain(session), [])
        host.know(LATER, "Later")
        host.know(LATE_MAIL, "Later", "9")
        self.assertEqual(host.pending(session), 1)
        self.assertEqual([e[4:6] for e in host.wait_events(session, 2)],
                         [(LATER, LATE_MAIL), (INBOX, MAIL)])
        host.subscribe(session, 2, NEWMAIL, LATER)
        host.know(3, "Later", "10")
        self.accepted(client.newmail("10", folder="Later"), "queued")
        self.assertEqual([(e.handle, e.fid, e.mid) for e in host.wait_events(session, 2)],
                         [(1, LATER, 3), (2, LATER, 3)])

    def test_what_it_never_learns_of_is_dropped_and_the_rest_goes_on(self):
        daemon, host, client = self.served()
        session = host.session("jdoe")
        host.subscribe(session, 1, NEWMAIL)
        host.know(MAIL, "INBOX", "1")
        for i in range(20):
            self.accepted(client.newmail(str(i), folder="Hidden"), "queued")
        self.accepted(client.newmail("1"), "queued")
        self.assertEqual(host.drain(session), [])
        self.assertEqual([(e.fid, e.mid) for e in host.wait_events(session, 1)], [(INBOX, MAIL)])
        self.assertEqual(len(host.warnings), 1, host.warnings)

    def test_what_the_server_reports_itself_reaches_its_other_clients_with_its_identifiers(self):
        daemon, host, _ = self.served()
        mine, other = host.session("jdoe"), host.session("jdoe")
        for session in (mine, other):
            host.subscribe(session, 1, MOVED, INBOX)
        host.know(MAIL, "INBOX", "1")
        host.know(MOVED_MAIL, "Archive", "2")
        host.report((MOVED, "Archive", "2", {"old_folder": "INBOX", "old_message": "1"}), but=mine)
        self.assertEqual([e[4:8] for e in host.wait_events(other, 1)], [(ARCHIVE, MOVED_MAIL, INBOX, MAIL)])
        self.assertEqual(host.drain(mine), [])

    def test_with_own_identifiers_nothing_changes_for_it(self):
        daemon = self.daemon()
        host, client = self.host(daemon), self.client(daemon)
        session = host.session("jdoe")
        host.subscribe(session, 1, NEWMAIL)
        self.accepted(client.newmail("1"), "queued")
        [event] = host.wait_events(session, 1)
        self.assertEqual((event.fid & 0xffff, event.mid & 0xffff), (1, 1))


if __name__ == "__main__":
    unittest.main()
