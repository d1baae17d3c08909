# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Attacks on the web service, and what a good client has to go through while they last. The rows are in the files
beside this one; tests/service/test_attacks_*.py make a test of each, bench/attacks.py measures its latency."""

import http.client
import itertools
import re
import threading

from ..client import Client
from ..hammer import head
from ..raw import Raw
from ..wait import wait_until

PAUSE = 0.02  # seconds, of the good client
ATTACKER = "127.66.6.6"  # an address, and prefix, of its own on loopback
NAME = re.compile(rb'<error code="\d+" name="(\w+)"')


class Row:
    """attack(target) does it once, and yields what it was answered: a status of HTTP, (status, name) where the answer
    is an error of ours, None for the end of the connection, a text for what must not be. allowed: which of these may
    be; of a status alone any name. flood: it is many connections, and takes a second or more. times: in a test."""

    def __init__(self, name, attack, *allowed, times=3, flood=False):
        self.name, self.attack, self.allowed, self.times, self.flood = name, attack, allowed, times, flood

    @property
    def method(self):
        """As the name of a test."""
        return "test_" + re.sub(r"\W+", "_", self.name).strip("_").lower()

    def may_be(self, outcome):
        return outcome in self.allowed or (isinstance(outcome, tuple) and outcome[0] in self.allowed)


class Target:
    """Whom it goes against, as the attacker sees them: daemon has host and port; token: of an account that attacks."""

    def __init__(self, daemon, token, source=ATTACKER):
        self.daemon, self.token, self.source = daemon, token, source

    def raw(self, number=0):
        """A connection. number: from another address."""
        return Raw(self.daemon, source=self.source[:-1] + str(int(self.source[-1]) + number))

    @staticmethod
    def answer(raw, is_head=False):
        """The next outcome of the connection."""
        try:
            status, _, body = raw.response(is_head)
        except (ConnectionError, AssertionError):
            return None
        if status is None:
            return None
        name = NAME.search(body)
        return (status, name[1].decode()) if name else status

    def say(self, *pieces):
        """The outcome of a connection on which these pieces are sent, as far as the server listens."""
        with self.raw() as raw:
            self.send(raw, *pieces)
            return self.answer(raw)

    @staticmethod
    def send(raw, *pieces):
        """False: the server hung up before all was sent; what it said can be read all the same."""
        try:
            for piece in pieces:
                raw.send(piece)
        except ConnectionError:
            return False
        return True

    def put(self, body, **headers):
        return self.say(head("PUT", "/notification", body, Content_Type="text/xml", **headers))

    def post(self, path, body, **headers):
        return self.say(head("POST", path, body, Content_Type="text/xml", **headers))

    def series(self, requests):
        """Requests one after the other on one connection, which is opened anew where it has ended; yields the outcomes."""
        raw = self.raw()
        used = False
        try:
            for request in requests:
                self.send(raw, request)
                outcome = self.answer(raw)
                if outcome is None:
                    raw.socket.close()
                    raw = self.raw()
                    if used:  # the answer before may have been the last
                        self.send(raw, request)
                        outcome = self.answer(raw)
                used = True
                yield outcome
        finally:
            raw.socket.close()


class GoodClient:
    """Reports, some fifty notifications a second, and now and then logs in on a new connection, in a thread. Not as
    many as it can: what the daemon remembers of them counts as memory of the attack. Each answer must be right. patient: no connection may be free for the moment; then it comes again, as the protocol page says.
    What it has stays, whoever else comes."""

    RENEWED = 25  # requests of one connection
    numbers = itertools.count()

    def __init__(self, daemon, patient=False):
        self.daemon, self.patient = daemon, patient
        self.answered, self.fault = 0, None
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self.thread.start()
        self.wait_more()
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.thread.join()

    def wait_more(self, count=3):
        """Until so many more have been answered."""
        wanted = self.answered + count
        wait_until(lambda: self.fault or self.answered >= wanted, what="the good client is answered")
        assert not self.fault, self.fault

    def _run(self):
        try:
            while not self.ending.is_set():
                with Client(self.daemon) as client:
                    if self._log_in(client):
                        self._report(client)
                    else:
                        self.ending.wait(0.05)
        except Exception as problem:  # pylint: disable=broad-exception-caught
            self.fault = f"after {self.answered} answers: {problem!r}"

    def _log_in(self, client):
        try:
            answer = client.login_plain()
        except (ConnectionError, http.client.BadStatusLine):
            if self.patient:
                return False
            raise
        if answer.status != 200 and not (self.patient and answer.status == 503):
            self._failed(answer)
        return answer.status == 200

    def _failed(self, answer):
        self.fault = f"after {self.answered} answers: {answer}"
        self.ending.set()

    def _report(self, client):
        for _ in range(self.RENEWED):
            if self.ending.is_set():
                return
            name = f"good-{next(self.numbers)}"
            answer = client.newmail(name, id=name, user="good")
            if answer.status != 200 or answer.results != [(name, "nosubscriber", 0, None)]:
                self._failed(answer)
            self.answered += 1
            self.ending.wait(PAUSE)
