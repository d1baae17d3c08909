# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""`ocsmanager -t` on every kind of ini, and what is made from the table of keys."""

import os
import re
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness import certificates, paths
from harness.daemon import SSHA, ini_text

OCSMANAGER = paths.program("ocsmanager")
LIMIT = 20  # seconds; each run takes a few milliseconds


def run(*arguments, **more):
    return subprocess.run([OCSMANAGER, *arguments], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=LIMIT, **more)


class ConfigTest(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="o")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.ini = self.path("ocsmanager.ini")

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, text, name="ocsmanager.ini", mode=0o600):
        with open(self.path(name), "wb" if isinstance(text, bytes) else "w") as f:
            f.write(text)
        os.chmod(self.path(name), mode)

    def check(self, text=None, mode=0o600):
        if text is not None:
            self.write(text, mode=mode)
        before = set(os.listdir(self.folder))
        result = run("-t", "-c", self.ini)
        # The brokers and directories of the examples are nowhere; test_mistakes.py has one that is nowhere.
        result.stderr = re.sub(r"(?m)^warning: \S+ \[rabbitmq\] uri: (?:\w+\.example\.org|broker): "
                               r"(?:Name or|No address|Temporary failure|System error).*\n", "", result.stderr)
        result.stderr = re.sub(r"(?m)^warning: \S+ \[(?:auth:ldap\] host|users\] ldap_user): ldaps://ldap\.example\.org:636: "
                               r"(?:Name or|No address|Temporary failure|System error).*\n", "", result.stderr)
        self.assertEqual(set(os.listdir(self.folder)), before, "-t makes no file")
        return result

    def fine(self, text):
        result = self.check(text)
        self.assertEqual((result.returncode, result.stderr), (0, ""))

    def warned(self, text, *expected):
        result = self.check(text)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.says(result.stderr, "warning", expected)

    def refused(self, text, *expected):
        result = self.check(text)
        self.assertEqual(result.returncode, 1, result.stderr)
        self.says(result.stderr, "error", expected)

    def says(self, stderr, word, expected):
        lines = stderr.splitlines()
        for line, words in expected:
            where = f"{word}: {self.ini}:{line}: "
            self.assertTrue(any(l.startswith(where) and words in l for l in lines),
                            f"no '{where}...{words}' in:\n{stderr}")


class Check(ConfigTest):
    def test_the_minimal_file_is_fine(self):
        self.fine(ini_text())

    def test_the_lines_of_the_manual_are_fine(self):
        self.fine(f"[main]\nauth = single\nregistry = run\n"
                  f"[server:main]\nhost = 127.0.0.1\nport = 5000\n"
                  f"[auth:single]\nusername = openchange\npassword = {SSHA}\n"
                  f"[backend:sogo]\nuri = sogo://{{user}}@mail/{{folder}}/{{message}}\n")

    def test_an_unknown_key_and_section_are_warnings_with_a_suggestion(self):
        self.warned(ini_text({"limits": {"failed_login": "3"}, "mqueu": {"x": "1"}}),
                    (20, "did you mean 'failed_logins'?"), (22, "did you mean [mqueue]?"))

    def test_old_keys_are_warnings(self):
        self.warned("[DEFAULT]\ndebug = true\n[app:main]\nuse = egg:ocsmanager\n" +
                    ini_text({"main": {"mapistore_root": "/x", "debug": "yes"}}),
                    (1, "is obsolete and ignored"), (3, "is obsolete and ignored"),
                    (8, "see registry"), (9, "see log_level"))

    def test_each_bad_value_is_an_error_with_its_line(self):
        for section, key, value in [
                ("main", "auth", "pam"), ("auth:ldap", "timeout", "0"), ("main", "log_level", "loud"),
                ("main", "dedupe_window", "0"), ("main", "challenge_ttl", "x"),
                ("main", "token_ttl", "1h"), ("main", "mechanisms", "CRAM-MD5"),
                ("main", "replica_id", "0"), ("main", "replica_id", "65536"),
                ("main", "sync", "yes"), ("main", "user", "no-such-user-here"),
                ("main", "group", "no-such-group-here"), ("main", "registry", ""),
                ("server:main", "host", "[::1]"), ("server:main", "host", "a b"),
                ("server:main", "port", "65536"), ("server:main", "port", "-1"),
                ("server:main", "threads", "300"), ("server:main", "connection_limit", "0"),
                ("server:main", "max_body", "10"), ("server:main", "max_batch", "0"),
                ("server:main", "keepalive_timeout", "0"), ("server:main", "tls_cert", "/x"),
                ("server:main", "plain_http", "maybe"), ("server:main", "proxy_header", "Via"),
                ("server:main", "proxies", "0.0.0.0/0"), ("server:main", "proxies", "proxy"),
                ("server:main", "tls_key", "/x"), ("server:main", "tls_client_ca", "/x"),
                ("server:main", "tls_client_crl", "/x"), ("operations", "port", "http"),
                ("limits", "failed_logins", "0"), ("limits", "failure_window", "1.5"),
                ("limits", "request_deadline", "0"), ("limits", "connections_per_address", "0"),
                ("limits", "pending_challenges", "0"), ("mqueue", "max_messages", "0"),
                ("mqueue", "message_size", "223"), ("mqueue", "spill_max", "0"),
                ("mqueue", "spill_total", "0"), ("mqueue", "descriptors", "0"),
                ("push", "interval", "0"), ("users", "map", ""),
                ("rabbitmq", "uri", "http://localhost"), ("rabbitmq", "uri", "amqp://a:b@h/v?x=y"),
                ("rabbitmq", "exchange", "amq.direct"), ("rabbitmq", "ingest_account", "a b"),
                ("rabbitmq", "relay", "true"), ("rabbitmq", "heartbeat", "0"),
                ("rabbitmq", "spool_max", "1G"), ("backend:sogo", "uri", "sogo://{usr}"),
                ("backend:sogo", "uri", "no-scheme"), ("account:bob", "users", "a,,b"),
                ("auth:single", "username", "a b"), ("auth:single", "username", "")]:
            with self.subTest(section=section, key=key, value=value):
                text = ini_text({section: {key: value}})
                line = text.splitlines().index(f"{key} = {value}") + 1
                self.refused(text, (line, key))

    def test_a_key_twice_and_a_section_twice_are_errors(self):
        text = ini_text() + "[limits]\nfailed_logins = 1\nfailed_logins = 2\n[main]\n"
        line = text.splitlines().index("failed_logins = 2") + 1
        self.refused(text, (line, "duplicate key"), (line + 1, "duplicate section"))

    def test_lines_that_are_no_ini_are_errors(self):
        text = ini_text()
        line = text.count("\n") + 1
        self.refused(text + "nonsense\n= 1\n[unclosed\n[]\n", (line, "neither"), (line + 1, "no key"),
                     (line + 2, "closing bracket"), (line + 3, "is empty"))
        self.refused("port = 1\n" + text, (1, "before the first [section]"))
        self.refused((text + "[users]\nmap = /a\0b\n").encode(), (line + 1, "NUL"))
        self.refused(text.encode() + b"[users]\nmap = /\xff\n", (line + 1, "UTF-8"))

    def test_all_problems_are_reported_at_once(self):
        result = self.check(ini_text({"limits": {"failed_logins": "x", "failure_window": "y"},
                                      "push": {"interval": "z"}, "mqueu": {"a": "b"}}))
        self.assertEqual(result.returncode, 1)
        self.assertEqual(len(result.stderr.splitlines()), 4, result.stderr)

    def test_a_comment_behind_a_value_is_named_as_what_it_is(self):
        for section, key, value, status in (
                ("auth:single", "password", SSHA + "    ; made by: ocsctl", 1),
                ("backend:sogo", "uri", "sogo://{user}@mail/{folder}/{message} ; ours", 1),
                ("server:main", "port", "5000 ; ours", 1), ("main", "log_level", "info # ours", 1),
                ("server:main", "host", "127.0.0.1 # ours", 1), ("main", "registry", "run # ours", 0)):
            with self.subTest(key=key, value=value):
                text = ini_text({section: {key: value}})
                line = text.splitlines().index(f"{key} = {value}") + 1
                result = self.check(text)
                self.assertEqual(result.returncode, status, result.stderr)
                self.assertRegex(result.stderr, rf"(?m)^\w+: {re.escape(self.ini)}:{line}: .*"
                                 r"a comment needs a line of its own")

    def test_what_is_missing_is_an_error_that_says_what_to_write(self):
        result = self.check(ini_text({"auth:single": {"username": None}}))
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stderr, r"username is missing.*write `username = NAME`")
        result = self.check(ini_text({"main": {"auth": "file"}}))
        self.assertRegex(result.stderr, r"file is missing.*write `file = PATH`")
        result = self.check("")
        self.assertEqual(result.returncode, 1)

    def test_crlf_and_a_bom_are_fine(self):
        self.fine(b"\xef\xbb\xbf" + ini_text().replace("\n", "\r\n").encode())

    def test_a_password_that_others_can_read_is_a_warning(self):
        result = self.check(ini_text(), mode=0o644)
        self.assertEqual(result.returncode, 0)
        self.assertIn("every user can read it", result.stderr)

    def test_a_password_is_never_shown(self):
        for text in (ini_text({"auth:single": {"password": "s3cret"}}),
                     ini_text({"auth:single": {"password": "{SSHA}s3cret"}}),
                     ini_text() + "[auth:single]\npassword = s3cret\nlost s3cret\n",
                     ini_text({"auth:single": {"pasword": "s3cret", "password": None}}),
                     ini_text({"rabbitmq": {"uri": "amqp://a:s3cret@broker/v"}}),
                     ini_text({"rabbitmq": {"uri": "amqp://a:s3cret@b:port/v"}}),
                     ini_text({"rabbitmq": {"uri": "amqp://a:s3cret"}}),
                     ini_text({"rabbitmq": {"urk": "amqp://a:s3cret@b"}})):
            result = self.check(text)
            self.assertNotIn("s3cret", result.stdout + result.stderr)

    def test_a_file_that_is_not_there_or_is_none(self):
        result = self.check()
        self.assertEqual(result.returncode, 1)
        self.assertIn("No such file", result.stderr)
        result = run("-t", "-c", self.folder)
        self.assertEqual(result.returncode, 1)
        self.assertIn("is a directory", result.stderr)

    def test_the_files_that_the_ini_names_are_checked_too(self):
        text = ini_text({"main": {"auth": "file"}, "auth:file": {"file": "accounts"},
                         "users": {"map": "map"}})
        self.write("bob:nonsense\n", "accounts")
        self.write("too few fields\n", "map")
        result = self.check(text)
        self.assertEqual(result.returncode, 1)
        self.assertIn(self.path("accounts") + ":1", result.stderr)
        self.assertIn(self.path("map") + ":1", result.stderr)
        self.write(f"bob:{SSHA}\n", "accounts")
        self.write("# a comment\nsogo\t*\t*\t=\t-\n", "map")
        self.fine(text)

    def test_the_files_of_the_link_are_checked_too(self):
        text = ini_text({"rabbitmq": {"uri": "amqps://node1:pw@broker/v", "ca_file": "ca.pem",
                                      "cert_file": "node1.pem", "key_file": "node1.key"}})
        result = self.check(text)
        self.assertEqual(result.returncode, 1)
        for key, name in ("ca_file", "ca.pem"), ("cert_file", "node1.pem"), ("key_file", "node1.key"):
            self.assertIn(f"[rabbitmq] {key}: {self.path(name)}: No such file", result.stderr)
        certificates.make(self.folder, "ca")
        certificates.make(self.folder, "node1")
        self.fine(text)
        os.chmod(self.path("node1.key"), 0o644)
        self.assertIn("every user can read it", self.check(text).stderr)

    def test_paths_start_at_the_folder_of_the_ini(self):
        self.write(f"bob:{SSHA}\n", "accounts")
        self.write(ini_text({"main": {"auth": "file"}, "auth:file": {"file": "accounts"}}))
        for arguments, cwd in ((("-c", self.ini), "/"), (("-c", "ocsmanager.ini"), self.folder)):
            result = run("-t", *arguments, cwd=cwd)
            self.assertEqual((result.returncode, result.stderr), (0, ""))


class Manuals(ConfigTest):
    """What the manuals show of an ini passes as printed."""

    PAGES = ["README.md"] + [os.path.join("doc", name) for name in
                             sorted(os.listdir(os.path.join(paths.TREE, "doc")))
                             if name.endswith(".md")]
    SECTION = re.compile(r"^\[([a-z]+(:\w+)?)\]$")

    def blocks(self, page):
        """Indented or fenced blocks with a [section] of ours, without the indentation."""
        with open(os.path.join(paths.TREE, page), encoding="utf-8") as f:
            text = f.read()
        known = set(re.findall(r"^#?\[(\w+)", self.read_ini(), re.M))
        block, fenced = [], False
        for line in text.splitlines() + ["end"]:
            if line.startswith("```"):
                fenced = not fenced
            elif fenced or line.startswith("    "):
                block.append(line if fenced else line[4:])
                continue
            elif not line and block and not fenced:
                block.append(line)
                continue
            while block and not block[0].startswith("["):
                block.pop(0)  # commands before it, or another kind of block
            found = self.SECTION.match(block[0]) if block else None
            if found and found.group(1).split(":")[0] in known:
                yield "\n".join(block).rstrip() + "\n"
            block = []

    def read_ini(self):
        with open(os.path.join(paths.TREE, "ocsmanager.ini"), encoding="utf-8") as f:
            return f.read()

    def complete(self, block):
        """The block with what a reader fills in, and the sections of the least ini it does not have."""
        block = re.sub(r"\{(SSHA|SCRAM-SHA-256)\}\.\.\.", SSHA, block)
        block = re.sub(r"^registry = .*$", "registry = run", block, flags=re.M)
        block = re.sub(r"^(user|group|socket|socket_group|openchangedb) = .*\n", "", block, flags=re.M)
        for key in re.findall(r"^(?:ca_file|cert_file|key_file|map|file) = (.*)$", block, re.M):
            block = block.replace(f"= {key}\n", f"= {self.certificate(key)}\n")
        if "bind_pw_file" in block:
            self.write("secret\n", "ldap.secret")
            block = re.sub(r"^bind_pw_file = .*$", "bind_pw_file = ldap.secret", block, flags=re.M)
        there = re.findall(r"^\[(.*)\]$", block, re.M)
        rest = ini_text().split("\n\n")
        if any(t.startswith("account:") for t in there) and "rabbitmq" not in there:
            rest.append("[rabbitmq]\nuri = amqps://a:b@broker.example.org/v\n")
        return block + "\n" + "\n\n".join(
            part for part in rest if part.strip() and part.split("]")[0].strip("[\n") not in there
            and not (part.startswith("[backend:") and any(t.startswith("backend:") for t in there)))

    def certificate(self, path):
        name = os.path.basename(path)
        certificates.make(self.folder, "made")
        os.rename(self.path("made.pem"), self.path(name))
        return name

    def test_every_block_passes(self):
        found = 0
        for page in self.PAGES:
            for block in self.blocks(page):
                with self.subTest(page=page, block=block):
                    found += 1
                    result = self.check(self.complete(block))
                    self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertGreaterEqual(found, 4)

    def test_the_first_one_of_the_readme_is_all_a_daemon_needs(self):
        block = re.sub(r"^registry = .*$", "registry = run", next(self.blocks("README.md")),
                       flags=re.M).replace("{SCRAM-SHA-256}...", SSHA)
        self.fine(block)


class Link(ConfigTest):
    """[rabbitmq]: the rest is in tests/unit/config/test_cluster.c."""

    URI = {"uri": "amqps://node1:pw@broker.example.org/ocsmanager"}

    def check_link(self, keys, code, words):
        result = self.check(ini_text({"rabbitmq": keys}))
        self.assertEqual(result.returncode, code, result.stderr)
        self.assertIn(words, result.stderr)

    def test_a_uri_is_enough(self):
        self.fine(ini_text({"rabbitmq": self.URI}))

    def test_without_uri_the_rest_has_no_effect(self):
        self.check_link({"node": "n1"}, 0, "[rabbitmq] node has no effect without uri")

    def test_contradictions_are_errors(self):
        for keys, words in (({"relay": "yes", "ingest": "yes"}, "must be no with relay = yes"),
                            ({"cert_file": "x"}, "key_file must be set as well"),
                            ({"confirm_timeout": "10"}, "less than [limits] request_deadline"),
                            ({"dead_queue": "ocsmanager.ingest"}, "is already the name of ingest_queue"),
                            ({"json_backend": "nobody"}, "no section [backend:nobody]")):
            with self.subTest(words=words):
                self.check_link({**self.URI, **keys}, 1, words)

    def test_the_lines_of_the_manuals_are_fine(self):
        """What README, cluster.md and dovecot.md show of [rabbitmq]."""
        found = 0
        for name in ("README.md", "doc/cluster.md", "doc/dovecot.md"):
            with open(os.path.join(paths.TREE, name), encoding="utf-8") as f:
                text = f.read()
            for block in re.findall(r"^ +\[rabbitmq\]\n((?: +(?:#.*|\w+ = .*)\n)+)", text, re.M):
                keys = dict(re.findall(r"^ +(\w+) = (.*)$", block, re.M))
                if "ca_file" in keys:
                    certificates.make(self.folder, "ca")
                    keys["ca_file"] = "ca.pem"
                with self.subTest(manual=name, keys=keys):
                    self.fine(ini_text({"rabbitmq": keys}))
                found += "uri" in keys
        self.assertGreaterEqual(found, 4)

    def test_a_password_in_clear_is_a_warning(self):
        self.check_link({"uri": "amqp://a:b@10.0.0.1"}, 0, "to 10.0.0.1 in clear; use amqps://")


class CommandLine(ConfigTest):
    def test_wrong_usage_is_2(self):
        for arguments in (["-x"], ["file"], ["-c"]):
            result = run(*arguments)
            self.assertEqual(result.returncode, 2, arguments)
            self.assertIn("usage: ocsmanager", result.stderr)

    def test_help_and_version_are_0(self):
        self.assertIn("usage: ocsmanager", run("--help").stdout)
        self.assertRegex(run("--version").stdout, r"^ocsmanager \d")

    def test_a_start_with_a_bad_ini_is_1_and_says_why(self):
        self.write(ini_text({"server:main": {"port": "x"}}))
        for arguments in (["-f"], []):
            result = run("-c", self.ini, *arguments)
            self.assertEqual(result.returncode, 1)
            self.assertIn(f"{self.ini}:7: [server:main] port", result.stderr)
        self.assertEqual(os.listdir(self.folder), ["ocsmanager.ini"])


class Shipped(ConfigTest):
    """What lies in the tree is what the table of keys makes."""

    def read(self, *names):
        with open(os.path.join(paths.TREE, *names), encoding="utf-8") as f:
            return f.read()

    def test_the_shipped_ini_is_that_of_the_table(self):
        self.assertEqual(self.read("ocsmanager.ini"), run("--print-default-ini").stdout,
                         "make it anew: ocsmanager --print-default-ini >ocsmanager.ini")

    def test_the_manual_has_the_keys_of_the_table(self):
        page = self.read("doc", "ocsmanager.ini.5")
        keys = re.search(r'^\.\\" keys: .*\n((?:.*\n)*?)\.\\" end of keys\n', page, re.M).group(1)
        self.assertEqual(keys, run("--print-man-keys").stdout, "make it anew: doc/update-keys")

    def test_the_shipped_ini_lacks_only_what_an_admin_must_fill_in(self):
        result = self.check(self.read("ocsmanager.ini"))
        self.assertEqual(result.returncode, 1)
        for line in result.stderr.splitlines():
            self.assertRegex(line, r"is missing|no section \[backend:NAME\]")

    def test_the_shipped_ini_is_fine_once_filled_in(self):
        text = self.read("ocsmanager.ini")
        for commented, line in (("#username = openchange", "username = openchange"),
                                ("#password = {SSHA}...", "password = " + SSHA),
                                ("#[backend:NAME]", "[backend:sogo]"),
                                ("#uri = sogo:", "uri = sogo:")):
            self.assertEqual(text.count("\n" + commented), 1, commented)
            text = text.replace("\n" + commented, "\n" + line)
        self.fine(text)

    def test_every_default_can_be_written_out(self):
        text = re.sub(r"^#(\w+ = )", r"\1", self.read("ocsmanager.ini"), flags=re.M)
        text = re.sub(r"^(user|group|file|map|openchangedb|secret_file|socket|socket_group|ca_file|cert_file|key_file|tls_cert|tls_key|tls_client_ca|tls_client_crl|bind_pw_file) = .*\n", "", text, flags=re.M)
        text = text.replace("{SSHA}...", SSHA).replace("threads = 0", "threads = 4")
        text = text.replace("#[backend:NAME]", "[backend:sogo]")
        text = text.replace("#[account:NAME]", "[account:openchange]")
        self.fine(text)

    @unittest.skipUnless(os.path.exists("/usr/bin/mandoc"), "needs mandoc")
    def test_the_manual_pages_are_clean(self):
        folder = os.path.join(paths.TREE, "doc")
        pages = [os.path.join(folder, name) for name in sorted(os.listdir(folder))
                 if re.search(r"\.[1358]$", name)]
        self.assertGreaterEqual(len(pages), 5)
        result = subprocess.run(["mandoc", "-Tlint", "-Wwarning", *pages], capture_output=True,
                                text=True, timeout=LIMIT)
        self.assertEqual((result.returncode, result.stdout + result.stderr), (0, ""))


if __name__ == "__main__":
    unittest.main()
