# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""The daemon behind real proxies, with the configurations that doc/proxy.md shows. HAProxy is always there; nginx and
Apache where they are installed."""

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import types
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness import certificates
from harness.case import ServiceTest
from harness.client import Client, notification
from harness.paths import TREE
from harness.ports import free_port
from harness.tls import ADDRESS, trusting
from harness.wait import LIMIT, wait_until

OWNER, GUESSER = "127.0.0.8", "127.0.0.9"
SPOOFED = {"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "https", "Forwarded": "for=192.0.2.1;proto=https"}
MODULES = "/usr/lib/apache2/modules"


def shown(name):
    """The configuration below a heading of the manual."""
    with open(os.path.join(TREE, "doc", "proxy.md"), encoding="utf-8") as f:
        chapter = re.search(rf"(?ms)^## {name}\n(.*?)(?=^## |\Z)", f.read()).group(1)
    return "\n".join(line for line in chapter.splitlines() if line.startswith("    ")) + "\n"


class Spoofing(Client):
    """A client that says that it is somebody else, who came by https."""

    def request(self, method, path, body=None, headers=None, **more):
        return super().request(method, path, body, {**SPOOFED, **(headers or {})}, **more)


class Behind:
    """Of the proxies: name (in the manual), program, and the words that start it."""

    def setUp(self):
        if not os.path.exists(self.program):
            self.skipTest(self.program + " is not installed")
        self.folder = tempfile.mkdtemp(prefix="ocsproxy")
        self.addCleanup(shutil.rmtree, self.folder)
        os.chmod(self.folder, 0o755)
        self.cert, self.key = certificates.make(self.folder, "proxy", alternative="IP:" + ADDRESS)
        self.both = os.path.join(self.folder, "both")
        with open(self.both, "w", encoding="ascii") as f:
            for path in self.cert, self.key:
                with open(path, encoding="ascii") as one:
                    f.write(one.read())
        self.d = self.daemon({"server:main": {"proxies": ADDRESS, "proxy_header": "X-Forwarded-For"},
                              "limits": {"failed_logins": "3"}})
        self.proxy = types.SimpleNamespace(host=ADDRESS, port=free_port())
        self.start()

    def start(self):
        text = shown(self.name)
        for theirs, ours in {"5443": str(self.proxy.port), "127.0.0.1:5000": f"{ADDRESS}:{self.d.port}",
                             "/etc/haproxy/ocsmanager.pem": self.both, "/etc/ssl/ocsmanager.pem": self.cert,
                             "/etc/ssl/private/ocsmanager.key": self.key}.items():
            text = text.replace(theirs, ours)
        path = os.path.join(self.folder, "conf")
        with open(path, "w", encoding="utf-8") as f:
            f.write(self.around(text))
        with open(os.path.join(self.folder, "said"), "wb") as said:
            process = subprocess.Popen([self.program, *self.words, path], stdin=subprocess.DEVNULL, stdout=said,
                                       stderr=said, cwd=self.folder)
        self.addCleanup(process.wait, LIMIT)
        self.addCleanup(process.terminate)
        wait_until(lambda: self.answers() or self.assertIsNone(process.poll(), self.said()), what="the proxy listens")

    def said(self):
        with open(os.path.join(self.folder, "said"), encoding="utf-8") as f:
            return f.read()

    def answers(self):
        try:
            socket.create_connection((ADDRESS, self.proxy.port), LIMIT).close()
            return True
        except ConnectionError:
            return False

    def at(self, source):
        client = Spoofing(self.proxy, source=source, context=trusting(self.cert))
        self.addCleanup(client.close)
        return client

    def test_the_client_is_known_whatever_it_says_itself(self):
        for _ in range(3):
            self.refused(self.at(GUESSER).login_ssha(password="wrong"), 401, "INVALID_CREDENTIALS")
        self.refused(self.at(GUESSER).login_ssha(), 429, "TOO_MANY_ATTEMPTS")
        owner = self.at(OWNER)
        self.accepted(owner.login_plain())  # it came by https
        self.accepted(owner.put(notification("newmail", message="1")), "nosubscriber")
        self.d.err.wait_text(f"from {GUESSER} by {ADDRESS}:")
        self.assertNotIn("192.0.2.1", self.d.log())


class Haproxy(Behind, ServiceTest):
    name, program, words = "HAProxy", "/usr/sbin/haproxy", ["-db", "-f"]

    def around(self, text):
        return "defaults\n timeout connect 1m\n timeout client 1m\n timeout server 1m\n" + text


class Nginx(Behind, ServiceTest):
    name, program, words = "nginx", "/usr/sbin/nginx", ["-e", "stderr", "-c"]

    def around(self, text):
        temporary = "".join(f"{kind}_temp_path {self.folder}/{kind};\n"
                            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        user = "user root;\n" if os.geteuid() == 0 else ""
        return (f"{user}daemon off;\npid {self.folder}/pid;\nevents {{}}\n"
                f"http {{\naccess_log off;\n{temporary}{text}}}\n")


class Apache(Behind, ServiceTest):
    name, program, words = "Apache", "/usr/sbin/apache2", ["-DFOREGROUND", "-f"]

    def around(self, text):
        modules = "".join(f"LoadModule {name}_module {MODULES}/mod_{name}.so\n" for name in (
            "mpm_event", "authz_core", "socache_shmcb", "ssl", "proxy", "proxy_http", "headers"))
        return (f"ServerRoot {self.folder}\nDefaultRuntimeDir {self.folder}\nServerName {ADDRESS}\n"
                f"User nobody\nGroup nogroup\nPidFile {self.folder}/pid\nErrorLog {self.folder}/said\n{modules}{text}")


if __name__ == "__main__":
    unittest.main()
