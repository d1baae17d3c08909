# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""A scripted stand-in for the OCSManager daemon: speaks the web service, records what it is told, and
misbehaves on demand. Listens on loopback, or on an AF_UNIX socket; every connection is a thread.

    with FakeServer() as server:
        server.behave = lambda request: None          # as the daemon would
        server.behave = lambda request: (503, {"Retry-After": "1"}, error(503, "OVERLOADED"))
        server.behave = lambda request: HANG           # never an answer
        server.behave = lambda request: Raw(b"...")    # these bytes, then the connection closes
        server.stop(); server.start()                  # down and up again on the same port
"""

import base64
import hashlib
import hmac
import http.server
import os
import socket
import ssl
import threading
import time
import xml.etree.ElementTree as ElementTree
from http.cookies import SimpleCookie

from harness.wait import LIMIT, wait_until

HANG = object()


class Raw:
    """Bytes to send as they are; with drip, one byte every that many seconds."""

    def __init__(self, data, drip=0.0, close=True):
        self.data, self.drip, self.close = data, drip, close


class Slow:
    """The normal answer after some seconds."""

    def __init__(self, seconds):
        self.seconds = seconds


def error(code, name, text="because"):
    return f'<ocsmanager><error code="{code}" name="{name}">{text}</error></ocsmanager>'


def _b64(data):
    return base64.urlsafe_b64encode(data).decode()


def _unb64(text):
    return base64.b64decode(text.strip() + "===", altchars=b"-_")


class Request:
    def __init__(self, method, path, headers, body):
        self.method, self.path, self.headers, self.body = method, path, headers, body
        self.time = time.monotonic()

    def root(self):
        return ElementTree.fromstring(self.body)

    def notifications(self):
        """One dict per notification: its attributes and its elements."""
        return [dict(n.attrib, **{child.tag: child.text for child in n})
                for n in self.root().findall("notification")]


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, *_):
        pass

    def setup(self):
        super().setup()
        self.server.fake.connection_opened(self.connection)

    def finish(self):
        try:
            super().finish()
        except OSError:
            pass
        self.server.fake.connection_closed(self.connection)

    def _answer(self, status, headers, body):
        body = body if isinstance(body, bytes) else body.encode()
        self.send_response(status)
        headers = list(headers.items()) if isinstance(headers, dict) else list(headers)
        if not any(k.lower() == "content-type" for k, _ in headers):
            headers.append(("Content-Type", "text/xml; charset=utf-8"))
        for key, value in headers + [("Content-Length", str(len(body)))]:
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def _handle(self):
        fake = self.server.fake
        length = int(self.headers.get("Content-Length") or 0)
        request = Request(self.command, self.path, self.headers, self.rfile.read(length))
        with fake.lock:
            fake.requests.append(request)
        behaviour = fake.behave(request) if fake.behave else None
        if behaviour is HANG:
            fake.stopping.wait(60)
            self.close_connection = True
        elif isinstance(behaviour, Raw):
            self._raw(behaviour)
        else:
            if isinstance(behaviour, Slow):
                fake.stopping.wait(behaviour.seconds)
                behaviour = None
            with fake.answering:
                fake.unanswered += 1
            try:
                self._answer(*(behaviour or fake.normal(request)))
            finally:
                with fake.answering:
                    fake.unanswered -= 1
                    fake.answering.notify_all()

    def _raw(self, raw):
        step = 1 if raw.drip else len(raw.data)
        for i in range(0, len(raw.data), step or 1):
            self.wfile.write(raw.data[i:i + step])
            self.wfile.flush()
            if raw.drip and self.server.fake.stopping.wait(raw.drip):
                break
        if not raw.close:
            self.server.fake.stopping.wait(60)
        self.close_connection = True

    do_GET = do_POST = do_PUT = _handle


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def handle_error(self, request, client_address):
        pass  # the client hung up, as some tests want it to


class _LocalHandler(_Handler):
    disable_nagle_algorithm = False


class _LocalServer(_Server):
    address_family = socket.AF_UNIX
    request_queue_size = 128

    def server_bind(self):
        self.socket.bind(self.server_address)
        os.chmod(self.server_address, 0o666)


class FakeServer:
    def __init__(self, username="reporter", password="secret-of-the-reporter", ttl=3600,
                 iterations=4096, tls=None, path=None):
        """tls: (certificate file, key file) for https; path: of the socket to listen on instead, where
        no login is asked for."""
        self.path = path
        self.tls = tls
        self.username, self.password, self.ttl, self.iterations = username, password, ttl, iterations
        self.lock = threading.Lock()
        self.requests = []        # all, in order of arrival
        self.accepted = []        # notifications answered with 200 by normal()
        self.logins = 0           # session tokens given
        self.connections = 0      # accepted so far
        self.behave = None
        self.dovecot = None       # who reports: its until_reported() is used
        self.tokens = {}          # token -> when it ends
        self.pending = {}         # cookie -> state of a login
        self.stopping = threading.Event()
        self.answering = threading.Condition()
        self.unanswered = 0       # requests that are being answered
        self.port = None
        self._open = set()
        self._server = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    @property
    def url(self):
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def start(self):
        self.stopping.clear()
        if self.path:
            self._server = _LocalServer(self.path, _LocalHandler)
        else:
            self._server = _Server(("127.0.0.1", self.port or 0), _Handler)
            self.port = self._server.server_address[1]
        self._server.fake = self
        if self.tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self.tls)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True,
                                                      do_handshake_on_connect=False)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02},
                         daemon=True).start()
        return self

    def stop(self):
        """Down: nothing listens any more and open connections are cut, after the answers that have begun:
        who was accepted is told, so nothing is sent twice."""
        if self._server is None:
            return
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._server = None
        if self.path:
            os.unlink(self.path)
        with self.answering:
            self.answering.wait_for(lambda: self.unanswered == 0, 5)
        with self.lock:
            connections = list(self._open)
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def connection_opened(self, connection):
        with self.lock:
            self.connections += 1
            self._open.add(connection)

    def connection_closed(self, connection):
        with self.lock:
            self._open.discard(connection)

    @property
    def open(self):
        """How many connections there are."""
        with self.lock:
            return len(self._open)

    def reports(self):
        """PUT requests, in order of arrival."""
        with self.lock:
            return [r for r in self.requests if r.method == "PUT"]

    def wait_accepted(self, count, limit=LIMIT):
        def enough():
            with self.lock:
                return len(self.accepted) >= count and list(self.accepted)

        try:
            return wait_until(self.dovecot.until_reported(enough) if self.dovecot else enough, limit)
        except AssertionError:
            raise AssertionError(f"{len(self.accepted)} of {count} notifications: {self.accepted}") from None

    # -- the daemon's normal behaviour

    def normal(self, request):
        if request.path == "/authenticate/token" and request.method == "POST":
            return self._token(request)
        if request.path == "/authenticate/login" and request.method == "POST":
            return self._login(request)
        if request.path == "/notification" and request.method == "PUT":
            return self._notification(request)
        return 404, {}, error(404, "NOT_FOUND")

    def _token(self, request):
        root = request.root()
        cookie = os.urandom(9).hex()
        sasl = root.find("sasl")
        if sasl is not None:
            first = _unb64(sasl.text).decode()
            bare = first.split(",", 2)[2]
            fields = dict(f.split("=", 1) for f in bare.split(","))
            salt = b"0123456789abcdef"
            server_first = (f"r={fields['r']}{os.urandom(6).hex()},"
                            f"s={base64.b64encode(salt).decode()},i={self.iterations}")
            self.pending[cookie] = ("scram", fields["n"], bare, server_first, salt)
            answer = f"<sasl>{_b64(server_first.encode())}</sasl><ttl>60</ttl>"
        else:
            token_salt, salt = os.urandom(20), b"\x01\x02\xfb\xff"
            self.pending[cookie] = ("ssha", root.findtext("login"), token_salt, salt)
            answer = (f'<token type="salt">{_b64(token_salt)}</token><salt>{_b64(salt)}</salt>'
                      "<ttl>60</ttl>")
        cookies = [("Set-Cookie", f"ocsmanager={cookie}; HttpOnly; SameSite=Strict; Path=/"),
                   ("Set-Cookie", f"token=t{cookie}; Path=/")]
        return 200, cookies, f"<ocsmanager>{answer}</ocsmanager>"

    def _login(self, request):
        root = request.root()
        sasl = root.find("sasl")
        if sasl is not None and sasl.get("mechanism") == "PLAIN":
            _, user, password = _unb64(sasl.text).decode().split("\0")
            if (user, password) != (self.username, self.password):
                return 401, {}, error(401, "INVALID_CREDENTIALS")
            return self._session("")
        cookies = SimpleCookie(request.headers.get("Cookie", ""))
        key = cookies["ocsmanager"].value if "ocsmanager" in cookies else None
        if key not in self.pending or "token" not in cookies or cookies["token"].value != f"t{key}":
            return 403, {}, error(403, "INVALID_SESSION")
        state = self.pending.pop(key)
        if state[0] == "scram":
            return self._scram_final(state, _unb64(sasl.text).decode())
        _, user, token_salt, salt = state
        digest = hashlib.sha1(self.password.encode() + salt).digest()
        payload = f"{self.username}:{{SSHA}}{_b64(digest + salt)}:".encode() + token_salt
        expected = hashlib.sha1(payload + token_salt).hexdigest()
        if user != self.username or root.findtext("token") != expected:
            return 401, {}, error(401, "INVALID_CREDENTIALS")
        return self._session("")

    def _scram_final(self, state, final):
        _, user, bare, server_first, salt = state
        without_proof, proof = final.rsplit(",p=", 1)
        message = f"{bare},{server_first},{without_proof}".encode()
        salted = hashlib.pbkdf2_hmac("sha256", self.password.encode(), salt, self.iterations)
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        signature = hmac.digest(hashlib.sha256(client_key).digest(), message, "sha256")
        expected = bytes(a ^ b for a, b in zip(client_key, signature))
        nonce = server_first.split(",")[0]
        if (user != self.username or without_proof != f"c=biws,{nonce}"
                or base64.b64decode(proof) != expected):
            return 401, {}, error(401, "INVALID_CREDENTIALS")
        server_key = hmac.digest(salted, b"Server Key", "sha256")
        verifier = base64.b64encode(hmac.digest(server_key, message, "sha256")).decode()
        return self._session(f"<sasl>{_b64(f'v={verifier}'.encode())}</sasl>")

    def _session(self, extra):
        token = _b64(os.urandom(30))
        with self.lock:
            self.logins += 1
            self.tokens[token] = time.monotonic() + self.ttl
        return 200, {}, (f"<ocsmanager>{extra}<token>{token}</token><ttl>{self.ttl}</ttl>"
                         "</ocsmanager>")

    def revoke(self):
        with self.lock:
            self.tokens.clear()

    def _notification(self, request):
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not self.path and self.tokens.get(token, 0) <= time.monotonic():
            return 401, {"WWW-Authenticate": "Bearer"}, error(401, "TOKEN_INVALID")
        notifications = request.notifications()
        with self.lock:
            self.accepted.extend(notifications)
        results = "".join(f'<notification id="{n.get("id", "")}" status="queued" queues="1"/>'
                          for n in notifications)
        return 200, {}, f"<ocsmanager>{results}</ocsmanager>"
