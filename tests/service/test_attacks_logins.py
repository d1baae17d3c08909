# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Hostile names, tokens and challenges, a row a test (harness/attacks/logins.py), while a good client works. In
test_auth: a challenge answered twice, late, or with other than hex, its cookies mixed or missing, SCRAM that was
tampered with; in test_protocol_errors: invented and expired tokens, login names past 128 bytes; in test_tokens: tokens
after a logout, of an account that is gone; in test_lockouts and test_tokens: guessing. live/test_ldap: what a filter of
a directory is given."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness.attacks import Target
from harness.attacks.case import AttackTest, tests_of
from harness.attacks.logins import ROWS, answers, challenge, reports
from harness.case import ServiceTest
from harness.client import ACCOUNT, PASSWORD, ssha_answer


@tests_of(ROWS)
class Logins(AttackTest):
    pass


class Foreign(ServiceTest):
    """What another daemon gave, with the same accounts and passwords."""

    def setUp(self):
        self.here, self.there = self.daemon(), self.daemon()

    def test_a_token_of_another_daemon_is_none(self):
        token = self.client(self.there).token
        here = Target(self.here, token)
        self.assertEqual(list(reports(lambda target: [f"<token>{target.token}</token>"])(here)), [(401,
                                                                                                   "TOKEN_INVALID")])

    def test_a_challenge_of_another_daemon_is_none(self):
        salt, token_salt, cookie = challenge(Target(self.there, None))
        right = f"<token>{ssha_answer(ACCOUNT, PASSWORD, salt, token_salt)}</token>"
        self.assertEqual(list(answers(Target(self.here, None), cookie, right)), [(403, "INVALID_SESSION")])
        self.assertEqual(list(answers(Target(self.there, None), cookie, right)), [200])


if __name__ == "__main__":
    unittest.main()
