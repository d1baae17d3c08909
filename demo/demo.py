#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""make demo: the whole way of one mail, from its delivery by a real Dovecot to the UDP datagram and
the RopNotify responses that a mail client would get. Explains what it does while it does it.

    demo/demo.py [BUILD]        BUILD: folder of the built programs (build, or $OCS_BUILD)

Runs as any user, in a temporary folder, on loopback; leaves nothing behind.
"""

import ctypes
import errno
import json
import os
import re
import socket
import subprocess
import sys
import time

from common import (ACCOUNT, CONTEXT, INI, PASSWORD, Daemon, Story, end, end_all, explain, need, program,
                    run, set_password, spawn, start_dovecot)

LIBRT = ctypes.CDLL("librt.so.1", use_errno=True)

USER, IDLE = "alice", 4


def waiting_queues(ini):
    """[(name, entries waiting)]"""
    answer = subprocess.run([program("ocsctl"), "-c", ini, "queues", "--json"], capture_output=True, text=True,
                            timeout=20, check=False)
    if answer.returncode != 0:
        raise RuntimeError(f"ocsctl queues: {answer.stdout}{answer.stderr}")
    return [(queue["queue"], (queue["kernel"] or {}).get("messages", 0) + queue["spill"]["entries"])
            for queue in json.loads(answer.stdout)]


def demo(folder, cleanup):
    story = Story()
    ini = os.path.join(folder, "ocsmanager.ini")
    need("ocsmanager", "ocsconsumer", "ocsctl", "lib90_ocsmanager_plugin.so")

    story.title("What is what")
    print("""\
   Dovecot (a mail server) gets a mail. Its ocsmanager plugin tells the daemon over HTTP.
   ocsmanager (the daemon) looks up who subscribed, and writes an entry into each of their queues.
   ocsconsumer stands for a MAPI server (what Outlook talks to): it links libocsnotify, which owns
   the queues, sends the client a UDP datagram ("come and ask"), and when the client makes its next
   idle call turns the entries into RopNotify responses, which tell the client what happened.
   This script is the client's ear: it listens for the datagram.""")

    story.title("1. Everything starts")
    with open(ini, "w", encoding="ascii") as f:
        f.write(INI)
    set_password(ini, ACCOUNT, PASSWORD, "--scheme", "SCRAM-SHA-256")
    story.tell("its configuration:\n" + INI.rstrip())
    story.tell(f"an account for the plugin, made by `ocsctl passwd {ACCOUNT}`")

    daemon = Daemon(ini, cleanup)
    story.tell(f"ocsmanager answers on {daemon.web.host}:{daemon.web.port}")

    dovecot = start_dovecot(daemon.web, os.path.join(folder, "credentials"), [USER], cleanup)
    daemon.wait_metric("notifications_total", 1, "the creation of the INBOX is reported", result="nosubscriber")
    story.tell(f"Dovecot answers LMTP on 127.0.0.1:{dovecot.lmtp_port}, with the plugin; "
               f"{USER} has an empty INBOX")

    ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    cleanup.append(ear.close)
    ear.bind(("127.0.0.1", 0))
    ear.settimeout(60)
    address = f"127.0.0.1:{ear.getsockname()[1]}"
    tables = ("newmail", "object", "contents", "hierarchy")
    consumer, events, notes = spawn([
        program("ocsconsumer"), "-c", ini, "-u", USER, "--folder", "store",
        *(word for table in tables for word in ("--table", table)), "--push", address,
        "--context", CONTEXT.hex(), "--idle", str(IDLE), "--format", "hex"])
    cleanup.append(lambda: end(consumer, events, notes))
    notes.wait(lambda lines: any(line.startswith("subscribed") for line in lines),
               what="'subscribed'")
    handles = ", ".join(f"{number} {table}" for number, table in enumerate(tables, 1))
    story.tell(f"ocsconsumer subscribed for {USER}'s whole store: {handles}\n"
               f"(the numbers are the handles that the answers will carry); an idle call every {IDLE} s;\n"
               f"its UDP datagrams go to {address} and carry {CONTEXT.hex()}")

    story.title("2. A mail is delivered (times from here on count from this moment)")
    sessions = len([l for l in daemon.log.snapshot() if "logged in" in l])
    story.began = time.monotonic()
    seconds = dovecot.deliver(USER, subject="demo")
    story.tell(f"delivered: Dovecot took the mail for {USER} and said 250 after "
               f"{seconds * 1000:.1f} ms; the report goes out behind it")

    payload, _ = ear.recvfrom(100)
    udp_time = time.monotonic()
    logins = daemon.log.wait(lambda lines: [(l, t) for l, t in zip(lines, daemon.log.times) if "logged in" in l]
                             [sessions:], what="the plugin logs in")
    story.title("3. The plugin logs in and reports")
    line, when = logins[0]
    story.tell("authenticated: the delivery process logged in by SCRAM-SHA-256. The daemon's log:\n"
               + re.sub(r"^\S+ ", "", line), when)
    daemon.wait_metric("notifications_total", 1, "it is queued", result="queued")
    story.tell("accepted: its PUT /notification (one newmail, folder INBOX) got the status \"queued\",\n"
               "as /metrics on the operations address counts it", udp_time)

    story.title("4. The client is told that something waits")
    if payload != CONTEXT:
        raise RuntimeError(f"the datagram carries {payload.hex()}")
    story.tell(f"UDP received: {payload.hex()} at {address}. It says no more than 'come and ask',\n"
               "and would be repeated every 60 s until the client has asked", udp_time)

    story.title("5. Until it asks, the entries wait in its queues")
    names = waiting_queues(ini)
    story.tell("queued: `ocsctl queues` shows (each name is /ocs.USER.FOLDER.TABLE.PIPE)\n"
               + "\n".join(f"{waiting} waiting in {name}" for name, waiting in names))

    story.title(f"6. The next idle call (every {IDLE} s here; a client comes at once after the datagram)")
    expected = sum(waiting for _, waiting in names)
    lines = events.wait(lambda l: len(l) >= expected and list(l), IDLE + 15,
                        "the RopNotify responses")
    when = events.times[0]
    story.tell(f"idle call: {len(lines)} RopNotify responses, here as bytes and field by field", when)
    for number, line in enumerate(lines, 1):
        print()
        explain(story, number, bytes.fromhex(line), when)

    story.title("7. Everything ends")
    end_all(cleanup)
    left = [name for name, _ in names if queue_exists(name)]
    if left:
        raise RuntimeError(f"queues left behind: {left}")
    story.tell("Dovecot, ocsconsumer and ocsmanager ended cleanly; their queues are gone")
    print("\nThe demo worked: one mail, one datagram, "
          f"{len(lines)} RopNotify responses.", flush=True)


def queue_exists(name):
    """Asks the kernel, without /dev/mqueue."""
    fd = LIBRT.mq_open(name.encode(), os.O_RDONLY)
    if fd >= 0:
        os.close(fd)
        return True
    if ctypes.get_errno() != errno.ENOENT:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), name)
    return False


if __name__ == "__main__":
    sys.exit(run(demo))
