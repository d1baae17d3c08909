#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""The long kill storm: what `make check-long` runs first.

    tests/long/storm.py [--cycles N] [--notifications N] [--hours H] [--seed S] [--round R] BUILD

Goes on until so many cycles are done and so many notifications acknowledged, or so many hours have passed. A round is
some cycles on an empty registry: four on one daemon, then one on two that a RabbitMQ joins, of which every fifth cycle
kills the broker too. Each round has a seed of its own, made of that of the run: --round R repeats one alone. What
tests/harness/storm.py promises is checked after each cycle; the first fault ends the run, with its seed and the logs.

Prints progress, and at the end a table for doc/reliability.md."""

import argparse
import contextlib
import json
import os
import random
import signal
import sys
import time
from collections import Counter

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

ALONE, JOINED = 50, 25         # cycles of a round
JOINED_EVERY, BROKER_EVERY = 5, 5
INDEX_EVERY = 10              # cycles: ocsctl reads all of the index, and there is more of it each time
KINDS_ALONE = ("daemon", "daemon", "consumer", "both")


def parse():
    parser = argparse.ArgumentParser(description="kills under load for hours")
    parser.add_argument("build", metavar="BUILD")
    parser.add_argument("--cycles", type=int, default=5000)
    parser.add_argument("--notifications", type=int, default=1000000)
    parser.add_argument("--hours", type=float, help="not longer than that, whatever was reached")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10 ** 6))
    parser.add_argument("--round", type=int, help="this one alone")
    return parser.parse_args()


class Run:
    def __init__(self, arguments):
        self.arguments = arguments
        self.begin = time.monotonic()
        self.counts, self.seconds = Counter(), []
        self.broker = None
        self.said = 0.0

    def passed(self):
        return time.monotonic() - self.begin

    def over(self, storm=None):
        cycles = self.counts["cycles"] + (storm.counts["cycles"] if storm else 0)
        accounted = self.counts["accounted"] + (storm.counts["accounted"] if storm else 0)
        hours = self.arguments.hours
        return (hours is not None and self.passed() > hours * 3600) or \
            (cycles >= self.arguments.cycles and accounted >= self.arguments.notifications)

    def say(self, number, storm):
        if self.passed() > self.said + 30:
            self.said = self.passed()
            counts = self.counts + storm.counts
            print(f"{self.said:7.0f} s  round {number}: {counts['cycles']} cycles, {counts['accounted']:,} notifications "
                  f"acknowledged and heard, 0 lost, {counts['twice']} twice", flush=True)

    def joined(self, stack, rng):
        from harness.nodes import Node  # pylint: disable=import-outside-toplevel
        from harness.rabbit import Broker  # pylint: disable=import-outside-toplevel
        if self.broker is None:
            self.broker = Broker().start()
        vhost = self.broker.vhost()
        stack.callback(self.broker.delete_vhost, vhost)
        # with a spool, what is for others is taken while the broker is away
        keys = {"spool_max": 64} if rng.random() < 0.5 else {}
        nodes = [Node(self.broker.uri(vhost), name, number, **keys) for number, name in enumerate("ab", 1)]
        for node in nodes:
            stack.callback(node.close)
            node.start()
        for node in nodes:
            node.wait_linked()
        a, b = nodes
        return nodes, [(a, a, "here"), (a, b, "there"), (b, a, "back")], self.broker

    def alone(self, stack, _):
        from harness.daemon import Daemon  # pylint: disable=import-outside-toplevel
        daemon = Daemon()
        stack.callback(daemon.close)
        daemon.start()
        return [daemon], [(daemon, daemon, "ann"), (daemon, daemon, "bob")], None

    def round(self, number):
        from harness.storm import Storm  # pylint: disable=import-outside-toplevel
        rng = random.Random(f"{self.arguments.seed}.{number}")
        is_joined = number % JOINED_EVERY == JOINED_EVERY - 1
        with contextlib.ExitStack() as stack:
            nodes, streams, broker = (self.joined if is_joined else self.alone)(stack, rng)
            storm = Storm(rng, nodes, streams, broker)
            stack.callback(storm.abandon)
            try:
                for cycle in range(JOINED if is_joined else ALONE):
                    kind = rng.choice(KINDS_ALONE)
                    if is_joined and cycle % BROKER_EVERY == BROKER_EVERY - 1:
                        kind = rng.choice(("broker", "all"))
                    storm.cycle(kind, index=cycle % INDEX_EVERY == 0)
                    self.say(number, storm)
                    if self.over(storm):
                        break
                storm.close()
            except BaseException:
                print(f"round {number} of --seed {self.arguments.seed}, in cycle {storm.counts['cycles']}:", flush=True)
                for node in nodes:
                    print(node.log()[-4000:], flush=True)
                raise
        self.counts += storm.counts
        self.counts["rounds"] += 1
        self.seconds += storm.seconds

    def go(self):
        if self.arguments.round is not None:
            self.round(self.arguments.round)
            return
        number = 0
        while not self.over():
            self.round(number)
            number += 1

    def close(self):
        if self.broker:
            self.broker.close()


def share(values, part):
    return sorted(values)[min(int(len(values) * part), len(values) - 1)] if values else 0.0


def table(run):
    c = run.counts
    rows = [
        ("time", f"{run.passed() / 3600:.2f} h"),
        ("cycles", f"{c['cycles']:,}"),
        ("kills of a daemon alone", f"{c['daemon']:,}"),
        ("of a MAPI server alone", f"{c['consumer']:,}"),
        ("of a daemon and a MAPI server", f"{c['both']:,}"),
        ("of the broker", f"{c['broker']:,}"),
        ("of both daemons, MAPI servers and the broker", f"{c['all']:,}"),
        ("notifications acknowledged", f"{c['acknowledged']:,}"),
        ("of these heard by a MAPI server that lived", f"{c['accounted']:,}"),
        ("lost", f"{c['acknowledged'] - c['accounted']:,}"),
        ("heard twice, by one MAPI server", f"{c['twice']:,}"),
        ("in requests that were never answered, and repeated", f"{c['unanswered']:,}"),
        ("refused while the broker was away, and repeated", f"{c['refused']:,}"),
        ("not yet fetched by a MAPI server that was killed", f"{c['unfetched']:,}"),
        ("checks of the index by `ocsctl index check`; faults", f"{c['index checks']:,}; 0"),
        ("checks of all databases by libtdb; faults", f"{c['cycles']:,}; 0"),
        ("seconds from a kill until all was well again: median, 99 %, most",
         f"{share(run.seconds, 0.5):.2f}, {share(run.seconds, 0.99):.2f}, {max(run.seconds, default=0):.2f}"),
    ]
    return "\n".join(["| | |", "| --- | ---: |", *(f"| {what} | {value} |" for what, value in rows)])


def main():
    arguments = parse()
    os.environ["OCS_BUILD"] = os.path.abspath(arguments.build)
    from harness import isolation  # pylint: disable=import-outside-toplevel
    if os.geteuid() == 0:
        isolation.own_queues()
        isolation.own_network()

    def ended(number, _):
        raise SystemExit(128 + number)
    signal.signal(signal.SIGTERM, ended)
    run = Run(arguments)
    print(f"seed {arguments.seed}", flush=True)
    try:
        run.go()
    finally:
        run.close()
        print(f"\nkill storm, seed {arguments.seed}\n\n{table(run)}", flush=True)
        out = os.path.join(arguments.build, "check-long")
        os.makedirs(out, exist_ok=True)
        with open(os.path.join(out, "storm.json"), "w", encoding="ascii") as f:
            json.dump({"seed": arguments.seed, "hours": run.passed() / 3600, **run.counts}, f, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
