# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""The sockets of the host, by who may open them and means ill, and the datagrams to clients. In test_local_socket: who
may not connect, connections of one user, what drips, what is silent; in test_report: the group of report.sock; in
test_lockouts: questions to control.sock that are none; in test_member: wake-ups without end, and what a member can put
into files; in unit/registry: each bind request and each push address that is refused; in test_push: datagrams are
repeated, not a flood."""

import array
import contextlib
import os
import socket
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness import paths
from harness.attacks import GoodClient
from harness.case import ServiceTest
from harness.client import notification
from harness.wait import LIMIT, wait_until

NOBODY = "amqp://ocs:s3cret@127.0.0.1:1/v"  # a broker that is not there
STREAM, PACKETS, DATAGRAMS = socket.SOCK_STREAM, socket.SOCK_SEQPACKET, socket.SOCK_DGRAM


class Sockets(ServiceTest):
    def setUp(self):
        self.d = self.daemon({"server:main": {"socket": "sock/o.sock"}, "rabbitmq": {"uri": NOBODY,
                                                                                     "spool_max": "1000000"},
                              "limits": {"request_deadline": "60"}})
        self.sockets = {self.d.path("sock/o.sock"): STREAM, self.path("report.sock"): STREAM,
                        self.path("private/control.sock"): STREAM, self.path("bind.sock"): PACKETS}

    def path(self, name):
        return os.path.join(self.d.registry, name)

    def connect(self, path, kind):
        s = socket.socket(socket.AF_UNIX, kind)
        self.addCleanup(s.close)
        s.connect(path)  # without a limit, which would mean not to wait for room
        s.settimeout(LIMIT)
        return s

    @staticmethod
    def ended(s):
        """Reads to its end."""
        with contextlib.suppress(ConnectionError):
            while s.recv(65536):
                pass

    def all_is_well(self):
        self.assertEqual(self.d.operations("/healthz")[0], 200)
        with self.client(self.d) as client:
            self.accepted(client.put(notification("modified")))
        done = subprocess.run([paths.program("ocsctl"), "-c", self.d.ini, "lockouts"], capture_output=True, text=True,
                              timeout=LIMIT, check=False)
        self.assertEqual(done.stdout, "nobody is locked out\n")
        self.consumer(self.d, "bound").close()  # a subscription asks over bind.sock

    def test_another_kind_of_socket_does_not_connect(self):
        for path, right in self.sockets.items():
            for kind in (STREAM, PACKETS, DATAGRAMS):
                if kind != right:
                    with self.subTest(path=path, kind=kind), self.assertRaises(OSError):
                        self.connect(path, kind)
        self.all_is_well()

    def test_much_at_once(self):
        for path, kind in self.sockets.items():
            with self.subTest(path):
                s = self.connect(path, kind)
                with contextlib.suppress(OSError):  # a packet may be too long, or the end come before all is sent
                    for _ in range(200):
                        s.sendall(b"x" * (150000 if kind == PACKETS else 1 << 20))
                with contextlib.suppress(OSError):
                    s.shutdown(socket.SHUT_WR)
                self.ended(s)
        self.all_is_well()

    def test_descriptors_that_are_passed_along(self):
        """Who does not ask for them gets none; nothing stays open."""
        with open(os.devnull, "rb") as null:
            many = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [null.fileno()] * 250))]
            before = len(os.listdir(f"/proc/{self.d.pid}/fd"))
            for path, kind in self.sockets.items():
                for _ in range(20):
                    s = self.connect(path, kind)
                    with contextlib.suppress(OSError):
                        for _ in range(4):
                            s.sendmsg([b"\1Bx" if kind == PACKETS else b"x"], many)
                    s.close()
            wait_until(lambda: len(os.listdir(f"/proc/{self.d.pid}/fd")) < before + 50,
                       what="none of 80,000 is left open")
        self.all_is_well()

    def test_bind_requests_that_are_none(self):
        for packet in (b"", b"\0", b"\1", b"\1B", b"\2Bjdoe", b"\1Cjdoe", b"\1B\0", b"\1Bjd\0oe", b"\1B\xff\xfe",
                       b"\1B" + b"x" * 1025,
                       b"\1B" + b"x" * 60000, b"\1B\2", b"\1B\2a", b"\1B\2a\2", b"\1B../../x", "\1B\u202e".encode(),
                       b"\1B%s%n",
                       b"\1Ba\nb"):
            with self.subTest(packet[:20]):
                s = self.connect(self.path("bind.sock"), PACKETS)
                for _ in range(3):
                    with contextlib.suppress(OSError):
                        s.send(packet)
                self.ended(s)
        self.all_is_well()

    def test_silent_bind_requests_hold_nobody_up_for_ever(self):
        with contextlib.suppress(BlockingIOError):  # the queue of those who wait is full too
            for number in range(1000):
                s = socket.socket(socket.AF_UNIX, PACKETS)
                self.addCleanup(s.close)
                s.setblocking(False)
                s.connect(self.path("bind.sock"))
                if number % 2:
                    s.send(b"\1Buser%d" % number)
        self.all_is_well()


class Datagrams(ServiceTest):
    """They go where a MAPI server said that its client listens, and nobody else can say so."""

    def test_nothing_that_a_sender_reports_is_an_address(self):
        daemon = self.daemon()
        client_address, victim = self.udp(), self.udp()
        consumer = self.consumer(daemon, push=client_address.address, context="0102", idle=3)
        client = self.client(daemon)
        words = (victim.address, f"udp://{victim.address}", "\2\0" + chr(0x80), f"{victim.address}/jdoe")
        with GoodClient(daemon):
            for n, word in enumerate(words):
                for place in ("folder", "message", "guid", "messageClass", "oldFolder"):
                    values = {"message": f"{n}{place}", place: word}
                    client.put(notification("newmail", **values))
                client.put(notification("newmail", message=f"u{n}", user=word))
            client.newmail("last")
        self.assertEqual(client_address.receive()[0], bytes.fromhex("0102"))
        consumer.wait_events(1)
        self.assertEqual(victim.drain(), [])
        self.assertEqual({address for address, _ in consumer.udp()}, {client_address.address})

    def test_addresses_of_nobody_and_of_everybody_are_refused(self):
        daemon = self.daemon()
        for address in ("0.0.0.0:5", "255.255.255.255:5", "224.0.0.1:5", "239.255.255.255:5", "127.0.0.1:0", "[::]:5",
                        "[ff02::1]:5", "[::ffff:224.0.0.1]:5", "[::ffff:0.0.0.0]:5"):
            with self.subTest(address):
                done = subprocess.run([paths.program("ocsconsumer"), "-c", daemon.ini, "-u", "jdoe", "--push", address,
                                       "--context", "01", "--count", "1"], capture_output=True, text=True,
                                       timeout=LIMIT,
                                      check=False)
                self.assertNotEqual(done.returncode, 0, done)


if __name__ == "__main__":
    unittest.main()
