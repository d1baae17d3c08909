#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Many clients for long: what `make check-long` runs second.

    tests/long/crowd.py [--sessions N] [--minutes M] BUILD

One daemon and one MAPI server (bench/waits) with so many sessions of five subscriptions, each with a wait parked, hear of
a mail each in turn, at half the rate that the same sender reached just before; beside them others log in and out all the
time (bench/storm). With the kernel's default limits and no privileges: root becomes nobody for it. Descriptors, memory and
queues of both must be as many at the end as after the first tenth, no mail may be missed; latencies are printed."""

import argparse
import json
import os
import pwd
import signal
import subprocess
import sys
import time

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TREE, "bench"))
import limits  # noqa: E402 pylint: disable=wrong-import-position
from lanes import item  # noqa: E402 pylint: disable=wrong-import-position
from rig import BenchError, Rig, memory  # noqa: E402 pylint: disable=wrong-import-position

KINDS = 5              # subscriptions of a session
LOGINS, RATE = 200, 50  # of one storm; a second
PROBE = 2000           # mails sent as fast as they go
SAMPLE = 10.0          # seconds
# What may be more at the end: a thread's arena, a table that doubles.
MORE_MEMORY, MORE_DESCRIPTORS = 0.1, 16
# The daemon remembers so many messages that it knows (MESSAGES_MAX in notify/dispatch_cache.c), of at most so many bytes each.
MESSAGES_KNOWN, MESSAGE_BYTES = 262144, 256


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


class Crowd:
    def __init__(self, rig, sessions, minutes):
        self.rig, self.sessions, self.minutes = rig, sessions, minutes
        self.template = rig.template("newmail", item(rig.users, "newmail"))
        self.samples, self.logins = [], []

    def words(self, sessions, mails, rate, first):
        return ["-r", self.rig.registry, "-p", self.rig.port, "-f", self.template, "-U", self.rig.users, "-s", KINDS,
                "-u", sessions, "-n", mails, "-R", rate, "-o", first]

    def fastest(self):
        """Mails a second, one after the other."""
        found = self.rig.run_tool("waits", self.words(min(self.sessions, 500), PROBE, 0, 0), 300)
        return found["sent"] / found["seconds"]

    def sample(self, waits):
        daemon = self.rig.daemon
        registered, spilled = self.rig.queues_registered()
        self.samples.append({
            "descriptors": (descriptors(daemon.pid), descriptors(waits.pid)), "MiB": (
                memory(daemon.pid, "RssAnon"), memory(waits.pid, "RssAnon")), "queues": registered, "without": spilled})
        last = self.samples[-1]
        print(f"  {last['queues']:,} queues, {last['without']:,} without one of the kernel; daemon "
              f"{last['descriptors'][0]} descriptors, {last['MiB'][0]:.1f} MiB; server {last['descriptors'][1]}, "
              f"{last['MiB'][1]:.1f} MiB", flush=True)

    def storms(self, number):
        """Some log in, at that rate, and out."""
        found = self.rig.run_tool("storm", ["-r", self.rig.registry, "-U", f"{self.rig.users}x{number}-", "-n", LOGINS, "-R",
                                            RATE, "-t", 8], 300)
        self.logins.append(found)

    def run(self):
        most = self.fastest()
        rate = max(int(most / 2), 1)
        mails = int(rate * self.minutes * 60)
        print(f"one sender reaches {most:,.0f} mails a second; {self.sessions:,} sessions with {KINDS} subscriptions log in",
              flush=True)
        begin = time.monotonic()
        out = open(self.rig.path("waits.out"), "wb")  # pylint: disable=consider-using-with
        with out:
            waits = self.rig.start([self.rig.program("bench/waits"), *map(str, self.words(self.sessions, mails, rate, PROBE))],
                                   "waits.err", stdout=out)
        self.rig.wait_for(waits, "waits.err", "all are parked", 3600)
        print(f"all are in after {time.monotonic() - begin:.0f} s; {rate:,} mails a second for {self.minutes:g} minutes",
              flush=True)
        begin, number = time.monotonic(), 0
        end = begin + self.minutes * 60  # then it only closes its sessions
        while waits.poll() is None and time.monotonic() < end:
            next_ = min(time.monotonic() + SAMPLE, end)
            self.storms(number)
            number += 1
            if time.monotonic() < end:
                self.sample(waits)
            while waits.poll() is None and time.monotonic() < next_:
                time.sleep(0.1)
        seconds = time.monotonic() - begin
        waits.wait()
        return self.report(waits, rate, seconds)

    def report(self, waits, rate, seconds):
        if waits.returncode != 0:
            raise BenchError(f"the MAPI server failed ({waits.returncode}): {self.rig.log('waits.err')[-2000:]}"
                             f"{self.rig.log('waits.out')}")
        found = json.loads(self.rig.log("waits.out"))
        wake = found["wake"]
        logins = sum(l["logins"] for l in self.logins)
        login = max(self.logins, key=lambda l: l["login"]["p99_us"])["login"]
        first, last = self.samples[len(self.samples) // 10], self.samples[-1]
        print("\n| | |\n| --- | ---: |")
        for what, value in (
                ("sessions; subscriptions; queues, of these without one of the kernel",
                 f"{found['sessions']:,}; {found['sessions'] * KINDS:,}; {last['queues']:,}, {last['without']:,}"),
                ("time; mails a second; mails; missed",
                 f"{seconds / 60:.1f} min; {rate:,}; {found['sent']:,}; {found['missed']:,}"),
                ("report to wait ended, ms: median, p99, p99.9, most",
                 ", ".join(f"{wake[n] / 1000:.2f}" for n in ("p50_us", "p99_us", "p999_us", "max_us"))),
                ("logins and logouts beside it; errors; slowest p99 of a login, ms",
                 f"{logins:,}; {sum(l['errors'] for l in self.logins)}; {login['p99_us'] / 1000:.1f}"),
                ("descriptors of daemon and MAPI server: after a tenth, at the end",
                 f"{first['descriptors'][0]} and {first['descriptors'][1]}, {last['descriptors'][0]} and {last['descriptors'][1]}"),
                ("their memory, MiB: after a tenth, at the end",
                 f"{first['MiB'][0]:.1f} and {first['MiB'][1]:.1f}, {last['MiB'][0]:.1f} and {last['MiB'][1]:.1f}")):
            print(f"| {what} | {value} |")
        problems = [f"{found['missed']} mails were missed"] if found["missed"] or found["errors"] else []
        problems += ["logins failed"] if any(l["errors"] or l["logins"] != LOGINS for l in self.logins) else []
        for which, name in enumerate(("daemon", "MAPI server")):
            if last["descriptors"][which] > first["descriptors"][which] + MORE_DESCRIPTORS:
                problems.append(f"the descriptors of the {name} became more")
            known = min(found["sent"], MESSAGES_KNOWN) * MESSAGE_BYTES / 2 ** 20 if which == 0 else 0
            if last["MiB"][which] > first["MiB"][which] * (1 + MORE_MEMORY) + 4 + known:
                problems.append(f"the memory of the {name} became more")
        if last["queues"] > first["queues"]:
            problems.append("queues are left of who logged out")
        return problems


def main():
    parser = argparse.ArgumentParser(description="many sessions for long")
    parser.add_argument("build", metavar="BUILD")
    parser.add_argument("--sessions", type=int, default=10000)
    parser.add_argument("--minutes", type=float, default=60)
    arguments = parser.parse_args()
    shared = limits.own_queues()
    if shared:
        print(f"queues are those of the whole machine: {shared}")
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.setgroups([])
        os.setgid(nobody.pw_gid)
        os.setuid(nobody.pw_uid)
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        with Rig(arguments.build) as rig:
            rig.start_daemon()
            problems = Crowd(rig, arguments.sessions, arguments.minutes).run()
    except (BenchError, OSError, subprocess.TimeoutExpired) as error:
        problems = [str(error)]
    for problem in problems:
        print("PROBLEM " + problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
