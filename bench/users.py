#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""What the user map costs a notification: one line against many, and a folder that many users see. A
part of `make bench` (measure_users), or alone: bench/users.py [BUILD]."""
import os
import statistics
import sys

sys.dont_write_bytecode = True
from figures import LESS  # pylint: disable=wrong-import-position
from rig import Rig, run_alone  # pylint: disable=wrong-import-position

LINES, VIEWERS = 100000, 3000


def measure_users(bench):
    """For bench/run.py; each run of the tool has a registry of its own."""
    with Rig(bench.build) as rig:
        folder = rig.path("users")
        os.mkdir(folder)
        bench.progress.step("maps of one line and of many")
        result = rig.run_tool("users", ["-d", folder, "-l", LINES, "-v", VIEWERS], 120)
    one = statistics.median(r["one_us"] for r in result["rounds"])
    many = statistics.median(r["many_us"] for r in result["rounds"])
    ratio = statistics.median(r["many_us"] / r["one_us"] for r in result["rounds"])
    each, few = result["viewers_us"] / VIEWERS, result["few_viewers_us"] / (VIEWERS // 10)
    for name, value in (("1", [r["one_us"] for r in result["rounds"]]), (LINES, [r["many_us"] for r in result["rounds"]])):
        bench.figures.add("cpu", value, "us", LESS, what="user-map", lines=name)
    bench.figures.add("of_one_line", [r["many_us"] / r["one_us"] for r in result["rounds"]], "ratio", LESS, what="user-map",
                      lines=LINES)
    bench.figures.add("cpu", each, "us", LESS, what="viewer", viewers=VIEWERS)
    print("\nthe user map, in one process and without subscribers, per notification")
    print(f"  1 line {one:.2f} us   {LINES:,} lines {many:.2f} us   ratio {ratio:.2f}  "
          f"aim at most 1.2 {'met' if ratio <= 1.2 else 'MISSED'}")
    print(f"  a folder with {VIEWERS // 10} viewers {few:.2f} us each, with {VIEWERS:,} {each:.2f} us each  "
          f"aim at most 20 {'met' if each <= 20 else 'MISSED'}")


if __name__ == "__main__":
    sys.exit(run_alone(measure_users))
