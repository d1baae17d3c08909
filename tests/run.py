#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Runs every test against one or more build folders: what `make check` calls.

    tests/run.py [-j JOBS] [-k PATTERN]... [--unit|--tree|--service|--live] [--under WORDS] BUILD...

A job is one unit test program (BUILD/tests/unit/MODULE/test_*, libcheck; BUILD/tests/test_fuzz_*) or one Python
module of tests/tree, tests/service or tests/live (or those of TOGETHER), which finds the build folder in the environment variable OCS_BUILD. Each job
runs in a session and a temporary folder of its own and has a time limit. As root all of it runs in a new IPC
namespace, so that the queues of others neither disturb nor are disturbed, and each job in a new network
namespace, so that no port is taken; the first lines say what could not be had.

Of several build folders the first runs tests/tree and the last tests/live: real servers take most of the time, and
show the least of how our own code was compiled. Give `make check` the sanitized build last.

At the end nothing may be left: no process, no queue, no file in the temporary folders. The last
line is `N passed, N failed` and nothing else; the exit status is 1 if anything failed.
"""

import argparse
import contextlib
import ctypes
import fnmatch
import glob
import os
import queue
import re
import select
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

from harness import isolation
from harness.paths import TSAN_OPTIONS

HERE = os.path.dirname(os.path.abspath(__file__))
# unit: programs in C; tree: the build and its tools; service, live: the programs, alone and with real servers
KINDS = ("unit", "tree", "service", "live")
# seconds; for what hangs: on a machine with a load of 60 a program took 260, a module 460
UNIT_LIMIT = 900
PYTHON_LIMIT = 1800
# Modules that are one job, one process: they share a broker, whose start costs nine seconds of CPU.
TOGETHER = {
    "live/rabbitmq_broken": ("test_rabbitmq_faults", "test_rabbitmq_bindings", "test_rabbitmq_spool"),
    "live/rabbitmq_whole": ("test_rabbitmq_dead", "test_rabbitmq_hostile", "test_rabbitmq_ingest", "test_rabbitmq_manual",
                            "test_rabbitmq_nodes", "test_rabbitmq_outbox"),
}
# The longest first, so that none of them is what all wait for at the end; then the rest of live, service, unit.
LONGEST = ("service/test_member.py", "live/rabbitmq_broken", "live/rabbitmq_whole", "live/test_rabbitmq_cluster.py",
           "live/test_dovecot_plugin.py", "service/test_removed.py", "live/test_ldap.py", "live/test_samba.py",
           "live/test_dovecot_spool.py", "live/test_dovecot_amqp.py",
           "service/test_push.py", "service/test_ocsctl.py", "live/test_dovecot_owner.py", "tree/test_makefile.py",
           "service/test_lifecycle.py", "unit/mapistore/test_files")
SANITIZER_FACTOR = 2
UNDER_FACTOR = 10

PR_SET_CHILD_SUBREAPER = 36

CHECK_LINE = re.compile(r"^\d+%: Checks: (\d+), Failures: (\d+), Errors: (\d+)", re.M)
# what says in a job's output that a test failed
FAILURE_LINE = re.compile(r"^(?:(?:FAIL|ERROR): .+|.+:-?\d+:[FES]:.+|SUMMARY: \w+Sanitizer.+|(?:AssertionError|\w+Error): .+)$", re.M)
RAN_LINE = re.compile(r"^Ran (\d+) tests? in", re.M)
ENDED_LINE = re.compile(r"^(?:OK|FAILED)(?: \((.*)\))?$", re.M)
SANITIZER = re.compile(r"(ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:)")

libc = ctypes.CDLL(None, use_errno=True)
output_lock = threading.Lock()
# pids of jobs, and who adds one to them or looks for pids that are none
running = set()
starting = threading.Lock()


def own_signals():
    """What is ignored here (by nohup, in the background) is ignored by every program that we start, unless we
    have a handler: tests send signals, and expect what they do."""
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
        elif number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
            signal.signal(number, interrupted)


class Interrupted(Exception):
    """Somebody ends the run."""

    def __init__(self, number, _):
        super().__init__(f"ended by {signal.Signals(number).name}")
        self.status = 128 + number


def interrupted(number, frame):
    raise Interrupted(number, frame)


def say(text):
    with output_lock:
        print(text, flush=True)


def isolate():
    """Says what could be had of it."""
    if os.geteuid() != 0:
        return "not root: queues and ports are shared with the rest of the machine"
    try:
        isolation.own_queues()
    except OSError as problem:
        return f"queues and ports are shared with the rest of the machine: {problem}"
    return "queues in a namespace of their own"


def looks_at_queues(job):
    """Whether a test of it asks which queues the kernel has."""
    for source in job.sources:
        if os.path.exists(source):
            with open(source, encoding="utf-8") as f:
                if re.search(r"host_count_queues|/dev/mqueue|queues\.names", f.read()):
                    return True
    return False


def precondition(jobs):
    """What must be there, cannot be made by us, and is not: in the first lines, not in a hundred failures."""
    if isolation.queues_mounted():
        return
    touched = [job.title for job in jobs if looks_at_queues(job)]
    if touched:
        say(f"MISSING: {isolation.QUEUES} is not mounted. {len(touched)} jobs look there for the queues that the "
            f"kernel has, and will fail: {', '.join(touched)}")
        say(f"         To get it: {isolation.HOW}; or run this as root, which makes it.")


def own_network():
    """Of this thread and the jobs that it starts."""
    if os.geteuid() == 0:
        try:
            isolation.own_network()
        except OSError as problem:
            say(f"ports are shared with the rest of the machine: {problem}")


def processes():
    """pid -> (ppid, session, state, command) of all that can be seen."""
    found = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as f:
                text = f.read()
        except OSError:
            continue
        command = text[text.index("(") + 1:text.rindex(")")]
        state, ppid, _, session = text[text.rindex(")") + 2:].split()[:4]
        found[int(name)] = (int(ppid), int(session), state, command)
    return found


def cpu_seconds(pid):
    """Of a process that has ended and was not waited for yet, and of all that it waited for."""
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
        text = f.read()
    return sum(int(ticks) for ticks in text[text.rindex(")") + 2:].split()[11:15]) / os.sysconf("SC_CLK_TCK")


def ended(pid, limit):
    """Waits until the process has ended, without reaping it: False if that takes longer."""
    descriptor = os.pidfd_open(pid)
    try:
        return bool(select.select([descriptor], [], [], limit)[0])
    finally:
        os.close(descriptor)


def descendants(root):
    table = processes()
    found, grew = {root}, True
    while grew:
        grew = False
        for pid, (ppid, _, _, _) in table.items():
            if ppid in found and pid not in found:
                found.add(pid)
                grew = True
    found.discard(root)
    return {pid: table[pid] for pid in found if table[pid][2] != "Z"}


def reap_orphans(table):
    """Orphans come to us (PR_SET_CHILD_SUBREAPER): brokers and Dovecots leave thousands, which whoever looks through
    /proc then meets. Under starting, so that no job is taken for one."""
    for pid, (ppid, _, state, _) in table.items():
        if ppid == os.getpid() and state == "Z" and pid not in running:
            os.waitpid(pid, os.WNOHANG)


def end_session(session):
    """Ends what a job left running; returns a description of each. The sessions that a test made
    inside its own are found as descendants."""
    with starting:
        table = processes()
        reap_orphans(table)
    left = {pid: p for pid, p in table.items() if p[1] == session and p[2] != "Z"}
    for pid in left:
        try:
            os.kill(pid, signal.SIGCONT)
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    return [f"{p[3]} (pid {pid})" for pid, p in left.items()]


def end_all(work, workers):
    """Somebody ends the run: with it what it started, and no job begins any more."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    while any(thread.is_alive() for thread in workers):
        while not work.empty():
            try:
                work.get_nowait()
            except queue.Empty:
                break
        kill_descendants()
        for thread in workers:
            thread.join(0.1)
    with contextlib.suppress(ChildProcessError):  # none is left
        while True:
            kill_descendants()
            os.waitpid(-1, 0)
            while os.waitpid(-1, os.WNOHANG)[0] != 0:
                pass


def kill_descendants():
    """Returns a line for each."""
    left = descendants(os.getpid())
    for pid in left:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    return [f"{command} (pid {pid})" for pid, (_, _, _, command) in left.items()]


class Job:
    def __init__(self, build, name, sources, command, limit, python):
        self.build, self.name, self.command, self.python = build, name, command, python
        self.sources = sources
        self.limit = limit
        self.passed = self.failed = self.skipped = 0
        self.output = ""
        self.notes = []
        self.seconds = self.cpu = 0.0

    @property
    def title(self):
        return f"{os.path.basename(self.build)}: {self.name}"

    def fail(self, note):
        self.failed += 1
        self.notes.append(note)

    def run(self, top):
        # as short as can be: the path of a socket below it must fit into sockaddr_un
        folder = tempfile.mkdtemp(prefix="j", dir=top)
        os.chmod(folder, 0o755)
        log = os.path.join(top, os.path.basename(folder) + ".log")
        env = dict(os.environ, OCS_BUILD=self.build, TMPDIR=folder, PYTHONDONTWRITEBYTECODE="1",
                   PYTHONUNBUFFERED="1", LC_ALL="C.UTF-8",
                   ASAN_OPTIONS="detect_leaks=1:exitcode=99:allocator_may_return_null=1",
                   UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1:exitcode=99",
                   TSAN_OPTIONS=TSAN_OPTIONS)
        start = time.monotonic()
        with open(log, "wb") as out:
            with starting:
                process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=out,
                                           stderr=subprocess.STDOUT, cwd=os.path.dirname(HERE), env=env,
                                           start_new_session=True)
                running.add(process.pid)
            in_time = ended(process.pid, self.limit)
            if not in_time:
                if self.python:
                    process.send_signal(signal.SIGABRT)  # faulthandler says where it hung
                    ended(process.pid, 5)
                os.killpg(process.pid, signal.SIGKILL)
                ended(process.pid, 60)
            self.cpu = cpu_seconds(process.pid)
            with starting:  # it has ended, or was killed: no waiting
                status = process.wait() if in_time else None
                process.wait()
                running.discard(process.pid)
        self.seconds = time.monotonic() - start
        with open(log, encoding="utf-8", errors="replace") as f:
            self.output = f.read()
        os.unlink(log)
        self.judge(status)
        for left in end_session(process.pid):
            self.fail(f"left a process running: {left}")
        names = os.listdir(folder)
        if names and not self.failed:  # a failed one leaves what it had
            self.fail(f"left in its temporary folder: {', '.join(sorted(names)[:8])}")
        shutil.rmtree(folder, ignore_errors=True)

    def judge(self, status):
        if self.python:
            ran, ended = RAN_LINE.search(self.output), None
            for ended in ENDED_LINE.finditer(self.output):
                pass
            counts = dict(re.findall(r"([a-z ]+)=(\d+)", ended.group(1) or "")) if ended else {}
            counts = {k.strip(): int(v) for k, v in counts.items()}
            bad = sum(counts.get(k, 0) for k in ("failures", "errors", "unexpected successes"))
            self.skipped = counts.get("skipped", 0)
            if ran:
                self.failed += bad
                self.passed += max(0, int(ran.group(1)) - bad - self.skipped)
        else:
            ran = None
            for ran in CHECK_LINE.finditer(self.output):
                checks, failures, errors = (int(n) for n in ran.groups())
                self.passed += checks - failures - errors
                self.failed += failures + errors
        if SANITIZER.search(self.output) and not self.failed:
            self.fail("a sanitizer reported an error")
        if status is None:
            self.fail(f"not finished within {self.limit} s")
        elif not ran:
            self.fail(f"no result (status {status})")
        elif status != 0 and not self.failed:
            self.fail(f"status {status}")

    def report(self):
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        verdict = "FAILED" if self.failed else "ok"
        say(f"{verdict:6} {self.title}: {self.passed} passed, {self.failed} failed{skipped}"
            f" ({self.seconds:.1f} s, {self.cpu:.1f} s of CPU)")
        if self.failed:
            say("\n".join("       | " + line for line in self.output.splitlines()
                          if not line.endswith(" ... ok")))
        elif self.skipped:
            for reason in sorted(set(re.findall(r"skipped ['\"](.*)['\"]$", self.output, re.M))):
                say(f"         skipped: {reason}")
        for note in self.notes:
            say(f"         {note}")


    def failures(self):
        """A line for each, and for why."""
        lines = FAILURE_LINE.findall(self.output)[:20] if self.failed else []
        return [line[:300] for line in (*lines, *self.notes)]


def unit_tests(build):
    """(name, command, source) of each unit test, and of each fuzz target, which runs as one, with the inputs of the tree."""
    folder = os.path.join(build, "tests")
    if not os.path.isdir(folder):
        raise SystemExit(f"{folder} is missing: build first")
    for program in sorted(glob.glob(os.path.join(folder, "unit", "*", "test_*")) +
                          glob.glob(os.path.join(folder, "test_fuzz_*"))):
        name = os.path.relpath(program, os.path.join(folder, "unit"))
        source = os.path.join(HERE, "unit", name + ".c")
        inputs = []
        if name.startswith(".."):
            name = os.path.basename(program)
            fuzz = os.path.join(os.path.dirname(HERE), "fuzz")
            source = os.path.join(fuzz, name[len("test_"):] + ".c")
            inputs = sorted(glob.glob(os.path.join(fuzz, "corpus", name[len("test_fuzz_"):], "*")))
        # a program whose source is gone was left by an earlier build
        if os.path.exists(source) and os.access(program, os.X_OK):
            yield f"unit/{name}", [program, *inputs], source


def order(job):
    if job.name in LONGEST:
        return (0, LONGEST.index(job.name))
    return (1, ("live", "tree", "service", "unit").index(job.name.split("/")[0]))


def core_ticks():
    """(idle, all) of the cores so far. Waiting for a disk is no idleness: more jobs would make it longer."""
    with open("/proc/stat", encoding="ascii") as f:
        ticks = [int(word) for word in f.readline().split()[1:9]]
    return ticks[3], sum(ticks)


class Spare:
    """Lets one more job begin when the cores have been idle for a while: most jobs wait most of the time, but how
    much depends on the machine, and one that has no time to give gets nothing done sooner by more of them."""

    WINDOW, IDLE = 1.0, 0.4  # seconds; share of all cores

    def __init__(self):
        self.turn = threading.Lock()

    def wait(self, work):
        """Until there is: False if there is no work any more."""
        with self.turn:
            while not work.empty():
                idle, ticks = core_ticks()
                time.sleep(self.WINDOW)
                more_idle, more = core_ticks()
                if more_idle - idle > self.IDLE * (more - ticks):
                    return True
        return False


def find_jobs(build, kinds, patterns, under, first, last):
    slow = UNDER_FACTOR if under else SANITIZER_FACTOR if "san" in os.path.basename(build) else 1
    jobs = []
    if "unit" in kinds:
        for name, command, source in unit_tests(build):
            jobs.append(Job(build, name, [source], [*under, *command], UNIT_LIMIT * slow, False))
    for kind in ("tree", "service", "live"):
        folder = os.path.join(HERE, kind)
        if kind not in kinds or (kind == "tree" and not first) or (kind == "live" and not last):
            continue
        names = [n[:-3] for n in sorted(os.listdir(folder)) if n.startswith("test_") and n.endswith(".py")]
        groups = {name: modules for name, modules in TOGETHER.items() if name.startswith(kind + "/")}
        for name in names:
            if not any(name in modules for modules in groups.values()):
                groups[f"{kind}/{name}.py"] = (name,)
        for name, modules in groups.items():
            paths = [os.path.join(folder, module + ".py") for module in modules]
            command = [sys.executable, "-X", "faulthandler", os.path.join(HERE, "harness", "main.py"), *paths]
            jobs.append(Job(build, name, paths, command, PYTHON_LIMIT * slow, True))
    return [j for j in jobs if not patterns or any(fnmatch.fnmatch(name, f"*{pattern}*")
                                                   for pattern in patterns for name in (j.name, *j.sources))]


def main():
    parser = argparse.ArgumentParser(description="runs the tests")
    parser.add_argument("builds", nargs="*", default=["build"], metavar="BUILD")
    parser.add_argument("-j", "--jobs", type=int, help="jobs at a time (cores + 2, and up to twice as many "
                        "while the cores are idle: most jobs wait)")
    parser.add_argument("-k", "--pattern", dest="patterns", action="append",
                        help="only jobs whose name contains it (a glob), or one of these: unit/store, store/test_journal, test_http")
    parser.add_argument("--under", type=shlex.split, default=[], metavar="WORDS",
                        help="what runs a unit test's program: 'valgrind --error-exitcode=9'")
    for kind in KINDS:
        parser.add_argument(f"--{kind}", dest="kinds", action="append_const", const=kind,
                            help=f"only {kind} tests")
    arguments = parser.parse_args()

    jobs = []
    for build in arguments.builds:
        jobs += find_jobs(os.path.abspath(build), arguments.kinds or KINDS, arguments.patterns, arguments.under,
                          build == arguments.builds[0], build == arguments.builds[-1])
    jobs.sort(key=order)
    if not jobs:
        say("no test found")
        say("0 passed, 1 failed")
        return 1

    own_signals()
    say(f"{len(jobs)} jobs; {isolate()}")
    precondition(jobs)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    queues_before = isolation.our_queues()
    top = tempfile.mkdtemp(prefix="ocs")
    os.chmod(top, 0o755)

    work = queue.SimpleQueue()
    for job in jobs:
        work.put(job)

    jobs_at_least = arguments.jobs or (os.cpu_count() or 1) + 2
    jobs_at_most = min(len(jobs), arguments.jobs or 2 * jobs_at_least)
    spare, quiet = Spare(), threading.Event()

    def worker(number):
        while number < jobs_at_least or spare.wait(work):
            try:
                job = work.get_nowait()
            except queue.Empty:
                return
            own_network()
            job.run(top)
            if not quiet.is_set():
                job.report()

    start = time.monotonic()
    workers = [threading.Thread(target=worker, args=(number,)) for number in range(jobs_at_most)]
    try:
        for thread in workers:
            thread.start()
        for thread in workers:
            thread.join()
    except Interrupted as why:
        quiet.set()
        end_all(work, [thread for thread in workers if thread.ident is not None])
        for name in (isolation.our_queues() or set()) - (queues_before or set()):
            os.unlink(os.path.join("/dev/mqueue", name))
        shutil.rmtree(top, ignore_errors=True)
        print(f"{why}; what it had started is ended", file=sys.stderr)
        return why.status

    failed = sum(job.failed for job in jobs)
    for left in kill_descendants():
        say(f"FAILED left running at the end: {left}")
        failed += 1
    queues_after = isolation.our_queues()
    if queues_before is None or queues_after is None:
        say("note: /dev/mqueue cannot be read here, so queues left behind would not be seen")
    elif queues_after - queues_before:
        say("FAILED queues left at the end: " + ", ".join(sorted(queues_after - queues_before)[:8]))
        failed += 1
    if os.listdir(top):
        say("FAILED files left at the end: " + ", ".join(sorted(os.listdir(top))[:8]))
        failed += 1
    shutil.rmtree(top, ignore_errors=True)

    say("The slowest:")
    for job in sorted(jobs, key=lambda job: -job.seconds)[:10]:
        say(f"{job.seconds:7.1f} s, {job.cpu:6.1f} s of CPU  {job.title}")
    for job in jobs:
        if job.failed:
            say(f"FAILED {job.title}: {job.failed}")
            for line in job.failures():
                say("       " + line)
    say(f"{len(jobs)} jobs, up to {jobs_at_most} at a time, in {time.monotonic() - start:.0f} s with "
        f"{sum(job.cpu for job in jobs):.0f} s of CPU")
    say(f"{sum(job.passed for job in jobs)} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
