#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""What grows with the number of sessions and users: the cost of a notification, the memory of an idle subscription,
the start of the daemon. `make bench PART=growth`; it is no part of what `make bench` does alone, since to subscribe a
hundred thousand takes minutes.

Each size has a daemon of its own, all of them stand side by side, and are measured in turns. Every session has one
subscription to its user's whole store and lives without a kernel queue, of which there could not be so many; a
process with a context for each 500 sessions drains them all. `all`: each session is notified in its turn; `idle`: ten
users are, the others wait.

Environment: OCS_BENCH_GROWTH (10,1000,100000: sizes, rising), and those of run.py.
"""
import contextlib
import os
import statistics
import time

from figures import LESS, MORE, SPILL
from lanes import Lane, Turns
from progress import duration
from rig import BenchError, Rig, memory
from roads import MODIFIED_EVENTS, verdict
from users import VIEWERS

CONNECTIONS, BATCH, FEW = 16, 100, 10
IN_ONE = 500  # sessions of one MAPI server
AIM = 1.2     # cost at the largest size, of that at the smallest
KINDS = (("all", "all, one by one", 1), ("batch", f"all, batches of {BATCH}", BATCH),
         ("idle", f"{FEW} users, the rest idle", 1))


def sizes():
    try:
        found = [int(n) for n in os.environ.get("OCS_BENCH_GROWTH", "10,1000,100000").split(",")]
    except ValueError:
        found = []
    if not found or found != sorted(set(found)) or found[0] < FEW or found[-1] > 1000000:
        raise BenchError(f"OCS_BENCH_GROWTH: sizes from {FEW} to 1000000 are needed, rising, as in 10,1000,100000")
    return found


def seconds_expected(bench):
    return sum(n / 700 + n / 3000 + 8 for n in sizes()) + 4 * bench.rounds * len(sizes()) * bench.seconds + 60


class Crowd:
    """One size."""

    def __init__(self, bench, stack, size):
        self.size, self.figures = size, bench.figures
        bench.progress.step(f"{size:,} sessions subscribe")
        begin = time.monotonic()
        self.lane = lane = stack.enter_context(
            Lane(bench, SPILL, size, "s", each=1, in_one=IN_ONE, limit=60 + size / 50))
        self.subscribing = time.monotonic() - begin
        self.registry = os.path.getsize(os.path.join(lane.rig.registry, "registry.tdb"))
        self.consumer = memory(lane.drain.pid, "RssAnon") * 2 ** 20
        self.idle = memory(lane.rig.daemon.pid, "RssAnon") * 2 ** 20
        bench.progress.step(f"each of {size:,} users is notified once")
        # folder and message of each user get their identifiers
        begin = time.monotonic()
        while lane.numbers.get("modified", 0) < size:
            lane.load("modified", connections=4, batch=BATCH, seconds=10,
                      count=max((size - lane.numbers.get("modified", 0)) // BATCH, 1))
            if time.monotonic() > begin + 60 + size / 250:
                raise BenchError(f"{size:,} sessions: only {lane.sent:,} notifications in {duration(time.monotonic() - begin)}")
        self.loaded = memory(lane.rig.daemon.pid, "RssAnon") * 2 ** 20
        self.notified = memory(lane.drain.pid, "RssAnon") * 2 ** 20

    def job(self, kind, batch):
        return ((kind, self.size), Few(self.lane) if kind == "idle" else self.lane, "modified", batch)

    def start_seconds(self):
        """A daemon that finds all these sessions."""
        self.lane.rig.end(self.lane.rig.daemon)
        begin = time.monotonic()
        self.lane.rig.start_daemon(log="again.log")
        return time.monotonic() - begin


class Few:
    """A lane of whose users the first ones alone are notified."""
    road, messages = SPILL, 0

    def __init__(self, lane):
        self.lane, self.name, self.settle = lane, lane.name, lane.settle

    def load(self, category, connections=1, batch=1):
        return self.lane.load(category, connections, batch, users=FEW)


def print_costs(bench, turns, crowds):
    figures = bench.figures
    print(f"\na notification among many sessions, `modified`, {CONNECTIONS} connections, no kernel queues: CPU of the "
          "daemon, rate\n  sessions  notified                        CPU us      of the smallest            rate/s")
    for kind, text, _ in KINDS:
        least = None
        for crowd in crowds:
            results = next(r for (name, *_), r in turns.results.items() if name == (kind, crowd.size))
            labels = {"what": "growth-" + kind, "sessions": crowd.size}
            costs = [r["cpu_us"] for r in results]
            cpu = figures.add("cpu", costs, "us", LESS, **labels)
            rate = figures.add("rate", [r["notifications_per_s"] for r in results], "1/s", MORE, **labels)
            least = least or costs
            ratio = figures.add("of_smallest", [c / max(o, 1e-9) for c, o in zip(costs, least)], "ratio", LESS, **labels)
            note = verdict(ratio, AIM, True) if crowd is crowds[-1] and len(crowds) > 1 else ""
            print(f"  {crowd.size:8,}  {text:27} {cpu:10.1f}     {ratio:6.2f}  {note:22} {rate:9,.0f}")


def print_memory(bench, crowds):
    print("\nbytes for an idle session with one subscription, above what the smallest number takes (`then`: once each was "
          "notified); starts\n"
          "  sessions   consumer       then   registry     daemon       then   start s   subscribed/s")
    first = crowds[0]
    for crowd in crowds:
        start = bench.figures.add("start", crowd.start_seconds(), "s", LESS, what="growth", sessions=crowd.size)
        line = f"  {crowd.size:8,}"
        for what in ("consumer", "notified", "registry", "idle", "loaded"):
            if crowd is first:
                line += f"{'-':>11}"
                continue
            each = (getattr(crowd, what) - getattr(first, what)) / (crowd.size - first.size)
            bench.figures.add("bytes", each, "bytes", LESS, what="subscription", of=what, sessions=crowd.size)
            line += f"{each:11,.0f}"
        print(f"{line}{start:10.2f}{crowd.size / crowd.subscribing:15,.0f}")


def print_maps(bench):
    print("\nthe user map, in one process and without subscribers, per notification\n"
          "     lines         us   of the smallest")
    least = None
    for size in sizes():
        bench.progress.step(f"a user map of {size:,} lines")
        with Rig(bench.build) as rig:
            folder = rig.path("users")
            os.mkdir(folder)
            result = rig.run_tool("users", ["-d", folder, "-l", size, "-v", VIEWERS, "-r", bench.rounds], 300)
        costs = [r["many_us"] for r in result["rounds"]]
        # next to a map of one line in the same process: different runs see a different machine
        ratios = [r["many_us"] / max(r["one_us"], 1e-9) for r in result["rounds"]]
        least = least or statistics.median(ratios)
        cost = bench.figures.add("cpu", costs, "us", LESS, what="growth-map", sessions=size)
        ratio = bench.figures.add("of_smallest", [r / least for r in ratios], "ratio", LESS, what="growth-map",
                                  sessions=size)
        print(f"  {size:8,} {cost:10.2f} {ratio:10.2f}  {verdict(ratio, AIM, True) if size == sizes()[-1] else ''}")


def measure_growth(bench):
    with contextlib.ExitStack() as stack:
        crowds = [Crowd(bench, stack, size) for size in sizes()]
        turns = Turns(bench, (CONNECTIONS,), bench.rounds)
        turns.run([crowd.job(kind, batch) for kind, _, batch in KINDS for crowd in crowds])
        print_costs(bench, turns, crowds)
        print_memory(bench, crowds)
        for crowd in crowds:
            crowd.lane.end(MODIFIED_EVENTS)
    print_maps(bench)
