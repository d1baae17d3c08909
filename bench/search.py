#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""What searches of the identifier index cost, next to reading the same file through, in the same run; and what the
search layer costs: time and disk of filling an index with it and without.

    bench/search.py [BUILD]

Environment: OCS_BENCH_URIS (1000000), OCS_BENCH_DIR (/var/tmp).
"""
import os
import sys

sys.dont_write_bytecode = True
from figures import LESS  # pylint: disable=wrong-import-position
from rig import Rig, run_alone  # pylint: disable=wrong-import-position

URIS = int(os.environ.get("OCS_BENCH_URIS", "1000000"))
FASTER, COSTS = 1000, 3


def fill(rig, name, more):
    folder = os.path.join(rig.folder, name)
    os.mkdir(folder)
    return rig.run_tool("search", ["-d", folder, "-n", URIS, *more], 3600)


def note(value, met):
    return f"{value:10,.2f}   " + ("met" if met else "MISSED")


def measure_search(bench):
    """For bench/run.py."""
    with Rig(bench.build) as rig:
        bench.progress.step("an index without the layer is filled")
        without = fill(rig, "without", ["-w"])
        bench.progress.step("an index with it is filled and searched")
        layer = fill(rig, "with", [])
    print(f"\nsearching {URIS:,} URIs, a page of 10; the whole file read through: {layer['traverse_us'] / 1e6:.2f} s")
    for search in layer["searches"]:
        ratio = layer["traverse_us"] / search["us"]
        print(f"  {search['kind']:12} {search['pattern']:44} {search['us'] / 1e3:9.2f} ms  "
              f"times faster {ratio:10,.0f}  aim {FASTER:,} {'met' if ratio >= FASTER else 'MISSED'}")
        bench.figures.add("time", search["us"], "us", LESS, what="search", kind=search["kind"], uris=URIS)
        if search["found"] != 10:
            bench.problems.append(f"search {search['pattern']}: {search['found']} found, not 10")
    for what, key in (("filling it", "fill_s"), ("disk", "bytes")):
        ratio = layer[key] / without[key]
        bench.figures.add("layer_" + key, ratio, "ratio", LESS, what="search", uris=URIS)
        print(f"  {what:12} with the layer {layer[key]:,}, without {without[key]:,}: times "
              f"{note(ratio, ratio <= COSTS)} (aim at most {COSTS})")


if __name__ == "__main__":
    sys.exit(run_alone(measure_search))
