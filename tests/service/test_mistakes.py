# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Sixty mistakes of an admin: `ocsmanager -t` names each with file and line, changes nothing on disk, and
a start says the same and refuses too, or warns alike."""

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness import certificates, hashes, paths
from harness.daemon import SSHA, ini_text
from harness.ports import free_port

ROOT = os.geteuid() == 0
LIMIT = 20
URI = {"uri": "amqps://node1:pw@127.0.0.1:1/v", "tls_verify": "no"}
FILE = {"main": {"auth": "file"}, "auth:file": {"file": "accounts"}}
MAP = {"users": {"map": "map"}}
GOOD_MAP = "sogo\t*\t*\t=\t-\n"
SCRAM = "{SCRAM-SHA-256}4096," + ",".join(["AAAAAAAAAAAAAAAAAAAAAA=="] + ["A" * 43 + "="] * 2)

ERROR, WARNING, T_ONLY = "error", "warning", "error for -t, warning at start"
# What a start learns only later, or mends itself, which -t never does.
T_WARNS, T_REFUSES = "warning for -t alone", "error for -t alone"
NO_LINE = "an error of a file, which a start names without a line of the ini"


def row(name, words, where, ini=None, kind=ERROR, files=None, text=None, prepare=None, root=False):
    """where: (section, key) of the ini, or a file and a line. ini: laid over the least one."""
    return dict(name=name, words=words, where=where, ini=ini or {}, kind=kind, files=files or {},
                text=text, prepare=prepare, root=root)


def listener(test, ini):
    """A port that somebody else listens on."""
    taken = socket.socket()
    test.addCleanup(taken.close)
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    return {**ini, "server:main": {"port": str(taken.getsockname()[1])}}


def unix_listener(test, ini):
    taken = socket.socket(socket.AF_UNIX)
    test.addCleanup(taken.close)
    taken.bind(test.path("s"))
    taken.listen()
    return ini


def make(*names, mode=0o755):
    def prepare(test, ini):
        for name in names:
            os.mkdir(test.path(name))
            os.chmod(test.path(name), mode)
        return ini
    return prepare


def second_index(test, ini):
    test.write(ini_text(), "ocsmanager.ini")
    test.run_it("-f")
    test.write("garbage" * 1000, "run/index.1.tdb")
    return ini


def lost_index(test, ini):
    make("run", mode=0o3770)(test, ini)
    test.write("1\n", "run/replica_ids")
    return ini


SPOILT = {
    "no database": lambda data: b"nonsense" * 100,
    "another libtdb": lambda data: data.replace(b"TDB file\n", b"TDB2 file", 1),
    "cut short": lambda data: data[:len(data) // 2],
    "empty": lambda data: b"",
}


def served(name, how):
    """A registry that a daemon left behind, and one of its files spoilt."""
    def prepare(test, ini):
        test.write(ini_text(), "ocsmanager.ini")
        test.run_it("-f")
        with open(test.path(f"run/{name}"), "rb") as f:
            data = f.read()
        with open(test.path(f"run/{name}"), "wb") as f:
            f.write(SPOILT[how](data))
        return ini
    return prepare


def other_version(test, ini):
    """The high-water mark, as a later version might write it."""
    test.write(ini_text(), "ocsmanager.ini")
    test.run_it("-f")
    with open(test.path("run/index.tdb"), "rb") as f:
        data = f.read()
    record = b"\x99\x19\x01\x26H"  # libtdb's magic and the key; a version comes next
    test.assertIn(record, data)
    with open(test.path("run/index.tdb"), "wb") as f:
        f.write(re.sub(re.escape(record) + b".", record + b"\x63", data, flags=re.S))
    return ini


def fifo(name):
    def prepare(test, ini):
        os.mkfifo(test.path(name), 0o600)
        return ini
    return prepare


def foreign_registry(test, ini):
    make("run", mode=0o3770)(test, ini)
    os.chown(test.path("run"), 12345, -1)
    return ini


def expired(test, ini):
    certificates.make_expired(test.folder, "node1")
    return ini


def other_key(test, ini):
    certificates.make(test.folder, "node1")
    certificates.make(test.folder, "other")
    os.replace(test.path("other.key"), test.path("node1.key"))
    return ini


def link(**keys):
    return {"rabbitmq": {**URI, **keys}}


MISTAKES = [
    # ---- lines and values
    row("no ini line", "neither", ("file", 1), text="nonsense\n" + ini_text()),
    row("a key before a section", "before the first", ("file", 1), text="port = 1\n" + ini_text()),
    row("a key twice", "duplicate", ("file", 4), text=ini_text().replace(
        "registry = run", "registry = run\nauth = file")),
    row("an unknown key", "did you mean 'failed_logins'?", ("limits", "failed_login"),
        {"limits": {"failed_login": "3"}}, WARNING),
    row("a number that is none", "not a whole number", ("limits", "failed_logins"),
        {"limits": {"failed_logins": "many"}}),
    row("a comment behind a number", "a comment needs a line of its own", ("operations", "port"),
        {"operations": {"port": "5001 ; ours"}}),
    row("a comment behind a path", "a comment needs a line of its own", ("main", "registry"),
        {"main": {"registry": "run ; ours"}}, WARNING),
    row("a comment behind a hash", "after {SSHA} comes", ("auth:single", "password"),
        {"auth:single": {"password": SSHA + "   ; made by ocsctl"}}),
    row("quotes", "the quotes are part", ("main", "registry"),
        {"main": {"registry": '"run"'}}, WARNING),
    row("Latin-1 in the ini", "not UTF-8", ("file", 4), text=ini_text().encode().replace(
        b"registry = run", b"registry = run\nuser = j\xfcrgen")),
    row("no server for ldap", "host is missing (auth = ldap)", ("auth:ldap", None),
        {"main": {"auth": "ldap"}, "auth:ldap": {"basedn": "o=x"}}),
    row("a filter that is none", "a parenthesis is missing", ("auth:ldap", "filter"),
        {"main": {"auth": "ldap"}, "auth:ldap": {"host": "ldap", "basedn": "o=x", "filter": "(uid=%u"}}),
    # ---- who it is
    row("no such user", "unknown user", ("main", "user"), {"main": {"user": "no-such-user"}}),
    row("no such group", "unknown group", ("main", "group"), {"main": {"group": "no-group"}}),
    row("root as user", "name another user", ("main", "user"), {"main": {"user": "root"}}, root=True),
    row("an ini its user cannot read", "SIGHUP will fail: chgrp", ("main", "user"),
        {"main": {"user": "nobody"}}, WARNING, root=True),
    # ---- the registry
    row("a registry two levels down", "only the last level is created", ("main", "registry"),
        {"main": {"registry": "no/such"}}),
    row("a registry that is a file", "Not a directory", ("main", "registry"),
        {"main": {"registry": "file"}}, files={"file": ""}),
    row("a registry below a file", "Not a directory", ("main", "registry"),
        {"main": {"registry": "file/run"}}, files={"file": ""}),
    row("a registry that is a dangling link", "target does not exist", ("main", "registry"),
        prepare=lambda test, ini: os.symlink("nowhere", test.path("run")) or ini),
    row("a registry open to all", "every user can write", ("main", "registry"),
        prepare=make("run", mode=0o3777)),
    row("a registry of another user", "belongs to uid 12345", ("main", "registry"),
        prepare=foreign_registry, root=True),
    row("a registry of root, the daemon another", "belongs to uid 0", ("main", "registry"),
        {"main": {"user": "nobody"}}, prepare=make("run", mode=0o3770), root=True),
    row("a path too long for sockets", "too long for the sockets", ("main", "registry"),
        {"main": {"registry": "r" * 100}}, WARNING),
    row("a registry where the kernel has its own", "a file system of the kernel", ("main", "registry"),
        {"main": {"registry": "/proc/ocsmanager"}}, root=True),
    row("a registry in /sys", "cannot create", ("main", "registry"),
        {"main": {"registry": "/sys/ocsmanager"}}),
    row("a secret in /proc", "cannot create", ("main", "secret_file"),
        {"main": {"secret_file": "/proc/secret"}}),
    row("a socket in /proc", "cannot listen on", ("server:main", "socket"),
        {"server:main": {"socket": "/proc/s"}}),
    *(row(f"a registry.tdb: {how}", "keeps its intact records", ("main", "registry"),
          kind=T_WARNS, prepare=served("registry.tdb", how)) for how in ("no database", "cut short")),
    *(row(f"an index: {how}", "must never be given again", ("main", "replica_id"),
          kind=NO_LINE, prepare=served("index.tdb", how)) for how in ("no database", "another libtdb", "empty")),
    row("a second file of the index that is none", "the index goes on in this file", ("main", "replica_id"),
        kind=NO_LINE, prepare=second_index),
    row("an index of another version", "does not verify", ("main", "replica_id"),
        kind=T_REFUSES, prepare=other_version),
    *(row(f"an auth.tdb: {how}", "all clients log in again", ("main", "registry"),
          kind=T_WARNS, prepare=served("private/auth.tdb", how)) for how in ("another libtdb", "empty")),
    row("an index that is gone", "must never be given again", ("main", "replica_id"),
        {"main": {"replica_id": "1"}}, prepare=lost_index),
    row("a secret in no folder", "No such file", ("main", "secret_file"),
        {"main": {"secret_file": "no/secret"}}),
    row("a secret that all may read", "mode 0644 is too open, must be 0600", ("main", "secret_file"),
        {"main": {"secret_file": "secret"}}, files={"secret": ("x" * 32, 0o644)}),
    row("a secret that is too short", "wrong size 31", ("main", "secret_file"),
        {"main": {"secret_file": "secret"}}, files={"secret": "x" * 31}),
    row("a secret that is a folder", "Is a directory", ("main", "secret_file"),
        {"main": {"secret_file": "secret"}}, prepare=make("secret", mode=0o700)),
    row("a secret that is a FIFO", "not a regular file", ("main", "secret_file"),
        {"main": {"secret_file": "secret"}}, prepare=fifo("secret")),
    row("a secret its user cannot read", "Permission denied", ("main", "secret_file"),
        {"main": {"user": "nobody", "secret_file": "secret"}}, files={"secret": ("x" * 32, 0o600)},
        root=True),
    # ---- addresses
    row("a host that is none", "neither a host name", ("server:main", "host"),
        {"server:main": {"host": "a b"}}),
    row("a host nobody knows", "no-such-host.invalid: ", ("server:main", "host"),
        {"server:main": {"host": "no-such-host.invalid"}}),
    row("an address of another machine", "Cannot assign requested address", ("server:main", "host"),
        {"server:main": {"host": "192.0.2.1"}}),
    row("an operations host nobody knows", "no-such-host.invalid: ", ("operations", "host"),
        {"operations": {"host": "no-such-host.invalid"}}),
    row("a port in use", "Address already in use", ("server:main", "port"), prepare=listener),
    row("a port below 1024", "Permission denied", ("server:main", "port"),
        {"main": {"user": "nobody"}, "server:main": {"port": "79"}}, root=True),
    row("one port for both", "is already used by [server:main]", ("operations", "port"),
        {"server:main": {"port": "5999"}, "operations": {"port": "5999"}}),
    row("too many connections for its threads", "need 5 threads", ("server:main", "connection_limit"),
        {"server:main": {"threads": "1", "connection_limit": "500"}}),
    row("a socket that is a file", "is not a socket", ("server:main", "socket"),
        {"server:main": {"socket": "file"}}, files={"file": ""}),
    row("a socket two levels down", "only the last folder of the path is made", ("server:main", "socket"),
        {"server:main": {"socket": "no/such/socket"}}),
    row("a socket in use", "another process listens", ("server:main", "socket"),
        {"server:main": {"socket": "s"}}, prepare=unix_listener),
    row("a socket group nobody knows", "unknown group", ("server:main", "socket_group"),
        {"server:main": {"socket": "s", "socket_group": "no-group"}}),
    # ---- accounts
    row("no password", "password is missing", ("auth:single", None),
        {"auth:single": {"password": None}}),
    row("a hash that is none", "after {SSHA} comes", ("auth:single", "password"),
        {"auth:single": {"password": "{SSHA}..."}}),
    row("a scheme nobody knows", "unknown scheme {MD5}", ("auth:single", "password"),
        {"auth:single": {"password": "{MD5}abc"}}),
    row("a plain password", "is plain text", ("auth:single", "password"),
        {"auth:single": {"password": "secret"}}, WARNING),
    row("a hash that no mechanism serves", "account openchange cannot log in",
        ("auth:single", "password"), {"main": {"mechanisms": "SCRAM-SHA-256"}}, WARNING),
    row("no account file", "No such file", ("auth:file", "file"), FILE),
    row("an account file that all may read", "too open", ("auth:file", "file"), FILE,
        files={"accounts": (f"a:{SSHA}\n", 0o644)}),
    row("an account file its user cannot read", "Permission denied", ("auth:file", "file"),
        {"main": {"auth": "file", "user": "nobody"}, "auth:file": {"file": "accounts"}},
        files={"accounts": f"a:{SSHA}\n"}, root=True),
    row("an account line that is none", "accounts:2: not NAME:HASH", ("auth:file", "file"), FILE,
        files={"accounts": f"a:{SSHA}\nnonsense\n"}),
    row("an account twice", "exists already", ("auth:file", "file"), FILE,
        files={"accounts": f"a:{SSHA}\n#\na:{SSHA}\n"}),
    row("a hash cut short", "not a hash", ("auth:file", "file"), FILE,
        files={"accounts": "a:$6$abcdefgh$short\n"}),
    row("an account that no mechanism serves", "account b cannot log in", ("accounts", 2),
        {"main": {"auth": "file", "mechanisms": "SCRAM-SHA-256"}, "auth:file": {"file": "accounts"}},
        WARNING, files={"accounts": f"a:{SCRAM}\nb:{hashes.sha512_crypt('x')}\n"}),
    row("an account file that its group may write", "too open", ("auth:file", "file"), FILE,
        files={"accounts": (f"a:{SSHA}\n", 0o660)}),
    row("an account file with a mistake that all may read", "too open", ("auth:file", "file"), FILE,
        files={"accounts": ("nonsense\n", 0o644)}),
    row("an account file that is a folder", "Is a directory", ("auth:file", "file"), FILE,
        prepare=make("accounts", mode=0o700)),
    row("an account file that is a FIFO", "not a regular file", ("auth:file", "file"), FILE,
        prepare=fifo("accounts")),
    row("an account file in UTF-16", "UTF-16", ("auth:file", "file"), FILE,
        files={"accounts": f"a:{SSHA}\n".encode("utf-16")}),
    row("an account file with a NUL", "NUL", ("auth:file", "file"), FILE,
        files={"accounts": f"a:{SSHA}\0\n"}),
    row("an empty account file", "holds no account", ("auth:file", "file"), FILE, WARNING,
        files={"accounts": "# nobody\n"}),
    row("limits for nobody", "no such account", ("account:scaner", None),
        {"account:scaner": {"users": "*"}}, WARNING),
    row("limits for a backend that is not there", "no section [backend:sgo]",
        ("account:openchange", "backends"), {"account:openchange": {"backends": "sogo, sgo"}}, WARNING),
    # ---- backends and users
    row("no backend", "no section [backend:NAME]", ("file", 0), kind=WARNING,
        text=ini_text().split("[backend:sogo]")[0] + "[operations]\nport = 0\n"),
    row("a placeholder nobody knows", "only {user}", ("backend:sogo", "uri"),
        {"backend:sogo": {"uri": "sogo://{usr}@mail/{folder}/{message}"}}),
    row("a URI without placeholders", "without {message} the URI is the same for all messages",
        ("backend:sogo", "uri"), {"backend:sogo": {"uri": "sogo://mail"}}, WARNING),
    row("no user map", "No such file", ("map", 0), MAP),
    row("a map with blanks for tabs", "five fields", ("map", 1), MAP, files={"map": "sogo * * = -\n"}),
    row("a map in Latin-1", "not UTF-8", ("map", 2), MAP,
        files={"map": GOOD_MAP.encode() + b"sogo\tj\xfcrgen\t*\t=\t-\n"}),
    row("a pattern in a map", "a * is only a field of its own", ("map", 1), MAP,
        files={"map": "sogo\tjd*\t*\t=\t-\n"}),
    row("a map for a backend that is not there", "no section [backend:dovecot]", ("map", 2), MAP,
        WARNING, files={"map": GOOD_MAP + "dovecot\t*\t*\t=\t-\n"}),
    row("a FID for all folders", "a FID needs", ("map", 1), MAP,
        files={"map": "sogo\tjdoe\t*\t=\t0123456789abcdef\n"}),
    row("a FID that is none", "the FID is neither", ("map", 1), MAP,
        files={"map": "sogo\tjdoe\tINBOX\t=\t12\n"}),
    row("a FID of 0", "a FID of 0 names no folder", ("map", 1), MAP,
        files={"map": "sogo\tjdoe\tINBOX\t=\t0000000000000000\n"}),
    row("a FID of 0x0", "a FID of 0 names no folder", ("map", 1), MAP,
        files={"map": "sogo\tjdoe\tINBOX\t=\t0x0\n"}),
    row("a map that is a folder", "Is a directory", ("map", 0), MAP, prepare=make("map")),
    row("a map that is a FIFO", "not a regular file", ("map", 0), MAP, prepare=fifo("map")),
    row("a DEL in a folder of a map", "a control character in the folder", ("map", 2), MAP, WARNING,
        files={"map": GOOD_MAP + "sogo\tjdoe\tIN\x7fBOX\t=\t-\n"}),
    row("a C1 control in a folder of a map", "a control character in the folder", ("map", 2), MAP,
        WARNING, files={"map": GOOD_MAP + "sogo\tjdoe\tIN\x85BOX\t=\t-\n"}),
    row("a blank behind a groupware user", "white space at an end of the groupware user", ("map", 1),
        MAP, WARNING, files={"map": "sogo\tjdoe\tINBOX\tjane \t-\n"}),
    row("a map its user cannot read", "Permission denied", ("map", 0),
        {"main": {"user": "nobody"}, **MAP}, files={"map": (GOOD_MAP, 0o600)}, root=True),
    row("a map with a path past its room", "the path is longer", ("nowhere", 0),
        {"users": {"map": "m" * 5000}}),
    # ---- queues and the link
    row("more entries than the kernel allows", "is above fs.mqueue.msg_max", ("mqueue", "max_messages"),
        {"mqueue": {"max_messages": "60000"}}, WARNING),
    row("larger entries than the kernel allows", "is above fs.mqueue.msgsize_max",
        ("mqueue", "message_size"), {"mqueue": {"message_size": "16000000"}}, WARNING),
    row("entries too small", "not a whole number", ("mqueue", "message_size"),
        {"mqueue": {"message_size": "100"}}),
    row("a broker that is none", "[rabbitmq] uri", ("rabbitmq", "uri"), link(uri="http://broker/")),
    row("a broker nobody knows", "no-such-host.invalid: ", ("rabbitmq", "uri"),
        link(uri="amqps://a:b@127.0.0.1:1/v, amqps://a:b@no-such-host.invalid/v"), T_WARNS),
    row("a CA file that is not there", "No such file", ("rabbitmq", "ca_file"), link(ca_file="ca.pem"),
        T_ONLY),
    row("a CA file without a certificate", "no certificate in it can be read", ("rabbitmq", "ca_file"),
        link(ca_file="ca.pem"), T_ONLY, files={"ca.pem": "nothing"}),
    row("an expired certificate", "has expired", ("rabbitmq", "cert_file"),
        link(cert_file="node1.pem", key_file="node1.key"), WARNING, prepare=expired),
    row("the key of another certificate", "not the key of", ("rabbitmq", "key_file"),
        link(cert_file="node1.pem", key_file="node1.key"), T_ONLY,
        prepare=other_key),
    row("a certificate without its key", "key_file must be set as well", ("rabbitmq", "cert_file"),
        link(cert_file="node1.pem")),
    row("a password in clear", "in clear; use amqps://", ("rabbitmq", "uri"),
        link(uri="amqp://a:b@192.0.2.1:1/v"), WARNING),
    row("keys of a link without uri", "has no effect without uri", ("rabbitmq", "node"),
        {"rabbitmq": {"node": "n1"}}, WARNING),
]


def tree(folder):
    """Everything in it, with what would show a change."""
    found = {}
    for path, folders, names in os.walk(folder):
        for name in [".", *folders, *names]:
            full = os.path.join(path, name)
            status = os.lstat(full)
            found[full] = (status.st_mode, status.st_uid, status.st_gid, status.st_size,
                           status.st_mtime_ns, status.st_ino)
    return found


class Mistakes(unittest.TestCase):
    maxDiff = None

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, text, name, mode=0o600):
        with open(self.path(name), "wb" if isinstance(text, bytes) else "w") as f:
            f.write(text)
        os.chmod(self.path(name), mode)

    def set_up(self, mistake):
        self.folder = tempfile.mkdtemp(prefix="o")
        self.addCleanup(shutil.rmtree, self.folder)
        os.chmod(self.folder, 0o755)
        ini = mistake["prepare"](self, mistake["ini"]) if mistake["prepare"] else mistake["ini"]
        for name, content in mistake["files"].items():
            self.write(*((content[0], name, content[1]) if isinstance(content, tuple)
                         else (content, name)))
        text = mistake["text"] or ini_text(ini)
        self.write(text, "ocsmanager.ini")
        return text

    def expected(self, mistake, text):
        """FILE:LINE where the problem is reported."""
        place, key = mistake["where"]
        if place == "nowhere":
            return ""
        ini = self.path("ocsmanager.ini")
        if isinstance(key, int):
            name = ini if place == "file" else self.path(place)
            return f"{name}:{key}: " if key else f"{name}: "
        lines, line = text.splitlines(), 0
        for number, current in enumerate(lines, 1):
            if current == f"[{place}]":
                line = number
            elif line and current.startswith("["):
                break
            elif line and key and current.startswith(f"{key} ="):
                line = number
                break
        self.assertTrue(line, mistake["name"])
        return f"{ini}:{line}: "

    def run_it(self, *arguments):
        """(status or None: it runs, what it says)"""
        process = subprocess.Popen([paths.program("ocsmanager"), "-c", self.path("ocsmanager.ini"),
                                    *arguments], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                   errors="replace")
        said = []
        try:
            for line in process.stderr:
                said.append(line)
                if " listening on " in line:
                    return None, "".join(said)
            return process.wait(LIMIT), "".join(said)
        finally:
            process.terminate()
            process.stderr.read()
            process.wait(LIMIT)
            process.stderr.close()

    def says(self, said, kind, where, words):
        pattern = rf"(?m)^(?:\S+ )?{kind}: {re.escape(where)}.*{re.escape(words)}"
        self.assertRegex(said, pattern)

    def test_each_is_named_with_file_and_line_and_a_start_says_the_same(self):
        self.assertGreaterEqual(len(MISTAKES), 60)
        for mistake in MISTAKES:
            if mistake["root"] and not ROOT:
                continue
            with self.subTest(mistake["name"]):
                text = self.set_up(mistake)
                where, words = self.expected(mistake, text), mistake["words"]
                before = tree(self.folder)
                status, said = self.run_it("-t")
                self.assertEqual(tree(self.folder), before, "-t changes nothing")
                warns = mistake["kind"] in (WARNING, T_WARNS)
                self.assertEqual(status, 0 if warns else 1, said)
                self.says(said, "warning" if warns else "error", where, words)
                status, said = self.run_it("-f")
                if mistake["kind"] in (T_WARNS, T_REFUSES):
                    self.assertEqual(status, None, said)
                    continue
                refused = mistake["kind"] in (ERROR, NO_LINE)
                self.assertEqual(status, 1 if refused else None, said)
                if mistake["kind"] is NO_LINE:
                    where = ""
                self.says(said, "error" if refused else "warning", where, words)

    def test_a_start_says_each_thing_once(self):
        self.set_up(row("", "", None, {"auth:single": {"password": "secret"}, **MAP},
                        files={"map": GOOD_MAP + "dovecot\t*\t*\t=\t-\n"}))
        _, said = self.run_it("-f")
        for words in ("is plain text", "no section [backend:dovecot]"):
            self.assertEqual(said.count(words), 1, said)

    def test_what_is_right_is_fine(self):
        """With a byte order mark in the map too."""
        self.set_up(row("", "", None, {**FILE, **MAP, "account:openchange": {"backends": "sogo, do*"}},
                        files={"map": "\ufeff" + GOOD_MAP, "accounts": f"openchange:{SSHA}\n"}))
        self.is_fine()

    def test_it_is_fine_while_the_daemon_of_that_ini_runs(self):
        """Its port and its socket are taken, by itself."""
        self.set_up(row("", "", None, {"server:main": {"port": str(free_port()), "socket": "s"}}))
        daemon = subprocess.Popen([paths.program("ocsmanager"), "-f", "-c",
                                   self.path("ocsmanager.ini")], stdin=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE, text=True)
        try:
            next(line for line in daemon.stderr if " listening on " in line)
            self.is_fine()
        finally:
            daemon.terminate()
            daemon.stderr.read()
            daemon.wait(LIMIT)
            daemon.stderr.close()

    def is_fine(self):
        result = subprocess.run([paths.program("ocsmanager"), "-t", "-c",
                                 self.path("ocsmanager.ini")], capture_output=True, text=True,
                                timeout=LIMIT)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertTrue(result.stdout.endswith(": fine\n"), result.stdout)


if __name__ == "__main__":
    unittest.main()
