#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""`make bench`: what OCSManager does per second and how soon a push arrives, next to a bare libmicrohttpd server on the
same machine in the same run, on both roads: with kernel queues and without. And what sessions cost, how it grows,
several nodes joined by a broker next to a bare AMQP publisher, searches.

    make bench [PART=NAME[,NAME...]]        bench/run.py [--part NAMES] [--build FOLDER] [--out FOLDER]

Parts:
%(parts)s
Without PART all but those marked `alone`.

Each round measures the bare server and ours one after the other, in turning order, so that all see the same machine; a
ratio is the median of the ratios of the rounds. The consumers drain every queue all the while and say at the end what
arrived: a run with a loss, a refusal, a stall or a lane on another road than it is named after fails. An aim that is
missed is shown, not a failure.

What is printed is also in FOLDER/report.txt, as data in result.json, as plots in *.svg; bench/compare.py OLD NEW
compares two such results, doc/update-performance RESULT writes the tables of doc/performance.md.

Environment: OCS_BENCH_ROUNDS (5), OCS_BENCH_SECONDS (1.2, of one measurement), OCS_BENCH_DIR (/var/tmp: registries),
OCS_BENCH_OUT (the folder of the results; BUILD/bench-results/TIME), OCS_BENCH_GROWTH (sizes), and those of cluster.py,
waits.py and search.py. Exit status: 0 measured, 1 something was lost or refused, 2 a part could not be measured, or not
to its end.
"""
import argparse
import contextlib
import os
import platform
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
# pylint: disable=wrong-import-position
import limits
from attacks import measure_attacks
from attacks import rows as attack_rows
from attacks import SECONDS as ATTACK_SECONDS
from cluster import measure_cluster
from directory import measure_directory
from figures import Figures
from growth import measure_growth, seconds_expected
from plots import write_plots
from progress import Progress, Report, duration
from rig import CONNECTIONS, THREADS, BenchError, Rig
from roads import STALL_LEVELS, measure_latency, measure_modified, measure_newmail, measure_queues
from search import URIS, measure_search
from users import measure_users
from volume import measure_volume
from volume import seconds_expected as volume_seconds
from waits import measure_waits
# pylint: enable=wrong-import-position

TIME_LIMIT = 5400


class Part:
    """measure(bench); seconds(bench): about how long it takes; alone: only if it is asked for."""

    def __init__(self, name, what, measure, seconds, alone=False):
        self.name, self.what, self.measure, self.seconds, self.alone = name, what, measure, seconds, alone


def turns(jobs, rounds=99):
    """Seconds of that many measurements at three numbers of connections."""
    return lambda bench: 15 + 3 * jobs * min(rounds, bench.rounds) * (bench.seconds + 0.35)


PARTS = (
    Part("modified", "`modified` singly and in batches of 100, both roads; many connections", measure_modified,
         lambda bench: turns(5)(bench) + 2 * len(STALL_LEVELS) * bench.stall_seconds),
    Part("newmail", "newmail, both roads", measure_newmail, turns(3)),
    Part("queues", "kernel queues of 10, 100 and 1,000 messages, and none", measure_queues, turns(8, 3)),
    Part("latency", "from PUT to UDP, both roads", measure_latency,
         lambda bench: 15 + 12 * (bench.latency_count + 100) / 200),
    Part("waits", "many sessions parked in waits, both roads", measure_waits, lambda bench: 60),
    Part("users", "the user map, a folder that many users see", measure_users, lambda bench: 30),
    Part("cluster", "several nodes and a RabbitMQ", measure_cluster, lambda bench: 240),
    Part("search", "searches of the identifier index", measure_search, lambda bench: 20 + URIS / 12000),
    Part("directory", "failed logins with auth = ldap, by names that a slapd has and has not", measure_directory,
         lambda bench: 60, alone=True),
    Part("attacks", "a good client while the web service is attacked, one attack after the other", measure_attacks,
         lambda bench: 10 + len(attack_rows()) * (1.5 * ATTACK_SECONDS + 1), alone=True),
    Part("growth", "10, 1,000 and 100,000 sessions and users, memory of a subscription", measure_growth,
         seconds_expected, alone=True),
    Part("volume", "an index of a million messages, spill lists of a gigabyte", measure_volume, volume_seconds, alone=True),
)


class Bench:
    """What the parts share: what was measured and what went wrong."""

    def __init__(self, build):
        self.build = os.path.abspath(build)
        self.rounds = int(os.environ.get("OCS_BENCH_ROUNDS", "5"))
        self.seconds = float(os.environ.get("OCS_BENCH_SECONDS", "1.2"))
        self.stall_seconds = max(2.5 * self.seconds, 2.1)  # a stall is an answer after 2 s
        self.latency_count = int(700 * min(self.seconds, 1))
        self.figures, self.progress = Figures(), Progress()
        self.problems = self.figures.problems
        self.failed = False  # something could not be measured
        self.shared = None  # why the queues are those of the whole machine


def read(path, default="?"):
    try:
        with open(path, encoding="utf-8") as text:
            return text.read().strip()
    except OSError:
        return default


def commit():
    done = subprocess.run(["git", "-C", os.path.dirname(os.path.abspath(__file__)), "describe", "--always", "--dirty"],
                          text=True, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL)
    return done.stdout.strip() or "?"


def describe(bench, names):
    """Fills `about` and prints it."""
    with Rig(bench.build) as rig:
        folder = os.path.dirname(rig.folder)
        rig.start_bare(b"<ocsmanager/>")
        microhttpd = rig.microhttpd
    model = next((line.split(":")[1].strip() for line in read("/proc/cpuinfo").splitlines()
                  if line.startswith("model name")), platform.machine())
    filesystem = subprocess.run(["df", "--output=fstype", folder], text=True, check=False,
                                capture_output=True).stdout.split()[-1:]
    about = bench.figures.about
    about.update({
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "commit": commit(), "parts": names,
        "cpus": os.cpu_count(), "model": model, "kernel": platform.release(), "filesystem": " ".join(filesystem),
        "load": round(os.getloadavg()[0], 2), "rounds": bench.rounds, "seconds": bench.seconds, "microhttpd": microhttpd,
        "threads": THREADS, "connection_limit": CONNECTIONS, "own_queues": bench.shared is None,
        "queues_max": limits.setting("queues_max"), "msg_max": limits.setting("msg_max")})
    print(f"machine   {about['cpus']} CPUs, {model}; Linux {about['kernel']}; load {about['load']:.2f}"
          + ("  <- OTHERS USE IT: absolute figures are not to be trusted" if about["load"] > 0.5 else ""))
    print(f"          registry on {about['filesystem']}; mqueue limits: {about['queues_max']} queues, {about['msg_max']} "
          "messages a queue; "
          + ("an IPC namespace for each part" if bench.shared is None else
             f"the queues are those of the whole machine ({bench.shared})"))
    print(f"settings  both servers: {microhttpd}, epoll, {THREADS} threads, {CONNECTIONS} connections; ours: defaults "
          f"otherwise; {commit()}")
    print(f"          load generator (one thread) and consumer on the same CPUs; {bench.rounds} rounds of "
          f"{bench.seconds} s")
    print("roads     bare: the bare server; kernel: each subscription has a kernel queue; spill: none has one\n"
          "          (`past kernel queues`: the share of entries that went no kernel queue, full ones included)")


def measure(bench, parts):
    """Each part with daemons, registries and queues of its own, so that none is shaped by the one before."""
    expected = [part.seconds(bench) for part in parts]
    print(f"parts     {', '.join(part.name for part in parts)}; about {duration(sum(expected))}")
    for number, part in enumerate(parts):
        bench.shared = limits.own_queues()
        limits.budget()
        if number == 0:
            describe(bench, [p.name for p in parts])
        bench.progress.begin(f"{number + 1}/{len(parts)} {part.name}", expected[number], sum(expected[number + 1:]))
        begin = time.monotonic()
        try:
            part.measure(bench)
        except (BenchError, OSError, subprocess.TimeoutExpired) as error:
            # the others can be measured all the same
            bench.progress.clear()
            print(f"bench: {part.name}: {error}", file=sys.stderr)
            bench.problems.append(f"{part.name} ended early: {error}")
            bench.failed = True
        print(f"  [{part.name}: {duration(time.monotonic() - begin)}]")


class OutOfTime(Exception):
    """The whole run takes too long."""


class Interrupted(Exception):
    """Somebody ends it: what was measured until then is kept."""


def interrupted(*_):
    raise Interrupted("interrupted")


def out_of_time(*_):
    raise OutOfTime(f"not done after {TIME_LIMIT} s")


def chosen(text):
    """The parts of that list; ArgumentTypeError names one that there is not."""
    names = {part.name: part for part in PARTS}
    wanted = [name.strip() for name in text.split(",") if name.strip()]
    for name in wanted:
        if name not in names:
            raise argparse.ArgumentTypeError(f"no part '{name}': there are {', '.join(names)}")
    return [part for part in PARTS if part.name in wanted] or [part for part in PARTS if not part.alone]


def arguments():
    lines = "\n".join(f"    {part.name:10} {part.what}{' (alone)' * part.alone}" for part in PARTS)
    parser = argparse.ArgumentParser(description=__doc__ % {"parts": lines}, usage=argparse.SUPPRESS,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", type=chosen, default="", metavar="NAME[,NAME]", help="what to measure")
    parser.add_argument("--build", default=os.environ.get("OCS_BUILD", "build"), help="of the programs")
    parser.add_argument("--out", default=os.environ.get("OCS_BENCH_OUT"), help="folder of the results")
    return parser.parse_args()


def finish(bench, folder):
    """Plots and data, of what there is."""
    bench.figures.about["load_end"] = round(os.getloadavg()[0], 2)
    result = os.path.join(folder, "result.json")
    bench.figures.write(result)
    written = [result, *write_plots(bench.figures, folder)]
    print(f"results in {folder}: report.txt {' '.join(os.path.basename(path) for path in written)}")


def run(bench, parts, folder):
    begin = time.monotonic()
    try:
        measure(bench, parts)
    except (BenchError, OSError, OutOfTime, Interrupted, KeyboardInterrupt) as error:
        bench.progress.clear()
        error = error if str(error) else "interrupted"
        print(f"bench: {error}", file=sys.stderr)
        bench.problems.append(f"the run ended early: {error}")
        bench.failed = True
    finally:
        signal.alarm(0)
        bench.progress.clear()
    print(f"\n{duration(time.monotonic() - begin)}; load {os.getloadavg()[0]:.2f} at the end")
    finish(bench, folder)
    for problem in bench.problems:
        print("PROBLEM " + problem)
    return 2 if bench.failed else 1 if bench.problems else 0


def main():
    options = arguments()
    bench = Bench(options.build)
    folder = options.out or os.path.join(bench.build, "bench-results", time.strftime("%Y%m%d-%H%M%S"))
    os.makedirs(folder, exist_ok=True)
    signal.signal(signal.SIGALRM, out_of_time)
    signal.signal(signal.SIGTERM, interrupted)
    signal.alarm(TIME_LIMIT)
    report = Report(bench.progress, sys.stdout, os.path.join(folder, "report.txt"))
    with contextlib.redirect_stdout(report):
        try:
            return run(bench, options.part, folder)
        finally:
            report.close()


if __name__ == "__main__":
    sys.exit(main())
