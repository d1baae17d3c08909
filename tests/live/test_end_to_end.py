# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""The whole way: a real Dovecot with the plugin, the real daemon, a real consumer. What a user does
with mail is what the MAPI side hears of."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from dovecot_config import NEW
from rig import LDA, Dovecot

from harness import certificates, hashes, paths
from harness.case import ServiceTest
from harness.wait import wait_until

ACCOUNT, PASSWORD = "mailhost", "the plugin's password"
MAIL = b"From: a@example.org\r\nSubject: appended\r\n\r\nHello.\r\n"
CHANGED, ADDED, DELETED, MODIFIED = 1, 3, 4, 5


class EndToEnd(ServiceTest):
    def setUp(self):
        self.d = self.daemon({
            "main": {"auth": "file"}, "auth:file": {"file": "accounts"},
            "backend:dovecot": {"uri": "imap://{user}@localhost/{folder}/{message}"}}, start=False)
        self.d.write("accounts", f"{ACCOUNT}:{hashes.scram(PASSWORD)}\n", 0o600)
        self.d.start()
        # the daemon may be away for a while and come back under the same address
        self.d.overrides["server:main"] = {"port": str(self.d.port)}
        self.d.write_ini()

    def dovecot(self, folders=("INBOX",), wait=True, settings=None, **more):
        dovecot = self.reporter = Dovecot(plugin=paths.program("lib90_ocsmanager_plugin.so"), **more)
        self.addCleanup(self.stop_dovecot, dovecot)
        credentials = os.path.join(dovecot.folder, "credentials")
        with open(credentials, "w", encoding="ascii") as f:
            f.write(f"username={ACCOUNT}\npassword={PASSWORD}\n")
        os.chmod(credentials, 0o600)
        dovecot.settings = {"ocsmanager_url": f"http://{self.d.host}:{self.d.port}",
                            "ocsmanager_credentials": "<" + credentials,
                            "ocsmanager_timeout": "2s", **(settings or {})}
        dovecot.start()
        imap = dovecot.imap("alice")  # what is there before the story begins
        for folder in folders:
            if folder == "INBOX":
                imap.select(folder)
            else:
                imap.create(folder)
        imap.logout()
        if wait and folders:
            wait_until(dovecot.until_reported(
                lambda: self.d.metrics().get("ocsmanager_notifications_total") >= len(folders)), what="the folders are told")
        return dovecot

    def stop_dovecot(self, dovecot):
        log = dovecot.log() + dovecot.console()
        dovecot.stop()
        for word in ("Panic", "killed with signal", "AddressSanitizer"):
            self.assertNotIn(word, log)
        self.assertNotIn(PASSWORD, log)

    def listen(self, tables=("newmail", "object", "contents", "hierarchy"), user="alice", **more):
        return self.consumer(self.d, user, tables, **more)

    def came(self, consumer, n):
        """The first n events."""
        wait_until(self.reporter.until_reported(lambda: len(consumer.events()) >= n), what=f"{n} events")
        return consumer.wait_events(n)

    def kinds(self, consumer, n):
        """The first n events as sorted (table, flags)."""
        return sorted((e.table, e.flags) for e in self.came(consumer, n))

    ARRIVAL = sorted([("object", 0x8004), ("object", 0x3010), ("contents", 0x8100),
                      ("hierarchy", 0x0100)])
    NEWMAIL = sorted(ARRIVAL + [("newmail", 0x8002)])

    def test_an_lmtp_delivery(self):
        dovecot, udp = self.dovecot(), self.udp()
        consumer = self.listen(push=udp.address, context="0102")
        dovecot.deliver("alice")
        self.assertEqual(udp.receive(10)[0], b"\1\2")
        self.assertEqual(self.kinds(consumer, 5), self.NEWMAIL)
        counts = next(e for e in consumer.events() if e.flags == 0x3010)
        self.assertEqual((counts["total"], counts["unread"]), (1, 1))
        dovecot.deliver("alice")
        self.assertEqual(len(self.came(consumer, 10)), 10)
        mids = {e.mid for e in consumer.events() if e.flags == 0x8002}
        self.assertEqual(len(mids), 2)

    def test_an_lmtp_delivery_over_tls(self):
        """As doc/dovecot.md has it for a daemon on another host: https, and whom to trust."""
        folder = tempfile.mkdtemp(prefix="ocs-tls-")
        self.addCleanup(shutil.rmtree, folder)
        os.chmod(folder, 0o755)
        cert, key = certificates.make(folder, "ours", alternative="IP:127.0.0.1")
        other = certificates.make(folder, "other", alternative="IP:127.0.0.1")
        self.d.overrides["server:main"].update({"tls_cert": cert, "tls_key": key})
        self.d.write_ini()
        self.d.restart()
        url = f"https://127.0.0.1:{self.d.port}"
        dovecot = self.dovecot(settings={"ocsmanager_url": url, "ocsmanager_ca": cert})
        consumer = self.listen(("newmail",))
        dovecot.deliver("alice")
        self.assertEqual(self.kinds(consumer, 1), [("newmail", 0x8002)])
        dovecot.stop()
        told = self.d.metrics().get("ocsmanager_notifications_total")
        dovecot = self.dovecot(wait=False, settings={"ocsmanager_url": url, "ocsmanager_ca": other[0]})
        dovecot.deliver("alice")
        dovecot.wait_log("waiting to be reported")
        self.assertEqual(self.d.metrics().get("ocsmanager_notifications_total"), told)

    def test_an_lmtp_delivery_to_two_users(self):
        dovecot = self.dovecot()
        alice, bob = self.listen(("newmail",)), self.listen(("newmail",), "bob")
        dovecot.deliver("alice", "bob")
        self.assertEqual(len(self.came(alice, 1)), 1)
        self.assertEqual(len(self.came(bob, 1)), 1)

    @unittest.skipUnless(os.path.exists(LDA), "dovecot-lda is not installed")
    def test_an_lda_delivery(self):
        dovecot = self.dovecot()
        consumer = self.listen()
        dovecot.lda("alice")
        self.assertEqual(self.kinds(consumer, 5), self.NEWMAIL)

    @unittest.skipUnless(os.path.exists("/usr/bin/sievec"), "dovecot-sieve is not installed")
    def test_sieve_fileinto(self):
        dovecot = self.dovecot(sieve='require ["fileinto", "mailbox"];\n'
                                     'fileinto :create "Lists/dev";\n')
        consumer = self.listen(("newmail", "object"))
        dovecot.deliver("alice")
        events = self.came(consumer, 4)  # folder created; newmail, message created, folder modified
        self.assertEqual([e.flags for e in events if e.flags == 0x0004], [0x0004])
        new = next(e for e in events if e.flags == 0x8002)
        made = next(e for e in events if e.flags == 0x0004)
        self.assertEqual(new.fid, made.fid)

    def test_mail_that_comes_after_a_restored_snapshot_is_heard_of(self):
        """Its UIDs were given before, to mails that the snapshot does not have."""
        dovecot = self.dovecot()
        home = os.path.join(dovecot.folder, "mail", "alice")
        subprocess.run(["/bin/cp", "-a", home, home + ".snapshot"], check=True)
        consumer = self.listen(("newmail",))
        dovecot.deliver("alice")
        self.came(consumer, 1)
        shutil.rmtree(home)
        os.rename(home + ".snapshot", home)
        dovecot.deliver("alice")
        events = self.came(consumer, 2)
        self.assertEqual(len({e.mid for e in events}), 2, "another mail has another identifier")

    @unittest.skipIf(NEW, "the namespace is written as 2.3 wants it")
    def test_a_public_folder_has_one_fid_for_all_whom_the_map_names(self):
        """The lines of doc/dovecot.md, "Shared and public folders"."""
        self.d.write("map", "dovecot\t*\t*\t=\t-\ndovecot\t@public\tPublic/News\talice\t00000000000000f1\n"
                            "dovecot\t@public\tPublic/News\tbob\t00000000000000f1\n")
        self.d.reload({**self.d.overrides, "users": {"map": "map"}})
        public = tempfile.mkdtemp(prefix="ocs-public-")
        self.addCleanup(shutil.rmtree, public)
        os.chmod(public, 0o777)
        dovecot = self.dovecot(extra="namespace public {\n type = public\n separator = /\n prefix = Public/\n"
                                     f" subscriptions = no\n list = children\n location = maildir:{public}\n}}\n")
        alice, bob = self.listen(("hierarchy", "object")), self.listen(("object",), "bob")
        imap = dovecot.imap("bob")
        self.assertEqual(imap.create("Public/News")[0], "OK")
        imap.append("Public/News", None, None, MAIL)
        imap.logout()
        made = [next(e for e in self.came(c, 3) if e.flags == 0x8004) for c in (alice, bob)]
        self.assertEqual([e.fid for e in made], [0xf1, 0xf1])

    def test_an_append(self):
        dovecot = self.dovecot()
        consumer = self.listen()
        imap = dovecot.imap("alice")
        imap.append("INBOX", r"(\Seen)", None, MAIL)
        imap.logout()
        self.assertEqual(self.kinds(consumer, 4), self.ARRIVAL)
        counts = next(e for e in consumer.events() if e.flags == 0x3010)
        self.assertEqual((counts["total"], counts["unread"]), (1, 0))

    def two_mails(self, folders=("INBOX", "Archive")):
        """A dovecot with two mails in alice's INBOX, and alice's connection to it."""
        dovecot = self.dovecot(folders)
        imap = dovecot.imap("alice")
        self.addCleanup(imap.logout)
        for _ in range(2):
            imap.append("INBOX", None, None, MAIL)
        imap.select("INBOX")
        self.d.wait_metric("ocsmanager_notifications_total", len(folders) + 2)
        return dovecot, imap

    def test_a_copy(self):
        _, imap = self.two_mails()
        consumer = self.listen(("object", "contents"))
        imap.copy("1", "Archive")
        events = self.came(consumer, 3)
        copied = next(e for e in events if e.flags == 0x8040)
        self.assertTrue(copied.old_mid and copied.mid and copied.old_fid != copied.fid)
        self.assertEqual(sorted(e.flags for e in events), [0x3010, 0x8040, 0x8100])

    def test_a_move(self):
        _, imap = self.two_mails()
        consumer = self.listen(("object", "contents"))
        imap.uid("MOVE", "2", "Archive")
        events = self.came(consumer, 5)
        moved = next(e for e in events if e.flags == 0x8020)
        self.assertNotEqual(moved.old_fid, moved.fid)
        self.assertEqual(sorted(e.flags for e in events), [0x0010, 0x3010, 0x8020, 0x8100, 0x8100])
        gone = next(e for e in events if e.table_event == DELETED)
        self.assertEqual((gone.fid, gone.mid), (moved.old_fid, moved.old_mid))

    def test_flags(self):
        _, imap = self.two_mails()
        consumer = self.listen(("object", "hierarchy"))
        imap.store("1", "+FLAGS", r"(\Seen)")
        self.assertEqual(self.kinds(consumer, 2), [("hierarchy", 0x0100), ("object", 0x8010)])

    def test_an_expunge(self):
        _, imap = self.two_mails()
        imap.store("1", "+FLAGS", r"(\Deleted)")
        self.d.wait_metric("ocsmanager_notifications_total", 5)
        consumer = self.listen(("object", "contents"))
        imap.expunge()
        events = self.came(consumer, 3)
        self.assertEqual(sorted(e.flags for e in events), [0x3010, 0x8008, 0x8100])
        self.assertEqual(next(e["total"] for e in events if e.flags == 0x3010), 1)

    def test_folders_are_created_renamed_and_deleted(self):
        dovecot = self.dovecot()
        consumer = self.listen(("object",))
        imap = dovecot.imap("alice")
        imap.create("Work")
        created = consumer.wait_event(lambda e: e.flags == 0x0004)
        imap.rename("Work", "Done")
        moved = consumer.wait_event(lambda e: e.flags == 0x0020)
        self.assertEqual((moved.fid, moved.old_fid), (created.fid, created.fid))
        imap.append("Done", None, None, MAIL)
        here = consumer.wait_event(lambda e: e.flags == 0x8004)
        self.assertEqual(here.fid, created.fid)
        imap.delete("Done")
        gone = consumer.wait_event(lambda e: e.flags == 0x0008)
        self.assertEqual(gone.fid, created.fid)
        imap.logout()

    def test_a_folder_made_again_starts_afresh(self):
        dovecot = self.dovecot(("INBOX", "Work"))
        consumer = self.listen(("object",), types=0x0004)
        imap = dovecot.imap("alice")
        imap.append("Work", None, None, MAIL)
        first = consumer.wait_event(lambda e: e.flags == 0x8004)
        imap.delete("Work")
        imap.create("Work")
        imap.append("Work", None, None, MAIL)  # UID 1 again
        imap.logout()
        messages = lambda: [e for e in consumer.events() if e.flags == 0x8004]
        wait_until(lambda: len(messages()) == 2, what="the mail with the same UID is a new one")
        second = messages()[1]
        self.assertNotEqual((second.fid, second.mid), (first.fid, first.mid))
        self.assertNotEqual(second.mid, first.mid)

    def test_deliveries_while_the_daemon_is_away_are_modified_folders_when_it_is_back(self):
        dovecot = self.dovecot()
        consumer = self.listen(("newmail", "object"))
        lmtp = dovecot.lmtp()  # one process, which remembers
        self.addCleanup(lmtp.close)
        lmtp.deliver(["alice"], dovecot.message())
        self.assertEqual(len(self.came(consumer, 3)), 3)
        self.d.terminate()
        for _ in range(5):
            lmtp.deliver(["alice"], dovecot.message())
        self.d.start()

        def told():
            lmtp.deliver(["alice"], dovecot.message())  # the next delivery finds it
            return [e for e in consumer.events()[3:] if e.flags & 0x0FFF == 0x0010]
        wait_until(told, what="the folder is modified")
        lost = [l for l in dovecot.log().splitlines() if "ocsmanager" in l.lower()]
        self.assertLess(len(lost), 6, "said once, not for each mail: " + "\n".join(lost))

    def test_nobody_waits_for_a_daemon_that_is_away(self):
        dovecot = self.dovecot()
        self.d.terminate()
        times = sorted(dovecot.deliver("alice") for _ in range(10))
        self.assertLess(times[5], 1, times)

    def test_unknown_credentials_lose_no_mail(self):
        dovecot = self.dovecot()
        self.d.write("accounts", f"{ACCOUNT}:{hashes.scram('another')}\n", 0o600)
        self.d.reload(says="reloaded")
        for _ in range(3):
            dovecot.deliver("alice")
        imap = dovecot.imap("alice")
        self.assertEqual(imap.select("INBOX")[1], [b"3"])
        imap.logout()


if __name__ == "__main__":
    unittest.main()
