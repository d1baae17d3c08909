# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""A sender that goes on whatever happens to the daemon."""

import threading
import time

from .client import Client, notification
from .wait import LIMIT, wait_until

PASSED = 0.05  # seconds after a failure: without them nothing is left for what is being started


class Load:
    """PUTs of newmail at a daemon, one after the other, from a thread, until stop(); over a new connection where one was
    lost. Each notification is about a message of its own for user; message and id are `prefix` and a number, which is in
    messageFlags too: by that a subscriber's events are told apart.

    batch: of how many a PUT is; ids: whether they have one. again: what was not accepted is sent once more until it is,
    as a real sender does; otherwise the next ones follow.

        accepted   numbers answered 200 and not refused, in order
        refused    {number: (HTTP status, Retry-After)}, the last one
        refusals   how often one was, the same ones too
        broken     {number: exception}: the connection was lost; nobody knows
        slowest    seconds of the slowest answer
        sent       how many numbers are done with; next: the first that is not
    """

    def __init__(self, node, user="jdoe", prefix="m", first=0, pause=0.01, limit=LIMIT, batch=1, ids=True, again=False):
        self.first, self.batch = first, batch
        self.node, self.user, self.prefix, self.pause = node, user, prefix, pause
        self.accepted, self.refused, self.broken = [], {}, {}
        self.slowest, self.sent, self.requests, self.refusals = 0.0, 0, 0, 0
        self._ids, self._again = ids, again
        self._limit, self._stopping, self._token = limit, threading.Event(), None
        self._client = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def next(self):
        return self.first + self.sent

    def start(self):
        with Client(self.node) as client:
            answer = client.login_ssha()
            assert answer.status == 200, answer
            self._token = client.token
        self._thread.start()
        return self

    def name(self, number):
        return f"{self.prefix}{number}"

    def _put(self, numbers):
        """Whether all of them are accepted."""
        start = time.monotonic()
        self.requests += 1
        try:
            if self._client is None:
                self._client = Client(self.node, timeout=self._limit)
                self._client.token = self._token
            answer = self._client.put(*(
                notification(message=self.name(n), id=self.name(n) if self._ids else None, user=self.user, messageFlags=n)
                for n in numbers))
            refused = [n for n, status in zip(numbers, answer.statuses) if status == "refused"] \
                if answer.status == 200 else numbers
        except Exception as problem:  # pylint: disable=broad-except
            self.broken.update((n, problem) for n in numbers)
            self._close()
            return False
        self.slowest = max(self.slowest, time.monotonic() - start)
        self.refused.update((n, (answer.status, answer.headers.get("Retry-After"))) for n in refused)
        self.refusals += len(refused)
        if not self._again or not refused:
            self.accepted.extend(n for n in numbers if n not in refused)
        return not refused

    def _close(self):
        if self._client:
            self._client.close()
        self._client = None

    def _run(self):
        while not self._stopping.is_set():
            numbers = range(self.next, self.next + self.batch)
            done = self._put(numbers)
            if not done:
                self._stopping.wait(PASSED)
            if done or not self._again:
                self.sent += self.batch
            self._stopping.wait(self.pause)
        self._close()

    def wait_accepted(self, more, limit=LIMIT):
        """Until that many more are accepted."""
        goal = len(self.accepted) + more
        wait_until(lambda: len(self.accepted) >= goal, limit,
                   lambda: f"{more} more accepted (of {self.sent} sent {len(self.accepted)} were, "
                           f"{len(self.refused)} refused, {len(self.broken)} broken)")

    def wait_refused(self, more, limit=LIMIT):
        goal = self.refusals + more
        wait_until(lambda: self.refusals >= goal, limit, f"{more} more refused")

    def stop(self):
        self._stopping.set()
        if self._thread.ident is None:
            return self
        self._thread.join(self._limit + 5)
        assert not self._thread.is_alive(), "a PUT hangs"
        return self
