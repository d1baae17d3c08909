#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Runs fuzz targets with libFuzzer, one after the other, and prints a line for each: `make fuzz`.

What a target learns is kept in BUILD/corpus/NAME, what it finds in BUILD/found/NAME-*; it begins with the inputs of the
tree too (fuzz/corpus/NAME). Lines are those of the files that its source says it covers, with all that is in both
corpora. Exit status 1: something was found.

--merge makes the corpora of the tree anew: of the inputs in both, the smallest few that reach all that any reaches, as
far as they have room (ROOM and FILES a target).
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

FUZZ = os.path.dirname(os.path.abspath(__file__))
TREE = os.path.dirname(FUZZ)
INPUT_MAX = 4096  # as in driver.c
NO_PROFILE = {**os.environ, "LLVM_PROFILE_FILE": "/dev/null"}
ROOM, FILES = 4096, 32  # bytes and files in the tree, a target
# With libFuzzer's own ending of a run that hangs or eats memory
LIMITS = [f"-max_len={INPUT_MAX}", "-timeout=25", "-rss_limit_mb=2048"]


def sources(name):
    with open(f"{FUZZ}/fuzz_{name}.c", encoding="utf-8") as f:
        found = re.search(r"/\* Covers:([^*]*(?:\*[^/][^*]*)*)\*/", f.read())
    if not found:
        sys.exit(f"fuzz_{name}.c does not say what it covers")
    return [word for word in found[1].split() if word != "*"]


def ours(name):
    path = f"{FUZZ}/corpus/{name}"
    return [path] if os.path.isdir(path) else []


def run(command, log, **more):
    """Its exit status and CPU seconds."""
    with open(log, "ab") as out:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, **more)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_utime + usage.ru_stime


def told(log, pattern):
    """The last number that the log has by that pattern, or 0."""
    with open(log, encoding="utf-8", errors="replace") as f:
        return int((re.findall(pattern, f.read()) or ["0"])[-1])


class Target:
    def __init__(self, name, build, seconds):
        self.name, self.build, self.seconds = name, build, seconds
        self.program, self.learned = f"{build}/fuzz/{name}", f"{build}/corpus/{name}"
        self.log = f"{build}/{name}.log"
        self.limits = [*LIMITS, f"-artifact_prefix={build}/found/{name}-"]
        os.makedirs(self.learned, exist_ok=True)
        os.makedirs(f"{build}/found", exist_ok=True)
        open(self.log, "wb").close()

    def finds(self):
        return [n for n in os.listdir(f"{self.build}/found") if n.startswith(self.name + "-")]

    def fuzz(self):
        before = set(self.finds())
        self.status, self.cpu = run([self.program, *self.limits, f"-max_total_time={self.seconds}", "-print_final_stats=1",
                                     self.learned, *ours(self.name)], self.log, env=NO_PROFILE)
        self.runs = told(self.log, r"stat::number_of_executed_units: (\d+)") or told(self.log, r"#(\d+)\s")
        self.edges = told(self.log, r" cov: (\d+)")
        self.found = len(set(self.finds()) - before) + (self.status != 0 and set(self.finds()) == before)

    def lines(self):
        """Covered and all, of its files."""
        profile = f"{self.build}/{self.name}.profile"
        run([self.program, *self.limits, "-runs=0", self.learned, *ours(self.name)], self.log,
            env={**os.environ, "LLVM_PROFILE_FILE": profile + ".raw"})
        subprocess.run(["llvm-profdata", "merge", "-o", profile, profile + ".raw"], check=True)
        os.unlink(profile + ".raw")
        out = subprocess.run(["llvm-cov", "export", "-summary-only", f"-instr-profile={profile}",
                              self.program, *sources(self.name)],
                             check=True, stdout=subprocess.PIPE, cwd=TREE).stdout
        files = json.loads(out)["data"][0]["files"]
        return [sum(f["summary"]["lines"][key] for f in files) for key in ("covered", "count")]

    def merge(self):
        with tempfile.TemporaryDirectory() as folder:
            # edges alone, not how often: else there are ten times as many
            status, _ = run([self.program, *self.limits, "-set_cover_merge=1", "-use_counters=0", folder, *ours(self.name),
                             self.learned], self.log, env=NO_PROFILE)
            if status != 0:
                sys.exit(f"{self.log}: the merge failed")
            os.makedirs(f"{FUZZ}/corpus/{self.name}", exist_ok=True)
            for name in os.listdir(f"{FUZZ}/corpus/{self.name}"):
                if re.fullmatch("[0-9a-f]{16}", name):  # what found something has a name, and stays
                    os.unlink(f"{FUZZ}/corpus/{self.name}/{name}")
            room, files = ROOM, sorted((os.path.getsize(os.path.join(folder, n)), n) for n in os.listdir(folder))
            for size, name in files[:FILES]:
                room -= size
                if size and room >= 0:
                    shutil.copy(os.path.join(folder, name), f"{FUZZ}/corpus/{self.name}/{name[:16]}")


def main():
    parser = argparse.ArgumentParser(description="runs fuzz targets")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--build", default="build-fuzz")
    parser.add_argument("--merge", action="store_true", help="make the corpora of the tree anew instead")
    parser.add_argument("names", nargs="+")
    arguments = parser.parse_args()

    print(f"{'target':18} {'CPU s':>8} {'executions':>11} {'edges':>6} {'lines':>15} finds", flush=True)
    found = 0
    for name in arguments.names:
        target = Target(name, arguments.build, arguments.seconds)
        if arguments.merge:
            target.merge()
            continue
        target.fuzz()
        covered, count = target.lines()
        lines = f"{covered}/{count} {100 * covered // count:3} %"
        print(f"{name:18} {target.cpu:8.1f} {target.runs:11} {target.edges:6} {lines:>15} {target.found}", flush=True)
        if target.status != 0:
            print(f"  see {target.log}; what it was is in {target.build}/found", flush=True)
        found += target.found
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
