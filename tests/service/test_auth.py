# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""The ways to log in: the two steps of old clients, SCRAM-SHA-256, PLAIN."""

import os
import re
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness import hashes
from harness.case import ServiceTest, SharedDaemonTest
from harness.client import (ACCOUNT, DECLARATION, PASSWORD, Client, b64u, document, notification,
                            ssha_answer, unb64)
from harness.daemon import SSHA
from harness.wait import LIMIT, wait_until

ACCOUNTS = {"ssha": hashes.ssha("pw-ssha"), "scram": hashes.scram("pw-scram"),
            "six": hashes.sha512_crypt("pw-six"), "yes": hashes.yescrypt("pw-yes")}


class WorkedExample(unittest.TestCase):
    def test_the_answer_to_the_challenge_of_the_dossier(self):
        token_salt = bytes(range(0xA0, 0xB4))
        for password in (PASSWORD, SSHA):
            self.assertEqual(ssha_answer(ACCOUNT, password, b"\1\2\3\4", token_salt),
                             "105b5227e60ddeb60ed43be3d3879d1a4f900b8b")


class OldClient(SharedDaemonTest):
    """What the original client sends, byte by byte."""

    def old_request(self, raw, method, path, body, cookies):
        head = (f"{method} {path} HTTP/1.1\r\nUser-Agent: PycURL/7.19.5 libcurl/7.35.0\r\n"
                f"Host: {self.shared.host}:{self.shared.port}\r\nAccept: */*\r\n")
        if cookies:
            head += "Cookie: " + "; ".join(f"{k}={v}" for k, v in cookies.items()) + "\r\n"
        head += f"Content-Type: text/xml\r\nContent-Length: {len(body)}\r\n"
        if method == "PUT":
            raw.send(head + "Expect: 100-continue\r\n\r\n")
            self.assertTrue(raw.socket.recv(100).startswith(b"HTTP/1.1 100"))
            raw.send(body)
        else:
            raw.send(head + "\r\n" + body)
        return raw.response()

    def cookies_of(self, raw_headers):
        return dict(re.findall(r"(\w+)=([^;, ]+)", raw_headers))

    def test_the_three_calls(self):
        raw, jar = self.raw(self.shared), {}
        c = Client(self.shared)
        self.addCleanup(c.close)

        first = c.request("POST", "/authenticate/token",
                          DECLARATION + f"<ocsmanager><login>{ACCOUNT}</login></ocsmanager>",
                          content_type="text/xml")
        self.assertEqual(first.status, 200)
        self.assertEqual(first.headers["Content-Type"].lower(), "text/xml; charset=utf-8")
        root = first.root
        self.assertEqual(root.find("token").get("type"), "salt")
        self.assertEqual(root.findtext("salt"), "AQIDBA==")
        self.assertRegex(root.findtext("token"), r"^[A-Za-z0-9_-]{27}=$")
        self.assertGreaterEqual(int(root.findtext("ttl")), 1)
        self.assertEqual(set(first.cookies), {"ocsmanager", "token"})
        jar = {name: value for name, (value, _) in first.cookies.items()}

        answer = ssha_answer(ACCOUNT, PASSWORD, unb64(root.findtext("salt")),
                             unb64(root.findtext("token")))
        status, _, body = self.old_request(
            raw, "POST", "/authenticate/login",
            DECLARATION + f"<ocsmanager><token>{answer}</token></ocsmanager>", jar)
        self.assertEqual(status, 200, body)
        login_token = re.search(rb"<token>([^<]+)</token>", body).group(1).decode()
        self.assertGreaterEqual(int(re.search(rb"<ttl>(\d+)</ttl>", body).group(1)), 10)

        newmail = (DECLARATION + f"<ocsmanager><token>{login_token}</token>"
                   '<notification category="newmail"><backend>SOGo</backend>'
                   "<username>jdoe</username><folder>inbox</folder><messageID>17</messageID>"
                   "</notification></ocsmanager>")
        for message in ("17", "18"):  # the token may be used again
            status, _, body = self.old_request(raw, "PUT", "/notification/newmail",
                                               newmail.replace(">17<", f">{message}<"), jar)
            self.assertEqual(status, 200, body)
            self.assertNotIn(b"error", body)

    def test_the_stored_hash_in_place_of_the_password_logs_in(self):
        with Client(self.shared) as c:
            self.assertEqual(c.login_ssha(password=SSHA).status, 200)

    def test_curl_with_a_cookie_jar(self):
        folder = self.shared.folder
        jar = os.path.join(folder, "jar")
        self.addCleanup(os.unlink, jar)

        def curl(method, path, body):
            return subprocess.run(
                ["curl", "-sS", "-L", "--fail", "--max-time", "10", "-X", method, "-b", jar, "-c",
                 jar, "-H", "Content-Type: text/xml", "-H", "Expect: 100-continue", "--data-binary",
                 "@-", f"http://{self.shared.host}:{self.shared.port}{path}"],
                input=DECLARATION + body, text=True, capture_output=True, check=True,
                timeout=LIMIT).stdout

        text = curl("POST", "/authenticate/token",
                    f"<ocsmanager><login>{ACCOUNT}</login></ocsmanager>")
        token_salt = re.search('<token type="salt">([^<]+)<', text).group(1)
        salt = re.search("<salt>([^<]+)<", text).group(1)
        answer = ssha_answer(ACCOUNT, PASSWORD, unb64(salt), unb64(token_salt))
        text = curl("POST", "/authenticate/login",
                    f"<ocsmanager><token>{answer}</token></ocsmanager>")
        token = re.search("<token>([^<]+)<", text).group(1)
        text = curl("PUT", "/notification/newmail", f"<ocsmanager><token>{token}</token>" +
                    notification(message="curl") + "</ocsmanager>")
        self.assertIn('status="nosubscriber"', text)


class Challenge(SharedDaemonTest):
    overrides = {"main": {"challenge_ttl": "1"}}

    def test_cookies_are_hidden_from_scripts_and_other_sites(self):
        with Client(self.shared) as c:
            answer = c.challenge()[0]
        for name, (value, attributes) in answer.cookies.items():
            self.assertTrue(value)
            self.assertLessEqual({"httponly", "samesite=strict", "path=/"}, attributes, name)
            self.assertNotIn("secure", attributes)  # this is not TLS

    def test_each_challenge_is_new(self):
        with Client(self.shared) as c:
            salts = {c.challenge()[2] for _ in range(20)}
        self.assertEqual(len(salts), 20)
        self.assertTrue(all(len(s) == 20 for s in salts))

    def test_a_right_answer_spends_it(self):
        with Client(self.shared) as c:
            _, salt, token_salt, cookie = c.challenge()
            answer = ssha_answer(ACCOUNT, PASSWORD, salt, token_salt)
            self.assertEqual(c.answer_challenge(cookie, answer).status, 200)
            self.refused(c.answer_challenge(cookie, answer), 403, "INVALID_SESSION")

    def test_a_wrong_answer_spends_it(self):
        with Client(self.shared) as c:
            _, salt, token_salt, cookie = c.challenge()
            answer = ssha_answer(ACCOUNT, PASSWORD, salt, token_salt)
            self.refused(c.answer_challenge(cookie, "0" * 40), 401, "INVALID_CREDENTIALS")
            self.refused(c.answer_challenge(cookie, answer), 403, "INVALID_SESSION")

    def test_it_expires(self):
        with Client(self.shared) as c:
            _, salt, token_salt, cookie = c.challenge()
            answer = ssha_answer(ACCOUNT, PASSWORD, salt, token_salt)
            end = time.monotonic() + 1.5  # what must pass is time itself
            wait_until(lambda: time.monotonic() > end)
            self.refused(c.answer_challenge(cookie, answer), 403, "INVALID_SESSION")

    def test_the_hex_may_not_be_anything_else(self):
        with Client(self.shared) as c:
            for text in ("x", "0" * 39, "0" * 41, "g" * 40):
                cookie = c.challenge()[3]
                self.assertIn(c.answer_challenge(cookie, text).error[1:],
                              ((401, "INVALID_CREDENTIALS"), (422, "INVALID_PARAMETER")))


class UnknownAccount(SharedDaemonTest):
    """What does not exist looks as what does."""

    def test_its_salt_stays_the_same_and_is_as_long_as_a_real_one(self):
        with Client(self.shared) as c:
            _, real, _, _ = c.challenge()
            _, one, _, _ = c.challenge("nobody.here")
            _, again, _, _ = c.challenge("nobody.here")
            _, other, _, _ = c.challenge("nobody.there")
        self.assertEqual(one, again)
        self.assertNotEqual(one, other)
        self.assertEqual(len(one), len(real))

    def test_its_salt_survives_a_restart(self):
        daemon = self.daemon()
        with Client(daemon) as c:
            before = c.challenge("nobody.here")[1]
        daemon.restart()
        with Client(daemon) as c:
            self.assertEqual(c.challenge("nobody.here")[1], before)

    def test_answers_differ_in_nothing(self):
        def shape(answer):
            headers = {k.lower(): re.sub(r"[A-Za-z0-9_=-]{20,}", "*", v)
                       for k, v in answer.headers.items() if k.lower() != "date"}
            return answer.status, headers, re.sub(r">[^<]{6,}<", ">*<", answer.text)

        with Client(self.shared) as c:
            self.assertEqual(shape(c.challenge()[0]), shape(c.challenge("unknown123")[0]))
            for login in ("login_ssha", "login_scram", "login_plain"):
                known = getattr(c, login)(ACCOUNT, "wrong")
                unknown = getattr(c, login)("unknown123", "wrong")
                self.assertEqual((known.status, known.text), (unknown.status, unknown.text), login)


class Mechanisms(ServiceTest):
    def file_daemon(self, **main):
        daemon = self.daemon({"main": {"auth": "file", **main}, "auth:file": {"file": "accounts"},
                              "auth:single": {"username": None, "password": None}}, start=False)
        daemon.write("accounts", "".join(f"{n}:{h}\n" for n, h in ACCOUNTS.items()), 0o600)
        return daemon.start()

    def test_each_hash_serves_what_it_can_and_fails_like_a_wrong_password_where_it_cannot(self):
        daemon = self.file_daemon()
        can = {"ssha": {"login_ssha", "login_plain"}, "scram": {"login_scram", "login_plain"},
               "six": {"login_plain"}, "yes": {"login_plain"}}
        for name in ACCOUNTS:
            for login in ("login_ssha", "login_scram", "login_plain"):
                with self.subTest(account=name, login=login), Client(daemon) as c:
                    answer = getattr(c, login)(name, f"pw-{name}")
                    if login in can[name]:
                        self.assertEqual(answer.status, 200, answer)
                        self.accepted(c.put(notification("modified")), "nosubscriber")
                    else:
                        self.refused(answer, 401, "INVALID_CREDENTIALS")
                    self.refused(getattr(c, login)(name, "wrong"), 401, "INVALID_CREDENTIALS")

    def test_a_plain_password_in_the_ini_serves_all_three_and_warns(self):
        daemon = self.daemon({"auth:single": {"password": "sesame open"}})
        self.assertIn("plain", daemon.log().lower())
        self.assertNotIn("sesame", daemon.log())
        for login in ("login_ssha", "login_scram", "login_plain"):
            with self.subTest(login), Client(daemon) as c:
                self.assertEqual(getattr(c, login)(ACCOUNT, "sesame open").status, 200)

    def test_get_authenticate_lists_what_is_offered(self):
        daemon = self.daemon()
        with Client(daemon) as c:
            offered = lambda: [e.text for e in c.request("GET", "/authenticate").root]
            self.assertEqual(offered(), ["SCRAM-SHA-256", "SSHA", "PLAIN"])
        daemon = self.daemon({"main": {"mechanisms": "PLAIN"}})
        with Client(daemon) as c:
            root = c.request("GET", "/authenticate").root
            self.assertEqual([(e.tag, e.text) for e in root], [("mechanism", "PLAIN")])

    def test_a_mechanism_that_is_off_is_forbidden(self):
        daemon = self.daemon({"main": {"mechanisms": "SCRAM-SHA-256"}})
        with Client(daemon) as c:
            self.refused(c.challenge()[0], 403, "ACCESS_FORBIDDEN")
            self.refused(c.login_plain(), 403, "ACCESS_FORBIDDEN")
        daemon = self.daemon({"main": {"mechanisms": "SSHA"}})
        with Client(daemon) as c:
            self.refused(c.login_scram(), 403, "ACCESS_FORBIDDEN")
            self.assertEqual(c.login_ssha().status, 200)

    def test_plain_needs_loopback_or_tls(self):
        import socket
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            try:
                s.connect(("192.0.2.1", 9))  # sends nothing; tells our own address
            except OSError:
                self.skipTest("this machine has no address but loopback")
            own = s.getsockname()[0]
        daemon = self.daemon({"server:main": {"host": "0.0.0.0", "plain_http": "yes"}})
        with Client(daemon) as c:
            self.assertEqual(c.login_plain().status, 200)
        daemon.host = own
        with Client(daemon, source=own) as c:
            self.refused(c.login_plain(), 403, "ACCESS_FORBIDDEN")
            self.refused(c.login_plain(password="wrong"), 403, "ACCESS_FORBIDDEN")
            self.assertEqual(c.login_ssha().status, 200)

    def test_scram_refuses_what_was_tampered_with(self):
        daemon = self.file_daemon()
        spoils = {"proof": lambda t: t[:-5] + ("AAAA=" if t[-5:] != "AAAA=" else "BBBB="),
                  "nonce": lambda t: t.replace(",r=", ",r=x"),
                  "channel binding": lambda t: t.replace("c=biws", "c=eSws"),
                  "no proof": lambda t: t.split(",p=")[0], "nothing": lambda t: "",
                  "garbage": lambda t: "\0\1\2"}
        for what, spoil in spoils.items():
            with self.subTest(what), Client(daemon) as c:
                answer = c.login_scram("scram", "pw-scram", spoil=spoil)
                self.assertIn(answer.error[1:], ((401, "INVALID_CREDENTIALS"),
                                                 (422, "INVALID_PARAMETER"),
                                                 (422, "MISSING_PARAMETER")), answer)
                self.assertIsNone(c.token)

    def test_scram_needs_its_cookies(self):
        daemon = self.file_daemon()
        with Client(daemon) as c:
            self.refused(c.login_scram("scram", "pw-scram", cookies=False), 403, "INVALID_SESSION")

    def test_an_unknown_mechanism_is_an_invalid_parameter(self):
        daemon = self.daemon()
        with Client(daemon) as c:
            body = document('<sasl mechanism="CRAM-MD5">eA==</sasl>')
            self.refused(c.request("POST", "/authenticate/token", body), 422, "INVALID_PARAMETER")
            self.assertIn(c.request("POST", "/authenticate/login", body).status, (403, 422))

    def test_plain_messages_that_are_none(self):
        daemon = self.daemon()
        with Client(daemon) as c:
            for message in (b"", b"x", b"\0a", b"\0\0\0", b"x\0y\0z\0", b"\0" + b"a" * 5000 + b"\0b"):
                with self.subTest(message[:10]):
                    answer = c.request("POST", "/authenticate/login", document(
                        f'<sasl mechanism="PLAIN">{b64u(message)}</sasl>'))
                    self.assertIn(answer.status, (401, 422), answer)


if __name__ == "__main__":
    unittest.main()
