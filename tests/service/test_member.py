# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""A hostile member of the registry's group: what a MAPI server that was broken into can put into the shared folder
stops neither daemon nor other MAPI servers. Needs root, to be three users; else there is nothing to be tested."""

import grp
import os
import pwd
import signal
import stat
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness import mq, paths
from harness.case import ROOT, ServiceTest
from harness.member import Member
from harness.wait import LIMIT, wait_until

GROUP = "mail"
OWNER = "daemon"  # whom the daemon continues as
HOST = "irc"  # the user of the other MAPI servers; tests of limits have users of their own
GHOST = "00000000deadbeef"  # a context of nobody


def sparse(path, size):
    return f"f = open({path!r}, 'r+b' if os.path.exists({path!r}) else 'wb'); f.truncate({size}); f.close()\n"


@unittest.skipUnless(ROOT, "needs three users, so root")
class Case(ServiceTest):
    users = 0
    limits = {"limits": {"request_deadline": "2"}}

    def setUp(self):
        self.gid = grp.getgrnam(GROUP).gr_gid
        self.d = self.daemon({"main": {"auth": "single", "registry": "run", "user": OWNER, "group": GROUP}, **self.limits})
        os.chmod(self.d.ini, 0o644)
        self.begin()

    def begin(self):
        self.member = Member(self.d.registry, self.gid)
        self.addCleanup(self.member.lets_go)

    def path(self, name):
        return os.path.join(self.d.registry, name)

    def host(self, user="jdoe", tables=(), **more):
        """Another MAPI server: a third user, of the same group."""
        wrapper = ["setpriv", f"--reuid={HOST}", f"--regid={self.gid}", "--clear-groups"]
        return self.consumer(self.d, user, tables, wrapper=wrapper, **more)

    def all_is_well(self):
        """A new user's message gets its identifier from the store thread, and arrives."""
        c = self.client(self.d, timeout=LIMIT)
        Case.users += 1
        user = f"u{Case.users}"
        events = self.host(user)
        wait_until(lambda: self.d.operations("/healthz")[0] == 200, what=lambda: self.d.operations("/healthz")[1])
        # in time, or after another try, where the machine is busy with what a member left
        answer = wait_until(lambda: (lambda a: a.status != 503 and a)(c.newmail("well", user=user)), what="it is taken")
        self.assertIn(self.accepted(answer).statuses, (["queued"], ["duplicate"]))
        events.wait_events(1)
        c.close()

    def restarted(self):
        self.d.terminate()
        return self.d

    def owner(self, name):
        """None where the daemon is just replacing it."""
        try:
            return os.lstat(self.path(name)).st_uid
        except FileNotFoundError:
            return None


class QueueLists(Case):
    def ghost(self):
        """The files of a context that is dead, as old as they must be to be looked at."""
        self.member.does(f"s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind('wake/{GHOST}.sock')\n"
                         f"old('wake/{GHOST}.sock')")

    def gone(self):
        wait_until(lambda: not os.path.lexists(self.path(f"wake/{GHOST}.queues")), what="the janitor went on")
        self.all_is_well()

    def test_a_fifo_as_a_queue_list(self):
        self.ghost()
        self.member.does(f"os.mkfifo('wake/{GHOST}.queues'); old('wake/{GHOST}.queues')")
        self.gone()

    def test_a_fifo_as_the_queue_list_of_a_forged_context(self):
        self.member.does(f"os.mkfifo('wake/{GHOST}.queues')\n"
                         "with Tdb('registry.tdb') as tdb:\n"
                         f"    tdb.store(b'L', bytes.fromhex('{GHOST}')[::-1])")
        self.all_is_well()

    def test_a_hole_of_a_terabyte_as_a_queue_list(self):
        self.ghost()
        self.member.does(sparse(f"wake/{GHOST}.queues", 1 << 40) + f"old('wake/{GHOST}.queues')")
        self.gone()

    def test_a_hole_as_large_as_a_list_may_be(self):
        self.ghost()
        self.member.does(sparse(f"wake/{GHOST}.queues", 1 << 24) + f"old('wake/{GHOST}.queues')")
        self.gone()

    def test_a_folder_as_a_queue_list_and_a_socket(self):
        self.member.does(f"os.makedirs('wake/{GHOST}.queues/x'); old('wake/{GHOST}.queues')\n"
                         f"os.makedirs('wake/{GHOST}.sock/x'); old('wake/{GHOST}.sock')")
        self.all_is_well()

    def test_the_name_of_a_queue_that_is_not_ours(self):
        events = self.host()
        events.stop()
        foreign = "/ocs.someone.store.newmail.00000001"
        mq.create_as(OWNER, foreign)  # not of the registry's group
        self.addCleanup(mq.unlink, foreign)
        events.kill()
        self.ghost()
        self.member.does(f"open('wake/{GHOST}.queues', 'w').write('{foreign}\\n'); old('wake/{GHOST}.queues')")
        self.gone()
        self.assertEqual(mq.state(foreign)[1], pwd.getpwnam(OWNER).pw_uid)

    def test_another_members_list_cannot_be_written(self):
        self.host()
        lists = [n for n in os.listdir(self.path("wake")) if n.endswith(".queues")]
        for name in lists:
            with self.assertRaisesRegex(AssertionError, "PermissionError"):
                self.member.does(f"open('wake/{name}', 'a')")


class Spill(Case):
    """The lists are the daemon's; the group writes how far it has read, so it can write them."""

    def full(self, n=20):
        events = self.host(tables=("newmail",))
        events.stop()
        c = self.client(self.d, timeout=LIMIT)
        for i in range(n):
            self.accepted(c.newmail(f"{events.pid}.{i}", messageFlags=i), "queued")
        [name] = os.listdir(self.path("spill"))
        return events, c, "spill/" + name

    def test_nobody_else_makes_a_list(self):
        self.full()
        for code in ("open('spill/x', 'w')", "os.mkfifo('spill/x')", "os.mkdir('spill/x')"):
            with self.assertRaisesRegex(AssertionError, "PermissionError"):
                self.member.does(code)
        self.assertEqual(stat.S_IMODE(os.lstat(self.path("spill")).st_mode), 0o750)

    def forged(self, name, code):
        self.member.does(f"import random\nfd = os.open({name!r}, os.O_RDWR)\n" + code)

    def goes_on(self, events, c):
        events.go_on()
        wait_until(lambda: self.d.operations("/healthz")[0] == 200)
        # what waited may be lost; what comes when the lists are read through is not
        n = wait_until(lambda: len(events.events()) or events.process.poll() is not None or 1)
        self.assertTrue(n)
        self.assertIsNone(events.process.poll())
        self.all_is_well()

    def test_how_far_it_was_read_is_the_largest_number(self):
        events, c, name = self.full()
        self.forged(name, "os.pwrite(fd, struct.pack('<QQ', 2**64 - 1, 0), 0)")
        self.accepted(c.newmail(f"more {events.pid}"), "queued")
        self.goes_on(events, c)

    def test_garbage(self):
        events, c, name = self.full()
        self.forged(name, "os.pwrite(fd, random.Random(1).randbytes(65536), 0)")
        self.accepted(c.newmail(f"more {events.pid}"), "queued")
        self.d.restart()
        self.goes_on(events, self.client(self.d))

    def test_a_list_cut_short_and_one_of_a_terabyte(self):
        for size in (0, 300, 1 << 40):
            with self.subTest(size=size):
                events, c, name = self.full()
                self.forged(name, f"os.ftruncate(fd, {size})")
                self.accepted(c.newmail(f"more {events.pid}"), "queued")
                self.goes_on(events, c)
                events.close()
                wait_until(lambda: not os.listdir(self.path("spill")), what="its list is removed")


class Files(Case):
    def size(self, name):
        try:
            return os.path.getsize(self.path(name))
        except FileNotFoundError:  # one takes the place of the other
            return 0

    def test_the_registry_cut_short(self):
        events = self.host()
        for size in (0, 100, 5000):
            self.member.does(f"os.truncate('registry.tdb', {size})")
            wait_until(lambda: "cut short" in self.d.log() or "made anew" in self.d.log())
            wait_until(lambda: self.size("registry.tdb") > 5000, what="it is made anew")
        self.assertIsNone(events.process.poll())
        self.all_is_well()

    def test_the_registry_with_a_hole(self):
        for size in (1 << 40, 3 << 30):
            with self.subTest(size=size):
                self.member.does(sparse("registry.tdb", size))
                wait_until(lambda: 0 < self.size("registry.tdb") < 1 << 26, what="it is made anew")
                self.all_is_well()
                self.restarted()
                os.truncate(self.path("registry.tdb"), size)
                self.d.start()
                self.all_is_well()

    def test_a_registry_of_garbage_and_folders_in_the_way_of_a_new_one(self):
        self.restarted()
        self.member.does("for n in ('registry.tdb.new', 'registry.tdb.fresh', 'registry.tdb.other', 'private.new',\n"
                         "          'users.map.new', 'index.tdb.new', 'replica_ids.new'): os.makedirs(n + '/x')\n"
                         "open('registry.tdb', 'r+b').write(b'garbage' * 1000)")
        self.d.start()
        self.assertIn("moved aside", self.d.log())
        self.all_is_well()

    def test_folders_in_the_way_of_one_made_while_the_daemon_runs(self):
        self.member.does("for n in ('registry.tdb.new', 'registry.tdb.fresh', 'registry.tdb.other',\n"
                         "          'registry.tdb.fresh.new'): os.makedirs(n + '/x')\n"
                         "os.truncate('registry.tdb', 0)")
        self.d.err.wait_text("made anew")
        self.all_is_well()

    SOCKETS = ("bind.sock", "report.sock", "ocsmanager.lock", "users.map")

    def test_what_stands_in_the_place_of_what_the_daemon_makes_at_its_start(self):
        makes = {"a folder": "os.makedirs(n + '/x')", "a FIFO": "os.mkfifo(n)", "a link": "os.symlink('/etc/passwd', n)",
                 "a file": "open(n, 'w').write('x')",
                 "a socket": "socket.socket(socket.AF_UNIX).bind(n)"}
        for what, code in makes.items():
            with self.subTest(what):
                self.restarted()
                for name in self.SOCKETS + ("spill", "messages", "wake"):
                    subprocess.run(["rm", "-rf", self.path(name)], check=True)
                self.member.does(f"for n in {self.SOCKETS + ('spill', 'messages', 'wake')!r}: {code}")
                self.d.start()
                self.assertIn("had put in the place", self.d.log())
                for name in ("spill", "messages", "wake", "ocsmanager.lock", "report.sock"):
                    self.assertEqual(self.owner(name), pwd.getpwnam(OWNER).pw_uid, name)
                self.all_is_well()

    def test_other_peoples_files_with_names_like_the_daemons_stay(self):
        files = ("index.tdb.bak", "index.tdb.newer", "index.x.tdb", "id_mark.1.old", "replica_ids.2025", "users.map.old",
                 "spillover.txt", "messages-of-today", "wake.log", "registry.tdb.gz")
        links = ("index.html", "id_mark.txt", "index.1.tdb.bak")
        makes = ("registry.tdb.other", "users.map.new", "index.tdb.new", "replica_ids.new")
        self.restarted()
        self.member.does(f"for n in {files + makes!r}: open(n, 'w').write('x')\n"
                         f"for n in {links!r}: os.symlink('/etc/passwd', n)")
        self.d.start()
        self.assertEqual([n for n in files + links if not os.path.lexists(self.path(n))], [])
        self.assertEqual([n for n in makes if os.path.lexists(self.path(n))], [])

    def test_the_next_file_of_the_index(self):
        """Any member can make index.1.tdb, as long as the index has one file."""
        for code in ("os.mkfifo('index.1.tdb')", "os.makedirs('index.1.tdb/x')",
                     "import shutil; shutil.copy('index.tdb', 'index.1.tdb')"):
            with self.subTest(code):
                self.member.does(code)
                self.d.restart()
                self.all_is_well()
                subprocess.run(["rm", "-rf", self.path("index.1.tdb")], check=True)

    def test_the_mark_and_the_list_of_replica_ids(self):
        for name in ("id_mark.1", "replica_ids"):
            for code in ("os.mkfifo(n)", "os.makedirs(n + '/x')", "os.symlink('/etc/passwd', n)"):
                with self.subTest(name=name, code=code):
                    self.restarted()
                    os.unlink(self.path(name))
                    self.member.does(f"n = {name!r}; {code}")
                    self.d.start()
                    self.all_is_well()
                    self.assertEqual(self.owner(name), pwd.getpwnam(OWNER).pw_uid)

    def test_a_file_of_identifiers_of_somebody_else_is_refused(self):
        for name in ("id_mark.1", "replica_ids", "index.tdb"):
            with self.subTest(name):
                self.restarted()
                os.rename(self.path(name), self.d.path("kept"))
                self.member.does(f"open({name!r}, 'w').write('1\\n')")
                self.d.start(ready=False)
                self.assertEqual(self.d.wait_exit(), 1)
                self.assertRegex(self.d.log(), f"{name}: belongs to uid {self.member.uid}")
                os.rename(self.d.path("kept"), self.path(name))
                self.d.start()
                self.all_is_well()


class Folders(Case):
    def setUp(self):
        super().setUp()
        self.restarted()

    def test_private_as_a_link(self):
        target = self.d.path("target")
        os.mkdir(target, 0o755)
        os.chmod(target, 0o755)
        os.rename(self.path("private"), self.d.path("kept"))
        self.member.does(f"os.symlink({target!r}, 'private')")
        self.d.start()
        self.assertEqual(stat.S_IMODE(os.lstat(target).st_mode), 0o755, "nothing is done to what it leads to")
        self.assertTrue(stat.S_ISDIR(os.lstat(self.path("private")).st_mode))
        self.assertEqual(self.owner("private"), pwd.getpwnam(OWNER).pw_uid)
        self.all_is_well()

    def test_private_as_a_link_of_the_admin_is_refused(self):
        os.rename(self.path("private"), self.d.path("kept"))
        os.symlink(self.d.path("kept"), self.path("private"))
        self.d.start(ready=False)
        self.assertEqual(self.d.wait_exit(), 1)
        self.assertIn("private", self.d.log())

    def test_private_of_somebody_else_is_refused(self):
        os.rename(self.path("private"), self.d.path("kept"))
        self.member.does("os.mkdir('private')")
        self.d.start(ready=False)
        self.assertEqual(self.d.wait_exit(), 1)
        self.assertIn(f"private belongs to uid {self.member.uid}", self.d.log())

    def test_a_registry_folder_without_the_sticky_bit(self):
        os.chmod(self.d.registry, 0o2770)
        self.d.start()
        self.assertEqual(stat.S_IMODE(os.stat(self.d.registry).st_mode), 0o3770)
        self.assertIn("had mode 2770", self.d.log())
        self.all_is_well()

    def test_a_registry_folder_of_somebody_else(self):
        os.chown(self.d.registry, self.member.uid, -1)
        self.d.start(ready=False)
        self.assertEqual(self.d.wait_exit(), 1)
        self.assertIn(f"belongs to uid {self.member.uid}", self.d.log())

    def test_a_folder_of_wake_up_sockets_of_somebody_else(self):
        self.d.start()
        self.member.does("os.mkdir('other'); os.chmod('other', 0o777)")
        subprocess.run(["rm", "-rf", self.path("wake")], check=True)
        os.rename(self.path("other"), self.path("wake"))  # over an empty one too, which the daemon may have made
        wait_until(lambda: self.owner("wake") == pwd.getpwnam(OWNER).pw_uid, what="the daemon replaces it")
        self.all_is_well()

    def test_the_library_uses_no_folder_of_somebody_else(self):
        self.d.start()
        self.d.terminate()
        subprocess.run(["rm", "-rf", self.path("wake")], check=True)
        self.member.does("os.mkdir('wake'); os.chmod('wake', 0o777)")
        events = self.host(ready=False)
        self.assertNotEqual(events.wait_exit(), 0)
        self.assertIn(f"belongs to uid {self.member.uid}", events.err.text())
        events.close = lambda: None


class Locks(Case):
    """A stopped process keeps its locks for ever."""

    def test_flock_on_the_lock_file_and_the_folder(self):
        self.restarted()
        self.member.holds("fcntl.flock(os.open('ocsmanager.lock', os.O_RDONLY), fcntl.LOCK_SH)")
        self.member.holds("fcntl.flock(os.open('.', os.O_RDONLY), fcntl.LOCK_EX)")
        self.d.start()
        self.all_is_well()
        done = subprocess.run([paths.program("ocsmanager"), "-c", self.d.ini, "-f"], capture_output=True, timeout=LIMIT)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"another ocsmanager (pid {self.d.pid}) serves", done.stderr.decode())
        done = subprocess.run([paths.program("ocsctl"), "-c", self.d.ini, "status"], capture_output=True, timeout=LIMIT)
        self.assertEqual(done.returncode, 0, done)

    FILES = ("registry.tdb", "index.tdb")
    WHOLE = "fd = os.open({!r}, os.O_RDWR); fcntl.lockf(fd, fcntl.LOCK_EX)"
    OPENING = "fd = os.open({!r}, os.O_RDWR); fcntl.lockf(fd, fcntl.LOCK_EX, 1, 0)"
    RECORDS = "fd = os.open({!r}, os.O_RDWR); fcntl.lockf(fd, fcntl.LOCK_SH, 0, 168)"

    def test_the_start_gives_up_and_names_the_process(self):
        for name in self.FILES:
            for code in (self.WHOLE, self.OPENING):
                with self.subTest(name=name, code=code):
                    self.restarted()
                    pid = self.member.holds(code.format(name))
                    self.d.start(ready=False)
                    self.assertEqual(self.d.wait_exit(), 1)
                    self.assertIn(f"{name}: locked by process {pid}", self.d.log())
                    self.member.lets_go()
                    self.d.start()
                    self.all_is_well()

    def test_a_start_that_waits_ends_with_sigterm(self):
        for name in self.FILES:
            with self.subTest(name):
                self.restarted()
                self.member.holds(self.WHOLE.format(name))
                self.d.start(ready=False)
                # it has the file open, so that it waits for the lock
                wait_until(lambda: self.d.alive() and self.opened(name), what="it has opened the file")
                self.d.process.send_signal(signal.SIGTERM)
                self.assertEqual(self.d.wait_exit(), 0)
                self.assertIn("told to end while it started", self.d.log())
                self.member.lets_go()
                self.d.start()

    def opened(self, name):
        folder = f"/proc/{self.d.pid}/fd"
        try:
            return any(os.readlink(f"{folder}/{fd}").endswith("/" + name) for fd in os.listdir(folder))
        except OSError:
            return False

    def test_locks_taken_while_the_daemon_runs(self):
        for name in self.FILES:
            for code in (self.WHOLE, self.OPENING, self.RECORDS):
                with self.subTest(name=name, code=code):
                    self.member.holds(code.format(name))
                    c = self.client(self.d, timeout=LIMIT)
                    answer = c.newmail("held", user="somebody")
                    self.assertIn(answer.status, (200, 503), answer)
                    self.member.lets_go()
                    self.all_is_well()
                    c.close()

    def test_sigterm_while_a_lock_is_held(self):
        for name in self.FILES:
            with self.subTest(name):
                self.member.holds(self.WHOLE.format(name))
                self.d.terminate()
                self.member.lets_go()
                self.d.start()

    def test_the_library_gives_up_and_names_the_process(self):
        for code in (self.WHOLE, self.OPENING):
            with self.subTest(code):
                pid = self.member.holds(code.format("registry.tdb"))
                events = self.host(ready=False)
                self.assertNotEqual(events.wait_exit(), 0)
                self.assertIn(f"locked by process {pid}", events.err.text())
                events.close = lambda: None
                self.member.lets_go()

    def test_a_recovery_that_somebody_has_asked_for(self):
        """libtdb does it with the first lock it takes, and waits for all others then."""
        self.member.holds("fd = os.open('registry.tdb', os.O_RDWR)\n"
                          "at, = struct.unpack('<I', os.pread(fd, 4, 44))\n"
                          "os.pwrite(fd, struct.pack('<I', 0xf53bc0e7), at + 20)\n"
                          "fcntl.lockf(fd, fcntl.LOCK_SH, 1, 168 + 4 * 77)")
        self.d.terminate()
        self.member.lets_go()
        self.d.start()
        self.all_is_well()


class Records(Case):
    def test_many_contexts(self):
        self.member.does("ids = b''.join(struct.pack('<Q', n) for n in range(1, 1000001))\n"
                         "with Tdb('registry.tdb') as tdb: tdb.store(b'L', ids)")
        self.all_is_well()

    def test_a_store_that_a_million_sessions_see(self):
        """Each was compared with all before it."""
        self.member.does(RECORD + "users = b''.join(struct.pack('<QH', n, 8) + b'%08d' % n for n in range(1, 1000001))\n"
                         "key = b'Xsogo\\0jdoe'\n"
                         "all = [key, record(key, users)]\n"
                         "for n in range(1, 5001):\n"
                         "    s = b'S' + struct.pack('<Q', n)\n"
                         "    all += [s, record(s, b'\\1' + b'\\0' * 55 + b'%08d' % n)]\n"
                         "with Tdb('registry.tdb') as tdb: tdb.store(*all)")
        # four thousand of them are told, which takes its time
        self.assertIn(self.client(self.d, timeout=LIMIT).newmail("1").status, (200, 503))
        self.all_is_well()

    def test_settings_that_no_ini_can_say(self):
        # push_interval 0: the library would send datagrams without end
        self.member.does(RECORD + "with Tdb('registry.tdb') as tdb:\n"
                         "    good = tdb.records()[b'Ms'][5:]\n"
                         "    tdb.store(b'Ms', record(b'Ms', b'\\xff' * 16 + b'\\0' * 4 + good[20:22] + b'/etc/shadow\\0'))")
        events = self.host("pushed", push=self.udp().address, context="00010203")
        c = self.client(self.d, timeout=LIMIT)
        self.accepted(c.newmail("1", user="pushed"), "queued")
        events.wait_events(1)

    def test_datagrams_to_the_wake_up_socket(self):
        events = self.host()
        [name] = [n for n in os.listdir(self.path("wake")) if n.endswith(".sock")]
        self.member.does("s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
                         f"for n in range(20000):\n"
                         f"    s.sendto((b'', b'x', b'\\xff' * 8, b'\\0' * 128, b'y' * 4096)[n % 5], 'wake/{name}')\n")
        c = self.client(self.d, timeout=LIMIT)
        self.accepted(c.newmail("1"), "queued")
        events.wait_events(1)
        self.all_is_well()


class Garbage(Case):
    """What a fuzzer does to a decoder, done to the files while all run. The same bytes each time."""

    ROUNDS = 25

    SCRIBBLE = """
import random
r = random.Random({seed})
def scribble(path):
    fd = os.open(path, os.O_RDWR)
    size = os.fstat(fd).st_size
    for _ in range(r.randrange(1, 20)):
        os.pwrite(fd, r.randbytes(r.randrange(1, 65)), r.randrange(max(size, 1)))
    if r.randrange(8) == 0:
        os.ftruncate(fd, r.choice((0, 1, size // 2, size + 4096, 1 << 33)))
    os.close(fd)
def forge(path):  # records that verify
    with Tdb(path) as tdb:
        for key, value in list(tdb.records().items())[:50]:
            data = bytearray(value[5:])
            for _ in range(r.randrange(1, 4)):
                if data:
                    data[r.randrange(len(data))] = r.choice((0, 1, 0x7f, 0x80, 0xff, r.randrange(256)))
            if r.randrange(4) == 0:
                del data[r.randrange(len(data) + 1):]
            if key != b"M" and r.randrange(3) == 0:
                tdb.store(key, record(key, bytes(data)))
def tried(what, path):
    try:
        what(path)
    except (OSError, ValueError):  # it is being replaced, or beyond repair
        pass
"""

    def round(self, seed, code):
        self.member.does(RECORD + self.SCRIBBLE.format(seed=seed) + code)

    def hold_on(self, client, events, n):
        for user in ("jdoe", f"new{n}"):
            answer = client.newmail(f"{user}.{n}", user=user)
            self.assertIn(answer.status, (200, 503), answer)
        self.assertTrue(self.d.alive(), "the daemon lives")
        for consumer in events:
            self.assertIsNone(consumer.process.poll(), consumer.err.text()[-3000:])
        self.assertIn(self.d.operations("/healthz")[0], (200, 503))

    def test_records_that_verify(self):
        events = [self.host(), self.host(tables=("newmail", "contents"), folder="0000000000010001")]
        client = self.client(self.d, timeout=LIMIT)
        for n in range(self.ROUNDS):
            self.round(n, "tried(forge, 'registry.tdb')")
            self.hold_on(client, events, n)
        self.all_is_well()

    def test_bytes_in_the_registry(self):
        events, client = [self.host()], self.client(self.d, timeout=LIMIT)
        for n in range(self.ROUNDS):
            self.round(1000 + n, "tried(scribble, 'registry.tdb')")
            self.hold_on(client, events, n)
        self.all_is_well()

    def test_bytes_in_spill_lists(self):
        events, client = [self.host()], self.client(self.d, timeout=LIMIT)
        for n in range(self.ROUNDS):
            events[0].stop()
            for i in range(15):
                client.newmail(f"s{n}.{i}")
            self.round(2000 + n, "for n in os.listdir('spill'): tried(scribble, 'spill/' + n)")
            events[0].go_on()
            self.hold_on(client, events, n)
        self.all_is_well()

    def test_bytes_in_the_files_of_identifiers(self):
        """Nobody gives identifiers from them any more; the daemon lives, says so, and ends when it is told to."""
        events, client = [self.host()], self.client(self.d, timeout=LIMIT)
        for n in range(self.ROUNDS):
            self.round(3000 + n, "tried(scribble, 'id_mark.1'); tried(scribble, 'index.tdb')")
            self.hold_on(client, events, n)
        self.d.terminate()


# For programs of members.
RECORD = "from harness.tdb import record\n"


class Plain:
    """A daemon that nobody started as root: a member's queues are not its to remove."""

    def setUp(self):
        self.gid = pwd.getpwnam(OWNER).pw_gid
        self.d = self.daemon({"limits": {"request_deadline": "2"}}, user=OWNER)
        os.chmod(self.d.ini, 0o644)
        self.begin()


class PlainQueueLists(Plain, QueueLists):
    pass


class PlainFiles(Plain, Files):
    pass


if __name__ == "__main__":
    unittest.main()
