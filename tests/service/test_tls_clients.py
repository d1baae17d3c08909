# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Certificates of clients: whose account they are, what issuers have revoked."""

import os
import socket
import ssl
import subprocess
import unittest

from harness import certificates, paths
from harness.case import ServiceTest, SharedDaemonTest
from harness.client import notification
from harness.daemon import ACCOUNT, SSHA
from harness.tls import ADDRESS, TlsFiles, place, trusting
from harness.wait import LIMIT, wait_until


class Clients(TlsFiles):
    @classmethod
    def make(cls):
        super().make()
        cls.issuer = certificates.make(cls.folder, "issuer", 100)
        cls.stranger = certificates.make(cls.folder, "stranger", 100)
        cls.overrides = {"server:main": cls.keys(tls_client_ca=cls.issuer[0]),
                         "main": {"auth": "file"}, "auth:file": {"file": cls.folder + "/accounts"}}
        cls.accounts("alice", "bob.example.org", "carol@example.org", ACCOUNT)

    @classmethod
    def accounts(cls, *names):
        with open(cls.folder + "/accounts", "w", encoding="ascii") as f:
            f.writelines(f"{name}:{SSHA}\n" for name in names)
        os.chmod(cls.folder + "/accounts", 0o600)

    def certified(self, pair):
        """Of a client that shows that certificate."""
        context = trusting(self.first[0])
        context.load_cert_chain(*pair)
        return context

    def report(self, client, **more):
        return client.put(notification("newmail", message=os.urandom(6).hex(), **more), token=None)


class ClientCertificates(Clients, SharedDaemonTest):
    @classmethod
    def setUpClass(cls):
        cls.make()
        cls.overrides.update({"account:carol@example.org": {"backends": "other"},
                              "backend:other": {"uri": "other://{user}/{folder}/{message}"}})
        super().setUpClass()

    def showing(self, name, alternatives=None, issuer=None, **more):
        """A client that shows a certificate of that common name."""
        pair = certificates.sign(self.folder, issuer or self.issuer, name, alternatives, **more)
        return self.client(self.shared, login=False, context=self.certified(pair))

    def test_a_certificate_is_an_account(self):
        self.accepted(self.report(self.showing("alice")), "nosubscriber")
        self.accepted(self.report(self.showing("x", "DNS:bob.example.org")), "nosubscriber")
        client = self.showing("nobody", "DNS:nowhere,email:carol@example.org")
        self.refused(self.report(client), 403, "ACCESS_FORBIDDEN")
        self.accepted(self.report(client, backend="other"), "nosubscriber")

    def test_alternative_names_come_before_the_common_one(self):
        client = self.showing("alice", "email:carol@example.org")
        self.refused(self.report(client), 403, "ACCESS_FORBIDDEN")

    def test_issuers_that_are_not_trusted_any_more_are_so_on_open_connections_too(self):
        d = self.daemon(self.overrides)
        pair = certificates.sign(self.folder, self.issuer, "alice")
        client = self.client(d, login=False, context=self.certified(pair))
        self.accepted(self.report(client), "nosubscriber")
        self.addCleanup(place, self.first, self.cert, self.key)
        place(self.second, self.cert, self.key)  # the daemon's own certificate is another matter
        d.reload(says="reloaded ")
        self.accepted(self.report(client), "nosubscriber")
        d.overrides = {**self.overrides, "server:main": self.keys(tls_client_ca=self.stranger[0])}
        d.write_ini()
        d.reload(says="reloaded ")
        self.refused(self.report(client), 401, "TOKEN_INVALID")

    def test_a_token_counts_instead(self):
        client = self.showing("carol@example.org")
        self.assertEqual(client.login_ssha("alice").status, 200)
        self.accepted(client.newmail("certificate-1"), "nosubscriber")
        self.refused(client.put(notification(message="1"), token="x"), 401, "TOKEN_INVALID")

    def test_a_certificate_of_nobody_is_no_account(self):
        self.refused(self.report(self.showing("nobody")), 401, "TOKEN_INVALID")
        self.refused(self.report(self.showing("Alice")), 401, "TOKEN_INVALID")
        client = self.client(self.shared, login=False, context=self.context)
        self.refused(self.report(client), 401, "TOKEN_INVALID")
        self.assertEqual(client.login_ssha().status, 200)

    def test_a_certificate_that_cannot_be_trusted_ends_the_handshake(self):
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            self.report(self.showing("alice", issuer=self.stranger))
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            self.report(self.showing("alice", expired=True))
        server = certificates.make(self.folder, "alice-alone", 100)
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            self.report(self.client(self.shared, login=False, context=self.certified(server)))

    def test_who_loses_the_account_loses_it_on_an_open_connection(self):
        client = self.showing("alice")
        self.accepted(self.report(client))
        self.accounts("bob.example.org", "carol@example.org", ACCOUNT)
        self.addCleanup(self.shared.reload, None, "reloaded ")
        self.addCleanup(self.accounts, "alice", "bob.example.org", "carol@example.org", ACCOUNT)
        self.shared.reload(says="reloaded ")
        self.refused(self.report(client), 401, "TOKEN_INVALID")

    def test_what_a_proxy_shows_is_nobodys(self):
        overrides = {name: dict(keys) for name, keys in self.overrides.items()}
        overrides["server:main"]["proxies"] = ADDRESS
        self.shared, shared = self.daemon(overrides), self.shared
        client = self.showing("alice")
        self.shared = shared
        self.refused(self.report(client), 401, "TOKEN_INVALID")


class Revocation(Clients, ServiceTest):
    @classmethod
    def setUpClass(cls):
        cls.make()
        super().setUpClass()
        cls.alice = certificates.sign(cls.folder, cls.issuer, "alice")
        cls.bob = certificates.sign(cls.folder, cls.issuer, "bob.example.org")
        cls.lists = os.path.join(cls.folder, "lists")

    def revoke(self, *revoked, issuer=None, **more):
        """What tls_client_crl names says that these are revoked."""
        os.replace(certificates.revoke(self.folder, issuer or self.issuer, *revoked, **more), self.lists)

    def serving(self, start=True, **server):
        return self.daemon({**self.overrides, "server:main": {
            **self.overrides["server:main"], "tls_client_crl": self.lists, **server}}, start=start)

    def showing(self, d, pair, context=None):
        return self.client(d, login=False, context=context or self.certified(pair))

    def fails(self, client):
        """In the handshake; in TLS 1.3 the client learns of it when it reads."""
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            self.report(client)

    def test_a_certificate_that_is_revoked_fails_in_the_handshake(self):
        self.revoke(self.alice[0])
        d = self.serving()
        self.fails(self.showing(d, self.alice))
        self.accepted(self.report(self.showing(d, self.bob)), "nosubscriber")

    def test_from_a_reload_on_it_counts_for_nobody_on_open_connections_too(self):
        self.revoke()
        d = self.serving()
        alice, bob = self.showing(d, self.alice), self.showing(d, self.bob)
        for client in alice, bob:
            self.accepted(self.report(client), "nosubscriber")
        self.revoke(self.alice[0])
        d.reload(says="reloaded ")
        self.refused(self.report(alice), 401, "TOKEN_INVALID")
        self.accepted(self.report(bob), "nosubscriber")
        self.fails(self.showing(d, self.alice))

    def test_no_session_is_resumed_past_a_revocation(self):
        for version in ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3:
            self.revoke()
            d, context = self.serving(), self.certified(self.alice)
            context.minimum_version = context.maximum_version = version
            session = None

            def connected():
                sock = context.wrap_socket(socket.create_connection((ADDRESS, d.port), LIMIT),
                                           server_hostname=ADDRESS, session=session)
                self.addCleanup(sock.close)
                sock.sendall(b"GET /authenticate HTTP/1.1\r\nHost: x\r\n\r\n")
                answer = sock.recv(65536)
                if not answer:
                    raise ConnectionError("closed")
                self.assertIn(b" 200 ", answer)
                return sock
            for _ in range(2):
                sock = connected()
                self.assertFalse(sock.session_reused)
                session = sock.session
            self.revoke(self.alice[0])
            d.reload(says="reloaded ")
            with self.assertRaises((ssl.SSLError, ConnectionError)):
                connected()

    def check(self, d):
        answer = subprocess.run([paths.program("ocsmanager"), "-c", d.ini, "-t"], text=True, capture_output=True,
                                timeout=LIMIT, check=False)
        return answer.returncode, answer.stdout + answer.stderr

    def test_past_the_time_of_a_list_no_certificate_counts(self):
        self.revoke(self.alice[0], expired=True)
        d = self.serving()
        status, said = self.check(d)
        self.assertEqual(status, 0, said)
        self.assertRegex(said, r"warning: \S+ocsmanager\.ini:\d+: \[server:main\] tls_client_crl: "
                               r".*/lists: a revocation list has expired")
        wait_until(lambda: "tls_client_crl: a revocation list has expired" in d.operations("/healthz")[1])
        self.fails(self.showing(d, self.alice))
        bob = self.showing(d, self.bob)
        self.refused(self.report(bob), 401, "TOKEN_INVALID")
        self.assertEqual(bob.login_ssha().status, 200)
        self.revoke(self.alice[0])
        d.reload(says="reloaded ")
        self.accepted(self.report(bob), "nosubscriber")
        wait_until(lambda: "tls_client_crl" not in d.operations("/healthz")[1])

    def test_whatever_is_wrong_with_a_new_list_the_old_one_stays(self):
        self.revoke(self.alice[0])
        d = self.serving()

        def spoil(text):
            with open(self.lists, "w", encoding="ascii") as f:
                f.write(text)
        for words, spoils in {"No such file": lambda: os.unlink(self.lists),
                              "no revocation list in it": lambda: spoil("nothing\n"),
                              "cannot read anything": lambda: spoil(""),
                              "not a regular file": lambda: (os.unlink(self.lists), os.mkfifo(self.lists)),
                              "list 1 in it is not by an issuer in": lambda: self.revoke(issuer=self.stranger)
                              }.items():
            with self.subTest(words):
                self.revoke(self.alice[0])
                spoils()
                self.assertRegex(d.reload(says="tls_"),
                                 r"ocsmanager\.ini:\d+: \[server:main\] tls_client_crl: .*" + words)
                d.err.wait_text("reload refused")
                self.fails(self.showing(d, self.alice))
                self.accepted(self.report(self.showing(d, self.bob)))

    def test_each_issuer_has_a_list(self):
        both = os.path.join(self.folder, "both")
        with open(both, "w", encoding="ascii") as f:
            for pair in self.issuer, self.stranger:
                with open(pair[0], encoding="ascii") as one:
                    f.write(one.read())
        self.revoke()
        status, said = self.check(self.serving(start=False, tls_client_ca=both))
        self.assertEqual(status, 1, said)
        self.assertRegex(said, "tls_client_crl: .*no list in it is by issuer 2 in .*/both")
        status, said = self.check(self.daemon({"server:main": self.keys(tls_client_crl=self.lists)}, start=False))
        self.assertEqual(status, 1, said)
        self.assertIn("tls_client_crl needs tls_client_ca", said)

    def test_a_revoked_issuer_is_not_trusted_and_none_has_two_lists(self):
        """GnuTLS looks up no certificate that it trusts itself."""
        between = certificates.sign(self.folder, self.issuer, "between", authority=True)
        both = self.joined("both", self.issuer[0], between[0])
        lists = {"issuer 2 in .*/both is revoked": ((self.issuer, between[0]), (between,)),
                 "more than one list in it is by issuer 1": ((self.issuer,), (self.issuer,), (between,))}
        for words, made in lists.items():
            with self.subTest(words):
                crl = self.joined("lists", *(certificates.revoke(self.folder, *one) for one in made))
                status, said = self.check(self.daemon(
                    {"server:main": self.keys(tls_client_ca=both, tls_client_crl=crl)}, start=False))
                self.assertEqual(status, 1, said)
                self.assertRegex(said, "tls_client_crl: .*" + words)

    def joined(self, name, *paths):
        """One file of these."""
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="ascii") as out:
            for one in paths:
                with open(one, encoding="ascii") as f:
                    out.write(f.read())
        return path

    def test_an_issuer_between_that_has_no_list_vouches_for_nobody(self):
        between = certificates.sign(self.folder, self.issuer, "between", authority=True)
        alice = certificates.sign(self.folder, between, "alice-between", "DNS:alice")
        with open(between[0], encoding="ascii") as f, open(alice[0], "a", encoding="ascii") as g:
            g.write(f.read())
        self.revoke()
        self.accepted(self.report(self.showing(self.daemon(self.overrides), alice)), "nosubscriber")
        d = self.serving()
        self.refused(self.report(self.showing(d, alice)), 401, "TOKEN_INVALID")
        self.accepted(self.report(self.showing(d, self.alice)), "nosubscriber")


if __name__ == "__main__":
    unittest.main()
