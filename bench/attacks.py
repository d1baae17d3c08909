#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""What a good client notices of each attack on the web service: its p99 while an attacker does nothing else, next to
its p99 a moment before, and the memory the daemon takes for it. The attacks are those of the tests
(tests/harness/attacks); the attacker is one process without a pause, on the same CPUs. A part of `make bench`
(measure_attacks), or alone: bench/attacks.py [BUILD].

Environment: OCS_BENCH_ATTACK_SECONDS (3, of each attack), OCS_BENCH_ATTACK_RATE (200, the good client's requests a
second)."""
import multiprocessing
import os
import sys
import types

sys.dont_write_bytecode = True
sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tests"))
from figures import LESS  # pylint: disable=wrong-import-position
from lanes import TROUBLES, item  # pylint: disable=wrong-import-position
from rig import Rig, memory, run_alone  # pylint: disable=wrong-import-position

SECONDS = float(os.environ.get("OCS_BENCH_ATTACK_SECONDS", "3"))
RATE = int(os.environ.get("OCS_BENCH_ATTACK_RATE", "200"))
KINDS = ("documents", "requests", "logins", "floods", "slow")
BOUND = 10  # times the quiet p99
BESIDE = 3  # of what is slow so many attackers at once


def rows():
    """(kind, row) of each."""
    import importlib
    return [(kind, row) for kind in KINDS for row in importlib.import_module("harness.attacks." + kind).ROWS]


def attack(row, target, done):
    """In a process of its own, until it is told to end. The good client is there first."""
    done.wait(0.3)
    while not done.is_set():
        try:
            for _ in row.attack(target):
                if done.is_set():
                    break
        except OSError:
            pass  # an attacker who is turned away comes again


class Attackers:
    """Attack while the block runs."""

    def __init__(self, row, target, count):
        context = multiprocessing.get_context("fork")
        self.done = context.Event()
        self.processes = [context.Process(target=attack, args=(row, target, self.done),
                                          daemon=True) for _ in range(count)]

    def __enter__(self):
        for process in self.processes:
            process.start()

    def __exit__(self, *_):
        self.done.set()
        for process in self.processes:
            process.join(1)
            if process.is_alive():  # it waits for the daemon's deadline
                process.kill()
            process.join()


class Good:
    """The good client: newmail at a fixed rate over two connections."""

    def __init__(self, rig):
        self.rig, self.next = rig, 0
        self.template = rig.template("newmail", item(rig.users, "newmail"))

    def report(self, seconds):
        result = self.rig.run_tool("load", ["-p", self.rig.port, "-f", self.template, "-c", 2, "-r", RATE, "-d",
                                            seconds,
                                            "-o", self.next], 60 + seconds)
        self.next = result["next"]
        return result


def reset_peak(pid):
    """VmHWM counts from here on."""
    with open(f"/proc/{pid}/clear_refs", "w", encoding="ascii") as f:
        f.write("5")


def measure_attacks(bench):
    """For bench/run.py."""
    os.environ["OCS_BUILD"] = os.path.abspath(bench.build)
    from harness.attacks import Target
    print(f"\na good client's p99 under attack, newmail at {RATE}/s for {SECONDS:g} s each"
          "\n                                                            quiet us  attack us   ratio   MiB more")
    worst = (0, "")
    with Rig(bench.build) as rig:
        daemon = rig.start_daemon()
        target = Target(types.SimpleNamespace(host="127.0.0.1", port=rig.port), rig.token)
        good = Good(rig)
        good.report(1)
        for kind, row in rows():
            bench.progress.step(row.name)
            quiet = good.report(SECONDS / 2)
            reset_peak(daemon.pid)
            before = memory(daemon.pid)
            with Attackers(row, target, BESIDE if kind == "slow" else 1):
                under = good.report(SECONDS)
            more = memory(daemon.pid, "VmHWM") - before
            ratio = under["p99_us"] / quiet["p99_us"]
            worst = max(worst, (ratio, row.name))
            labels = {"what": "attack", "kind": kind, "row": row.name}
            bench.figures.add("quiet_p99", quiet["p99_us"], "us", LESS, **labels)
            bench.figures.add("p99", under["p99_us"], "us", LESS, **labels)
            bench.figures.add("ratio", ratio, "", LESS, **labels)
            bench.figures.add("memory", more, "MiB", LESS, **labels)
            print(f"  {kind:10}{row.name[:46]:46}{quiet['p99_us']:10,.0f} {under['p99_us']:10,.0f} {ratio:7.1f} "
                  f"{more:10.1f}" + ("  <- past the aim" if ratio >= BOUND else ""))
            troubles = {name: under[name] for name in TROUBLES if under[name]}
            if troubles or under["ok"] != under["sent"]:
                bench.problems.append(f"attack '{row.name}': {troubles or under}")
    print(f"  the largest ratio is {worst[0]:.1f}, of '{worst[1]}'; the aim is under {BOUND}")


if __name__ == "__main__":
    sys.exit(run_alone(measure_attacks))
