# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""The Dovecot plugin's spool: what a process cannot report before it ends, the next one reports. Each LMTP
process serves one connection here, as Dovecot 2.4 has it by default; 2.3 can be told to."""

import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import threading
import unittest
import zlib

from fakeserver import HANG, Slow, error
from plugin_case import MAIL, PASSWORD, Rig
from harness.wait import LIMIT, wait_until

PROMPT = 3  # a delivery that waited for a server would take the timeout of 10 s


def record(number, user="bob", folder="X"):
    """One as the plugin writes it."""
    xml = (f'<notification category="created" id="test-spool-{number}"><backend>dovecot</backend>'
           f"<username>{user}</username><folder>{folder}</folder></notification>").encode()
    return b"\n+%08x %s\n" % (zlib.crc32(xml), xml)


class Spooled(Rig):
    def start(self, behave=None, lmtp_requests=1, **settings):
        settings.setdefault("events", "newmail created deleted")
        settings.setdefault("timeout", "10s")
        self.setup(behave=behave, dovecot={"lmtp_requests": lmtp_requests}, **settings)
        return self.dovecot

    def deliver(self, count, *users):
        """Each mail over a connection of its own."""
        for _ in range(count):
            for user in users or ("alice",):
                self.assertLess(self.dovecot.deliver(user), PROMPT)

    def folder(self, user="root"):
        """The spool of LMTP, which reports as root, or of the user whose mail it is."""
        if os.geteuid() != 0:
            return os.path.join(self.dovecot.spool, str(os.geteuid()))
        return os.path.join(self.dovecot.spool, str(pwd.getpwnam(user).pw_uid))

    def files(self, user="root"):
        folder = self.folder(user)
        return sorted(f for f in os.listdir(folder) if f != "lock") if os.path.isdir(folder) else []

    def content(self, name, user="root"):
        try:
            with open(os.path.join(self.folder(user), name), "rb") as f:
                return f.read()
        except FileNotFoundError:
            return b""  # reported in the meantime

    def kept(self, user="root"):
        """Records that wait."""
        return sum(self.content(name, user).count(b"\n+") for name in self.files(user))

    def wait_kept(self, count, user="root"):
        wait_until(lambda: self.kept(user) >= count, what=f"{count} kept")
        self.assertEqual(self.kept(user), count)

    def deliver_kept(self, count, *users, owner="root"):
        """While the daemon is away: each mail is in the spool before the next one is delivered. What several
        processes have under way at a time is in no order: each puts it there when it gives up."""
        for _ in range(count):
            for user in users or ("alice",):
                kept = self.kept(owner)
                self.deliver(1, user)
                self.wait_kept(kept + 1, owner)

    def lines(self, text="ocsmanager:"):
        return [line for line in self.dovecot.log().splitlines() if text in line]

    def reported(self, user="alice", category="newmail"):
        """Message IDs, each once, in the order in which they came first."""
        return list(dict.fromkeys(int(n["messageID"]) for n in self.server.accepted
                                  if n["username"] == user and n["category"] == category))

    def deliver_until_reported(self, count, user="alice"):
        """The server is back: deliveries go on, and are what brings the kept ones out. Returns how
        many there are now."""
        for extra in range(1, 60):
            self.deliver(1, user)
            try:
                wait_until(lambda e=extra: len(self.reported(user)) >= count + e, 1, "all reported")
                return count + extra
            except AssertionError:
                continue
        self.fail(f"{len(self.reported(user))} of {count} reported: {self.dovecot.log()}")

    def assert_all(self, count, user="alice"):
        self.assertEqual(self.reported(user), list(range(1, count + 1)), "in order, none missing")


class Outages(Spooled):
    def outage(self, behave, tries_most, recover=None):
        self.start(behave=behave)
        self.deliver_kept(15)
        self.dovecot.wait_log("mail is stored as usual")
        self.assertLessEqual(len(self.server.requests), tries_most, "one pace for all processes")
        self.assertEqual(len(self.lines()), 1, "logged once, not by each process")
        self.server.behave = recover
        self.assert_all(self.deliver_until_reported(15))
        wait_until(lambda: not self.files(), what="the spool is empty")
        self.dovecot.wait_log("answers again")

    def test_a_daemon_that_is_down_costs_no_event(self):
        self.start()
        self.server.stop()
        self.deliver_kept(15)
        self.assertEqual(len(self.lines()), 1, self.lines())
        for name in self.files() + ["lock"]:
            path = os.path.join(self.folder(), name)
            self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
            self.assertNotIn(PASSWORD.encode(), self.content(name))
        self.server.start()
        self.assert_all(self.deliver_until_reported(15))
        ids = [n["id"] for n in self.server.accepted]
        self.assertEqual(len(ids), len(set(ids)), "none was sent twice")
        wait_until(lambda: not self.files(), what="the spool is empty")

    def test_a_daemon_that_hangs_costs_no_event(self):
        self.outage(lambda r: HANG, 6)

    def test_a_daemon_that_hangs_after_the_login_costs_no_event(self):
        self.outage(lambda r: HANG if r.method == "PUT" else None, 18)

    def test_a_daemon_that_is_slow_costs_no_event(self):
        self.start(behave=lambda r: Slow(0.4) if r.method == "PUT" else None)
        self.deliver(10)
        self.server.behave = None
        # not in order: what two processes have under way at a time arrives either way round
        count = self.deliver_until_reported(10)
        self.assertEqual(sorted(self.reported()), list(range(1, count + 1)))

    def test_what_was_under_way_when_the_daemon_went_away_is_kept_as_each_process_gives_up(self):
        self.start(behave=lambda r: HANG, timeout="60s")
        connections = []
        for number in (1, 2):
            connections.append(self.dovecot.lmtp())
            connections[-1].deliver(["alice"], self.dovecot.message())
            wait_until(lambda n=number: len(self.server.requests) == n, what=f"{number} is under way")
        connections[0].close()  # its process ends, and gives up
        self.wait_kept(1)
        self.deliver_kept(1)
        connections[1].close()
        self.wait_kept(3)
        self.server.behave = None
        count = self.deliver_until_reported(3)
        self.assertEqual(self.reported(), [1, 3, 2, *range(4, count + 1)])

    def test_a_daemon_that_refuses_for_now_costs_no_event(self):
        self.outage(lambda r: (503, {}, error(503, "REGISTRY_UNAVAILABLE")) if r.method == "PUT" else None,
                    24)

    def test_wrong_credentials_are_not_tried_by_each_process(self):
        self.start(behave=lambda r: (401, {}, error(401, "INVALID_CREDENTIALS"))
                   if r.path == "/authenticate/login" else None)
        self.deliver_kept(15)
        self.assertEqual(len(self.server.requests), 2, "one login: the daemon counts failed ones")
        self.assertEqual(len(self.lines()), 1)
        # the password was put right; who does not want to wait removes the lock file
        self.server.behave = None
        os.unlink(os.path.join(self.folder(), "lock"))
        self.assert_all(self.deliver_until_reported(15))

    def test_many_processes_at_a_time_and_a_daemon_that_comes_and_goes(self):
        self.start()
        users = ("alice", "bob", "carol@example.org")
        counts = dict.fromkeys(users, 0)

        def stream(user):
            for _ in range(25):
                self.dovecot.deliver(user)
                counts[user] += 1

        threads = [threading.Thread(target=stream, args=(u,)) for u in users]
        for thread in threads:
            thread.start()
        for total in (15, 30, 45):
            wait_until(lambda t=total: sum(counts.values()) >= t, what="deliveries")
            self.server.stop()
            wait_until(lambda t=total: sum(counts.values()) >= t + 8, what="deliveries")
            self.server.start()
        for thread in threads:
            thread.join(LIMIT)
        for user in users:
            self.assertEqual(counts[user], 25)
            count = self.deliver_until_reported(25, user)
            self.assertEqual(sorted(self.reported(user)), list(range(1, count + 1)))

    def test_a_process_that_lives_on_reports_without_another_event(self):
        self.start(lmtp_requests=0)
        self.server.stop()
        connection = self.dovecot.lmtp()
        self.addCleanup(connection.close)
        for _ in range(10):
            connection.deliver(["alice"], self.dovecot.message())
        self.wait_kept(10)
        self.server.start()
        wait_until(lambda: len(self.reported()) == 10, what="all reported")
        self.assert_all(10)

    def test_a_process_that_is_killed_loses_nothing_of_an_outage(self):
        self.start(lmtp_requests=0)
        self.server.stop()
        connection = self.dovecot.lmtp()
        connection.deliver(["alice"], self.dovecot.message())
        self.dovecot.wait_log("mail is stored as usual")
        for _ in range(9):
            connection.deliver(["alice"], self.dovecot.message())
        self.wait_kept(10)
        for pid in self.processes("dovecot/lmtp"):
            os.kill(pid, signal.SIGKILL)
        connection.close()
        self.server.start()
        self.assert_all(self.deliver_until_reported(10))

    def processes(self, name):
        """Those of this Dovecot: children of its master."""
        children = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(self.dovecot.process.pid)],
                                  capture_output=True, text=True, check=True).stdout
        return [int(line.split()[0]) for line in children.splitlines() if name in line]

    def test_imap_and_lda_processes_leave_their_events_to_the_next(self):
        self.start(lmtp_requests=0)
        self.server.stop()
        imap = self.dovecot.imap("alice")
        imap.append("INBOX", None, None, MAIL)
        imap.logout()
        self.wait_kept(1, "nobody")
        self.assertLess(self.dovecot.lda("alice"), 5)
        self.wait_kept(2, "nobody")
        self.assertEqual(self.lines("not reported to"), [])
        self.server.start()
        wait_until(lambda: self.dovecot.lda("alice") and len(self.server.accepted) >= 3, what="reported")
        got = [(n["category"], n.get("messageID")) for n in self.server.accepted]
        self.assertEqual(got[:3], [("created", "1"), ("newmail", "2"), ("newmail", "3")])


class Folder(Spooled):
    def test_a_torn_record_costs_itself_only(self):
        self.start()
        self.server.stop()
        self.deliver_kept(2)
        path = os.path.join(self.folder(), self.files()[0])
        with open(path, "ab") as f:
            f.write(b"\n+0123abcd <notification category=")
        self.deliver_kept(2)
        with open(path, "ab") as f:
            f.write(b"\n\n\n\x00\xff" + b"x" * 100_000 + b"\n+00000000 <notification/>\n-\n\n+")
        self.server.start()
        self.assert_all(self.deliver_until_reported(4))
        wait_until(lambda: not self.files(), what="the spool is empty")
        self.assertGreaterEqual(len(self.lines("is damaged")), 1)  # by each process that was reading it

    def test_a_record_that_was_reported_is_not_sent_again(self):
        self.start(lmtp_requests=0)
        self.server.stop()
        self.deliver_kept(4)
        path = os.path.join(self.folder(), self.files()[0])
        with open(path, "rb") as f:
            data = f.read()
        with open(path, "r+b") as f:
            f.seek(data.index(b"\n+") + 1)
            f.write(b"-")
        self.server.start()
        self.deliver_until_reported(3)
        self.assertNotIn(1, self.reported())

    def ids(self):
        return [n["id"] for n in self.server.accepted if n["username"] == "bob"]

    def test_what_one_process_got_rid_of_is_not_sent_by_the_next(self):
        reports = []

        def one_batch(request):
            if request.method != "PUT":
                return None
            reports.append(request)
            return None if len(reports) == 1 else HANG

        self.start(behave=one_batch)
        self.server.stop()
        self.deliver_kept(1)
        with open(os.path.join(self.folder(), self.files()[0]), "ab") as f:
            f.write(b"".join(record(n) for n in range(600)))
        self.server.start()
        wait_until(lambda: self.deliver(1) or len(reports) > 1, what="a second batch")
        sent = len(self.ids())
        self.assertGreater(sent, 200)
        self.server.behave = None
        self.deliver_until_reported(1)
        wait_until(lambda: len(self.ids()) >= 600, what="all")
        self.assertEqual(self.ids(), [f"test-spool-{n}" for n in range(600)], "in order, each once")

    def test_a_file_is_not_removed_under_a_writer(self):
        self.start()
        self.server.stop()
        self.deliver_kept(2)
        path = os.path.join(self.folder(), self.files()[0])
        with open(path, "ab", buffering=0) as writer:
            fcntl.flock(writer, fcntl.LOCK_SH)
            self.server.start()
            count = self.deliver_until_reported(2)
            self.deliver_until_reported(count)  # by another process, which looks again
            self.assertTrue(os.path.exists(path))
            writer.write(record(1))
        wait_until(lambda: self.deliver(1) or self.ids(), what="what it wrote last")
        wait_until(lambda: not os.path.exists(path), what="it is removed")

    def test_a_file_that_is_about_to_be_removed_is_not_written_to(self):
        self.start()
        self.server.stop()
        self.deliver_kept(1)
        path = os.path.join(self.folder(), self.files()[0])
        with open(path, "rb") as reader:
            fcntl.flock(reader, fcntl.LOCK_EX)
            before = os.path.getsize(path)
            self.deliver_kept(2)
            self.assertEqual((os.path.getsize(path), len(self.files())), (before, 2))
        self.server.start()
        self.assert_all(self.deliver_until_reported(3))

    def test_what_a_process_has_under_way_at_its_end_stays(self):
        reports = []

        def slow(request):
            if request.method != "PUT":
                return None
            reports.append(request)
            return Slow(0.7) if len(reports) == 1 else HANG if len(reports) == 2 else None

        self.start(behave=slow)
        connection = self.dovecot.lmtp()
        for _ in range(2):
            connection.deliver(["alice"], self.dovecot.message())
            wait_until(lambda: reports, what="the first is under way")
        connection.close()
        wait_until(lambda: len(reports) == 2, what="the second is")
        self.wait_kept(1)
        self.assert_all(self.deliver_until_reported(2))

    def test_what_is_refused_for_good_does_not_stay(self):
        self.start(behave=lambda r: HANG)
        self.deliver_kept(3, "alice", "bob")
        self.server.behave = lambda r: (422, {}, error(422, "UNKNOWN_USER")) \
            if r.method == "PUT" and b">bob<" in r.body else None
        self.assert_all(self.deliver_until_reported(3))
        wait_until(lambda: not self.files(), what="the spool is empty")

    @unittest.skipIf(os.geteuid() != 0, "needs root")
    def test_a_folder_that_others_could_write_to_is_not_used(self):
        for what in ("mode", "owner", "link"):
            with self.subTest(what=what):
                self.start(spool="", lmtp_requests=0)
                folder = self.folder()
                os.makedirs(folder, exist_ok=True)
                if what == "mode":
                    os.chmod(folder, 0o750)
                elif what == "owner":
                    shutil.chown(folder, "nobody")
                    os.chmod(folder, 0o700)
                else:
                    os.rmdir(folder)
                    os.symlink(self.folder("nobody"), folder)
                self.dovecot.stop_processes()
                self.dovecot.settings["ocsmanager_spool"] = self.dovecot.spool
                self.dovecot.start()
                self.server.stop()
                self.deliver(1)
                self.dovecot.wait_log("is not used: it must belong to uid 0 and have mode 700"
                                      if what != "link" else "failed: Not a directory")
                self.assertEqual(self.files("nobody"), [])
                self.server.start()  # and memory bridges it, as without a spool
                wait_until(lambda: self.reported() == [1], what="reported")
                self.doCleanups()

    @unittest.skipIf(os.geteuid() != 0, "needs root")
    def test_who_has_no_folder_is_told_which(self):
        self.start(lmtp_requests=0)
        shutil.rmtree(self.folder("nobody"))
        self.server.stop()
        self.dovecot.lda("alice")
        uid = pwd.getpwnam("nobody").pw_uid
        log = self.dovecot.wait_log("not reported to")
        self.assertIn(f"a folder {self.dovecot.spool}/{uid} of uid {uid}, mode 700, would keep them", log)

    def test_a_full_spool_leaves_the_folders(self):
        self.start(lmtp_requests=0, queue_max="5")
        self.server.stop()
        os.makedirs(self.folder(), exist_ok=True)
        os.chmod(self.folder(), 0o700)
        for number in range(1, 65):
            with open(os.path.join(self.folder(), f"{number:016x}"), "wb") as f:
                f.write(record(number) + b"\n" * (1 << 20))
        connection = self.dovecot.lmtp()
        self.addCleanup(connection.close)
        for _ in range(20):
            connection.deliver(["alice"], self.dovecot.message())
        self.dovecot.wait_log("failed: Disk quota exceeded")
        self.assertEqual(len(self.files()), 64)
        self.server.start()
        wait_until(lambda: any(n["category"] == "modified" for n in self.server.accepted), what="modified")
        self.assertEqual([n["folder"] for n in self.server.accepted if n["username"] == "bob"], ["X"] * 64)
        self.assertEqual(self.reported(), [1, 2, 3, 4, 5])
        wait_until(lambda: not self.files(), what="the spool is empty")

    def test_it_can_be_switched_off(self):
        self.start(spool="")
        self.server.stop()
        self.deliver(1)
        self.dovecot.wait_log("the process ends with 1 event and 0 folders not reported")
        self.assertEqual(self.files(), [])

    @unittest.skipIf(os.geteuid() != 0, "needs root")
    def test_without_root_everything_is_in_one_folder(self):
        self.setup(dovecot={"run_as": "nobody", "lmtp_requests": 1}, events="newmail")
        self.server.stop()
        self.deliver_kept(3, owner="nobody")
        self.server.start()
        self.assert_all(self.deliver_until_reported(3))


class Socket(Outages):
    """The same over the socket of a daemon on this host."""

    amqp = True
    test_wrong_credentials_are_not_tried_by_each_process = None
    test_a_daemon_that_hangs_after_the_login_costs_no_event = None


if __name__ == "__main__":
    unittest.main(verbosity=2)
