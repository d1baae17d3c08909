# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Session tokens, the limits on guessing, and what an account may report."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness import hashes
from harness.case import ServiceTest
from harness.client import ACCOUNT, PASSWORD, Client, b64u, document, notification
from harness.daemon import SSHA
from harness.wait import wait_until


class Guessing(ServiceTest):
    """429 TOO_MANY_ATTEMPTS with Retry-After."""

    LIMITS = {"limits": {"failed_logins": "3", "failure_window": "2"}}

    def test_known_and_unknown_accounts_are_counted_alike_and_the_window_ends(self):
        daemon = self.daemon(self.LIMITS)
        c = self.client(daemon)  # a valid token from before
        for name in (ACCOUNT, "unknown"):
            for login in ("login_ssha",) * 3:
                self.refused(getattr(c, login)(name, "wrong"), 401, "INVALID_CREDENTIALS")
            answer = self.refused(c.login_plain(name, PASSWORD), 429, "TOO_MANY_ATTEMPTS")
            self.assertGreaterEqual(int(answer.headers["Retry-After"]), 1)
            self.assertLessEqual(int(answer.headers["Retry-After"]), 2)
        self.assertEqual(c.login_plain("third", "wrong").status, 401, "others are not affected")
        self.accepted(c.put(notification("modified")), "nosubscriber")  # nor are valid tokens
        wait_until(lambda: c.login_plain().status == 200, what="the window ends")

    def test_each_mechanism_counts(self):
        for login in ("login_ssha", "login_scram", "login_plain"):
            with self.subTest(login):
                daemon = self.daemon({"limits": {"failed_logins": "3"}})
                with Client(daemon) as c:
                    for _ in range(3):
                        self.assertEqual(getattr(c, login)(ACCOUNT, "wrong").status, 401)
                    self.assertEqual(getattr(c, login)(ACCOUNT, "wrong").status, 429)

    def test_another_address_is_not_affected(self):
        daemon = self.daemon({"limits": {"failed_logins": "3"}})
        with Client(daemon, source="127.0.0.2") as c:
            for _ in range(4):
                c.login_plain(password="wrong")
            self.assertEqual(c.login_plain().status, 429)
        with Client(daemon) as c:
            self.assertEqual(c.login_plain().status, 200)

    def test_pending_challenges_are_bounded(self):
        daemon = self.daemon({"limits": {"pending_challenges": "8"}})
        with Client(daemon) as c:
            answers = [c.challenge()[0] for _ in range(50)]
            for answer in answers:
                if answer.status != 200:
                    self.refused(answer, 503, "OVERLOADED")
                    self.assertTrue(answer.headers["Retry-After"])
            challenge = daemon.metrics().get("ocsmanager_pending_challenges", 0)
            self.assertLessEqual(challenge, 8)
            self.assertTrue(daemon.alive())


class Tokens(ServiceTest):
    def test_a_token_survives_a_restart(self):
        daemon = self.daemon()
        c = self.client(daemon)
        token = c.token
        daemon.restart()
        with Client(daemon) as other:
            self.accepted(other.put(notification("modified"), token=token), "nosubscriber")

    def test_a_token_survives_a_kill(self):
        daemon = self.daemon()
        token = self.client(daemon).token
        daemon.kill()
        daemon.start()
        with Client(daemon) as other:
            self.accepted(other.put(notification("modified"), token=token), "nosubscriber")

    def test_bearer_in_place_of_the_element(self):
        c = self.client(self.daemon())
        for scheme in ("Bearer", "bearer"):
            self.accepted(c.put(notification("modified"), token=None,
                                headers={"Authorization": f"{scheme} {c.token}"}), "nosubscriber")
        self.refused(c.put(notification("modified"), token=None,
                           headers={"Authorization": "Bearer nonsense"}), 401, "TOKEN_INVALID")
        self.refused(c.put(notification("modified"), token=None,
                           headers={"Authorization": f"Basic {c.token}"}), 401, "TOKEN_INVALID")

    def test_logout_ends_one_token_at_once_and_across_a_restart(self):
        daemon = self.daemon()
        c, other = self.client(daemon), self.client(daemon)
        answer = c.logout()
        self.assertEqual((answer.status, list(answer.root)), (200, []))
        self.refused(c.put(notification("modified")), 401, "TOKEN_INVALID")
        self.refused(c.logout(), 401, "TOKEN_INVALID")
        self.accepted(other.put(notification("modified")))
        daemon.kill()  # the moment after the answer
        daemon.start()
        with Client(daemon) as again:
            self.refused(again.put(notification("modified"), token=c.token), 401, "TOKEN_INVALID")
            self.accepted(again.put(notification("modified"), token=other.token))

    def test_logout_by_bearer(self):
        c = self.client(self.daemon())
        answer = c.request("POST", "/authenticate/logout", document(""),
                           {"Authorization": f"Bearer {c.token}"})
        self.assertEqual(answer.status, 200, answer)
        self.refused(c.put(notification("modified")), 401, "TOKEN_INVALID")

    def test_unreadable_revocations_end_all_tokens_rather_than_none(self):
        daemon = self.daemon()
        c = self.client(daemon)
        c.logout()
        daemon.terminate()
        private = os.path.join(daemon.registry, "private")
        with open(os.path.join(private, "auth.tdb"), "wb") as f:
            f.write(b"garbage" * 1000)
        daemon.start()
        with Client(daemon) as again:
            self.refused(again.put(notification("modified"), token=c.token), 401, "TOKEN_INVALID")
            self.assertEqual(again.login_ssha().status, 200)

    def test_a_changed_password_ends_the_tokens_of_the_account_alone(self):
        daemon = self.daemon({"main": {"auth": "file"}, "auth:file": {"file": "accounts"}},
                             start=False)
        kept = f"two:{hashes.ssha('2')}"
        daemon.write("accounts", f"one:{hashes.ssha('1')}\n{kept}\n", 0o600)
        daemon.start()
        with Client(daemon) as one, Client(daemon) as two:
            self.assertEqual(one.login_ssha("one", "1").status, 200)
            self.assertEqual(two.login_ssha("two", "2").status, 200)
            daemon.write("accounts", f"one:{hashes.ssha('new')}\n{kept}\n", 0o600)
            daemon.reload()
            wait_until(lambda: one.put(notification("modified")).status == 401)
            self.refused(one.put(notification("modified")), 401, "TOKEN_INVALID")
            self.accepted(two.put(notification("modified")), "nosubscriber")
            daemon.write("accounts", kept + "\n", 0o600)  # an account that goes
            daemon.reload()
            self.assertEqual(one.login_ssha("one", "new").status, 401)

    def test_a_token_is_good_on_a_node_that_shares_the_secret(self):
        one = self.daemon()
        token = self.client(one).token
        secret = os.path.join(one.registry, "private", "secret")
        two = self.daemon({"main": {"secret_file": secret}})
        foreign = self.daemon()
        with Client(two) as c:
            self.accepted(c.put(notification("modified"), token=token), "nosubscriber")
        with Client(foreign) as c:
            self.refused(c.put(notification("modified"), token=token), 401, "TOKEN_INVALID")

    def test_no_secret_gets_into_the_log_or_a_readable_file(self):
        daemon = self.daemon({"main": {"log_level": "debug"}})
        c = self.client(daemon)
        c.login_plain()
        c.put(notification("newmail", message="1"))
        c.login_ssha(password="wrong password")
        for secret in (c.token, SSHA, SSHA[6:], "wrong password", b64u(f"\0{ACCOUNT}\0{PASSWORD}"
                                                                      .encode())):
            self.assertNotIn(secret, daemon.log())
        private = os.path.join(daemon.registry, "private")
        self.assertEqual(os.stat(private).st_mode & 0o777, 0o700)
        self.assertEqual(os.stat(os.path.join(private, "secret")).st_mode & 0o077, 0)
        self.assertEqual(os.stat(daemon.registry).st_mode & 0o7777, 0o3770)


class OnOneConnection(ServiceTest):
    """What a connection has shown before is looked at again with each request."""

    def put(self, c):
        """On the connection that there is: a new one would have shown nothing before."""
        before = c.connection.sock
        answer = c.put(notification("modified"))
        if before is not None:
            self.assertIs(c.connection.sock, before)
        return answer

    def test_a_token_that_is_logged_out_elsewhere_ends(self):
        daemon = self.daemon()
        c = self.client(daemon)
        for _ in range(3):
            self.accepted(self.put(c))
        with Client(daemon) as other:
            other.token = c.token
            self.assertEqual(other.logout().status, 200)
        self.refused(self.put(c), 401, "TOKEN_INVALID")
        self.refused(self.put(c), 401, "TOKEN_INVALID")

    def test_a_token_expires(self):
        daemon = self.daemon({"main": {"token_ttl": "2"}})
        c = self.client(daemon)
        self.accepted(self.put(c))
        answer = wait_until(lambda: (a := self.put(c)).status != 200 and a, what="the token expires")
        self.refused(answer, 401, "TOKEN_EXPIRED")

    def test_an_account_that_goes_takes_its_tokens_along_and_brings_them_back(self):
        daemon = self.daemon({"main": {"auth": "file"}, "auth:file": {"file": "accounts"}}, start=False)
        one, two = (f"{name}:{hashes.ssha(name)}\n" for name in ("one", "two"))
        daemon.write("accounts", one + two, 0o600)
        daemon.start()
        with Client(daemon) as c:
            self.assertEqual(c.login_ssha("one", "one").status, 200)
            self.accepted(self.put(c))
            daemon.write("accounts", two, 0o600)
            daemon.reload()
            answer = wait_until(lambda: (a := self.put(c)).status != 200 and a, what="the account goes")
            self.refused(answer, 401, "TOKEN_INVALID")
            daemon.write("accounts", one + two, 0o600)
            daemon.reload()
            wait_until(lambda: self.put(c).status == 200, what="the account is there again")

    def test_each_token_is_what_it_says(self):
        """Several on one connection, as behind a proxy; a wrong one between them."""
        daemon = self.daemon({"main": {"auth": "file"}, "auth:file": {"file": "accounts"},
                              "account:two": {"users": "nobody"}}, start=False)
        daemon.write("accounts", "".join(f"{name}:{hashes.ssha(name)}\n" for name in ("one", "two")), 0o600)
        daemon.start()
        with Client(daemon) as c:
            self.assertEqual(c.login_ssha("one", "one").status, 200)
            one = c.token
            self.assertEqual(c.login_ssha("two", "two").status, 200)
            two = c.token
            for _ in range(2):
                c.token = one
                self.accepted(self.put(c))
                c.token = ("A" if one[0] != "A" else "B") + one[1:]
                self.refused(self.put(c), 401, "TOKEN_INVALID")
                c.token = one[:-1]
                self.refused(self.put(c), 401, "TOKEN_INVALID")
                c.token = two
                self.refused(self.put(c), 403, "ACCESS_FORBIDDEN")

    def test_another_secret_after_a_restart(self):
        daemon = self.daemon()
        c = self.client(daemon)
        self.accepted(self.put(c))
        daemon.terminate()
        os.unlink(os.path.join(daemon.registry, "private", "secret"))
        daemon.start()
        with Client(daemon) as again:
            self.refused(again.put(notification("modified"), token=c.token), 401, "TOKEN_INVALID")


class AccountLimits(ServiceTest):
    """[account:NAME]: 403 ACCESS_FORBIDDEN."""

    def test_backends_and_users_with_patterns(self):
        daemon = self.daemon({"backend:dovecot": {"uri": "imap://{user}@x/{folder}/{message}"},
                              f"account:{ACCOUNT}": {"backends": "sogo", "users": "j*, anna"}})
        c = self.client(daemon)
        for user, backend, allowed in (("jdoe", "sogo", True), ("j", "SOGO", True),
                                       ("anna", "sogo", True), ("annab", "sogo", False),
                                       ("Jdoe", "sogo", False), ("jdoe", "dovecot", False)):
            with self.subTest(user=user, backend=backend):
                answer = c.put(notification("modified", user=user, backend=backend))
                if allowed:
                    self.accepted(answer, "nosubscriber")
                else:
                    self.refused(answer, 403, "ACCESS_FORBIDDEN")
        answer = c.put(notification("modified"), notification("modified", user="other"))
        self.assertEqual([r[1:] for r in self.accepted(answer).results],
                         [("nosubscriber", 0, None), ("refused", 0, "ACCESS_FORBIDDEN")])

    def test_limits_are_read_with_each_request(self):
        daemon = self.daemon()
        c = self.client(daemon)
        self.accepted(c.put(notification("modified")))
        daemon.reload({f"account:{ACCOUNT}": {"users": "somebody"}})
        wait_until(lambda: c.put(notification("modified")).status == 403)


if __name__ == "__main__":
    unittest.main()
