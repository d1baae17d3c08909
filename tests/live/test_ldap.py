# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""auth = ldap with a real slapd: who may log in, what it costs, and what happens while it is away."""

import os
import re
import secrets
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import certificates, mapihttp, paths
from harness.case import ServiceTest
from harness.client import Client, b64u, document, notification, unb64
from harness.daemon import Daemon
from harness.wait import LIMIT, wait_until
from ldap_rig import BLIND, BLIND_PASSWORD, FILTER, PEOPLE, SERVICE, SERVICE_PASSWORD, SSHA, Relay, Slapd, person, scram

TRY = "ocsmanager-try"  # what the daemon itself asks for, to see whether there is an answer

ENTRIES = (
    person("jdoe", "userPassword: " + SSHA) +
    person("limited", "userPassword: " + SSHA) +
    person("scram", "userPassword: plain secret", "authPassword: SCRAM-SHA-256$%s:%s$%s:%s" % scram("scram secret")) +
    person("dovecot", "userPassword: plain secret", "userPassword: {SCRAM-SHA-256}%s,%s,%s,%s" % scram("scram secret")) +
    person("unicode", "userPassword:: " + "cGHDn3fDtnJ0") +  # paßwört
    f"dn: ou=other,{PEOPLE}\nobjectClass: organizationalUnit\nou: other\n\n" +
    person("twice", "userPassword: " + SSHA) +
    person("twice", "userPassword: " + SSHA, ou="ou=other," + PEOPLE) +
    person("locked", "userPassword: " + SSHA, "employeeType: locked") +
    person("sp ace", "userPassword: " + SSHA, "mail: space@example.org"))


def sent_plain(client, name, password):
    """A PLAIN message of any bytes."""
    secret = b64u(b"\0" + name + b"\0" + password)
    return client.request("POST", "/authenticate/login", document(f'<sasl mechanism="PLAIN">{secret}</sasl>'))


class LdapTest(ServiceTest):
    messages = 0

    def slapd(self, entries=ENTRIES, start=True, **more):
        slapd = Slapd(entries, **more)
        self.addCleanup(slapd.close)
        return slapd.start() if start else slapd

    def relay(self, port):
        relay = Relay(port)
        self.addCleanup(relay.close)
        return relay

    def directory(self, slapd, ini=None, limits=None, start=True, **keys):
        """A daemon whose accounts are in it."""
        overrides = slapd.ini(**keys)
        overrides["limits"] = limits or {"failed_logins": "1000"}
        for section, more in (ini or {}).items():
            overrides.setdefault(section, {}).update(more)
        return self.daemon(overrides, start=start)

    def next_message(self):
        LdapTest.messages += 1
        return str(LdapTest.messages)

    def reports(self, client):
        """Its token is good."""
        self.accepted(client.newmail(self.next_message()), "nosubscriber")

    def wrong(self, answer):
        self.refused(answer, 401, "INVALID_CREDENTIALS")
        return answer

    def away(self, answer):
        self.refused(answer, 503, "DIRECTORY_UNAVAILABLE")
        self.assertGreaterEqual(int(answer.headers["Retry-After"]), 1)
        return answer

    def logs_in(self, client, name="jdoe", password="test"):
        """As soon as the daemon knows that the directory is there."""
        def answers():
            answer = client.login_plain(name, password)
            return answer.status != 503 and answer
        answer = wait_until(answers, what="a login that is not refused with 503")
        self.assertEqual(answer.status, 200, answer)
        return answer


class Logins(LdapTest):
    """One slapd and one daemon for tests that leave both as they were."""

    @classmethod
    def setUpClass(cls):
        cls.server = Slapd(ENTRIES)
        cls.addClassCleanup(cls.server.close)
        cls.server.start()
        overrides = cls.server.ini()
        overrides["limits"] = {"failed_logins": "1000"}
        overrides["account:limited"] = {"users": "nobody"}
        # what the daemon asks is what a test made it ask: accounts that have tokens come up once a day
        overrides["auth:ldap"]["recheck"] = "86400"
        cls.shared = Daemon(overrides).start()
        cls.addClassCleanup(cls.shared.close)

    def setUp(self):
        self.c = self.client(self.shared, login=False)
        self.start = len(self.server.log())

    def asked(self):
        return [what for what in self.server.operations(self.start) if TRY not in what]

    def test_plain_is_a_search_and_a_bind(self):
        self.assertEqual(self.c.login_plain("jdoe", "test").status, 200)
        self.reports(self.c)
        asked, bind = self.asked(), f"BIND uid=jdoe,{PEOPLE}"  # accounts that have tokens are asked for meanwhile
        self.assertEqual(asked.count(bind), 1)
        self.assertIn(f"SRCH {FILTER.replace('%u', 'jdoe')}", asked[:asked.index(bind)])

    def test_wrong_unknown_empty_and_twice_are_one_answer(self):
        answers = {self.wrong(self.c.login_plain(*who)).body for who in (
            ("jdoe", "wrong"), ("nobody", "test"), ("jdoe", ""), ("nobody", ""), ("twice", "test"), ("sp", "test"),
            ("space@example.org", "test"))}
        self.assertEqual(len(answers), 1)

    def test_wrong_unknown_and_twice_cost_the_same_operations(self):
        for name in ("jdoe", "nobody", "twice", "limited"):
            self.wrong(self.c.login_plain(name, "wrong"))
        asked = self.asked()
        self.assertEqual([what.split()[0] for what in asked[-8:]], ["SRCH", "BIND"] * 4, asked)

    def test_an_empty_password_asks_nothing(self):
        for name in "jdoe", "nobody":
            self.wrong(self.c.login_plain(name, ""))
        self.assertEqual(self.asked(), [])

    def test_names_that_would_be_part_of_a_filter_ask_nothing(self):
        for name in ("*", "jd*", ")(uid=*", "jdoe)(uid=*", "*)(|(uid=jdoe", "\\2a", "jdoe\\", "(", "jürgen", "j doe",
                     "x" * 129, "x" * 900):
            self.refused(sent_plain(self.c, name.encode(), b"test"), 422, "INVALID_PARAMETER")
            self.refused(self.c.challenge(name)[0], 422, "INVALID_PARAMETER")
        self.refused(sent_plain(self.c, b"jdoe\n", b"test"), 422, "INVALID_PARAMETER")
        self.refused(sent_plain(self.c, b"jdoe\0*", b"test"), 422, "INVALID_PARAMETER")
        self.refused(sent_plain(self.c, b"j\xff", b"test"), 422, "INVALID_PARAMETER")
        self.assertEqual(self.asked(), [])

    def test_a_long_name_and_a_long_password(self):
        self.wrong(self.c.login_plain("x" * 128, "p" * 500))
        self.wrong(self.c.login_plain("jdoe", "p" * 512))

    def test_a_password_that_is_not_ascii(self):
        self.assertEqual(self.c.login_plain("unicode", "paßwört").status, 200)
        self.assertEqual(self.c.login_plain("unicode", "paßwo\u0308rt").status, 200, "composed otherwise")
        self.wrong(self.c.login_plain("unicode", "passwort"))
        self.wrong(sent_plain(self.c, b"jdoe", b"\xff\xfe"))

    def test_a_name_in_other_letters_is_the_same_account(self):
        self.assertEqual(self.c.login_plain("LimiTed", "test").status, 200)
        self.refused(self.c.newmail(self.next_message()), 403, "ACCESS_FORBIDDEN")

    def test_ssha_by_the_hash_that_the_service_may_read(self):
        self.assertEqual(self.c.login_ssha("jdoe", "test").status, 200)
        self.reports(self.c)
        self.wrong(self.c.login_ssha("jdoe", "wrong"))
        self.wrong(self.c.login_ssha("nobody", "test"))
        self.wrong(self.c.login_ssha("scram", "scram secret"))
        self.wrong(self.c.login_ssha("twice", "test"))

    def test_scram_by_the_hash_that_the_service_may_read(self):
        for name in "scram", "dovecot":
            self.assertEqual(self.c.login_scram(name, "scram secret").status, 200)
            self.reports(self.c)
            self.wrong(self.c.login_scram(name, "plain secret"))
            self.assertEqual(self.c.login_plain(name, "plain secret").status, 200)
        self.wrong(self.c.login_scram("jdoe", "test"))
        self.wrong(self.c.login_scram("nobody", "test"))

    def test_the_salt_of_an_unknown_name_is_always_the_same(self):
        self.assertEqual(self.c.login_ssha("jdoe", "test").status, 200)
        salts = {self.c.challenge(name)[1] for name in ("nobody", "nobody", "twice", "twice")}
        self.assertEqual(len(salts), 2)
        self.assertEqual({len(salt) for salt in salts}, {4})

    def test_salts_do_not_tell_by_case_whether_there_is_an_account(self):
        # "scram" has no hash for SSHA, and "jdoe" none for SCRAM
        for name in "jdoe", "scram", "nobody":
            self.assertEqual(self.c.challenge(name)[1], self.c.challenge(name.upper())[1], name)
            self.assertEqual(self.scram_salt(name), self.scram_salt(name.upper()), name)

    def scram_salt(self, name):
        first = b64u(f"n,,n={name},r=abcdefghijklmnopqr".encode())
        answer = self.c.request("POST", "/authenticate/token", document(f'<sasl mechanism="SCRAM-SHA-256">{first}</sasl>'))
        self.assertEqual(answer.status, 200, answer)
        return re.search(r",s=([^,]*),", unb64(answer.root.findtext("sasl")).decode()).group(1)

    def test_a_challenge_is_spent_by_its_answer(self):
        _, _, _, cookie = self.c.challenge("jdoe")
        self.wrong(self.c.answer_challenge(cookie, "00" * 20))
        self.refused(self.c.answer_challenge(cookie, "00" * 20), 403, "INVALID_SESSION")

    def test_many_logins_at_once(self):
        results = []

        def login(number):
            with Client(self.shared) as client:
                right = number % 2 == 0
                answer = client.login_plain("jdoe", "test" if right else "wrong")
                results.append(answer.status == (200 if right else 401))

        threads = [threading.Thread(target=login, args=(number,)) for number in range(32)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LIMIT)
        self.assertEqual(results, [True] * 32)

    def test_logout(self):
        self.assertEqual(self.c.login_plain("jdoe", "test").status, 200)
        self.assertEqual(self.c.logout().status, 200)
        self.refused(self.c.newmail(self.next_message()), 401, "TOKEN_INVALID")


class Settings(LdapTest):
    def test_a_service_that_reads_no_hash(self):
        slapd = self.slapd()
        client = self.client(self.directory(slapd, bind_dn=BLIND, bind_pw=BLIND_PASSWORD), login=False)
        self.assertEqual(client.login_plain("jdoe", "test").status, 200)
        self.wrong(client.login_ssha("jdoe", "test"))
        self.wrong(client.login_scram("scram", "scram secret"))

    def test_the_keys_of_an_old_ini(self):
        slapd = self.slapd()
        daemon = self.directory(slapd, filter="(cn=%s)", attrs="*", timeout=None, recheck=None)
        client = self.client(daemon, login=False)
        self.assertEqual(client.login_plain("jdoe", "test").status, 200)
        self.assertEqual(client.login_ssha("jdoe", "test").status, 200)

    def test_a_filter_decides_who_is_an_account(self):
        slapd = self.slapd()
        daemon = self.directory(slapd, filter="(&(|(uid=%u)(mail=%u))(!(employeeType=locked)))")
        client = self.client(daemon, login=False)
        self.assertEqual(client.login_plain("jdoe", "test").status, 200)
        self.wrong(client.login_plain("locked", "test"))
        # found by its address, it has the name that the first comparison is about: none that an account can have
        self.wrong(client.login_plain("space@example.org", "test"))
        daemon.err.wait_text("no name of an account")

    def test_failed_logins_count_whatever_the_case_of_the_name(self):
        slapd = self.slapd()
        client = self.client(self.directory(slapd, limits={"failed_logins": "4"}), login=False)
        for name in "jdoe", "JDOE", "jDoe", "jdoE":
            self.wrong(client.login_plain(name, "wrong"))
        self.refused(client.login_plain("Jdoe", "test"), 429, "TOO_MANY_ATTEMPTS")
        self.assertEqual(client.login_plain("unicode", "paßwört").status, 200)

    def test_a_first_step_of_who_is_locked_asks_nothing(self):
        slapd = self.slapd()
        client = self.client(self.directory(slapd, limits={"failed_logins": "2"}), login=False)
        for _ in range(2):
            self.wrong(client.login_ssha("jdoe", "wrong"))
        start = len(slapd.log())
        self.refused(client.challenge("jdoe")[0], 429, "TOO_MANY_ATTEMPTS")
        self.refused(client.login_scram("JDOE", "test"), 429, "TOO_MANY_ATTEMPTS")
        self.assertEqual(client.challenge("limited")[0].status, 200)
        self.assertEqual([what for what in slapd.operations(start) if "jdoe" in what.lower()], [])

    def test_who_begins_logins_keeps_nobody_out(self):
        slapd = self.slapd()
        daemon = self.directory(slapd, connections="1", timeout="60", limits={"request_deadline": "100"},
                                ini={"server:main": {"proxies": "127.0.0.1"}})
        self.logs_in_by_ssha(daemon)
        slapd.hang()
        refused, ended = [], []

        def begin(number):
            with Client(daemon) as client:
                answer = client.request("POST", "/authenticate/token", document("<login>jdoe</login>"),
                                        {"Forwarded": f"for=192.0.2.{number % 2 + 1}"})
                (ended if answer.status == 200 else refused).append(answer)

        # one is asked for, 64 wait
        threads = [threading.Thread(target=begin, args=(number,)) for number in range(80)]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(refused) == 15, what=lambda: f"15 refusals, there are {len(refused)}")
        other = threading.Thread(target=lambda: ended.append(self.logs_in_by_ssha(daemon)))
        other.start()
        wait_until(lambda: len(refused) == 16, what="one of those makes room")
        slapd.go_on()
        for thread in [*threads, other]:
            thread.join(LIMIT)
        self.assertEqual(len(ended), 64 + 1)
        for answer in refused:
            self.refused(answer, 503, "OVERLOADED")

    def logs_in_by_ssha(self, daemon):
        with Client(daemon) as client:
            answer = client.login_ssha("jdoe", "test")
            self.assertEqual(answer.status, 200, answer)
            return answer

    def test_a_password_file(self):
        slapd = self.slapd()
        daemon = self.directory(slapd, start=False, bind_pw=None, bind_pw_file="ldap.secret")
        daemon.write("ldap.secret", SERVICE_PASSWORD + "\n", 0o600)
        client = self.client(daemon.start(), login=False)
        self.assertEqual(client.login_plain("jdoe", "test").status, 200)

    def test_a_local_socket(self):
        slapd = self.slapd()
        uri = "ldapi://" + slapd.path("ldapi").replace("/", "%2F")
        client = self.client(self.directory(slapd, host=uri), login=False)
        self.assertEqual(client.login_plain("jdoe", "test").status, 200)
        self.wrong(client.login_plain("jdoe", "wrong"))

    def test_the_second_of_two_servers(self):
        slapd = self.slapd()
        dead = self.slapd(start=False)
        uris = f"ldap://127.0.0.1:{dead.port}, ldap://127.0.0.1:{slapd.port}"
        client = self.client(self.directory(slapd, host=uris), login=False)
        self.assertEqual(client.login_plain("jdoe", "test").status, 200)

    def mute(self):
        """The URL of a server that takes connections and answers nothing."""
        listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.addCleanup(listener.close)
        return f"ldap://127.0.0.1:{listener.getsockname()[1]}"

    def test_the_first_of_two_servers_takes_connections_only(self):
        slapd = self.slapd()
        uris = f"{self.mute()}, ldap://127.0.0.1:{slapd.port}"
        daemon = self.directory(slapd, host=uris, timeout="1")
        daemon.err.wait_text(f"the directory answers: ldap://127.0.0.1:{slapd.port}")
        self.logs_in(self.client(daemon, login=False))

    def test_the_first_of_two_servers_refuses_the_service(self):
        slapd, other = self.slapd(), self.slapd()
        other.modify(f"dn: {SERVICE}\nchangetype: modify\nreplace: userPassword\nuserPassword: another secret\n")
        uris = f"ldap://127.0.0.1:{other.port}, ldap://127.0.0.1:{slapd.port}"
        self.logs_in(self.client(self.directory(slapd, host=uris), login=False))

    def test_no_secret_is_logged(self):
        slapd = self.slapd()
        daemon = self.directory(slapd, ini={"main": {"log_level": "debug"}})
        client = self.client(daemon, login=False)
        client.login_plain("jdoe", "test")
        client.login_plain("scram", "a wrong secret")
        slapd.stop()
        wait_until(lambda: client.login_plain("jdoe", "another secret").status == 503)
        daemon.terminate()
        for secret in SERVICE_PASSWORD, SSHA[6:], "a wrong secret", "another secret":
            self.assertNotIn(secret, daemon.log())

    def test_a_reload_asks_another_way(self):
        slapd = self.slapd()
        daemon = self.directory(slapd)
        client = self.client(daemon, login=False)
        self.assertEqual(client.login_plain("locked", "test").status, 200)
        other = slapd.ini(filter="(&(uid=%u)(!(employeeType=locked)))")
        other["limits"] = {"failed_logins": "1000"}
        self.assertIn("reloaded", daemon.reload(other))
        self.wrong(client.login_plain("locked", "test"))
        self.refused(client.newmail(self.next_message()), 401, "TOKEN_INVALID")
        other["auth:ldap"]["filter"] = "(uid=%u"
        self.assertIn("refused", daemon.reload(other))
        self.assertEqual(client.login_plain("jdoe", "test").status, 200)

    def test_a_reload_from_one_account_to_a_directory_and_back(self):
        slapd = self.slapd(ENTRIES + person("openchange", "userPassword: " + SSHA))
        daemon = self.daemon()
        client = self.client(daemon)
        self.reports(client)
        self.assertIn("reloaded", daemon.reload(slapd.ini()))
        # the same name and hash, but not the same account
        self.refused(client.newmail(self.next_message()), 401, "TOKEN_INVALID")
        self.assertEqual(client.login_plain("openchange", "test").status, 200)
        self.reports(client)
        self.assertIn("reloaded", daemon.reload({}))
        self.refused(client.newmail(self.next_message()), 401, "TOKEN_INVALID")
        self.assertEqual(client.login_ssha("openchange", "test").status, 200)

    @unittest.skipUnless(os.geteuid() == 0, "a user of its own")
    def test_a_reload_for_which_threads_are_missing_changes_nothing(self):
        slapd = self.slapd()
        user = 1000000 + secrets.randbelow(1000000)  # whose threads are counted: nobody else's in this machine
        daemon = self.daemon(user=user)
        before = len(os.listdir(f"/proc/{daemon.pid}/task"))

        def allow(more):
            subprocess.run(["prlimit", f"--pid={daemon.pid}", f"--nproc={before + more}:{before + 20}"], check=True,
                           user=user, group=user, extra_groups=[])

        allow(2)  # one for the directory, four that ask
        self.assertIn("refused", daemon.reload(slapd.ini()))
        self.reports(self.client(daemon))
        allow(20)
        self.assertIn("reloaded", daemon.reload(slapd.ini()))
        self.logs_in(self.client(daemon, login=False))

    def test_a_reload_that_changes_nothing_keeps_what_is_known(self):
        slapd = self.slapd()
        daemon = self.directory(slapd)
        client = self.client(daemon, login=False)
        self.assertEqual(client.login_plain("jdoe", "test").status, 200)
        binds = slapd.operations().count("BIND " + slapd.ini()["auth:ldap"]["bind_dn"])
        self.assertIn("reloaded", daemon.reload())
        self.assertEqual(client.login_plain("jdoe", "test").status, 200)
        self.assertEqual(slapd.operations().count("BIND " + slapd.ini()["auth:ldap"]["bind_dn"]), binds)


class Tokens(LdapTest):
    def ends(self, client):
        answer = wait_until(lambda: (lambda a: a.status != 200 and a)(client.newmail(self.next_message())), what="the token ends")
        self.refused(answer, 401, "TOKEN_INVALID")

    def test_of_an_account_that_is_removed(self):
        slapd = self.slapd()
        daemon = self.directory(slapd)
        gone, stays = self.client(daemon, login=False), self.client(daemon, login=False)
        self.assertEqual(gone.login_plain("jdoe", "test").status, 200)
        self.assertEqual(stays.login_plain("limited", "test").status, 200)
        self.reports(gone)
        slapd.remove("jdoe")
        self.ends(gone)
        self.reports(stays)

    def test_of_an_account_with_another_password(self):
        slapd = self.slapd()
        daemon = self.directory(slapd)
        client = self.client(daemon, login=False)
        self.assertEqual(client.login_plain("jdoe", "test").status, 200)
        slapd.set_password("jdoe", "new secret")
        self.ends(client)
        self.wrong(client.login_plain("jdoe", "test"))
        self.assertEqual(client.login_plain("jdoe", "new secret").status, 200)
        self.reports(client)

    def test_an_answer_that_is_older_than_a_login_is_not_believed(self):
        slapd = self.slapd()
        relay = self.relay(slapd.port)
        daemon = self.directory(slapd, port=relay.port, timeout="60")
        old, new = self.client(daemon, login=False), self.client(daemon, login=False)
        self.assertEqual(old.login_plain("jdoe", "test").status, 200)
        relay.hold(b"uid=jdoe")
        slapd.set_password("jdoe", "new secret")
        self.assertEqual(new.login_plain("jdoe", "new secret").status, 200)
        start = len(slapd.log())
        relay.release()
        wait_until(lambda: self.reports(new) or any("uid=jdoe" in what for what in slapd.operations(start)),
                   what="jdoe is asked for again")
        self.reports(new)
        self.ends(old)

    def test_survive_a_restart(self):
        slapd = self.slapd()
        daemon = self.directory(slapd)
        client = self.client(daemon, login=False)
        self.assertEqual(client.login_plain("jdoe", "test").status, 200)
        daemon.restart()
        again = self.client(daemon, login=False)
        again.token = client.token
        self.reports(again)
        start = len(slapd.log())
        wait_until(lambda: any("uid=jdoe" in what for what in slapd.operations(start)), what="jdoe is asked for")
        self.reports(again)

    def test_of_an_account_that_was_removed_while_the_daemon_was_down(self):
        slapd = self.slapd()
        daemon = self.directory(slapd)
        client = self.client(daemon, login=False)
        self.assertEqual(client.login_plain("jdoe", "test").status, 200)
        daemon.terminate()
        slapd.remove("jdoe")
        daemon.start()
        again = self.client(daemon, login=False)
        again.token = client.token
        self.ends(again)
        daemon.err.wait_text("account jdoe is not in the directory")

    def test_of_many_accounts_that_are_removed(self):
        names = [f"u{number}" for number in range(40)]
        slapd = self.slapd(ENTRIES + "".join(person(name, "userPassword: " + SSHA) for name in names))
        daemon = self.directory(slapd)
        client = self.client(daemon, login=False)
        for name in names:
            self.assertEqual(client.login_plain(name, "test").status, 200)
        slapd.modify("\n".join(f"dn: uid={name},{PEOPLE}\nchangetype: delete\n" for name in names))
        daemon.err.wait_text("more lines like this one in 10 s: account u")

    def test_stay_valid_while_the_directory_is_away(self):
        slapd = self.slapd()
        daemon = self.directory(slapd)
        client = self.client(daemon, login=False)
        self.assertEqual(client.login_plain("jdoe", "test").status, 200)
        slapd.stop()
        wait_until(lambda: "directory cannot be asked" in daemon.log())
        self.reports(client)
        daemon.restart()
        again = self.client(daemon, login=False)
        again.token = client.token
        self.reports(again)


class Away(LdapTest):
    def test_stopped_and_started_again(self):
        slapd = self.slapd()
        daemon = self.directory(slapd, limits={"failed_logins": "2"})
        client = self.client(daemon, login=False)
        self.logs_in(client)
        slapd.stop()
        for _ in range(5):
            self.away(client.login_plain("jdoe", "test"))
            self.away(client.login_plain("nobody", "wrong"))
        self.away(client.login_ssha("jdoe", "test"))
        self.away(client.login_scram("scram", "scram secret"))
        self.assertEqual(daemon.operations("/healthz")[0], 200)
        wait_until(lambda: "directory cannot be asked" in daemon.operations("/status")[1])
        slapd.start()
        daemon.err.wait_text("the directory answers")
        self.logs_in(client)  # none of those was a failed one
        self.logs_in(client, "limited")
        wait_until(lambda: "directory cannot be asked" not in daemon.operations("/status")[1])

    def test_a_start_without_it(self):
        slapd = self.slapd(start=False)
        daemon = self.directory(slapd)
        client = self.client(daemon, login=False)
        daemon.err.wait_text("the directory cannot be asked")
        self.away(client.login_plain("jdoe", "test"))
        slapd.start()
        self.logs_in(client)

    def test_hung(self):
        slapd = self.slapd()
        daemon = self.directory(slapd, timeout="2", ini={"limits": {"failed_logins": "2"}})
        client = self.client(daemon, login=False)
        self.logs_in(client)
        slapd.hang()
        answers = []

        def login():
            with Client(daemon) as other:
                answers.append(other.login_plain("jdoe", "test"))

        threads = [threading.Thread(target=login) for _ in range(40)]
        for thread in threads:
            thread.start()
        # those who wait for the directory are in nobody's way
        self.reports(client)
        self.assertEqual(client.logout().status, 200)
        for thread in threads:
            thread.join(LIMIT)
        self.assertEqual(len(answers), 40)
        for answer in answers:
            self.assertEqual(answer.status, 503, answer)
            self.assertIn(answer.error[2], ("DIRECTORY_UNAVAILABLE", "OVERLOADED"))
            self.assertGreaterEqual(int(answer.headers["Retry-After"]), 1)
        slapd.go_on()
        self.logs_in(client)

    def test_a_stop_while_it_hangs(self):
        slapd = self.slapd()
        daemon = self.directory(slapd, timeout="60", ini={"limits": {"request_deadline": "100"}})
        client = self.client(daemon, login=False)
        self.logs_in(client)
        before = self.connections(slapd.port)
        slapd.hang()
        waiting = [threading.Thread(target=self.swallow, args=(daemon,)) for _ in range(8)]
        for thread in waiting:
            thread.start()
        # all but the one that has a connection
        wait_until(lambda: self.connections(slapd.port) >= before + 3, what="four logins wait for the directory")
        daemon.terminate()  # which fails if it takes long
        self.assertNotIn("stopping took too long", daemon.log())
        self.assertNotIn("abandoned", daemon.log())
        for thread in waiting:
            thread.join(LIMIT)

    @staticmethod
    def swallow(daemon):
        try:
            with Client(daemon) as client:
                client.login_plain("jdoe", "test")
        except OSError:
            pass

    @staticmethod
    def connections(port):
        """That are established to it."""
        with open("/proc/net/tcp", encoding="ascii") as f:
            rows = [line.split() for line in f][1:]
        return sum(1 for row in rows if row[2].endswith(f":{port:04X}") and row[3] == "01")

    def test_slow(self):
        slapd = self.slapd()
        relay = self.relay(slapd.port)
        daemon = self.directory(slapd, port=relay.port)
        client = self.client(daemon, login=False)
        self.logs_in(client)
        relay.delay = 0.2
        self.logs_in(client)
        self.wrong(client.login_plain("jdoe", "wrong"))
        self.assertEqual(client.login_ssha("jdoe", "test").status, 200)

    def test_too_slow(self):
        slapd = self.slapd()
        relay = self.relay(slapd.port)
        daemon = self.directory(slapd, port=relay.port, timeout="1")
        client = self.client(daemon, login=False)
        self.logs_in(client)
        relay.delay = 30
        self.away(client.login_plain("jdoe", "test"))
        self.assertIn("no answer in time", daemon.log())
        relay.delay = 0
        relay.cut()
        self.logs_in(client)

    def test_a_bind_without_an_answer_is_about_one_account(self):
        slapd = self.slapd()
        relay = self.relay(slapd.port)
        daemon = self.directory(slapd, port=relay.port, timeout="2")
        client = self.client(daemon, login=False)
        self.logs_in(client)
        relay.lost = f"uid=limited,{PEOPLE}".encode()  # which is in no search
        for _ in range(2):
            self.away(client.login_plain("limited", "test"))
            self.assertEqual(client.login_plain("jdoe", "test").status, 200)
        self.assertNotIn("the directory cannot be asked", daemon.operations("/status")[1])
        self.assertNotIn("until it can", daemon.log())
        self.assertIn("the password of limited", daemon.log())
        before = relay.losses
        for _ in range(10):  # it is tried now and then: each try takes a place from others for two seconds
            self.away(client.login_plain("limited", "test"))
        self.assertLess(relay.losses, before + 10)
        relay.lost = None
        self.logs_in(client, "limited")
        self.assertEqual(client.login_plain("limited", "test").status, 200)

    def test_a_connection_that_ended_is_made_again(self):
        slapd = self.slapd()
        relay = self.relay(slapd.port)
        daemon = self.directory(slapd, port=relay.port, recheck="3600")
        client = self.client(daemon, login=False)
        self.logs_in(client)
        relay.cut()
        self.assertEqual(client.login_plain("jdoe", "test").status, 200)
        relay.cut()
        self.wrong(client.login_plain("jdoe", "wrong"))
        relay.cut()
        self.assertEqual(client.login_ssha("jdoe", "test").status, 200)
        self.assertNotIn("cannot be asked", daemon.log())

    def test_restarted(self):
        slapd = self.slapd()
        daemon = self.directory(slapd, recheck="3600")
        client = self.client(daemon, login=False)
        self.logs_in(client)
        slapd.stop()
        slapd.start()
        # it may have been asked for something while it was away
        wait_until(lambda: client.login_plain("jdoe", "test").status == 200, what="it is asked again")

    def test_a_service_that_is_refused(self):
        slapd = self.slapd()
        daemon = self.directory(slapd, bind_pw="wrong secret")
        client = self.client(daemon, login=False)
        self.away(client.login_plain("jdoe", "test"))
        self.assertIn("bind_dn or its password is refused", daemon.log())
        self.assertNotIn("wrong secret", daemon.log())

    def test_a_basedn_that_is_not_there(self):
        slapd = self.slapd()
        daemon = self.directory(slapd, basedn="ou=nobody,dc=example,dc=org")
        client = self.client(daemon, login=False)
        self.away(client.login_plain("jdoe", "test"))
        self.assertIn("No such object", daemon.log())


class Tls(LdapTest):
    def login(self, slapd, **keys):
        daemon = self.directory(slapd, **keys)
        client = self.client(daemon, login=False)
        return daemon, client.login_plain("jdoe", "test"), client

    def test_ldaps(self):
        slapd = self.slapd()
        _, answer, client = self.login(slapd, host=f"ldaps://127.0.0.1:{slapd.tls_port}", ca_file=slapd.ca)
        self.assertEqual(answer.status, 200, answer)
        self.wrong(client.login_plain("jdoe", "wrong"))
        self.assertTrue(any("TLS established" in line for line in slapd.log()))

    def test_start_tls(self):
        slapd = self.slapd(global_lines="security tls=1")
        _, answer, client = self.login(slapd, ca_file=slapd.ca, start_tls="yes")
        self.assertEqual(answer.status, 200, answer)
        self.wrong(client.login_plain("jdoe", "wrong"))
        self.assertTrue(any("STARTTLS" in line for line in slapd.log()))

    def test_a_server_that_wants_tls_and_gets_none(self):
        slapd = self.slapd(global_lines="security tls=1")
        daemon, answer, _ = self.login(slapd)
        self.away(answer)
        self.assertIn("onfidentiality required", daemon.log())

    def wrong_certificate(self, **keys):
        for start_tls in False, True:
            host = "127.0.0.1" if start_tls else f"ldaps://127.0.0.1:{self.server.tls_port}"
            daemon, answer, _ = self.login(self.server, host=host, start_tls="yes" if start_tls else "no", **keys)
            self.away(answer)
            self.assertIn("TLS", daemon.log())
        # no password has left the daemon
        self.assertEqual(self.server.operations(), [])

    def test_a_certificate_of_nobody_that_is_trusted(self):
        self.server = self.slapd()
        with tempfile.TemporaryDirectory() as folder:
            other, _ = certificates.make(folder, "other")
            self.wrong_certificate(ca_file=other)
        self.wrong_certificate()

    def test_a_certificate_for_another_name(self):
        with tempfile.TemporaryDirectory() as folder:
            certificate = certificates.make(folder, "ldap.example.org", alternative="DNS:ldap.example.org")
            self.server = self.slapd(certificate=certificate)
            self.wrong_certificate(ca_file=certificate[0])

    def test_a_certificate_that_has_expired(self):
        with tempfile.TemporaryDirectory() as folder:
            certificates.make_expired(folder, "expired")
            certificate = os.path.join(folder, "expired.pem")
            self.server = self.slapd(certificate=(certificate, os.path.join(folder, "expired.key")))
            self.wrong_certificate(ca_file=certificate)

    def test_an_environment_that_says_otherwise_changes_nothing(self):
        slapd = self.slapd()
        overrides = slapd.ini(host=f"ldaps://127.0.0.1:{slapd.tls_port}")
        daemon = self.daemon(overrides, env={"LDAPTLS_REQCERT": "never", "LDAPTLS_CACERT": slapd.ca})
        self.away(self.client(daemon, login=False).login_plain("jdoe", "test"))


class Others(LdapTest):
    """Programs beside the daemon."""

    def test_mapi_over_http(self):
        slapd = self.slapd()
        server = mapihttp.Server(self.directory(slapd))
        self.addCleanup(server.stop)

        def connect(user, password):
            client = mapihttp.MapiClient(server, user=user, password=password)
            self.addCleanup(client.close)
            return client.connect()

        self.assertEqual(connect("jdoe", "test").fields("II"), (0, 0))
        for who in ("jdoe", "wrong"), ("nobody", "test"), ("jdoe", ""):
            self.assertEqual(connect(*who).status, 401)
        slapd.hang()
        answer = connect("limited", "test")
        self.assertEqual(answer.status, 503)
        self.assertGreaterEqual(int(answer.headers["Retry-After"]), 1)
        # whoever has logged in is known for a while
        self.assertEqual(connect("jdoe", "test").fields("II"), (0, 0))

    def test_ocsctl_notify_logs_in_by_plain(self):
        daemon = self.directory(self.slapd(), bind_dn=BLIND, bind_pw=BLIND_PASSWORD)
        daemon.write("password", "test\n", 0o600)
        daemon.write("one.xml", notification(message=self.next_message()))
        done = subprocess.run([paths.program("ocsctl"), "-c", daemon.ini, "notify",
                               "--user", "jdoe", "--password-file", daemon.path("password"), daemon.path("one.xml")],
                              capture_output=True, text=True, timeout=LIMIT, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


class Users(LdapTest):
    """[users] ldap_user"""

    PEOPLE = (person("jdoe", "mail: jdoe@example.org", "mail: john@example.org", "description: johnny") +
              person("anna", "mail: anna@example.org", "mail: both@example.org", "description: claimed") +
              person("berta", "mail: both@example.org", "mail: *", "description: claimed") +
              person("nomail"))

    def users(self, slapd, ini=None, **keys):
        """A daemon with one account of its own."""
        overrides = {"auth:ldap": slapd.ini()["auth:ldap"],
                     "users": {"ldap_user": "uid", "ldap_backend_user": "mail", "ldap_alias": "description",
                               "ldap_refresh": "1", **keys}}
        overrides.update(ini or {})
        return self.daemon(overrides)

    def told(self, client, user, *statuses):
        self.accepted(client.newmail(self.next_message(), user=user), *statuses)

    def unknown(self, client, user):
        self.refused(client.newmail(self.next_message(), user=user), 422, "UNKNOWN_USER")

    def known(self, client, user):
        return client.newmail(self.next_message(), user=user).status == 200

    def test_who_sees_which_store(self):
        daemon = self.users(self.slapd(self.PEOPLE))
        client = self.client(daemon)
        jdoe = self.consumer(daemon, "jdoe", ["newmail"])
        anna, berta = self.consumer(daemon, "anna", ["newmail"]), self.consumer(daemon, "berta", ["newmail"])
        for user, *consumers in (("jdoe@example.org", jdoe), ("john@example.org", jdoe), ("anna@example.org", anna),
                                 ("both@example.org", anna, berta)):
            message = self.next_message()
            answer = self.accepted(client.newmail(message, user=user), "queued")
            self.assertEqual(answer.results[0][2], len(consumers), answer)
            for consumer in consumers:
                consumer.wait_events(1)
        for user in "jdoe", "nomail", "nobody@example.org", "*":
            self.unknown(client, user)

    def test_other_names_of_a_user(self):
        daemon = self.users(self.slapd(self.PEOPLE), ldap_backend_user=None)
        client = self.client(daemon)
        self.consumer(daemon, "jdoe", ["newmail"])
        self.told(client, "johnny", "queued")
        self.told(client, "jdoe", "queued")
        self.unknown(client, "claimed")
        daemon.err.wait_text("left out")

    def test_an_alias_takes_nobody_over(self):
        slapd = self.slapd(self.PEOPLE + person("eve", "mail: eve@example.org", "description: JDOE",
                                                "description: Anna@example.org", "description: eva"))
        daemon = self.users(slapd, ini={"main": {"case": "fold"}})
        client = self.client(daemon)
        jdoe, anna = (self.consumer(daemon, user, ["newmail"]) for user in ("jdoe", "anna"))
        eve = self.consumer(daemon, "eva", ["newmail"])
        for user, consumer in ("john@example.org", jdoe), ("anna@example.org", anna), ("eve@example.org", eve):
            self.assertEqual(self.accepted(client.newmail(self.next_message(), user=user), "queued").results[0][2], 1)
            consumer.wait_events(1)
        daemon.err.wait_text("(the alias Anna@example.org of eve is another user's name: left out)")

    def test_what_changes_is_read_again(self):
        slapd = self.slapd(self.PEOPLE)
        daemon = self.users(slapd)
        client = self.client(daemon)
        self.unknown(client, "new@example.org")
        slapd.modify(person("carl", "mail: new@example.org").replace("\nobjectClass", "\nchangetype: add\nobjectClass", 1))
        wait_until(lambda: self.known(client, "new@example.org"), what="carl is known")
        slapd.remove("jdoe")
        wait_until(lambda: not self.known(client, "jdoe@example.org"), what="jdoe is not known any more")
        self.told(client, "anna@example.org", "nosubscriber")

    def test_what_was_read_last_stands_while_it_is_away(self):
        slapd = self.slapd(self.PEOPLE)
        daemon = self.users(slapd)
        client = self.client(daemon)
        self.told(client, "jdoe@example.org", "nosubscriber")
        slapd.stop()
        wait_until(lambda: "those that were read last" in daemon.operations("/status")[1])
        self.assertEqual(daemon.operations("/healthz")[0], 200)
        daemon.restart()
        client = self.client(daemon)
        self.told(client, "jdoe@example.org", "nosubscriber")
        self.unknown(client, "jdoe")
        daemon.err.wait_text("the users of the directory cannot be read")
        slapd.start()
        daemon.err.wait_text("can be read again")
        wait_until(lambda: "those that were read last" not in daemon.operations("/status")[1])

    def test_a_file_that_is_removed_is_written_again(self):
        daemon = self.users(self.slapd(self.PEOPLE))
        path = os.path.join(daemon.registry, "private", "users.ldap")
        self.client(daemon)
        os.unlink(path)
        wait_until(lambda: os.path.exists(path), what="it is written again")

    def test_a_first_start_without_it(self):
        slapd = self.slapd(self.PEOPLE, start=False)
        daemon = self.users(slapd)
        client = self.client(daemon)
        self.told(client, "whoever", "nosubscriber")
        slapd.start()
        wait_until(lambda: not self.known(client, "whoever"), what="the users are known")
        self.told(client, "jdoe@example.org", "nosubscriber")

    def test_a_stop_while_it_hangs(self):
        slapd = self.slapd(self.PEOPLE)
        daemon = self.users(slapd, ini={"auth:ldap": slapd.ini(timeout="60")["auth:ldap"]})
        slapd.hang()
        wait_until(lambda: Away.connections(slapd.port) > 0, what="it is asked")
        daemon.terminate()  # which fails if it takes long

    def test_nobody_is_not_believed(self):
        slapd = self.slapd(self.PEOPLE)
        daemon = self.users(slapd)
        client = self.client(daemon)
        self.told(client, "jdoe@example.org", "nosubscriber")
        overrides = dict(daemon.overrides, users=dict(daemon.overrides["users"], ldap_filter="(uid=nobody-is-called-so)"))
        self.assertIn("reloaded", daemon.reload(overrides))
        daemon.err.wait_text("finds nobody")
        self.told(client, "jdoe@example.org", "nosubscriber")

    def test_a_reload_takes_it_away(self):
        slapd = self.slapd(self.PEOPLE)
        daemon = self.users(slapd)
        client = self.client(daemon)
        self.unknown(client, "nobody")
        self.assertIn("reloaded", daemon.reload({}))
        self.told(client, "nobody", "nosubscriber")
        self.assertFalse(os.path.exists(os.path.join(daemon.registry, "private", "users.ldap")))

    def test_more_than_a_page(self):
        people = "".join(person(f"u{i}", f"mail: u{i}@example.org") for i in range(1200))
        slapd = self.slapd(people, limits='limits dn.exact="cn=service,dc=example,dc=org" size.soft=unlimited '
                                          'size.hard=unlimited size.prtotal=unlimited')
        client = self.client(self.users(slapd))
        for i in 0, 499, 500, 1199:
            self.told(client, f"u{i}@example.org", "nosubscriber")
        self.unknown(client, "u1200@example.org")

    def test_more_than_the_service_may_read(self):
        people = "".join(person(f"u{i}", f"mail: u{i}@example.org") for i in range(1200))
        daemon = self.users(self.slapd(people))
        daemon.err.wait_text("bind_dn may not read as many entries as there are")

    def test_beside_a_text_map(self):
        slapd = self.slapd(self.PEOPLE)
        daemon = self.daemon({"auth:ldap": slapd.ini()["auth:ldap"],
                              "users": {"map": "map", "ldap_user": "uid", "ldap_backend_user": "mail"}}, start=False)
        daemon.write("map", "sogo\tshared\t*\tanna\t-\n")
        client = self.client(daemon.start())
        self.told(client, "shared", "nosubscriber")
        self.told(client, "anna@example.org", "nosubscriber")
        self.unknown(client, "nobody")

    def test_the_text_map_has_the_last_word(self):
        slapd = self.slapd(self.PEOPLE)
        daemon = self.daemon({"auth:ldap": slapd.ini()["auth:ldap"],
                              "users": {"map": "map", "ldap_user": "uid", "ldap_alias": "description",
                                        "ldap_refresh": "1"}}, start=False)
        daemon.write("map", "alias\tjohnny\tcarl\nsogo\tcarl\t*\tcarl\t-\n")
        client = self.client(daemon.start())
        daemon.err.wait_text("the alias johnny of jdoe is another user's name: left out")
        carl, jdoe = self.consumer(daemon, "carl", ["newmail"]), self.consumer(daemon, "jdoe", ["newmail"])
        for user, consumer in ("johnny", carl), ("jdoe", jdoe):
            self.assertEqual(self.accepted(client.newmail(self.next_message(), user=user), "queued").results[0][2], 1)
            consumer.wait_events(1)
        # what is wrong with the map when the directory changes is told until it is mended
        daemon.write("map", "wrong\n")
        slapd.remove("anna")
        wait_until(lambda: "is not in the user map" in daemon.operations("/status")[1])
        self.told(client, "anna", "nosubscriber")
        self.assertEqual(daemon.operations("/healthz")[0], 200)
        daemon.write("map", "sogo\tcarl\t*\tcarl\t-\n")
        self.assertIn("reloaded", daemon.reload())
        wait_until(lambda: "is not in the user map" not in daemon.operations("/status")[1])
        wait_until(lambda: not self.known(client, "anna"), what="anna is not known any more")

    def test_a_file_that_is_of_no_use_keeps_no_daemon_from_starting(self):
        slapd = self.slapd(self.PEOPLE)
        daemon = self.users(slapd)
        slapd.stop()
        daemon.terminate()
        with open(os.path.join(daemon.registry, "private", "users.ldap"), "w", encoding="ascii") as f:
            f.write("alias\ta\tb\nalias\tb\tc\n")
        client = self.client(daemon.start())
        self.told(client, "jdoe", "nosubscriber")
        wait_until(lambda: "are of no use" in daemon.operations("/status")[1])
        slapd.start()
        wait_until(lambda: not self.known(client, "jdoe"), what="the users are known")
        wait_until(lambda: "are of no use" not in daemon.operations("/status")[1])

    def test_ocsctl_tells_them(self):
        daemon = self.users(self.slapd(self.PEOPLE))
        done = subprocess.run([paths.program("ocsctl"), "-c", daemon.ini, "user", "anna"], capture_output=True, text=True,
                              timeout=LIMIT, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("both@example.org", done.stdout)


class Check(LdapTest):
    """ocsmanager -t"""

    def check(self, slapd, **keys):
        daemon = self.directory(slapd, start=False, **keys)
        done = self.run_check(daemon)
        self.assertNotIn(SERVICE_PASSWORD, done.stdout + done.stderr)
        self.ini = daemon.ini
        with open(daemon.ini, encoding="utf-8") as f:
            self.lines = f.read().split("\n")
        return done

    def place(self, key):
        start = self.lines.index("[auth:ldap]")
        number = next(n for n, line in enumerate(self.lines, 1) if n > start and line.startswith(key + " ="))
        return f"{self.ini}:{number}: [auth:ldap] {key}: "

    def test_a_directory_that_answers(self):
        done = self.check(self.slapd())
        self.assertEqual((done.returncode, done.stdout), (0, f"{self.ini}: fine\n"), done.stderr)

    def test_one_that_is_away_is_a_warning(self):
        done = self.check(self.slapd(start=False))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("warning: " + self.place("host") + "ldap://127.0.0.1:", done.stderr)
        self.assertIn("Connection refused", done.stderr)

    def test_a_service_that_is_refused_is_a_warning(self):
        done = self.check(self.slapd(), bind_pw="wrong")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("bind_dn or its password is refused", done.stderr)

    def test_what_is_wrong_is_told_with_its_line(self):
        slapd = self.slapd(start=False)
        for key, value, what in (("filter", "(uid=%u", "parenthesis"), ("filter", "(uid=jdoe)", "%u, is not in it"),
                                 ("host", "http://example.org", "ldap://"), ("attrs", "user password)", "attribute"),
                                 ("ca_file", "/nowhere/ca.pem", "No such file")):
            done = self.check(slapd, **{key: value})
            self.assertEqual(done.returncode, 1, key)
            self.assertIn("error: " + self.place(key), done.stderr)
            self.assertIn(what, done.stderr)

    def test_a_dn_needs_a_password(self):
        done = self.check(self.slapd(start=False), bind_pw=None)
        self.assertEqual(done.returncode, 1)
        self.assertIn(self.place("bind_dn") + "needs bind_pw", done.stderr)

    def test_a_password_file_that_others_can_read(self):
        slapd = self.slapd(start=False)
        path = slapd.path("secret")
        with open(path, "w", encoding="ascii") as f:
            f.write("secret\n")
        os.chmod(path, 0o644)
        done = self.check(slapd, bind_pw=None, bind_pw_file=path)
        self.assertEqual(done.returncode, 1)
        self.assertIn(self.place("bind_pw_file"), done.stderr)

    def test_users(self):
        slapd = self.slapd(Users.PEOPLE)
        daemon = self.directory(slapd, start=False, ini={"users": {"ldap_user": "uid", "ldap_backend_user": "mail"}})
        said = self.run_check(daemon)
        self.assertEqual(said.returncode, 0, said.stderr)
        self.assertIn("[users] ldap_user: 1 of the directory are left out", said.stderr)
        daemon.overrides["main"]["case"] = "fold"
        daemon.overrides["users"]["ldap_alias"] = "description"
        daemon.write_ini()
        slapd.modify("dn: uid=anna,ou=people,dc=example,dc=org\nchangetype: modify\nadd: description\ndescription: BERTA\n")
        said = self.run_check(daemon)
        self.assertEqual(said.returncode, 0, said.stderr)
        self.assertIn("the alias BERTA of anna is another user's name: left out", said.stderr)
        slapd.stop()
        said = self.run_check(daemon)
        self.assertEqual(said.returncode, 0, said.stderr)
        self.assertIn("until users can be read, those that were read last stand", said.stderr)
        daemon.overrides["users"]["ldap_filter"] = "(uid=%u)"
        daemon.write_ini()
        said = self.run_check(daemon)
        self.assertEqual(said.returncode, 1, said.stderr)
        self.assertIn("[users] ldap_filter: no name is asked for here", said.stderr)

    @staticmethod
    def run_check(daemon):
        return subprocess.run([paths.program("ocsmanager"), "-t", "-c", daemon.ini], capture_output=True, text=True,
                              timeout=LIMIT, check=False)

    def test_passwords_in_the_clear_are_a_warning(self):
        slapd = self.slapd(start=False)
        done = self.check(slapd, host="192.0.2.1", timeout="1")
        self.assertIn("warning: " + self.place("host") + "passwords go to ldap://192.0.2.1:", done.stderr)


if __name__ == "__main__":
    unittest.main()
