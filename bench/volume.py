#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""What a notification costs, and a start of the daemon, where much has piled up: an identifier index of very many
messages, and spill lists that hold gigabytes since nobody drains them. `make bench PART=volume`; it is no part of what
`make bench` does alone, since to fill them takes minutes.

Each volume has a daemon of its own, next to one that holds nothing, and they are measured in turns.

Environment: OCS_BENCH_MESSAGES (1000000: in the index), OCS_BENCH_SPILL (1: GB in the lists), OCS_BENCH_DIR.
"""
import contextlib
import os
import signal
import time

from figures import LESS, SPILL
from lanes import Lane, Turns
from progress import duration
from rig import BenchError, memory
from roads import verdict

MESSAGES = int(os.environ.get("OCS_BENCH_MESSAGES", "1000000"))
SPILL_GB = float(os.environ.get("OCS_BENCH_SPILL", "1"))
CONNECTIONS, BATCH = 16, 100
AIM = 1.2       # cost of a notification, and of a start of the daemon, of that where there is nothing
USERS = 20      # who are notified while it is measured
ENTRIES = 10000  # of a list: the default of spill_max
SLOT = 256      # bytes of an entry in a list: the default of message_size


def seconds_expected(bench):
    return 60 + MESSAGES / 8000 + SPILL_GB * 1e9 / SLOT / 60000 + 10 * bench.rounds * bench.seconds


def disk(folder):
    """Bytes that the files below take."""
    return sum(os.stat(os.path.join(path, name)).st_blocks * 512
               for path, _, names in os.walk(folder) for name in names)


def print_start(bench, what, lane, volume):
    """A daemon that finds all of it: the next one, after the old one was stopped."""
    rig = lane.rig
    rig.end(rig.daemon)
    begin = time.monotonic()
    rig.start_daemon("[mqueue]\n", log="again.log")
    seconds = time.monotonic() - begin
    bench.figures.add("start", seconds, "s", LESS, what="volume-" + what, volume=volume)
    bench.figures.add("memory", memory(rig.daemon.pid, "RssAnon"), "MiB", LESS, what="volume-" + what, volume=volume)
    bench.figures.add("disk", disk(rig.registry) / 1e9, "GB", LESS, what="volume-" + what, volume=volume)
    print(f"  {volume:>14}  on disk {disk(rig.registry) / 1e9:8.2f} GB  start {seconds:8.2f} s  "
          f"memory of the daemon {memory(rig.daemon.pid, 'RssAnon'):8.1f} MiB")


class Filled(Lane):
    """A lane whose registry may hold something before its daemon starts."""

    def __init__(self, bench, tables, fill=None, more="", users=USERS, **subscribe):
        super().__init__(bench, SPILL, users, tables, **subscribe)
        self.fill, self.more = fill, more

    def __enter__(self):
        if self.fill:
            os.mkdir(self.rig.registry, 0o3770)
            os.chmod(self.rig.registry, 0o3770)
            self.fill(self.rig)
        start = self.rig.start_daemon
        self.rig.start_daemon = lambda more="", **words: start(more + self.more, **words)
        return super().__enter__()


def print_costs(bench, turns, what, volumes):
    least = None
    for lane, volume in volumes:
        results = next(r for (name, *_), r in turns.results.items() if name == (what, volume))
        costs = [r["cpu_us"] for r in results]
        cpu = bench.figures.add("cpu", costs, "us", LESS, what="volume-" + what, volume=volume)
        least = least or costs
        ratio = bench.figures.add("of_nothing", [c / max(o, 1e-9) for c, o in zip(costs, least)], "ratio", LESS,
                                  what="volume-" + what, volume=volume)
        note = verdict(ratio, AIM, True) if lane is volumes[-1][0] else ""
        rate = sorted(r["notifications_per_s"] for r in results)[len(results) // 2]
        print(f"  {volume:>14}  {rate:10,.0f}/s  CPU {cpu:7.1f} us, of nothing {ratio:5.2f}  {note}")


def measure_index(bench):
    def fill(rig):
        bench.progress.step(f"an index of {MESSAGES:,} messages is filled")
        filled = rig.run_tool("search", ["-d", rig.registry, "-n", MESSAGES, "-f"], 7200)
        print(f"  filled in {duration(filled['fill_s'])}, {MESSAGES / filled['fill_s']:,.0f} messages a second, "
              f"{filled['bytes'] / 1e9:.2f} GB")

    print(f"\nan index of {MESSAGES:,} messages: newmail, {CONNECTIONS} connections, beside an empty one")
    with contextlib.ExitStack() as stack:
        lanes = [(stack.enter_context(Filled(bench, "n")), "empty"),
                 (stack.enter_context(Filled(bench, "n", fill)), f"{MESSAGES:,}")]
        turns = Turns(bench, (CONNECTIONS,), bench.rounds)
        turns.run([(("index", volume), lane, "newmail", 1) for lane, volume in lanes])
        print_costs(bench, turns, "index", lanes)
        for lane, volume in lanes:
            print_start(bench, "index", lane, volume)


class Piled(Filled):
    """Lists that nobody drains: their consumer is stopped once it has subscribed."""

    def pile(self, wanted):
        os.kill(self.drain.pid, signal.SIGSTOP)
        begin, limit = time.monotonic(), 120 + wanted / 20000
        while self.sent < wanted:
            self.load("modified", connections=4, batch=BATCH, seconds=20, count=max((wanted - self.sent) // BATCH, 1))
            self.bench.progress.step(f"{self.sent:,} of {wanted:,} entries wait")
            if time.monotonic() > begin + limit:
                raise BenchError(f"only {self.sent:,} entries wait after {duration(limit)}")
        print(f"  {self.sent:,} entries wait in {self.users:,} lists, {self.sent / (time.monotonic() - begin):,.0f} a "
              f"second, {disk(self.rig.registry) / 1e9:.2f} GB")

    def busy(self):
        return 0.0, super().busy()[1]


def measure_spill(bench):
    wanted = int(SPILL_GB * 1e9 / SLOT)
    users = max(wanted // (ENTRIES - 1000), 1)
    print(f"\nspill lists of {SPILL_GB:g} GB that nobody drains: `modified`, {CONNECTIONS} connections, beside none")
    more = f"spill_max = {ENTRIES}\nspill_total = {2 * wanted + 1000000}\n"
    with contextlib.ExitStack() as stack:
        empty = stack.enter_context(Filled(bench, "s"))
        full = stack.enter_context(Piled(bench, "s", more=more, users=users, in_one=500, limit=60 + users / 50))
        full.pile(wanted)
        lanes = [(empty, "none"), (full, f"{SPILL_GB:g} GB")]
        turns = Turns(bench, (CONNECTIONS,), bench.rounds)
        turns.run([(("spill", volume), lane, "modified", 1) for lane, volume in lanes])
        print_costs(bench, turns, "spill", lanes)
        for lane, volume in lanes:
            print_start(bench, "spill", lane, volume)
        os.kill(full.drain.pid, signal.SIGCONT)


def measure_volume(bench):
    """For bench/run.py."""
    measure_index(bench)
    measure_spill(bench)
