# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""What the demos share: how they tell their story, and the programs that they start.

Each demo is called with the folder of the built programs, or finds it in $OCS_BUILD, or takes build.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

TREE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else
                        os.environ.get("OCS_BUILD", os.path.join(TREE, "build")))
os.environ["OCS_BUILD"] = BUILD  # for the harness
sys.path.insert(0, os.path.join(TREE, "tests"))
sys.path.insert(0, os.path.join(TREE, "tests", "live"))

from harness.client import Client  # noqa: E402
from harness.metrics import parse as parse_metrics  # noqa: E402
from harness.ropnotify import KINDS, TABLE_EVENTS, decode, printed_id  # noqa: E402
from harness.wait import Lines, wait_until  # noqa: E402
from rig import Dovecot  # noqa: E402

# the account of Dovecot's plugin
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


def program(name):
    return os.path.join(BUILD, name)


def need(*names):
    for name in names:
        if not os.path.exists(program(name)):
            raise RuntimeError(f"{program(name)} is missing: run make first")


def set_password(ini, account, password, *options):
    done = subprocess.run([program("ocsctl"), "-c", ini, "passwd", *options, account],
                          input=f"{password}\n{password}\n", text=True, capture_output=True,
                          timeout=30, check=False)
    if done.returncode != 0:
        raise RuntimeError("ocsctl passwd: " + done.stdout + done.stderr)


class Daemon:
    """ocsmanager with this ini: its addresses, its log, its metrics."""

    def __init__(self, ini, cleanup):
        process, out, self.log = spawn([program("ocsmanager"), "-c", ini, "-f"])
        cleanup.append(lambda: end(process, out, self.log))
        self.web = Server(self.log.wait_text("listening on "))
        self.operations = Server(self.log.wait_text("operations on "))

    def metric(self, name, **labels):
        return parse_metrics(Client(self.operations).request("GET", "/metrics").text).get(
            f"ocsmanager_{name}", **labels)

    def wait_metric(self, name, least, what, **labels):
        wait_until(lambda: self.metric(name, **labels) >= least, 15, what)


def start_dovecot(server, credentials, users, cleanup):
    """With the plugin, which reports to that server. credentials: a file that is written. The INBOX
    of each user is made now, so that it is no part of the story."""
    with open(os.open(credentials, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as f:
        f.write(f"username={ACCOUNT}\npassword={PASSWORD}\n")
    dovecot = Dovecot(plugin=program("lib90_ocsmanager_plugin.so"), settings={
        "ocsmanager_url": f"http://{server.host}:{server.port}",
        "ocsmanager_credentials": "<" + credentials})
    cleanup.append(dovecot.stop)
    dovecot.start()
    for user in users:
        imap = dovecot.imap(user)
        imap.select("INBOX")
        imap.logout()
    return dovecot


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


def end_all(cleanup):
    while cleanup:
        cleanup.pop()()


def run(demo):
    """demo(folder, cleanup) in a temporary folder; what is still in cleanup is ended. The exit status."""
    folder = tempfile.mkdtemp(prefix="ocsdemo")
    cleanup = []
    try:
        demo(folder, cleanup)
    except Exception as problem:  # pylint: disable=broad-except
        print(f"\nThe demo failed: {type(problem).__name__}: {problem}", file=sys.stderr)
        return 1
    finally:
        while cleanup:
            try:
                end_all(cleanup)
            except (AssertionError, OSError, RuntimeError) as problem:
                print(problem, file=sys.stderr)
        shutil.rmtree(folder, ignore_errors=True)
    return 0
