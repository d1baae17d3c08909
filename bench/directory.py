#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""How long a failed login takes with auth = ldap, for a name that the directory has and for one that it has not, in
turning order, next to a real slapd: with a hash that costs it nothing and with one that costs it milliseconds. Whoever
could tell the two apart would know who there is. A part of `make bench` (measure_directory), or alone:
bench/directory.py [BUILD].

Environment: OCS_BENCH_LOGINS (2000, of each).
"""
import os
import random
import subprocess
import sys
import time

sys.dont_write_bytecode = True
TESTS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tests")
sys.path += [TESTS, os.path.join(TESTS, "live")]  # behind: there is a rig.py as well
from figures import LESS  # pylint: disable=wrong-import-position
from rig import BenchError, run_alone  # pylint: disable=wrong-import-position

LOGINS = int(os.environ.get("OCS_BENCH_LOGINS", "2000"))
PARTS = (0.05, 0.25, 0.5, 0.75, 0.95)


def times(daemon, name, unknown):
    """[seconds] of logins with a wrong password, of the name and of the one that is not there."""
    from harness.client import Client  # after OCS_BUILD is set
    took = {name: [], unknown: []}
    order = [name, unknown] * LOGINS
    random.shuffle(order)
    with Client(daemon) as client:
        for _ in range(100):  # connections are made, and it is known how long each takes
            client.login_plain(name, "wrong")
            client.login_plain(unknown, "wrong")
        for who in order:
            begin = time.perf_counter()
            answer = client.login_plain(who, "wrong")
            took[who].append(time.perf_counter() - begin)
            if answer.status != 401:
                raise BenchError(f"a login with a wrong password: {answer}")
    return sorted(took[name]), sorted(took[unknown])


def hashes():
    """{what: a hash of "test" as slapd takes it}"""
    slow = subprocess.run(["openssl", "passwd", "-6", "test"], check=True, capture_output=True, text=True).stdout.strip()
    from ldap_rig import SSHA
    return {"{SSHA}": SSHA, "{CRYPT}$6$": "{CRYPT}" + slow}


def measure_directory(bench):
    """For bench/run.py."""
    os.environ["OCS_BUILD"] = os.path.abspath(bench.build)
    from harness.daemon import Daemon
    from ldap_rig import Slapd, person
    stored = hashes()
    slapd = Slapd("".join(person(f"user{i}", "userPassword: " + value) for i, value in enumerate(stored.values())))
    try:
        slapd.start()
        print(f"\nauth = ldap: a failed login, {LOGINS} of each, in ms, and its quantiles "
              f"{', '.join(f'{part:.0%}' for part in PARTS)}")
        for i, what in enumerate(stored):
            bench.progress.step(what)
            ini = slapd.ini()
            ini["limits"] = {"failed_logins": "1000000"}
            daemon = Daemon(ini).start()
            try:
                both = times(daemon, f"user{i}", "nobody")
            finally:
                daemon.close()
            for name, took in zip(("known", "unknown"), both):
                quantiles = [took[int(len(took) * part)] * 1000 for part in PARTS]
                print(f"  {what:12} {name:8} " + "  ".join(f"{value:7.3f}" for value in quantiles))
                bench.figures.add("login", [value * 1e6 for value in took], "us", LESS, what="failed", hash=what, account=name)
    finally:
        slapd.close()


if __name__ == "__main__":
    sys.exit(run_alone(measure_directory))
