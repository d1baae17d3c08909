# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Who is who: case, domains and aliases, users whom nobody knows, OpenChange's database of mailboxes, and that a
reload takes all over or nothing."""

import json
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from harness import openchange, paths  # noqa: E402
from harness.case import ServiceTest  # noqa: E402
from harness.client import notification  # noqa: E402
from harness.wait import LIMIT, wait_until  # noqa: E402

INBOX = 0x2c00000000000001
LDIF = openchange.mailbox("anna", INBOX)
SOGO = {"uri": "sogo://{user}:{user}@mail/{folder:sogo}/{message}.eml"}


class Users(ServiceTest):
    def ctl(self, daemon, *words):
        done = subprocess.run([paths.program("ocsctl"), "-c", daemon.ini, *words], capture_output=True, text=True,
                              timeout=LIMIT, check=False, stdin=subprocess.DEVNULL)
        return done.returncode, done.stdout, done.stderr

    def published(self, daemon):
        with open(os.path.join(daemon.registry, "users.map"), encoding="utf-8") as f:
            return [line for line in f.read().splitlines() if not line.startswith("#")]


class Names(Users):
    def test_what_an_original_client_reports_reaches_the_right_session_once(self):
        """It capitalises the user and lower-cases the folder."""
        d = self.daemon({"main": {"case": "fold"}})
        session = self.consumer(d, user="jdoe", tables=("newmail",))
        client = self.client(d)
        self.accepted(client.put(notification(folder="INBOX/Projects", message="1")), "queued")
        first = session.wait_events(1)[0]
        self.accepted(client.put(notification(user="Jdoe", folder="inbox/projects", message="1")), "duplicate")
        self.accepted(client.put(notification(user="Jdoe", folder="inbox/projects", message="2")), "queued")
        self.assertEqual(session.wait_events(2)[1].fid, first.fid)

    def test_a_session_by_another_name_of_the_user_hears_too(self):
        d = self.daemon({"users": {"map": "users", "domains": "example.org"}}, start=False)
        d.write("users", "alias\tjohn.doe\tjdoe\n")
        d.start()
        session = self.consumer(d, user="john.doe@example.org", tables=("newmail",))
        client = self.client(d)
        self.accepted(client.put(notification(message="1")), "queued")
        self.accepted(client.put(notification(user="john.doe", message="1")), "duplicate")
        self.accepted(client.put(notification(user="jdoe@example.org", message="1")), "duplicate")
        self.assertEqual(len(session.wait_events(1)), 1)

    def test_exact_is_what_it_was(self):
        d = self.daemon()
        self.consumer(d, user="jdoe", tables=("newmail",))
        self.accepted(self.client(d).put(notification(user="Jdoe", message="1")), "nosubscriber")


class Unknown(Users):
    def test_refused_until_there_is_a_session(self):
        d = self.daemon({"main": {"unknown": "refuse"}})
        client = self.client(d)
        self.refused(client.put(notification(message="1")), 422, "UNKNOWN_USER")
        self.refused(client.put(notification("modified")), 422, "UNKNOWN_USER")
        session = self.consumer(d, tables=("newmail",))
        self.accepted(client.put(notification(message="1")), "queued")
        session.close()
        self.accepted(client.put(notification(message="1")), "duplicate")  # it has identifiers

    def test_invented_names_cost_nothing_past_a_bound(self):
        d = self.daemon({"main": {"unknown_users": "5"}})
        index = os.path.join(d.registry, "index.tdb")
        client = self.client(d)
        batch = [notification("modified", user=f"u{n}", message="1") for n in range(200)]
        before = os.stat(index)
        self.accepted(client.put(*batch), *["nosubscriber"] * 200)
        self.assertEqual((os.stat(index).st_mtime_ns, os.stat(index).st_size), (before.st_mtime_ns, before.st_size))
        batch = [notification(user=f"u{n}", message="1") for n in range(200)]
        self.accepted(client.put(*batch), *["nosubscriber"] * 200)
        self.accepted(client.put(*batch), *["duplicate"] * 5, *["nosubscriber"] * 195)


class Reload(Users):
    def test_a_bad_line_keeps_the_map_whole_and_is_told_with_file_and_line(self):
        d = self.daemon({"users": {"map": "users"}}, start=False)
        path = d.write("users", "sogo\tteam\tINBOX\tjdoe\t00ab000000000007\n")
        d.start()
        session = self.consumer(d, tables=("newmail",))
        client = self.client(d)
        self.accepted(client.put(notification(user="team", message="1")), "queued")
        d.write("users", "sogo\tteam\tINBOX\tmary\t-\nsogo\tother\tINBOX\tjdoe\t-\nbad\n")
        self.assertIn("refused", d.reload(says="reload refused"))
        self.assertIn(f"{path}:3: ", d.log())
        status, out, err = self.ctl(d, "reload")
        self.assertEqual(status, 1, out)
        self.assertIn(f"{path}:3: ", err)
        self.accepted(client.put(notification(user="team", message="2")), "queued")
        self.refused(client.put(notification(user="other", message="1")), 422, "UNKNOWN_USER")
        self.assertEqual(self.published(d), ["sogo\tteam\tINBOX\tjdoe\t00ab000000000007"])
        self.assertNotIn("users.map.new", os.listdir(d.registry))
        d.write("users", "sogo\tother\tINBOX\tjdoe\t00ab000000000008\n")
        status, out, err = self.ctl(d, "--json", "reload")
        self.assertEqual(status, 0, err)
        self.assertEqual(json.loads(out), {"reloaded": True, "messages": []})
        self.accepted(client.put(notification(user="other", message="1")), "queued")
        self.assertEqual(session.wait_events(3)[2].fid, 0x00ab000000000008)
        self.assertEqual(self.published(d), ["sogo\tother\tINBOX\tjdoe\t00ab000000000008"])

    def test_what_the_libraries_read_comes_back_and_goes_with_the_map(self):
        d = self.daemon({"users": {"map": "users"}}, start=False)
        d.write("users", "alias\ta\tjdoe\n")
        d.start()
        path = os.path.join(d.registry, "users.map")
        self.assertEqual(self.published(d), ["alias\ta\tjdoe"])
        os.unlink(path)
        wait_until(lambda: os.path.exists(path), what="users.map again")
        d.write_ini({})
        self.assertEqual(self.ctl(d, "reload")[0], 0)
        self.assertFalse(os.path.exists(path))

    def test_without_a_daemon_there_is_nobody_to_tell(self):
        d = self.daemon(start=False)
        status, _, err = self.ctl(d, "reload")
        self.assertEqual(status, 1)
        self.assertIn("no daemon", err)


class OpenChange(Users):
    def test_its_mailboxes_folders_and_fids_are_ours(self):
        d = self.daemon({"main": {"openchangedb": "openchange.ldb", "replica_id": "9"}, "backend:sogo": SOGO},
                        start=False)
        openchange.make(d, LDIF)
        d.start()
        session = self.consumer(d, user="anna", tables=("newmail",))
        client = self.client(d)
        self.accepted(client.put(notification(user="anna", message="1")), "queued")
        self.assertEqual(session.wait_events(1)[0].fid, INBOX)
        self.accepted(client.put(notification(user="anna", folder="Work", message="1")), "queued")
        self.refused(client.put(notification(user="bert", message="1")), 422, "UNKNOWN_USER")
        self.assertEqual(self.published(d), [f"sogo\tanna\tINBOX\tanna\t{INBOX:016x}"])
        # one more mailbox, by a reload; a file that is none changes nothing
        openchange.make(d, LDIF + f"dn: CN=bert,{openchange.BASE}\ncn: bert\nMailboxGUID: x\n")
        self.assertEqual(self.ctl(d, "reload")[0], 0)
        self.accepted(client.put(notification(user="bert", message="1")), "nosubscriber")
        os.unlink(d.path("openchange.ldb"))
        d.write("openchange.ldb", "garbage")
        status, _, err = self.ctl(d, "reload")
        self.assertEqual(status, 1)
        self.assertIn("openchange.ldb", err)
        self.accepted(client.put(notification(user="bert", message="2")), "nosubscriber")

    def test_the_file_is_only_read(self):
        d = self.daemon({"main": {"openchangedb": "openchange.ldb"}, "backend:sogo": SOGO}, start=False)
        path = openchange.make(d, LDIF)
        with open(path, "rb") as f:
            before = f.read()
        d.start()
        self.assertIn("replica_id", d.log())  # its FIDs have ours
        self.assertEqual(self.ctl(d, "reload")[0], 0)
        with open(path, "rb") as f:
            self.assertEqual(f.read(), before)


class Mapped(Users):
    """ocsnotify_session_map(), by ocsconsumer --map."""

    def statuses(self, client, user="store", category="newmail", **more):
        answer = client.put(notification(category, user=user, **more))
        return answer.statuses if answer.status == 200 else [answer.error[2]]

    def test_a_session_that_sees_a_store_hears_of_all_its_folders_until_it_ends(self):
        d = self.daemon()
        client = self.client(d)
        anna = self.consumer(d, "anna", maps=("sogo:store", "SOGO:other"))
        bob = self.consumer(d, "bob")
        own = self.consumer(d, "store")
        self.assertEqual(self.statuses(client, message="1"), ["queued"])
        self.assertEqual(self.statuses(client, "other", message="2", folder="Work/2024"), ["queued"])
        self.assertEqual(self.statuses(client, "third", message="3"), ["nosubscriber"])
        events = anna.wait_events(2)
        self.assertEqual([(e["user"], e["backend_user"], e["folder"], e["message"]) for e in events],
                         [("anna", "store", "INBOX", "1"), ("anna", "other", "Work/2024", "2")])
        self.assertEqual(own.wait_events(1)[0]["message"], "1")
        self.assertNotEqual(own.wait_events(1)[0].mid, events[0].mid)
        # from the second on a change is told from memory
        for _ in range(3):
            self.assertEqual(self.statuses(client, "other", "modified", message="2", folder="Work/2024"),
                             ["nosubscriber"])
        anna.close()
        self.assertEqual(self.statuses(client, "other", message="4"), ["nosubscriber"])
        self.assertEqual(bob.events(), [])

    def test_a_process_that_was_killed_sees_nothing_any_more(self):
        d = self.daemon({"main": {"unknown": "refuse"}})
        client = self.client(d)
        self.assertEqual(self.statuses(client, message="1"), ["UNKNOWN_USER"])
        anna = self.consumer(d, "anna", maps=("sogo:store",))
        self.assertEqual(self.statuses(client, message="2"), ["queued"])
        self.assertEqual(anna.wait_events(1)[0]["message"], "2")
        anna.kill()
        wait_until(lambda: self.statuses(client, message="3") == ["UNKNOWN_USER"], what="it is reaped")

    def test_beside_a_user_map_and_a_restart_of_the_daemon(self):
        d = self.daemon({"users": {"map": "map"}}, start=False)
        d.write("map", "sogo\tshared\tINBOX\tbob\t-\nsogo\tshared\tINBOX\tanna\t-\n")
        d.start()
        client = self.client(d)
        self.assertEqual(self.statuses(client, message="1"), ["UNKNOWN_USER"])
        anna, bob = self.consumer(d, "anna", maps=("sogo:store", "sogo:shared")), self.consumer(d, "bob")
        self.assertEqual(self.statuses(client, message="1"), ["queued"])
        self.assertEqual(self.statuses(client, "shared", message="2"), ["queued"])
        self.assertEqual(self.statuses(client, "shared", message="3", folder="Private"), ["queued"])
        self.assertEqual([e["message"] for e in anna.wait_events(3)], ["1", "2", "3"])
        self.assertEqual([e["message"] for e in bob.wait_events(1)], ["2"])
        d.terminate()
        d.start()
        client = self.client(d)
        self.assertEqual(self.statuses(client, message="4"), ["queued"])
        anna.wait_events(4)
        self.assertEqual(len(bob.events()), 1)

    def test_a_move_between_stores_of_which_it_sees_one(self):
        d = self.daemon({"backend:imap": {"uri": "imap://{user}@localhost/{folder}/{message}"}})
        client = self.client(d)
        anna = self.consumer(d, "anna", tables=("object",), maps=("imap:jdoe",))
        self.accepted(client.put(
            notification("moved", user="jdoe", folder="Here", message="2", oldBackend="imap", oldFolder="There",
                         oldMessageID="1"),
            notification("moved", user="jdoe", backend="imap", folder="There", message="3", oldBackend="sogo",
                         oldFolder="Here", oldMessageID="2")))
        wait_until(lambda: {"deleted", "created"} <= {e["event"] for e in anna.events()}, what="both")
        self.assertNotIn("moved", {e["event"] for e in anna.events()})

    def test_what_cannot_be_a_store_is_said(self):
        d = self.daemon()
        for word in ("sogo", ":x", "sogo:"):
            done = subprocess.run([paths.program("ocsconsumer"), "-c", d.ini, "-u", "anna", "--map", word],
                                  capture_output=True, text=True, timeout=LIMIT, check=False)
            self.assertEqual((done.returncode, word in done.stderr), (2, True))
        consumer = self.consumer(d, "anna", maps=[f"sogo:u{n}" for n in range(64)])
        consumer.close()


if __name__ == "__main__":
    unittest.main()
