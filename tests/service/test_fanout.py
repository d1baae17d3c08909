# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Which entries each kind of notification makes, table by table, and who hears of them."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness.case import ServiceTest
from harness.client import notification
from harness.ropnotify import decode_all

ALL_TABLES = ("newmail", "object", "contents", "hierarchy", "search")
CHANGED, ADDED, DELETED, MODIFIED = 1, 3, 4, 5
# Rows need data that only a host has: an informative event or the plain one.
ROW_ADDED, ROW_MODIFIED = {CHANGED, ADDED}, {CHANGED, MODIFIED}


class Probe:
    """Sends notifications and says which events each of them made: a search-completed behind it,
    which makes exactly one event of its own table, tells when all of them have come."""

    def __init__(self, test, daemon, client, user="jdoe", tables=ALL_TABLES, **more):
        self.test, self.client = test, client
        self.consumer = test.consumer(daemon, user, tables, **more)
        self.user, self.seen, self.ends = user, 0, 0

    def marks(self, events):
        return [e for e in events if e["event"] == "search"]

    def send(self, *notes):
        self.test.accepted(self.client.put(*notes))
        return self.collect()

    def collect(self):
        self.ends += 1
        self.test.accepted(self.client.put(
            notification("search-completed", user=self.user, folder="end of the probe")))
        self.consumer.out.wait(
            lambda _: len(self.marks(self.consumer.events())) >= self.ends, what="the end mark")
        events = self.consumer.events()
        new, self.seen = events[self.seen:], len(events)
        self.test.assertEqual(new[-1]["event"], "search", "events come in the order of acceptance")
        return new[:-1]


def tabulate(events):
    """table -> [(flags, te, fid)] in order"""
    found = {table: [] for table in ALL_TABLES}
    for event in events:
        found[event.table].append((event.flags, event.table_event, event.fid))
    return found


class Fanout(ServiceTest):
    """Design section 4, row by row, as seen by a whole-store subscription of every table."""

    @classmethod
    def setUpClass(cls):
        from harness.client import logged_in
        from harness.daemon import Daemon
        cls.shared = Daemon().start()
        cls.addClassCleanup(cls.shared.close)
        cls.client_ = logged_in(cls.shared)
        cls.addClassCleanup(cls.client_.close)

    def setUp(self):
        self.user = self.id().rsplit(".", 1)[1][:60]  # each test has a store of its own
        self.probe = Probe(self, self.shared, self.client_, self.user)

    def note(self, category, folder="INBOX", message=None, **more):
        return notification(category, user=self.user, folder=folder, message=message, **more)

    def fid(self, folder):
        events = self.probe.send(self.note("modified", folder))
        return next(e.fid for e in events if e.table == "object")

    def expect(self, events, newmail=(), obj=(), contents=(), hierarchy=()):
        """obj and newmail: (flags, fid); contents: (set of te, fid); hierarchy: the same."""
        got = tabulate(events)
        self.assertEqual([(f, fid) for f, _, fid in got["newmail"]], list(newmail), "newmail")
        self.assertEqual(sorted((f, fid) for f, _, fid in got["object"]), sorted(obj), "object")
        for table, flags, wanted in (("contents", 0x8100, contents), ("hierarchy", 0x0100, hierarchy)):
            self.assertEqual(len(got[table]), len(wanted), f"{table}: {got[table]}")
            for (f, te, fid), (allowed, place) in zip(sorted(got[table], key=lambda r: r[2]),
                                                      sorted(wanted, key=lambda w: w[1])):
                self.assertEqual(f, flags, table)
                self.assertIn(te, allowed, table)
                if te != CHANGED or fid:
                    self.assertEqual(fid, place, table)

    def arrival(self, category, newmail):
        inbox = self.fid("INBOX")
        events = self.probe.send(self.note(category, message="1", messageClass="IPM.Task",
                                           messageFlags=5))
        self.expect(events, newmail=[(0x8002, inbox)] if newmail else [],
                    obj=[(0x8004, inbox), (0x0010, inbox)], contents=[(ROW_ADDED, inbox)],
                    hierarchy=[(ROW_MODIFIED, inbox)])
        mids = {e.mid for e in events if e.flags in (0x8002, 0x8004) and e.mid}
        self.assertEqual(len(mids), 1, "one identifier in all of them")
        events = self.probe.send(self.note(category, message="2", total=7, unread=3))
        self.expect(events, newmail=[(0x8002, inbox)] if newmail else [],
                    obj=[(0x8004, inbox), (0x3010, inbox)], contents=[(ROW_ADDED, inbox)],
                    hierarchy=[(ROW_MODIFIED, inbox)])
        folder = next(e for e in events if e.flags == 0x3010)
        self.assertEqual((folder["total"], folder["unread"]), (7, 3))
        return events

    def test_newmail(self):
        self.arrival("newmail", True)

    def test_newmail_carries_class_and_flags(self):
        new = self.probe.send(self.note("newmail", message="1", messageClass="IPM.Task",
                                        messageFlags=5))[0]
        self.assertEqual((new["event"], new["message_class"], new["message_flags"]),
                         ("newmail", "IPM.Task", 5))
        new = self.probe.send(self.note("newmail", message="2"))[0]
        self.assertEqual(new["message_class"], "IPM.Note")

    def test_message_created(self):
        self.arrival("created", False)

    def test_message_deleted(self):
        arrived = self.probe.send(self.note("newmail", message="1"))
        inbox, mid = arrived[0].fid, arrived[0].mid
        events = self.probe.send(self.note("deleted", message="1"))
        self.expect(events, obj=[(0x8008, inbox), (0x0010, inbox)], contents=[({DELETED}, inbox)],
                    hierarchy=[(ROW_MODIFIED, inbox)])
        self.assertEqual({e.mid for e in events if e.table in ("object", "contents") and e.mid}, {mid})
        self.probe.send(self.note("newmail", message="2"))
        events = self.probe.send(self.note("deleted", message="2", total=0, unread=0))
        self.expect(events, obj=[(0x8008, inbox), (0x3010, inbox)], contents=[({DELETED}, inbox)],
                    hierarchy=[(ROW_MODIFIED, inbox)])

    def test_message_deleted_that_nobody_has_seen(self):
        inbox = self.fid("INBOX")
        events = self.probe.send(self.note("deleted", message="never heard of"))
        self.expect(events, obj=[(0x8008, inbox), (0x0010, inbox)],
                    contents=[({CHANGED, DELETED}, inbox)], hierarchy=[(ROW_MODIFIED, inbox)])

    def test_message_modified(self):
        arrived = self.probe.send(self.note("newmail", message="1"))
        inbox, mid = arrived[0].fid, arrived[0].mid
        events = self.probe.send(self.note("modified", message="1"))
        self.expect(events, obj=[(0x8010, inbox)], contents=[(ROW_MODIFIED, inbox)])
        self.assertEqual(next(e.mid for e in events if e.flags == 0x8010), mid)
        events = self.probe.send(self.note("modified", message="1", total=1, unread=0))
        self.expect(events, obj=[(0x8010, inbox)], contents=[(ROW_MODIFIED, inbox)],
                    hierarchy=[(ROW_MODIFIED, inbox)])

    def test_message_moved(self):
        arrived = self.probe.send(self.note("newmail", message="1"))
        inbox, mid = arrived[0].fid, arrived[0].mid
        target = self.fid("Done")
        events = self.probe.send(self.note("moved", "Done", "9", oldFolder="INBOX",
                                           oldMessageID="1", total=4, unread=2))
        self.expect(events, obj=[(0x8020, target), (0x3010, target), (0x0010, inbox)],
                    contents=[(ROW_ADDED, target), ({DELETED}, inbox)],
                    hierarchy=[(ROW_MODIFIED, target), (ROW_MODIFIED, inbox)])
        moved = next(e for e in events if e.flags == 0x8020)
        self.assertEqual((moved.fid, moved.old_fid, moved.old_mid), (target, inbox, mid))
        self.assertNotIn(moved.mid, (0, mid))

    def test_message_copied(self):
        arrived = self.probe.send(self.note("newmail", message="1"))
        inbox, mid = arrived[0].fid, arrived[0].mid
        target = self.fid("Done")
        events = self.probe.send(self.note("copied", "Done", "9", oldFolder="INBOX",
                                           oldMessageID="1"))
        self.expect([e for e in events if e.table != "hierarchy"],
                    obj=[(0x8040, target), (0x0010, target)], contents=[(ROW_ADDED, target)])
        rows = {e.fid for e in events if e.table == "hierarchy"}
        self.assertIn(target, rows)
        self.assertLessEqual(rows, {target, inbox, 0})
        copied = next(e for e in events if e.flags == 0x8040)
        self.assertEqual((copied.old_fid, copied.old_mid), (inbox, mid))

    def test_folder_created(self):
        parent = self.fid("Work")
        events = self.probe.send(self.note("created", "Work/New"))
        made = next(e for e in events if e.table == "object")
        self.expect(events, obj=[(0x0004, made.fid)], hierarchy=[(ROW_ADDED, made.fid)])
        self.assertEqual(made.parent_fid, parent)
        self.assertNotIn(made.fid, (0, parent))

    def test_folder_created_at_the_top_hangs_under_the_root(self):
        one = next(e for e in self.probe.send(self.note("created", "One")) if e.table == "object")
        two = next(e for e in self.probe.send(self.note("created", "Two")) if e.table == "object")
        self.assertEqual(one.parent_fid, two.parent_fid)
        self.assertNotIn(one.parent_fid, (0, one.fid, two.fid))

    def test_folder_deleted(self):
        parent, gone = self.fid("Work"), self.fid("Work/Old")
        events = self.probe.send(self.note("deleted", "Work/Old"))
        self.expect(events, obj=[(0x0008, gone)], hierarchy=[({DELETED}, gone)])
        self.assertEqual(next(e.parent_fid for e in events if e.table == "object"), parent)

    def test_folder_modified(self):
        inbox = self.fid("INBOX")
        self.expect(self.probe.send(self.note("modified")), obj=[(0x0010, inbox)],
                    hierarchy=[(ROW_MODIFIED, inbox)])
        events = self.probe.send(self.note("modified", total=0, unread=0))
        self.expect(events, obj=[(0x3010, inbox)], hierarchy=[(ROW_MODIFIED, inbox)])
        self.assertEqual([(e["total"], e["unread"]) for e in events if e.flags == 0x3010], [(0, 0)])

    def test_folder_moved(self):
        old, new, moved = self.fid("A"), self.fid("B"), self.fid("A/x")
        events = self.probe.send(self.note("moved", "B/x", oldFolder="A/x"))
        event = next(e for e in events if e.table == "object")
        self.assertEqual((event.flags, event.fid, event.parent_fid, event.old_fid),
                         (0x0020, moved, new, moved))
        self.assertEqual(event.old_parent_fid, old)
        rows = [e for e in events if e.table == "hierarchy"]
        self.assertTrue(rows)
        self.assertTrue(all(e.flags == 0x0100 for e in rows))
        self.expect([e for e in events if e.table != "hierarchy"], obj=[(0x0020, moved)])

    def test_folder_copied(self):
        old, new, source = self.fid("A"), self.fid("B"), self.fid("A/x")
        events = self.probe.send(self.note("copied", "B/x", oldFolder="A/x"))
        event = next(e for e in events if e.table == "object")
        self.expect(events, obj=[(0x0040, event.fid)], hierarchy=[(ROW_ADDED, event.fid)])
        self.assertEqual((event.parent_fid, event.old_fid, event.old_parent_fid), (new, source, old))
        self.assertNotIn(event.fid, (0, source))

    def test_search_completed(self):
        folder = self.fid("Found")
        self.client_.put(self.note("search-completed", "Found"))
        event = self.probe.consumer.wait_event(
            lambda e: e["event"] == "search" and e.fid == folder, what="search-completed")
        self.assertEqual((event.flags, event.table), (0x0080, "search"))
        self.probe.ends += 1


class Matching(ServiceTest):
    """Type bits, whole store, folder and message: who hears of what."""

    def setUp(self):
        self.d = self.daemon()
        self.c = self.client(self.d)

    def learn(self, *folders):
        """The FIDs of folders of jdoe."""
        probe = Probe(self, self.d, self.c, tables=("object", "search"))
        fids = [next(e.fid for e in probe.send(notification("modified", folder=f))) for f in folders]
        probe.consumer.close()
        return fids

    def test_a_folder_subscription_hears_of_its_folder_alone(self):
        inbox, other = self.learn("INBOX", "Other")
        inside = self.consumer(self.d, tables=("newmail", "object", "contents"), folder=inbox)
        for n, folder in enumerate(("Other", "INBOX/Sub", "INBOX", "Other", "INBOX")):
            self.accepted(self.c.newmail(str(n), folder=folder))
        events = inside.wait_events(8)
        self.assertEqual({e.fid for e in events if e.fid}, {inbox})
        self.assertEqual(len([e for e in events if e.flags == 0x8002]), 2)
        store = self.consumer(self.d)
        self.accepted(self.c.newmail("x", folder="Other"), "queued")
        store.wait_events(1)
        self.assertEqual(len(inside.events()), 8)

    def test_a_hierarchy_table_shows_the_subfolders_of_its_folder(self):
        work, = self.learn("Work")
        table = self.consumer(self.d, tables=("hierarchy",), folder=work)
        self.accepted(self.c.put(notification("created", folder="Work/Sub/Deep")), "nosubscriber")
        self.accepted(self.c.put(notification("created", folder="Elsewhere")), "nosubscriber")
        self.accepted(self.c.put(notification("created", folder="Work/New")), "queued")
        self.assertEqual(len(table.wait_events(1)), 1)

    def test_type_bits_choose(self):
        chosen = self.consumer(self.d, tables=("object",), types=0x0008)
        self.accepted(self.c.newmail("1"), "nosubscriber")
        self.accepted(self.c.put(notification("modified", message="1")), "nosubscriber")
        self.accepted(self.c.put(notification("deleted", message="1")), "queued")
        self.accepted(self.c.put(notification("deleted", folder="X")), "queued")
        self.assertEqual([e.flags for e in chosen.wait_events(2)], [0x8008, 0x0008])

    def test_newmail_needs_the_newmail_bit(self):
        consumer = self.consumer(self.d)  # the default table
        self.accepted(self.c.put(notification("created", message="1")), "nosubscriber")
        self.accepted(self.c.newmail("2"), "queued")
        self.assertEqual([e.flags for e in consumer.wait_events(1)], [0x8002])

    def test_a_move_is_heard_in_its_source_and_in_its_target(self):
        source, target = self.learn("A", "B")
        self.accepted(self.c.newmail("1", folder="A"))
        there = [self.consumer(self.d, tables=("object",), folder=f) for f in (source, target)]
        self.accepted(self.c.put(notification("moved", folder="B", message="2", oldFolder="A",
                                              oldMessageID="1")), "queued")
        for consumer in there:
            events = consumer.wait_events(2)
            self.assertEqual(sorted(e.flags for e in events), [0x0010, 0x8020])

    def test_another_user_hears_nothing(self):
        other, mine = self.consumer(self.d, "other"), self.consumer(self.d, "jdoe")
        self.accepted(self.c.newmail("1"), "queued")
        self.accepted(self.c.newmail("2", user="other"), "queued")
        self.assertEqual(len(mine.wait_events(1)), 1)
        self.assertEqual(len(other.wait_events(1)), 1)
        self.assertEqual(other.events()[0]["user"], "other")

    def test_two_sessions_of_one_user_each_hear_of_everything(self):
        both = [self.consumer(self.d), self.consumer(self.d)]
        for n in range(30):
            answer = self.accepted(self.c.newmail(str(n), messageFlags=n))
            self.assertEqual(answer.results[0][1:3], ("queued", 2))
        for consumer in both:
            self.assertEqual([e["message_flags"] for e in consumer.wait_events(30)],
                             list(range(30)))
        self.assertEqual([e.mid for e in both[0].events()], [e.mid for e in both[1].events()])
        self.assertFalse({e["queue"] for e in both[0].events()}
                         & {e["queue"] for e in both[1].events()})

    def test_queues_counts_each_queue_that_was_written(self):
        self.consumer(self.d, tables=("newmail", "object", "contents", "hierarchy"))
        answer = self.accepted(self.c.newmail("1"))
        self.assertEqual(answer.results[0][1:3], ("queued", 4))

    def test_a_subscription_hears_of_what_is_accepted_from_then_on(self):
        for n in range(20):
            consumer = self.consumer(self.d, f"user{n}")
            self.accepted(self.c.newmail("1", user=f"user{n}"), "queued")
            consumer.close()

    def test_a_closed_subscription_hears_no_more(self):
        consumer = self.consumer(self.d)
        self.accepted(self.c.newmail("1"), "queued")
        consumer.close()
        self.accepted(self.c.newmail("2"), "nosubscriber")

    def test_names_that_need_encoding_reach_their_user(self):
        for n, user in enumerate(("j.doe@example.org", "grüße", "a/b", "%41", "x" * 300, "a b",
                                  "../../etc/passwd", "~tilde")):
            with self.subTest(user):
                consumer = self.consumer(self.d, user)
                self.accepted(self.c.newmail(str(n), user=user), "queued")
                event = consumer.wait_events(1)[0]
                self.assertEqual(event["user"], user)
                self.assertLessEqual(len(event["queue"]), 256)
                consumer.close()

    def test_hex_output_is_the_ropnotify_of_each_event(self):
        self.accepted(self.c.newmail("old"))
        consumer = self.consumer(self.d, tables=ALL_TABLES, form="hex")
        self.accepted(self.c.newmail("1", total=3, unread=2, messageClass="IPM.X", messageFlags=4))
        self.accepted(self.c.put(notification("deleted", message="old")))
        lines = consumer.out.wait(lambda l: len(l) >= 9 and list(l), what="nine responses")
        found = [decode_all(bytes.fromhex(line)) for line in lines]
        self.assertTrue(all(len(f) == 1 for f in found), "a line for each response")
        found = [f[0] for f in found]
        self.assertEqual([f["NotificationFlags"] for f in found[:1]], [0x8002])
        self.assertEqual(found[0]["MessageClass"], b"IPM.X\0")
        self.assertEqual(found[0]["MessageFlags"], 4)
        counts = next(f for f in found if f["NotificationFlags"] == 0x3010)
        self.assertEqual((counts["TotalMessageCount"], counts["UnreadMessageCount"]), (3, 2))
        events = {f["TableEventType"] for f in found if f["NotificationFlags"] & 0xFFF == 0x100}
        self.assertEqual(events, {CHANGED, DELETED}, "nobody gave row data")


if __name__ == "__main__":
    unittest.main()
