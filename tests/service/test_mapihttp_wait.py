#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""ocsmapihttp: NotificationWait, real notifications, many clients, TLS, the end of the program."""

import contextlib
import itertools
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness import certificates  # noqa: E402
from harness.case import ServiceTest  # noqa: E402
from harness.client import logged_in  # noqa: E402
from harness.daemon import ACCOUNT, Daemon  # noqa: E402
from harness.mapihttp import MapiClient, Server, raw_connection, raw_request  # noqa: E402
from harness.raw import Raw  # noqa: E402
from harness.ropnotify import decode  # noqa: E402
from harness.wait import LIMIT, wait_until  # noqa: E402

WAIT = bytes(8)
PENDING_BODY = bytes.fromhex("00000000000000000100000000000000")
TIMEOUT_BODY = bytes.fromhex("00000000000000000000000000000000")
REJECTED_BODY = bytes.fromhex("00000000ee0700000000000000000000")
# MS-OXCMAPIHTTP 4.2, in the case that hex digits may have
CHUNK_PROCESSING = bytes.fromhex("430d0a50524f43455353494e470d0a0d0a")
CHUNK_PENDING = bytes.fromhex("390d0a50454e44494e470d0a0d0a")
STREAM = bytes.fromhex(
    "630d0a50524f43455353494e470d0a0d0a390d0a50454e44494e470d0a0d0a35610d0a444f4e450d0a582d456c6170"
    "73656454696d653a2033313030300d0a582d537461727454696d653a2053756e2c203036204e6f7620313939342030"
    "383a34393a333720474d540d0a0d0a000000000000000001000000000000000d0a300d0a0d0a")


def spoil_times(stream):
    """The stream with the two values that differ each time made those of the example."""
    stream = re.sub(rb"X-ElapsedTime: \d+", b"X-ElapsedTime: 31000", stream)
    return re.sub(rb"X-StartTime: [^\r]+", b"X-StartTime: Sun, 06 Nov 1994 08:49:37 GMT", stream)


class WaitTest(ServiceTest):
    options = ("--pending-period", "150")
    tls = None

    @classmethod
    def setUpClass(cls):
        cls.shared = Daemon().start()
        cls.addClassCleanup(cls.shared.close)
        cls.server = Server(cls.shared, *cls.options, tls=cls.tls)
        cls.addClassCleanup(cls.server.stop)
        cls.notifier = logged_in(cls.shared)
        cls.addClassCleanup(cls.notifier.close)

    def mapi(self, server=None, **more):
        client = MapiClient(server or self.server, **more)
        self.addCleanup(client.close)
        return client

    def logged_on(self, types=0x0002, **more):
        client = self.mapi(**more)
        client.log_on()
        client.handle = client.register(types)
        return client

    numbers = itertools.count(1)

    def newmail(self):
        answer = self.notifier.newmail(str(next(WaitTest.numbers)), user=ACCOUNT)
        self.assertEqual(answer.statuses, ["queued"], answer)


class Waits(WaitTest):
    def test_the_stream_is_that_of_the_standard_byte_by_byte(self):
        client = self.logged_on()
        connection = raw_connection(self.server)
        self.addCleanup(connection.close)
        connection.sendall(raw_request(client, "NotificationWait", WAIT))
        data = b""

        def more_until(found):
            nonlocal data
            end = time.monotonic() + LIMIT
            while not found(data):
                self.assertLess(time.monotonic(), end, data)
                got = connection.recv(65536)
                self.assertTrue(got, data)
                data += got
        more_until(lambda d: b"PENDING\r\n\r\n" in d)
        self.newmail()
        more_until(lambda d: d.endswith(b"\r\n0\r\n\r\n"))
        head, stream = data.split(b"\r\n\r\n", 1)
        self.assertIn(b"Transfer-Encoding: chunked", head)
        self.assertNotIn(b"Content-Length", head)
        self.assertTrue(stream.lower().startswith(CHUNK_PROCESSING.lower()), stream)
        self.assertIn(CHUNK_PENDING, stream)
        stream = stream.replace(CHUNK_PENDING, b"", stream.count(CHUNK_PENDING) - 1)
        # The elapsed time has fewer digits than the example's: the chunk is shorter by those.
        size, rest = re.search(rb"\r\n([0-9a-fA-F]+)\r\n(DONE.*)\r\n0\r\n\r\n$", stream,
                               re.S).groups()
        self.assertEqual(int(size, 16), len(rest))
        stream = stream.replace(b"\r\n" + size + b"\r\nDONE", b"\r\n5a\r\nDONE")
        stream = spoil_times(stream)
        # The example's chunk size does not count its own times: taken as it counts them here.
        ours = re.sub(rb"\r\n[0-9a-f]+\r\nDONE", b"\r\nDONE", stream)
        example = re.sub(rb"\r\n[0-9a-f]+\r\nDONE", b"\r\nDONE", STREAM)
        self.assertEqual(ours.lower(), example.lower())
        self.assertEqual(client.idle()[:1], b"\x2a")

    def test_processing_comes_at_once_and_pending_each_period(self):
        client = self.logged_on()
        began = time.monotonic()
        waiting = client.wait()
        self.assertEqual(waiting.headers["X-PendingPeriod"], "150")
        self.assertEqual(waiting.tag(), "PROCESSING")
        for number in range(1, 5):
            self.assertEqual(waiting.tag(), "PENDING")
            self.assertGreater(time.monotonic() - began, 0.15 * number - 0.02)
        waiting.connection.close()

    def test_a_notification_ends_the_wait_and_execute_brings_it(self):
        client = self.logged_on()
        waiting = client.wait()
        self.assertEqual(waiting.tag(), "PROCESSING")
        self.newmail()
        self.assertEqual(waiting.finish(), (0, True))
        self.assertEqual(waiting.body, PENDING_BODY)
        self.assertEqual(list(waiting.extra), ["X-ElapsedTime", "X-StartTime"])
        fields, rest = decode(client.idle())
        values = {name: value for name, _, value in fields}
        self.assertEqual((values["RopId"], values["NotificationHandle"],
                          values["NotificationFlags"], rest), (0x2A, client.handle, 0x8002, b""))
        self.assertEqual(client.idle(), b"")

    def test_what_is_pending_already_ends_it_at_once_with_a_length(self):
        client = self.logged_on()
        self.newmail()
        answer = client.request("NotificationWait", WAIT)
        self.assertEqual((answer.tags, answer.body), (["PROCESSING", "DONE"], PENDING_BODY))
        self.assertIn("Content-Length", answer.headers)
        self.assertNotEqual(client.idle(), b"")

    def test_a_second_wait_is_rejected_and_the_first_stays(self):
        client = self.logged_on()
        waiting = client.wait()
        waiting.tag()
        answer = client.request("NotificationWait", WAIT)
        self.assertEqual(answer.body, REJECTED_BODY)
        self.newmail()
        self.assertEqual(waiting.finish(), (0, True))

    def test_other_requests_run_beside_it(self):
        client = self.logged_on()
        waiting = client.wait()
        waiting.tag()
        for _ in range(20):
            self.assertEqual(client.idle(), b"")
        self.assertEqual(client.ping().code, 0)
        self.newmail()
        self.assertEqual(waiting.finish(), (0, True))

    def test_it_needs_no_sequence_and_gives_none(self):
        client = self.logged_on()
        sequence = client.cookies.pop("MapiSequence")
        waiting = client.wait()
        self.assertIsNone(waiting.headers["Set-Cookie"])
        waiting.tag()
        client.cookies["MapiSequence"] = sequence
        self.assertEqual(client.idle(), b"")
        waiting.connection.close()

    def test_disconnect_ends_it(self):
        client = self.logged_on()
        waiting = client.wait()
        waiting.tag()
        self.assertEqual(client.disconnect().code, 0)
        self.assertEqual(waiting.finish(), (0, True))

    def test_a_client_that_goes_away_gives_its_place_free(self):
        client = self.logged_on()
        for _ in range(3):
            waiting = client.wait()
            waiting.tag()
            # The response has the socket too.
            waiting.response.close()
            waiting.connection.close()
            wait_until(lambda: self.rejects_no_wait(client), what="the next wait is parked")
        self.newmail()
        self.assertNotEqual(client.idle(), b"")

    def rejects_no_wait(self, client):
        waiting = client.wait()
        if "Content-Length" in waiting.headers:
            self.assertEqual(waiting.finish()[0], 0x7EE)
            return False
        waiting.response.close()
        waiting.connection.close()
        # and that one gives its place free as well
        wait_until(lambda: self.server_parks(client), what="the place is free")
        return True

    def server_parks(self, client):
        waiting = client.wait()
        parked = "Content-Length" not in waiting.headers
        waiting.response.close()
        waiting.connection.close()
        return parked

    def test_no_event_is_lost_between_execute_and_the_next_wait(self):
        client = self.logged_on()
        seen, number = 0, 200

        def send():
            for i in range(number):
                self.newmail()
        sender = threading.Thread(target=send)
        sender.start()
        end = time.monotonic() + 60
        while seen < number and time.monotonic() < end:
            self.assertEqual(client.wait().finish(), (0, True))
            rops = client.idle()
            while rops:
                _, rops = decode(rops)
                seen += 1
        sender.join()
        self.assertEqual(seen, number)

    def test_a_hundred_waits_each_woken_once(self):
        clients = [self.logged_on() for _ in range(100)]
        waits = []
        for client in clients:
            waiting = client.wait()
            self.assertEqual(waiting.tag(), "PROCESSING")
            waits.append(waiting)
        self.newmail()
        for client, waiting in zip(clients, waits):
            self.assertEqual(waiting.finish(), (0, True))
            _, rest = decode(client.idle())
            self.assertEqual(rest, b"")
        for client in clients:
            client.disconnect()

    def test_exactly_128_connections_and_their_neighbours_are_served(self):
        for number in (127, 128, 129):
            clients = [self.mapi() for _ in range(number)]
            clients[0].connect()
            for client in clients:
                client.cookies = clients[0].cookies
                client.connection.connect()
            times = []
            for _ in range(5):
                began = time.monotonic()
                for client in clients:
                    client.send("PING", b"")
                for client in clients:
                    self.assertEqual(client.receive().code, 0)
                times.append(time.monotonic() - began)
            self.assertLess(min(times), 1, f"a stall at {number} connections")
            for client in clients:
                client.close()


class TimeLimit(WaitTest):
    options = ("--pending-period", "200", "--wait-limit", "700")

    def test_without_an_event_it_ends_after_its_time(self):
        client = self.logged_on()
        for _ in range(2):
            began = time.monotonic()
            waiting = client.wait()
            self.assertEqual(waiting.finish(), (0, False))
            took = time.monotonic() - began
            self.assertEqual(waiting.body, TIMEOUT_BODY)
            # of a timer that comes late, two periods can be one
            self.assertEqual((waiting.tags[0], waiting.tags[-1]), ("PROCESSING", "DONE"))
            self.assertEqual(set(waiting.tags[1:-1]), {"PENDING"})
            self.assertLessEqual(len(waiting.tags), 5)
            self.assertGreater(took, 0.68)
            elapsed = int(waiting.extra["X-ElapsedTime"])
            self.assertTrue(690 <= elapsed <= took * 1000 + 1, elapsed)


class Stopping(WaitTest):
    def test_sigterm_ends_waits_with_exiting(self):
        server = Server(self.shared)
        self.addCleanup(server.stop)
        client = self.logged_on(server=server)
        waits = [client.wait()]
        waits[0].tag()
        stopper = threading.Thread(target=server.stop)
        stopper.start()
        self.assertEqual(waits[0].finish(), (0x3ED, False))
        stopper.join()

    def test_a_request_that_comes_while_it_stops_gets_code_18(self):
        server = Server(self.shared)
        self.addCleanup(server.stop)
        client = self.logged_on(server=server)
        body = client.execute_body()
        connection = raw_connection(server)
        self.addCleanup(connection.close)
        request = raw_request(client, "Execute", body)
        connection.sendall(request[:-1])
        # Handled in order: when this answer is there, the cut request has been taken in.
        self.assertEqual(client.ping().code, 0)
        process = server.process
        process.terminate()
        server.err.wait_text("stopping")
        with Raw(server) as late:
            with contextlib.suppress(ConnectionError):
                late.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertIsNone(late.response()[0], "a new connection")
        connection.sendall(request[-1:])
        answer = connection.recv(65536)
        self.assertIn(b"X-ResponseCode: 18\r\n", answer)
        process.wait(LIMIT)


class Tls(WaitTest):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="ocstls")
        cls.addClassCleanup(cls.folder.cleanup)
        cert, key = os.path.join(cls.folder.name, "cert"), os.path.join(cls.folder.name, "key")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                        "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key,
                        "-out", cert], check=True, capture_output=True, timeout=LIMIT)
        os.chmod(key, 0o600)
        cls.tls = cert, key
        super().setUpClass()

    def context(self):
        return ssl.create_default_context(cafile=self.tls[0])

    def test_a_wait_over_tls_is_woken(self):
        client = self.logged_on(context=self.context())
        waiting = client.wait()
        self.assertEqual([waiting.tag(), waiting.tag()], ["PROCESSING", "PENDING"])
        self.newmail()
        self.assertEqual(waiting.finish(), (0, True))
        self.assertEqual(client.idle()[:1], b"\x2a")

    def test_cookies_are_secure(self):
        answer = self.mapi(context=self.context()).connect()
        for _, attributes in answer.cookies.values():
            self.assertIn("secure", attributes)

    def wake_ups(self):
        """How often the loop has slept until now."""
        with open(f"/proc/{self.server.process.pid}/status", encoding="ascii") as f:
            return int(re.search(r"(?m)^voluntary_ctxt_switches:\s+(\d+)", f.read()).group(1))

    def test_a_handshake_that_does_not_go_on_wakes_nobody_up(self):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        hello = self.context().wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
        with self.assertRaises(ssl.SSLWantReadError):
            hello.do_handshake()
        data = outgoing.read()
        waiting = self.logged_on(context=self.context()).wait()
        waiting.tag()
        halves = []
        for size in 1, 5, 50, len(data) - 1, len(data):  # of the last one the handshake has begun
            halves.append(raw_connection(self.server))
            self.addCleanup(halves[-1].close)
            halves[-1].sendall(data[:size])
        for _ in range(4):  # one each 150 ms, by the server's clock
            waiting.tag()
        before = self.wake_ups()
        for _ in range(20):
            waiting.tag()
        self.assertLess(self.wake_ups() - before, 60)  # one each; where it looks every 5 ms they are hundreds
        halves[2].sendall(data[50:])
        self.assertTrue(halves[2].recv(1))  # and what comes late is answered

    def test_many_small_records_at_once_are_read_without_further_events(self):
        raw, incoming, outgoing = raw_connection(self.server), ssl.MemoryBIO(), ssl.MemoryBIO()
        self.addCleanup(raw.close)
        tls = self.context().wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")

        def until_done(step, *arguments):
            while True:
                try:
                    return step(*arguments)
                except ssl.SSLWantReadError:
                    raw.sendall(outgoing.read())
                    incoming.write(raw.recv(65536))
        until_done(tls.do_handshake)
        request = raw_request(self.mapi(context=self.context()), "PING", b"x" * 60_000)
        for at in range(0, len(request), 50):
            tls.write(request[at:at + 50])
        self.assertIn(b"X-ResponseCode: 13", until_done(tls.read, 65536))  # it has no cookie

    def test_many_connections_that_ask_at_once_are_all_answered(self):
        clients = []
        for number in 127, 128, 129:
            while len(clients) < number:
                clients.append(self.mapi(context=self.context()))
                clients[-1].connection.connect()
            for client in clients:
                client.send("PING", b"")
            self.assertEqual([client.receive().code for client in clients], [13] * number)  # they have no cookie

    def test_the_certificate_is_the_one_given(self):
        with self.assertRaises(ssl.SSLCertVerificationError):
            self.mapi(context=ssl.create_default_context()).connect()

    def test_old_tls_is_refused(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.tls[0])
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            self.mapi(context=context).connect()

    def test_a_client_without_tls_gets_nothing(self):
        connection = raw_connection(self.server)
        self.addCleanup(connection.close)
        connection.sendall(raw_request(self.mapi(), "PING", b""))
        try:
            self.assertNotIn(b"HTTP/1.1", connection.recv(65536))
        except ConnectionError:
            pass

    def fails(self, words, *options, **more):
        server = Server(self.shared, *options, ready=False, **more)
        self.addCleanup(server.err.join)
        self.assertEqual(server.process.wait(LIMIT), 1)
        server.err.wait_text(words)

    def test_without_tls_only_loopback_is_listened_on(self):
        self.fails("only loopback", listen="0.0.0.0:0")
        server = Server(self.shared, "--private", os.path.join(self.folder.name, "p"),
                        listen="0.0.0.0:0", tls=self.tls)
        server.stop()

    def test_a_key_that_others_can_read_is_refused(self):
        key = os.path.join(self.folder.name, "open")
        with open(self.tls[1], "rb") as f, open(key, "wb") as g:
            g.write(f.read())
        os.chmod(key, 0o644)
        self.fails("open", tls=(self.tls[0], key))

    def test_sighup_shows_the_new_certificate_and_keeps_the_old_on_any_error(self):
        cert, key = os.path.join(self.folder.name, "c"), os.path.join(self.folder.name, "k")
        names = os.path.join(self.folder.name, "x.pem"), os.path.join(self.folder.name, "x.key")
        certificates.make(self.folder.name, "x", alternative="IP:127.0.0.1")
        for source, target in (self.tls[0], cert), (self.tls[1], key):
            shutil.copy(source, target)
            os.chmod(target, 0o600)
        server = Server(self.shared, "--private", os.path.join(self.folder.name, "r"),
                        tls=(cert, key))
        self.addCleanup(server.stop)

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

        def shown():
            with context.wrap_socket(socket.create_connection(
                    (server.host, server.port), LIMIT)) as tls:
                return tls.getpeercert(True)

        def hang_up(words):
            server.process.send_signal(signal.SIGHUP)
            server.err.wait_text(words)

        first = shown()
        shutil.copy(names[0], cert)
        hang_up("not the key of the certificate")
        self.assertEqual(shown(), first)
        shutil.copy(names[1], key)
        hang_up("reloaded the accounts and the certificate")
        self.assertNotEqual(shown(), first)

    def test_a_certificate_without_its_key_is_refused(self):
        other = os.path.join(self.folder.name, "other")
        subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out",
                        other], check=True, capture_output=True, timeout=LIMIT)
        os.chmod(other, 0o600)
        self.fails("not the key of the certificate", "--private", os.path.join(self.folder.name, "q"),
                   tls=(self.tls[0], other))


class CommandLine(WaitTest):
    def run_it(self, *words):
        from harness import paths
        return subprocess.run([paths.program("ocsmapihttp"), *words], capture_output=True,
                              text=True, timeout=LIMIT, check=False)

    def test_help_and_version(self):
        answer = self.run_it("--help")
        self.assertEqual(answer.returncode, 0)
        for word in ("--listen", "--cert", "--key", "--pending-period", "-f", "SIGHUP"):
            self.assertIn(word, answer.stdout)
        self.assertRegex(self.run_it("--version").stdout, r"^ocsmapihttp \d+\.\d+")

    def test_wrong_usage_ends_with_2(self):
        for words in (["x"], ["--listen", "8443"], ["--listen", "127.0.0.1:x"], ["--cert", "c"],
                      ["--listen", "::1:8443"], ["--exchange", "2007"],
                      ["--pending-period", "0"], ["--nothing"]):
            answer = self.run_it(*words)
            self.assertEqual((answer.returncode, answer.stdout), (2, ""), words)
            self.assertIn("--help", answer.stderr)

    def test_without_a_daemons_registry_it_says_so(self):
        with tempfile.TemporaryDirectory() as folder:
            daemon = Daemon()
            self.addCleanup(daemon.close)
            answer = self.run_it("-c", daemon.ini, "-f", "--listen", "127.0.0.1:0", "--private",
                                 os.path.join(folder, "p"))
            self.assertEqual(answer.returncode, 1)
            self.assertIn("registry", answer.stderr)


if __name__ == "__main__":
    unittest.main()
