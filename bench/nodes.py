# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""What the bench of several machines starts and ends: a real RabbitMQ (tests/harness/rabbit.py), the
nodes on it, and the bare AMQP programs that they are compared to."""
import json
import os
import subprocess
import sys
import tempfile
import time

from rig import BenchError, Rig, cpu_seconds, end_with_us, memory

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tests"))
from harness import rabbit  # noqa: E402 pylint: disable=wrong-import-position

EXCHANGE = "ocsmanager.users"
BARE_QUEUE = "bench.bare"
BROKERS = int(os.environ.get("OCS_BENCH_BROKERS", "1"))
MEMORY = "vm_memory_high_watermark.absolute = 2GiB"  # the bench is not about its alarm
TABLES = ("rabbit_route", "rabbit_reverse_route", "rabbit_durable_route", "rabbit_semi_durable_route")


class Brokers:
    """One broker, or a cluster of them, and the programs that talk to it and nothing else."""

    def __init__(self, rig):
        # where the daemon's files are too: its disk is part of what is measured
        tempfile.tempdir = os.path.dirname(rig.folder)
        self.rig = rig
        self.what = rabbit.Broker(config=MEMORY) if BROKERS == 1 else \
            rabbit.Cluster(BROKERS, config=MEMORY)
        try:
            self.what.start()
        except AssertionError as error:
            self.what.close()
            raise BenchError(error) from None
        self.all = [self.what] if BROKERS == 1 else self.what.brokers
        self.vhost = self.what.vhost()
        self.uri = self.what.uri(self.vhost)
        self.environment = {**os.environ, "OCS_BENCH_AMQP": self.all[0].uri(self.vhost)}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.what.close()
        tempfile.tempdir = None

    def cpu(self):
        return sum(cpu_seconds(broker.pid) for broker in self.all)

    def memory(self):
        return sum(memory(broker.pid) for broker in self.all)

    def binding_tables(self):
        """Bytes that the first broker's tables of bindings take."""
        tables = ",".join(TABLES)
        total = self.all[0].ctl("eval", f"lists:sum([mnesia:table_info(T, memory) || T <- [{tables}]]) "
                                        "* erlang:system_info(wordsize).")
        return int(total)

    def version(self):
        return self.all[0].ctl("version").strip()

    # ---- the bare programs

    def start_bare(self, prefix, users, body_file):
        """The bare consumer. As a node: prefetch 256, acknowledging a quarter of it at a time."""
        with open(self.rig.path("amqp_drain.out"), "wb") as out:
            drain = self.rig.start(
                [self.rig.program("bench/amqp_drain"), "-e", EXCHANGE, "-q", BARE_QUEUE, "-U", prefix,
                 "-u", str(users), "-p", "256", "-a", "64", "-b", body_file],
                "amqp_drain.err", stdout=out, env=self.environment)
        try:
            self.rig.wait_for(drain, "amqp_drain.out", r"ready\n", 30)
        except BenchError as error:
            raise BenchError(f"{error}\n{self.rig.log('amqp_drain.err')}") from None
        return drain

    def end_bare(self, drain):
        code = self.rig.end(drain, 30)
        if code != 0:
            raise BenchError(f"amqp_drain failed ({code}): {self.rig.log('amqp_drain.err')[-2000:]}")
        return json.loads(self.rig.log("amqp_drain.out").splitlines()[-1])

    def publish_bare(self, prefix, users, body_file, seconds, window, rate=0):
        done = subprocess.run(
            [self.rig.program("bench/amqp_bare"), "-e", EXCHANGE, "-U", prefix, "-u", str(users), "-f",
             body_file, "-d", str(seconds), "-w", str(window), "-r", str(rate)], text=True,
            stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds + 30, env=self.environment,
            preexec_fn=end_with_us, check=False)
        if done.returncode != 0:
            raise BenchError(f"amqp_bare failed ({done.returncode}): {done.stderr[-2000:]}")
        return json.loads(done.stdout)


class Node(Rig):
    """An ocsmanager with a registry of its own, as on a machine of its own, linked to the broker.
    All nodes have the users of one prefix in common."""

    def __init__(self, build, name, number, brokers, users):
        super().__init__(build)
        self.name, self.number, self.brokers, self.users = name, number, brokers, users
        self.daemon = None
        self.starts = 0

    def begin(self, linked=True, **keys):
        more = "".join(f"{key} = {value}\n" for key, value in keys.items())
        section = f"[rabbitmq]\nuri = {self.brokers.uri}\nnode = {self.name}\n{more}" if linked else ""
        self.starts += 1
        self.daemon = self.start_daemon(section, self.number, f"daemon{self.starts}.log")
        return self

    def wait_linked(self, limit=20):
        def healthy():
            try:
                self.request("GET", "/healthz", None, port=self.operations_port)
                return True
            except BenchError:
                return False
        self.wait_until(healthy, limit, "it is linked to the broker")
        return self

    def wait_until(self, condition, limit, what):
        """Seconds it took."""
        begin = time.monotonic()
        while not condition():
            if time.monotonic() > begin + limit or self.daemon.poll() is not None:
                raise BenchError(f"node {self.name}: not within {limit} s: {what}\n"
                                 f"{self.log(f'daemon{self.starts}.log')[-3000:]}")
            time.sleep(0.005)
        return time.monotonic() - begin

    def link(self, *names):
        """Counters and gauges of the link."""
        metrics = self.metrics()
        values = [metrics.get(f"ocsmanager_link_{name}_total", metrics.get(f"ocsmanager_link_{name}"))
                  for name in names]
        return values if len(values) > 1 else values[0]
