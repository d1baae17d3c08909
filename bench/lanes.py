# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Lanes: what is measured in turns. One is the bare server; each other one is a daemon with a registry and a consumer
of its own, on the road with kernel queues or on the one without (its consumer has no budget for any).

While one lane is measured the others are idle: a measurement begins when no consumer has anything left to do.
Which road it was is looked up in the registry before and in the daemon's counters after, not believed: queues that
other programs left behind can take the budget away.
"""
import time

import limits
from figures import BARE, KERNEL, SPILL
from rig import BenchError, Rig, cpu_seconds

MESSAGES = 5  # of each user, for `modified`
QUEUE_MESSAGES = 10  # the default of max_messages

ITEM = ('<notification category="{category}"><backend>bench</backend>'
        '<username>{users}{{u}}</username><folder>INBOX</folder>'
        '<messageID>{message}</messageID>{more}</notification>')
TROUBLES = ("errors", "wrong_bodies", "stalls", "unanswered", "lost_connections")


def item(users, category):
    """A notification of a template: its user, and message, are numbers that the load generator counts up."""
    message, more = ("message-{m}.eml", "<messageFlags>1</messageFlags>") if category == "modified" else \
        ("{n}.eml", "<total>17</total><unread>3</unread>")
    return ITEM.format(category=category, message=message, users=users, more=more)


def entries(metrics):
    """Entries so far: into kernel queues, and elsewhere."""
    ways = {way: metrics.get(f'ocsmanager_queue_entries_total{{way="{way}"}}', 0.0)
            for way in ("kernel", "spilled", "dropped", "collapsed")}
    return ways.pop("kernel"), sum(ways.values())


def spilled_share(before, after):
    """Of the entries between two looks; None: there were none."""
    kernel, other = (b - a for a, b in zip(entries(before), entries(after)))
    return other / (kernel + other) if kernel + other else None


class Lane:
    """One of ours. tables: what each of the users subscribes to (bench/drain)."""

    def __init__(self, bench, road, users, tables, messages=QUEUE_MESSAGES, each=MESSAGES, **subscribe):
        self.bench, self.road, self.users, self.tables, self.messages = bench, road, users, tables, messages
        self.each = each  # messages of a user that `modified` is about
        self.name = road if messages == QUEUE_MESSAGES else f"{road}, queues of {messages}"
        self.subscribe = subscribe  # how, to Rig.start_drain()
        self.rig = Rig(bench.build)
        self.drain, self.sent, self.unsure, self.numbers, self.templates = None, 0, 0, {}, {}
        self.bare = None

    def __enter__(self):
        try:
            rig = self.rig
            # as much as may be had: what other programs of this user have does not count then
            rig.budget = 0 if self.road == SPILL else limits.UNLIMITED
            rig.start_daemon(f"[mqueue]\nmax_messages = {self.messages}\n")
            self.templates = {c: rig.template(c, item(rig.users, c)) for c in ("modified", "newmail")}
            self.drain = rig.start_drain(self.users, self.tables, **self.subscribe)
            # every subscription, looked up one by one: not with very many, and none of those is on another road
            if self.users <= 5000:
                self.check_road(*rig.queues_registered())
        except BaseException:
            self.rig.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.rig.__exit__()

    def check_road(self, registered, without):
        if without != (registered if self.road == SPILL else 0):
            raise BenchError(
                f"the lane '{self.name}' is on another road: {without} of {registered} subscriptions have no kernel "
                "queue. Others use the kernel's budget (ls /dev/mqueue; RLIMIT_MSGQUEUE counts all processes of a "
                f"user; fs.mqueue.queues_max is {limits.setting('queues_max')}). With CAP_SYS_RESOURCE the bench has a "
                "budget of its own.")

    def start_bare(self, category):
        """The bare server: it answers what this lane answers, and is asked what this lane is asked."""
        body = self.rig.log(category).replace("\n---\n", "")
        for mark, number in (("{u}", "000000"), ("{m}", "000000"), ("{n}", "9999999999")):
            body = body.replace(mark, number)
        self.rig.start_bare(self.rig.request("PUT", "/notification", body)[1])
        self.sent += 1
        self.bare = Bare(self)
        return self.bare

    def load(self, category, connections=1, batch=1, seconds=None, count=None, port=None, users=None):
        """One run of the load generator; the result has `spilled`, the share that went no kernel queue, and
        `cpu_us`, the daemon's for a notification. users: so many of ours only, the first."""
        first = self.numbers.get(category, 0)
        bound = (["-n", count] if count else []) + (["-d", seconds or self.bench.seconds] if seconds or not count else [])
        self.settle()
        before, used = self.rig.metrics(), cpu_seconds(self.rig.daemon.pid)
        result = self.rig.run_tool("load", [
            "-p", port or self.rig.port, "-f", self.templates[category], "-c", connections, "-b", batch, "-u",
            users or self.users, "-m", self.users * self.each, "-o", first, "-s", "queued", *bound], 90)
        if port is None:
            result["cpu_us"] = (cpu_seconds(self.rig.daemon.pid) - used) * 1e6 / max(result["notifications"], 1)
            result["spilled"] = spilled_share(before, self.rig.metrics())
            self.numbers[category] = result["next"]
            self.sent += result["sent"] * batch
            self.unsure += (result["sent"] - result["ok"]) * batch
        for trouble in TROUBLES:
            if result[trouble]:
                self.bench.problems.append(f"{BARE if port else self.name}, {category}, {connections} connections, "
                                           f"batches of {batch}: {trouble} {result[trouble]}")
        return result

    def settle(self, limit=60):
        """Until consumer and daemon have had nothing to do for a while, but for what the daemon does now and then:
        seconds it took."""
        begin = time.monotonic()
        used = self.busy()
        while time.monotonic() < begin + limit:
            time.sleep(0.08)
            before, used = used, self.busy()
            if used[0] == before[0] and used[1] - before[1] < 0.025:
                return time.monotonic() - begin
        raise BenchError(f"{self.name}: consumer or daemon is still busy after {limit} s: {self.busy()} s of CPU, {before} "
                         "a moment before")

    def busy(self):
        return cpu_seconds(self.drain.pid), cpu_seconds(self.rig.daemon.pid)

    def end(self, expected):
        """The consumer ends: nothing was lost, nothing came twice, each kind of event as often as it must be."""
        arrived = self.rig.end_drain(self.drain)
        for kind, each in expected.items():
            # of a request that was not answered well nobody knows whether it was done
            if not each * (self.sent - self.unsure) <= arrived[kind] <= each * self.sent:
                self.bench.problems.append(f"{self.name}: {kind} {arrived[kind]} of {each * self.sent} arrived")
        for key in ("errors", "unannounced"):
            if arrived[key]:
                self.bench.problems.append(f"{self.name}: consumer, {key} {arrived[key]}: {arrived['text']}")
        print(f"  {self.name}: {arrived['events']:,} events of {self.sent:,} notifications drained, "
              f"{arrived['rop_bytes'] / 1e6:,.0f} MB of RopNotify")
        # what it says about having no kernel queue is what was asked for
        if arrived["warnings"] and self.road == KERNEL:
            print(f"  {self.name}: {arrived['warnings']} warnings: {arrived['text']}")
        counted = counters(self.rig.metrics())
        if counted:
            print("    counters: " + counted)


class Bare:
    """The lane of the bare server, beside that of ours whose requests it is asked."""
    road = name = BARE
    messages = 0

    def __init__(self, lane):
        self.lane = lane

    def load(self, category, connections=1, batch=1, seconds=None):
        return self.lane.load(category, connections, batch, seconds, port=self.lane.rig.bare_port)

    def settle(self):
        return 0.0


def counters(metrics):
    """What the daemon counted of queues and commits, as a sentence."""
    return "; ".join(f"{name.removeprefix('ocsmanager_')} {value:,.0f}" for name, value in sorted(metrics.items())
                     if value and "bucket" not in name and
                     any(word in name for word in ("kernel", "spill", "drop", "collapse", "commit")))


class Turns:
    """Rounds of jobs, (name, lane, category, batch), at each number of connections, in turning order."""

    def __init__(self, bench, levels, rounds):
        self.bench, self.levels, self.rounds = bench, levels, rounds
        self.results = {}

    def run(self, jobs):
        """{(name, road, messages of a queue, connections): [result of each round]}"""
        lanes = {id(job[1]): job[1] for job in jobs}.values()
        for number in range(self.rounds):
            for level in self.levels:
                first = number % len(jobs)
                for name, lane, category, batch in jobs[first:] + jobs[:first]:
                    self.bench.progress.step(f"round {number + 1} of {self.rounds}, {name}, {lane.name}, "
                                             f"{level} connections")
                    for other in lanes:
                        if other is not lane:
                            other.settle()
                    self.results.setdefault((name, lane.road, lane.messages, level), []).append(
                        lane.load(category, connections=level, batch=batch))
        return self.results

    def values(self, key, of, per=None):
        """Of each round; divided by those of another key."""
        values = [result[of] for result in self.results[key]]
        return [v / max(o, 1e-9) for v, o in zip(values, self.values(per, of))] if per else values
