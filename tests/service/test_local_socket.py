# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""The AF_UNIX socket of the web service ([server:main] socket): no password, all other rules."""

import grp
import http.client
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import paths  # noqa: E402
from harness.case import ROOT, ServiceTest  # noqa: E402
from harness.client import Client, document, notification  # noqa: E402
from harness.raw import Raw  # noqa: E402
from harness.wait import LIMIT, wait_until  # noqa: E402

SOCKET = "sock/o.sock"
# Tries to connect to the path and says how that went.
CONNECT = "import socket, sys; print(socket.socket(socket.AF_UNIX).connect_ex(sys.argv[1]))"


def connect(path, limit=LIMIT):
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(limit)
    connection.connect(path)
    return connection


class LocalConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=LIMIT)
        self.path = path

    def connect(self):
        self.sock = connect(self.path)


class LocalClient(Client):
    def __init__(self, daemon, path=SOCKET):
        super().__init__(daemon)
        self.connection = LocalConnection(daemon.path(path))


class LocalRaw(Raw):
    def __init__(self, daemon, path=SOCKET):  # pylint: disable=super-init-not-called
        self.socket = connect(daemon.path(path))
        self.buffer = b""


class LocalSocket(ServiceTest):
    def served(self, more=None, **options):
        overrides = {"server:main": {"socket": SOCKET}}
        for section, keys in (more or {}).items():
            overrides.setdefault(section, {}).update(keys)
        return self.daemon(overrides, **options)

    def local(self, daemon):
        client = LocalClient(daemon)
        self.addCleanup(client.close)
        return client

    def raw_local(self, daemon):
        raw = LocalRaw(daemon)
        self.addCleanup(raw.socket.close)
        return raw

    def fails(self, daemon, *words):
        """It does not start, and says why."""
        daemon.start(ready=False)
        self.assertEqual(daemon.wait_exit(), 1)
        for word in words:
            self.assertIn(word, daemon.log())

    # -- who may report

    def test_names_are_exact_here_too(self):
        daemon = self.served()
        client = LocalClient(daemon)
        self.addCleanup(client.close)
        exact = [notification(message=m).replace("<notification", "<notification xml:space='preserve'")
                 for m in ("1", "1 ", " 1", "1 ")]
        self.accepted(client.put(*exact, token=False), "nosubscriber", "nosubscriber", "nosubscriber",
                      "duplicate")
        self.refused(client.put(notification(message="1", folder="/INBOX"), token=False), 422,
                     "INVALID_PARAMETER")

    def test_without_the_key_there_is_none(self):
        d = self.daemon()
        self.assertEqual([f for f in os.listdir(d.folder) if "sock" in f], [])
        self.assertNotIn("local socket", d.log())

    def test_a_report_over_it_needs_no_token_and_one_over_tcp_does(self):
        d = self.served()
        self.accepted(self.local(d).newmail("1"), "nosubscriber")
        self.refused(self.client(d, login=False).newmail("2"), 401, "TOKEN_INVALID")

    def test_a_subscriber_hears_of_it(self):
        d = self.served()
        consumer = self.consumer(d, "jdoe", ("newmail",))
        self.accepted(self.local(d).newmail("1"), "queued")
        self.assertEqual(len(consumer.wait_events(1)), 1)

    def test_it_counts_as_account_local_whose_limits_hold_and_can_be_reloaded(self):
        d = self.served({"main": {"log_level": "debug"},
                         "account:local": {"users": "j*"}})
        local, tcp = self.local(d), self.client(d)
        self.accepted(local.newmail("1", user="jdoe"))
        self.refused(local.newmail("1", user="mary"), 403, "ACCESS_FORBIDDEN")
        self.accepted(tcp.newmail("1", user="mary"))
        d.err.wait_text(" as local: newmail")
        d.overrides["account:local"]["users"] = "mary"
        d.reload(d.overrides, "reloaded")
        self.accepted(local.newmail("2", user="mary"))
        self.refused(local.newmail("2", user="jdoe"), 403, "ACCESS_FORBIDDEN")

    def test_the_ids_of_its_reports_are_its_own(self):
        d = self.served()
        local, tcp = self.local(d), self.client(d)
        self.accepted(local.newmail("1", id="x", folder="A"), "nosubscriber")
        self.accepted(local.newmail("2", id="x", folder="A"), "duplicate")
        self.accepted(tcp.newmail("3", id="x", folder="A"), "nosubscriber")

    def test_a_token_that_is_given_counts_as_ever(self):
        d = self.served({"account:local": {"users": ""}})
        local = self.local(d)
        self.refused(local.newmail("1"), 403, "ACCESS_FORBIDDEN")
        self.refused(local.put(notification(message="1"), token="nonsense"), 401, "TOKEN_INVALID")
        self.refused(local.put(notification(message="1"), token=None,
                               headers={"Authorization": "Bearer x"}), 401, "TOKEN_INVALID")
        for login in (local.login_ssha, local.login_plain):
            self.assertEqual(login().status, 200)
            self.accepted(local.newmail("1"))

    def test_who_reported_is_in_the_log(self):
        d = self.served()
        self.refused(self.local(d).newmail("1", backend="nope"), 422, "UNKNOWN_BACKEND")
        d.err.wait_text(f"from uid {os.geteuid()} (pid {os.getpid()}) as local: "
                        "/notification refused: 422")

    # -- the rules of HTTP hold

    def test_a_request_that_names_the_whole_url_is_answered_on_both(self):
        d = self.served()
        body = document(notification(message="1"))
        for url in ("http://localhost/notification", "HTTP://elsewhere:99/notification"):
            self.accepted(self.local(d).request("PUT", url, body))
            self.refused(self.client(d, login=False).request("PUT", url, body), 401,
                         "TOKEN_INVALID")
        for url in ("http://localhost", "http:///", "http://", "http:/notification",
                    "https://localhost/notification"):
            self.refused(self.local(d).request("PUT", url, body), 404, "NOT_FOUND")

    def test_bodies_and_batches_are_limited(self):
        d = self.served({"server:main": {"max_body": "2048", "max_batch": "2"}})
        local = self.local(d)
        self.refused(local.put(*[notification(message=str(i)) for i in range(3)]), 422,
                     "BATCH_TOO_LARGE")
        self.refused(local.newmail("x" * 3000), 413, "CONTENT_TOO_LARGE")

    def test_a_request_that_drips_is_ended_at_its_deadline(self):
        d = self.served({"limits": {"request_deadline": "1"},
                         "server:main": {"keepalive_timeout": "2"}})
        headers = self.raw_local(d)
        headers.send("PUT /notification HTTP/1.1\r\n")
        line = self.raw_local(d)
        start = time.monotonic()
        statuses = {}
        for text in "GET /authenticate" + "x" * 200:
            for name, raw in (("headers", headers), ("line", line)):
                try:
                    if name not in statuses:
                        raw.send(text if name == "line" else "x")
                except OSError:
                    statuses[name] = raw.response()[0], time.monotonic() - start
            if len(statuses) == 2:
                break
            time.sleep(0.05)
        self.assertEqual({n: s[0] for n, s in statuses.items()}, {"headers": 408, "line": 408})
        self.assertGreater(statuses["headers"][1], 0.9)
        self.assertGreater(statuses["line"][1], 2.9, "the time of silence, and the deadline")

    def test_a_silent_connection_is_closed(self):
        d = self.served({"server:main": {"keepalive_timeout": "1"}})
        silent = self.raw_local(d)
        self.accepted(self.local(d).newmail("1"))
        self.assertTrue(silent.ended(5))

    def test_the_connections_of_a_user_are_limited(self):
        d = self.served({"limits": {"connections_per_address": "3"}})
        open_ones = [self.local(d) for _ in range(3)]
        for number, client in enumerate(open_ones):
            self.accepted(client.newmail(str(number)))
        self.assertTrue(self.raw_local(d).ended(5))
        d.err.wait_text("connections_per_address")
        self.client(d)  # TCP counts for itself
        open_ones.pop().close()
        wait_until(lambda: d.metrics().get("ocsmanager_http_connections") <= 3, what="it is gone")
        self.accepted(self.local(d).newmail("9"))

    def test_many_connections_are_served(self):
        d = self.served()
        clients = [self.local(d) for _ in range(129)]
        for _ in range(2):
            for number, client in enumerate(clients):
                self.accepted(client.newmail(str(number)))

    # -- the file

    def test_file_and_folder_are_made_and_the_file_is_removed_at_the_end(self):
        d = self.served(start=False)
        if ROOT:
            d.overrides["server:main"]["socket_group"] = "nogroup"
        d.write_ini()
        d.start()
        d.err.wait_text(f"local socket {d.path(SOCKET)}")
        st, folder = os.stat(d.path(SOCKET)), os.stat(d.path("sock"))
        self.assertTrue(stat.S_ISSOCK(st.st_mode))
        self.assertEqual(stat.S_IMODE(st.st_mode), 0o660)
        self.assertEqual(stat.S_IMODE(folder.st_mode), 0o755)
        if ROOT:
            self.assertEqual(st.st_gid, grp.getgrnam("nogroup").gr_gid)
        d.terminate()
        self.assertEqual(os.listdir(d.path("sock")), [])

    def test_what_a_killed_daemon_left_is_replaced(self):
        d = self.served()
        d.kill()
        self.assertTrue(os.path.exists(d.path(SOCKET)))
        d.start()
        self.accepted(self.local(d).newmail("1"))

    def test_a_socket_in_use_is_left_alone(self):
        d = self.served()
        other = self.served({"server:main": {"socket": d.path(SOCKET)}}, start=False)
        self.fails(other, "another process listens on")
        self.accepted(self.local(d).newmail("1"))

    def test_another_file_is_left_alone(self):
        d = self.served({"server:main": {"socket": "precious"}}, start=False)
        d.write("precious", "do not touch")
        self.fails(d, "is not a socket")
        with open(d.path("precious"), encoding="ascii") as f:
            self.assertEqual(f.read(), "do not touch")

    def test_a_socket_of_another_daemon_is_not_removed_at_the_end(self):
        d = self.served()
        os.unlink(d.path(SOCKET))
        mine = socket.socket(socket.AF_UNIX)
        self.addCleanup(mine.close)
        mine.bind(d.path(SOCKET))
        d.terminate()
        self.assertTrue(os.path.exists(d.path(SOCKET)))

    def test_a_start_that_fails_leaves_no_socket(self):
        d = self.served({"server:main": {"port": str(self.daemon().port)}}, start=False)
        self.fails(d, "cannot listen on 127.0.0.1")
        self.assertFalse(os.path.exists(d.path("sock")), "nothing was made")

    def test_requests_in_flight_are_answered_before_the_stop(self):
        d = self.served()
        clients = [self.local(d) for _ in range(20)]
        for client in clients:
            client.connection.connect()
            client.connection.request("PUT", "/notification", document(notification(message="1")),
                                      {"Content-Type": "text/xml"})
        d.process.send_signal(signal.SIGTERM)
        statuses = []
        for client in clients:
            try:
                statuses.append(client.connection.getresponse().status)
            except (ConnectionError, http.client.HTTPException):
                statuses.append(None)  # not read yet when it stopped
        self.assertTrue(set(statuses) <= {200, 503, None}, statuses)
        self.assertEqual(d.wait_exit(), 0)

    def test_what_cannot_work_is_said_by_the_test_of_the_ini(self):
        for keys, words in (({"socket": "x" * 120}, "socket"),
                            ({"socket": SOCKET, "socket_group": "no-such-group"},
                             "unknown group 'no-such-group'")):
            with self.subTest(keys=keys):
                d = self.daemon({"server:main": keys}, start=False)
                result = subprocess.run([paths.program("ocsmanager"), "-c", d.ini, "-t"],
                                        capture_output=True, text=True, timeout=LIMIT, check=False)
                self.assertEqual(result.returncode, 1, result.stderr)
                self.assertIn(words, result.stderr)
                self.fails(d, words)

    @unittest.skipUnless(ROOT, "needs root")
    def test_the_mode_of_the_file_decides_who_may_connect(self):
        d = self.served({"server:main": {"socket_group": "nogroup"}})

        def as_user(user, group):
            return subprocess.run([sys.executable, "-c", CONNECT, d.path(SOCKET)], user=user,
                                  group=group, extra_groups=[], capture_output=True, text=True,
                                  timeout=LIMIT, cwd="/", check=True).stdout.strip()
        self.assertEqual(as_user("nobody", "nogroup"), "0")
        self.assertEqual(as_user("nobody", "daemon"), "13")

    @unittest.skipUnless(ROOT, "needs root")
    def test_it_is_given_to_any_group_before_root_is_dropped_and_removed_after(self):
        d = self.daemon({"main": {"user": "nobody", "group": "daemon"},
                         "server:main": {"socket": SOCKET, "socket_group": "games"}}, start=False)
        shutil.chown(d.folder, "nobody")
        shutil.chown(d.ini, "nobody")
        d.start()
        st = os.stat(d.path(SOCKET))
        self.assertEqual(grp.getgrgid(st.st_gid).gr_name, "games")
        self.assertEqual(os.stat(d.path("sock")).st_uid, st.st_uid)
        self.accepted(self.local(d).newmail("1"))
        d.terminate()
        self.assertEqual(os.listdir(d.path("sock")), [])

    @unittest.skipUnless(ROOT, "needs root")
    def test_without_root_a_foreign_group_is_refused_with_a_reason(self):
        d = self.served({"server:main": {"socket_group": "games"}}, start=False, user="nobody")
        self.fails(d, "socket_group", "only root, or a member of the group")
        self.assertFalse(os.path.exists(d.path("sock")), "nothing was made")


if __name__ == "__main__":
    unittest.main()
