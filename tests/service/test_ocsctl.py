# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""ocsctl as an admin or a script drives it: commands, results, JSON, exit statuses."""

import base64
import ctypes
import hashlib
import http.server
import json
import os
import pty
import signal
import subprocess
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from harness import hashes, isolation, paths  # noqa: E402
from harness.case import ServiceTest  # noqa: E402
from harness.client import notification  # noqa: E402
from harness.daemon import ACCOUNT, PASSWORD, SANITIZER, SSHA  # noqa: E402
from harness.ports import free_port  # noqa: E402
from harness.wait import LIMIT, wait_until  # noqa: E402

COMMANDS = ["status", "queues", "sessions", "peek", "purge", "whois", "search", "users", "user", "folders", "index",
            "reload", "lockouts", "passwd", "notify"]


class Result:
    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err

    @property
    def json(self):
        return json.loads(self.out)

    def __repr__(self):
        return f"exit {self.status}\n{self.out}{self.err}"


def ocsctl(*words, stdin=b"", ini=None, wrapper=()):
    """Runs it without any terminal."""
    command = [*wrapper, paths.program("ocsctl"), *(["-c", ini] if ini else []), *words]
    done = subprocess.run(command, input=stdin, capture_output=True, timeout=LIMIT, cwd="/",
                          start_new_session=True)
    result = Result(done.returncode, done.stdout.decode(), done.stderr.decode())
    assert not SANITIZER.search(result.err), result
    return result


class CtlTest(ServiceTest):
    def ctl(self, daemon, *words, expect=0, **more):
        result = ocsctl(*words, ini=daemon.ini, **more)
        self.assertEqual(result.status, expect, result)
        return result

    def stopped_consumer(self, daemon, **more):
        """A subscriber that does not read, so that all that is sent waits."""
        consumer = self.consumer(daemon, **more)
        consumer.stop()
        self.addCleanup(lambda: consumer.process.returncode is None and consumer.go_on())
        return consumer

    def password_file(self, daemon, text=PASSWORD + "\n", mode=0o600):
        return daemon.write("password", text, mode)

    def notify(self, daemon, *files, expect=0, mechanism=None, words=(), **more):
        words = ["--url", f"http://127.0.0.1:{daemon.port}", "--password-file",
                 self.password_file(daemon), *words]
        if mechanism:
            words += ["--mechanism", mechanism]
        return self.ctl(daemon, "notify", *words, *files, expect=expect, **more)


class CommandLine(unittest.TestCase):
    def test_help_lists_the_commands_and_nothing_that_is_not_there(self):
        result = ocsctl("--help")
        self.assertEqual(result.status, 0)
        for command in COMMANDS:
            self.assertRegex(result.out, rf"(?m)^  {command} ")
        self.assertNotRegex(result.out, r"(?m)^  trace\b")

    def test_each_command_has_its_own_help(self):
        for command in COMMANDS:
            result = ocsctl(command, "--help")
            self.assertEqual(result.status, 0, result)
            self.assertIn(f"ocsctl [-c FILE] [--json] {command}", result.out)

    def test_unknown_command_is_usage_and_lists_what_there_is(self):
        for word in ("trace", "statu", ""):
            result = ocsctl(word)
            self.assertEqual(result.status, 2, result)
            for command in COMMANDS:
                self.assertIn(command, result.err)

    def test_wrong_usage_is_exit_2(self):
        for words in ([], ["peek"], ["peek", "a", "b"], ["status", "x"], ["status", "--take"],
                      ["--nonsense"], ["purge"], ["passwd"], ["notify"],
                      ["notify", "--mechanism", "MD5", "x.xml"], ["queues", "--user", "x"],
                      ["passwd", "bad name"], ["passwd", "x" * 129]):
            result = ocsctl(*words)
            self.assertEqual(result.status, 2, (words, result))
            self.assertTrue(result.err, words)

    def test_version(self):
        self.assertRegex(ocsctl("--version").out, r"^ocsctl \d+\.\d+\.\d+\n$")

    def test_missing_or_bad_ini_is_exit_1_and_names_the_file(self):
        result = ocsctl("status", ini="/nonexistent/ocsmanager.ini")
        self.assertEqual(result.status, 1)
        self.assertIn("/nonexistent/ocsmanager.ini", result.err)


class Status(CtlTest):
    def test_running_daemon(self):
        port = free_port()
        daemon = self.daemon({"operations": {"port": str(port)}})
        text = self.ctl(daemon, "status")
        self.assertIn("running", text.out)
        self.assertIn(str(daemon.pid), text.out)
        state = self.ctl(daemon, "status", "--json").json
        self.assertEqual(state["daemon"]["pid"], daemon.pid)
        self.assertIs(state["daemon"]["healthy"], True)
        self.assertEqual(state["daemon"]["operations"], f"http://127.0.0.1:{port}")
        self.assertEqual(state["counters"]["ocsmanager_notifications_received_total"], 0)
        self.assertEqual(state["queues"]["registered"], 0)
        self.assertEqual(state["limits"]["queue_bytes"], 10 * (256 + 96))

    def test_counters_sessions_and_queues_are_those_of_the_moment(self):
        daemon = self.daemon({"operations": {"port": str(free_port())}})
        self.stopped_consumer(daemon)
        client = self.client(daemon)
        for i in range(12):
            self.accepted(client.newmail(str(i)), "queued")
        state = self.ctl(daemon, "--json", "status").json
        self.assertEqual(state["sessions"], {"open": 1, "contexts": 1, "dead_contexts": 0})
        self.assertEqual(state["queues"]["registered"], 1)
        self.assertEqual(state["queues"]["kernel_entries"], 10)
        self.assertEqual(state["queues"]["spilled_entries"], 2)
        counters = state["counters"]
        self.assertEqual(counters["ocsmanager_notifications_received_total"], 12)
        self.assertGreaterEqual(state["limits"]["system_queues"], 1)

    def test_without_dev_mqueue_the_registry_tells_what_can_be_known(self):
        daemon = self.daemon()
        self.stopped_consumer(daemon)
        hidden = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"]), "sh", "-c",
                  'test ! -d /dev/mqueue || mount -t tmpfs none /dev/mqueue; exec "$@"', "sh"]
        result = self.ctl(daemon, "status", wrapper=hidden)
        self.assertRegex(result.out, r"queues in the system +at least 1 +\d+ ")
        self.assertIn("mount -t mqueue none /dev/mqueue", result.out)
        limits = self.ctl(daemon, "status", "--json", wrapper=hidden).json["limits"]
        self.assertIsNone(limits["system_queues"])
        self.assertEqual(limits["own_queues"], 1)
        if isolation.queues_mounted():
            result = self.ctl(daemon, "status")
            self.assertNotIn("mount -t mqueue", result.out)
            limits = self.ctl(daemon, "status", "--json").json["limits"]
            self.assertEqual(limits["own_queues"], 1)
            self.assertGreaterEqual(limits["system_queues"], 1)

    def test_port_0_in_the_ini(self):
        daemon = self.daemon()
        state = self.ctl(daemon, "status", "--json").json
        self.assertEqual(state["daemon"]["pid"], daemon.pid)
        self.assertEqual(state["daemon"]["state"], "running")

    def test_stopped_daemon_is_exit_1(self):
        daemon = self.daemon({"operations": {"port": str(free_port())}})
        daemon.terminate()
        result = self.ctl(daemon, "status", expect=1)
        self.assertIn("not running", result.out)
        state = self.ctl(daemon, "status", "--json", expect=1).json
        self.assertEqual(state["daemon"]["state"], "not running")
        self.assertEqual(state["daemon"]["pid"], 0)

    def test_a_single_machine_has_no_link(self):
        daemon = self.daemon({"operations": {"port": str(free_port())}})
        self.assertNotIn("LINK", self.ctl(daemon, "status").out)
        self.assertIsNone(self.ctl(daemon, "status", "--json").json["link"])

    def test_the_link_to_other_machines(self):
        daemon = self.daemon({"operations": {"port": str(free_port())}, "rabbitmq": {
            "uri": "amqp://ocs:s3cret@127.0.0.1:1/v", "spool_max": "1"}})
        tried = lambda: self.ctl(daemon, "status", "--json").json["link"]["connections"][
            "publish"]["reason"]
        wait_until(tried, what="a connection was tried")
        self.accepted(self.client(daemon).newmail("1"), "queued")
        state = self.ctl(daemon, "status", "--json").json
        self.assertEqual(state["link"]["connections"]["publish"]["state"], "connecting")
        self.assertEqual(state["link"]["counters"]["spool_messages"], 1)
        self.assertIs(state["link"]["spools"], True)
        text = self.ctl(daemon, "status").out
        self.assertRegex(text, r"\npublish +connecting +\d+ ")
        self.assertRegex(text, r"\nto others .* 1 in the spool \(\d+ bytes\); the oldest in the spool for \d+ ms\n")
        self.assertRegex(text, r"\ndead +0\n")
        self.assertNotIn("s3cret", text)

    def as_stranger(self, daemon, *words):
        if os.geteuid() != 0:
            self.skipTest("only root can become somebody else")
        os.chmod(daemon.ini, 0o644)
        done = subprocess.run([paths.program("ocsctl"), "-c", daemon.ini, *words],
                              capture_output=True, timeout=LIMIT, cwd="/", user="nobody",
                              group="nogroup", extra_groups=[])
        return Result(done.returncode, done.stdout.decode(), done.stderr.decode())

    def test_without_rights_nothing_is_said_to_be_none(self):
        daemon = self.daemon({"operations": {"port": str(free_port())}})
        self.consumer(daemon)
        result = self.as_stranger(daemon, "status")
        self.assertEqual(result.status, 1, result)
        self.assertRegex(result.out, r"\nsessions    cannot be seen: .*Permission denied\n")
        self.assertRegex(result.out, r"daemon      running, process cannot be seen \(.*denied\)")
        self.assertNotRegex(result.out, r"(?m)^(sessions|queues|waiting) +0")
        self.assertIn("Permission denied", result.err)
        state = self.as_stranger(daemon, "status", "--json").json
        self.assertEqual(set(state["sessions"].values()), {None})
        self.assertEqual(set(state["queues"].values()), {None})
        self.assertIsNone(state["daemon"]["pid"])
        self.assertIn("Permission denied", state["unseen"])
        self.assertIs(state["daemon"]["healthy"], True)
        self.assertIsNone(self.ctl(daemon, "status", "--json").json["unseen"])

    def test_without_rights_a_daemon_on_port_0_is_not_said_to_be_stopped(self):
        daemon = self.daemon()
        result = self.as_stranger(daemon, "status")
        self.assertEqual(result.status, 1, result)
        self.assertIn("daemon      cannot be seen (", result.out)
        self.assertNotIn("not running", result.out)
        daemon.write("one.xml", notification(message="1"), 0o644)
        result = self.as_stranger(daemon, "notify", daemon.path("one.xml"))
        self.assertIn("cannot be seen", result.err)

    def test_a_member_who_may_not_reload_is_told_who_may(self):
        if os.geteuid() != 0:
            self.skipTest("only root can become somebody else")
        daemon = self.daemon()
        os.chmod(daemon.ini, 0o644)
        done = subprocess.run([paths.program("ocsctl"), "-c", daemon.ini, "reload"], capture_output=True, text=True,
                              timeout=LIMIT, check=False, cwd="/", user="nobody",
                              group=os.stat(daemon.registry).st_gid, extra_groups=[])
        self.assertEqual(done.returncode, 1, done)
        self.assertIn("Permission denied (root and the daemon's user may)", done.stderr)

    def test_a_queue_that_may_not_be_looked_into_is_not_empty(self):
        """A member of the registry's group may read the registry; this queue is not the group's."""
        if os.geteuid() != 0:
            self.skipTest("only root can become somebody else")
        daemon = self.daemon({"main": {"group": "nogroup"}})
        self.stopped_consumer(daemon)
        self.accepted(self.client(daemon).newmail("1"), "queued")
        [queue] = self.ctl(daemon, "queues", "--json").json
        self.assertIsNone(queue["kernel_error"])
        self.assertEqual(queue["kernel"]["messages"], 1)
        os.chmod("/dev/mqueue" + queue["queue"], 0o600)
        [seen] = self.as_stranger(daemon, "queues", "--json").json
        self.assertEqual((seen["kernel"], seen["kernel_error"]), (None, "Permission denied"))
        [session] = self.as_stranger(daemon, "sessions", "--json").json
        self.assertIsNone(session["pending"])
        state = self.as_stranger(daemon, "status", "--json").json
        self.assertEqual((state["queues"]["registered"], state["queues"]["unseen"],
                          state["queues"]["kernel_entries"]), (1, 1, None))
        self.assertRegex(self.as_stranger(daemon, "status").out,
                         r"waiting     0 in the kernel and what is in 1 queue that may not")

    def test_another_daemon_on_the_port_is_not_taken_for_ours(self):
        daemon = self.daemon({"operations": {"port": str(free_port())}})
        other = self.daemon({"operations": {"port": str(daemon.operations_port)}}, start=False)
        os.mkdir(other.registry)
        result = self.ctl(other, "status", expect=1)
        self.assertIn(f"answered by another daemon: process {daemon.pid}, which serves the registry "
                      f"{os.path.realpath(daemon.registry)}\n", result.out)
        self.assertIn("daemon      not running", result.out)
        self.assertNotIn("ocsmanager_", result.out)
        state = self.ctl(other, "status", "--json", expect=1).json
        self.assertEqual((state["daemon"]["state"], state["daemon"]["healthy"], state["counters"]),
                         ("not running", False, {}))
        # the same registry by another name is the same daemon
        os.rmdir(other.registry)
        os.symlink(daemon.registry, other.registry)
        self.assertIs(self.ctl(other, "status", "--json").json["daemon"]["healthy"], True)

    def test_no_registry_yet_says_what_to_do(self):
        daemon = self.daemon(start=False)
        for command in ("status", "queues", "sessions"):
            result = self.ctl(daemon, command, expect=1)
            self.assertIn("ocsmanager starts", result.err)


class Queues(CtlTest):
    def test_every_queue_with_what_waits_in_it(self):
        daemon = self.daemon()
        consumer = self.stopped_consumer(daemon)
        client = self.client(daemon)
        for i in range(13):
            self.accepted(client.newmail(str(i)), "queued")
        [queue] = self.ctl(daemon, "queues", "--json").json
        self.assertEqual(queue["user"], "jdoe")
        self.assertEqual(queue["folder"], "store")
        self.assertEqual(queue["table"], "newmail")
        self.assertEqual(queue["pid"], consumer.pid)
        self.assertEqual(queue["owner"], "alive")
        self.assertEqual(queue["kernel"],
                         {"messages": 10, "max_messages": 10, "message_size": 256})
        self.assertEqual(queue["spill"], {"entries": 3, "dropped": 0, "collapsed": False})
        self.assertRegex(queue["queue"], r"^/ocs\.jdoe\.store\.newmail\.[0-9a-f]{8}$")
        text = self.ctl(daemon, "queues").out
        self.assertIn(queue["queue"], text)
        self.assertIn("10/10", text)

    def test_sessions_with_their_push_address(self):
        daemon = self.daemon()
        consumer = self.consumer(daemon, push="127.0.0.1:9", context="01020304")
        [session] = self.ctl(daemon, "sessions", "--json").json
        self.assertEqual(session["user"], "jdoe")
        self.assertEqual(session["pid"], consumer.pid)
        self.assertEqual(session["push"], "127.0.0.1:9")
        self.assertEqual(session["queues"], 1)
        self.assertEqual(session["owner"], "alive")
        text = self.ctl(daemon, "sessions").out
        self.assertIn(session["session"], text)
        self.assertIn("127.0.0.1:9", text)

    def test_lists_are_empty_without_sessions(self):
        daemon = self.daemon()
        self.assertEqual(self.ctl(daemon, "queues", "--json").json, [])
        self.assertEqual(self.ctl(daemon, "sessions", "--json").json, [])
        self.assertIn("QUEUE", self.ctl(daemon, "queues").out)

    def test_stranger_may_not_read_the_registry_and_is_told_who_may(self):
        if os.geteuid() != 0:
            self.skipTest("only root can become somebody else")
        daemon = self.daemon()
        os.chmod(daemon.ini, 0o644)
        done = subprocess.run([paths.program("ocsctl"), "-c", daemon.ini, "queues"],
                              capture_output=True, timeout=LIMIT, cwd="/", user="nobody",
                              group="nogroup", extra_groups=[])
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"group", done.stderr)


class PeekAndPurge(CtlTest):
    def full(self, n=13):
        daemon = self.daemon()
        consumer = self.stopped_consumer(daemon)
        client = self.client(daemon)
        for i in range(n):
            self.accepted(client.newmail(str(i)), "queued")
        [queue] = self.ctl(daemon, "queues", "--json").json
        return daemon, consumer, queue["queue"]

    def test_peek_shows_attributes_and_spilled_entries_and_takes_nothing(self):
        daemon, _, name = self.full()
        for _ in range(2):
            seen = self.ctl(daemon, "peek", name, "--json").json
            self.assertEqual(seen["kernel"]["messages"], 10)
            self.assertEqual([e["in"] for e in seen["entries"]], ["spill"] * 3)
        entry = seen["entries"][0]
        self.assertEqual(entry["category"], "newmail")
        self.assertEqual(entry["notification_flags"], 0x8002)
        self.assertEqual(entry["message_class"], "IPM.Note")
        self.assertEqual(entry["uri"], "sogo://jdoe@mail/INBOX/10")
        sequences = [e["sequence"] for e in seen["entries"]]
        self.assertEqual(sequences, sorted(sequences))
        text = self.ctl(daemon, "peek", name).out
        self.assertIn("10 of 10", text)
        self.assertEqual(text.count("IPM.Note"), 3)
        self.assertEqual(text.count("sogo://jdoe@mail/INBOX/1"), 3)

    def test_slash_of_the_name_may_be_left_out(self):
        daemon, _, name = self.full(1)
        self.assertEqual(self.ctl(daemon, "peek", name[1:], "--json").json["queue"], name)

    def test_take_is_refused_while_the_owner_lives(self):
        daemon, consumer, name = self.full()
        result = self.ctl(daemon, "peek", "--take", name, expect=1)
        self.assertIn(str(consumer.pid), result.err)
        self.assertEqual(self.ctl(daemon, "peek", name, "--json").json["kernel"]["messages"], 10)

    def test_take_shows_all_entries_in_order_once_the_owner_is_dead(self):
        daemon, consumer, name = self.full()
        # the daemon sweeps dead owners within 30 s: not before this test is through
        self.addCleanup(unlink_queue, name)
        consumer.kill()
        seen = self.ctl(daemon, "peek", "--take", name, "--json").json
        self.assertEqual(seen["owner"], "dead")
        self.assertEqual([e["in"] for e in seen["entries"]], ["kernel"] * 10 + ["spill"] * 3)
        sequences = [e["sequence"] for e in seen["entries"]]
        self.assertEqual(sequences, sorted(sequences))

    def test_purge_empties_both_and_later_entries_arrive(self):
        daemon, consumer, name = self.full()
        gone = self.ctl(daemon, "purge", name, "--json").json
        self.assertEqual(gone, {"queue": name, "kernel": 10, "spill": 3})
        client = self.client(daemon)
        self.accepted(client.newmail("after"), "queued")
        [queue] = self.ctl(daemon, "queues", "--json").json
        self.assertEqual((queue["kernel"]["messages"], queue["spill"]["entries"]), (1, 0))
        consumer.go_on()
        [event] = consumer.wait_events(1)
        self.assertEqual(event["event"], "newmail")
        self.assertIn("0 entries", self.ctl(daemon, "purge", name).out)

    def test_names_that_are_no_queue_are_exit_1(self):
        daemon = self.daemon()
        for name in ("/ocs.jdoe.store.newmail.00000000", "/other", "ocs.jdoe.store", "../x", ""):
            for command in ("peek", "purge"):
                result = self.ctl(daemon, command, name, expect=1)
                self.assertIn("ocsctl queues", result.err)


class Passwd(CtlTest):
    def check_ssha(self, text, password):
        self.assertTrue(text.startswith("{SSHA}"), text)
        raw = base64.b64decode(text[6:].replace("-", "+").replace("_", "/") + "==")
        self.assertEqual(hashlib.sha1(password + raw[20:]).digest(), raw[:20])

    def file_daemon(self, start=False):
        daemon = self.daemon({"main": {"auth": "file"}, "auth:file": {"file": "accounts"}},
                             start=False)
        daemon.write("accounts", f"# ours\n{ACCOUNT}:{SSHA}\n", 0o600)
        return daemon.start() if start else daemon

    def accounts(self, daemon):
        with open(daemon.path("accounts"), encoding="ascii") as f:
            return f.read()

    def test_single_prints_lines_for_the_ini(self):
        daemon = self.daemon(start=False)
        result = self.ctl(daemon, "passwd", "--scheme", "SSHA", "me@example", stdin=b"s3cret\n")
        name, password = result.out.splitlines()
        self.assertEqual(name, "username = me@example")
        self.check_ssha(password.removeprefix("password = "), b"s3cret")
        self.assertNotIn("s3cret", result.out + result.err)

    def test_schemes(self):
        daemon = self.daemon(start=False)
        for words, start in (((), "{SCRAM-SHA-256}"), (("--scheme", "scram-sha-256"), "{SCRAM"),
                             (("--scheme", "CRYPT"), "$y$"), (("--scheme", "ssha"), "{SSHA}")):
            result = self.ctl(daemon, "passwd", *words, "x", "--json", stdin=b"s3cret")
            self.assertTrue(result.json["password"].startswith(start), result)
        self.ctl(daemon, "passwd", "--scheme", "ROT13", "x", stdin=b"s3cret\n", expect=1)

    def test_file_is_changed_and_what_else_is_in_it_stays(self):
        daemon = self.file_daemon()
        self.ctl(daemon, "passwd", "--scheme", "SSHA", "new", stdin=b"one\n")
        self.ctl(daemon, "passwd", "--scheme", "SSHA", "new", stdin=b"two\n")
        lines = self.accounts(daemon).splitlines()
        self.assertEqual(lines[:2], ["# ours", f"{ACCOUNT}:{SSHA}"])
        self.assertEqual(len(lines), 3)
        self.check_ssha(lines[2].removeprefix("new:"), b"two")
        self.assertEqual(os.stat(daemon.path("accounts")).st_mode & 0o777, 0o600)

    def test_new_account_logs_in_after_a_reload(self):
        daemon = self.file_daemon(start=True)
        self.ctl(daemon, "passwd", "new", stdin=b"s3cret\n")
        daemon.reload()
        client = self.client(daemon, login=False)
        self.assertEqual(client.login_scram("new", "s3cret").status, 200)

    def test_empty_missing_or_over_long_password_changes_nothing(self):
        daemon = self.file_daemon()
        before = self.accounts(daemon)
        for stdin in (b"", b"\n", b"x" * 600 + b"\n", b"a\0b\n"):
            self.ctl(daemon, "passwd", "new", stdin=stdin, expect=1)
        self.assertEqual(self.accounts(daemon), before)

    def on_terminal(self, daemon, answers, words=("passwd", "--scheme", "SSHA", "new")):
        """Runs it on a terminal of its own; answers each prompt. (exit status, what it showed)"""
        pid, terminal = pty.fork()
        if pid == 0:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # ignored where we run in the background
            os.execv(paths.program("ocsctl"), ["ocsctl", "-c", daemon.ini, *words])
        shown = b""
        answers = list(answers)
        try:
            while True:
                try:
                    data = os.read(terminal, 4096)
                except OSError:
                    break
                if not data:
                    break
                shown += data
                if answers and shown.rstrip(b" ").endswith(b":"):
                    os.write(terminal, answers.pop(0))
                    shown += b"|"
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        finally:
            os.close(terminal)
        return status, shown

    def test_terminal_is_asked_twice_and_shows_nothing(self):
        daemon = self.file_daemon()
        status, shown = self.on_terminal(daemon, [b"s3cret\n", b"s3cret\n"])
        self.assertEqual(status, 0, shown)
        self.assertNotIn(b"s3cret", shown)
        self.assertIn("new:{SSHA}", self.accounts(daemon))

    def test_two_different_passwords_are_refused(self):
        daemon = self.file_daemon()
        status, shown = self.on_terminal(daemon, [b"s3cret\n", b"secret\n"])
        self.assertEqual(status, 1, shown)
        self.assertIn(b"differ", shown)
        self.assertNotIn("new:", self.accounts(daemon))

    def test_interrupt_ends_it_and_changes_nothing(self):
        daemon = self.file_daemon()
        status, shown = self.on_terminal(daemon, [b"\x03"])
        self.assertEqual(status, -2, shown)
        self.assertNotIn("new:", self.accounts(daemon))


class Preparation(CtlTest):
    """One rule for passwords in every tool and mechanism: SASLprep."""

    COMPOSED, DECOMPOSED = "caf\u00e9", "cafe\u0301"

    def test_a_password_is_the_same_however_it_is_composed(self):
        daemon = self.daemon({"main": {"auth": "file"}, "auth:file": {"file": "accounts"},
                              "limits": {"failed_logins": "100"}}, start=False)
        daemon.write("accounts", "", 0o600)
        schemes = {"SCRAM-SHA-256": ("SCRAM-SHA-256", "PLAIN"), "SSHA": ("SSHA", "PLAIN"),
                   "CRYPT": ("PLAIN",)}
        for scheme in schemes:
            for form, password in ("c", self.COMPOSED), ("d", self.DECOMPOSED):
                self.ctl(daemon, "passwd", "--scheme", scheme, f"{scheme}-{form}",
                         stdin=password.encode())
        daemon.start()
        file = daemon.write("one.xml", notification(category="modified"))
        for scheme, mechanisms in schemes.items():
            for form in "cd":
                for mechanism in mechanisms:
                    for password in self.COMPOSED, self.DECOMPOSED:
                        with self.subTest(scheme=scheme, form=form, mechanism=mechanism):
                            daemon.write("typed", password, 0o600)
                            self.ctl(daemon, "notify", "--user", f"{scheme}-{form}", "--mechanism",
                                     mechanism, "--password-file", daemon.path("typed"), file)
        client = self.client(daemon, login=False)
        self.assertEqual(client.login_ssha("SSHA-d", self.COMPOSED).status, 200)
        self.assertNotIn("INVALID_CREDENTIALS", daemon.log())

    def test_a_hash_made_elsewhere_of_other_bytes_is_served(self):
        for password, made, mechanism in ((self.DECOMPOSED, hashes.sha512_crypt, "PLAIN"),
                                          (self.DECOMPOSED, hashes.ssha, "SSHA"),
                                          (self.DECOMPOSED, hashes.ssha, "PLAIN"),
                                          ("bell\x07", hashes.sha512_crypt, "PLAIN")):
            daemon = self.daemon({"auth:single": {"password": made(password)}})
            file = daemon.write("one.xml", notification(category="modified"))
            daemon.write("typed", password, 0o600)
            self.ctl(daemon, "notify", "--mechanism", mechanism, "--password-file",
                     daemon.path("typed"), file)

    def test_what_could_not_log_in_is_not_hashed(self):
        daemon = self.daemon(start=False)
        for scheme in "SCRAM-SHA-256", "SSHA", "CRYPT":
            for password in b"caf\xe9", b"bell\x07", "\u05d0z".encode(), "\u00ad".encode():
                result = self.ctl(daemon, "passwd", "--scheme", scheme, "x", stdin=password,
                                  expect=1)
                self.assertIn("SASLprep", result.err)
                self.assertEqual(result.out, "")


class PartOfTheIni(CtlTest):
    """A command needs of the ini what it works with, and no more."""

    def ini(self, text):
        daemon = self.daemon(start=False)
        daemon.write("ocsmanager.ini", text, 0o600)
        return daemon

    def test_the_shipped_ini_is_enough_to_make_the_password_it_lacks(self):
        with open(os.path.join(paths.TREE, "ocsmanager.ini"), encoding="utf-8") as f:
            daemon = self.ini(f.read())
        result = self.ctl(daemon, "passwd", "openchange", stdin=b"s3cret\n")
        self.assertRegex(result.out, r"^username = openchange\npassword = \{SCRAM-SHA-256\}")
        self.assertNotIn("is missing", result.err)

    def test_a_mistake_elsewhere_does_not_matter_and_one_in_its_own_section_does(self):
        mistakes = {"limits": "failed_logins = x", "push": "interval = 0",
                    "auth:single": "username = a b", "server:main": "port = x",
                    "operations": "port = x", "rabbitmq": "heartbeat = x",
                    "mqueue": "spill_max = x", "auth:file": "file =", "main": "sync = x"}
        needs = {"passwd": {"main", "auth:file"}, "queues": {"main"}, "sessions": {"main"},
                 "status": {"main", "server:main", "operations", "mqueue", "rabbitmq"},
                 "dead": {"main", "rabbitmq"}, "notify": {"main", "server:main", "auth:single"}}
        operands = {"passwd": ["x"], "notify": ["one.xml"]}
        for section, mistake in mistakes.items():
            daemon = self.ini("")
            daemon.write("ocsmanager.ini", ("[main]\nregistry = run\n" if section != "main" else "")
                         + f"[{section}]\n{mistake}\n", 0o600)
            daemon.write("one.xml", notification(message="1"))
            daemon.write("password", "x", 0o600)
            for command, needed in needs.items():
                with self.subTest(section=section, command=command):
                    words = [daemon.path(w) if w.endswith("xml") else w
                             for w in operands.get(command, [])]
                    if command == "notify":
                        words = ["--password-file", daemon.path("password"), *words]
                    result = ocsctl(command, *words, ini=daemon.ini, stdin=b"pw\n")
                    said = f"[{section}] {mistake.split()[0]}" in result.err
                    self.assertEqual(said, section in needed, result)

    def test_a_file_that_is_not_named_is_said(self):
        daemon = self.ini("[main]\nauth = file\n")
        self.assertIn("[auth:file]", self.ctl(daemon, "passwd", "x", stdin=b"pw", expect=1).err)

    def test_notify_with_user_and_url_needs_no_ini(self):
        daemon = self.daemon()
        file = daemon.write("one.xml", notification(message="1"))
        result = ocsctl("notify", "--url", f"http://127.0.0.1:{daemon.port}", "--user", ACCOUNT,
                        "--mechanism", "SSHA", "--password-file", self.password_file(daemon), file,
                        ini="/nonexistent/ocsmanager.ini")
        self.assertEqual(result.status, 0, result)


class Notify(CtlTest):
    def test_each_mechanism(self):
        scram = ocsctl_hash(self, "SCRAM-SHA-256")
        crypt = ocsctl_hash(self, "CRYPT")
        for stored, mechanisms in ((SSHA, [None, "SSHA", "PLAIN"]),
                                   (scram, [None, "SCRAM-SHA-256", "PLAIN"]),
                                   (crypt, [None, "PLAIN"])):
            daemon = self.daemon({"auth:single": {"password": stored}})
            for mechanism in mechanisms:
                file = daemon.write("one.xml", notification(category="modified"))
                result = self.notify(daemon, file, mechanism=mechanism)
                self.assertIn("nosubscriber", result.out)

    def test_single_element_document_and_standard_input(self):
        daemon = self.daemon()
        consumer = self.consumer(daemon, form="json")
        one = daemon.write("one.xml", notification(message="1", id="first"))
        two = daemon.write("two.xml", "<?xml version='1.0'?>\n<ocsmanager><token>none</token>"
                           + notification(message="2") + "<!-- and -->"
                           + notification(message="3", folder="A & B\u00e4") + "</ocsmanager>")
        result = self.notify(daemon, one, two, "-", stdin=notification(message="4").encode())
        self.assertEqual(result.out.splitlines(), [
            f"{one}#1 id=first: queued, queues=1", f"{two}#1: queued, queues=1",
            f"{two}#2: queued, queues=1", "-#1: queued, queues=1"])
        self.assertEqual([e["event"] for e in consumer.wait_events(4)], ["newmail"] * 4)

    def test_xml_space_of_the_root_holds_for_each_notification(self):
        daemon = self.daemon()
        consumer = self.consumer(daemon, tables=["object"], types=0x0004, form="json")
        space = " xml:space='preserve'"
        folders = daemon.write("names.xml", f"<ocsmanager{space}>" + "".join(
            notification("created", folder=f) for f in ("Work", "Work ", " Work"))
            + notification("created", folder=" Work").replace(
                "<notification", "<notification xml:space='default'") + "</ocsmanager>")
        alone = daemon.write("alone.xml", notification("created", folder="Work ").replace(
            "<folder", "<folder" + space))
        self.notify(daemon, folders, alone)
        fids = [e["fid"] for e in consumer.wait_events(5)]
        self.assertEqual(len(set(fids)), 3)
        self.assertEqual((fids[3], fids[4]), (fids[0], fids[1]))

    def test_json_and_refusals(self):
        daemon = self.daemon()
        file = daemon.write("mixed.xml", "<ocsmanager>" + notification(message="1", id="a")
                            + notification(message="2", backend="nope")
                            + notification(message="1", id="a") + "</ocsmanager>")
        result = self.notify(daemon, file, words=["--json"], expect=1)
        first, second, third = result.json
        self.assertEqual(first, {"file": file, "number": 1, "status": "nosubscriber", "id": "a"})
        self.assertEqual((second["status"], second["code"], second["name"]),
                         ("refused", 422, "UNKNOWN_BACKEND"))
        self.assertEqual(third["status"], "duplicate")
        alone = daemon.write("alone.xml", notification(message="2", backend="nope"))
        result = self.notify(daemon, alone, expect=1)
        self.assertIn("#1: refused: 422 UNKNOWN_BACKEND: ", result.out)

    def test_more_than_a_request_holds_are_sent_in_several(self):
        daemon = self.daemon({"server:main": {"max_batch": "7", "max_body": "4096"}})
        file = daemon.write("many.xml", "<ocsmanager>" + "".join(
            notification(message=str(i), id=f"n{i}") for i in range(50)) + "</ocsmanager>")
        results = self.notify(daemon, file, words=["--json"]).json
        self.assertEqual([r["id"] for r in results], [f"n{i}" for i in range(50)])
        self.assertEqual({r["status"] for r in results}, {"nosubscriber"})

    def test_wrong_password_is_exit_1_and_sends_nothing(self):
        daemon = self.daemon()
        file = daemon.write("one.xml", notification(message="1"))
        daemon.write("wrong", "guess\n", 0o600)
        result = self.ctl(daemon, "notify", "--url", f"http://127.0.0.1:{daemon.port}",
                          "--password-file", daemon.path("wrong"), file, expect=1)
        self.assertIn("INVALID_CREDENTIALS", result.err)
        self.assertNotIn("guess", result.err)

    def test_other_account_by_user(self):
        daemon = self.daemon()
        file = daemon.write("one.xml", notification(message="1"))
        result = self.notify(daemon, file, words=["--user", "nobody"], expect=1)
        self.assertIn("nobody", result.err)

    def test_bad_files_are_exit_1_before_anything_is_sent(self):
        daemon = self.daemon()
        good = daemon.write("good.xml", notification(message="1"))
        for name, text in (("dtd", "<!DOCTYPE x [<!ENTITY a 'b'>]>" + notification(message="1")),
                           ("cut", "<ocsmanager><notification>"), ("empty", ""),
                           ("none", "<ocsmanager/>"), ("other", "<other/>")):
            file = daemon.write(name + ".xml", text)
            result = self.notify(daemon, good, file, expect=1)
            self.assertIn(file, result.err)
        self.notify(daemon, good, daemon.path("missing.xml"), expect=1)
        self.assertIn("nosubscriber", self.notify(daemon, good).out)

    def test_password_file_others_can_read_is_refused(self):
        daemon = self.daemon()
        file = daemon.write("one.xml", notification(message="1"))
        daemon.write("open", PASSWORD + "\n", 0o644)
        result = self.ctl(daemon, "notify", "--password-file", daemon.path("open"), "--url",
                          f"http://127.0.0.1:{daemon.port}", file, expect=1)
        self.assertIn(daemon.path("open"), result.err)

    def test_without_terminal_or_file_it_says_how_to_give_a_password(self):
        daemon = self.daemon()
        file = daemon.write("one.xml", notification(message="1"))
        result = self.ctl(daemon, "notify", "--url", f"http://127.0.0.1:{daemon.port}", file,
                          expect=1)
        self.assertIn("--password-file", result.err)

    def test_plain_is_not_sent_over_an_open_line(self):
        daemon = self.daemon(start=False)
        file = daemon.write("one.xml", notification(message="1"))
        result = self.ctl(daemon, "notify", "--url", "http://192.0.2.1:5000", "--mechanism",
                          "PLAIN", "--password-file", self.password_file(daemon), file, expect=1)
        self.assertIn("https", result.err)

    def test_nobody_listening_is_exit_1_and_says_so_and_what_to_do(self):
        daemon = self.daemon(start=False)
        file = daemon.write("one.xml", notification(message="1"))
        for mechanism in [], ["--mechanism", "SSHA"]:
            port = free_port()
            result = self.ctl(daemon, "notify", "--url", f"http://127.0.0.1:{port}", *mechanism,
                              "--password-file", self.password_file(daemon), file, expect=1)
            self.assertIn(f"cannot reach the daemon at http://127.0.0.1:{port}: ", result.err)
            self.assertIn("ocsctl status", result.err)
            self.assertNotIn("SSHA", result.err)

    # What an editor or a script leaves, and what is said of it; None: it is the password.
    FILES = {
        "as it should be": (PASSWORD + "\n", None),
        "no line end": (PASSWORD, None),
        "CR LF": (PASSWORD + "\r\n", None),
        "a byte order mark": ("\ufeff" + PASSWORD + "\r\n", None),
        "more lines": (PASSWORD + "\n\0\xff", None),
        "nothing": ("", "is empty"),
        "an empty line": ("\n" + PASSWORD, "its first line is empty"),
        "CR LF only": ("\r\n", "its first line is empty"),
        "a mark only": ("\ufeff", "its first line is empty"),
        "a NUL": (PASSWORD + "\0\n", "its first line has a NUL byte"),
        "a NUL first": ("\0" + PASSWORD, "its first line has a NUL byte"),
        "513 bytes": ("x" * 513 + "\n", "its first line is longer than 512 bytes"),
        "UTF-16": ((PASSWORD + "\n").encode("utf-16"), "is UTF-16, must be UTF-8"),
    }

    def test_a_password_is_read_alike_from_everywhere(self):
        daemon = self.daemon()
        one = daemon.write("one.xml", notification(category="modified"))
        words = ["notify", "--url", f"http://127.0.0.1:{daemon.port}", one]
        for name, (text, fault) in self.FILES.items():
            data = text if isinstance(text, bytes) else text.encode()
            path = daemon.path("password")
            with open(path, "wb") as f:
                f.write(data)
            os.chmod(path, 0o600)
            with self.subTest(name):
                expect = 0 if fault is None else 1
                result = self.ctl(daemon, *words, "--password-file", path, expect=expect)
                self.assertIn(f"{path}: {fault}" if fault else "", result.err)
                result = self.ctl(daemon, *words, "--password-fd", "0", stdin=data, expect=expect)
                self.assertIn(f"--password-fd 0: {fault}" if fault else "", result.err)
                result = self.ctl(daemon, "passwd", "x", stdin=data, expect=expect)
                self.assertIn(f"no password on standard input: {fault}" if fault else "", result.err)

    def test_a_password_file_is_a_file_of_ours_alone(self):
        daemon = self.daemon()
        one = daemon.write("one.xml", notification(category="modified"))
        words = ["notify", "--url", f"http://127.0.0.1:{daemon.port}", "--password-file"]
        os.mkdir(daemon.path("folder"))
        os.mkfifo(daemon.path("fifo"), 0o600)
        daemon.write("large", PASSWORD + "\n" * 5000, 0o600)
        for name, fault in (("folder", "Is a directory"), ("fifo", "not a regular file"),
                            ("large", "larger than 4096 bytes"), ("none", "there is no such file")):
            result = self.ctl(daemon, *words, daemon.path(name), one, expect=1)
            self.assertIn(f"{daemon.path(name)}: {fault}", result.err)
        for mode, wrong in ((0o600, False), (0o640, False), (0o400, False), (0o644, True), (0o604, True),
                            (0o660, True), (0o602, True)):
            path = self.password_file(daemon, mode=mode)
            result = self.ctl(daemon, *words, path, one, expect=int(wrong))
            self.assertIn(f"mode {mode:04o} is too open, must be 0600 or 0640" if wrong else "", result.err)
            os.unlink(path)

    def test_a_password_for_scripts(self):
        """In the environment stands a file's name, or the shell hands an open file on: neither shows
        in a list of processes."""
        daemon = self.daemon()
        words = ["notify", "--url", f"http://127.0.0.1:{daemon.port}", "-"]

        def run(words, **more):
            done = subprocess.run([paths.program("ocsctl"), "-c", daemon.ini, *words],
                                  input=notification(message="1").encode(), capture_output=True,
                                  timeout=LIMIT, start_new_session=True, **more)
            return Result(done.returncode, done.stdout.decode(), done.stderr.decode())

        environment = dict(os.environ, OCSCTL_PASSWORD_FILE=self.password_file(daemon))
        self.assertIn("nosubscriber", run(words, env=environment).out)
        os.chmod(daemon.path("password"), 0o644)
        result = run(words, env=environment)
        self.assertEqual(result.status, 1)
        self.assertIn("too open", result.err)
        for text, status in ((PASSWORD + "\nmore", 0), (PASSWORD, 0), (PASSWORD + "\r\n", 0),
                             ("", 1), ("\n", 1), ("x" * 600, 1)):
            reader, writer = os.pipe()
            os.write(writer, text.encode())
            os.close(writer)
            result = run([words[0], "--password-fd", str(reader), *words[1:]], pass_fds=[reader],
                         env=environment)
            os.close(reader)
            self.assertEqual(result.status, status, result)
        self.assertIn("--password-fd", run(["notify", "--password-fd", "77", *words[1:]]).err)
        for wrong in ["--password-fd", "x"], ["--password-fd", "-1"]:
            self.assertEqual(run([words[0], *wrong, *words[1:]]).status, 1)
        self.assertEqual(run([words[0], "--password-fd", "3", "--password-file", "x",
                              *words[1:]]).status, 2)

    # -- servers that are not the daemon

    def fake(self, *answers):
        """The URL of a server that grants any login and gives each PUT the next answer; its list
        of the bodies that were PUT."""
        fake = FakeService(answers)
        self.addCleanup(fake.close)
        return fake

    def notify_fake(self, fake, *notifications, expect=0, words=()):
        daemon = self.daemon(start=False)
        file = daemon.write("one.xml", f"<ocsmanager>{''.join(notifications)}</ocsmanager>")
        return self.ctl(daemon, "notify", *words, "--url", fake.url + "/", "--mechanism", "plain",
                        "--password-file", self.password_file(daemon), file, expect=expect)

    def test_token_that_runs_out_is_renewed(self):
        expired = (401, '<error code="401" name="TOKEN_EXPIRED">expired</error>')
        fake = self.fake(expired, (200, '<notification status="queued" queues="2"/>'))
        result = self.notify_fake(fake, notification(message="1"))
        self.assertIn("#1: queued, queues=2", result.out)
        first, second = fake.bodies
        self.assertIn("<token>token1</token>", first)
        self.assertEqual(second, first.replace("token1", "token2"))
        fake = self.fake(expired, expired)
        result = self.notify_fake(fake, notification(message="1"), expect=1)
        self.assertIn("401 TOKEN_EXPIRED", result.out)
        self.assertEqual(len(fake.bodies), 2)

    def test_answers_that_make_no_sense_are_exit_1(self):
        one = '<notification status="queued" queues="1"/>'
        for answer in ((200, one), (200, one * 3), (200, ""), (502, None), (200, None),
                       (200, "<notification/>" * 2)):
            fake = self.fake(answer)
            result = self.notify_fake(fake, notification(message="1"), notification(message="2"),
                                      expect=1)
            self.assertIn("HTTP", result.err)
            self.assertIn("2 of 2", result.err)

    def test_numbers_of_any_size(self):
        for said, shown in ("5000000000", 5000000000), ("1" * 30, 2**63 - 1), ("many", 0):
            fake = self.fake((200, f'<notification status="queued" queues="{said}"/>'
                                   f'<notification status="refused"><error code="{said}" name="N">t</error>'
                                   "</notification>"))
            results = self.notify_fake(fake, notification(message="1"), notification(message="2"),
                                       expect=1, words=["--json"]).json
            self.assertEqual([results[0]["queues"], results[1]["code"]], [shown, shown])

    def test_redirect_is_not_followed(self):
        fake = self.fake((307, ""))
        self.notify_fake(fake, notification(message="1"), expect=1)
        self.assertEqual(len(fake.bodies), 1)

    def test_error_of_a_whole_batch_is_that_of_each_and_cannot_drive_the_terminal(self):
        fake = self.fake((503, '<error code="503" name="OVERLOADED">b\u00fc\x7fsy&#155;&#x202e;</error>'))
        result = self.notify_fake(fake, notification(message="1"), notification(message="2"),
                                  expect=1)
        self.assertEqual(result.out.count("refused: 503 OVERLOADED: b\u00fc\\x7fsy\\xc2\\x9b\\xe2\\x80\\xae\n"), 2)


class FakeService:
    def __init__(self, answers):
        fake, self.bodies, self.answers, self.logins = self, [], list(answers), 0

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                fake.logins += 1
                self.answer(200, f"<token>token{fake.logins}</token><ttl>60</ttl>")

            def do_PUT(self):
                fake.bodies.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
                self.answer(*fake.answers.pop(0))

            def answer(self, status, inside):
                body = b"<html>" if inside is None else \
                    f"<ocsmanager>{inside}</ocsmanager>".encode()
                self.send_response(status)
                self.send_header("Content-Type", "text/xml; charset=utf-8")
                self.send_header("Location", fake.url + "/elsewhere")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={
            "poll_interval": 0.01})
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def unlink_queue(name):
    librt = ctypes.CDLL("librt.so.1")
    librt.mq_unlink(name.encode())


def ocsctl_hash(test, scheme):
    daemon = test.daemon(start=False)
    result = ocsctl("passwd", "--scheme", scheme, "--json", ACCOUNT, stdin=PASSWORD.encode(),
                    ini=daemon.ini)
    test.assertEqual(result.status, 0, result)
    return result.json["password"]


if __name__ == "__main__":
    unittest.main()
