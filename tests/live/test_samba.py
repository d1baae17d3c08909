# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""EMSMDB by the plugin for Samba: stock Samba, a real daemon, and clients that nobody here wrote."""

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import samba_rig
from harness import paths
from harness.case import ServiceTest
from harness.wait import LIMIT, wait_until

try:
    import samba_client
    from impacket.dcerpc.v5 import rpcrt
    from samba_client import Client, Connection, Fault
except ImportError as why:
    raise SystemExit(f"PRECONDITION: {why}: install python3-impacket") from None

USERS = ["alice", "bob", "Carol"]
PENDING, NOTHING, REJECTED, EXITING = (1, 0), (0, 0), (0, 0x7EE), (0, 0x3ED)
NOT_ENCRYPTED, ERROR, NOT_SUPPORTED = 0x970, 0x80004005, 0x80040102
NEWMAIL = 0x8002
PEER = os.path.join(paths.BUILD, "tests", "samba_peer")

_domain = None


def the_domain():
    """Made once; what failed is not tried again by each test."""
    global _domain
    if _domain is None:
        try:
            _domain = samba_rig.Domain(USERS)
        except BaseException as problem:
            _domain = problem
            raise
        unittest.addModuleCleanup(_domain.close)
    if isinstance(_domain, BaseException):
        raise AssertionError("there is no domain: see the first test") from _domain
    return _domain


def sockaddr(port):
    """AF_INET as Windows sends it."""
    return struct.pack("<H", 2) + struct.pack(">H", port) + bytes((127, 0, 0, 1)) + bytes(8)


class SambaTest(ServiceTest):
    @classmethod
    def setUpClass(cls):
        samba_rig.prepare()

    def samba(self, *options, model="single", daemon=True, fixed_port=True, **more):
        self.d = self.daemon(start=daemon)
        self.http = self.client(self.d) if daemon else None
        self.dc = samba_rig.Dc(the_domain(), self.d.registry, options, model, fixed_port)
        self.addCleanup(self.end)
        self.dc.start(**more)
        self.mails = 0

    def end(self):
        self.dc.stop()
        log, findings = self.dc.log(), self.dc.findings()
        self.dc.close()
        self.assertEqual(findings, "")
        for word in ("PANIC", "INTERNAL ERROR"):
            self.assertNotIn(word, log)
        self.assertNotIn(samba_rig.PASSWORD, log)

    def mapi(self, user="alice", **more):
        client = Client(self.dc, user, **more)
        self.addCleanup(client.close)
        return client

    def connection(self, *arguments, **more):
        connection = Connection(self.dc, *arguments, **more)
        self.addCleanup(connection.close)
        return connection

    def sessions(self):
        """What the admin sees."""
        done = subprocess.run([paths.program("ocsctl"), "-c", self.d.ini, "--json", "sessions"],
                              capture_output=True, text=True, timeout=LIMIT, check=True)
        return json.loads(done.stdout)

    def mail(self, user="alice"):
        self.mails += 1
        self.accepted(self.http.newmail(str(self.mails), user=user))

    def kinds(self, client):
        return [(e["NotificationHandle"], e["NotificationFlags"]) for e in client.idle()]

    def parked(self, client):
        """A wait that the server has parked for certain: another one is rejected. Which of the two
        comes first is the server's choice, since they come on two connections."""
        waits = [client.wait(), client.wait(self.connection(samba_rig.ASYNC, client.user))]
        wait_until(lambda: not all(wait.parked for wait in waits), LIMIT, "one is rejected")
        rejected = next(wait for wait in waits if not wait.parked)
        self.assertEqual(rejected.result(), REJECTED)
        waits.remove(rejected)
        return waits[0]

    def denied(self, word, function, *arguments):
        with self.assertRaises(Fault) as caught:
            function(*arguments)
        self.assertIn(word, str(caught.exception).lower())

    def the_whole_way(self, client):
        handle = client.subscribe()
        wait = self.parked(client)
        self.assertEqual(client.idle(), [])  # other calls run while it is parked
        self.assertTrue(wait.parked)
        self.mail(client.user)
        self.assertEqual(wait.result(), PENDING)
        self.assertEqual(self.kinds(client), [(handle, NEWMAIL)])
        self.assertEqual(self.kinds(client), [])


class Calls(SambaTest):
    def test_mail_completes_the_wait_and_the_idle_call_brings_it(self):
        self.samba()
        self.the_whole_way(self.mapi())

    def test_the_same_in_the_prefork_model(self):
        self.samba(model="prefork")
        first, second = self.mapi(), self.mapi("bob")
        self.the_whole_way(first)
        self.the_whole_way(second)

    def test_the_endpoint_mapper_knows_both_interfaces(self):
        self.samba(fixed_port=False)
        client = self.mapi(mapped=True)
        client.subscribe()
        client.waits = self.connection(samba_rig.ASYNC, "alice", mapped=True)
        wait = client.wait()
        self.mail()
        self.assertEqual(wait.result(), PENDING)

    def test_connect_tells_what_the_settings_say(self):
        self.samba("exchange_emsmdb:poll interval = 30", "exchange_emsmdb:version = 2016")
        client = self.mapi(connect=False)
        answer = client.connect()
        self.assertEqual(answer["pcmsPollsMax"], 30000)
        self.assertEqual(answer["szDisplayName"], "alice\0")
        self.assertEqual(answer["rgwServerVersion"][:2], b"\1\x0f")  # 15.1
        self.assertFalse(client.cxh.null())

    def test_disconnect_zeroes_the_handle_and_ends_the_wait(self):
        self.samba()
        client = self.mapi()
        client.subscribe()
        wait = client.wait()
        answer = client.disconnect()
        self.assertEqual(answer["ErrorCode"], 0)
        self.assertTrue(answer["pcxh"].null())
        self.assertEqual(wait.result(), REJECTED)  # 2010; later versions say pending
        again = client.execute_raw(samba_client.rop_buffer())
        self.assertEqual((again["ErrorCode"], again["pcxh"].null()), (ERROR, True))

    def test_what_is_pending_already_ends_the_wait_at_once(self):
        self.samba()
        client = self.mapi()
        client.subscribe()
        self.mail()
        self.assertEqual(client.wait().result(), PENDING)
        self.assertEqual(client.wait().result(), PENDING)

    def test_a_second_wait_is_rejected_and_the_first_stays(self):
        self.samba()
        client = self.mapi()
        client.subscribe()
        first = self.parked(client)
        self.assertTrue(first.parked)
        self.mail()
        self.assertEqual(first.result(), PENDING)

    def test_a_wait_ends_when_its_time_is_over(self):
        self.samba("exchange_emsmdb:wait time = 1", "exchange_emsmdb:version = 2007")
        client = self.mapi()
        client.subscribe()
        start = time.monotonic()
        self.assertEqual(client.wait().result(), NOTHING)
        self.assertGreater(time.monotonic() - start, 0.9)

    def test_a_datagram_goes_to_the_registered_address(self):
        self.samba("exchange_emsmdb:version = 2007")
        client, udp = self.mapi(), self.udp()
        handle = client.subscribe()
        answer = client.register_push(sockaddr(udp.port), b"8 bytes!")
        self.assertEqual(answer["ErrorCode"], 0)
        self.assertNotEqual(answer["hNotification"], 0)
        self.mail()
        self.assertEqual(udp.receive()[0], b"8 bytes!")
        self.assertEqual(self.kinds(client), [(handle, NEWMAIL)])

    def test_later_versions_do_not_push(self):
        self.samba()
        answer = self.mapi().register_push(sockaddr(9))
        self.assertEqual((answer["ErrorCode"], answer["hNotification"]), (NOT_SUPPORTED, 0))

    def test_twenty_parked_sessions_are_all_woken(self):
        self.samba()
        clients = [self.mapi() for _ in range(20)]
        handles = [client.subscribe() for client in clients]
        waits = [self.parked(client) for client in clients]
        self.mail()
        self.assertEqual([wait.result() for wait in waits], [PENDING] * 20)
        self.assertEqual([self.kinds(c) for c in clients], [[(h, NEWMAIL)] for h in handles])

    def test_broken_stubs_and_unknown_calls_are_faults(self):
        self.samba()
        client = self.mapi()
        rpc = client.emsmdb.rpc

        def raw(opnum, stub):
            rpc.call(opnum, stub)
            try:
                return rpc.recv()
            except rpcrt.DCERPCException as why:
                raise Fault(str(why)) from None

        self.denied("op_rng_error", raw, 2, b"")
        self.denied("op_rng_error", raw, 99, b"")
        self.denied("bad_stub_data", raw, 10, b"")
        self.denied("bad_stub_data", raw, 11, os.urandom(37))
        self.assertEqual(raw(6, b""), bytes(4))
        self.assertEqual(client.idle(), [])


class WhoCalls(SambaTest):
    def test_anonymous_is_refused(self):
        self.samba()
        for interface, request in ((samba_rig.EMSMDB, samba_client.connect_request()),
                                   (samba_rig.ASYNC, self.any_wait())):
            self.denied("access_denied", self.connection(interface, None).call, request)

    def any_wait(self):
        request = samba_client.EcDoAsyncWaitEx()
        request["acxh"] = samba_client.HANDLE()
        request["acxh"]["Attributes"] = 0
        request["acxh"]["Uuid"] = bytes(16)
        request["ulFlagsIn"] = 0
        return request

    def test_a_connection_that_is_not_private_is_refused(self):
        self.samba()
        level = rpcrt.RPC_C_AUTHN_LEVEL_PKT_INTEGRITY
        client = self.mapi(connect=False, level=level)
        answer = client.connect()
        self.assertEqual(answer["ErrorCode"], NOT_ENCRYPTED)
        self.assertTrue(answer["pcxh"].null())
        request = samba_client.EcDoAsyncConnectEx()
        request["cxh"] = client.cxh
        self.denied("access_denied", client.emsmdb.call, request)
        waits = self.connection(samba_rig.ASYNC, "alice", level=level)
        self.denied("access_denied", waits.call, self.any_wait())

    def test_unless_the_configuration_allows_it(self):
        self.samba("exchange_emsmdb:require privacy = no")
        client = self.mapi(level=rpcrt.RPC_C_AUTHN_LEVEL_PKT_INTEGRITY)
        client.subscribe()
        self.mail()
        self.assertEqual(len(client.idle()), 1)

    def test_a_handle_is_good_on_its_own_connection_only(self):
        self.samba()
        client, other = self.mapi(), self.connection(samba_rig.EMSMDB, "alice")
        call = lambda: client.execute_raw(samba_client.rop_buffer(), connection=other)
        self.denied("context_mismatch", call)
        self.assertEqual(client.idle(), [])

    def test_a_handle_is_its_users_only(self):
        self.samba()
        alice, bob = self.mapi(), self.mapi("bob")
        alice.subscribe()
        alice.async_connect()
        answer = bob.execute_raw(samba_client.rop_buffer(), cxh=alice.cxh)
        self.assertEqual((answer["ErrorCode"], answer["pcxh"].null()), (ERROR, True))
        self.mail()
        waits = self.connection(samba_rig.ASYNC, "bob")
        self.assertEqual(samba_client.Wait(waits, alice.acxh).result(), REJECTED)

    def test_the_wait_is_good_on_any_connection_of_the_user(self):
        self.samba()
        client = self.mapi()
        client.subscribe()
        client.async_connect()
        for _ in range(2):
            self.mail()
            waits = self.connection(samba_rig.ASYNC, "alice")
            self.assertEqual(samba_client.Wait(waits, client.acxh).result(), PENDING)

    def test_users_are_named_as_the_configuration_says(self):
        self.samba("exchange_emsmdb:user format = %U@%R")
        client = self.mapi("Carol")
        client.subscribe()
        wait = client.wait()
        self.mail("Carol@EX.TEST")
        self.mail("carol")
        self.assertTrue(wait.parked)
        self.mail("carol@ex.test")
        self.assertEqual(wait.result(), PENDING)
        self.assertEqual(len(client.idle()), 1)

    def test_or_exactly_as_the_directory_has_them(self):
        self.samba("exchange_emsmdb:user format = %D+%U", "exchange_emsmdb:lower case users = no")
        client = self.mapi("carol")
        client.subscribe()
        self.mail("EX+Carol")
        self.assertEqual(len(client.idle()), 1)


class Ends(SambaTest):
    def connections(self):
        """What the kernel has on Samba's port, listeners aside: {state: number}."""
        found = {}
        with open("/proc/net/tcp", encoding="ascii") as f:
            for line in f.readlines()[1:]:
                _, local, _, state = line.split()[:4]
                if int(local.split(":")[1], 16) == self.dc.port and state != "0A":
                    found[state] = found.get(state, 0) + 1
        return found

    def test_a_client_that_vanishes_does_not_block_its_next_wait(self):
        self.samba()
        client = self.mapi()
        client.subscribe()
        self.parked(client).connection.close()
        client.waits = None
        wait = client.wait()
        self.mail()
        self.assertEqual(wait.result(), PENDING)

    def test_the_connection_of_a_client_that_vanishes_is_let_go(self):
        self.samba()
        client = self.mapi()
        client.subscribe()
        self.parked(client).connection.close()
        # Samba has read the end, and nobody sends it anything any more
        close_wait = "08"
        wait_until(lambda: close_wait in self.connections(), what="Samba knows")
        wait_until(lambda: close_wait not in self.connections(), what="Samba has let go of it")

    def test_the_sessions_of_a_client_that_vanishes_end(self):
        self.samba()
        client = self.mapi()
        client.subscribe()
        self.parked(client)
        self.assertEqual([s["user"] for s in self.sessions()], ["alice"])
        client.close()
        wait_until(lambda: not self.sessions(), what="the session is gone")

    def test_the_session_ends_with_its_connection_and_the_wait_elsewhere_with_it(self):
        self.samba()
        client = self.mapi()
        client.subscribe()
        wait = client.wait()
        client.emsmdb.close()
        self.assertEqual(wait.result(), REJECTED)
        wait_until(lambda: not self.sessions(), what="the session is gone")

    def ends_with_samba(self, model):
        self.samba(model=model)
        clients = [self.mapi() for _ in range(3)]
        for client in clients:
            client.subscribe()
        waits = [self.parked(client) for client in clients]
        [worker] = {session["pid"] for session in self.sessions()}
        self.dc.terminate()
        self.assertEqual([wait.result() for wait in waits], [EXITING] * 3)
        self.dc.process.wait(LIMIT)
        # the first process does not wait for it
        wait_until(lambda: not os.path.exists(f"/proc/{worker}"), what="the worker has ended")
        self.assertEqual(self.sessions(), [])

    def test_parked_waits_are_told_that_samba_ends(self):
        self.ends_with_samba("single")

    def test_parked_waits_are_told_that_samba_ends_in_the_prefork_model(self):
        self.ends_with_samba("prefork")

    def test_clients_come_back_after_the_sudden_death_of_the_worker(self):
        self.samba(model="prefork")
        client = self.mapi()
        client.subscribe()
        os.kill(self.sessions()[0]["pid"], signal.SIGKILL)

        def session():
            try:
                return self.mapi()
            except (Fault, OSError, rpcrt.DCERPCException):  # refused, or cut
                return None

        self.the_whole_way(wait_until(session, what="a session"))

    def test_samba_may_start_before_the_daemon(self):
        self.samba(daemon=False)
        early = self.connection(samba_rig.EMSMDB, "alice")
        self.denied("000006bb", early.call, samba_client.connect_request())
        self.assertIn("cannot be opened", self.dc.log())
        self.d.start()
        self.http = self.client(self.d)

        def session():
            try:
                return self.mapi()
            except Fault:
                return None

        self.the_whole_way(wait_until(session, what="a session"))

    def test_a_wrong_option_is_an_error_and_no_default(self):
        for option, word in (("exchange_emsmdb:require privacy = maybe", "require privacy"),
                             ("exchange_emsmdb:user format = alice", "user format"),
                             ("exchange_emsmdb:user format = %U%x", "user format"),
                             ("exchange_emsmdb:version = 97", "version"),
                             ("exchange_emsmdb:wait time = 0", "wait time"),
                             ("exchange_emsmdb:sessions max = 1e3", "sessions max")):
            with self.subTest(option):
                self.samba(option, daemon=False, ready=False)
                self.dc.out.wait_text("smb.conf: exchange_emsmdb:" + word)
                self.assertRaises(OSError, socket.create_connection, ("127.0.0.1", self.dc.port))
                self.dc.close()


class SambasOwnClient(SambaTest):
    def start(self, security="spnego,seal"):
        self.samba()
        self.peer = subprocess.Popen(
            [PEER, str(self.dc.port), self.dc.config, "alice", samba_rig.PASSWORD,
             security], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.stop)

    def stop(self):
        self.peer.stdin.close()
        self.peer.stdout.close()
        self.assertEqual(self.peer.wait(LIMIT), 0)

    def call(self, request, interface="emsmdb"):
        self.peer.stdin.write(f"{interface} {request.opnum} {request.getData().hex()}\n")
        self.peer.stdin.flush()
        answer = self.peer.stdout.readline().strip()
        self.assertNotIn("error", answer)
        return getattr(samba_client, type(request).__name__ + "Response")(bytes.fromhex(answer))

    def test_a_connection_without_protection_is_refused(self):
        self.start("spnego,connect")
        answer = self.call(samba_client.connect_request())
        self.assertEqual((answer["ErrorCode"], answer["pcxh"].null()), (NOT_ENCRYPTED, True))

    def test_the_whole_way_by_spnego(self):
        self.start()
        client = self.mapi(connect=False)
        client.emsmdb.call = self.call
        self.assertEqual(client.connect()["ErrorCode"], 0)
        handle = client.subscribe()
        self.assertEqual(client.async_connect()["ErrorCode"], 0)
        request = samba_client.EcDoAsyncWaitEx()
        request["acxh"] = client.acxh
        request["ulFlagsIn"] = 0
        self.mail()
        answer = self.call(request, "async")
        self.assertEqual((answer["pulFlagsOut"], answer["ErrorCode"]), PENDING)
        self.assertEqual(self.kinds(client), [(handle, NEWMAIL)])
        self.assertEqual(client.disconnect()["ErrorCode"], 0)


if __name__ == "__main__":
    samba_rig.become_root()
    unittest.main()
