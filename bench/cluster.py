#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""One node against three, joined by a real RabbitMQ on this machine: notifications per second from
PUT to the sessions of other nodes, with confirms, next to a bare librabbitmq publisher and consumer
in the same run; latency; traffic that nobody waited for; 100,000 users bound; a storm of logins.
A part of `make bench` (measure_cluster), or alone: bench/cluster.py [BUILD].

What is compared. The bare publisher sends the message that a node sends, taken from the wire (same
body, properties, headers; persistent, mandatory), to the same exchange with the same routing keys,
and keeps as many unconfirmed as the load generator keeps unanswered. Each of ours is compared to the
bare publisher with the same receivers, so that only the publishing side differs:
  A to bare consumer   a queue with the arguments of a node's, the same prefetch, acknowledged
  A to B and C         sessions on B and C; counted when these have acknowledged everything
Everything, load generator and consumers of the sessions too, shares the CPUs.

Environment: OCS_BENCH_ROUNDS (5), OCS_BENCH_SECONDS (1), OCS_BENCH_BINDINGS (users: 100000; 10000 with
less than three rounds), OCS_BENCH_BROKERS (1; 3: a cluster), OCS_BENCH_DIR.
"""
import contextlib
import os
import statistics
import subprocess
import sys
import threading

sys.dont_write_bytecode = True
from nodes import BROKERS, Brokers, Node  # pylint: disable=wrong-import-position
import limits  # pylint: disable=wrong-import-position
from figures import LESS, MORE  # pylint: disable=wrong-import-position
from rig import BenchError, Rig, cpu_seconds, memory, run_alone  # pylint: disable=wrong-import-position

ROUNDS = int(os.environ.get("OCS_BENCH_ROUNDS", "5"))
SECONDS = float(os.environ.get("OCS_BENCH_SECONDS", "1"))
BOUND_USERS = int(os.environ.get("OCS_BENCH_BINDINGS", "100000" if ROUNDS > 2 else "10000"))
AIM = 0.7
LEVELS = ((16, 100), (64, 1))  # connections, batch
USERS = 200                    # the kernel's default allows 232 queues to one user id
MESSAGES = 5                   # of each
LATENCY_COUNT, LATENCY_RATE = 700, 200
BACKGROUND = 2000              # notifications a second while a storm is measured
STORM_RATE, STORM_SECONDS = 1000, 4

ITEM = ('<notification category="{category}"><backend>bench</backend><username>{user}</username>'
        '<folder>INBOX</folder><messageID>{message}</messageID>{more}</notification>')


def modified(prefix):
    return ITEM.format(category="modified", user=prefix + "{u}", message="message-{m}.eml",
                       more="<messageFlags>1</messageFlags>")


def newmail(prefix):
    return ITEM.format(category="newmail", user=prefix + "{u}", message="{n}.eml",
                       more="<total>17</total><unread>3</unread>")


class Cluster:
    """The nodes, what is sent to them, what went wrong."""

    def __init__(self, bench, rig, brokers, stack):
        self.bench, self.rig, self.brokers, self.problems = bench, rig, brokers, bench.problems
        self.users = self.rig.users
        self.a, self.b, self.c = (stack.enter_context(self.new_node(name)) for name in "abc")
        self.nodes = (self.a, self.b, self.c)
        for node in self.nodes:
            node.begin()
        for node in self.nodes:
            node.wait_linked()
        self.numbers = {}

    def new_node(self, name):
        node = Node(self.rig.build, name, 2 + "abcd".index(name), self.brokers, self.users)
        node.budget = limits.UNLIMITED
        return node

    def load(self, rig, template, users=USERS, connections=16, batch=100, seconds=SECONDS, rate=0,
             count=None):
        """One run of the load generator; rate: requests a second."""
        bound = ["-n", count] if count else ["-d", seconds]
        result = self.rig.run_tool("load", [
            "-p", rig.port, "-f", template, "-c", connections, "-b", batch, "-u", users, "-m",
            users * MESSAGES, "-o", self.numbers.get(template, 0), "-s", "queued", "-r", rate, *bound], 90)
        self.numbers[template] = result["next"]
        for key in ("errors", "wrong_bodies", "stalls", "unanswered", "lost_connections"):
            if result[key]:
                self.problems.append(f"cluster, {connections} connections, batches of {batch}: "
                                     f"{key} {result[key]}")
        return result

    def check_road(self, *rigs):
        """Which road the consumers are on: the figures are those of kernel queues, or it is said."""
        for rig in rigs:
            registered, without = rig.queues_registered()
            if without:
                self.problems.append(f"cluster: {without} of {registered} subscriptions had no kernel queue")

    def taken(self):
        """Messages that nodes have acknowledged to the broker."""
        return sum(node.link("acked") for node in self.nodes)

    def check_drained(self, node, drain, sent, what):
        arrived = node.end_drain(drain)
        if arrived["modified"] != sent or arrived["errors"] or arrived["unannounced"]:
            self.problems.append(f"{what}: {arrived['modified']:,} of {sent:,} arrived; {arrived}")
        return arrived


class Way:
    """What is measured in turns: rates, times of a request, CPU of the broker and the nodes."""

    def __init__(self, name, run):
        self.name, self.run = name, run
        self.rates, self.p50, self.p99 = [], [], []
        self.broker, self.sender, self.receivers, self.messages = 0.0, 0.0, 0.0, 0

    def measure(self, cluster):
        pids = [[cluster.a.daemon.pid], [cluster.b.daemon.pid, cluster.c.daemon.pid]]
        before = cluster.brokers.cpu(), *(sum(map(cpu_seconds, p)) for p in pids)
        messages, seconds, result = self.run()
        after = cluster.brokers.cpu(), *(sum(map(cpu_seconds, p)) for p in pids)
        self.broker += after[0] - before[0]
        self.sender += result.get("cpu_seconds", after[1] - before[1])
        self.receivers += after[2] - before[2]
        self.messages += messages
        self.rates.append(messages / seconds)
        if "p50_us" in result:
            self.p50.append(result["p50_us"] / 1000)
            self.p99.append(result["p99_us"] / 1000)

    def ratios(self, other):
        return [a / b for a, b in zip(self.rates, other.rates)]

    def of(self, other):
        return statistics.median(self.ratios(other))

    def row(self, bare):
        of = self.of(bare)
        note = "" if self is bare else f"aim {AIM} {'met' if of >= AIM else 'MISSED'}"
        times = f"{statistics.median(self.p50):7.1f} {statistics.median(self.p99):7.1f}" if self.p50 \
            else f"{'':15}"
        each = 1e6 / max(self.messages, 1)
        return (f"  {self.name:22} {statistics.median(self.rates):9,.0f}   {of:5.2f}  {note:15} {times}"
                f"   {self.broker * each:8.0f} {self.sender * each:8.0f} {self.receivers * each:8.0f}")


def measure_alone(cluster):
    """One node, without a broker and with: everybody's session is on it."""
    print("\n(e) `modified`, one node; batches of 100, 16 connections")
    print("                          notifications/s   p50 ms   p99 ms (a request)")
    for name, rig in (("no broker", cluster.rig), ("linked, alone", cluster.a)):
        template = rig.template("alone", modified(cluster.users))
        drain = rig.start_drain(USERS, "o")
        cluster.check_road(rig)
        sent = cluster.load(rig, template, count=USERS * MESSAGES // 100)["notifications"]
        rates, p50, p99 = [], [], []
        for _ in range(ROUNDS):
            result = cluster.load(rig, template)
            sent += result["notifications"]
            rates.append(result["notifications_per_s"])
            p50.append(result["p50_us"] / 1000)
            p99.append(result["p99_us"] / 1000)
        print(f"  {name:22}   {statistics.median(rates):15,.0f}  {statistics.median(p50):7.1f}  "
              f"{statistics.median(p99):7.1f}")
        cluster.check_drained(rig, drain, sent, name)
    own, received = cluster.a.link("node_own", "node_received")
    print(f"  own messages that came back to the linked node, dropped: {own:,.0f} of {received:,.0f}")


def measure_rates(cluster):
    """Bare, publishing only, end to end, in turns."""
    a, brokers = cluster.a, cluster.brokers
    here, there = cluster.users + "x", cluster.users + "y"  # users of the bare consumer, of B and C
    a_bare, a_nodes = a.template("bare", modified(here)), a.template("nodes", modified(there))
    body = cluster.rig.path("body")
    consumer = brokers.start_bare(here, USERS, body)
    cluster.b.users = cluster.c.users = there
    drains = [(cluster.b, cluster.b.start_drain(USERS // 2, "o")),
              (cluster.c, cluster.c.start_drain(USERS // 2, "o", USERS // 2))]
    cluster.check_road(cluster.b, cluster.c)
    # each message its identifier, and the bare publisher something to send
    bare_sent = cluster.load(a, a_bare, count=10, batch=100)["notifications"]
    nodes_sent = cluster.load(a, a_nodes, count=USERS * MESSAGES // 100)["notifications"]
    a.wait_until(lambda: os.path.exists(body) and os.path.getsize(body) > 0, 10, "a body was kept")
    with open(body, encoding="utf-8") as text:
        there_body = cluster.rig.write("body-there", text.read().replace(here, there))
    expected = cluster.taken() - nodes_sent  # what they had acknowledged before

    def ways_at(connections, batch):
        """The ways at that level; each returns messages, seconds, and what the tool said."""
        def bare(prefix, text):
            result = brokers.publish_bare(prefix, USERS, text, SECONDS, connections * batch)
            if result["returned"] or result["confirmed"] != result["published"]:
                cluster.problems.append(f"bare publisher: {result}")
            return result["published"], result["seconds"], result

        def ours(template):
            result = cluster.load(a, template, connections=connections, batch=batch)
            return result["notifications"], result["seconds"], result

        def to_bare(run, *arguments):
            nonlocal bare_sent
            messages, seconds, result = run(*arguments)
            bare_sent += messages
            return messages, seconds, result

        def to_nodes(run, *arguments):
            nonlocal nodes_sent
            messages, seconds, result = run(*arguments)
            nodes_sent += messages
            return messages, seconds + cluster.b.wait_until(
                lambda: cluster.taken() >= expected + nodes_sent, 30, "all is acknowledged"), result

        return (Way("bare to bare consumer", lambda: to_bare(bare, here, body)),
                Way("A to bare consumer", lambda: to_bare(ours, a_bare)),
                Way("bare to B and C", lambda: to_nodes(bare, there, there_body)),
                Way("A to B and C", lambda: to_nodes(ours, a_nodes)))

    for connections, batch in LEVELS:
        ways = ways_at(connections, batch)
        for number in range(ROUNDS if batch > 1 else min(ROUNDS, 3)):
            for way in ways if number % 2 == 0 else reversed(ways):
                way.measure(cluster)
        print(f"\n(f) between nodes: {connections} connections, "
              f"{f'batches of {batch}' if batch > 1 else 'single notifications'}; "
              f"at most {connections * batch:,} messages unconfirmed on both sides")
        print(f"{'':24}messages/s   of bare{'':15}a request, ms      CPU us a message:")
        print(f"{'':61} p50     p99     broker   sender    B + C")
        for way, bare in zip(ways, (ways[0], ways[0], ways[2], ways[2])):
            print(way.row(bare))
            labels = {"what": "nodes", "way": way.name, "connections": connections, "batch": batch}
            cluster.bench.figures.add("rate", way.rates, "1/s", MORE, **labels)
            if way is not bare:
                cluster.bench.figures.add("of_bare", way.ratios(bare), "ratio", MORE, **labels)
        print(f"  A to B and C, of bare to bare consumer: {ways[3].of(ways[0]):.2f}")

    for node, drain in drains:
        arrived = node.end_drain(drain)
        if arrived["errors"] or arrived["unannounced"]:
            cluster.problems.append(f"three nodes: consumer at {node.name}: {arrived}")
        nodes_sent -= arrived["modified"]
    got = brokers.end_bare(consumer)
    if nodes_sent or got["received"] != bare_sent:
        cluster.problems.append(f"three nodes: {nodes_sent:,} did not arrive; bare consumer got "
                                f"{got['received']:,} of {bare_sent:,}")
    print_shares(cluster, os.path.getsize(body))


def print_shares(cluster, body):
    """What reached nodes in vain, since they started."""
    names = ("node_received", "node_own", "node_nosession", "redelivered")
    received, _, nobody, redelivered = (
        sum(values) for values in zip(cluster.b.link(*names), cluster.c.link(*names)))
    published, confirmed, returned, nacked, resent = cluster.a.link(
        "published", "confirmed", "returned", "nacked", "resent")
    print(f"\n  traffic: a message's body has {body} bytes; A published {published:,.0f}, confirmed "
          f"{confirmed:,.0f}, returned {returned:,.0f}, nacked {nacked:,.0f}, resent {resent:,.0f}")
    print(f"  B and C received {received:,.0f}; for nobody there {nobody:,.0f} ({nobody / max(received, 1):.2%}, "
          f"aim none {'met' if not nobody else 'MISSED'}); redelivered {redelivered:,.0f}")
    sizes = ", ".join(f"{node.name.upper()} {memory(node.daemon.pid):.0f}" for node in cluster.nodes)
    print(f"  resident, MiB: {sizes}; broker {cluster.brokers.memory():.0f}")


def latency(cluster, name, host, sender, template, user, report=print):
    result = cluster.rig.run_tool("latency", [
        "-r", host.registry, "-p", sender.port, "-f", template, "-U", user, "-n", LATENCY_COUNT, "-R",
        LATENCY_RATE], 60)
    push, answer = result["push"], result["answer"]
    for key in ("p50", "p99"):
        cluster.bench.figures.add(key, push[key + "_us"], "us", LESS, what="nodes-push", case=name)
    report(f"  {name:42}{push['p50_us']:9,.0f}{push['p99_us']:9,.0f}{push['p999_us']:9,.0f}"
           f"{push['max_us']:9,.0f}   {answer['p50_us']:9,.0f}{answer['p99_us']:9,.0f}")
    if result["lost"] or result["errors"] or result["sent"] != LATENCY_COUNT:
        cluster.problems.append(f"latency, {name}: sent {result['sent']}, lost {result['lost']}, "
                                f"errors {result['errors']}")
    return result


HEAD = f"\n{'':44}{'p50 us':>9}{'p99 us':>9}{'p99.9':>9}{'max':>9}   {'answer p50':>10}{'p99':>8}"


def measure_latency(cluster):
    """From PUT sent to UDP received, the machine else idle."""
    print(HEAD)
    print(f"(g) latency, `newmail` sent to UDP received, {LATENCY_COUNT} at {LATENCY_RATE}/s")
    for name, host, sender in (("one node, no broker", cluster.rig, cluster.rig),
                               ("PUT at A, session on B", cluster.b, cluster.a)):
        user = f"{cluster.users}{sender is cluster.a:d}-"
        latency(cluster, name, host, sender, sender.template("latency", newmail(user)), user + "000000")
    body, prefix = cluster.rig.path("body"), cluster.users + "z"
    consumer = cluster.brokers.start_bare(prefix, 1, cluster.rig.path("unused"))
    cluster.brokers.publish_bare(prefix, 1, body, LATENCY_COUNT / LATENCY_RATE, 100, LATENCY_RATE)
    times = cluster.brokers.end_bare(consumer)["time"]
    print(f"  {'bare publisher to bare consumer':42}{times['p50_us']:9,.0f}{times['p99_us']:9,.0f}"
          f"{times['p999_us']:9,.0f}{times['max_us']:9,.0f}")


class Storm(threading.Thread):
    """bench/storm at a node, while something else runs."""

    def __init__(self, cluster, node, prefix):
        super().__init__(daemon=True)
        self.rig, self.node, self.prefix = cluster.rig, node, prefix
        self.result = self.error = None

    def run(self):
        try:
            self.result = self.rig.run_tool("storm", [
                "-r", self.node.registry, "-U", self.prefix, "-n", STORM_RATE * STORM_SECONDS, "-R",
                STORM_RATE, "-t", 48], 120)
        except (BenchError, subprocess.TimeoutExpired) as error:
            self.error = error


def measure_storm(cluster):
    """Latency to B and a moderate load to C, without and with logins at B."""
    print(HEAD)
    print(f"(h) the same, while {BACKGROUND:,}/s go from A to C; without and with {STORM_RATE:,} logins/s at B")
    cluster.c.users = cluster.users + "y"
    drain = cluster.c.start_drain(USERS // 4, "o")
    template = cluster.a.template("background", modified(cluster.c.users))
    sent, lines = 0, []
    for name in ("no logins", "logins"):
        user = f"{cluster.users}{name[0]}-"
        storm = Storm(cluster, cluster.b, cluster.users + "s") if name == "logins" else None
        loads = []
        background = threading.Thread(target=lambda: loads.append(cluster.load(
            cluster.a, template, users=USERS // 4, connections=16, batch=10, rate=BACKGROUND // 10,
            seconds=STORM_SECONDS + 0.5)), daemon=True)
        before = cluster.b.link("binds", "bind_timeouts")
        background.start()
        if storm:
            storm.start()
        latency(cluster, name, cluster.b, cluster.a, cluster.a.template(name[0], newmail(user)), user + "000000")
        background.join(60)
        if not loads:
            raise BenchError("the load during the storm did not end")
        sent += loads[0]["notifications"]
        lines.append(f"  {name}: load {loads[0]['notifications_per_s']:,.0f}/s, a request of 10 "
                     f"p50 {loads[0]['p50_us'] / 1000:.1f} ms, p99 {loads[0]['p99_us'] / 1000:.1f} ms")
        if storm:
            storm.join(120)
            if storm.error or not storm.result:
                raise BenchError(storm.error or "the storm did not end")
            binds, late = cluster.b.link("binds", "bind_timeouts")
            login = storm.result["login"]
            lines.append(f"  logins: {storm.result['logins']:,} at {storm.result['per_s']:,.0f}/s; from due to "
                         f"bound p50 {login['p50_us'] / 1000:.1f} ms, p99 {login['p99_us'] / 1000:.0f} ms; "
                         f"binds {binds - before[0]:,.0f}, not waited for {late - before[1]:,.0f}")
            if storm.result["errors"]:
                cluster.problems.append(f"storm: {storm.result}")
    print("\n".join(lines))
    cluster.check_drained(cluster.c, drain, sent, "load during the storm")


def measure_bindings(cluster):
    """A node that starts beside very many sessions."""
    brokers = cluster.brokers
    print(f"\n(i) a node that finds {BOUND_USERS:,} users with sessions")
    with cluster.new_node("d") as node:
        node.begin(linked=False)
        with open(node.path("crowd.out"), "wb") as out:
            crowd = node.start([node.program("bench/crowd"), "-r", node.registry, "-U", node.users + "c",
                                "-u", str(BOUND_USERS)], "crowd.err", stdout=out)
        node.wait_for(crowd, "crowd.out", r"ready\n", 300)
        node.end(node.daemon)
        node.begin(linked=False)
        before = memory(node.daemon.pid, "RssAnon"), memory(node.daemon.pid)
        node.end(node.daemon)
        broker = brokers.memory(), brokers.binding_tables(), brokers.cpu()
        node.begin()
        seconds = node.wait_until(lambda: node.link("bound_users") >= BOUND_USERS, 240, "all are bound")
        after = memory(node.daemon.pid, "RssAnon"), memory(node.daemon.pid)
        tables = brokers.binding_tables() - broker[1]
        print(f"  bound in {seconds:.1f} s ({BOUND_USERS / seconds:,.0f}/s), broker CPU "
              f"{(brokers.cpu() - broker[2]) * 1e6 / BOUND_USERS:,.0f} us each")
        print(f"  node: {before[0]:.0f} MiB without the link, {after[0]:.0f} MiB with "
              f"({(after[0] - before[0]) * 2 ** 20 / BOUND_USERS:.0f} bytes a user); with the registry's "
              f"file {before[1]:.0f} and {after[1]:.0f}")
        print(f"  broker: tables of bindings {tables / BOUND_USERS:,.0f} bytes a user; resident "
              f"{broker[0]:.0f} MiB before, {brokers.memory():.0f} after")


def measure_cluster(bench):
    """For bench/run.py. The daemon without a broker is what the nodes are compared to."""
    try:
        with Rig(bench.build) as rig:
            rig.budget = limits.UNLIMITED
            rig.start_daemon()
            with Brokers(rig) as brokers, contextlib.ExitStack() as stack:
                print(f"\nRabbitMQ {brokers.version()}, {BROKERS} broker{'s' * (BROKERS > 1)} on this machine, quorum "
                      f"queues, no TLS; sessions with kernel queues; {brokers.memory() / BROKERS:.0f} MiB each when idle")
                cluster = Cluster(bench, rig, brokers, stack)
                for measure in (measure_alone, measure_rates, measure_latency, measure_storm, measure_bindings):
                    bench.progress.step(measure.__name__.removeprefix("measure_"))
                    measure(cluster)
    except AssertionError as error:  # of the harness
        raise BenchError(error) from None


if __name__ == "__main__":
    sys.exit(run_alone(measure_cluster))
