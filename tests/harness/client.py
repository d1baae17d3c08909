# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""A client of the web service, as its author would write one from the protocol page."""

import base64
import hashlib
import hmac
import http.client
import os
import re
import select
import xml.etree.ElementTree as ET
from xml.sax.saxutils import escape, quoteattr

from .daemon import ACCOUNT, PASSWORD
from .wait import LIMIT

XML_TYPE = "text/xml; charset=utf-8"
DECLARATION = "<?xml version='1.0' encoding='utf-8'?>\n"


def b64u(data):
    return base64.urlsafe_b64encode(data).decode()


def unb64(text):
    text = text.strip().replace("-", "+").replace("_", "/")
    return base64.b64decode(text + "=" * (-len(text) % 4))


def ssha_answer(name, password, salt, token_salt):
    """The hex of step two; password may be a stored {SSHA} string, as for the old client."""
    if password.startswith("{SSHA}"):
        stored = password
    else:
        digest = hashlib.sha1(password.encode() + salt).digest()
        stored = "{SSHA}" + b64u(digest + salt)
    payload = f"{name}:{stored}:".encode() + token_salt
    return hashlib.sha1(payload + token_salt).hexdigest()


def notification(category="newmail", backend="sogo", user="jdoe", folder="INBOX", message=None,
                 id=None, raw="", **more):
    """The XML of one notification. None leaves an element out; more: oldFolder, oldMessageID,
    uidValidity, messageClass, messageFlags, total, unread; raw: XML added as it is."""
    attributes = "" if category is None else f" category={quoteattr(category)}"
    if id is not None:
        attributes += f" id={quoteattr(id)}"
    elements = {"backend": backend, "username": user, "folder": folder, "messageID": message}
    elements.update(more)
    inside = "".join(f"<{k}>{escape(str(v))}</{k}>" for k, v in elements.items() if v is not None)
    return f"<notification{attributes}>{inside}{raw}</notification>"


def document(inside):
    return f"{DECLARATION}<ocsmanager>{inside}</ocsmanager>"


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    @property
    def root(self):
        root = ET.fromstring(self.body)
        assert root.tag == "ocsmanager", self.text
        return root

    @property
    def error(self):
        """(HTTP status, code attribute, name) of the error under the root."""
        element = self.root.find("error")
        assert element is not None, f"{self.status}: {self.text}"
        return self.status, int(element.get("code")), element.get("name")

    @property
    def error_text(self):
        return self.root.find("error").text

    @property
    def results(self):
        """[(id, status, queues, error name)] of each notification."""
        found = []
        for element in self.root.findall("notification"):
            error = element.find("error")
            found.append((element.get("id"), element.get("status"),
                          int(element.get("queues", 0)), None if error is None else
                          error.get("name")))
        return found

    @property
    def statuses(self):
        return [r[1] for r in self.results]

    @property
    def cookies(self):
        """name -> (value, attributes in lower case)"""
        found = {}
        for line in self.headers.get_all("Set-Cookie") or []:
            first, *rest = [part.strip() for part in line.split(";")]
            name, value = first.split("=", 1)
            found[name] = (value, {r.lower() for r in rest})
        return found

    def __repr__(self):
        return f"{self.status} {self.text[:500]}"


class Client:
    """context: an ssl.SSLContext where the daemon has TLS."""

    def __init__(self, daemon, timeout=LIMIT, source=None, context=None):
        self.daemon = daemon
        self.token = None
        self.timeout = timeout
        kind, more = (http.client.HTTPSConnection, {"context": context}) if context else \
            (http.client.HTTPConnection, {})
        self.connection = kind(daemon.host, daemon.port, timeout=timeout,
                               source_address=(source, 0) if source else None, **more)

    def close(self):
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def request(self, method, path, body=None, headers=None, content_type=XML_TYPE):
        sent = {"Content-Type": content_type} if body is not None and content_type else {}
        sent.update(headers or {})
        if isinstance(body, str):
            body = body.encode()
        if self._ended():
            self.connection.close()  # the next request opens it again
        try:
            self.connection.request(method, path, body, sent)
            answer = self.connection.getresponse()
        except (ConnectionError, http.client.BadStatusLine):
            self.connection.close()
            raise
        return Answer(answer.status, answer.headers, answer.read())

    def _ended(self):
        """Whether the server has closed a connection on which nothing was asked for long."""
        poll = select.poll()
        if self.connection.sock is None:
            return False
        poll.register(self.connection.sock, select.POLLIN)
        return bool(poll.poll(0))

    # -- logging in

    def challenge(self, name=ACCOUNT):
        """(answer, salt, token_salt, Cookie header)"""
        answer = self.request("POST", "/authenticate/token",
                              document(f"<login>{escape(name)}</login>"))
        if answer.status != 200:
            return answer, None, None, None
        token = answer.root.find("token")
        assert token.get("type") == "salt", answer
        cookie = "; ".join(f"{k}={v[0]}" for k, v in answer.cookies.items())
        return answer, unb64(answer.root.findtext("salt")), unb64(token.text), cookie

    def answer_challenge(self, cookie, hexdigits):
        headers = {"Cookie": cookie} if cookie else {}
        return self.request("POST", "/authenticate/login",
                            document(f"<token>{hexdigits}</token>"), headers)

    def _keep(self, answer):
        if answer.status == 200:
            self.token = answer.root.findtext("token")
            assert self.token, answer
        return answer

    def login_ssha(self, name=ACCOUNT, password=PASSWORD):
        answer, salt, token_salt, cookie = self.challenge(name)
        if answer.status != 200:
            return answer
        return self._keep(self.answer_challenge(
            cookie, ssha_answer(name, password, salt, token_salt)))

    def login_plain(self, name=ACCOUNT, password=PASSWORD):
        secret = b64u(f"\0{name}\0{password}".encode())
        return self._keep(self.request("POST", "/authenticate/login", document(
            f'<sasl mechanism="PLAIN">{secret}</sasl>')))

    def login_scram(self, name=ACCOUNT, password=PASSWORD, spoil=None, cookies=True, binding=None):
        """RFC 5802 with SHA-256. spoil(text) changes the client-final; binding: (kind, bytes) for -PLUS."""
        header = f"p={binding[0]},," if binding else "n,,"
        mechanism = "SCRAM-SHA-256-PLUS" if binding else "SCRAM-SHA-256"
        bound = base64.b64encode(header.encode() + (binding[1] if binding else b"")).decode()
        nonce = b64u(os.urandom(18)).replace("=", "")
        bare = f"n={name.replace('=', '=3D').replace(',', '=2C')},r={nonce}"
        first = self.request("POST", "/authenticate/token", document(
            f'<sasl mechanism="{mechanism}">{b64u((header + bare).encode())}</sasl>'))
        if first.status != 200:
            return first
        server_first = unb64(first.root.findtext("sasl")).decode()
        fields = dict(part.split("=", 1) for part in server_first.split(","))
        assert fields["r"].startswith(nonce) and len(fields["r"]) > len(nonce), server_first
        iterations = int(fields["i"])
        assert iterations >= 4096, server_first
        salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(fields["s"]),
                                     iterations)
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        stored_key = hashlib.sha256(client_key).digest()
        without_proof = f"c={bound},r={fields['r']}"
        message = f"{bare},{server_first},{without_proof}".encode()
        signature = hmac.digest(stored_key, message, "sha256")
        proof = bytes(a ^ b for a, b in zip(client_key, signature))
        final = f"{without_proof},p={base64.b64encode(proof).decode()}"
        if spoil:
            final = spoil(final)
        headers = {}
        if cookies:
            headers["Cookie"] = "; ".join(f"{k}={v[0]}" for k, v in first.cookies.items())
        answer = self.request("POST", "/authenticate/login",
                              document(f"<sasl>{b64u(final.encode())}</sasl>"), headers)
        if answer.status == 200:
            server_key = hmac.digest(salted, b"Server Key", "sha256")
            expected = hmac.digest(server_key, message, "sha256")
            verifier = unb64(answer.root.findtext("sasl")).decode()
            assert verifier == f"v={base64.b64encode(expected).decode()}", verifier
        return self._keep(answer)

    def logout(self):
        return self.request("POST", "/authenticate/logout",
                            document(f"<token>{self.token}</token>"))

    # -- notifications

    def body(self, notifications, token=True):
        if token is True:
            token = self.token
        inside = f"<token>{token}</token>" if token else ""
        return document(inside + "".join(notifications))

    def put(self, *notifications, token=True, path="/notification", headers=None):
        return self.request("PUT", path, self.body(notifications, token), headers)

    def newmail(self, message, id=None, **more):
        return self.put(notification("newmail", message=message, id=id, **more))


def logged_in(daemon, **more):
    client = Client(daemon, **more)
    answer = client.login_ssha()
    assert answer.status == 200, answer
    return client


def number_of(text, pattern):
    return int(re.search(pattern, text).group(1))
