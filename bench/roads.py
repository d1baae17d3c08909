# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""The parts of `make bench` that look at one daemon on both roads, with kernel queues and without: `modified`
singly and in batches, newmail, queues of several lengths, latency from PUT to UDP."""
import contextlib
import statistics

import limits
from figures import BARE, KERNEL, LESS, MORE, NEITHER, ROADS, SPILL
from lanes import QUEUE_MESSAGES, Lane, Turns, item, spilled_share
from rig import Rig

LEVELS = (1, 16, 64)
STALL_LEVELS = (127, 128, 129, 256)
BATCH = 100
LATENCY_RATE, LATENCY_TURNS = 200, 3
QUEUE_LENGTHS = (10, 100, 1000)

# The kernel's defaults allow 232 queues of 10 entries of 256 bytes to one user id.
MODIFIED_USERS = 200  # one queue each
NEWMAIL_USERS = 50    # four queues each
# what a newmail is to the subscriptions newmail, object, contents and hierarchy
NEWMAIL_EVENTS = {"newmail": 1, "created": 1, "modified": 1, "table": 2}
MODIFIED_EVENTS = {"modified": 1}

OF_BARE = {"modified": 0.75, "newmail": 0.35}  # aims, from two connections on
BATCH_RATE, BATCH_P99 = 200000, 20000
PUSH_P99 = {"modified": 300, "newmail": 500}
SPILL_COSTS = 1.25  # at most, of a subscription without a kernel queue: rate and latency
TIMES = (("p50", "p50_us"), ("p99", "p99_us"))


def verdict(value, aim, at_most=False, text=""):
    met = value <= aim if at_most else value >= aim
    return f"aim {'at most ' if at_most else ''}{text or f'{aim:g}'} {'met' if met else 'MISSED'}"


def percent(share):
    return "-" if share is None else f"{share:.0%}"


# ---- figures of rounds

def record(bench, turns, names, rate):
    """Figures of all jobs; those of ours next to the bare server's where it had a turn."""
    figures = bench.figures
    for (name, road, messages, level), results in turns.results.items():
        labels = {"what": name, "road": road, "connections": level}
        if road != BARE:
            labels["messages"] = messages
        figures.add("rate", [r[rate] for r in results], "1/s", MORE, **labels)
        for short, key in TIMES:
            figures.add(short, [r[key] for r in results], "us", LESS, **labels)
        if road == BARE:
            continue
        shares = [r["spilled"] for r in results if r["spilled"] is not None]
        figures.add("spilled", shares or 0, "share", NEITHER, **labels)
        bare = (names.get(name), BARE, 0, level)
        if bare in turns.results:
            figures.add("of_bare", [r[rate] / max(b["requests_per_s"], 1e-9)
                                    for r, b in zip(results, turns.results[bare])], "ratio", MORE, **labels)
        fast = (name, KERNEL, messages, level)
        if road == SPILL and fast in turns.results:
            figures.add("cost_rate", turns.values(fast, rate, (name, road, messages, level)), "ratio", LESS, **labels)
            for short, key in TIMES:
                figures.add(f"cost_{short}", turns.values((name, road, messages, level), key, fast), "ratio", LESS,
                            **labels)


def print_rates(figures, what, lengths=(QUEUE_MESSAGES,)):
    """A table: each number of connections, each lane."""
    batch = what in ("batch", "queues-batch")
    print(f"  connections  road           {'notif.' if batch else 'requests'}/s   of bare"
          f"                   p50 us    p99 us  past kernel queues")
    for level in figures.values("connections", what=what):
        lanes = [(BARE, None)] + [(road, messages) for road in ROADS for messages in lengths]
        for road, messages in lanes:
            labels = {"what": what, "road": road, "connections": level}
            if messages:
                labels["messages"] = messages
            rate = figures.get("rate", **labels)
            if rate is None:
                continue
            ratio, share = figures.get("of_bare", **labels), figures.get("spilled", **labels)
            note = ""
            if what in OF_BARE and level > 1 and ratio is not None:
                note = verdict(ratio, OF_BARE[what])
            elif batch:
                note = verdict(rate, BATCH_RATE, text=f"{BATCH_RATE:,}")
            name = f"{road} {messages}" if road == KERNEL and len(lengths) > 1 else road
            print(f"  {level:11}  {name:12} {rate:12,.0f}   {'' if ratio is None else format(ratio, '.2f'):>7}  {note:16}"
                  f" {figures.get('p50', **labels):9,.0f} {figures.get('p99', **labels):9,.0f}  "
                  f"{'' if road == BARE else percent(share):>8}")


def print_costs(figures, what):
    """What a notification costs without a kernel queue, of what it costs with one."""
    for level in figures.values("connections", what=what):
        labels = {"what": what, "road": SPILL, "connections": level, "messages": QUEUE_MESSAGES}
        costs = {name: figures.get("cost_" + name, **labels) for name in ("rate", "p50", "p99")}
        if None not in costs.values():
            print(f"  {level:11}  without a kernel queue it costs, of with one: by the rate {costs['rate']:.2f}, p50 "
                  f"{costs['p50']:.2f}, p99 {costs['p99']:.2f}   {verdict(max(costs.values()), SPILL_COSTS, True)}")


# ---- the parts

def on_both_roads(bench, stack, users, tables, category):
    lanes = [stack.enter_context(Lane(bench, road, users, tables)) for road in ROADS]
    return lanes, lanes[0].start_bare(category)


def measure_modified(bench):
    figures = bench.figures
    with contextlib.ExitStack() as stack:
        lanes, bare = on_both_roads(bench, stack, MODIFIED_USERS, "o", "modified")
        for lane in lanes:  # messages get their identifiers at first sight; what is measured is the steady state
            lane.load("modified", count=MODIFIED_USERS * 5)
        turns = Turns(bench, LEVELS, bench.rounds)
        turns.run([("modified", bare, "modified", 1)] + [("modified", lane, "modified", 1) for lane in lanes] +
                  [("batch", lane, "modified", BATCH) for lane in lanes])
        record(bench, turns, {"modified": "modified", "batch": "modified"}, "notifications_per_s")
        print(f"\n(a) one `modified`, no id, one subscriber ({MODIFIED_USERS} users)")
        print_rates(figures, "modified")
        print_costs(figures, "modified")
        print(f"\n(c) batches of {BATCH} of (a), notifications per second; aim for p99 of a request "
              f"{BATCH_P99 / 1000:.0f} ms")
        print_rates(figures, "batch")
        print_costs(figures, "batch")
        print("\nmany connections, (a): aim no stall (an answer that takes over 2 s)")
        for lane in lanes:
            for level in STALL_LEVELS:
                bench.progress.step(f"stalls, {lane.name}, {level} connections")
                result = lane.load("modified", seconds=bench.stall_seconds, connections=level)
                figures.add("longest_answer", result["max_us"] / 1000, "ms", LESS, what="stalls", road=lane.road,
                            connections=level)
                print(f"  {level:11}  {lane.name:12} {result['requests_per_s']:9,.0f}/s   stalls {result['stalls']}"
                      f"   errors {result['errors']}   longest answer {result['max_us'] / 1000:,.0f} ms")
        for lane in lanes:
            lane.end(MODIFIED_EVENTS)


def measure_newmail(bench):
    with contextlib.ExitStack() as stack:
        lanes, bare = on_both_roads(bench, stack, NEWMAIL_USERS, "nohc", "newmail")
        for lane in lanes:
            lane.load("newmail", count=NEWMAIL_USERS)
        turns = Turns(bench, LEVELS, bench.rounds)
        turns.run([("newmail", bare, "newmail", 1)] + [("newmail", lane, "newmail", 1) for lane in lanes])
        record(bench, turns, {"newmail": "newmail"}, "notifications_per_s")
        print(f"\n(b) one `newmail`, registered on disk before the answer, {sum(NEWMAIL_EVENTS.values())} events "
              f"in 4 queues ({NEWMAIL_USERS} users)")
        print_rates(bench.figures, "newmail")
        print_costs(bench.figures, "newmail")
        for lane in lanes:
            lane.end(NEWMAIL_EVENTS)


def measure_queues(bench):
    """Kernel queues longer than the kernel's defaults allow, next to those and to none."""
    refused = bench.shared or limits.raise_settings(max(QUEUE_LENGTHS), 4096)
    users = min(MODIFIED_USERS, limits.queues_within(limits.budget(), sum(QUEUE_LENGTHS)))
    if not refused and users == 0:
        refused = "RLIMIT_MSGQUEUE"
    if refused:
        print(f"\nqueues of {', '.join(map(str, QUEUE_LENGTHS))} messages: not measured, the limits cannot be raised "
              f"here ({refused})")
        return
    bench.figures.about["queues_users"] = users
    with contextlib.ExitStack() as stack:
        lanes = [stack.enter_context(Lane(bench, KERNEL, users, "o", messages=n)) for n in QUEUE_LENGTHS]
        lanes.append(stack.enter_context(Lane(bench, SPILL, users, "o")))
        for lane in lanes:
            lane.load("modified", count=users * 5)
        turns = Turns(bench, LEVELS, min(bench.rounds, 3))
        turns.run([("queues-single", lane, "modified", 1) for lane in lanes] +
                  [("queues-batch", lane, "modified", BATCH) for lane in lanes])
        record(bench, turns, {}, "notifications_per_s")
        print(f"\nkernel queues of {', '.join(map(str, QUEUE_LENGTHS))} messages and none, one `modified` "
              f"(msg_max {limits.setting('msg_max')}, queues_max {limits.setting('queues_max')} in the bench's own "
              "IPC namespace; "
              f"{users} users" + (": RLIMIT_MSGQUEUE cannot be raised here" if users < MODIFIED_USERS else "") + ")")
        print_rates(bench.figures, "queues-single", QUEUE_LENGTHS)
        print(f"the same in batches of {BATCH}, notifications per second")
        print_rates(bench.figures, "queues-batch", QUEUE_LENGTHS)
        for lane in lanes:
            lane.end(MODIFIED_EVENTS)


def push_rig(bench, road):
    rig = Rig(bench.build)
    rig.budget = 0 if road == SPILL else limits.UNLIMITED
    return rig


def measure_latency(bench):
    count = bench.latency_count
    print(f"\nlatency from PUT sent to UDP received, {LATENCY_TURNS} times {count} at {LATENCY_RATE}/s, machine else idle")
    print("                            p50 us   p99 us  p99.9 us      max"
          "                           (answer p50, p99)  past kernel queues")
    results = {}
    with contextlib.ExitStack() as stack:
        rigs = {road: stack.enter_context(push_rig(bench, road)) for road in ROADS}
        for rig in rigs.values():
            rig.start_daemon()
        for turn in range(LATENCY_TURNS):
            for category in ("modified", "newmail"):
                for road in ROADS[::-1] if turn % 2 else ROADS:
                    bench.progress.step(f"latency, turn {turn + 1} of {LATENCY_TURNS}, {category}, {road}")
                    rig = rigs[road]
                    # a user for each turn, since a mail of a number used before would be a duplicate
                    users = f"{rig.users}{turn}-"
                    before = rig.metrics()
                    result = rig.run_tool("latency", [
                        "-r", rig.registry, "-p", rig.port, "-f", rig.template(category, item(users, category)), "-U",
                        users + "000000", "-n", count, "-R", LATENCY_RATE,
                        *(["-m"] if category == "modified" else [])], 60)
                    result["spilled"] = spilled_share(before, rig.metrics())
                    results.setdefault((category, road), []).append(result)
                    if result["lost"] or result["errors"] or result["sent"] != count:
                        bench.problems.append(f"latency, {category}, {road}: sent {result['sent']}, lost "
                                              f"{result['lost']}, errors {result['errors']}")
    for (category, road), rounds in results.items():
        print_latency(bench, category, road, rounds)
    for category in ("modified", "newmail"):
        costs = [bench.figures.get(p, what="push-" + category, road=SPILL) /
                 max(bench.figures.get(p, what="push-" + category, road=KERNEL), 1e-9) for p in ("p50", "p99")]
        print(f"  {category:13}  without a kernel queue it costs, of with one: p50 {costs[0]:.2f}, p99 {costs[1]:.2f}"
              f"   {verdict(max(costs), SPILL_COSTS, True)}")


def print_latency(bench, category, road, rounds):
    labels = {"what": "push-" + category, "road": road}
    push = {name: bench.figures.add(name, [r["push"][name + "_us"] for r in rounds], "us", LESS, **labels)
            for name in ("p50", "p99", "p999", "max")}
    answer = {name: bench.figures.add("answer_" + name, [r["answer"][name + "_us"] for r in rounds], "us", LESS, **labels)
              for name in ("p50", "p99")}
    share = statistics.median(r["spilled"] or 0 for r in rounds)
    bench.figures.add("spilled", share, "share", NEITHER, **labels)
    note = verdict(push["p99"], PUSH_P99[category], True, f"{PUSH_P99[category] / 1000} ms")
    print(f"  {category:13}{road:9}{push['p50']:9,.0f}{push['p99']:9,.0f}{push['p999']:10,.0f}{push['max']:9,.0f}"
          f"  p99: {note:22} ({answer['p50']:,.0f}, {answer['p99']:,.0f}){percent(share):>20}")
    if (share > 0.5) != (road == SPILL):
        bench.problems.append(f"latency, {category}, {road}: {percent(share)} of the entries went no kernel queue")
