# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Kill storms: daemons, MAPI servers and the broker die by SIGKILL at random points of a load, one cycle after the other,
and each acknowledged notification is accounted for by its number, at a MAPI server that lived:

* none is missing;
* they come in the order in which they were acknowledged, but for what was repeated after a refusal (doc/protocol.md);
* none is heard twice, but for what a killed daemon had not answered, or not yet acknowledged to the broker; and then
  with one identifier;
* what a killed MAPI server had heard has no gap: only what it had not fetched yet ends with it;
* after each cycle the files of registry and index are valid, and the daemon is healthy.

    storm = Storm(random.Random(seed), [a, b], [(a, a, "here"), (a, b, "there")], broker)
    storm.cycle("both")
    storm.close()

What was counted is in storm.counts, the seconds until all was well again in storm.seconds."""

import glob
import json
import os
import subprocess
import time
from collections import Counter

from . import paths
from .client import logged_in, notification
from .consumer import Consumer
from .daemon import SANITIZER
from .load import Load
from .tdb import Tdb
from .wait import LIMIT, wait_until

KINDS = ("daemon", "consumer", "both", "broker", "all")
BATCH, PAUSE = 20, 0.02  # of a sender; what it leaves of the machine is for those who start again
# What a daemon says when it found something damaged; a kill damages nothing.
DAMAGE = ("damaged", "corrupt", "made anew", "made again")


class Listener:
    """A MAPI server, and the numbers that it has heard."""

    def __init__(self, stream):
        self.stream = stream
        self.consumer = Consumer(stream.receiver, stream.user)
        # it hears all that is sent from now on; what is on its way may come or not
        self.since = stream.load.next + (BATCH if stream.load.requests else 0)
        self.heard, self.mids = Counter(), {}
        self.highest = -1
        self.twice = 0
        self._lines = 0

    def read(self):
        """What came since."""
        load = self.stream.load
        lines = self.consumer.out.snapshot()
        for line in lines[self._lines:]:
            event = json.loads(line)
            number, mid = event["message_flags"], event["mid"]
            self.heard[number] += 1
            known = self.mids.setdefault(number, mid)
            assert known == mid, f"{number} has two identifiers: {known} and {mid}"
            if self.heard[number] > 1:
                self.twice += 1
                self.stream.heard_twice(number)
            elif number not in load.refused:
                assert number > self.highest, f"{self.stream.user}: {number} is heard after {self.highest}"
                self.highest = number
        self._lines = len(lines)

    def missing(self, end):
        """Numbers below end that were not heard."""
        return [n for n in range(self.since, end) if n not in self.heard]

    def kill(self):
        """Returns how many acknowledged ones end with it."""
        self.consumer.kill()
        self.read()
        end = self.stream.load.next
        gap = [n for n in self.missing(min(self.highest, end)) if n not in self.stream.load.refused]
        assert not gap, f"{self.stream.user}: heard {self.highest}, and not {gap[:20]} before it"
        return len(self.missing(end))


class Stream:
    """What is reported at one daemon for one user, who has two MAPI servers at the same or another one."""

    def __init__(self, sender, receiver, user, first):
        self.sender, self.receiver, self.user = sender, receiver, user
        self.accounted = first  # all below are acknowledged and heard
        self.may_repeat = False  # whether the receiver was killed since
        self.load = Load(sender, user, prefix=f"{user}-", first=first, pause=PAUSE, batch=BATCH, again=True)
        self.listeners = [Listener(self), Listener(self)]

    def heard_twice(self, number):
        """Where that is no fault."""
        assert number in self.load.broken or (self.may_repeat and number >= self.accounted), \
            f"{self.user}: {number} is heard twice, and no daemon was killed that could have been at it"

    def account(self):
        """Until the MAPI servers that live have heard all that is acknowledged by now; how many more these are."""
        end = self.load.next
        assert any(listener.since <= self.accounted for listener in self.listeners)
        for listener in self.listeners:
            listener.since = max(listener.since, self.accounted)

            def heard_all(listener=listener):
                listener.read()
                return not listener.missing(end)
            wait_until(heard_all, what=lambda l=listener: f"{self.user}: of {end - self.accounted} acknowledged ones "
                       f"{len(l.missing(end))} were never heard: {l.missing(end)[:20]}")
        new, self.accounted, self.may_repeat = end - self.accounted, end, False
        return new


class Storm:
    """nodes: daemons that run. streams: (sender, receiver, user) of each."""

    def __init__(self, rng, nodes, streams, broker=None, mean=200):
        self.rng, self.nodes, self.broker, self.mean = rng, nodes, broker, mean
        self.counts, self.seconds = Counter(), []
        self.streams = [Stream(*stream, first=n * 10 ** 8) for n, stream in enumerate(streams)]
        for stream in self.streams:
            stream.load.start()

    def cycle(self, kind, index=True):
        """index: whether ocsctl looks at the index too, which costs more the larger it is."""
        victims = self.choose(kind)
        self.rng.choice(self.streams).load.wait_accepted(self.rng.randrange(1, 2 * self.mean))
        time.sleep(self.rng.random() * 0.01)  # anywhere in a request
        begin = time.monotonic()
        self.kill(*victims)
        self.start(*victims)
        self.recover()
        self.seconds.append(time.monotonic() - begin)
        self.counts["cycles"] += 1
        self.counts[kind] += 1
        for node in self.nodes:
            self.check(node, index)

    def choose(self, kind):
        """(nodes, listeners, broker) that are to die."""
        any_stream = self.rng.choice(self.streams)
        nodes = {"daemon": [self.rng.choice(self.nodes)], "both": [any_stream.receiver], "all": self.nodes}.get(kind, [])
        streams = {"consumer": [any_stream], "both": [any_stream], "all": self.streams}.get(kind, [])
        return (list(nodes), [self.rng.choice(stream.listeners) for stream in streams],
                self.broker if kind in ("broker", "all") else None)

    def kill(self, nodes, listeners, broker):
        """At the same moment, or nearly, in any order."""
        if broker:
            broker.wait_for_old_queues()
        for stream in self.streams:
            stream.may_repeat |= stream.receiver in nodes
        kills = [broker.kill] if broker else []
        kills += [node.process.kill for node in nodes] + [listener.consumer.process.kill for listener in listeners]
        self.rng.shuffle(kills)
        for kill in kills:
            kill()
        for node in nodes:
            node.kill()
            self.look_into_log(node)
            node.history = ""
        for listener in listeners:
            self.counts["unfetched"] += listener.kill()
            self.counts["twice"] += listener.twice

    def start(self, nodes, listeners, broker):
        for node in nodes:
            node.start(ready=False)
        if broker:
            broker.start()
        for node in nodes:
            node.wait_ready()
        if self.broker:
            for node in self.nodes:
                node.wait_linked()
        for old in listeners:
            listeners_of = old.stream.listeners
            listeners_of[listeners_of.index(old)] = Listener(old.stream)

    def recover(self):
        """Until the senders get on, and all that is acknowledged is heard."""
        for stream in self.streams:
            stream.load.wait_accepted(1)
        for stream in self.streams:
            self.counts["accounted"] += stream.account()

    @staticmethod
    def look_into_log(node):
        """A kill has damaged no file, and no sanitizer reported."""
        for line in node.log().splitlines():
            assert not SANITIZER.search(line) and not any(word in line for word in DAMAGE), line

    def check(self, node, index):
        self.look_into_log(node)
        wait_until(lambda: node.operations("/healthz")[0] == 200, what=lambda: node.operations("/healthz")[1])
        assert node.metrics().get("ocsmanager_damaged_records_total") == 0
        for path in glob.glob(os.path.join(node.registry, "*.tdb")):
            with Tdb(path) as tdb:
                assert tdb.sound(), f"{path} is damaged"
        if index:
            done = subprocess.run([paths.program("ocsctl"), "-c", node.ini, "--json", "index", "check"], text=True,
                                  stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT, check=False)
            found = json.loads(done.stdout or "{}")
            assert done.returncode == 0 and found["faults"] == found["aside"] == 0, done
            self.counts["index checks"] += 1

    def close(self, known=100):
        """All ends cleanly. So many of the last of each stream are reported again, without an id: they are known."""
        for stream in self.streams:
            stream.load.stop()
        for stream in self.streams:
            self.counts["accounted"] += stream.account()
            self.ask_again(stream, known)
            for listener in stream.listeners:
                listener.consumer.close()
                self.counts["twice"] += listener.twice
            load = stream.load
            self.counts["acknowledged"] += len(load.accepted)
            self.counts["requests"] += load.requests
            self.counts["unanswered"] += len(load.broken)
            self.counts["refused"] += len(load.refused)
        for node in self.nodes:
            node.terminate()

    @staticmethod
    def ask_again(stream, known):
        load = stream.load
        with logged_in(stream.sender) as client:
            for first in range(max(load.first, load.next - known), load.next, 100):
                answer = client.put(*(notification(message=load.name(n), user=stream.user)
                                      for n in range(first, min(first + 100, load.next))))
                assert set(answer.statuses) == {"duplicate"}, answer

    def abandon(self):
        """Whatever happened: nothing of it runs on. The daemons and the broker are who made them's to end."""
        for stream in self.streams:
            stream.load.stop()
            for listener in stream.listeners:
                if listener.consumer.process.returncode is None:
                    listener.consumer.kill()
