# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""The Dovecot plugin against a real Dovecot and a scripted daemon: what is reported for each event, and
that no server, however bad, refuses, delays or loses a mail.

OCS_BUILD is the folder of lib90_ocsmanager_plugin.so (default: build)."""

import base64
import os
import pwd
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import dovecot_config  # noqa: E402
from fakeserver import HANG, Raw, Slow, error  # noqa: E402
from plugin_case import MAIL, PASSWORD, PLUGIN, Rig  # noqa: E402
from harness.wait import wait_until  # noqa: E402
from rig import LDA  # noqa: E402

# What a delivery may take at most while a server hangs for seconds. The machine may be busy; a plugin
# that waits would need the timeout of 1 to 3 s.
PROMPT = 0.9


class Events(Rig):
    def test_an_lmtp_delivery_is_newmail_after_the_creation_of_the_inbox(self):
        self.setup().deliver("alice")
        self.server.wait_accepted(2)  # another process may take the next one, and report it first
        self.dovecot.deliver("alice")
        got = self.accepted(3)
        self.assertEqual(got, [self.folder("created", "INBOX"),
                               self.message("newmail", "INBOX", 1, 1, 1),
                               self.message("newmail", "INBOX", 2, 2, 2)])

    def test_an_lmtp_delivery_to_two_recipients_is_newmail_for_each(self):
        self.setup(events="newmail").deliver("alice", "bob")
        self.assertEqual([n["username"] for n in self.accepted(2)], ["alice", "bob"])

    def test_an_lda_delivery_is_newmail(self):
        self.setup(events="newmail").lda("alice")
        self.assertEqual(self.accepted(1), [self.message("newmail", "INBOX", 1, 1, 1)])

    def test_parallel_deliveries_all_carry_their_uid(self):
        self.setup(events="newmail")
        connections = [self.dovecot.lmtp() for _ in range(6)]

        def stream(connection):
            for _ in range(10):
                connection.deliver(["alice"], self.dovecot.message())

        threads = [threading.Thread(target=stream, args=(c,)) for c in connections]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for connection in connections:
            connection.close()
        got = self.accepted(60)
        self.assertEqual({n["messageID"] for n in got}, {str(i) for i in range(1, 61)})

    def test_sieve_fileinto_is_newmail_in_the_created_folder(self):
        self.setup(dovecot={"sieve": 'require ["fileinto", "mailbox", "copy"];\n'
                                     'fileinto :create :copy "Lists/dev";\n'})
        self.dovecot.deliver("alice")
        self.assertEqual(self.accepted(3, inbox_is_made=True),
                         [self.folder("created", "Lists/dev"),
                          self.message("newmail", "Lists/dev", 1, 1, 1),
                          self.message("newmail", "INBOX", 1, 1, 1)])

    def test_an_append_is_created_with_its_flags_counted(self):
        self.setup()
        self.prepare(mails=1)
        imap = self.dovecot.imap("alice")
        imap.append("INBOX", r"(\Seen)", None, MAIL)
        self.assertEqual(self.accepted(1), [self.message("created", "INBOX", 2, 2, 1, messageFlags="1")])
        imap.logout()

    def test_a_copy_names_source_and_target_of_each_message(self):
        self.setup()
        self.prepare(mails=2, folders=["Archive"])
        imap = self.dovecot.imap("alice")
        imap.select("INBOX")
        imap.copy("1:2", "Archive")
        self.assertEqual(self.accepted(2), [
            self.message("copied", "Archive", 1, 2, 2, oldFolder="INBOX", oldMessageID="1"),
            self.message("copied", "Archive", 2, 2, 2, oldFolder="INBOX", oldMessageID="2")])
        imap.logout()

    def test_a_move_is_one_event_without_a_deletion(self):
        self.setup()
        self.prepare(mails=2, folders=["Archive"])
        imap = self.dovecot.imap("alice")
        imap.select("INBOX")
        imap.uid("MOVE", "2", "Archive")
        self.assertEqual(self.accepted(1), [
            self.message("moved", "Archive", 1, 1, 1, oldFolder="INBOX", oldMessageID="2")])
        imap.logout()

    def test_where_moves_are_not_wanted_the_deletion_still_is(self):
        self.setup(events="deleted")
        imap = self.dovecot.imap("alice")
        imap.create("Archive")
        imap.append("INBOX", None, None, MAIL)
        imap.select("INBOX")
        imap.uid("MOVE", "1", "Archive")
        self.assertEqual(self.accepted(1), [self.message("deleted", "INBOX", 1, 0, 0)])
        imap.logout()

    def test_flags_and_keywords_are_modified_once_for_each_message_of_a_command(self):
        self.setup()
        self.prepare(mails=3)
        imap = self.dovecot.imap("alice")
        imap.select("INBOX")
        imap.store("1:2", "+FLAGS", r"(\Seen Work)")
        self.assertEqual(self.accepted(2), [self.message("modified", "INBOX", 1, 3, 1),
                                            self.message("modified", "INBOX", 2, 3, 1)])
        self.assertEqual(len(self.server.reports()[-1].notifications()), 2, "one batch")
        imap.logout()

    def test_an_expunge_is_deleted_with_the_counts_after_it(self):
        self.setup(events="deleted newmail")
        for _ in range(3):
            self.dovecot.deliver("alice")
        self.server.wait_accepted(3)
        self.server.accepted.clear()
        imap = self.dovecot.imap("alice")
        imap.select("INBOX")
        imap.store("1", "+FLAGS", r"(\Seen)")
        imap.store("1:2", "+FLAGS", r"(\Deleted)")
        imap.expunge()
        self.assertEqual(self.accepted(2), [self.message("deleted", "INBOX", 1, 1, 1),
                                            self.message("deleted", "INBOX", 2, 1, 1)])
        imap.logout()

    def test_a_transaction_with_more_than_256_changes_is_one_modified_folder(self):
        self.setup(events="modified")
        imap = self.dovecot.imap("alice")
        for _ in range(257):
            imap.append("INBOX", None, None, MAIL)
        imap.select("INBOX")
        imap.store("1:256", "+FLAGS", r"(\Seen)")
        self.server.wait_accepted(256)
        self.server.accepted.clear()
        imap.store("1:257", "+FLAGS", r"(\Flagged)")
        got = self.accepted(1)
        self.assertEqual(got, [self.folder("modified", "INBOX", uidValidity=self.validity(),
                                           total="257", unread="1")])
        imap.logout()

    def test_folders_are_created_moved_and_deleted(self):
        self.setup()
        imap = self.dovecot.imap("alice")
        imap.create("A")
        imap.append("A", None, None, MAIL)
        validity = self.validity("A")
        imap.rename("A", "B/C")
        imap.delete("B/C")
        got = self.accepted(4, inbox_is_made=True)
        self.assertEqual(got[0], self.folder("created", "A"))
        got[2].pop("uidValidity", None)
        self.assertEqual(got[2], self.folder("moved", "B/C", oldFolder="A"))
        self.assertEqual(got[1]["uidValidity"], validity)
        self.assertEqual((got[3]["category"], got[3]["folder"], got[3].get("messageID")),
                         ("deleted", "B/C", None), "the mails in it are no events of their own")
        imap.logout()

    def test_a_folder_that_was_made_anew_has_another_uid_validity(self):
        self.setup(events="created")
        imap = self.dovecot.imap("alice")
        for _ in range(2):
            imap.create("A")
            imap.append("A", None, None, MAIL)
            imap.delete("A")
            time.sleep(1.1)  # Dovecot takes it from the clock
        first, second = self.accepted(2)
        self.assertNotEqual(first["uidValidity"], second["uidValidity"])
        imap.logout()

    def test_folder_names_leave_as_utf8_xml_with_slashes(self):
        self.setup(dovecot={"extra": "namespace inbox {\n separator = .\n}\n"},
                   events="folder-created")
        imap = self.dovecot.imap("alice")
        imap.create('"Gr&APw-n.<a> &- b"')
        self.assertEqual([n["folder"] for n in self.accepted(1, inbox_is_made=True)], ["Grün/<a> & b"])
        imap.logout()

    def test_each_kind_can_be_switched_off(self):
        self.setup(events="folder-deleted")
        self.dovecot.deliver("alice")
        imap = self.dovecot.imap("alice")
        imap.create("A")
        imap.append("A", None, None, MAIL)
        imap.select("A")
        imap.store("1", "+FLAGS", r"(\Seen)")
        imap.copy("1", "INBOX")
        imap.select("INBOX")
        imap.rename("A", "B")
        imap.delete("B")
        got = self.accepted(1)
        self.assertEqual((got[0]["category"], got[0]["folder"]), ("deleted", "B"))
        imap.logout()

    def test_counts_can_be_left_out(self):
        self.setup(events="newmail", counts="no").deliver("alice")
        self.assertNotIn("total", self.accepted(1)[0])

    def test_the_user_can_be_reported_with_or_without_its_domain(self):
        for form, expected in (("%u", "carol@example.org"), ("%n", "carol"), (None, "carol@example.org")):
            with self.subTest(form=form):
                more = {} if form is None else {"user_format": dovecot_config.variable(form)}
                self.setup(events="newmail", backend="sogo", **more).deliver("carol@example.org")
                got = self.accepted(1)[0]
                self.assertEqual((got["username"], got["backend"]), (expected, "sogo"))
                self.doCleanups()


class Session(Rig):
    def test_scram_is_used_and_one_login_and_connection_serve_many_deliveries(self):
        self.setup(events="newmail")
        connection = self.dovecot.lmtp()
        for i in range(10):
            connection.deliver(["alice"], self.dovecot.message())
            self.server.wait_accepted(i + 1)
        connection.close()
        self.assertEqual((self.server.logins, self.server.connections), (1, 1))
        self.assertIn(b"SCRAM-SHA-256", self.server.requests[0].body)
        self.assertNotIn(PASSWORD.encode(), b"".join(r.body for r in self.server.requests))

    def test_the_other_mechanisms_log_in_too(self):
        for mechanism in ("SSHA", "plain"):
            with self.subTest(mechanism=mechanism):
                self.setup(events="newmail", mechanism=mechanism).deliver("alice")
                self.accepted(1)
                self.doCleanups()

    def test_an_expiring_token_is_renewed_before_its_end(self):
        self.setup(server={"ttl": 1}, events="newmail")
        end = time.monotonic() + 30
        count = 0
        connection = self.dovecot.lmtp()
        while self.server.logins < 3 and time.monotonic() < end:
            connection.deliver(["alice"], self.dovecot.message())
            count += 1
            self.server.wait_accepted(count)
            time.sleep(0.02)
        connection.close()
        self.assertGreaterEqual(self.server.logins, 3)
        self.assertTrue(all(len(r.notifications()) == 1 for r in self.server.reports()))
        self.assertEqual(len(self.server.reports()), count, "none was refused")

    def test_a_refused_token_is_renewed_and_the_event_sent_again_with_its_id(self):
        self.setup(events="newmail")
        connection = self.dovecot.lmtp()
        connection.deliver(["alice"], self.dovecot.message())
        self.server.wait_accepted(1)
        self.server.revoke()
        connection.deliver(["alice"], self.dovecot.message())
        self.accepted(2)
        connection.close()
        reports = self.server.reports()
        self.assertEqual(reports[-1].body, reports[-2].body)
        self.assertEqual(self.server.logins, 2)
        self.assertNotIn("ocsmanager:", self.dovecot.log(), "nothing worth a log line")

    def test_an_idle_connection_closed_by_the_server_costs_no_event(self):
        self.setup(events="newmail")
        connection = self.dovecot.lmtp()
        connection.deliver(["alice"], self.dovecot.message())
        self.server.wait_accepted(1)
        self.server.stop()
        self.server.start()
        connection.deliver(["alice"], self.dovecot.message())
        self.accepted(2)
        connection.close()

    def test_events_arrive_in_order_and_waiting_ones_in_batches(self):
        self.setup(behave=lambda r: Slow(0.2) if r.method == "PUT" else None, events="newmail")
        connection = self.dovecot.lmtp()
        for _ in range(40):
            connection.deliver(["alice"], self.dovecot.message())
        connection.close()
        got = self.accepted(40)
        self.assertEqual([int(n["messageID"]) for n in got], list(range(1, 41)))
        self.assertLess(len(self.server.reports()), 20)

    @unittest.skipIf(os.geteuid() != 0, "needs root")
    def test_lmtp_reads_a_file_that_only_root_reads(self):
        dovecot = self.setup(events="newmail", start=False)
        dovecot.settings["ocsmanager_credentials"] = self.credentials
        dovecot.start()
        dovecot.deliver("alice")
        self.accepted(1)

    @unittest.skipIf(os.geteuid() != 0, "needs root")
    def test_all_of_it_works_without_root(self):
        self.setup(events="newmail", dovecot={"run_as": "nobody"})
        self.dovecot.deliver("alice")
        self.accepted(1)

    def test_a_host_name_is_looked_up(self):
        dovecot = self.setup(events="newmail", start=False)
        dovecot.settings["ocsmanager_url"] = f"http://localhost:{self.server.port}"
        dovecot.start()
        dovecot.deliver("alice")
        self.accepted(1)


    def certificate(self, address="127.0.0.1"):
        folder = tempfile.mkdtemp(prefix="ocs-tls-")
        self.addCleanup(shutil.rmtree, folder)
        os.chmod(folder, 0o755)
        files = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                        "-subj", "/CN=ocsmanager", "-addext", f"subjectAltName=IP:{address}",
                        "-out", files[0], "-keyout", files[1]], check=True, capture_output=True)
        return files

    def test_https_is_used_with_a_certificate_that_the_ca_file_vouches_for(self):
        tls = self.certificate()
        self.setup(server={"tls": tls}, events="newmail", ca=tls[0], mechanism="PLAIN")
        self.dovecot.deliver("alice")
        self.accepted(1)

    def test_https_with_a_foreign_certificate_or_name_gets_nothing(self):
        for foreign_name in (False, True):
            with self.subTest(foreign_name=foreign_name):
                used = self.certificate("127.0.0.9" if foreign_name else "127.0.0.1")
                trusted = used if foreign_name else self.certificate()
                self.setup(server={"tls": used}, events="newmail", ca=trusted[0], mechanism="PLAIN")
                self.dovecot.deliver("alice")
                self.dovecot.wait_log("waiting to be reported")
                self.assertEqual(self.server.requests, [])
                self.doCleanups()

    def test_a_process_that_is_ended_reports_first_what_waits(self):
        self.setup(behave=lambda r: Slow(0.1), events="newmail")
        self.dovecot.deliver("alice")
        self.dovecot.stop_processes()
        self.accepted(1)


class Deliveries(Rig):
    connection = None

    def deliver_many(self, count=12, user="alice"):
        """All over one connection, so by one process: each process reports, and complains, for itself.
        If deliveries waited for the server, most of a dozen would take the timeout of a second."""
        if self.connection is None:
            self.connection = self.dovecot.lmtp()
            self.addCleanup(self.hang_up)
        times = [self.connection.deliver([user], self.dovecot.message()) for _ in range(count)]
        if count >= 12:
            self.assertLess(statistics.median(times), PROMPT, times)

    def hang_up(self):
        self.connection.close()
        self.connection = None

    def lines(self, text="ocsmanager:"):
        return [line for line in self.dovecot.log().splitlines() if text in line]

    def mails(self):
        imap = self.dovecot.imap("alice")
        count = int(imap.select("INBOX")[1][0])
        imap.logout()
        return count

    def outage(self, behave, recover=None, count=12, tries=0):
        """Deliveries during a fault that lasts for so many tries more, then recovery; returns what was
        accepted."""
        self.setup(behave=behave, events="newmail")
        self.deliver_many(count)
        self.dovecot.wait_log("waiting to be reported")
        self.deliver_many(count)
        enough = len(self.server.requests) + tries
        wait_until(lambda: len(self.server.requests) >= enough, what="it is tried again")
        self.assertEqual(len(self.lines()), 1, "logged once")
        self.assertEqual(self.mails(), 2 * count)
        self.server.behave = recover
        got = self.server.wait_accepted(2 * count)
        self.dovecot.wait_log("answers again")
        uids = [int(n["messageID"]) for n in got]
        self.assertEqual(list(dict.fromkeys(uids)), list(range(1, 2 * count + 1)))
        return got


class Faults(Deliveries):
    """Each mail is taken at once and is in the mailbox afterwards, whatever the server does."""

    def test_a_server_that_is_down(self):
        self.setup(events="newmail")
        self.server.stop()
        self.deliver_many()
        self.dovecot.wait_log("waiting to be reported")
        self.deliver_many()
        self.assertEqual(len(self.lines()), 1)
        self.server.start()
        got = self.accepted(24)
        self.assertEqual([int(n["messageID"]) for n in got], list(range(1, 25)))
        self.dovecot.wait_log("answers again")

    def test_the_log_says_how_many_were_kept(self):
        self.setup(events="newmail")
        self.server.stop()
        self.deliver_many(1)
        self.dovecot.wait_log("1 event is waiting to be reported")
        self.server.start()
        self.accepted(1)
        self.assertIn(" s: 1 event was kept, 0 folders ", self.dovecot.wait_log("answers again"))

    def test_a_server_that_hangs(self):
        self.outage(lambda r: HANG, tries=3)

    def test_a_server_that_hangs_after_the_login(self):
        self.outage(lambda r: HANG if r.method == "PUT" else None)

    def test_a_server_that_drips_its_answer(self):
        self.outage(lambda r: Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n<ocsmanager>" +
                                  b" " * 1000, drip=0.05))

    def test_a_server_that_drips_its_header(self):
        self.outage(lambda r: Raw(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 1000, drip=0.05))

    def test_a_server_that_is_slow_is_no_outage(self):
        self.setup(behave=lambda r: Slow(0.4), events="newmail")
        self.deliver_many()
        self.accepted(12)
        self.assertEqual(self.lines(), [])

    def test_a_server_that_answers_endlessly(self):
        self.outage(lambda r: Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 90000000\r\n\r\n" +
                                  b"x" * 3_000_000))
        self.assertIn("the answer is too large", self.dovecot.log())

    def test_a_server_that_does_not_speak_http(self):
        self.outage(lambda r: Raw(b"SSH-2.0-OpenSSH_9.2\r\n"))

    def test_a_server_that_hangs_up(self):
        self.outage(lambda r: Raw(b""))

    def test_a_server_that_is_something_else(self):
        for name, answer in {
                "not found": (404, {}, "<html>not here</html>"),
                "redirect": (302, {"Location": "http://127.0.0.1:9/"}, ""),
                "ok but html": (200, {}, "<html><body>Welcome</body></html>"),
                "empty": (200, {}, ""),
                "no results": (200, {}, "<ocsmanager/>"),
                "doctype": (200, {}, '<!DOCTYPE a [<!ENTITY b "c">]><ocsmanager>&b;</ocsmanager>'),
                "bad request": (400, {}, "<html/>"),
                "odd token": (200, {}, "<ocsmanager><token>a\tb &lt;c</token><sasl>!!</sasl>"
                                       "<ttl>9</ttl></ocsmanager>")}.items():
            for when in ("POST", "PUT"):
                with self.subTest(name=name, when=when):
                    try:
                        self.outage(lambda r, a=answer, w=when: a if r.method == w else None,
                                    count=3)
                    finally:
                        self.doCleanups()

    def test_too_many_results(self):
        results = "<notification status='queued' queues='1'/>" * 1000
        self.outage(lambda r: (200, {}, f"<ocsmanager>{results}</ocsmanager>")
                    if r.method == "PUT" else None, count=3)

    def test_a_server_that_cannot_prove_itself(self):
        def false_server(request):
            if request.path != "/authenticate/login":
                return None
            proof = base64.b64encode(b"v=" + base64.b64encode(bytes(32))).decode()
            return 200, {}, (f"<ocsmanager><sasl>{proof}</sasl><token>abc</token><ttl>60</ttl>"
                             "</ocsmanager>")
        self.outage(false_server, count=3)
        self.assertIn("could not prove", self.dovecot.log())

    def test_a_server_that_asks_for_endless_iterations(self):
        self.setup(server={"iterations": 10_000_000}, events="newmail",
                   behave=lambda r: HANG if r.path == "/authenticate/login" else None)
        # the fake would need seconds itself: it answers the first step only
        self.deliver_many()
        self.dovecot.wait_log("SCRAM iterations")

    def test_a_new_token_that_is_refused_again_and_again_is_no_loop(self):
        self.setup(events="newmail",
                   behave=lambda r: (401, {}, error(401, "TOKEN_INVALID")) if r.method == "PUT" else None)
        self.deliver_many()
        self.dovecot.wait_log("a new session token is refused: 401 TOKEN_INVALID")
        time.sleep(2)
        self.assertLess(len(self.server.requests), 30)
        self.server.behave = None
        self.accepted(12)

    def test_wrong_credentials_are_said_once_and_tried_rarely(self):
        self.setup(events="newmail",
                   behave=lambda r: (401, {}, error(401, "INVALID_CREDENTIALS"))
                   if r.path == "/authenticate/login" else None)
        self.deliver_many()
        self.dovecot.wait_log("wrong username= or password=")
        time.sleep(1.5)
        self.deliver_many()
        self.assertEqual(len(self.lines()), 1)
        self.assertEqual(len(self.server.requests), 2)

    def test_retry_after_is_kept(self):
        self.setup(events="newmail", behave=lambda r: (503, {"Retry-After": "3"}, error(503, "OVERLOADED"))
                   if r.method == "PUT" else None)
        start = time.monotonic()
        self.deliver_many(3)
        self.dovecot.wait_log("report: 503 OVERLOADED")
        tries = len(self.server.reports())
        self.server.behave = None
        self.accepted(3)
        self.assertGreaterEqual(time.monotonic() - start, 2)
        self.assertEqual(len(self.server.reports()), tries + 1)

    def test_a_refused_event_is_dropped_and_the_others_stand(self):
        seen = []

        def refuse_bob(request):
            if request.method != "PUT":
                return None
            results = ""
            for n in request.notifications():
                if n["username"] == "bob":
                    results += ('<notification status="refused"><error code="422" '
                                'name="UNKNOWN_USER">no</error></notification>')
                else:
                    seen.append(n["username"])
                    results += '<notification status="nosubscriber" queues="0"/>'
            if request.body.count(b"<notification") == 1 and b">bob<" in request.body:
                return 422, {}, error(422, "UNKNOWN_USER")
            return 200, {}, f"<ocsmanager>{results}</ocsmanager>"

        self.setup(events="newmail", behave=refuse_bob)
        self.deliver_many(1)
        for _ in range(4):
            self.connection.deliver(["alice", "bob"], self.dovecot.message())
        wait_until(lambda: len(seen) == 5, what="alice's five")
        self.dovecot.wait_log("UNKNOWN_USER")
        self.assertEqual(len(self.lines()), 1, "not once for each")

    def test_what_is_refused_for_now_comes_again_with_its_id_and_the_rest_does_not(self):
        def busy(request):
            if request.method != "PUT":
                return None
            results = "".join(
                '<notification status="refused"><error code="503" name="BROKER_UNAVAILABLE"/>'
                "</notification>" if n["username"] == "bob" else
                '<notification status="queued" queues="1"/>' for n in request.notifications())
            return 200, {}, f"<ocsmanager>{results}</ocsmanager>"

        self.setup(events="newmail", behave=busy)
        self.dovecot.deliver("alice", "bob")
        self.dovecot.wait_log("BROKER_UNAVAILABLE")
        self.server.behave = None
        self.assertEqual([n["username"] for n in self.server.wait_accepted(1)], ["bob"])
        self.assertEqual(self.server.accepted[0]["id"],
                         self.server.reports()[0].notifications()[1]["id"])

    def test_a_batch_that_is_refused_as_a_whole_is_taken_apart(self):
        def picky(request):
            if request.method == "PUT" and b">bob<" in request.body:
                return 400, {}, error(400, "MALFORMED_REQUEST")
            return None

        self.setup(events="newmail", behave=picky)
        self.dovecot.deliver("alice", "bob", "carol@example.org")
        self.assertEqual([n["username"] for n in self.accepted(2)], ["alice", "carol@example.org"])

    def test_what_overflows_is_reported_as_one_modified_folder_each(self):
        self.setup(events="newmail folder-created created", queue_max="5", spool="")
        self.server.stop()
        self.deliver_many(5)  # INBOX created, four mails: the queue is full
        self.deliver_many(10)
        self.deliver_many(3, user="bob")
        self.server.start()
        got = self.accepted(7)
        self.assertEqual([(n["category"], n.get("messageID")) for n in got[:5]],
                         [("created", None)] + [("newmail", str(i)) for i in range(1, 5)])
        self.assertEqual(sorted((n["category"], n["username"], n["folder"], n.get("messageID"))
                                for n in got[5:]),
                         [("modified", "alice", "INBOX", None), ("modified", "bob", "INBOX", None)])
        self.assertEqual(len(self.lines("Warning: ocsmanager:")), 1)
        self.assertIn("5 events were kept, 2 folders are reported as modified",
                      self.dovecot.wait_log("answers again"))
        self.deliver_many(1)
        self.assertEqual(self.server.wait_accepted(8)[-1]["messageID"], "16")

    def test_imap_sessions_and_lda_end_in_bounded_time_with_a_server_that_hangs(self):
        self.setup(behave=lambda r: HANG, events="newmail created", timeout="3s", spool="")
        self.assertLess(self.dovecot.lda("alice"), 2.5, "of a timeout of 3 s")
        imap = self.dovecot.imap("alice")
        start = time.monotonic()
        imap.append("INBOX", None, None, MAIL)
        imap.logout()
        self.assertLess(time.monotonic() - start, 2.5)
        wait_until(lambda: len(self.lines("not reported to")) == 2, what="both processes ended")


class Amqp(Deliveries):
    """ocsmanager_transport = amqp: a socket of the daemon on this host, no login."""

    amqp = True

    def test_deliveries_and_what_imap_clients_do_are_reported_without_a_login(self):
        self.setup(events="newmail created")
        self.deliver_many(3)
        self.server.wait_accepted(3)
        self.dovecot.lda("alice")
        self.server.wait_accepted(4)
        imap = self.dovecot.imap("alice")
        imap.append("INBOX", None, None, MAIL)
        imap.logout()
        self.assertEqual([(n["category"], n["messageID"]) for n in self.accepted(5)],
                         [("newmail", str(i)) for i in range(1, 5)] + [("created", "5")])
        for request in self.server.requests:
            self.assertEqual((request.method, request.path), ("PUT", "/notification"))
            self.assertIsNone(request.headers.get("Authorization"))
        self.assertEqual(self.lines(), [])

    def test_no_connection_is_kept(self):
        self.setup(events="newmail")
        for count in (1, 2, 3):
            self.deliver_many(1)
            self.server.wait_accepted(count)
            wait_until(lambda: not self.server.open, what="it is closed")
        self.assertEqual(self.server.connections, 3)

    def test_a_daemon_that_ends_with_a_request_in_its_hands_and_stays_away(self):
        """Where lib-http reconnects to a socket in vain, it ends the process."""
        self.setup(events="newmail", behave=lambda r: HANG if len(self.server.requests) > 1 else None)
        self.deliver_many(1)
        self.server.wait_accepted(1)
        for refused in (False, True):
            count = len(self.server.requests)
            if not refused:
                self.deliver_many(1)
            wait_until(lambda c=count: len(self.server.requests) > c, what="it is in its hands")
            self.server.stop()
            if refused:
                dead = socket.socket(socket.AF_UNIX)  # bound, and nobody listens
                dead.bind(self.server.path)
                dead.close()
                os.chmod(self.server.path, 0o666)
            self.deliver_many(3)
            time.sleep(2)  # some tries
            if refused:
                os.unlink(self.server.path)
            self.server.start()
        self.server.behave = None
        got = self.accepted(8)
        self.assertEqual([int(n["messageID"]) for n in got], list(range(1, 9)))

    @unittest.skipIf(os.geteuid() != 0, "needs root")
    def test_all_of_it_works_without_root(self):
        self.setup(events="newmail", dovecot={"run_as": "nobody"})
        self.dovecot.deliver("alice")
        self.accepted(1)

    def test_a_daemon_that_is_away_is_bridged(self):
        self.setup(events="newmail")
        self.server.stop()
        self.deliver_many()
        self.dovecot.wait_log("No such file or directory; mail is stored as usual")
        self.deliver_many()
        self.assertEqual(len(self.lines()), 1)
        self.server.start()
        got = self.accepted(24)
        self.assertEqual([int(n["messageID"]) for n in got], list(range(1, 25)))
        self.dovecot.wait_log("answers again")

    def test_a_daemon_that_was_started_anew_costs_no_event(self):
        self.setup(events="newmail")
        self.deliver_many(1)
        self.server.wait_accepted(1)
        self.server.stop()
        self.server.start()
        self.deliver_many(1)
        self.accepted(2)
        self.assertEqual(self.lines(), [])

    def test_a_daemon_that_hangs(self):
        self.outage(lambda r: HANG, tries=2)

    def test_what_is_no_answer_is_an_outage(self):
        for name, behave in {
                "not http": lambda r: Raw(b"SSH-2.0-OpenSSH_9.2\r\n"),
                "hangs up": lambda r: Raw(b""),
                "half a body": lambda r: Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n<ocs"),
                "endless header": lambda r: Raw(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000),
                "endless body": lambda r: Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 90000000\r\n\r\n" +
                                              b"x" * 3_000_000),
                "html": lambda r: (404, {}, "<html/>")}.items():
            with self.subTest(name=name):
                self.outage(behave, count=3)
                self.doCleanups()

    def test_a_continue_before_the_answer_is_passed_over(self):
        answer = b'<ocsmanager><notification status="queued" queues="1"/></ocsmanager>'
        self.setup(events="newmail", behave=lambda r: Raw(
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" %
            (len(answer), answer)))
        self.deliver_many(1)
        self.deliver_many(1)
        wait_until(lambda: len(self.server.requests) == 2, what="it went on to the next")
        self.assertEqual(self.lines(), [])

    def test_a_continue_without_end_is_an_outage(self):
        self.outage(lambda r: Raw(b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000), count=3)
        self.assertIn("too many interim answers", self.dovecot.log())

    def test_a_long_batch_is_sent_whole(self):
        """The bodies are as large as they become."""
        self.setup(events="newmail")
        self.server.stop()
        self.deliver_many(200)
        self.server.start()
        got = self.accepted(200)
        self.assertEqual([int(n["messageID"]) for n in got], list(range(1, 201)))

    def test_a_broker_that_is_away(self):
        self.outage(lambda r: (503, {"Retry-After": "1"}, error(503, "BROKER_UNAVAILABLE")), tries=1)
        self.assertIn("report: 503 BROKER_UNAVAILABLE", self.dovecot.log())

    def test_a_daemon_that_asks_for_a_login_all_the_same_is_no_loop(self):
        self.setup(events="newmail", behave=lambda r: (401, {}, error(401, "TOKEN_INVALID")))
        self.deliver_many()
        self.dovecot.wait_log("report: 401 TOKEN_INVALID")
        time.sleep(1.5)
        self.assertLess(len(self.server.requests), 5)
        self.server.behave = None
        self.accepted(12)

    def test_a_socket_that_nobody_serves_delays_nothing(self):
        """Its backlog is full: a blocking connect would wait for ever."""
        self.setup(events="newmail")
        self.server.stop()
        dead = socket.socket(socket.AF_UNIX)
        self.addCleanup(dead.close)
        dead.bind(self.server.path)
        os.chmod(self.server.path, 0o666)
        dead.listen(0)
        filler = socket.socket(socket.AF_UNIX)
        self.addCleanup(filler.close)
        filler.connect(self.server.path)
        self.deliver_many()
        self.dovecot.wait_log("mail is stored as usual")
        self.deliver_many()
        os.unlink(self.server.path)
        self.server.start()
        self.accepted(24)

    @unittest.skipIf(os.geteuid() != 0, "needs root")
    def test_a_socket_that_the_process_may_not_use_is_said_and_mail_goes_on(self):
        self.setup(events="newmail created")
        os.chmod(self.server.path, 0o660)
        imap = self.dovecot.imap("alice")
        imap.append("INBOX", None, None, MAIL)
        imap.logout()
        log = self.dovecot.wait_log("socket_group")
        # the process may have said goodbye to alice by then
        self.assertRegex(log, r"imap\(\w+\).*ocsmanager: /\S+/socket: report: permission denied for uid "
                              rf"{pwd.getpwnam('nobody').pw_uid}, .*socket_group")
        self.assertLess(self.dovecot.lda("alice"), 2.5, "of a timeout of 3 s")
        self.deliver_many(2)  # LMTP reports as root
        self.assertEqual([n["messageID"] for n in self.accepted(2)], ["3", "4"])

    def test_credentials_and_url_are_not_looked_at(self):
        self.setup(events="newmail", url="nonsense", credentials="100%", mechanism="nonsense")
        self.dovecot.deliver("alice")
        self.accepted(1)

    def test_the_default_socket_is_the_packaged_daemons(self):
        self.setup(events="newmail", socket="")
        self.dovecot.deliver("alice")
        self.dovecot.wait_log("ocsmanager: /run/ocsmanager/ocsmanager.sock: ")


class Settings(Rig):
    def broken(self, expected, **settings):
        """A setting that cannot be used: said, and mail goes on."""
        self.setup(**settings)
        self.dovecot.deliver("alice")
        self.dovecot.deliver("alice")
        imap = self.dovecot.imap("alice")
        self.assertEqual(imap.select("INBOX")[1], [b"2"])
        imap.logout()
        self.dovecot.wait_log(expected)
        self.assertEqual(self.server.requests, [])

    def test_wrong_settings_switch_the_plugin_off(self):
        for settings, expected in (({"events": "newmail typo"}, "unknown event 'typo'"),
                                   ({"url": "ftp://x"}, "ocsmanager_url"),
                                   ({"url": "http://127.0.0.1:1/path"}, "ocsmanager_url"),
                                   ({"timeout": "61s"}, "ocsmanager_timeout"),
                                   ({"queue_max": "0"}, "ocsmanager_queue_max"),
                                   ({"mechanism": "GSSAPI"}, "ocsmanager_mechanism"),
                                   ({"transport": "amqps"}, "ocsmanager_transport: http or amqp"),
                                   ({"transport": "amqp", "socket": "run/s"}, "ocsmanager_socket"),
                                   ({"transport": "amqp", "socket": "/" * 108}, "ocsmanager_socket"),
                                   ({"mechanism": "PLAIN", "url": "http://192.0.2.1:5000"}, "PLAIN"),
                                   ({"credentials": ""}, "ocsmanager_credentials is not set"),
                                   ({"credentials": "/nonexistent/file"}, "/nonexistent/file"),
                                   ({"credentials": "nonsense"}, "credentials:"),
                                   ({"credentials": "username=a"}, "password= is missing")):
            with self.subTest(settings=settings):
                self.broken(expected + "", **settings)
                self.doCleanups()

    def test_a_value_of_the_wrong_type(self):
        """2.3 takes any text; 2.4 knows our types, and refuses to start like for any of its own."""
        for settings, expected in (({"timeout": "never"}, "ocsmanager_timeout"),
                                   ({"queue_max": "-1"}, "ocsmanager_queue_max")):
            with self.subTest(settings=settings):
                if dovecot_config.NEW:
                    with self.assertRaisesRegex(RuntimeError, "dovecot.conf line .*" + expected):
                        self.setup(**settings)
                else:
                    self.broken(expected, **settings)
                self.doCleanups()

    @unittest.skipIf(os.geteuid() != 0, "needs root")
    def test_unreadable_credentials_are_said_and_mail_goes_on(self):
        self.setup(dovecot={"run_as": "nobody"}, credentials="/etc/shadow")
        self.dovecot.deliver("alice")
        self.dovecot.wait_log("cannot read /etc/shadow")
        self.assertEqual(self.server.requests, [])

    @unittest.skipIf(os.geteuid() != 0, "needs root")
    def test_a_password_with_a_percent_sign_is_written_in_base64(self):
        """Dovecot 2.3 itself would expand it: in the form with < that fails every user."""
        for line, works in (("password=100%u", dovecot_config.NEW), ("password64=MTAwJXU=", True)):
            with self.subTest(line=line):
                dovecot = self.setup(events="newmail", start=False)
                self.server.password = "100%u"
                with open(self.credentials, "w", encoding="utf-8") as f:
                    f.write(f"username={self.server.username}\n{line}\n")
                dovecot.settings["ocsmanager_credentials"] = self.credentials
                dovecot.start()
                dovecot.deliver("alice")
                if works:
                    self.accepted(1)
                else:
                    self.assertNotIn("100%u", dovecot.wait_log("use password64="))
                self.doCleanups()

    def test_a_password_is_prepared_however_it_was_composed(self):
        """The server hashes the prepared one; one that hashed other bytes is tried with those next."""
        composed, decomposed = "caf\u00e9", "cafe\u0301"
        for mechanism, hashed, tries in (("SCRAM-SHA-256", composed, 1), ("SSHA", composed, 1),
                                         ("SCRAM-SHA-256", decomposed, 2), ("PLAIN", decomposed, 1)):
            with self.subTest(mechanism=mechanism, hashed=hashed):
                dovecot = self.setup(events="newmail", mechanism=mechanism, start=False)
                self.server.password = hashed
                self.write_credentials(self.server.username, decomposed)
                dovecot.start()
                dovecot.deliver("alice")
                self.accepted(1)
                logins = [r for r in self.server.requests if r.path == "/authenticate/login"]
                self.assertEqual(len(logins), tries)
                self.doCleanups()

    @unittest.skipIf(os.geteuid() != 0, "needs root")
    def test_an_lda_that_may_not_read_the_credentials_delivers_all_the_same(self):
        """As the manual says: the setting stands in a file of root's, taken in by !include_try."""
        include = os.path.join(tempfile.mkdtemp(prefix="ocs-include-"), "credentials.conf")
        self.addCleanup(shutil.rmtree, os.path.dirname(include))
        dovecot = self.setup(dovecot={"extra": f"!include_try {include}"}, events="newmail", start=False)
        del dovecot.settings["ocsmanager_credentials"]
        with open(include, "w", encoding="utf-8") as f:
            f.write(dovecot_config.settings({"ocsmanager_credentials": "<" + self.credentials}))
        os.chmod(include, 0o600)
        dovecot.start()
        dovecot.deliver("alice")
        self.accepted(1)
        for path, mode in ((dovecot.config, 0o644), (f"{dovecot.folder}/run/auth-userdb", 0o666)):
            os.chmod(path, mode)
        command = dovecot.command(LDA, "-c", dovecot.config, "-o", "log_path=/dev/stderr", "-o",
                                  "stats_writer_socket_path=", "-d", "alice", user="nobody")
        result = subprocess.run(command, text=True, cwd="/", input=dovecot.message(),
                                capture_output=True, env={**os.environ, **dovecot.environment},
                                check=False)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("ocsmanager_credentials is not set", result.stderr)

    def test_credentials_that_all_may_read_are_refused(self):
        dovecot = self.setup(start=False)
        os.chmod(self.credentials, 0o644)
        dovecot.settings["ocsmanager_credentials"] = self.credentials
        dovecot.start()
        dovecot.deliver("alice")
        dovecot.wait_log("mode 0644 is too open, must be 0600 or 0640")
        self.assertEqual(self.server.requests, [])

    def test_credentials_that_are_no_file_of_two_lines_are_said(self):
        """In words of the file, as ocsctl and the daemon say it."""
        for content, words in ((None, "Is a directory"), (b"", "is empty"),
                               ("username=a\npassword=b\n".encode("utf-16"), "has a NUL byte"),
                               (b"#" * 5000, "larger than 4095 bytes")):
            with self.subTest(words):
                dovecot = self.setup(start=False)
                os.unlink(self.credentials)
                if content is None:
                    os.mkdir(self.credentials, 0o700)
                else:
                    with open(self.credentials, "wb") as f:
                        f.write(content)
                    os.chmod(self.credentials, 0o600)
                dovecot.settings["ocsmanager_credentials"] = self.credentials
                dovecot.start()
                dovecot.deliver("alice")
                dovecot.wait_log(f"{self.credentials}: {words}")
                self.assertEqual(self.server.requests, [])
                self.doCleanups()

    def test_credentials_of_another_editor_are_read(self):
        """With a byte order mark, CR LF, and no end of the last line."""
        dovecot = self.setup(events="newmail", start=False)
        with open(self.credentials, "rb") as f:
            text = f.read()
        with open(self.credentials, "wb") as f:
            f.write(b"\xef\xbb\xbf" + text.strip().replace(b"\n", b"\r\n"))
        dovecot.settings["ocsmanager_credentials"] = self.credentials
        dovecot.start()
        dovecot.deliver("alice")
        self.accepted(1)

    def test_doveadm_loads_the_plugin_without_a_word(self):
        dovecot = self.setup()
        dovecot.deliver("alice")
        result = dovecot.doveadm("mailbox", "list", "-u", "alice")
        self.assertEqual((result.returncode, result.stdout.split(), result.stderr), (0, ["INBOX"], ""))

    def test_only_the_entry_points_are_visible(self):
        symbols = subprocess.run(["nm", "-D", "--defined-only", PLUGIN], check=True, text=True,
                                 capture_output=True).stdout
        self.assertEqual({s for s in re.findall(r" [A-Za-z] (\w+)", symbols) if not re.search("asan|gcov|mangle_path", s)},
                         {"ocsmanager_plugin_init", "ocsmanager_plugin_deinit",
                          "ocsmanager_plugin_version", "ocsmanager_plugin_dependencies"})


if __name__ == "__main__":
    unittest.main(verbosity=2)
