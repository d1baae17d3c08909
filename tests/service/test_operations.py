# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""The operations pages, and many connections."""

import json
import os
import shutil
import socket
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness.case import ServiceTest
from harness.client import Client, document, notification
from harness.raw import Raw
from harness.wait import LIMIT, wait_until


class Operations(ServiceTest):
    def sum_holds(self, d):
        m = d.metrics()
        ends = m.get("ocsmanager_notifications_total")
        self.assertEqual(m.get("ocsmanager_notifications_received_total"), ends)
        return m

    def test_what_came_in_is_the_sum_of_the_ways_it_ended(self):
        d = self.daemon({"users": {"map": "users.map"}, "server:main": {"max_batch": "8"},
                         "account:openchange": {"users": "j*"}}, start=False)
        d.write("users.map", "sogo\tjdoe\t*\t=\t-\n")
        d.start()
        c = self.client(d)
        consumer = self.consumer(d)
        self.accepted(c.newmail("1", id="a"), "queued")
        self.accepted(c.newmail("1"), "duplicate")
        self.accepted(c.put(notification("modified", id="a")), "duplicate")
        self.accepted(c.put(notification("modified")), "nosubscriber")
        for bad in (notification(backend="none", message="1"), notification("bad", message="1"),
                    notification(), notification(message="1", user=None),
                    notification("modified", user="jane"), notification("modified", user="anna"),
                    notification("modified", total="x")):
            self.assertGreaterEqual(c.put(bad).status, 400)
            self.accepted(c.put(bad, notification("modified")))
        for body in ("<x", document(""), "<other/>"):
            self.assertGreaterEqual(c.request("PUT", "/notification", body).status, 400)
        c.put(notification("modified"), token="nonsense")
        c.put(*[notification("modified")] * 9)
        consumer.wait_events(1)
        m = self.sum_holds(d)
        end = lambda result: m.get("ocsmanager_notifications_total", result=result)
        self.assertEqual((end("queued"), end("duplicate"), end("nosubscriber")), (1, 2, 8))
        self.assertGreaterEqual(end("refused"), 14)

    def test_it_holds_under_load_and_while_refusing(self):
        d = self.daemon({"limits": {"request_deadline": "1"}})
        self.consumer(d)
        clients = [self.client(d) for _ in range(8)]

        def load(c):
            for n in range(50):
                c.put(notification("newmail", message=str(n)), notification("newmail"),
                      notification("modified", id=str(n)))
        threads = [threading.Thread(target=load, args=(c,)) for c in clients]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(self.sum_holds(d).get("ocsmanager_notifications_received_total"),
                         8 * 50 * 3)

    def test_the_pages(self):
        d = self.daemon()
        self.assertEqual(d.operations("/healthz")[0], 200)
        status, text = d.operations("/status")
        self.assertEqual(status, 200)
        self.assertIn("<html", text)
        names = d.metrics().names()
        for name in ("notifications_received_total", "notifications_total", "queue_entries_total",
                     "requests_total"):
            self.assertIn(f"ocsmanager_{name}", names)
        self.assertEqual(d.operations("/nothing")[0], 404)
        self.assertEqual(d.operations("/notification")[0], 404)

    def test_refusals_are_counted_by_name_and_logged(self):
        d = self.daemon()
        c = self.client(d)
        c.newmail("1", backend="nothere")
        self.assertEqual(d.metrics().get("ocsmanager_refusals_total", name="UNKNOWN_BACKEND"), 1)
        self.assertEqual(d.metrics().get("ocsmanager_requests_total", code="422"), 1)
        self.assertIn("UNKNOWN_BACKEND", d.log())

    def test_a_line_from_outside_cannot_forge_a_log_line(self):
        d = self.daemon()
        c = self.client(d)
        c.newmail("1", backend="x&#10;forged")
        c.put(notification(message="1", backend=None, raw="<backend>a&#13;&#10;forged line</backend>"))
        self.assertFalse([l for l in d.log().splitlines() if l.startswith("forged")])


class Manager:
    """The service manager's end of NOTIFY_SOCKET."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="o")
        self.path = os.path.join(self.folder, "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.settimeout(LIMIT)
        self.heard = []

    def wait(self, words):
        end = time.monotonic() + LIMIT  # the watchdog is heard for ever
        while not any(words in text for text in self.heard):
            self.heard.append(self.socket.recv(4096).decode())
            if time.monotonic() > end:
                raise AssertionError(f"not within {LIMIT} s: {words!r}; heard {sorted(set(self.heard))}")

    def close(self):
        self.socket.close()
        shutil.rmtree(self.folder)


NOBODY = "amqp://ocs:s3cret@127.0.0.1:1/v"  # a port where nobody listens


class Link(ServiceTest):
    """The link on the pages, without a broker: with one it is tests/live."""

    def link(self, d):
        status, text = d.operations("/link")
        self.assertEqual(status, 200, text)
        return json.loads(text)

    def away(self, **keys):
        """A daemon that has noticed that there is no broker."""
        d = self.daemon({"rabbitmq": {"uri": NOBODY, **keys}})
        wait_until(lambda: self.link(d)["connections"]["publish"]["reason"], what="it was tried")
        return d

    def test_a_single_machine_has_no_link(self):
        d = self.daemon()
        self.assertEqual(d.operations("/link")[0], 404)
        self.assertEqual(d.operations("/healthz"), (200, "ok\n"))
        self.assertNotIn("Other machines", d.operations("/status")[1])
        self.assertFalse([n for n in d.metrics().names() if n.startswith("ocsmanager_link_")])

    def test_without_broker_and_spool_it_is_not_healthy_and_says_why(self):
        d = self.away()
        wait_until(lambda: d.operations("/healthz")[0] == 503, what="it is not healthy")
        first, *notes = d.operations("/healthz")[1].splitlines()
        self.assertIn("broker", first)
        self.assertRegex(notes[0], r"^link: publish is connecting for \d+ s: .")

    def test_what_the_broker_did_not_take_counts_as_refused_and_is_no_success(self):
        d = self.away()
        wait_until(lambda: d.operations("/healthz")[0] == 503, what="it is not healthy")
        c = self.client(d)
        for n in range(5):
            self.refused(c.newmail(str(n)), 503, "BROKER_UNAVAILABLE")
        m = d.metrics()
        end = lambda result: m.get("ocsmanager_notifications_total", result=result)
        self.assertEqual((end("refused"), end("nosubscriber"), end("queued")), (5, 0, 0))
        self.assertEqual(m.get("ocsmanager_notifications_received_total"), 5)
        self.assertEqual(m.get("ocsmanager_last_success_timestamp_seconds"), 0)
        self.assertEqual(m.get("ocsmanager_refusals_total", name="BROKER_UNAVAILABLE"), 5)
        # ... and once there is a session, what it gets is refused all the same: it says so to one
        # who will report it again.
        consumer = self.consumer(d)
        self.refused(c.newmail("x"), 503, "BROKER_UNAVAILABLE")
        consumer.wait_events(1)
        self.assertEqual(d.metrics().get("ocsmanager_notifications_total", result="refused"), 6)

    def test_the_service_manager_hears_that_the_broker_is_dead(self):
        manager = Manager()
        self.addCleanup(manager.close)
        d = self.daemon({"rabbitmq": {"uri": NOBODY}}, env={"NOTIFY_SOCKET": manager.path})
        manager.wait("STATUS=cannot deliver: ")
        self.assertIn("broker", manager.heard[-1])
        self.assertTrue(any("READY=1" in text for text in manager.heard))
        self.assertEqual(d.metrics().get("ocsmanager_healthy"), 0)
        self.assertEqual(d.metrics().get("ocsmanager_health_trouble", source="link"), 2)

    def test_a_spool_keeps_it_healthy_and_the_page_says_what_is_missing(self):
        d = self.away(spool_max="1")
        status, text = d.operations("/healthz")
        self.assertEqual((status, text.splitlines()[0]), (200, "ok"), text)
        self.assertIn("link: publish is connecting", text)
        self.assertTrue(self.link(d)["spools"])
        client = self.client(d)
        self.accepted(client.newmail("1"), "queued")
        wait_until(lambda: "link: waiting in the spool: 1\n" in d.operations("/healthz")[1],
                   what="it is in the spool")
        self.assertEqual(d.metrics().get("ocsmanager_link_spool_messages"), 1)

    def test_every_counter_of_the_link_is_a_metric(self):
        d = self.away()
        names = d.metrics().names()
        for name, value in self.link(d)["counters"].items():
            self.assertIsInstance(value, int)
            self.assertTrue({f"ocsmanager_link_{name}", f"ocsmanager_link_{name}_total"} & names,
                            name)

    def test_the_state_of_each_connection(self):
        d = self.away()
        wait_until(lambda: all(c["reason"] for c in self.link(d)["connections"].values()),
                   what="all were tried")
        m = d.metrics()
        for which in ("publish", "consume", "bind"):
            state = self.link(d)["connections"][which]
            self.assertEqual(state["state"], "connecting")
            self.assertGreaterEqual(state["seconds"], 0)
            self.assertEqual(m.get("ocsmanager_link_up", 1, connection=which), 0)
            self.assertEqual(m.get("ocsmanager_link_state", connection=which, state="connecting"), 1)
            self.assertEqual(m.get("ocsmanager_link_state", connection=which), 1)
        self.assertIn("<td>publish</td><td>connecting for ", d.operations("/status")[1])

    def test_a_relay_uses_one_connection(self):
        d = self.away(relay="yes")
        connections = self.link(d)["connections"]
        self.assertEqual((connections["consume"]["state"], connections["bind"]["state"]),
                         ("off", "off"))
        self.assertEqual({dict(l)["connection"] for n, l in d.metrics()
                          if n == "ocsmanager_link_up"}, {"publish"})
        page = d.operations("/status")[1]
        self.assertIn("handed to the ingest queue", page)
        self.assertNotIn("dead letters", page)
        self.assertNotIn("consume", d.operations("/healthz")[1])

    def test_the_password_is_on_no_page(self):
        d = self.away()
        for page in ("/healthz", "/link", "/metrics", "/status"):
            self.assertNotIn("s3cret", d.operations(page)[1])
        self.assertNotIn("s3cret", d.log())


class Connections(ServiceTest):
    def stalls(self, n):
        d = self.daemon({"limits": {"connections_per_address": "600"},
                         "server:main": {"connection_limit": "400"}})
        token = self.client(d).token
        body = document(f"<token>{token}</token>" + notification("modified"))
        request = ("PUT /notification HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\n"
                   f"Content-Length: {len(body)}\r\n\r\n{body}").encode()
        raws = [self.raw(d) for _ in range(n)]
        times = []
        for _ in range(10):
            start = time.monotonic()
            for raw in raws:  # all become ready together
                raw.send(request)
            for raw in raws:
                self.assertEqual(raw.response()[0], 200)
            times.append(time.monotonic() - start)
        # a stall comes each time, and lasts until something else wakes the thread
        self.assertLess(min(times), 1, f"a stall at {n} connections")
        for raw in raws:
            raw.socket.close()

    def test_127_connections(self):
        self.stalls(127)

    def test_128_connections(self):
        self.stalls(128)

    def test_129_connections(self):
        self.stalls(129)

    def test_256_connections(self):
        self.stalls(256)

    def test_one_thread_with_all_it_may_have(self):
        d = self.daemon({"server:main": {"threads": "1"}})
        token = self.client(d).token
        body = document(f"<token>{token}</token>" + notification("modified"))
        request = ("PUT /notification HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\n"
                   f"Content-Length: {len(body)}\r\n\r\n{body}").encode()
        raws = [self.raw(d) for _ in range(110)]
        times = []
        for _ in range(5):
            start = time.monotonic()
            for raw in raws:
                raw.send(request)
            for raw in raws:
                self.assertEqual(raw.response()[0], 200)
            times.append(time.monotonic() - start)
        self.assertLess(min(times), 1, times)

    def test_past_the_limit_of_an_address_others_are_still_served(self):
        d = self.daemon({"limits": {"connections_per_address": "20"}})
        greedy = [self.raw(d) for _ in range(40)]
        served = 0
        for raw in greedy:
            try:
                raw.send("GET /authenticate HTTP/1.1\r\nHost: x\r\n\r\n")
                served += raw.response()[0] == 200
            except OSError:
                pass
        self.assertEqual(served, 20)
        with Client(d, source="127.0.0.3") as c:
            self.assertEqual(c.login_plain().status, 200)
        self.assertEqual(d.operations("/healthz")[0], 200)

    def test_connections_that_come_and_go_leave_nothing(self):
        d = self.daemon({"limits": {"request_deadline": "1"}})
        before = len(os.listdir(f"/proc/{d.pid}/fd"))
        closed = lambda: len(os.listdir(f"/proc/{d.pid}/fd")) <= before + 2
        for round_ in range(1, 4):
            for _ in range(150):
                with Raw(d) as raw:
                    raw.send("GET /authenticate HTTP/1.1\r\n")
            d.wait_metric("ocsmanager_connections_total", 150 * round_)  # none waits in the backlog
            wait_until(closed, what="the descriptors are closed")
        for _ in range(100):
            with Client(d) as c:
                c.request("GET", "/authenticate")
        wait_until(closed, what="the descriptors are closed")


if __name__ == "__main__":
    unittest.main()
