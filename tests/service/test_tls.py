# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""TLS of the web service and the operations address: certificates, their exchange, what is refused."""

import http.client
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
import unittest

from harness import certificates, metrics, paths
from harness.case import ServiceTest, SharedDaemonTest
from harness.client import XML_TYPE, Answer, document, notification
from harness.daemon import PASSWORD
from harness.netns import Network
from harness.raw import Raw
from harness.tls import ADDRESS, TlsFiles, der_of, place, trusting
from harness.wait import LIMIT, wait_until


def shown_to(connection):
    """The certificate that an http.client connection was shown."""
    return connection.sock.getpeercert(True)


class Serving(TlsFiles, SharedDaemonTest):
    @classmethod
    def setUpClass(cls):
        cls.make()
        cls.overrides = {"server:main": cls.keys(max_body="1024"), "operations": cls.keys(),
                         "limits": {"request_deadline": "2"}}
        super().setUpClass()

    def tls(self, **more):
        return self.client(self.shared, context=self.context, **more)

    def operations(self, path):
        connection = http.client.HTTPSConnection(self.shared.operations_host,
                                                 self.shared.operations_port, timeout=LIMIT,
                                                 context=self.context)
        self.addCleanup(connection.close)
        connection.request("GET", path)
        return connection.getresponse().read().decode()

    def timeouts(self):
        return metrics.parse(self.operations("/metrics")).get("ocsmanager_requests_total", code="408")

    def test_a_client_logs_in_and_reports(self):
        client = self.tls()
        self.accepted(client.newmail("tls-1"), "nosubscriber")
        self.assertEqual(client.login_plain().status, 200)
        self.accepted(client.newmail("tls-2"), "nosubscriber")
        self.assertIn("listening on 127.0.0.1:", self.shared.log())
        self.assertRegex(self.shared.log(), r"listening on \S+ with TLS")
        self.assertRegex(self.shared.log(), r"operations on \S+ with TLS")

    def test_cookies_are_secure(self):
        answer, *_ = self.tls(login=False).challenge()
        for _, attributes in answer.cookies.values():
            self.assertIn("secure", attributes)

    def test_the_operations_answer_over_tls(self):
        self.assertEqual(self.operations("/healthz").strip(), "ok")

    def cpu(self):
        with open(f"/proc/{self.shared.pid}/stat", encoding="ascii") as f:
            return sum(map(int, f.read().rpartition(")")[2].split()[11:13])) / os.sysconf("SC_CLK_TCK")

    def test_a_handshake_that_does_not_go_on_costs_no_cpu(self):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        hello = self.context.wrap_bio(incoming, outgoing, server_hostname=ADDRESS)
        with self.assertRaises(ssl.SSLWantReadError):
            hello.do_handshake()
        before, begin = self.cpu(), time.monotonic()
        halves = [Raw(self.shared).socket for _ in range(4)]
        for half in halves:
            half.sendall(outgoing.read(50) if half is halves[0] else b"\x16\x03\x01\x02\x00\x01")
        for half in halves:
            half.settimeout(LIMIT)
            self.assertEqual(half.recv(1), b"")  # the deadline
            half.close()
        # whoever spins uses a core; the machine may be too busy to give it one, never the other way round
        self.assertLess(self.cpu() - before, (time.monotonic() - begin) / 4)

    def test_a_client_without_tls_gets_nothing(self):
        for port in self.shared.port, self.shared.operations_port:
            with socket.create_connection((ADDRESS, port), LIMIT) as plain:
                plain.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                try:
                    self.assertNotIn(b"HTTP/1.1", plain.recv(65536))
                except ConnectionError:
                    pass

    def test_old_tls_is_refused(self):
        context = trusting(self.first[0])
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            self.client(self.shared, context=context)
        for version in ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3:
            context = trusting(self.first[0])
            context.minimum_version = context.maximum_version = version
            self.client(self.shared, context=context)

    def test_a_body_that_is_too_long_is_answered(self):
        client = self.tls()
        for length in 2000, 100_000:
            self.refused(client.put(" " * length), 413, "CONTENT_TOO_LARGE")
        self.accepted(client.newmail("tls-3"), "nosubscriber")

    def test_a_chunked_body_that_is_too_long_is_answered(self):
        client = self.tls(login=False)
        client.connection.request("PUT", "/notification", iter([b"<ocsmanager>"] + [b" " * 1000] * 5),
                                  {"Content-Type": XML_TYPE}, encode_chunked=True)
        self.assertEqual(client.connection.getresponse().status, 413)

    def test_a_body_too_long_to_be_read_is_refused_at_once(self):
        raw = self.context.wrap_socket(Raw(self.shared).socket, server_hostname=ADDRESS)
        self.addCleanup(raw.close)
        raw.sendall(b"PUT /notification HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\n"
                    b"Content-Length: 99999999\r\n\r\n<oc")
        self.assertIn(b" 413 ", raw.recv(65536).split(b"\r\n")[0])

    def test_a_handshake_that_takes_too_long_is_ended(self):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        hello = self.context.wrap_bio(incoming, outgoing, server_hostname=ADDRESS)
        with self.assertRaises(ssl.SSLWantReadError):
            hello.do_handshake()
        data = outgoing.read()
        before = self.timeouts()
        raw = self.raw(self.shared)
        raw.send(data[:len(data) // 2])
        self.assertTrue(raw.ended())
        self.assertEqual(self.timeouts(), before + 1)

    def test_a_request_that_takes_too_long_is_ended(self):
        raw = self.context.wrap_socket(Raw(self.shared).socket, server_hostname=ADDRESS)
        self.addCleanup(raw.close)
        raw.sendall(b"PUT /notification HTTP/1.1\r\nHost: x\r\nContent-Len")
        try:
            self.assertEqual(raw.recv(65536), b"")
        except (ssl.SSLError, ConnectionError):
            pass


class Many(TlsFiles, ServiceTest):
    @classmethod
    def setUpClass(cls):
        cls.make()
        super().setUpClass()

    def test_many_connections_that_ask_at_once_are_all_answered(self):
        """With epoll, a thread of libmicrohttpd 0.9.75 stalls where 128 are ready together."""
        d = self.daemon({"server:main": self.keys(keepalive_timeout="3600"), "limits": {"request_deadline": "300"}})
        connections = []
        for number in 127, 128, 129:
            while len(connections) < number:
                connections.append(self.client(d, login=False, context=self.context).connection)
                connections[-1].connect()
            for connection in connections:
                connection.request("GET", "/authenticate")
            answers = [connection.getresponse() for connection in connections]
            self.assertEqual([(answer.status, bool(answer.read())) for answer in answers], [(200, True)] * number)


class Exchange(TlsFiles, ServiceTest):
    @classmethod
    def setUpClass(cls):
        cls.make()
        super().setUpClass()

    def setUp(self):
        place(self.first, self.cert, self.key)
        self.d = self.daemon({"server:main": self.keys(), "operations": self.keys()})

    def shown(self, port=None):
        """The certificate that a new connection is shown."""
        with self.context.wrap_socket(socket.create_connection((ADDRESS, port or self.d.port), LIMIT),
                                      server_hostname=ADDRESS) as tls:
            return tls.getpeercert(True)

    def test_sighup_shows_the_new_certificate_to_new_connections(self):
        old = self.client(self.d, context=self.context)
        self.assertEqual(shown_to(old.connection), der_of(self.first[0]))
        place(self.second, self.cert, self.key)
        self.d.reload(says="reloaded")
        for port in self.d.port, self.d.operations_port:
            self.assertEqual(self.shown(port), der_of(self.second[0]))
        self.accepted(old.newmail("exchange-1"), "nosubscriber")
        self.assertEqual(shown_to(old.connection), der_of(self.first[0]))

    def test_the_old_certificate_stays_whatever_is_wrong_with_the_new(self):
        def spoil(path, text):
            with open(path, "w", encoding="ascii") as f:
                f.write(text)

        cases = {"not the key": lambda: place((self.second[0], self.first[1]), self.cert, self.key),
                 "no certificate in it": lambda: spoil(self.cert, "nothing\n"),
                 "cannot read anything": lambda: spoil(self.cert, ""),
                 "no key in it": lambda: spoil(self.key, "nothing\n"),
                 "is too open": lambda: os.chmod(self.key, 0o644),
                 "No such file": lambda: os.unlink(self.key),
                 "tls_cert: " + self.cert + ": No such": lambda: os.unlink(self.cert),
                 "not a regular file": lambda: (os.unlink(self.cert), os.mkfifo(self.cert))}
        for words, spoils in cases.items():
            with self.subTest(words):
                place(self.second, self.cert, self.key)
                spoils()
                line = self.d.reload(says="tls_")
                self.assertIn(words, line)
                self.assertRegex(line, r"ocsmanager\.ini:\d+: \[server:main\] tls_")
                self.d.err.wait_text("reload refused")
                self.assertEqual(self.shown(), der_of(self.first[0]))
        place(self.second, self.cert, self.key)
        self.d.reload(says="reloaded ")
        self.assertEqual(self.shown(), der_of(self.second[0]))

    def test_other_files_can_be_named(self):
        self.d.reload({"server:main": {"tls_cert": self.second[0], "tls_key": self.second[1]},
                       "operations": self.keys()}, says="reloaded ")
        self.assertEqual(self.shown(), der_of(self.second[0]))
        self.assertEqual(self.shown(self.d.operations_port), der_of(self.first[0]))
        self.assertNotIn("restart", self.d.log())

    def test_a_certificate_near_its_end_is_told_while_it_runs(self):
        def trouble():
            return d.metrics().get("ocsmanager_health_trouble", source="certificate")

        d = self.daemon({"server:main": self.keys()})
        self.assertEqual(trouble(), 0)
        place(certificates.make(self.folder, "ends", 3, "IP:" + ADDRESS), self.cert, self.key)
        d.reload(says="reloaded ")
        wait_until(lambda: trouble() == 1)
        status, text = d.operations("/healthz")
        self.assertEqual(status, 200)
        self.assertRegex(text, r"warning: certificate: \[server:main\] tls_cert: .* expires in \d days: renew it")
        place(self.second, self.cert, self.key)
        d.reload(says="reloaded ")
        wait_until(lambda: trouble() == 0)

    def test_to_begin_or_end_with_tls_takes_a_restart(self):
        self.d.reload({"operations": self.keys()}, says="reloaded ")
        self.assertIn("[server:main] tls_cert is gone: restart", self.d.log())
        self.assertEqual(self.shown(), der_of(self.first[0]))
        plain = self.daemon()
        plain.reload({"server:main": self.keys()}, says="reloaded ")
        self.assertIn("[server:main] tls_cert is new: restart", plain.log())
        self.client(plain)

    def test_no_handshake_fails_while_certificates_are_exchanged(self):
        seen, failed, stop = set(), [], threading.Event()

        def shake():
            while not stop.is_set():
                try:
                    seen.add(self.shown())
                except OSError as error:
                    failed.append(error)

        threads = [threading.Thread(target=shake) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            for turn in range(20):
                place((self.second, self.first)[turn % 2], self.cert, self.key)
                self.d.reload(says="reloaded ")
                if turn < 2:
                    seen.clear()
                    now = der_of((self.second, self.first)[turn % 2][0])
                    wait_until(lambda: now in seen or failed, what="the new certificate is shown")
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        self.assertEqual(failed, [])


class Refusals(TlsFiles, ServiceTest):
    @classmethod
    def setUpClass(cls):
        cls.make()
        super().setUpClass()

    def check(self, overrides):
        """(exit status, what `ocsmanager -t` says) of an ini."""
        daemon = self.daemon(overrides, start=False)
        answer = subprocess.run([paths.program("ocsmanager"), "-c", daemon.ini, "-t"],
                                capture_output=True, text=True, timeout=LIMIT, check=False)
        return answer.returncode, answer.stdout + answer.stderr

    def does_not_start(self, overrides, words):
        status, said = self.check(overrides)
        self.assertEqual(status, 1, said)
        self.assertRegex(said, words)
        daemon = self.daemon(overrides, start=False).start(ready=False)
        self.assertEqual(daemon.wait_exit(), 1)
        self.assertRegex(daemon.log(), words)

    def test_keys_that_cannot_be_used(self):
        other = os.path.join(self.folder, "open")
        shutil.copy(self.first[1], other)
        os.chmod(other, 0o644)
        where = r"ocsmanager\.ini:\d+: \[%s\] %s: "
        self.does_not_start({"server:main": {"tls_cert": self.cert, "tls_key": other}},
                            where % ("server:main", "tls_key") + ".* is too open")
        self.does_not_start({"operations": {"tls_cert": self.cert, "tls_key": self.second[1]}},
                            where % ("operations", "tls_key") + ".* not the key of the certificate")
        self.does_not_start({"server:main": self.keys(tls_client_ca="none")},
                            where % ("server:main", "tls_client_ca") + ".*/none: No such file")
        self.does_not_start({"server:main": self.keys(tls_client_ca=self.first[1])},
                            where % ("server:main", "tls_client_ca") + ".*no certificate in it")
        self.does_not_start({"server:main": {"tls_cert": "nowhere", "tls_key": self.key}},
                            where % ("server:main", "tls_cert") + ".*/nowhere: No such file")

    def test_a_certificate_near_its_end_is_a_warning(self):
        certificates.make(self.folder, "soon", 3, "IP:" + ADDRESS)
        certificates.make_expired(self.folder, "expired")
        for name, words in ("soon", r"expires in \d days"), ("expired", "has expired"):
            pair = {end: os.path.join(self.folder, f"{name}.{what}")
                    for end, what in (("tls_cert", "pem"), ("tls_key", "key"))}
            status, said = self.check({"server:main": pair})
            self.assertEqual(status, 0, said)
            self.assertRegex(said, r"warning: \S+ocsmanager\.ini:\d+: \[server:main\] tls_cert: .*" +
                             words)
        self.assertIn(": fine", self.check({"server:main": self.keys()})[1])
        self.daemon({"server:main": pair}).err.wait_text("has expired")

    def test_plain_http_beyond_loopback_must_be_asked_for(self):
        for section in "server:main", "operations":
            self.does_not_start({section: {"host": "0.0.0.0"}},
                                rf"ocsmanager\.ini:\d+: \[{section}\] host: 0\.0\.0\.0: beyond "
                                "loopback TLS is needed: set tls_cert and tls_key, or plain_http")
            self.daemon({section: {"host": "0.0.0.0", "plain_http": "yes"}})
            self.daemon({section: {"host": "0.0.0.0", **self.keys()}})


class Exporting:
    """openssl's client in place of http.client's connection: it tells the exporter, which Python does not. TLS 1.3,
    since its exporter of TLS 1.2 is one without a context, where RFC 9266 has an empty one."""

    def __init__(self, address, port, trusted):
        self._process = subprocess.Popen(
            ["openssl", "s_client", "-connect", f"{address}:{port}", "-CAfile", trusted, "-tls1_3",
             "-verify_return_error", "-keymatexport", "EXPORTER-Channel-Binding",
             "-keymatexportlen", "32"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL)
        self._out, self.sock, self.exporter = self._process.stdout, None, None
        while self.exporter is None:
            line = self._out.readline().decode()
            assert line, "openssl has ended"
            if line.strip().startswith("Keying material: "):
                self.exporter = bytes.fromhex(line.split(":")[1].strip())

    def request(self, method, path, body=None, headers=()):
        lines = [f"{method} {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body or b'')}"]
        lines += [f"{name}: {value}" for name, value in dict(headers).items()]
        self._process.stdin.write("\r\n".join([*lines, "", ""]).encode() + (body or b""))
        self._process.stdin.flush()

    def getresponse(self):
        while True:  # what openssl says itself comes before
            line = self._out.readline()
            assert line, "openssl has ended"
            if b"HTTP/1.1 " in line:
                break
        headers = http.client.parse_headers(self._out)
        body = self._out.read(int(headers["Content-Length"]))
        answer = Answer(int(line.split(b"HTTP/1.1 ")[1].split()[0]), headers, body)
        answer.read = lambda: body
        return answer

    def close(self):
        self._process.stdin.close()
        self._process.wait(LIMIT)
        self._out.close()


class Binding(TlsFiles, SharedDaemonTest):
    """SCRAM-SHA-256-PLUS."""

    @classmethod
    def setUpClass(cls):
        cls.make()
        cls.overrides = {"server:main": cls.keys(), "auth:single": {"password": PASSWORD}}
        super().setUpClass()

    def exporting(self):
        client = self.client(self.shared, login=False, context=self.context)
        client.connection.close()
        client.connection = Exporting(ADDRESS, self.shared.port, self.first[0])
        return client

    def unique(self):
        context = trusting(self.first[0])
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        client = self.client(self.shared, login=False, context=context)
        client.connection.connect()
        return client, client.connection.sock.get_channel_binding("tls-unique")

    def offered(self, client):
        return [e.text for e in client.request("GET", "/authenticate").root]

    def test_tls_exporter_binds(self):
        client = self.exporting()
        self.assertEqual(self.offered(client)[0], "SCRAM-SHA-256-PLUS")
        binding = "tls-exporter", client.connection.exporter
        self.accepted(client.login_scram(binding=binding))
        self.accepted(client.newmail("bound"), "nosubscriber")
        self.refused(client.login_scram(binding=("tls-exporter", bytes(32))), 401,
                     "INVALID_CREDENTIALS")

    def test_tls_unique_binds_in_tls_1_2(self):
        client, unique = self.unique()
        self.accepted(client.login_scram(binding=("tls-unique", unique)))
        self.refused(client.login_scram(binding=("tls-unique", bytes(12))), 401,
                     "INVALID_CREDENTIALS")
        client = self.exporting()
        self.refused(client.login_scram(binding=("tls-unique", unique)), 422, "INVALID_PARAMETER")

    def test_the_second_step_comes_by_the_same_line(self):
        client, unique = self.unique()
        self.refused(client.login_scram(binding=("tls-unique", unique),
                                        spoil=lambda text: client.connection.close() or text), 401,
                     "INVALID_CREDENTIALS")

    def test_without_tls_of_its_own_nothing_is_offered(self):
        plain = self.daemon({"auth:single": {"password": PASSWORD}})
        client = self.client(plain, login=False)
        self.assertNotIn("SCRAM-SHA-256-PLUS", self.offered(client))
        self.refused(client.login_scram(binding=("tls-exporter", bytes(32))), 422,
                     "INVALID_PARAMETER")
        proxied = self.daemon({"server:main": self.keys(proxies=ADDRESS),
                               "auth:single": {"password": PASSWORD}})
        client = self.client(proxied, login=False, context=self.context)
        self.assertNotIn("SCRAM-SHA-256-PLUS", self.offered(client))
        self.accepted(self.client(self.shared, login=False, context=self.context).login_scram())


class Ocsctl(TlsFiles, ServiceTest):
    @classmethod
    def setUpClass(cls):
        cls.make()
        super().setUpClass()

    def setUp(self):
        place(self.first, self.cert, self.key)
        self.d = self.daemon({"server:main": self.keys(), "operations": self.keys()})
        self.password = self.d.write("password", PASSWORD + "\n", 0o600)
        self.file = self.d.write("one.xml", notification(message="1"))

    def ctl(self, *words):
        answer = subprocess.run([paths.program("ocsctl"), "-c", self.d.ini, *words], text=True,
                                capture_output=True, timeout=LIMIT, check=False)
        return answer.returncode, answer.stdout + answer.stderr

    def notify(self, *words):
        return self.ctl("notify", "--password-file", self.password, "--mechanism", "SSHA", *words,
                        self.file)

    def test_a_daemon_that_runs_without_tls_yet_is_asked_without(self):
        self.d = self.daemon({})
        self.password = self.d.write("password", PASSWORD + "\n", 0o600)
        self.file = self.d.write("one.xml", notification(message="1"))
        self.d.overrides = {"server:main": self.keys(), "operations": self.keys()}
        self.d.write_ini()
        self.assertEqual(self.ctl("reload")[0], 0)
        for status, said in self.ctl("status"), self.notify():
            self.assertEqual(status, 0, said)

    def test_the_daemon_of_the_ini_is_known_by_its_certificate(self):
        self.assertEqual(self.ctl("status")[0], 0)
        self.assertEqual(self.notify()[0], 0)
        place(self.second, self.cert, self.key)  # the daemon does not know of it yet
        for status, said in self.ctl("status"), self.notify():
            self.assertEqual(status, 1)
            self.assertIn("another certificate than the ini's tls_cert", said)
        self.assertEqual(self.ctl("reload")[0], 0)
        self.assertEqual(self.ctl("status")[0], 0)
        self.assertEqual(self.notify()[0], 0)

    def test_a_url_needs_a_certificate_that_is_trusted(self):
        url = f"https://{ADDRESS}:{self.d.port}"
        self.assertEqual(self.notify("--url", url, "--ca", self.first[0])[0], 0)
        for more in [], ["--ca", self.second[0]]:
            status, said = self.notify("--url", url, *more)
            self.assertEqual(status, 1)
            self.assertIn("certificate", said)
            self.assertNotIn("does it run there?", said)
        self.assertEqual(self.notify("--url", url.replace(ADDRESS, "localhost"), "--ca",
                                     self.first[0])[0], 1)


@unittest.skipUnless(os.geteuid() == 0, "network namespaces need root")
class FromAfar(TlsFiles, ServiceTest):
    @classmethod
    def setUpClass(cls):
        cls.make()
        cls.network = Network()
        cls.addClassCleanup(cls.network.close)
        cls.there = certificates.make(cls.folder, "there", 100, "IP:" + Network.LEFT)
        super().setUpClass()

    def far_daemon(self, server, **more):
        daemon = self.daemon({"server:main": {"host": "0.0.0.0", **server}, **more},
                             wrapper=Network.wrapper(self.network.left))
        daemon.host = Network.LEFT
        return daemon

    def test_plain_needs_tls(self):
        secret = f'<sasl mechanism="PLAIN">AG9wZW5jaGFuZ2UA{"dGVzdA"}</sasl>'
        self.assertEqual(PASSWORD, "test")
        plain = self.far_daemon({"plain_http": "yes"})
        tls = self.far_daemon({"tls_cert": self.there[0], "tls_key": self.there[1]})
        with self.network.inside(self.network.right):
            client = self.client(plain)
            self.refused(client.request("POST", "/authenticate/login", document(secret)), 403,
                         "ACCESS_FORBIDDEN")
            client = self.client(tls, context=trusting(self.there[0]))
            self.accepted(client.request("POST", "/authenticate/login", document(secret)))


if __name__ == "__main__":
    unittest.main()
