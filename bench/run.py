#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""`make bench`: what OCSManager does per second and how soon a push arrives, next to a bare
libmicrohttpd server on the same machine in the same run; and several nodes joined by a broker, next to
a bare AMQP publisher (cluster.py).

Each round measures the bare server and ours one after the other, in turning order, so that both see
the same machine; a ratio is the median of the ratios of the rounds. The consumer drains every queue
all the while and says at the end what arrived: a run with a loss, a refusal or a stall fails. An
aim that is missed is shown, not a failure.

Environment: OCS_BUILD (build), OCS_BENCH_ROUNDS (5), OCS_BENCH_SECONDS (1.2, of one measurement),
OCS_BENCH_DIR (/var/tmp), and those of cluster.py. Exit status: 0 measured, 1 something was lost or
refused, 2 cannot run.
"""
import os
import platform
import signal
import statistics
import subprocess
import sys
import time

sys.dont_write_bytecode = True
from cluster import measure_cluster  # pylint: disable=wrong-import-position
from rig import CONNECTIONS, THREADS, BenchError, Rig  # pylint: disable=wrong-import-position
from waits import measure_waits  # pylint: disable=wrong-import-position

ROUNDS = int(os.environ.get("OCS_BENCH_ROUNDS", "5"))
SECONDS = float(os.environ.get("OCS_BENCH_SECONDS", "1.2"))
TIME_LIMIT = 560
LEVELS = (1, 16, 64)
STALL_LEVELS = (127, 128, 129, 256)
STALL_SECONDS = 3.0
BATCH = 100
LATENCY_COUNT, LATENCY_RATE = 1600, 200

# The kernel's defaults allow 232 queues of 10 entries of 256 bytes to one user id.
MODIFIED_USERS = 200  # one queue each
NEWMAIL_USERS = 50    # four queues each
MESSAGES = 5          # each user's, for `modified`

ITEM = ('<notification category="{category}"><backend>bench</backend>'
        '<username>{users}{{u}}</username><folder>INBOX</folder>'
        '<messageID>{message}</messageID>{more}</notification>')
# what a newmail is to the subscriptions newmail, object, contents and hierarchy
NEWMAIL_EVENTS = {"newmail": 1, "created": 1, "modified": 1, "table": 2}
MODIFIED_EVENTS = {"modified": 1}


class Bench:
    """The measurements; collects what was sent and what went wrong."""

    def __init__(self, rig):
        self.rig = rig
        self.numbers = {}    # of each template: the next number for {n}
        self.sent = 0        # notifications to ours since the consumer began
        self.problems = []

    def load(self, template, users, seconds=None, count=None, connections=1, batch=1, bare=False):
        """One run of the load generator."""
        first = self.numbers.get(template, 0)
        bound = ["-n", count] if count else ["-d", seconds or SECONDS]
        result = self.rig.run_tool("load", [
            "-p", self.rig.bare_port if bare else self.rig.port, "-f", template, "-c", connections,
            "-b", batch, "-u", users, "-m", users * MESSAGES, "-o", first, "-s", "queued", *bound], 90)
        if not bare:
            self.numbers[template] = result["next"]
            self.sent += result["sent"] * batch
        what = f"{'bare' if bare else 'ours'}, {connections} connections, batches of {batch}"
        for key in ("errors", "wrong_bodies", "stalls", "unanswered", "lost_connections"):
            if result[key]:
                self.problems.append(f"{what}: {key} {result[key]}")
        return result

    def rounds(self, template, users, batch_too):
        """{connections: {"bare"|"ours"|"batch": [result of each round]}}"""
        results = {level: {"bare": [], "ours": [], "batch": []} for level in LEVELS}
        for number in range(ROUNDS):
            for level in LEVELS:
                order = [("bare", 1), ("ours", 1)]
                if number % 2:
                    order.reverse()
                if batch_too:
                    order.append(("batch", BATCH))
                for name, batch in order:
                    results[level][name].append(self.load(
                        template, users, connections=level, batch=batch, bare=name == "bare"))
        return results

    def check_arrivals(self, arrived, expected, what):
        """Nothing lost, nothing twice: each kind of event as often as it must be."""
        for kind, each in expected.items():
            if arrived[kind] != each * self.sent:
                self.problems.append(f"{what}: {kind} {arrived[kind]} of {each * self.sent} arrived")
        for key in ("errors", "unannounced"):
            if arrived[key]:
                self.problems.append(f"{what}: consumer, {key} {arrived[key]}: {arrived['text']}")
        print(f"  drained: {arrived['events']:,} events of {self.sent:,} notifications, "
              f"{arrived['rop_bytes'] / 1e6:,.0f} MB of RopNotify" +
              (f"; {arrived['warnings']} warnings: {arrived['text']}" if arrived["warnings"] else ""))
        self.sent = 0


# ---- printing

def median(results, key):
    return statistics.median(result[key] for result in results)


def ratio(results, others, key):
    return statistics.median(a[key] / b[key] for a, b in zip(results, others))


def aim(value, least):
    return f"aim {least:.1f} {'met' if value >= least else 'MISSED'}"


def print_rates(results, least):
    print("  connections   bare/s     ours/s    ratio                  p50 us   p99 us (ours)")
    for level, by_name in results.items():
        bare, ours = by_name["bare"], by_name["ours"]
        value = ratio(ours, bare, "requests_per_s")
        note = aim(value, least) if level > 1 else ""
        print(f"  {level:11}  {median(bare, 'requests_per_s'):8,.0f}  {median(ours, 'requests_per_s'):9,.0f}"
              f"   {value:6.2f}  {note:16}  {median(ours, 'p50_us'):8,.0f} {median(ours, 'p99_us'):8,.0f}")


def print_batches(results):
    print(f"  connections   single/s   batched/s  ratio                  p50 us   p99 us (a request of {BATCH})")
    for level, by_name in results.items():
        ours, batch = by_name["ours"], by_name["batch"]
        value = ratio(batch, ours, "notifications_per_s")
        print(f"  {level:11}  {median(ours, 'notifications_per_s'):9,.0f}  "
              f"{median(batch, 'notifications_per_s'):10,.0f} {value:6.2f}  {aim(value, 3.0):16}"
              f"  {median(batch, 'p50_us'):8,.0f} {median(batch, 'p99_us'):8,.0f}")


def read(path, default="?"):
    try:
        with open(path, encoding="utf-8") as text:
            return text.read().strip()
    except OSError:
        return default


def print_settings(rig):
    model = next((line.split(":")[1].strip() for line in read("/proc/cpuinfo").splitlines()
                  if line.startswith("model name")), platform.machine())
    filesystem = subprocess.run(["df", "--output=fstype", rig.folder], text=True, check=False,
                                capture_output=True).stdout.split()[-1:]
    print(f"machine   {os.cpu_count()} CPUs, {model}; Linux {platform.release()}; load {os.getloadavg()[0]:.2f}")
    print(f"          registry on {' '.join(filesystem)}; mqueue limits: {read('/proc/sys/fs/mqueue/queues_max')}"
          f" queues, {read('/proc/sys/fs/mqueue/msg_max')} messages a queue")
    print(f"settings  both servers: {rig.microhttpd}, epoll, {THREADS} threads, {CONNECTIONS} connections; "
          "ours: defaults otherwise")
    print(f"          load generator (one thread) and consumer on the same CPUs; {ROUNDS} rounds of {SECONDS} s")


def spilled(before, after):
    """What went to spill lists between two looks at /metrics, as a sentence."""
    lines = [f"{name} {after[name] - before.get(name, 0):,.0f}" for name in sorted(after)
             if any(word in name for word in ("kernel", "spill", "drop", "collapse", "commit"))
             and "bucket" not in name and after[name] != before.get(name, 0)]
    return "; ".join(lines) if lines else "nothing"


# ---- the run

def measure_modified(bench, templates):
    rig, template = bench.rig, templates["modified"]
    before = rig.metrics()
    drain = rig.start_drain(MODIFIED_USERS, "o")
    # messages get their identifiers at first sight; what is measured is the steady state
    bench.load(template, MODIFIED_USERS, count=MODIFIED_USERS * MESSAGES)
    results = bench.rounds(template, MODIFIED_USERS, True)
    stalls = [bench.load(template, MODIFIED_USERS, seconds=STALL_SECONDS, connections=level)
              for level in STALL_LEVELS]
    arrived = rig.end_drain(drain)
    size = results[LEVELS[0]]["ours"][0]["request_bytes"]

    print(f"\n(a) one `modified`, no id, one subscriber ({size} bytes; {MODIFIED_USERS} users)")
    print_rates(results, 0.6)
    print(f"\n(c) batches of {BATCH} of (a), notifications per second")
    print_batches(results)
    print("\nmany connections, (a): aim no stall (an answer that takes over 2 s)")
    for level, result in zip(STALL_LEVELS, stalls):
        print(f"  {level:11}  {result['requests_per_s']:9,.0f}/s   stalls {result['stalls']}"
              f"   errors {result['errors']}   longest answer {result['max_us'] / 1000:,.0f} ms")
    bench.check_arrivals(arrived, MODIFIED_EVENTS, "(a), (c)")
    print("  counters: " + spilled(before, rig.metrics()))


def measure_newmail(bench, templates):
    rig, template = bench.rig, templates["newmail"]
    before = rig.metrics()
    drain = rig.start_drain(NEWMAIL_USERS, "nohc")
    bench.load(template, NEWMAIL_USERS, count=NEWMAIL_USERS)
    results = bench.rounds(template, NEWMAIL_USERS, False)
    arrived = rig.end_drain(drain)
    size = results[LEVELS[0]]["ours"][0]["request_bytes"]

    print(f"\n(b) one `newmail`, registered on disk before the answer, {sum(NEWMAIL_EVENTS.values())} events "
          f"in 4 queues ({size} bytes; {NEWMAIL_USERS} users)")
    print_rates(results, 0.3)
    bench.check_arrivals(arrived, NEWMAIL_EVENTS, "(b)")
    print("  counters: " + spilled(before, rig.metrics()))


def measure_latency(bench, templates):
    rig = bench.rig
    print(f"\nlatency from PUT sent to UDP received, {LATENCY_COUNT} at {LATENCY_RATE}/s, machine else idle")
    print("                   p50 us   p99 us  p99.9 us      max                  (answer p50, p99)")
    for name, arguments in (("newmail", []), ("modified", ["-m"])):
        user = f"{rig.users}0000"
        result = rig.run_tool("latency", [
            "-r", rig.registry, "-p", rig.port, "-f", templates[name], "-U", user, "-n", LATENCY_COUNT,
            "-R", LATENCY_RATE, *arguments], 60)
        push, answer = result["push"], result["answer"]
        note = "aim p99 < 2 ms " + ("met" if push["p99_us"] < 2000 else "MISSED")
        print(f"  {name:13}  {push['p50_us']:9,.0f}{push['p99_us']:9,.0f}{push['p999_us']:10,.0f}"
              f"{push['max_us']:9,.0f}  {note:20} ({answer['p50_us']:,.0f}, {answer['p99_us']:,.0f})")
        if result["lost"] or result["errors"] or result["sent"] != LATENCY_COUNT:
            bench.problems.append(f"latency, {name}: sent {result['sent']}, lost {result['lost']}, "
                                  f"errors {result['errors']}")


def item(rig, category, message):
    more = "<messageFlags>1</messageFlags>" if category == "modified" else "<total>17</total><unread>3</unread>"
    return ITEM.format(category=category, message=message, users=rig.users, more=more)


def prepare(rig):
    """Daemon, bare server and templates."""
    rig.start_daemon()
    templates = {"modified": rig.template("modified", item(rig, "modified", "message-{m}.eml")),
                 "newmail": rig.template("newmail", item(rig, "newmail", "{n}.eml"))}
    # what ours answers, for the bare server to answer too; a subscriber makes it `queued`
    drain = rig.start_drain(1, "o")
    body = rig.log("modified").replace("\n---\n", "").replace("{u}", "0000").replace("{m}", "000000")
    rig.start_bare(rig.request("PUT", "/notification", body)[1])
    rig.end_drain(drain)
    return templates


def measure(build):
    """Each part with a daemon and registry of its own, so that none is shaped by the one before."""
    problems = []
    for part in (measure_modified, measure_newmail, measure_latency, measure_waits, measure_cluster):
        with Rig(build) as rig:
            bench = Bench(rig)
            templates = prepare(rig)
            if part is measure_modified:
                print_settings(rig)
            part(bench, templates)
            problems += bench.problems
    return problems


def out_of_time(*_):
    raise BenchError(f"not done after {TIME_LIMIT} s")


def main():
    begin = time.monotonic()
    signal.signal(signal.SIGALRM, out_of_time)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    signal.alarm(TIME_LIMIT)
    sys.stdout.reconfigure(line_buffering=True)
    try:
        problems = measure(os.environ.get("OCS_BUILD", "build"))
    except (BenchError, OSError, subprocess.TimeoutExpired) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    finally:
        signal.alarm(0)
    print(f"\n{time.monotonic() - begin:.0f} s")
    for problem in problems:
        print("PROBLEM " + problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
