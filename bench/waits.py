#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Many sessions parked in waits while mail arrives for each: none may be missed. Prints a table of
wake-up latency and memory. A part of `make bench` (measure_waits), or alone: bench/waits.py [BUILD].

Environment: OCS_BENCH_SESSIONS (1000).
"""
import os
import sys

sys.dont_write_bytecode = True
from rig import BenchError, Rig  # pylint: disable=wrong-import-position

SESSIONS = int(os.environ.get("OCS_BENCH_SESSIONS", "1000"))
ROWS = (  # what, mails for each session, per second (0: one after the other), batch
    ("one by one, 400/s", 3, 400, 1),
    ("batches of 100, no pause", 3, 0, 100),
)


def measure_waits(bench, templates):
    """For bench/run.py: bench has .rig and .problems; templates["newmail"] is a template file."""
    rig = bench.rig
    print(f"\n{SESSIONS:,} sessions parked in waits, newmail for each in turn: PUT sent to wait ended")
    print("                              mails   missed   p50 us   p99 us  p99.9 us      max"
          "   bytes a session")
    first = 0
    for what, each, rate, batch in ROWS:
        result = rig.run_tool("waits", [
            "-r", rig.registry, "-p", rig.port, "-f", templates["newmail"], "-U", rig.users, "-u",
            SESSIONS, "-n", each * SESSIONS, "-R", rate, "-b", batch, "-o", first], 100)
        first += each * SESSIONS  # a mail of a number used before would be a duplicate
        wake = result["wake"]
        print(f"  {what:26} {result['sent']:7,}  {result['missed']:7,}  {wake['p50_us']:7,.0f}"
              f"  {wake['p99_us']:7,.0f}  {wake['p999_us']:8,.0f}  {wake['max_us']:7,.0f}"
              f"   {result['bytes_a_session']:15,}")
        if result["missed"] or result["errors"] or result["sent"] != each * SESSIONS or \
                result["parked"] != SESSIONS:
            bench.problems.append(f"waits, {what}: {result}")


class Alone:
    """What measure_waits() needs of bench/run.py."""

    def __init__(self, rig):
        self.rig, self.problems = rig, []


def main():
    build = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("OCS_BUILD", "build")
    try:
        with Rig(build) as rig:
            rig.start_daemon()
            bench = Alone(rig)
            measure_waits(bench, {"newmail": rig.template(
                "newmail", '<notification category="newmail"><backend>bench</backend>'
                f"<username>{rig.users}{{u}}</username><folder>INBOX</folder>"
                "<messageID>{n}.eml</messageID></notification>")})
    except (BenchError, OSError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    for problem in bench.problems:
        print("PROBLEM " + problem)
    return 1 if bench.problems else 0


if __name__ == "__main__":
    sys.exit(main())
