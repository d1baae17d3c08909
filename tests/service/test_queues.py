# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Queues when they are full, slow, not to be had, or left behind."""

import os
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness import queues
from harness.case import ServiceTest
from harness.client import notification
from harness.wait import wait_until


def flags_of(events):
    return [e["message_flags"] for e in events]


class Full(ServiceTest):
    def flood(self, client, count, batch, first=0, **more):
        for start in range(first, first + count, batch):
            answer = client.put(*[
                notification("newmail", message=f"m{n}", messageFlags=n, **more)
                for n in range(start, min(start + batch, first + count))])
            self.assertEqual(set(self.accepted(answer).statuses), {"queued"})

    def test_thousands_while_it_is_being_drained_arrive_once_and_in_order(self):
        d = self.daemon()
        consumer, c = self.consumer(d), self.client(d)
        self.flood(c, 5000, 100)
        events = consumer.wait_events(5000)
        self.assertEqual(flags_of(events), list(range(5000)))
        self.accepted(c.newmail("end", messageFlags=5000), "queued")
        self.assertEqual(flags_of(consumer.wait_events(5001)), list(range(5001)))
        self.assertGreater(d.metrics().get("ocsmanager_queue_entries_total", way="spilled"), 100)

    def test_the_same_where_nothing_needs_a_commit(self):
        d = self.daemon()
        consumer, c = self.consumer(d, tables=("object",), idle=0.01), self.client(d)
        raw = self.raw(d)
        # pipelined: the next one is on its way while an entry is being spilled
        requests = []
        for n in range(4000):
            body = c.body([notification("modified", total=n, unread=0)])
            requests.append("PUT /notification HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\n"
                            f"Content-Length: {len(body)}\r\n\r\n{body}".encode())
        for start in range(0, 4000, 50):
            raw.send(b"".join(requests[start:start + 50]))
            for _ in range(50):
                self.assertIn(b'"queued"', raw.response()[2])
        totals = [e["total"] for e in consumer.wait_events(4000)]
        self.assertEqual(totals, list(range(4000)))
        entries = lambda way: d.metrics().get("ocsmanager_queue_entries_total", way=way)
        self.assertGreater(entries("spilled"), 50)
        self.assertGreater(entries("kernel"), 10, "it goes back to the kernel's queue")

    def test_what_was_answered_before_another_was_sent_arrives_before_it(self):
        d = self.daemon()
        consumer = self.consumer(d, tables=("object",), idle=0.01)
        clients = [self.client(d) for _ in range(8)]
        sent, answered = {}, {}

        def send(number, client):
            for n in range(400):
                key = number * 1000 + n
                sent[key] = time.monotonic()
                client.put(notification("modified", total=key, unread=0))
                answered[key] = time.monotonic()
        threads = [threading.Thread(target=send, args=pair) for pair in enumerate(clients)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        keys = [e["total"] for e in consumer.wait_events(3200)]
        self.assertEqual(sorted(keys), sorted(sent), "each once")
        latest = 0.0
        for key in keys:
            self.assertGreaterEqual(answered[key], latest, "it came too late")
            latest = max(latest, sent[key])

    def test_many_senders_at_once_lose_and_double_nothing(self):
        d = self.daemon()
        consumer = self.consumer(d)
        clients = [self.client(d) for _ in range(8)]

        def send(number, client):
            for n in range(40):
                client.put(*[notification("newmail", message=f"{number}-{n}-{k}",
                                          messageFlags=number * 1000 + n * 10 + k)
                             for k in range(10)])
        threads = [threading.Thread(target=send, args=pair) for pair in enumerate(clients)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        found = flags_of(consumer.wait_events(3200))
        self.assertEqual(len(set(found)), 3200)
        for number in range(8):
            mine = [f for f in found if f // 1000 == number]
            self.assertEqual(mine, sorted(mine), "each sender's own order")

    def test_a_stopped_consumer_blocks_nobody_and_loses_nothing(self):
        d = self.daemon()
        stopped, other, c = self.consumer(d), self.consumer(d), self.client(d)
        stopped.stop()
        self.flood(c, 1000, 100)
        self.assertEqual(flags_of(other.wait_events(1000)), list(range(1000)))
        stopped.go_on()
        self.assertEqual(flags_of(stopped.wait_events(1000)), list(range(1000)))

    def test_what_is_spilled_survives_a_kill_of_the_daemon(self):
        d = self.daemon()
        consumer, c = self.consumer(d), self.client(d)
        consumer.stop()
        self.flood(c, 200, 50)
        d.kill()
        d.start()
        self.flood(self.client(d), 100, 50, first=200)
        consumer.go_on()
        self.assertEqual(flags_of(consumer.wait_events(300)), list(range(300)))

    def test_past_spill_max_the_oldest_spilled_are_dropped_and_counted(self):
        d = self.daemon({"mqueue": {"max_messages": "10", "spill_max": "20"}})
        consumer, c = self.consumer(d), self.client(d)
        consumer.stop()
        self.flood(c, 100, 10)
        self.assertEqual(d.metrics().get("ocsmanager_queue_entries_total", way="dropped"), 70)
        consumer.go_on()
        self.assertEqual(flags_of(consumer.wait_events(30)), [*range(10), *range(80, 100)])
        self.accepted(c.newmail("end", messageFlags=1000))
        self.assertEqual(flags_of(consumer.wait_events(31))[-1], 1000)

    def test_a_drop_is_a_warning_with_the_user_and_the_count_and_a_flood_is_one_line(self):
        d = self.daemon({"mqueue": {"spill_max": "5"}})
        consumer, c = self.consumer(d), self.client(d)
        consumer.stop()
        self.flood(c, 45, 30)  # 10 in the kernel's queue, 5 in the list
        line = d.err.wait_text("dropped")
        self.assertRegex(line, r"1?5 waiting entries of user 'jdoe' dropped.*spill_max \(5\)")
        m = d.metrics()
        self.assertEqual(m.get("ocsmanager_queue_entries_total", way="dropped"), 30)
        self.assertEqual(m.get("ocsmanager_health_trouble", source="drops"), 1)
        self.assertEqual(m.get("ocsmanager_healthy"), 1, "it delivers")
        status, text = d.operations("/healthz")
        self.assertEqual((status, text.splitlines()[0]), (200, "ok"))
        self.assertRegex(text, r"warning: drops: 1?5 waiting entries of user 'jdoe'")
        self.assertIn("jdoe", d.operations("/status")[1])
        self.flood(c, 200, 10, first=100)
        self.assertEqual(d.metrics().get("ocsmanager_queue_entries_total", way="dropped"), 230)
        self.assertEqual(len([l for l in d.log().splitlines() if "dropped" in l]), 1, d.log())

    def test_past_spill_total_too(self):
        d = self.daemon({"mqueue": {"max_messages": "10", "spill_total": "30"}})
        consumers, c = [self.consumer(d) for _ in range(2)], self.client(d)
        for consumer in consumers:
            consumer.stop()
        self.flood(c, 100, 10)
        dropped = d.metrics().get("ocsmanager_queue_entries_total", way="dropped")
        self.assertEqual(dropped, 2 * 100 - 2 * 10 - 30)
        for consumer in consumers:
            consumer.go_on()
        came = lambda: sum(len(x.events()) for x in consumers)
        wait_until(lambda: came() == 2 * 10 + 30, what="what was kept")
        self.accepted(c.newmail("end", messageFlags=1000))
        for consumer in consumers:
            consumer.wait_event(lambda e: e["message_flags"] == 1000)
        self.assertEqual(came(), 2 * 10 + 30 + 2)

    def test_a_table_queue_past_spill_max_becomes_one_table_changed(self):
        d = self.daemon({"mqueue": {"max_messages": "10", "spill_max": "20"}})
        consumer, c = self.consumer(d, tables=("contents", "newmail")), self.client(d)
        consumer.stop()
        self.flood(c, 100, 10)
        self.assertGreater(d.metrics().get("ocsmanager_queue_entries_total", way="collapsed"), 0)
        consumer.go_on()
        events = consumer.wait_events(30 + 11)
        self.accepted(c.newmail("end", messageFlags=1000))
        events = consumer.wait_events(30 + 11 + 2)
        rows = [e for e in events if e.table == "contents"]
        self.assertEqual(len(rows), 12)
        self.assertEqual(rows[10].kind, (0x8100, 1))

    def test_nothing_may_wait_where_spill_max_is_small(self):
        d = self.daemon({"mqueue": {"max_messages": "1", "spill_max": "1"}})
        consumer, c = self.consumer(d), self.client(d)
        consumer.stop()
        self.flood(c, 10, 1)
        consumer.go_on()
        self.assertEqual(flags_of(consumer.wait_events(2)), [0, 9])


class Exhausted(ServiceTest):
    """No queue is to be had: the subscription lives on its spill list."""

    def test_without_any_queue_everything_arrives_and_promptly(self):
        d = self.daemon()
        udp = self.udp()
        consumer = self.consumer(d, tables=("newmail", "object"), push=udp.address,
                                 context="0102030405060708",
                                 wrapper=("prlimit", "--msgqueue=0:0"))
        self.assertIn("RLIMIT_MSGQUEUE", consumer.err.text())
        c = self.client(d)
        self.assertEqual(self.accepted(c.newmail("0", messageFlags=0)).results[0][1:3],
                         ("queued", 2))
        payload, _ = udp.receive(5)
        self.assertEqual(payload, bytes(range(1, 9)))
        for n in range(1, 300):
            self.accepted(c.newmail(str(n), messageFlags=n))
        new = lambda: [e for e in consumer.events() if e.flags == 0x8002]
        wait_until(lambda: len(new()) == 300)
        self.assertEqual(flags_of(new()), list(range(300)))

    def test_wake_ups_do_not_wait_for_an_idle_call(self):
        d = self.daemon()
        udp, c = self.udp(), self.client(d)
        consumer = self.consumer(d, push=udp.address, context="aa", idle=30,
                                 wrapper=("prlimit", "--msgqueue=0:0"))
        self.accepted(c.newmail("1"), "queued")
        self.assertEqual(udp.receive(15)[0], b"\xaa")

    def test_many_sessions_beyond_the_limit_of_the_user(self):
        d = self.daemon()
        c = self.client(d)
        # a limit below what is in use already: the first ones may get queues, the others none
        limit = 10 * (256 + 96) * 5
        consumers = [self.consumer(d, f"user{n % 4}", tables=("newmail", "object", "hierarchy"),
                                   wrapper=("prlimit", f"--msgqueue={limit}:{limit}"))
                     for n in range(16)]
        for n in range(25):
            for user in range(4):
                answer = self.accepted(c.newmail(str(n), user=f"user{user}", messageFlags=n))
                self.assertEqual(answer.results[0][1:3], ("queued", 12))
        for consumer in consumers:
            events = consumer.wait_events(100)
            self.assertEqual(flags_of(e for e in events if e.flags == 0x8002), list(range(25)))

    def test_queue_attributes_the_kernel_refuses_count_as_no_queue(self):
        with open("/proc/sys/fs/mqueue/msg_max", encoding="ascii") as f:
            most = int(f.read())
        if os.geteuid() == 0:
            most = 65535  # root may go past msg_max, not past RLIMIT_MSGQUEUE
        d = self.daemon({"mqueue": {"max_messages": str(most + 1)}})
        consumer, c = self.consumer(d), self.client(d)
        for n in range(50):
            self.accepted(c.newmail(str(n), messageFlags=n), "queued")
        self.assertEqual(flags_of(consumer.wait_events(50)), list(range(50)))

    def test_a_daemon_with_few_descriptors_still_delivers(self):
        d = self.daemon({"server:main": {"threads": "4"}}, wrapper=("prlimit", "--nofile=128:128"))
        consumers = [self.consumer(d, f"u{n}", tables=("newmail", "object", "contents", "hierarchy"))
                     for n in range(24)]
        c = self.client(d)
        for n in range(5):
            for user in range(24):
                self.accepted(c.newmail(str(n), user=f"u{user}", messageFlags=n), "queued")
        for consumer in consumers:
            events = consumer.wait_events(25)
            self.assertEqual(flags_of(e for e in events if e.flags == 0x8002), list(range(5)))


class LeftBehind(ServiceTest):
    def test_a_closed_consumer_leaves_nothing(self):
        d = self.daemon()
        consumer = self.consumer(d, "leaver", tables=("newmail", "object"))
        self.assertEqual(len(os.listdir(os.path.join(d.registry, "wake"))), 2)
        self.assertEqual(len(queues.names("leaver")), 2)
        consumer.close()
        self.assertEqual(queues.names("leaver"), [])
        self.assertEqual(os.listdir(os.path.join(d.registry, "wake")), [])

    def test_a_killed_consumer_is_gone_within_thirty_seconds(self):
        d = self.daemon()
        consumer, c = self.consumer(d, "victim", tables=("newmail", "object")), self.client(d)
        alive = self.consumer(d, "victim")
        self.assertEqual(self.accepted(c.newmail("1", user="victim")).results[0][1:3], ("queued", 3))
        consumer.kill()
        wait_until(lambda: len(queues.names("victim")) <= 1
                   and len(os.listdir(os.path.join(d.registry, "wake"))) == 2,
                   what="its queues and its socket are removed")
        wait_until(lambda: d.metrics().get("ocsmanager_sessions_reaped_total") == 1)
        answer = self.accepted(c.newmail("2", user="victim"))
        self.assertEqual(answer.results[0][1:3], ("queued", 1), "the living one is still served")
        self.assertEqual(len(alive.wait_events(2)), 2)

    def test_a_consumer_killed_while_the_daemon_is_away_is_removed_too(self):
        d = self.daemon()
        consumer = self.consumer(d, "victim2")
        d.terminate()
        consumer.kill()
        d.start()
        wait_until(lambda: not queues.names("victim2")
                   and os.listdir(os.path.join(d.registry, "wake")) == [], what="all removed")
        self.accepted(self.client(d).newmail("1", user="victim2"), "nosubscriber")

    def test_a_stopped_consumer_is_not_dead(self):
        d = self.daemon()
        consumer, c = self.consumer(d, "sleeper"), self.client(d)
        consumer.stop()
        for n in range(300):  # more than its socket's buffer of wake-ups, too
            self.accepted(c.newmail(str(n), user="sleeper", messageFlags=n), "queued")
        end = time.monotonic() + 12  # a round of the janitor
        wait_until(lambda: time.monotonic() > end)
        self.accepted(c.newmail("300", user="sleeper", messageFlags=300), "queued")
        consumer.go_on()
        self.assertEqual(flags_of(consumer.wait_events(301)), list(range(301)))


if __name__ == "__main__":
    unittest.main()
