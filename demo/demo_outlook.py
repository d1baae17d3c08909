#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""make demo-outlook: one mail, from its delivery by a real Dovecot to what mail clients wait for: a
NotificationWait of MAPI over HTTP (what Outlook does since 2013) and, where a Samba can be started,
an EcDoAsyncWaitEx (since 2007) and a UDP datagram (2003) by RPC; then the RopNotify that their idle
calls bring. Explains what it does while it does it.

    demo/demo_outlook.py [BUILD]        BUILD: folder of the built programs (build, or $OCS_BUILD)

Runs in a temporary folder, on loopback; leaves nothing behind. Samba needs root, the packages of
tests/live/samba_rig.py and namespaces; without them a consumer of the library stands in for it and
shows the datagram only.
"""

import os
import re
import socket
import struct
import sys
import threading
import time

from common import (ACCOUNT, CONTEXT, INI, PASSWORD, Daemon, Story, end, end_all, explain, need, program,
                    run, set_password, spawn, start_dovecot)
from harness import mapihttp
from harness.ropnotify import decode

USER, USER_PASSWORD = "alice", "Passw0rd.1"
LIMIT = 60


class Later:
    """A call that blocks, in a thread: its result, and when it came."""

    def __init__(self, function):
        self.value = self.problem = self.when = None
        self._function = function
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        try:
            self.value = self._function()
        except Exception as problem:  # pylint: disable=broad-except
            self.problem = problem
        self.when = time.monotonic()

    def get(self):
        self._thread.join(LIMIT)
        if self.problem is not None:
            raise self.problem
        if self.when is None:
            raise RuntimeError(f"not within {LIMIT} s")
        return self.value


class Paths:
    """What the harness wants of a daemon."""

    def __init__(self, folder):
        self.ini = os.path.join(folder, "ocsmanager.ini")
        self.registry = os.path.join(folder, "run")


def split_notifications(data):
    """The RopNotify responses in a RopsList."""
    found = []
    while data:
        _, rest = decode(data)
        found.append(data[:len(data) - len(rest)])
        data = rest
    return found


def sockaddr(port):
    """SOCKADDR of 127.0.0.1 as a Windows client sends it."""
    return struct.pack("<H", 2) + struct.pack(">H", port) + bytes((127, 0, 0, 1)) + bytes(8)


# -- the clients: start() makes one wait, ended() waits for it, fetch() makes its idle call

class HttpClient:
    """Outlook 2013 and later: ocsmapihttp, driven by a client of the tests' own."""

    name = "HTTP client"
    woken = "NotificationWait ends with EventPending 1"
    call = "Execute without a ROP"

    def __init__(self, where, cleanup):
        self.server = mapihttp.Server(where)
        cleanup.append(self.server.stop)
        self.client = mapihttp.MapiClient(self.server, USER, USER_PASSWORD)
        cleanup.append(self.client.close)

    def start(self, story):
        self.client.log_on()
        handle = self.client.register()
        waiting = self.client.wait()
        tag = waiting.tag()
        self.ended = Later(waiting.finish)
        story.tell(f"{self.name}: POST /mapi/emsmdb/ on port {self.server.port}: Connect, RopLogon, "
                   f"RopRegisterNotification\n(new mail, whole store: handle {handle}), "
                   f"NotificationWait: the answer begins with {tag} and stays open")

    def check(self):
        if self.ended.get() != (0, True):
            raise RuntimeError(f"NotificationWait: {self.ended.value}")

    def fetch(self):
        return self.client.idle()


class SambaClient:
    """Outlook 2007 and earlier: stock Samba with our plugin, driven by impacket."""

    name = "RPC client"
    woken = "EcDoAsyncWaitEx returns NotificationPending"
    call = "EcDoRpcExt2 without a ROP"

    def __init__(self, samba, where, cleanup):
        samba_rig, samba_client = samba
        domain = samba_rig.Domain([USER])
        cleanup.append(domain.close)
        self.dc = samba_rig.Dc(domain, where.registry,
                               ["exchange_emsmdb:version = 2007", "exchange_emsmdb:backend = dovecot"])
        cleanup.append(self.dc.close)
        self.dc.start()
        self.client = samba_client.Client(self.dc, USER)
        cleanup.append(self.client.close)

    def start(self, story, port):
        handle = self.client.subscribe()
        answer = self.client.register_push(sockaddr(port), CONTEXT)
        if answer["ErrorCode"] != 0:
            raise RuntimeError(f"EcRRegisterPushNotification: {answer['ErrorCode']:#x}")
        wait = self.client.wait()
        self.ended = Later(wait.result)
        story.tell(f"{self.name}: EMSMDB on port {self.dc.port} of Samba, which behaves as Exchange "
                   f"2007; NTLM, sealed:\nEcDoConnectEx, RopLogon, RopRegisterNotification (handle "
                   f"{handle}), EcRRegisterPushNotification\n(127.0.0.1:{port}, "
                   f"{CONTEXT.hex()}), EcDoAsyncConnectEx, EcDoAsyncWaitEx: the call stays open")

    def check(self):
        if self.ended.get() != (1, 0):
            raise RuntimeError(f"EcDoAsyncWaitEx: {self.ended.value}")

    def fetch(self):
        return self.client.execute()[0]


def find_samba():
    """(samba_rig, samba_client), this process then has a network of its own; or the reason why not."""
    try:
        import samba_rig
        samba_rig.prepare()
        import samba_client
        return (samba_rig, samba_client), None
    except (ImportError, AssertionError) as why:
        return None, str(why)


class Consumer:
    """In the place of Samba: ocsconsumer registers the datagram's address, nothing else."""

    def __init__(self, where, cleanup):
        self.where, self.cleanup = where, cleanup

    def start(self, story, port):
        process, events, notes = spawn([
            program("ocsconsumer"), "-c", self.where.ini, "-u", USER, "--push",
            f"127.0.0.1:{port}", "--context", CONTEXT.hex(), "--idle", "60"])
        self.cleanup.append(lambda: end(process, events, notes))
        notes.wait_text("subscribed")
        story.tell(f"ocsconsumer: registered 127.0.0.1:{port}, {CONTEXT.hex()}, as a MAPI server does "
                   "for\na client's EcRRegisterPushNotification")


def demo(folder, cleanup):
    story = Story()
    where = Paths(folder)
    need("ocsmanager", "ocsmapihttp", "ocsctl", "lib90_ocsmanager_plugin.so")
    samba, why_not = find_samba()

    story.title("What is what")
    print("""\
   Dovecot gets a mail and tells the daemon, ocsmanager, which writes an entry into the queue of each
   subscription. libocsemsmdb sits in the servers that mail clients talk to, here ocsmapihttp (MAPI
   over HTTP) and a stock Samba with our plugin (RPC). A client has three ways to hear that something
   waits for it: a request that the server answers late, NotificationWait by HTTP or EcDoAsyncWaitEx
   by RPC, or a UDP datagram. Each only says "come and ask". What happened comes as RopNotify with
   the client's next call.""")
    if why_not:
        print(f"\n   No Samba here ({why_not.splitlines()[0]}):\n"
              "   ocsconsumer shows the datagram, and EcDoAsyncWaitEx is left out.")

    story.title("1. Everything starts")
    with open(where.ini, "w", encoding="ascii") as f:
        f.write(INI)
    set_password(where.ini, ACCOUNT, PASSWORD)
    set_password(where.ini, USER, USER_PASSWORD)
    daemon = Daemon(where.ini, cleanup)
    story.tell(f"ocsmanager answers on {daemon.web.host}:{daemon.web.port}")
    dovecot = start_dovecot(daemon.web, os.path.join(folder, "credentials"), [USER], cleanup)
    daemon.wait_metric("notifications_total", 1, "the creation of the INBOX is reported", result="nosubscriber")
    story.tell(f"Dovecot answers LMTP on 127.0.0.1:{dovecot.lmtp_port}; {USER} has an empty INBOX")

    story.title(f"2. {USER}'s mail clients connect, subscribe and wait")
    ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    cleanup.append(ear.close)
    ear.bind(("127.0.0.1", 0))
    ear.settimeout(LIMIT)
    port = ear.getsockname()[1]
    clients = [HttpClient(where, cleanup)]
    clients[0].start(story)
    if samba:
        clients.append(SambaClient(samba, where, cleanup))
        clients[1].start(story, port)
    else:
        Consumer(where, cleanup).start(story, port)
    heard = Later(lambda: ear.recv(100))

    story.title("3. A mail is delivered (times from here on count from this moment)")
    story.began = time.monotonic()
    seconds = dovecot.deliver(USER, subject="demo")
    story.tell(f"delivered: Dovecot said 250 after {seconds * 1000:.1f} ms; its plugin reports behind it",
               story.began + seconds)
    for client in clients:
        client.check()
    if heard.get() != CONTEXT:
        raise RuntimeError(f"the datagram carries {heard.value.hex()}")
    line, when = daemon.log.wait(lambda lines: [(l, t) for l, t in zip(lines, daemon.log.times)
                                                if "logged in" in l][-1:], what="the login")[0]
    happened = [(client.ended.when, f"{client.name}: {client.woken}") for client in clients]
    happened.append((heard.when, f"UDP received: {heard.value.hex()} at 127.0.0.1:{port}"))
    happened.append((when, "the plugin logged in: " + re.sub(r"^\S+ ", "", line)))
    for when, text in sorted(happened):
        story.tell(text, when)

    story.title("4. The clients come and ask")
    for client in clients:
        began = time.monotonic()
        rops = split_notifications(client.fetch())
        when = time.monotonic()
        if len(rops) != 1:
            raise RuntimeError(f"{client.name}: {len(rops)} RopNotify")
        story.tell(f"{client.name}: {client.call}, answered in {(when - began) * 1000:.1f} ms", when)
        explain(story, 1, rops[0], when)
        if client.fetch():
            raise RuntimeError(f"{client.name}: something came twice")

    story.title("5. Everything ends")
    end_all(cleanup)
    story.tell("all programs ended cleanly")
    print(f"\nThe demo worked: one mail, {len(clients)} wait{'s' * (len(clients) > 1)} ended, one "
          f"datagram, {len(clients)} RopNotify.", flush=True)


if __name__ == "__main__":
    sys.exit(run(demo))
