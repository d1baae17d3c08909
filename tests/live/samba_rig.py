# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""A real Samba for tests: an AD DC from a temporary folder with the plugin in it, and clients.

Needs the Debian packages samba, samba-ad-dc, samba-ad-provision, python3-samba, python3-impacket; root;
and Linux namespaces. prepare() gives this process mounts, queues and a network of its own, with a
loopback device only: Samba's module folder gets the plugin laid over it, port 135 is ours alone, nothing under
/usr changes, and all of it is gone with the process.

    prepare()
    with Dc(registry="...") as dc:
        client = Client(dc, "alice")
        session = client.connect()
"""

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness import isolation, paths
from harness.ports import free_port
from harness.wait import LIMIT, Lines, wait_until
from rig import sanitizer

MODULES = "/usr/lib/x86_64-linux-gnu/samba"
SAMBA, SAMBA_TOOL = "/usr/sbin/samba", "/usr/bin/samba-tool"
PLUGIN = "ocsmanager_samba.so"
DOMAIN, REALM = "EX", "EX.TEST"
PASSWORD = "Passw0rd.1"

MS_RDONLY, MNT_DETACH = 1, 2

EMSMDB = ("a4f1db00-ca47-1067-b31f-00dd010662da", "0.81")
ASYNC = ("5261574a-4572-206e-b268-6b199213b4e4", "0.1")

# -- a place of our own

_prepared = None


class Unprepared(AssertionError):
    pass


def _libc(what, *arguments):
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, what)(*arguments) != 0:
        raise Unprepared(f"{what}: {os.strerror(ctypes.get_errno())}")


def become_root():
    """Runs the program again under sudo where that needs no password. The tests fail (they are not
    skipped) where it does not work: prepare() says so."""
    if os.geteuid() != 0 and shutil.which("sudo"):
        if subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode == 0:
            names = ("OCS_BUILD", "TMPDIR", "PYTHONDONTWRITEBYTECODE")
            kept = [f"{name}={os.environ[name]}" for name in names if name in os.environ]
            os.execvp("sudo", ["sudo", "-n", "env", *kept, sys.executable, *sys.argv])


def prepare():
    """Once in a process. Unprepared with the reason if it cannot be done."""
    global _prepared
    if isinstance(_prepared, Unprepared):
        raise _prepared
    if _prepared:
        return
    try:
        if os.geteuid() != 0:
            raise Unprepared("PRECONDITION: the Samba tests need root (or sudo without a password): "
                             "mounts, port 135")
        for path in (SAMBA, SAMBA_TOOL, paths.program(PLUGIN)):
            if not os.path.exists(path):
                raise Unprepared(f"PRECONDITION: {path} is missing")
        try:
            isolation.own_queues()
            isolation.own_network()
        except OSError as problem:
            raise Unprepared(f"PRECONDITION: no namespace of our own: {problem}") from None
        _prepared = True
    except Unprepared as why:
        _prepared = why
        raise


# -- the server

def run(*words, limit=LIMIT):
    done = subprocess.run(words, capture_output=True, text=True, timeout=limit, check=False,
                          stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"{' '.join(words)}:\n{done.stdout[-1500:]}{done.stderr[-1500:]}"
    return done.stdout


class Domain:
    """A provisioned domain, copied for each server since provisioning takes seconds; and the plugin
    over Samba's module folder, read-only, until close()."""

    def __init__(self, users):
        self.folder = tempfile.mkdtemp(prefix="s")
        self.covered = False
        try:
            self._cover()
            self._provision(users)
        except BaseException:
            self.close()
            raise

    def _cover(self):
        modules = f"{self.folder}/modules"
        os.chmod(self.folder, 0o755)
        os.makedirs(f"{modules}/dcerpc_server")
        shutil.copy(paths.program(PLUGIN), f"{modules}/dcerpc_server/ocsmanager.so")
        _libc("mount", b"ocs-tests", MODULES.encode(), b"overlay", MS_RDONLY,
              f"lowerdir={modules}:{MODULES}".encode())
        self.covered = True

    def _provision(self, users):
        config = f"--configfile={self.folder}/etc/smb.conf"
        run(SAMBA_TOOL, "domain", "provision", f"--targetdir={self.folder}", f"--realm={REALM}",
            f"--domain={DOMAIN}", "--host-name=mx1", "--host-ip=127.0.0.1", "--server-role=dc",
            "--use-rfc2307", "--dns-backend=NONE", f"--adminpass={PASSWORD}",
            "--option=interfaces=lo", "--option=bind interfaces only=yes", limit=900)
        for user in users:
            run(SAMBA_TOOL, "user", "create", user, PASSWORD, "-H",
                f"{self.folder}/private/sam.ldb", config)

    def close(self):
        if self.covered:
            _libc("umount2", MODULES.encode(), MNT_DETACH)
            self.covered = False
        shutil.rmtree(self.folder, ignore_errors=True)


class Dc:
    """options: lines of [global] more; model: single or prefork; fixed_port: else Samba takes one, and
    only the endpoint mapper knows it."""

    def __init__(self, domain, registry, options=(), model="single", fixed_port=True):
        self.folder = tempfile.mkdtemp(prefix="d")
        self.domain, self.registry, self.options, self.model = domain, registry, options, model
        self.port = free_port() if fixed_port else None
        self.process = self.out = None

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_):
        self.close()

    @property
    def config(self):
        return os.path.join(self.folder, "smb.conf")

    def _write(self):
        for name in ("private", "state"):
            if not os.path.isdir(f"{self.folder}/{name}"):
                shutil.copytree(f"{self.domain.folder}/{name}", f"{self.folder}/{name}")
        for name in ("cache", "lock", "pid", "ncalrpc"):
            os.makedirs(f"{self.folder}/{name}", mode=0o755, exist_ok=True)
        os.chmod(self.folder, 0o755)
        lines = [
            "[global]", f"workgroup = {DOMAIN}", f"realm = {REALM}", "netbios name = MX1",
            "server role = active directory domain controller", "server services = rpc",
            "dcerpc endpoint servers = epmapper, ocsmanager", "interfaces = lo",
            "bind interfaces only = yes", f"private dir = {self.folder}/private",
            f"state directory = {self.folder}/state", f"cache directory = {self.folder}/cache",
            f"lock directory = {self.folder}/lock", f"pid directory = {self.folder}/pid",
            f"ncalrpc dir = {self.folder}/ncalrpc", f"log file = {self.folder}/log",
            "log level = 1", "prefork children = 1",
            # by default among those that outgoing connections get, where one address of a port may be taken already
            "rpc server dynamic port range = 61000-65535",
            f"ocsmanager:registry = {self.registry}", "exchange_emsmdb:backend = sogo",
            *self.options, "",
        ]
        if self.port:
            lines[-1:] = [f"rpc server port:exchange_emsmdb = {self.port}",
                          f"rpc server port:exchange_asyncemsmdb = {self.port}", ""]
        with open(self.config, "w", encoding="ascii") as f:
            f.write("\n".join(lines))

    def start(self, ready=True):
        self._write()
        self.process = subprocess.Popen(
            [SAMBA, "-i", "-M", self.model, f"--configfile={self.config}", "--debug-stdout"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd="/",
            start_new_session=True,
            # AddressSanitizer stops at a dlopen with RTLD_DEEPBIND, which LDB uses without the variable
            env={**os.environ, **sanitizer(paths.program(PLUGIN), self.folder),
                 "LDB_MODULES_DISABLE_DEEPBIND": "1"})
        self.out = Lines(self.process.stdout)
        if ready:
            wait_until(self._answers, what="Samba answers; it said:\n" + self.out.text()[-3000:])
        return self

    def _answers(self):
        if self.process.poll() is not None:
            raise AssertionError("Samba ended:\n" + self.out.text()[-3000:])
        for port in (135, self.port or 135):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
            except OSError:
                return False
        return True

    def log(self):
        return self.out.text() if self.out else ""

    def findings(self):
        """What sanitizers wrote."""
        text = ""
        for name in os.listdir(self.folder) if os.path.isdir(self.folder) else []:
            if name.startswith("sanitizer"):
                with open(os.path.join(self.folder, name), encoding="utf-8", errors="replace") as f:
                    text += f.read()
        return text

    def terminate(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

    def stop(self):
        """SIGTERM, which ends it in time; its log stays."""
        if self.process is None:
            return
        self.terminate()
        try:
            status = self.process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            status = "not ended by SIGTERM"
        try:  # the session we made: workers that outlive the first process
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait(LIMIT)
        self.process = None
        self.out.join()
        assert status in (0, 1, 127, -signal.SIGTERM), f"{status}:\n{self.log()[-3000:]}"

    def close(self):
        try:
            self.stop()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)
