#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""ocsmapihttp: headers, codes, bodies, cookies, sequence, login of MAPI over HTTP."""

import os
import re
import select
import signal
import struct
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness import hashes  # noqa: E402
from harness.case import ServiceTest  # noqa: E402
from harness.daemon import ACCOUNT, PASSWORD, Daemon, ini_text  # noqa: E402
from harness.mapihttp import DN, MapiClient, Server, raw_connection, raw_request  # noqa: E402

# From MS-OXCMAPIHTTP 2.2.4. An account's name has no space, so Jane Dow is Jane.Dow here.
VECTORS = {
    "connect request": "2f6f3d4669727374204f7267616e697a6174696f6e2f6f753d46697273742041646d696e69"
                       "73747261746976652047726f75702f434e3d726563697069656e74732f434e3d6a616e6564"
                       "6f770000000000e4040000090400000904000000000000",
    "connect response": "000000000000000060ea00000600000010270000004a0061006e0065002e0044006f007700"
                        "000000000000",
    "execute request": "030000000a000000000004000200020002000880010000000000",
    "disconnect request": "00000000",
    "disconnect response": "000000000000000000000000",
    "failure": "0540008000000000",
}
VECTORS = {name: bytes.fromhex(text) for name, text in VECTORS.items()}

EC_EXITING, EC_LOGIN_PERM, EC_SERVER_OOM = 0x3ED, 0x3F2, 0x3F0
EC_RPC_FORMAT, EC_RPC_FAILED, EC_ACCESS_DENIED = 0x4B6, 0x80040115, 0x80070005
RFC1123 = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT")


class MapiTest(ServiceTest):
    """One daemon and one ocsmapihttp for all tests of a class."""

    options = ()
    ini = None

    @classmethod
    def setUpClass(cls):
        cls.shared = Daemon(cls.ini).start()
        cls.addClassCleanup(cls.shared.close)
        cls.server = Server(cls.shared, *cls.options)
        cls.addClassCleanup(cls.server.stop)

    def setUp(self):
        self.assertIsNone(self.server.process.poll(), self.server.err.text()[-3000:])

    def mapi(self, server=None, **more):
        client = MapiClient(server or self.server, **more)
        self.addCleanup(client.close)
        return client

    def connected(self, **more):
        client = self.mapi(**more)
        self.assertEqual(client.connect().fields("II"), (0, 0))
        return client

    def refused(self, answer, code, status=200):
        self.assertEqual((answer.status, answer.code), (status, code), answer)
        self.assertEqual(answer.headers["Content-Type"], "text/html")
        self.assertIn(b"<html>", answer.raw)
        return answer


class Headers(MapiTest):
    def test_an_answer_has_the_headers_of_the_standard(self):
        client = self.mapi()
        answer = client.connect()
        h = answer.headers
        self.assertEqual((answer.status, answer.code), (200, 0))
        self.assertEqual(h["Content-Type"], "application/mapi-http")
        self.assertEqual(h["X-RequestType"], "Connect")
        self.assertEqual(h["X-RequestId"], f"{{{client.guid}}}:1")
        self.assertEqual(h["X-ClientInfo"], f"{{{client.info}}}:1")
        self.assertEqual(h["X-PendingPeriod"], "15000")
        self.assertEqual(h["X-ExpirationInfo"], "900000")
        self.assertRegex(h["X-ServerApplication"], r"^Exchange/15\.\d\d\.\d{4}\.\d{3}$")
        self.assertEqual(int(h["Content-Length"]), len(answer.raw))
        self.assertEqual(answer.tags, ["PROCESSING", "DONE"])
        self.assertEqual(list(answer.extra), ["X-ElapsedTime", "X-StartTime"])
        self.assertLess(int(answer.extra["X-ElapsedTime"]), 15000)
        self.assertRegex(answer.extra["X-StartTime"], RFC1123)

    def test_the_request_id_is_echoed_with_each_answer_refused_ones_too(self):
        client = self.connected()
        for kind, code in (("PING", 0), ("Execute", 12), ("Nonsense", 5)):
            answer = client.request(kind, b"x")
            self.assertEqual(answer.code, code, answer)
            self.assertEqual(answer.headers["X-RequestId"], f"{{{client.guid}}}:{client.counter}")
            self.assertEqual(answer.headers["X-RequestType"], kind)

    def test_a_guid_without_braces_is_a_request_id(self):
        client = self.connected()
        self.assertEqual(client.ping(changes={"X-RequestId": f"{client.guid}:7"}).code, 0)

    def test_other_verbs_get_code_2(self):
        client = self.connected()
        for method in ("GET", "PUT", "DELETE", "OPTIONS"):
            self.refused(client.ping(method=method), 2)

    def test_other_paths_get_code_3(self):
        client = self.connected()
        for path in ("/", "/mapi", "/mapi/emsmdbx/", "/mapi/emsmdb/more", "/notification"):
            self.refused(client.ping(path=path), 3)
        for path in ("/mapi/emsmdb", "/mapi/emsmdb/", "/mapi/emsmdb/?MailboxId=x@y"):
            self.assertEqual(client.ping(path=path).code, 0)

    def test_the_address_book_is_disabled_with_code_16(self):
        self.refused(self.connected().ping(path="/mapi/nspi/"), 16)

    def test_invalid_headers_get_code_4(self):
        client = self.connected()
        body = client.execute_body()
        guid = client.guid
        for value in ("x", guid, f"{guid}:", f"{guid}:x", f"{{{guid}:1", f"{guid}}}:1",
                      f"{guid[:-1]}:1", f"{guid}1:1", f"{guid}:-1", f"{guid}:1:1"):
            self.refused(client.ping(changes={"X-RequestId": value}), 4)
        for name in ("X-RequestId", "X-ClientInfo"):
            self.refused(client.ping(changes={name: "a\tb"}), 4)
        for value in ("text/plain", "application/mapi-http2", "application/octet-stream"):
            self.refused(client.request("Execute", body, changes={"Content-Type": value}), 4)
        self.assertEqual(client.request("Execute", body, changes={
            "Content-Type": "application/mapi-http; x=y"}).code, 0)

    def test_a_chunked_request_gets_code_4(self):
        client = self.connected()
        self.refused(client.request("Execute", iter([client.execute_body()])), 4)

    def test_unknown_request_types_get_code_5(self):
        client = self.connected()
        for kind in ("Bind", "Exec", "ExecuteX", "NotificationWait2"):
            self.refused(client.request(kind), 5)

    def test_missing_headers_get_code_7(self):
        client = self.connected()
        for name in ("X-RequestType", "X-RequestId", "Content-Type"):
            self.refused(client.request("Execute", client.execute_body(), changes={name: None}), 7)
        self.assertEqual(client.ping(changes={"X-ClientInfo": None, "Content-Type": None,
                                              "X-ClientApplication": None}).code, 0)

    def test_a_body_above_the_limit_gets_code_9(self):
        client = self.connected()
        self.refused(client.request("Execute", bytes(0x50000)), 9)
        self.assertEqual(client.idle(), b"")

    def test_a_body_without_end_is_not_read_for_ever(self):
        client = self.connected()
        connection = raw_connection(self.server)
        self.addCleanup(connection.close)
        connection.sendall(raw_request(client, "Execute", b"",
                                       {"Content-Length": str(1 << 40)}))
        sent = 0
        with self.assertRaises(ConnectionError):
            while sent < 1 << 26:
                connection.sendall(bytes(1 << 16))
                sent += 1 << 16
        self.assertLess(sent, 1 << 25)


class Bodies(MapiTest):
    ini = {"auth:single": {"username": "Jane.Dow"}}

    def jane(self):
        return self.mapi(user="Jane.Dow")

    def test_the_vectors(self):
        client = self.jane()
        answer = client.request("Connect", VECTORS["connect request"])
        self.assertEqual(answer.body, VECTORS["connect response"], answer)
        answer = client.request("Execute", VECTORS["execute request"])
        self.assertEqual(answer.fields("IIII"), (0, 0, 0, 10), answer)
        self.assertEqual(answer.body[16:], bytes.fromhex("00000400020002000200" "00000000"))
        answer = client.request("Disconnect", VECTORS["disconnect request"])
        self.assertEqual(answer.body, VECTORS["disconnect response"], answer)

    def test_bodies_that_are_cut_or_too_long_get_code_12(self):
        client = self.jane()
        connect = VECTORS["connect request"]
        for cut in (0, 1, 76, 77, 80, len(connect) - 1):
            self.refused(client.request("Connect", connect[:cut]), 12)
        self.refused(client.request("Connect", connect + b"\0"), 12)
        client.request("Connect", connect)
        execute = VECTORS["execute request"]
        for cut in range(len(execute)):
            self.refused(client.request("Execute", execute[:cut]), 12)
        self.refused(client.request("Execute", execute + b"\0"), 12)
        self.refused(client.request("Disconnect", b""), 12)
        self.refused(client.request("Disconnect", bytes(5)), 12)
        self.refused(client.request("NotificationWait", bytes(7)), 12)
        self.assertEqual(client.idle(), b"", "the session is as it was")

    def test_sizes_above_their_limits_get_code_12(self):
        client = self.jane()
        client.request("Connect", VECTORS["connect request"])
        head = struct.pack("<II", 3, 10) + bytes.fromhex("00000400020002000200")
        self.refused(client.request("Execute", struct.pack("<II", 3, 0x40001) + bytes(0x40009)),
                     12)
        self.refused(client.request("Execute", head + struct.pack("<II", 0x40001, 0)), 12)
        self.refused(client.request("Execute", head + struct.pack("<II", 0x8008, 0x1009)
                                    + bytes(0x1009)), 12)
        answer = client.request("Execute", head + struct.pack("<II", 0x40000, 0x1008)
                                + bytes(0x1008))
        self.assertEqual(answer.fields("II"), (0, 0))

    def test_what_an_operation_returns_is_its_error_code(self):
        client = self.jane()
        self.assertEqual(client.connect(dn="").fields("II"), (0, EC_ACCESS_DENIED))
        self.assertEqual(client.connect(flags=1).fields("II"), (0, EC_LOGIN_PERM))
        self.assertEqual(client.cookies, {}, "no session came of it")
        client.connect()
        for rops, error in ((b"\0" * 7, EC_RPC_FAILED), (b"\0" * 8, EC_RPC_FORMAT)):
            answer = client.request("Execute", struct.pack("<II", 3, len(rops)) + rops
                                    + struct.pack("<II", 0x8008, 0))
            self.assertEqual(answer.body, struct.pack("<IIIII", 0, error, 0, 0, 0), answer)
        self.assertEqual(client.idle(), b"")


class Failure(MapiTest):
    options = ("--sessions", "1")

    def test_an_operation_that_cannot_be_carried_out_has_the_failure_body(self):
        client = self.connected()
        answer = self.mapi().connect()
        self.assertEqual((answer.status, answer.code), (200, 0))
        self.assertEqual(answer.body, struct.pack("<II", EC_SERVER_OOM, 0))
        self.assertEqual(len(answer.body), len(VECTORS["failure"]))
        self.assertEqual(answer.cookies, {})
        client.disconnect()
        self.assertEqual(self.mapi().connect().fields("II"), (0, 0))


class LimitsOfAUser(MapiTest):
    """One account must not take what all the others need."""
    ini = {"main": {"auth": "file"}, "auth:file": {"file": "accounts"}}
    options = ("--sessions", "6", "--sessions-per-user", "4")

    @classmethod
    def setUpClass(cls):
        cls.shared = Daemon(cls.ini)
        cls.addClassCleanup(cls.shared.close)
        cls.shared.write("accounts", f"anne:{hashes.ssha('a')}\nbert:{hashes.ssha('b')}\n", 0o600)
        cls.shared.start()
        cls.server = Server(cls.shared, *cls.options)
        cls.addClassCleanup(cls.server.stop)

    def anne(self):
        return self.connected(user="anne", password="a")

    def test_a_flood_of_connects_costs_the_others_nothing(self):
        bert = self.connected(user="bert", password="b")
        first = self.anne()
        for _ in range(50):
            newest = self.anne()
        self.assertEqual(first.ping().code, 10, "the oldest has ended")
        self.assertEqual(newest.idle(), b"")
        self.assertEqual(bert.idle(), b"")
        self.connected(user="bert", password="b").disconnect()
        bert.disconnect()

    def test_a_session_that_waits_stays_and_past_all_of_them_connect_is_refused(self):
        waiting = [self.anne() for _ in range(4)]
        for client in waiting:
            client.log_on()
            client.register()
        streams = [client.wait() for client in waiting]
        for stream in streams:
            self.assertEqual(stream.tag(), "PROCESSING")
        answer = self.mapi(user="anne", password="a").connect()
        self.assertEqual(answer.body, struct.pack("<II", EC_SERVER_OOM, 0))
        self.server.err.wait_text("(--sessions-per-user 4) are in a wait")
        for client in waiting:
            self.assertEqual(client.ping().code, 0)
        waiting[0].disconnect()
        self.anne().disconnect()


class LimitsOfAnAddress(MapiTest):
    options = ("--sessions-per-address", "3")

    def test_one_address_has_so_many_sessions(self):
        clients = [self.connected() for _ in range(3)]
        answer = self.mapi().connect()
        self.assertEqual(answer.body, struct.pack("<II", EC_SERVER_OOM, 0))
        self.server.err.wait_text("--sessions-per-address")
        for client in clients:
            self.assertEqual(client.ping().code, 0)
        clients[0].disconnect()
        self.assertEqual(self.mapi().connect().fields("II"), (0, 0))


class Sessions(MapiTest):
    ini = {"main": {"auth": "file"}, "auth:file": {"file": "accounts"}}

    @classmethod
    def setUpClass(cls):
        cls.shared = Daemon(cls.ini)
        cls.addClassCleanup(cls.shared.close)
        cls.shared.write("accounts", f"anne:{hashes.ssha('a')}\nbert:{hashes.ssha('b')}\n", 0o600)
        cls.shared.start()
        cls.server = Server(cls.shared)
        cls.addClassCleanup(cls.server.stop)

    def anne(self):
        return self.connected(user="anne", password="a")

    def test_connect_sets_both_cookies_for_the_path(self):
        client = self.mapi(user="anne", password="a")
        cookies = client.connect().cookies
        self.assertEqual(set(cookies), {"MapiContext", "MapiSequence"})
        for _, attributes in cookies.values():
            self.assertEqual(attributes, {"path=/mapi/emsmdb", "httponly"})

    def test_each_execute_gives_the_next_sequence(self):
        client = self.anne()
        seen = {client.cookies["MapiSequence"]}
        for _ in range(3):
            client.idle()
            seen.add(client.cookies["MapiSequence"])
        self.assertEqual(len(seen), 4)

    def test_an_old_sequence_gets_code_15_and_the_session_goes_on(self):
        client = self.anne()
        old = dict(client.cookies)
        client.idle()
        new = dict(client.cookies)
        client.cookies = old
        self.refused(client.request("Execute", client.execute_body()), 15)
        self.refused(client.request("Disconnect", bytes(4)), 15)
        client.cookies = new
        self.assertEqual(client.idle(), b"")

    def test_of_two_at_the_same_time_one_gets_code_15(self):
        client = self.anne()
        first, second = client.open(), client.open()
        body = client.execute_body()
        client.send("Execute", body, first)
        client.send("Execute", body, second)
        codes = {client.receive(first).code, client.receive(second).code}
        self.assertEqual(codes, {0, 15})

    def test_a_refused_request_does_not_use_up_the_sequence(self):
        client = self.anne()
        self.refused(client.request("Execute", b"x"), 12)
        self.assertEqual(client.idle(), b"")

    def test_ping_neither_needs_nor_changes_the_sequence(self):
        client = self.anne()
        sequence = client.cookies.pop("MapiSequence")
        answer = client.ping()
        self.assertEqual((answer.code, answer.body, answer.cookies), (0, b"", {}))
        client.cookies["MapiSequence"] = sequence
        self.assertEqual(client.idle(), b"")

    def test_missing_cookies_get_code_13(self):
        client = self.anne()
        cookies = dict(client.cookies)
        for kind in ("Execute", "Disconnect", "NotificationWait", "PING"):
            client.cookies = {}
            self.refused(client.request(kind, bytes(8)), 13)
        client.cookies = {"MapiContext": cookies["MapiContext"]}
        self.refused(client.request("Execute", client.execute_body()), 13)

    def test_a_cookie_that_is_none_of_ours_gets_code_6(self):
        client = self.anne()
        for value in ("x", "0" * 31, "0" * 33, "g" * 32):
            client.cookies["MapiContext"] = value
            self.refused(client.ping(), 6)

    def test_an_unknown_context_gets_code_10(self):
        client = self.anne()
        client.cookies["MapiContext"] = "0" * 32
        for kind in ("Execute", "Disconnect", "NotificationWait", "PING"):
            self.refused(client.request(kind, bytes(8)), 10)

    def test_the_context_of_another_user_gets_code_10_and_stays(self):
        anne = self.anne()
        bert = self.mapi(user="bert", password="b")
        bert.cookies = dict(anne.cookies)
        for kind in ("Execute", "Disconnect", "NotificationWait", "PING"):
            self.refused(bert.request(kind, bytes(8)), 10)
        self.assertEqual(bert.connect().fields("II"), (0, 0), "Connect with another's cookies")
        self.assertEqual(anne.idle(), b"")

    def test_after_disconnect_the_context_is_unknown(self):
        client = self.anne()
        cookies = dict(client.cookies)
        self.assertEqual(client.disconnect().body, bytes(12))
        client.cookies = cookies
        self.refused(client.ping(), 10)

    def test_connect_with_old_cookies_ends_the_old_context(self):
        client = self.anne()
        old = dict(client.cookies)
        client.cookies["MapiSequence"] = "not looked at"
        self.assertEqual(client.connect().fields("II"), (0, 0))
        self.assertNotEqual(client.cookies["MapiContext"], old["MapiContext"])
        self.assertEqual(client.idle(), b"")
        client.cookies = old
        self.refused(client.ping(), 10)

    def test_the_display_name_is_the_users_in_utf_16(self):
        answer = self.mapi(user="anne", password="a").connect()
        name = answer.body[21:-4]
        self.assertEqual(name.decode("utf-16-le"), "anne\0")


class Login(MapiTest):
    def test_without_a_password_401_and_code_8(self):
        answer = self.refused(self.mapi().request("PING", changes={"Authorization": None}), 8, 401)
        self.assertRegex(answer.headers["WWW-Authenticate"], '^Basic realm="mapi"')

    def test_a_wrong_password_or_user_gets_401(self):
        for user, password in ((ACCOUNT, PASSWORD + "x"), ("nobody", PASSWORD), ("", "")):
            self.refused(self.mapi(user=user, password=password).connect(), 8, 401)

    def test_other_schemes_and_broken_ones_get_401(self):
        for value in ("Negotiate abc", "Bearer x", "Basic", "Basic !!", "Basic eA==",
                      "Basic " + "QUFB" * 400):
            self.refused(self.mapi().request("PING", changes={"Authorization": value}), 8, 401)

    def test_every_request_is_checked(self):
        client = self.connected()
        client.password = "another"
        self.refused(client.request("Execute", client.execute_body()), 8, 401)
        client.password = PASSWORD
        self.assertEqual(client.idle(), b"")

    def test_the_password_is_no_part_of_the_log(self):
        self.refused(self.mapi(password="geheim").connect(), 8, 401)
        self.assertNotIn("geheim", self.server.err.text())


class Guessing(MapiTest):
    ini = {"limits": {"failed_logins": "3"}}

    def test_too_many_guesses_get_429(self):
        client = self.mapi(password="wrong")
        answers = [client.connect() for _ in range(5)]
        self.assertEqual([a.status for a in answers], [401, 401, 401, 429, 429])
        self.assertGreaterEqual(int(answers[-1].headers["Retry-After"]), 1)
        line = self.server.err.wait_text("locked: ")
        self.assertRegex(line, rf"warning: locked: logins as {client.user} from 127\.0\.0\.1 are refused for \d+ s")
        self.assertEqual(self.server.err.text().count("locked: logins as"), 1)


class Queue(MapiTest):
    """Logins wait for one of two threads, here about a second each."""

    ini = {"auth:single": {"password": hashes.crypt(PASSWORD, "$6$rounds=1000000$abcdefgh")},
           "server:main": {"proxies": "127.0.0.1"}, "limits": {"failed_logins": "1000000"}}

    def ask(self, address, password):
        client = self.mapi(password=password)
        client.send("PING", b"", changes={"Forwarded": f"for={address};proto=https"})
        return client

    @staticmethod
    def is_answered(client, seconds=0):
        return bool(select.select([client.connection.sock], [], [], seconds)[0])

    def test_whoever_fills_it_keeps_nobody_else_out(self):
        def refused_at_once():
            asked.append(self.ask("192.0.2.1", f"wrong {len(asked)}"))
            # the loop has seen it when it has answered the next one
            self.refused(self.mapi().request("PING", changes={"Authorization": None}), 8, 401)
            return self.is_answered(asked[-1])

        asked = []
        while not refused_at_once():
            self.assertLess(len(asked), 1000)
        owner = self.ask("198.51.100.1", PASSWORD)
        self.refused(self.mapi().request("PING", changes={"Authorization": None}), 8, 401)
        self.assertFalse(self.is_answered(owner))
        refused = asked[-1].receive()
        self.assertEqual((refused.status, refused.code), (503, 1))
        self.assertGreaterEqual(int(refused.headers["Retry-After"]), 1)


class Reload(MapiTest):
    def test_sighup_reads_the_accounts_again_and_forgets_passwords(self):
        client = self.connected()
        path = self.shared.ini
        old = ini_text(self.shared.overrides)
        self.addCleanup(self.shared.write_ini)
        with open(path, "w", encoding="utf-8") as f:
            f.write(old.replace("{SSHA}V5vA8_OePf6KFdlcDlVNSaq-G90BAgME", hashes.ssha("new")))
        self.server.process.send_signal(signal.SIGHUP)
        self.server.err.wait_text("reloaded the accounts")
        self.refused(client.ping(), 8, 401)
        client.password = "new"
        self.assertEqual(client.ping().code, 0)


class ReloadDuringALogin(MapiTest):
    def load(self, password, rounds, meanwhile=None):
        """An ini with this password, which costs that much to check."""
        account = {"password": hashes.crypt(password, f"$6$rounds={rounds}$abcdefgh")}
        with open(self.shared.ini, "w", encoding="utf-8") as f:
            f.write(ini_text({"auth:single": account}))
        start = len(self.server.err.snapshot())
        self.server.process.send_signal(signal.SIGHUP)
        self.server.err.wait_text("reloaded the accounts", start=start)

    def is_checked_during_a_reload(self, client, rounds):
        """False: it was checked before, or only after."""
        self.load("old", rounds)
        client.send("PING", b"")
        # the login is at work when the loop has answered another request
        self.refused(self.mapi().request("PING", changes={"Authorization": None}), 8, 401)
        self.load("new", 1000)
        before = select.select([client.connection.sock], [], [], 0)[0]
        return client.receive().status == 200 and not before

    def test_a_password_that_is_checked_during_a_reload_is_not_remembered(self):
        client, rounds = self.mapi(password="old"), 200_000
        client.connection.connect()
        while not self.is_checked_during_a_reload(client, rounds):
            rounds *= 2
        self.refused(client.ping(), 8, 401)


class Expiry(MapiTest):
    options = ("--session-idle", "2000")

    def test_requests_keep_a_context_silence_ends_it(self):
        client = self.connected()
        self.assertEqual(client.ping().headers["X-ExpirationInfo"], "2000")
        for _ in range(10):
            time.sleep(0.3)
            self.assertEqual(client.ping().code, 0)
        time.sleep(3)
        self.refused(client.ping(), 10)

    def test_a_parked_wait_keeps_it(self):
        client = self.connected()
        waiting = client.wait()
        waiting.tag()
        time.sleep(3)
        self.assertEqual(client.idle(), b"")
        waiting.connection.close()


if __name__ == "__main__":
    unittest.main()
