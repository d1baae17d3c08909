#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Many sessions parked in waits while mail arrives for each, with kernel queues and without: none may be missed.
Prints a table of wake-up latency and memory. A part of `make bench` (measure_waits), or alone: bench/waits.py [BUILD].

Environment: OCS_BENCH_SESSIONS (1000).
"""
import os
import sys

sys.dont_write_bytecode = True
import limits  # pylint: disable=wrong-import-position
from figures import LESS, NEITHER, ROADS, SPILL  # pylint: disable=wrong-import-position
from lanes import QUEUE_MESSAGES, item, spilled_share  # pylint: disable=wrong-import-position
from rig import Rig, run_alone  # pylint: disable=wrong-import-position

SESSIONS = int(os.environ.get("OCS_BENCH_SESSIONS", "1000"))
ROWS = (  # what, mails for each session, per second (0: one after the other), batch
    ("one by one, 400/s", 3, 400, 1),
    ("batches of 100, no pause", 3, 0, 100),
)


def measure_road(bench, road):
    with Rig(bench.build) as rig:
        rig.budget = 0 if road == SPILL else limits.UNLIMITED
        rig.start_daemon()
        template = rig.template("newmail", item(rig.users, "newmail"))
        first = 0
        for what, each, rate, batch in ROWS:
            bench.progress.step(f"{SESSIONS:,} waits, {road}, {what}")
            before = rig.metrics()
            result = rig.run_tool("waits", [
                "-r", rig.registry, "-p", rig.port, "-f", template, "-U", rig.users, "-u", SESSIONS, "-n",
                each * SESSIONS, "-R", rate, "-b", batch, "-o", first], 300)
            first += each * SESSIONS  # a mail of a number used before would be a duplicate
            share = spilled_share(before, rig.metrics()) or 0
            labels = {"what": "waits", "road": road, "batch": batch}
            for name in ("p50", "p99"):
                bench.figures.add(name, result["wake"][name + "_us"], "us", LESS, **labels)
            bench.figures.add("spilled", share, "share", NEITHER, **labels)
            bench.figures.add("bytes", result["bytes_a_session"], "bytes", LESS, **labels)
            wake = result["wake"]
            print(f"  {road:8} {what:24} {result['sent']:7,}  {result['missed']:7,}  {wake['p50_us']:7,.0f}"
                  f"  {wake['p99_us']:7,.0f}  {wake['p999_us']:8,.0f}  {wake['max_us']:7,.0f}"
                  f"   {result['bytes_a_session']:15,}  {share:15.0%}")
            if result["missed"] or result["errors"] or result["sent"] != each * SESSIONS or \
                    result["parked"] != SESSIONS:
                bench.problems.append(f"waits, {road}, {what}: {result}")


def measure_waits(bench):
    """For bench/run.py. There are more sessions than the kernel's defaults have queues for."""
    refused = bench.shared or limits.raise_settings(0, SESSIONS + 64)
    if not refused and limits.queues_within(limits.budget(), QUEUE_MESSAGES) < SESSIONS:
        refused = "RLIMIT_MSGQUEUE cannot be raised"
    print(f"\n{SESSIONS:,} sessions parked in waits, newmail for each in turn: PUT sent to wait ended"
          + (f"; kernel queues for some only ({refused})" if refused else ""))
    print("                                     mails   missed   p50 us   p99 us  p99.9 us      max"
          "   bytes a session  past kernel queues")
    bench.figures.about["waits_sessions"] = SESSIONS
    for road in ROADS:
        measure_road(bench, road)


if __name__ == "__main__":
    sys.exit(run_alone(measure_waits))
