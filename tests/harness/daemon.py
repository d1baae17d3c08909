# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""The built daemon in a temporary folder."""

import http.client
import os
import re
import shutil
import signal
import subprocess
import tempfile

from . import metrics, paths
from .wait import LIMIT, Lines, wait_until

ACCOUNT, PASSWORD = "openchange", "test"
# sha1("test" 01020304) 01020304: the worked example of the protocol
SSHA = "{SSHA}V5vA8_OePf6KFdlcDlVNSaq-G90BAgME"

MINIMAL = {
    "main": {"auth": "single", "registry": "run"},
    "server:main": {"host": "127.0.0.1", "port": "0"},
    "auth:single": {"username": ACCOUNT, "password": SSHA},
    "backend:sogo": {"uri": "sogo://{user}@mail/{folder}/{message}"},
    "operations": {"port": "0"},
}

SANITIZER = re.compile(r"ERROR: \w+Sanitizer|runtime error:|WARNING: ThreadSanitizer")


def ini_text(overrides=None):
    """The minimal ini with {section: {key: value}} laid over it; a value of None removes the key."""
    sections = {name: dict(keys) for name, keys in MINIMAL.items()}
    for name, keys in (overrides or {}).items():
        sections.setdefault(name, {}).update(keys)
    lines = []
    for name, keys in sections.items():
        lines.append(f"[{name}]")
        lines += [f"{key} = {value}" for key, value in keys.items() if value is not None]
        lines.append("")
    return "\n".join(lines)


class Daemon:
    """overrides: see ini_text(); user: run as this one, a name or a uid and gid (root only); env: added to the environment;
    program: ocsmanager or ocsmanager-faults; wrapper: words before the program's (prlimit ...)."""

    def __init__(self, overrides=None, user=None, env=None, program="ocsmanager", wrapper=(),
                 cwd="/"):
        self.folder = tempfile.mkdtemp(prefix="o")
        os.chmod(self.folder, 0o755)
        self.overrides = overrides or {}
        self.user, self.env, self.program = user, env or {}, program
        self.wrapper, self.cwd = list(wrapper), cwd
        self.process = self.err = None
        self.port = self.operations_port = None
        self.host = self.operations_host = "127.0.0.1"
        self.history = ""  # stderr of earlier runs
        self.write_ini()
        if user:
            shutil.chown(self.folder, user)
            shutil.chown(self.ini, user)

    # -- files

    @property
    def ini(self):
        return os.path.join(self.folder, "ocsmanager.ini")

    @property
    def registry(self):
        return os.path.join(self.folder, "run")

    def path(self, name):
        return os.path.join(self.folder, name)

    def write_ini(self, overrides=None):
        if overrides is not None:
            self.overrides = overrides
        self.write("ocsmanager.ini", ini_text(self.overrides), 0o600)

    def write(self, name, text, mode=0o644):
        path = self.path(name)
        mode_flags = "wb" if isinstance(text, bytes) else "w"
        with open(path, mode_flags) as f:
            f.write(text)
        os.chmod(path, mode)
        if self.user:
            shutil.chown(path, self.user)
        return path

    # -- life

    def start(self, ready=True, arguments=("-f",)):
        identity = {"user": self.user, "group": _group_of(self.user), "extra_groups": []} \
            if self.user else {}
        self.process = subprocess.Popen(
            [*self.wrapper, *self._unit(), paths.program(self.program), "-c", self.ini, *arguments],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            cwd=self.cwd, env=dict(os.environ, **self.env), **identity)
        self.err = Lines(self.process.stderr)
        if ready:
            self.wait_ready()
        return self

    def _unit(self):
        """Words that have it run under the filter of system calls that the unit of systemd has. A sanitizer needs more
        calls, and so does root that is to be dropped or to give files away, which the unit does not start."""
        main, server = (self.overrides.get(section, {}) for section in ("main", "server:main"))
        if paths.sanitized() or main.get("user") or main.get("group") or server.get("socket_group"):
            return ()
        # systemd makes the registry folder, which takes a mode that its service may not set
        made = os.path.isdir(os.path.join(self.folder, main.get("registry") or MINIMAL["main"]["registry"]))
        return paths.program("tests/filtered"), paths.program("tests/syscalls" if made else "tests/syscalls.any-mode")

    def wait_ready(self, limit=LIMIT):
        self.host, self.port = self._address("listening on ", limit)
        self.operations_host, self.operations_port = self._address("operations on ", limit)

    def _address(self, words, limit):
        line = self.err.wait_text(words, limit)
        host, port = re.search(re.escape(words) + r"(\S+):(\d+)", line).groups()
        return host.strip("[]"), int(port)

    @property
    def pid(self):
        return self.process.pid

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def reload(self, overrides=None, says=None, limit=LIMIT):
        """SIGHUP; waits for the line about it (words of it in says, default 'reload')."""
        if overrides is not None:
            self.write_ini(overrides)
        start = len(self.err.snapshot())
        self.process.send_signal(signal.SIGHUP)
        words = says or "reload"
        return self.err.wait(
            lambda lines: next((l for l in lines[start:] if words.lower() in l.lower()), None),
            limit, f"a line with {words!r}")

    def wait_exit(self, limit=LIMIT):
        try:
            status = self.process.wait(limit)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {limit} s:\n{self.log()[-3000:]}") from None
        self._ended()
        return status

    def _ended(self):
        self.err.join()
        self.history += self.err.text() + "\n"
        self.process = None

    def terminate(self, limit=LIMIT):
        """SIGTERM: must end with 0 in time."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(limit)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            self._ended()
            raise AssertionError(f"SIGTERM: still running after {limit} s:\n" + self.history[-3000:]) \
                from None
        self._ended()
        assert status == 0, f"ended with status {status}:\n{self.history[-3000:]}"

    def kill(self):
        self.process.kill()
        self.process.wait(LIMIT)
        self._ended()

    def restart(self):
        self.terminate()
        return self.start()

    def close(self):
        """End of the test: a clean stop, no sanitizer report, no file left."""
        try:
            self.terminate()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)
        found = SANITIZER.search(self.history)
        assert not found, "a sanitizer reported:\n" + self.history[found.start():][:6000]

    def log(self):
        return self.history + (self.err.text() if self.process else "")

    # -- operations

    def operations(self, path):
        """(status, text) of a GET on the operations address."""
        connection = http.client.HTTPConnection(self.operations_host, self.operations_port,
                                                timeout=LIMIT)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def metrics(self):
        status, text = self.operations("/metrics")
        assert status == 200, text
        return metrics.parse(text)

    def wait_metric(self, name, value, limit=LIMIT, /, **labels):
        return wait_until(lambda: self.metrics().get(name, **labels) >= value, limit,
                          f"{name}{labels} reaches {value}")


def _group_of(user):
    if isinstance(user, int):
        return user
    import pwd
    return pwd.getpwnam(user).pw_gid
