# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""A client of MAPI over HTTP, as its author would write one from MS-OXCMAPIHTTP, MS-OXCRPC and
MS-OXCROPS. Shares nothing with the server."""

import base64
import http.client
import os
import re
import signal
import socket
import struct
import subprocess
import uuid

from . import paths
from .daemon import ACCOUNT, PASSWORD, SANITIZER
from .wait import LIMIT, Lines

MAPI_TYPE = "application/mapi-http"
PATH = "/mapi/emsmdb/?MailboxId=b4bb9a05-2b1c-4fbe-8a11-6e3b1f0a9a4c@example.org"
DN = "/o=First Organization/ou=Exchange Administrative Group/cn=Recipients/cn="
IDLE = bytes.fromhex("0200")  # a ROP buffer without a ROP
NO_HANDLE = 0xFFFFFFFF


class Server:
    """The built ocsmapihttp on the registry and accounts of a daemon."""

    def __init__(self, daemon, *options, tls=None, listen="127.0.0.1:0", ready=True):
        self.daemon, self.tls = daemon, tls
        words = [paths.program("ocsmapihttp"), "-c", daemon.ini, "-f", "--listen", listen, *options]
        if tls:
            words += ["--cert", tls[0], "--key", tls[1]]
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, cwd="/")
        self.err = Lines(self.process.stderr)
        if ready:
            line = self.err.wait_text("listening on ")
            host, port = re.search(r"listening on (\S+):(\d+)", line).groups()
            self.host, self.port = host.strip("[]"), int(port)

    def stop(self, number=signal.SIGTERM, limit=LIMIT):
        """Ends it: 0 and no sanitizer report."""
        if self.process is None:
            return
        if self.process.returncode is None:
            self.process.send_signal(number)
        try:
            status = self.process.wait(limit)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError("ocsmapihttp: still running\n" + self.err.text()) from None
        finally:
            self.process = None
            self.err.join()
        text = self.err.text()
        assert not SANITIZER.search(text), "a sanitizer reported:\n" + text[-6000:]
        assert status == 0, f"ocsmapihttp ended with {status}:\n{text[-3000:]}"

    def memory(self):
        """Resident bytes."""
        with open(f"/proc/{self.process.pid}/statm", encoding="ascii") as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Answer:
    """status, headers, code (X-ResponseCode); of an answer with code 0: tags, extra, body."""

    def __init__(self, status, headers, raw):
        self.status, self.headers, self.raw = status, headers, raw
        code = headers["X-ResponseCode"]
        self.code = None if code is None else int(code)
        self.tags, self.extra, self.body = [], {}, b""
        if self.code == 0:
            head, self.body = raw.split(b"\r\n\r\n", 1)
            lines = head.decode("ascii").split("\r\n")
            while lines and ":" not in lines[0]:
                self.tags.append(lines.pop(0))
            self.extra = dict(line.split(": ", 1) for line in lines)

    def fields(self, form):
        return struct.unpack_from("<" + form, self.body)

    @property
    def cookies(self):
        """name -> (value, attributes)"""
        found = {}
        for line in self.headers.get_all("Set-Cookie") or []:
            first, *rest = [part.strip() for part in line.split(";")]
            name, value = first.split("=", 1)
            found[name] = (value, {r.lower() for r in rest})
        return found

    def __repr__(self):
        return f"HTTP {self.status} X-ResponseCode {self.code} {self.raw!r}"


class Executed:
    """The response of an Execute: error, rops (RopsList), handles."""

    def __init__(self, answer):
        self.answer = answer
        status, self.error, flags, size = answer.fields("IIII")
        assert status == 0 and flags == 0, answer
        buffer = answer.body[16:16 + size]
        assert answer.body[16 + size:] == bytes(4), answer
        self.rops, self.handles = b"", []
        if size:
            version, flags, size, actual = struct.unpack_from("<HHHH", buffer)
            assert (version, flags, actual) == (0, 4, size) and len(buffer) == 8 + size, buffer.hex()
            length, = struct.unpack_from("<H", buffer, 8)
            self.rops = buffer[10:8 + length]
            self.handles = [h for h, in struct.iter_unpack("<I", buffer[8 + length:])]


class Waiting:
    """A NotificationWait on a connection of its own: its inner stream as it comes."""

    def __init__(self, client, connection, **more):
        self.connection = connection
        client.send("NotificationWait", struct.pack("<II", 0, 0), connection, **more)
        self.response = connection.getresponse()
        self.headers = self.response.headers
        self.tags = []

    def tag(self):
        """The next tag of the stream."""
        line = self.response.readline()
        assert line.endswith(b"\r\n"), line
        self.tags.append(line[:-2].decode())
        return self.tags[-1]

    def finish(self):
        """(error, event pending) at the end of the stream."""
        while not self.tags or self.tags[-1] != "DONE":
            self.tag()
        self.extra = {}
        while line := self.response.readline().strip():
            name, value = line.decode().split(": ", 1)
            self.extra[name] = value
        self.body = self.response.read()
        status, error, pending, aux = struct.unpack("<IIII", self.body)
        assert status == 0 and aux == 0, self.body
        return error, bool(pending)


class MapiClient:
    """A mail client. context: an ssl.SSLContext where the server has TLS."""

    def __init__(self, server, user=ACCOUNT, password=PASSWORD, context=None, timeout=LIMIT):
        self.server, self.user, self.password = server, user, password
        self.context, self.timeout = context, timeout
        self.guid, self.info = str(uuid.uuid4()).upper(), str(uuid.uuid4()).upper()
        self.counter = 0
        self.cookies = {}
        self.logon = self.handle = None
        self.connections = []
        self.connection = self.open()

    def open(self):
        """A further connection; all are closed with the client."""
        if self.context:
            connection = http.client.HTTPSConnection(self.server.host, self.server.port,
                                                     timeout=self.timeout, context=self.context)
        else:
            connection = http.client.HTTPConnection(self.server.host, self.server.port,
                                                    timeout=self.timeout)
        self.connections.append(connection)
        return connection

    def close(self):
        for connection in self.connections:
            connection.close()

    # -- requests

    def headers(self, kind, changes=None):
        """What a client sends; a change to None leaves a header out."""
        self.counter += 1
        secret = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        headers = {
            "Authorization": "Basic " + secret,
            "Content-Type": MAPI_TYPE,
            "X-RequestType": kind,
            "X-RequestId": f"{{{self.guid}}}:{self.counter}",
            "X-ClientInfo": f"{{{self.info}}}:{self.counter}",
            "X-ClientApplication": "Outlook/16.0.4266.1001",
        }
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{k}={v}" for k, v in self.cookies.items())
        headers.update(changes or {})
        return {name: value for name, value in headers.items() if value is not None}

    def send(self, kind, body, connection=None, changes=None, method="POST", path=PATH):
        (connection or self.connection).request(method, path, body, self.headers(kind, changes))

    def receive(self, connection=None):
        response = (connection or self.connection).getresponse()
        answer = Answer(response.status, response.headers, response.read())
        for name, (value, _) in answer.cookies.items():
            self.cookies[name] = value
        return answer

    def request(self, kind, body=b"", connection=None, **more):
        connection = connection or self.connection
        try:
            self.send(kind, body, connection, **more)
            return self.receive(connection)
        except (ConnectionError, http.client.HTTPException):
            connection.close()
            raise

    # -- the request types

    @staticmethod
    def connect_body(dn, flags=0):
        return dn.encode("ascii") + b"\0" + struct.pack("<IIIII", flags, 1252, 0x409, 0x409, 0)

    def connect(self, dn=None, flags=0, **more):
        return self.request("Connect", self.connect_body(DN + self.user if dn is None else dn,
                                                         flags), **more)

    @staticmethod
    def execute_body(rops=b"", handles=(), size=0x10008, payload=None):
        if payload is None:
            payload = struct.pack("<H", 2 + len(rops)) + rops + \
                b"".join(struct.pack("<I", h) for h in handles)
        buffer = struct.pack("<HHHH", 0, 4, len(payload), len(payload)) + payload
        return struct.pack("<II", 3, len(buffer)) + buffer + struct.pack("<II", size, 0)

    def execute(self, rops=b"", handles=(), size=0x10008, **more):
        answer = self.request("Execute", self.execute_body(rops, handles, size), **more)
        assert answer.code == 0, answer
        return Executed(answer)

    def wait(self, **more):
        return Waiting(self, self.open(), **more)

    def disconnect(self):
        return self.request("Disconnect", bytes(4))

    def ping(self, **more):
        return self.request("PING", **more)

    # -- what a mail client does with them

    def log_on(self, dn=None):
        """Connect and RopLogon to the own mailbox; the FIDs of its folders."""
        answer = self.connect(dn)
        assert answer.code == 0 and answer.fields("II") == (0, 0), answer
        essdn = (DN + self.user if dn is None else dn).encode() + b"\0"
        rop = struct.pack("<BBBBIIH", 0xFE, 0, 0, 0x01, 0x01000000, 0, len(essdn)) + essdn
        done = self.execute(rop, [NO_HANDLE])
        assert done.error == 0 and done.rops[0] == 0xFE, done.answer
        error, = struct.unpack_from("<I", done.rops, 2)
        assert error == 0, hex(error)
        self.logon = done.handles[0]
        return struct.unpack_from("<13Q", done.rops, 7)

    def register(self, types=0x0002, folder=None):
        """RopRegisterNotification; the handle that its RopNotify will carry."""
        rop = struct.pack("<BBBBHB", 0x29, 0, 0, 1, types, folder is None)
        if folder is not None:
            rop += struct.pack("<QQ", folder, 0)
        done = self.execute(rop, [self.logon, NO_HANDLE])
        assert done.error == 0 and done.rops[0] == 0x29, done.answer
        error, = struct.unpack_from("<I", done.rops, 2)
        assert error == 0, hex(error)
        return done.handles[1]

    def idle(self, **more):
        """An Execute without a ROP; what came."""
        return self.execute(**more).rops


def raw_request(client, kind, body, changes=None):
    """The bytes of a request, for a socket."""
    headers = dict(client.headers(kind, changes), Host="test")
    headers.setdefault("Content-Length", str(len(body)))
    head = "".join(f"{k}: {v}\r\n" for k, v in headers.items())
    return f"POST {PATH} HTTP/1.1\r\n{head}\r\n".encode() + body


def raw_connection(server):
    connection = socket.create_connection((server.host, server.port), LIMIT)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection
