# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""ocsctl index check, export, import; users, user, folders: what an admin sees of the index as a whole."""

import json
import os
import pty
import shutil
import subprocess
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from harness import paths  # noqa: E402
from harness.case import ServiceTest  # noqa: E402
from harness.client import notification  # noqa: E402
from harness.daemon import SANITIZER  # noqa: E402
from harness.wait import LIMIT  # noqa: E402

SOGO = {"backend:sogo": {"uri": "sogo://{user}:{user}@mail/{folder:sogo}/{message}.eml"}}
NAMES = ["INBOX", "INBOX/tab\\x is none", "Entwürfe/日本", "R&D/{x}", "two  blanks"]


class Index(ServiceTest):
    def ctl(self, d, *words, expect=0, stdin=""):
        done = subprocess.run([paths.program("ocsctl"), "-c", d.ini, *words], text=True, capture_output=True,
                              timeout=120, cwd="/", input=stdin)
        self.assertFalse(SANITIZER.search(done.stderr), done.stderr)
        self.assertEqual(done.returncode, expect, done)
        return done

    def json(self, d, *words, **more):
        return json.loads(self.ctl(d, *words, "--json", **more).stdout)

    def filled(self, **more):
        d = self.daemon(SOGO, **more)
        client = self.client(d)
        self.session = self.consumer(d)
        for n, folder in enumerate(NAMES):
            self.accepted(client.put(notification(folder=folder, message=f"m{n}\\")), "queued")
        self.accepted(client.put(notification("deleted", folder=NAMES[1], message="m1\\")))
        self.accepted(client.put(notification("deleted", folder="Entwürfe")))
        return d

    def export(self, d):
        return self.ctl(d, "index", "export").stdout.splitlines()

    def tdb(self, d, records, user="jdoe"):
        """An indexing.tdb as OpenChange has it."""
        path = os.path.join(os.path.dirname(d.ini), user, "indexing.tdb")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        script = f"create {path}\n" + "".join(
            f"insert {key} {value}\n" for key, value in records.items())
        subprocess.run(["tdbtool"], input=script, text=True, check=True, capture_output=True, timeout=LIMIT)
        return path


class CheckAndExport(Index):
    def test_a_sound_index_with_a_running_daemon(self):
        d = self.filled()
        checked = self.json(d, "index", "check")
        self.assertEqual(checked["faults"], 0, checked)
        self.assertEqual((checked["users"], checked["list"]), (1, []))
        self.assertIn("all of it fits together", self.ctl(d, "index", "check").stdout)

    def test_what_is_damaged_is_told_with_its_key(self):
        d = self.filled()
        d.terminate()
        path = os.path.join(d.registry, "index.tdb")
        with open(path, "r+b") as f:
            data = f.read()
            f.seek(data.index(b"m0\\"))
            f.write(b"X")
        done = self.json(d, "index", "check", expect=1)
        self.assertGreater(done["faults"], 0)
        self.assertTrue(all(fault["where"] and fault["what"] for fault in done["list"]))
        self.assertIn("damaged", " ".join(fault["what"] for fault in done["list"]))
        export = self.ctl(d, "index", "export", expect=1)
        self.assertIn("left out", export.stderr)

    def test_a_file_that_a_killed_process_left_needs_no_backup(self):
        d = self.filled()
        d.terminate()
        lines = self.export(d)
        # libtdb's list of free space ends at once, as where it was just making a larger recovery area.
        with open(os.path.join(d.registry, "index.tdb"), "r+b") as f:
            f.seek(168)
            self.assertNotEqual(f.read(4), bytes(4))
            f.seek(168)
            f.write(bytes(4))
        told = self.ctl(d, "index", "check", expect=1).stdout
        self.assertIn("the file is damaged", told)
        self.assertIn("the next start of the daemon makes a new file", told)
        self.assertNotIn("backup", told)
        d.start()
        self.ctl(d, "index", "check")
        self.assertEqual(self.export(d)[1:], lines[1:])

    def test_an_export_brought_into_an_empty_registry_is_the_same(self):
        d = self.filled()
        lines = self.export(d)
        self.assertEqual(lines[0].split("\t")[:3], ["ocsmanager-index", "1", "1"])
        self.assertEqual(lines[-1], f"end\t{len(lines) - 2}")
        file = d.write("export", "\n".join(lines) + "\n")
        other = self.daemon(SOGO)
        other.terminate()
        trial = self.json(other, "index", "import", file, "--dry-run")
        self.assertIs(trial["changed"], False)
        self.assertEqual(len(self.export(other)), 2)
        done = self.json(other, "index", "import", file)
        self.assertIs(done["changed"], True)
        self.assertEqual(sorted(self.export(other)[1:]), sorted(lines[1:]))
        again = self.json(other, "index", "import", file)
        self.assertEqual((again["known"], again["folders"], again["messages"]), (len(lines) - 2, 0, 0))
        self.ctl(other, "index", "check")
        other.start()
        self.ctl(other, "index", "check")
        client = self.client(other)
        session = self.consumer(other)
        self.accepted(client.put(notification(folder="INBOX", message="new")), "queued")
        event = session.wait_events(1)[0]
        inbox = next(line.split("\t")[1] for line in lines if line.endswith("\tINBOX"))
        self.assertEqual(event["fid"], inbox)
        self.assertFalse([line for line in lines if event["mid"] in line])

    def test_with_what_the_daemon_has_not_brought_into_the_index(self):
        d = self.filled()
        self.accepted(self.client(d).put(notification(message="last")), "queued")
        d.kill()
        lines = self.export(d)
        last = [line for line in lines if line.endswith("\tlast")]
        self.assertEqual(len(last), 1, lines)
        self.ctl(d, "index", "check")
        fid = last[0].split("\t")[2]
        file = d.write("file", f"ocsmanager-index\t1\t1\t5\nmessage\t7700000000000001\t{fid}\tlive\t-\tlast\nend\t1\n")
        self.assertIn("that message is " + last[0].split("\t")[1],
                      self.ctl(d, "index", "import", file, expect=1).stderr)

    def test_while_much_is_reported(self):
        d = self.filled()
        client, ended = self.client(d), threading.Event()

        def report():
            n = 0
            while not ended.is_set():
                n += 1
                client.put(notification(folder=f"F{n % 50}/G{n % 7}", message=f"x{n}"))
                if n % 3 == 0:
                    client.put(notification("deleted", folder=f"F{n % 50}"))

        thread = threading.Thread(target=report)
        thread.start()
        try:
            for _ in range(5):
                self.assertEqual(self.json(d, "index", "check")["list"], [])
                lines = self.export(d)
                self.assertEqual(lines[-1], f"end\t{len(lines) - 2}")
        finally:
            ended.set()
            thread.join()

    def test_progress_on_a_terminal_alone(self):
        d = self.daemon(SOGO)
        d.terminate()
        lines = [f"message\t{n:08x}77770001\t0200000000000001\tlive\t-\t{n}" for n in range(1, 9000)]
        file = d.write("file", "\n".join(["ocsmanager-index\t1\t1\t5000",
                                         "folder\t0200000000000001\tlive\t-\tjdoe\tsogo\tjdoe\tINBOX", *lines,
                                         "end\t9000"]) + "\n")
        self.assertEqual(self.ctl(d, "index", "import", file, "--dry-run").stderr, "")
        main, side = pty.openpty()
        self.addCleanup(os.close, main)
        done = subprocess.run([paths.program("ocsctl"), "-c", d.ini, "index", "import", file], stderr=side,
                              capture_output=False, stdout=subprocess.DEVNULL, timeout=LIMIT)
        os.close(side)
        self.assertEqual(done.returncode, 0)
        self.assertRegex(os.read(main, 4096).decode(), r"taken in: \d+.*\r")

    def test_a_file_and_its_mode(self):
        d = self.filled()
        path = d.path("out")
        self.assertIn("wrote 1 users", self.ctl(d, "index", "export", path).stdout)
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        self.assertEqual(self.json(d, "index", "export", path)["users"], 1)
        self.ctl(d, "index", "export", "--json", expect=2)
        self.ctl(d, "index", "export", "/nonexistent/x", expect=1)


class Import(Index):
    def refused(self, d, file, *words, says=""):
        before = self.export(d)
        done = self.ctl(d, "index", "import", file, *words, expect=1)
        self.assertIn(says, done.stderr)
        self.assertIn("nothing was changed", done.stderr)
        self.assertEqual(self.export(d), before)
        return done.stderr

    def test_what_contradicts_is_refused_with_its_line_and_changes_nothing(self):
        d = self.filled()
        d.terminate()
        lines = self.export(d)
        inbox = next(line.split("\t")[1] for line in lines if line.endswith("\tINBOX"))
        head, end = "ocsmanager-index\t1\t1\t5000\n", "end\t1\n"
        for text, says in (
                (f"folder\t{inbox}\tlive\t-\tjdoe\tsogo\tjdoe\tOther\n", ":2: " + inbox + " is folder INBOX"),
                ("folder\t7700000000000001\tlive\t-\tjdoe\tsogo\tjdoe\tINBOX\n", ":2: that folder is " + inbox),
                ("root\t7700000000000001\tjdoe\n", ":2: the root of that user"),
                ("message\t7700000000000001\t7800000000000001\tlive\t-\tx\n", "is not known"),
                ("message\t7700000000000001\n", ":2: the line has fields"),
                ("root\tffffffffffffffff\tzoe\n", ":2: that is no identifier"),
                ("folder\t77\tlive\t-\tjdoe\tsogo\tjdoe\tX\n", ":2: an identifier"),
                (f"folder\t7700000000000001\tlive\t-\tjdoe\tsogo\tjdoe\tX\\\n", ":2: a name")):
            with self.subTest(text):
                self.refused(d, d.write("file", head + text + end), says=says)
        self.refused(d, d.write("file", "\n".join(lines[:-1]) + "\n"), says="cut short")
        self.refused(d, d.write("file", "\n".join(lines[:-2] + lines[-1:]) + "\n"), says="lines are lost")
        self.refused(d, d.write("file", "hello"), says="neither what")
        self.refused(d, "/dev/null", says="not a regular file")

    def test_names_are_found_again_whoever_spelt_them(self):
        for case, user in (("exact", "JDoe"), ("fold", "jdoe")):
            with self.subTest(case):
                d = self.daemon({**SOGO, "main": {"case": case}})
                d.terminate()
                file = d.write("file", "\n".join([
                    "ocsmanager-index\t1\t9\t5000", "root\t0100000000000009\tJDoe",
                    "folder\t0200000000000009\tlive\t-\tJDoe\tSOGO\tJDoe\tinbox/Work",
                    "message\t0400000000000009\t0200000000000009\tlive\t-\t1", "end\t3"]) + "\n")
                self.ctl(d, "index", "import", file)
                self.ctl(d, "index", "check")
                known = self.json(d, "whois", "0400000000000009")
                self.assertEqual((known["user"], known["backend"], known["folder"]), (user, "sogo", "INBOX/Work"))
                d.start()
                session = self.consumer(d, user=user)
                self.assertEqual(self.client(d).put(notification(username="JDoe", folder="INBOX/Work",
                                                                 message="1")).statuses, ["duplicate"])
                self.accepted(self.client(d).put(notification(username="JDoe", folder="INBOX/Work", message="2")))
                self.assertEqual(session.wait_events(1)[0]["fid"], "0200000000000009")
                session.close()

    def test_what_leaves_no_identifiers_is_refused_by_a_trial_too(self):
        d = self.daemon(SOGO)
        d.terminate()
        file = d.write("file", f"ocsmanager-index\t1\t1\t{(1 << 48) - 1}\nroot\t0200000000000009\tzoe\nend\t1\n")
        for words in ([], ["--dry-run"]):
            self.refused(d, file, *words, says="would be left")

    def test_a_line_that_is_wrong_is_no_line_that_is_lost(self):
        d = self.daemon(SOGO)
        d.terminate()
        file = d.write("file", "ocsmanager-index\t1\t1\t5\nroot\t0200000000000000\tzoe\nend\t1\n")
        self.assertIn("1 record is refused", self.refused(d, file, says="no identifier"))

    def test_a_running_daemon_is_in_the_way(self):
        d = self.filled()
        done = self.ctl(d, "index", "import", d.write("file", ""), expect=1)
        self.assertIn("the daemon runs", done.stderr)

    def test_openchange(self):
        d = self.daemon(SOGO)
        d.terminate()
        file = self.tdb(d, {
            "0x2c00000000000001": "sogo://jdoe:jdoe@mail/folderINBOX/",
            "0x2d00000000000001": "sogo://jdoe:jdoe@mail/folderINBOX/folderMy_SP_mail/",
            "0x0004000000000001": "sogo://jdoe:jdoe@mail/folderINBOX/17.eml",
            "0x0104000000000001": "sogo://jdoe:jdoe@mail/folderINBOX/folderMy_SP_mail/1.eml",
            "SOFT_DELETED:0x0204000000000001": "sogo://jdoe:jdoe@mail/folderINBOX/18.eml",
            "SOFT_DELETED:0x0304000000000001": "sogo://jdoe:jdoe@mail/folderOld/",
            "0x0404000000000001": "sogo://jdoe:jdoe@mail/folderOld/5.eml",
            "0x0504000000000001": "sogo://jdoe:jdoe@mail/folderElse/6.eml",
            "GlobalCount": "0x0000000000000500"})
        done = self.json(d, "index", "import", file)
        self.assertEqual((done["folders"], done["messages"], done["deleted"], done["made"], done["respelt"]),
                         (2, 3, 3, 1, 0))
        self.assertGreaterEqual(done["counter"], 0x500)
        self.ctl(d, "index", "check")
        for id, kind, folder, message, deleted in (
                ("2c00000000000001", "folder", "INBOX", None, False),
                ("2d00000000000001", "folder", "INBOX/My mail", None, False),
                ("0004000000000001", "message", "INBOX", "17", False),
                ("0204000000000001", "message", "INBOX", "18", True),
                ("0304000000000001", "folder", "Old", None, True),
                ("0404000000000001", "message", "Old", "5", True),
                ("0504000000000001", "message", "Else", "6", False)):
            known = self.json(d, "whois", id)
            self.assertEqual((known["kind"], known["user"], known["folder"], known["message"], known["deleted"]),
                             (kind, "jdoe", folder, message, deleted))
        self.refused(d, file, "--user", "anna", says="0x2c00000000000001: 2c00000000000001 is folder INBOX of jdoe")
        d.start()
        session = self.consumer(d)
        self.accepted(self.client(d).put(notification(folder="INBOX/My mail", message="new")), "queued")
        self.assertEqual(session.wait_events(1)[0]["fid"], "2d00000000000001")

    def test_openchange_with_what_no_template_reads(self):
        d = self.daemon(SOGO)
        d.terminate()
        file = self.tdb(d, {"0x2c00000000000001": "sogo://jdoe@calendar/personal/",
                            "0x2d00000000000001": "sogo://jdoe:jdoe@mail/folderINBOX/"})
        self.refused(d, file, says="no [backend:NAME] uri reads sogo://jdoe@calendar/personal/")
        self.assertEqual(self.json(d, "index", "import", file, "--leave-out")["left_out"], 1)

    def test_without_a_registry_it_says_how_one_comes(self):
        d = self.daemon(SOGO)
        d.terminate()
        file = self.tdb(d, {"0x2d00000000000001": "sogo://jdoe:jdoe@mail/folderINBOX/"})
        shutil.rmtree(d.registry)
        for words in (("import", file, "--dry-run"), ("restore", "--empty"), ("adopt", "--yes")):
            with self.subTest(words[0]):
                self.assertIn("it is made when ocsmanager starts for the first time",
                              self.ctl(d, "index", *words, expect=1).stderr)

    def test_openchange_records_that_are_none(self):
        d = self.daemon(SOGO)
        d.terminate()
        for key, value in (("0x2c", "sogo://a:a@mail/folderA/"), ("0x2c00000000000000", "sogo://a:a@mail/folderA/"),
                           ("GlobalCount", "7"), ("x", "y")):
            with self.subTest(key):
                self.refused(d, self.tdb(d, {key: value}), says=key)

    def test_a_full_disk_changes_nothing(self):
        d = self.daemon(SOGO)
        d.terminate()
        lines = ["ocsmanager-index\t1\t1\t5000", "root\t0100000000000001\tjdoe",
                 "folder\t0200000000000001\tlive\t-\tjdoe\tsogo\tjdoe\tINBOX"]
        lines += [f"message\t{n:08x}77770001\t0200000000000001\tlive\t-\t{n:0400}" for n in range(1, 6000)]
        file = d.write("file", "\n".join(lines + [f"end\t{len(lines) - 1}"]) + "\n")
        before = self.export(d)
        size = os.path.getsize(os.path.join(d.registry, "index.tdb")) // 1024
        command = f"ulimit -f {size + 100}; exec {paths.program('ocsctl')} -c {d.ini} index import {file}"
        done = subprocess.run(["sh", "-c", command], text=True, capture_output=True, timeout=120)
        self.assertEqual(done.returncode, 1, done)
        self.assertIn("nothing was changed", done.stderr)
        self.assertEqual(self.export(d)[1:], before[1:])
        self.ctl(d, "index", "check")
        self.assertEqual(self.json(d, "index", "import", file)["messages"], 5999)


class Killed(Index):
    def test_a_killed_import_leaves_the_index_as_it_was_or_has_taken_in_all(self):
        d = self.filled()
        d.terminate()
        lines = [f"message\t{n:08x}77770001\t0200000000000001\tlive\t-\t{n}" for n in range(1, 4000)]
        file = d.write("file", "\n".join(["ocsmanager-index\t1\t1\t5000",
                                         "folder\t0200000000000001\tlive\t-\tzoe\tsogo\tzoe\tINBOX", *lines,
                                         "end\t4000"]) + "\n")
        before, seen = self.export(d)[1:], set()
        delay = 0.001
        while delay < 20 and "all" not in seen:
            process = subprocess.Popen([paths.program("ocsctl"), "-c", d.ini, "index", "import", file],
                                       stdout=subprocess.DEVNULL)
            try:
                process.wait(delay)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            after = self.export(d)[1:]
            seen.add("nothing" if after == before else "all")
            if after != before:
                self.assertEqual(len(after), len(before) + 4001)  # and a root
            delay *= 1.7
        self.assertEqual(seen, {"nothing", "all"})
        self.ctl(d, "index", "check")


class Users(Index):
    def test_users_user_and_folders(self):
        d = self.daemon({**SOGO, "users": {"map": "map"}}, start=False)
        path = d.write("map", "*\t*\t*\t=\t-\nsogo\tjdoe\tINBOX\tanna\t7700000000000002\n")
        d.start()
        session = self.consumer(d, user="anna")
        session.stop()
        self.addCleanup(session.go_on)
        client = self.client(d)
        for n in range(12):
            self.accepted(client.put(notification(message=f"{n}")), "queued")
        users = {user["user"]: user for user in self.json(d, "users")}
        self.assertEqual((users["anna"]["sessions"], users["anna"]["queues"], users["anna"]["waiting"]), (1, 1, 12))
        self.assertEqual((users["anna"]["folders"], users["jdoe"]["sessions"]), (1, 0))
        self.assertEqual(self.json(d, "folders", "anna"),
                         [{"fid": "7700000000000002", "backend": "sogo", "backend_user": "jdoe", "folder": "INBOX",
                           "uri": "sogo://jdoe:***@mail/folderINBOX/"}])
        anna = self.json(d, "user", "anna")
        self.assertEqual([(s["backend"], s["backend_user"], s["folder"], s["known_by"]) for s in anna["stores"]],
                         [("sogo", "jdoe", None, "index"), (None, "anna", None, f"{path}:1"),
                          ("sogo", "jdoe", "INBOX", f"{path}:2")])
        self.assertEqual((len(anna["sessions"]), len(anna["queues"])), (1, 1))
        self.assertIn("waiting  12 in 1 queues", self.ctl(d, "user", "anna").stdout)
        self.assertIn("7700000000000002", self.ctl(d, "folders", "anna").stdout)
        self.assertRegex(self.ctl(d, "users").stdout, r"(?m)1 +1 +1 +12  anna$")
        self.assertIn("ocsctl users", self.ctl(d, "folders", "nobody", expect=1).stderr)


if __name__ == "__main__":
    unittest.main()
