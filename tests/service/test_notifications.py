# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""What becomes of a notification: its statuses, duplicates, identifiers, and who sees which folder."""

import os
import sys
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness.case import ServiceTest
from harness.client import notification
from harness.wait import wait_until


class Statuses(ServiceTest):
    def setUp(self):
        self.d = self.daemon()
        self.c = self.client(self.d)

    def test_one_result_for_each_in_order_with_its_id(self):
        self.consumer(self.d)
        answer = self.accepted(self.c.put(
            notification("newmail", message="1", id="a<&\">"), notification("newmail", message="1"),
            notification("newmail", message="2", user="other", id="c"),
            notification("newmail", message="3", backend="none"), notification("modified", id="e")))
        self.assertEqual(answer.results, [
            ("a<&\">", "queued", 1, None), (None, "duplicate", 0, None),
            ("c", "nosubscriber", 0, None), (None, "refused", 0, "UNKNOWN_BACKEND"),
            ("e", "nosubscriber", 0, None)])

    def test_one_of_every_category_is_taken_alone_and_together(self):
        notes = [notification("newmail", message="1"), notification("created", message="2"),
                 notification("created", folder="New"), notification("deleted", message="2"),
                 notification("deleted", folder="New"), notification("modified", message="1"),
                 notification("modified"),
                 notification("moved", message="3", folder="B", oldFolder="INBOX", oldMessageID="1"),
                 notification("moved", folder="C", oldFolder="B"),
                 notification("copied", message="4", folder="B", oldFolder="C", oldMessageID="3"),
                 notification("copied", folder="D", oldFolder="C"),
                 notification("search-completed", folder="Search")]
        for note in notes:
            self.accepted(self.c.put(note), "nosubscriber")
        answer = self.accepted(self.c.put(*notes))
        self.assertEqual(len(answer.statuses), len(notes))
        self.assertLessEqual(set(answer.statuses), {"nosubscriber", "duplicate"})

    def test_newmail_at_its_own_path(self):
        self.accepted(self.c.put(notification("newmail", message="1"), path="/notification/newmail"),
                      "nosubscriber")

    def test_the_largest_batch_of_the_defaults(self):
        consumer = self.consumer(self.d)
        # its texts must fit into max_body
        notes = [notification("newmail", message=str(n), messageFlags=n) for n in range(256)]
        body = self.c.body(notes)
        self.assertLess(len(body), 65536)
        self.assertEqual(self.accepted(self.c.put(*notes)).statuses, ["queued"] * 256)
        self.assertEqual([e["message_flags"] for e in consumer.wait_events(256)], list(range(256)))
        self.refused(self.c.put(*notes, notes[0]), 422, "BATCH_TOO_LARGE")

    def test_within_a_batch_the_order_is_kept_for_each_consumer(self):
        consumer = self.consumer(self.d, tables=("newmail", "object", "contents", "hierarchy"))
        self.accepted(self.c.put(*[
            notification("newmail", message=str(n), folder=f"F{n % 5}", total=n, unread=0)
            for n in range(100)]))
        events = consumer.wait_events(500)
        self.assertEqual([e["total"] for e in events if e.flags == 0x3010], list(range(100)))


    def test_a_drain_sorts_the_queues_of_a_session_by_acceptance(self):
        consumer = self.consumer(self.d, tables=("newmail", "object", "contents", "hierarchy"))
        consumer.stop()  # so that all is drained at once
        for n in range(4):
            self.accepted(self.c.put(notification("modified", total=n, unread=0)), "queued")
            self.accepted(self.c.newmail(str(n), folder="Other", messageFlags=n), "queued")
        consumer.go_on()
        events = consumer.wait_events(4 * (2 + 5))
        self.assertEqual([e["sequence"] for e in events], sorted(e["sequence"] for e in events))
        story = [(e.flags, e["total"] if e.flags == 0x3010 else e["message_flags"])
                 for e in events if e.flags in (0x3010, 0x8002)]
        self.assertEqual(story, [pair for n in range(4) for pair in ((0x3010, n), (0x8002, n))])


class Duplicates(ServiceTest):
    def test_the_same_account_and_id_within_the_window(self):
        d = self.daemon()
        c, consumer = self.client(d), self.consumer(d, tables=("object",))
        self.accepted(c.put(notification("modified", id="one")), "queued")
        self.accepted(c.put(notification("modified", id="one")), "duplicate")
        self.accepted(c.put(notification("deleted", folder="X", id="one")), "duplicate")
        self.accepted(c.put(notification("modified", id="two")), "queued")
        d.reload({"main": {"dedupe_window": "1"}})
        wait_until(lambda: c.put(notification("modified", id="one")).statuses == ["queued"],
                   what="the window ends")
        consumer.wait_events(3)
        self.assertEqual(len(consumer.events()), 3, "no second event for a duplicate")

    def test_within_one_batch(self):
        c = self.client(self.daemon())
        self.accepted(c.put(notification("modified", id="x"), notification("modified", id="x")),
                      "nosubscriber", "duplicate")

    def test_ids_of_two_accounts_are_different_things(self):
        from harness import hashes
        d = self.daemon({"main": {"auth": "file"}, "auth:file": {"file": "accounts"}}, start=False)
        d.write("accounts", f"one:{hashes.ssha('p')}\ntwo:{hashes.ssha('p')}\n", 0o600)
        d.start()
        one, two = self.client(d, login=False), self.client(d, login=False)
        one.login_ssha("one", "p"), two.login_ssha("two", "p")
        self.accepted(one.put(notification("modified", id="x")), "nosubscriber")
        self.accepted(two.put(notification("modified", id="x")), "nosubscriber")
        self.accepted(two.put(notification("modified", id="x")), "duplicate")

    def test_a_refused_one_does_not_use_its_id_up(self):
        c = self.client(self.daemon())
        self.refused(c.put(notification("modified", backend="none", id="x")), 422, "UNKNOWN_BACKEND")
        self.assertEqual(c.put(notification("modified", user=None, id="x")).status, 422)
        self.accepted(c.put(notification("modified", id="x")), "nosubscriber")

    def test_ids_are_remembered_across_a_restart_and_a_kill(self):
        d = self.daemon()
        c = self.client(d)
        self.accepted(c.newmail("1", id="x"), "nosubscriber")
        self.accepted(c.put(notification("created", message="2", id="y")), "nosubscriber")
        for end in (d.terminate, d.kill):
            end()
            d.start()
            again = self.client(d)
            self.accepted(again.newmail("1", id="x"), "duplicate")
            self.accepted(again.newmail("1", id="other"), "duplicate")

    def test_a_newmail_whose_message_is_registered(self):
        d = self.daemon()
        c, consumer = self.client(d), self.consumer(d)
        self.accepted(c.newmail("1"), "queued")
        self.accepted(c.newmail("1"), "duplicate")
        self.accepted(c.newmail("1", folder="Other"), "queued")
        self.accepted(c.newmail("1", user="other"), "nosubscriber")
        self.accepted(c.newmail("2"), "queued")
        self.assertEqual(len(consumer.wait_events(3)), 3)
        self.accepted(c.put(notification("deleted", message="1")))
        self.accepted(c.newmail("1"), "queued")  # the name was used again

    def test_duplicates_in_flight_wait_for_the_first(self):
        d = self.daemon({"limits": {"failed_logins": "100"}})
        consumer = self.consumer(d)
        clients = [self.client(d) for _ in range(16)]
        for round_ in range(20):
            found, gate = [], threading.Barrier(len(clients))

            def send(client):
                gate.wait()
                found.append(client.newmail(f"r{round_}", id=f"r{round_}").statuses[0])

            threads = [threading.Thread(target=send, args=(c,)) for c in clients]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            self.assertEqual(sorted(found), ["duplicate"] * 15 + ["queued"])
        self.accepted(clients[0].newmail("last"), "queued")
        events = consumer.wait_events(21)
        self.assertEqual(len({e.mid for e in events}), 21)


class Identifiers(ServiceTest):
    def setUp(self):
        self.d = self.daemon()
        self.c = self.client(self.d)
        self.o = self.consumer(self.d, tables=("object",), types=0x007C)

    def send(self, *notes):
        before = len(self.o.events())
        self.accepted(self.c.put(*notes))
        return self.o.wait_events(before + 1)[before:]

    def event(self, note, flags):
        before = len(self.o.events())
        self.accepted(self.c.put(note))
        found = lambda e: e.flags == flags
        self.o.out.wait(lambda _: any(found(e) for e in self.o.events()[before:]))
        return next(e for e in self.o.events()[before:] if found(e))

    def test_identifiers_are_kept_and_never_repeat(self):
        seen = {}
        for n in range(30):
            event = self.event(notification("created", message=f"m{n}", folder=f"F{n % 3}"), 0x8004)
            seen[f"m{n}"] = event.mid
            self.assertEqual(event.mid & 0xFFFF, 1, "the replica id")
        self.assertEqual(len(set(seen.values())), 30)
        self.d.kill()
        self.d.start()
        self.c = self.client(self.d)
        again = self.event(notification("modified", message="m4", folder="F1"), 0x8010)
        self.assertEqual(again.mid, seen["m4"])
        new = self.event(notification("created", message="new"), 0x8004)
        self.assertNotIn(new.mid, set(seen.values()))

    def test_a_new_uid_validity_retires_the_messages(self):
        self.accepted(self.c.newmail("1", uidValidity=100), "queued")
        self.accepted(self.c.newmail("1", uidValidity=100), "duplicate")
        self.accepted(self.c.newmail("1"), "duplicate")
        self.accepted(self.c.newmail("1", uidValidity=200), "queued")
        self.accepted(self.c.newmail("1", uidValidity=200), "duplicate")
        created = [e for e in self.o.events() if e.flags == 0x8004]
        self.o.out.wait(lambda _: len([e for e in self.o.events() if e.flags == 0x8004]) >= 2)
        created = [e for e in self.o.events() if e.flags == 0x8004]
        self.assertNotEqual(created[0].mid, created[1].mid)
        self.assertEqual(created[0].fid, created[1].fid, "the folder is the same")

    def test_a_name_that_another_mail_has_now_is_a_new_mail(self):
        # A home that was restored from a snapshot: UIDs are given again, uidValidity stays.
        watching = self.consumer(self.d, tables=("newmail", "object", "contents"))
        self.accepted(self.c.newmail("7", uidValidity=1, guid="first", id="a"), "queued")
        self.accepted(self.c.newmail("7", uidValidity=1, guid="first", id="b"), "duplicate")
        self.accepted(self.c.newmail("7", uidValidity=1, id="c"), "duplicate")
        self.accepted(self.c.newmail("7", uidValidity=1, guid="second", id="d"), "queued")
        events = watching.wait_events(4 + 6)
        first = next(e for e in events if e.flags == 0x8002).mid
        again = events[4:]
        new = next(e for e in again if e.flags == 0x8002).mid
        self.assertNotEqual(first, new)
        self.assertEqual([e.flags for e in again if e.mid == first], [0x8008, 0x8100])
        gone, came = ([n for n, e in enumerate(again) if e.mid == mid] for mid in (first, new))
        self.assertLess(max(n for n in gone if again[n].flags == 0x8008),
                        min(n for n in came if again[n].flags == 0x8004))
        # A repeated report does no harm, at once and after a kill.
        for _ in range(2):
            self.accepted(self.c.newmail("7", uidValidity=1, guid="second", id="e"), "duplicate")
            self.accepted(self.c.newmail("7", guid="second"), "duplicate")
            self.accepted(self.c.newmail("7"), "duplicate")
            self.d.kill()
            self.d.start()
            self.c = self.client(self.d)
        self.assertEqual(self.event(notification("modified", message="7"), 0x8010).mid, new)
        self.assertEqual(len([e for e in watching.events() if e.flags == 0x8002]), 2)

    def test_every_way_a_mail_comes_tells_which_mail_it_is(self):
        mids = [self.event(notification("created", message="7", guid="a"), 0x8004).mid]
        mids.append(self.event(notification("created", message="7", guid="a"), 0x8004).mid)
        self.accepted(self.c.newmail("7", guid="a"), "duplicate")
        mids.append(self.event(notification("created", message="7", guid="b"), 0x8004).mid)
        mids.append(self.event(notification("moved", message="7", guid="c", oldFolder="B",
                                            oldMessageID="1"), 0x8020).mid)
        mids.append(self.event(notification("copied", message="7", guid="d", oldFolder="B",
                                            oldMessageID="1"), 0x8040).mid)
        # What merely happens to it makes no other mail of it.
        mids.append(self.event(notification("modified", message="7", guid="x"), 0x8010).mid)
        mids.append(self.event(notification("deleted", message="7", guid="y"), 0x8008).mid)
        self.assertEqual(mids[0], mids[1])
        self.assertEqual((mids[5], mids[6]), (mids[4], mids[4]))
        self.assertEqual(len(set(mids)), 4)

    def test_a_guid_first_known_later_makes_no_second_mail(self):
        self.accepted(self.c.newmail("7"), "queued")
        self.accepted(self.c.newmail("7", guid="a"), "duplicate")

    def test_a_renamed_folder_keeps_its_fid_and_takes_its_subfolders_along(self):
        top = self.event(notification("modified", folder="Old"), 0x0010).fid
        sub = self.event(notification("modified", folder="Old/Sub"), 0x0010).fid
        message = self.event(notification("created", folder="Old/Sub", message="1"), 0x8004).mid
        moved = self.event(notification("moved", folder="New", oldFolder="Old"), 0x0020)
        self.assertEqual((moved.fid, moved.old_fid), (top, top))
        self.assertEqual(self.event(notification("modified", folder="New"), 0x0010).fid, top)
        self.assertEqual(self.event(notification("modified", folder="New/Sub"), 0x0010).fid, sub)
        self.assertEqual(self.event(notification("modified", folder="New/Sub", message="1"),
                                    0x8010).mid, message)
        fresh = self.event(notification("modified", folder="Old"), 0x0010).fid
        self.assertNotIn(fresh, (top, sub))

    def test_a_folder_deleted_and_made_again_starts_afresh(self):
        first = self.event(notification("modified", folder="X"), 0x0010).fid
        sub = self.event(notification("modified", folder="X/Y"), 0x0010).fid
        self.accepted(self.c.newmail("1", folder="X"), "queued")
        self.event(notification("deleted", folder="X"), 0x0008)
        second = self.event(notification("created", folder="X"), 0x0004).fid
        self.assertNotEqual(first, second)
        self.assertNotEqual(self.event(notification("modified", folder="X/Y"), 0x0010).fid, sub)
        self.accepted(self.c.newmail("1", folder="X"), "queued")

    def test_a_moved_message_is_registered_where_it_went(self):
        self.accepted(self.c.newmail("1"), "queued")
        self.event(notification("moved", folder="B", message="7", oldFolder="INBOX",
                                oldMessageID="1"), 0x8020)
        self.accepted(self.c.newmail("7", folder="B"), "duplicate")
        self.accepted(self.c.newmail("1"), "queued")


class UserMap(ServiceTest):
    FID = 0x00000000BEEF0001

    def setUp(self):
        self.d = self.daemon({"users": {"map": "users.map"}}, start=False)

    def start(self, *lines):
        self.d.write("users.map", "# backend, user, folder, groupware user, FID\n"
                     + "".join("\t".join(line) + "\n" for line in lines))
        self.d.start()
        self.c = self.client(self.d)

    def test_a_shared_folder_is_seen_by_several_users_each_with_a_fid_of_its_own(self):
        self.start(("sogo", "jdoe", "*", "=", "-"), ("sogo", "jdoe", "Team", "anna", "-"),
                   ("sogo", "jdoe", "Team", "bert@example.org", "-"))
        consumers = [self.consumer(self.d, u) for u in ("jdoe", "anna", "bert@example.org")]
        answer = self.accepted(self.c.newmail("1", folder="Team"))
        self.assertEqual(answer.results[0][1:3], ("queued", 3))
        events = [c.wait_events(1)[0] for c in consumers]
        self.assertEqual([e["user"] for e in events], ["jdoe", "anna", "bert@example.org"])
        self.assertEqual(self.accepted(self.c.newmail("1", folder="INBOX")).results[0][1:3],
                         ("queued", 1))

    def test_the_fid_of_the_map_wins(self):
        self.start(("sogo", "jdoe", "INBOX", "john@example.org", f"{self.FID:016x}"),
                   ("*", "*", "*", "=", "-"))
        consumer = self.consumer(self.d, "john@example.org", folder=self.FID)
        self.accepted(self.c.newmail("1", folder="inbox"), "queued")
        self.assertEqual(consumer.wait_events(1)[0].fid, self.FID)

    def test_a_change_of_the_map_is_taken_at_reload_and_a_bad_one_is_not(self):
        self.start(("sogo", "jdoe", "*", "john", "-"))
        consumer = self.consumer(self.d, "anna")
        self.accepted(self.c.newmail("1"), "nosubscriber")
        self.d.write("users.map", "sogo\tjdoe\t*\tanna\t-\n")
        self.d.reload()
        wait_until(lambda: self.c.put(notification("newmail", message=os.urandom(4).hex())
                                      ).statuses == ["queued"], what="the new map counts")
        self.d.write("users.map", "sogo\tjdoe\n")
        self.d.reload()
        self.accepted(self.c.newmail("after"), "queued")
        self.assertRegex(self.d.log(), r"users\.map:1")
        self.assertTrue(consumer.events() or consumer.wait_events(1))


if __name__ == "__main__":
    unittest.main()
