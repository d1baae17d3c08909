# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Identifiers mean something to a MAPI server: what a RopNotify carries leads, by ocsnotify_lookup(), to the very
mail in a real Dovecot; also after moves, renames and a new UIDVALIDITY, and the same on every node."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from rig import Dovecot

from harness import hashes, paths
from harness.case import ServiceTest
from harness.client import notification
from harness.mapi_host import MOVED, NEWMAIL, MapiHost
from harness.nodes import Node, RabbitTest
from harness.wait import wait_until

ACCOUNT, PASSWORD = "mailhost", "the plugin's password"
SECTIONS = {"main": {"auth": "file"}, "auth:file": {"file": "accounts"},
            "backend:dovecot": {"uri": "imap://{user}@localhost/{folder}/{message}"}}


class Proof:
    """hosts: a MAPI server each, with a session of alice's."""

    def begin(self, daemons):
        for daemon in daemons:
            daemon.write("accounts", f"{ACCOUNT}:{hashes.scram(PASSWORD)}\n", 0o600)
            daemon.start()
        self.dovecot = Dovecot(plugin=paths.program("lib90_ocsmanager_plugin.so"))
        self.addCleanup(self.dovecot.stop)
        credentials = os.path.join(self.dovecot.folder, "credentials")
        with open(credentials, "w", encoding="ascii") as f:
            f.write(f"username={ACCOUNT}\npassword={PASSWORD}\n")
        os.chmod(credentials, 0o600)
        self.dovecot.settings = {"ocsmanager_url": f"http://{daemons[0].host}:{daemons[0].port}",
                                 "ocsmanager_credentials": "<" + credentials}
        self.dovecot.start()
        self.hosts, self.sessions = [MapiHost(daemon) for daemon in daemons], []
        for host in self.hosts:
            self.addCleanup(host.close)
            self.sessions.append(host.session("alice"))
            host.subscribe(self.sessions[-1], 1, NEWMAIL | MOVED)

    def wait_events(self, n):
        """The next n at each node, which are the same ones."""
        found = [[(e.word, e.fid, e.mid, e.old_fid, e.old_mid) for e in host.wait_events(session, n)]
                 for host, session in zip(self.hosts, self.sessions)]
        for other in found[1:]:
            self.assertEqual(other, found[0])
        return found[0]

    def deliver(self, n):
        """{MID: subject} of n mails."""
        lmtp = self.dovecot.lmtp()
        subjects = []
        for _ in range(n):
            message = self.dovecot.message()
            subjects.append(f"mail-{self.dovecot.counter}")
            lmtp.deliver(["alice"], message)
        lmtp.close()
        # events of one queue come in the order of what they tell of
        events = self.wait_events(n)
        self.assertEqual({word for word, *_ in events}, {"newmail"})
        return dict(zip((mid for _, _, mid, _, _ in events), subjects))

    def mails(self, folder, uids):
        """{UID: subject}"""
        done = self.dovecot.doveadm("-f", "tab", "fetch", "-u", "alice", "uid hdr.subject",
                                    "mailbox", folder, "uid", ",".join(uids))
        self.assertEqual(done.returncode, 0, done.stderr)
        return dict(line.split("\t") for line in done.stdout.splitlines()[1:])

    def look(self, mids, folder):
        """Each leads to its mail, which is in that folder."""
        uids = None
        for host in self.hosts:
            found = {mid: host.lookup(mid) for mid in mids}
            for mid, object in found.items():
                self.assertEqual(object, ("message", False, "alice", "dovecot", "alice", folder, object.message,
                                          f"imap://alice@localhost/{folder}/{object.message}"), f"{mid:x}")
            here = {mid: object.message for mid, object in found.items()}
            uids = here if uids is None else uids
            self.assertEqual(here, uids)
        mails = self.mails(folder, uids.values())
        self.assertEqual({mid: mails[uid] for mid, uid in uids.items()}, mids)

    def wait_named(self, mids, folder):
        """What makes no event of ours has been told everywhere."""
        for host in self.hosts:
            wait_until(lambda: host.lookup(next(iter(mids))).folder == folder, what=f"{folder} is known")

    def prove(self, n, some):
        there = self.deliver(n)
        self.assertEqual(len(there), n, "each mail has a MID")
        self.look(there, "INBOX")

        imap = self.dovecot.imap("alice")
        self.addCleanup(imap.logout)
        imap.create("Work/Old")
        imap.select("INBOX")
        imap.uid("MOVE", f"1:{some}", "Work/Old")
        moved = {}
        for word, _, mid, _, old_mid in self.wait_events(some):
            self.assertEqual(word, "moved")
            moved[mid] = there.pop(old_mid)
            for host in self.hosts:
                self.assertTrue(host.lookup(old_mid).deleted)
        self.look(moved, "Work/Old")
        imap.select("Work/Old")
        imap.uid("MOVE", "1", "INBOX")  # the last of INBOX now, by number the first
        [(_, _, back, _, old_mid)] = self.wait_events(1)
        there[back] = moved.pop(old_mid)

        imap.rename("Work", "Done")
        self.assertEqual(self.wait_events(1)[0][0], "moved")
        self.wait_named(moved, "Done/Old")
        self.look(moved, "Done/Old")
        self.look(there, "INBOX")

        # the same UIDs name other mails from here on
        imap.select("INBOX")
        imap.unselect() if hasattr(imap, "unselect") else imap.close()
        old = dict(there)
        done = self.dovecot.doveadm("mailbox", "update", "-u", "alice", "--uid-validity", "4000000000", "INBOX")
        self.assertEqual(done.returncode, 0, done.stderr)
        new = self.deliver(some)
        self.look(new, "INBOX")
        self.look(moved, "Done/Old")
        for host in self.hosts:
            self.assertEqual({host.lookup(mid).deleted for mid in old}, {True})


class OneNode(Proof, ServiceTest):
    def test_a_thousand_mails(self):
        self.begin([self.daemon(SECTIONS, start=False)])
        self.prove(1000, 100)

    def test_an_openchange_client_reports_in_its_own_way_and_means_the_same_folder_and_mail(self):
        """It writes the user with a capital and the folder in small letters."""
        sections = {**SECTIONS, "main": {"auth": "file", "case": "fold"},
                    "auth:file": {"file": "accounts"}}
        daemon = self.daemon(sections, start=False)
        self.begin([daemon])
        [host], [session] = self.hosts, self.sessions
        imap = self.dovecot.imap("alice")
        self.addCleanup(imap.logout)
        host.subscribe(session, 2, 0xfe)
        imap.create("Sent")
        imap.append("Sent", None, None, b"Subject: one\r\n\r\nx\r\n")
        # A folder is called as it was when it was first heard of: Dovecot's event comes first.
        while not any(e.mid for e in host.wait_events(session, 1)):
            pass
        client = self.client(daemon, login=False)
        client.login_scram(ACCOUNT, PASSWORD) if hasattr(client, "login_scram") else client.login_ssha(ACCOUNT, PASSWORD)
        for user, folder in (("Alice", "sent"), ("alice", "Sent"), ("ALICE", "SENT")):
            self.accepted(client.put(notification("modified", backend="dovecot", user=user, folder=folder,
                                                  message="1")), "queued")
        events = []
        while len(events) < 3:
            events += [e for e in host.wait_events(session, 1) if e.word == "modified" and e.mid]
        self.assertEqual(len({(e.fid, e.mid) for e in events}), 1)
        known = host.lookup(events[0].mid)
        self.assertEqual((known.user, known.folder, known.message), ("alice", "Sent", "1"))
        self.assertEqual(self.mails("Sent", ["1"]), {"1": "one"})
        self.accepted(client.put(notification("newmail", backend="dovecot", user="Alice", folder="inbox",
                                              message="77")), "queued")
        [new] = [e for e in host.wait_events(session, 2) if e.word == "newmail"][:1]
        self.assertEqual(host.lookup(new.fid).folder, "INBOX")


class ThreeNodes(Proof, RabbitTest):
    def test_a_hundred_mails_on_three_nodes(self):
        nodes = [Node(self.uri, name, number, overrides=SECTIONS) for number, name in enumerate("abc", 1)]
        for node in nodes:
            self.addCleanup(node.close)
        self.begin(nodes)
        for node in nodes:
            node.wait_linked()
        # the sessions began before the nodes were linked: until they are bound
        self.started = nodes
        wait_until(lambda: all(node.link("bound_users") >= 1 for node in nodes), what="alice is bound")
        self.prove(100, 20)


if __name__ == "__main__":
    unittest.main()
