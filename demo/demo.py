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
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

TREE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TREE, "tests"))
sys.path.insert(0, os.path.join(TREE, "tests", "live"))

from harness.client import Client  # noqa: E402
from harness.metrics import parse as parse_metrics  # noqa: E402
from harness.ropnotify import KINDS, TABLE_EVENTS, decode, printed_id  # noqa: E402
from harness.wait import Lines, wait_until  # noqa: E402
from rig import Dovecot  # noqa: E402

LIBRT = ctypes.CDLL("librt.so.1", use_errno=True)

USER, IDLE = "alice", 4
ACCOUNT, PASSWORD = "dovecot-on-this-host", "only known to the plugin and the daemon"
CONTEXT = bytes.fromhex("0123456789abcdef")

INI = """\
[main]
auth = file
registry = run
[auth:file]
file = accounts
[server:main]
port = 0
[operations]
port = 0
[backend:dovecot]
uri = imap://{user}@localhost/{folder}/{message}
"""

# NotificationFlags, MS-OXCNOTIF 2.2.1.4.1.2: as OCSNOTIFY_ of ocsnotify.h
NEWMAIL, OBJECT_CREATED, OBJECT_MODIFIED, TABLE_MODIFIED = 0x0002, 0x0004, 0x0010, 0x0100
FLAG_TOTAL, FLAG_UNREAD, FLAG_MESSAGE = 0x1000, 0x2000, 0x8000

WHY = {
    NEWMAIL | FLAG_MESSAGE: "the client may say 'you have new mail'",
    OBJECT_CREATED | FLAG_MESSAGE: "a message is in the folder that was not there",
    OBJECT_MODIFIED: "the folder shows other numbers now",
    TABLE_MODIFIED | FLAG_MESSAGE: "an open list of the folder's messages must be read again",
    TABLE_MODIFIED: "an open list of folders must be read again",
}

MEANING = {
    "RopId": "0x2a is RopNotify",
    "NotificationHandle": "the subscription it answers",
    "LogonId": "the mailbox it is about, in this connection",
    "TotalMessageCount": "messages in the folder",
    "UnreadMessageCount": "of them unread",
    "MessageFlags": "PidTagMessageFlags: not read, no attachment",
    "UnicodeFlag": "the next field is plain ASCII",
    "MessageClass": "an ordinary mail",
    "TableRowFolderID": "the folder",
    "TableRowMessageID": "the message",
    "TagCount": "no list of changed properties",
    "FolderId": "the folder",
    "MessageId": "the message",
}


class Story:
    """Prints what happens, with the time since the mail was handed over where that has begun."""

    def __init__(self):
        self.began = None

    def title(self, text):
        print(f"\n== {text}", flush=True)

    def tell(self, text, when=None):
        stamp = " " * 11
        if self.began is not None:
            stamp = f"{((when or time.monotonic()) - self.began) * 1000:8.1f} ms"
        first, *rest = text.splitlines()
        print(f"{stamp}  {first}")
        for line in rest:
            print(" " * 13 + line)
        sys.stdout.flush()


def spawn(words):
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, cwd="/")
    return process, Lines(process.stdout), Lines(process.stderr)


def end(process, *lines):
    """SIGTERM and a clean end, or an error."""
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for line in lines:
        line.join()
    if process.returncode != 0:
        raise RuntimeError(f"{process.args[0]} ended with status {process.returncode}:\n"
                           + "\n".join(line.text() for line in lines))


class Server:
    """host and port, as a Client wants them."""

    def __init__(self, line):
        self.host, port = re.search(r"(\S+):(\d+)$", line).groups()
        self.port = int(port)


def waiting_queues(ocsctl, ini):
    """[(name, entries waiting)]"""
    answer = subprocess.run([ocsctl, "-c", ini, "queues", "--json"], capture_output=True, text=True,
                            timeout=20, check=False)
    if answer.returncode != 0:
        raise RuntimeError(f"ocsctl queues: {answer.stdout}{answer.stderr}")
    return [(queue["queue"], (queue["kernel"] or {}).get("messages", 0) + queue["spill"]["entries"])
            for queue in json.loads(answer.stdout)]


def explain(story, number, data, when):
    """One RopNotify: its bytes, and each field of it."""
    fields, rest = decode(data)
    flags = next(value for name, _, value in fields if name == "NotificationFlags")
    what = flags & ~(FLAG_TOTAL | FLAG_UNREAD)
    kind = KINDS[what]
    story.tell(f"RopNotify {number}: {kind} ({WHY[what]}), {len(data)} bytes\n"
               f"{data.hex()}", when)
    for name, raw, value in fields:
        if name.endswith(("FolderId", "FolderID", "MessageId", "MessageID")):
            shown = printed_id(raw)
        elif isinstance(value, bytes):
            shown = repr(value.rstrip(b"\0").decode("ascii", "replace"))
        else:
            shown = f"{value:#x}" if name in ("RopId", "NotificationFlags", "MessageFlags") else value
        note = MEANING.get(name, "")
        if name == "NotificationFlags":
            bits = [word for bit, word in ((FLAG_MESSAGE, "about a message"), (FLAG_TOTAL, "total follows"),
                                           (FLAG_UNREAD, "unread follows")) if flags & bit]
            note = ", ".join([kind, *bits])
        elif name == "TableEventType":
            note = TABLE_EVENTS.get(value, "")
        print(f"{'':15}{raw.hex():18} {name:20} {shown!s:18} {note}".rstrip())
    if rest:
        raise RuntimeError("bytes left over after a RopNotify")


def demo(build, folder, cleanup):
    story = Story()
    ini = os.path.join(folder, "ocsmanager.ini")
    for name in ("ocsmanager", "ocsconsumer", "ocsctl", "lib90_ocsmanager_plugin.so"):
        if not os.path.exists(os.path.join(build, name)):
            raise RuntimeError(f"{build}/{name} is missing: run make first")

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
    passwd = subprocess.run([os.path.join(build, "ocsctl"), "-c", ini, "passwd", "--scheme",
                             "SCRAM-SHA-256", ACCOUNT], input=f"{PASSWORD}\n{PASSWORD}\n",
                            text=True, capture_output=True, timeout=30, check=False)
    if passwd.returncode != 0:
        raise RuntimeError("ocsctl passwd: " + passwd.stdout + passwd.stderr)
    story.tell("its configuration:\n" + INI.rstrip())
    story.tell(f"an account for the plugin, made by `ocsctl passwd {ACCOUNT}`")

    daemon, out, err = spawn([os.path.join(build, "ocsmanager"), "-c", ini, "-f"])
    cleanup.append(lambda: end(daemon, out, err))
    web = Server(err.wait_text("listening on "))
    operations = Server(err.wait_text("operations on "))
    story.tell(f"ocsmanager answers on {web.host}:{web.port}")

    credentials = os.path.join(folder, "credentials")
    with open(os.open(credentials, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as f:
        f.write(f"username={ACCOUNT}\npassword={PASSWORD}\n")
    dovecot = Dovecot(plugin=os.path.join(build, "lib90_ocsmanager_plugin.so"), settings={
        "ocsmanager_url": f"http://{web.host}:{web.port}",
        "ocsmanager_credentials": "<" + credentials})
    cleanup.append(dovecot.stop)
    dovecot.start()
    imap = dovecot.imap(USER)
    imap.select("INBOX")  # the INBOX is made now, so that it is no part of the story
    imap.logout()

    def metric(name, **labels):
        return parse_metrics(Client(operations).request("GET", "/metrics").text).get(
            f"ocsmanager_{name}", **labels)

    wait_until(lambda: metric("notifications_total", result="nosubscriber") >= 1, 15,
               "the creation of the INBOX is reported")
    story.tell(f"Dovecot answers LMTP on 127.0.0.1:{dovecot.lmtp_port}, with the plugin; "
               f"{USER} has an empty INBOX")

    ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    cleanup.append(ear.close)
    ear.bind(("127.0.0.1", 0))
    ear.settimeout(15)
    address = f"127.0.0.1:{ear.getsockname()[1]}"
    tables = ("newmail", "object", "contents", "hierarchy")
    consumer, events, notes = spawn([
        os.path.join(build, "ocsconsumer"), "-c", ini, "-u", USER, "--folder", "store",
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
    sessions = len([l for l in err.snapshot() if "logged in" in l])
    story.began = time.monotonic()
    seconds = dovecot.deliver(USER, subject="demo")
    story.tell(f"delivered: Dovecot took the mail for {USER} and said 250 after "
               f"{seconds * 1000:.1f} ms; the report goes out behind it")

    payload, _ = ear.recvfrom(100)
    udp_time = time.monotonic()
    logins = err.wait(lambda lines: [(l, t) for l, t in zip(lines, err.times) if "logged in" in l]
                      [sessions:], what="the plugin logs in")
    story.title("3. The plugin logs in and reports")
    line, when = logins[0]
    story.tell("authenticated: the delivery process logged in by SCRAM-SHA-256. The daemon's log:\n"
               + re.sub(r"^\S+ ", "", line), when)
    wait_until(lambda: metric("notifications_total", result="queued") >= 1, what="it is queued")
    story.tell("accepted: its PUT /notification (one newmail, folder INBOX) got the status \"queued\",\n"
               "as /metrics on the operations address counts it", udp_time)

    story.title("4. The client is told that something waits")
    if payload != CONTEXT:
        raise RuntimeError(f"the datagram carries {payload.hex()}")
    story.tell(f"UDP received: {payload.hex()} at {address}. It says no more than 'come and ask',\n"
               "and would be repeated every 60 s until the client has asked", udp_time)

    story.title("5. Until it asks, the entries wait in its queues")
    names = waiting_queues(os.path.join(build, "ocsctl"), ini)
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
    while cleanup:
        cleanup.pop()()
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


def main():
    build = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else
                            os.environ.get("OCS_BUILD", os.path.join(TREE, "build")))
    folder = tempfile.mkdtemp(prefix="ocsdemo")
    cleanup = []
    try:
        demo(build, folder, cleanup)
    except Exception as problem:  # pylint: disable=broad-except
        print(f"\nThe demo failed: {type(problem).__name__}: {problem}", file=sys.stderr)
        return 1
    finally:
        while cleanup:
            try:
                cleanup.pop()()
            except (AssertionError, OSError, RuntimeError) as problem:
                print(problem, file=sys.stderr)
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
