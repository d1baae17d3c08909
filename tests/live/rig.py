# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""A real Dovecot for tests: started from a temporary folder, driven by LMTP, LDA and IMAP, stopped by pid.

Needs the Debian packages dovecot-core, dovecot-imapd, dovecot-lmtpd (and dovecot-sieve for sieve=True).
Works as root (mail belongs to nobody, as on a real server) and as any other user (everything
belongs to that user). Listens on loopback only, on free ports. Every wait has a limit.

    with Dovecot(plugin=".../lib90_ocsmanager_plugin.so",
                 settings={"ocsmanager_url": "http://127.0.0.1:5000", ...}) as dovecot:
        seconds = dovecot.deliver("alice")
        imap = dovecot.imap("alice")
"""

import fcntl
import glob
import grp
import imaplib
import os
import pwd
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import dovecot_config
from dovecot_config import DOVECOT
from harness.ports import free_port
from harness.wait import LIMIT, wait_until

PATIENCE = 5.0  # seconds: far above what a report takes
STOCK_MODULES = "/usr/lib/dovecot/modules"
SETTINGS_MODULES = STOCK_MODULES + "/settings"  # 2.4: compiled into Dovecot's config process
LDA = "/usr/lib/dovecot/dovecot-lda"
DOVEADM = "/usr/bin/doveadm"
SIEVEC = "/usr/bin/sievec"

MESSAGE = (
    "From: Sender <sender@example.org>\r\nTo: {rcpt}\r\nSubject: {subject}\r\n"
    "Message-ID: <{subject}@example.org>\r\n\r\nHello.\r\n"
)


def sanitizer(plugin, folder):
    """Environment that a plugin built with AddressSanitizer needs in a Dovecot built without; empty for
    a plain plugin. Findings go to files that Dovecot.findings() reads."""
    if not plugin:
        return {}
    linked = subprocess.run(["/usr/bin/ldd", plugin], capture_output=True, text=True, check=True).stdout
    libraries = [line.split()[2] for line in linked.splitlines() if "libasan" in line]
    if not libraries:
        return {}
    options = f"detect_leaks=0:abort_on_error=0:log_path={folder}/sanitizer"
    return {"LD_PRELOAD": libraries[0], "ASAN_OPTIONS": options,
            "UBSAN_OPTIONS": f"print_stacktrace=1:log_path={folder}/sanitizer"}


def drained(fd):
    """Of a process's descriptor, by its name in /proc: it is no pipe, or nothing is in it."""
    if not os.readlink(fd).startswith("pipe:"):
        return True
    pipe = os.open(fd, os.O_RDONLY | os.O_NONBLOCK)
    try:
        return struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"0000"))[0] == 0
    finally:
        os.close(pipe)


def answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


class Lmtp:
    """One LMTP connection (RFC 2033)."""

    def __init__(self, port, limit=LIMIT):
        self.sock = socket.create_connection(("127.0.0.1", port), limit)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.sock.makefile("rb")
        self._expect("220")
        self._command("LHLO test", "250")

    def _expect(self, code):
        while True:
            line = self.file.readline().decode()
            if not line.startswith(code):
                raise RuntimeError(f"LMTP: expected {code}, got {line!r}")
            if line[3:4] != "-":
                return line

    def _command(self, text, code):
        self.sock.sendall(text.encode() + b"\r\n")
        return self._expect(code)

    def deliver(self, recipients, message):
        """Seconds from the end of DATA to the last recipient's reply."""
        self._command("MAIL FROM:<sender@example.org>", "250")
        for recipient in recipients:
            self._command(f"RCPT TO:<{recipient}>", "250")
        self._command("DATA", "354")
        start = time.perf_counter()
        self.sock.sendall(message.encode() + b".\r\n")
        for _ in recipients:
            self._expect("250")
        return time.perf_counter() - start

    def close(self):
        self.file.close()
        self.sock.close()


class Dovecot:
    """plugin: path of the plugin's .so or None; settings: those of plugins; mail_plugins: what is
    loaded; users: name -> password; sieve: script text given to every user; run_as: when root, run
    all of it as this user instead; extra: more configuration text; lmtp_requests: connections that
    one LMTP process serves (0: no limit, which is 2.3's default; 2.4's is 1)."""

    def __init__(self, plugin=None, settings=None, mail_plugins="notify ocsmanager", users=None,
                 sieve=None, run_as=None, extra="", lmtp_requests=0):
        self.folder = tempfile.mkdtemp(prefix="ocs-dovecot-")
        os.chmod(self.folder, 0o755)
        self.plugin = plugin
        self.settings = dict(settings or {})
        self.mail_plugins = mail_plugins
        self.users = users or {"alice": "pw", "bob": "pw", "carol@example.org": "pw"}
        self.sieve = sieve
        self.extra = extra
        self.lmtp_requests = lmtp_requests
        self.run_as = run_as if os.geteuid() == 0 else None
        self.imap_port = free_port()
        self.lmtp_port = free_port()
        self.process = None
        self.environment = {}
        self.counter = 0

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_):
        self.stop()

    # -- configuration

    def _path(self, name):
        return os.path.join(self.folder, name)

    @property
    def config(self):
        return self._path("dovecot.conf")

    def _root(self):
        return os.geteuid() == 0 and self.run_as is None

    def _write(self, name, text, mode=0o644):
        path = self._path(name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path, mode)
        return path

    def _link_modules(self):
        """mail_plugin_dir is one folder: ours beside the stock ones."""
        folder = self._path("modules")
        os.makedirs(folder, exist_ok=True)
        for name in os.listdir(STOCK_MODULES):
            if not os.path.lexists(os.path.join(folder, name)):
                os.symlink(os.path.join(STOCK_MODULES, name), os.path.join(folder, name))
        if self.plugin:
            target = os.path.join(folder, os.path.basename(self.plugin))
            if os.path.lexists(target):
                os.unlink(target)
            shutil.copy(self.plugin, target)
            if dovecot_config.NEW:
                shutil.copytree(SETTINGS_MODULES, self._path("settings"), dirs_exist_ok=True)
                shutil.copy(os.path.join(os.path.dirname(self.plugin), "libocsmanager_settings.so"),
                            self._path("settings"))
        return folder

    def command(self, *arguments, user=None):
        """How to run a program of Dovecot's: 2.4 looks for the module with our settings in the
        system's folder only, so there that is another one for the program and what it starts. user:
        run it as that user (root only)."""
        if user is not None:
            me = pwd.getpwnam(user)
            arguments = ("/usr/bin/setpriv", "--reuid", str(me.pw_uid), "--regid", str(me.pw_gid),
                         "--clear-groups", *arguments)
        if not dovecot_config.NEW or not self.plugin:
            return list(arguments)
        namespace = ["--mount"] if os.geteuid() == 0 else ["--mount", "--map-current-user", "--keep-caps"]
        return ["/usr/bin/unshare", *namespace, "/bin/sh", "-ec",
                'mount --bind "$1" "$2"; shift 2; exec "$@"', "sh", self._path("settings"),
                SETTINGS_MODULES, *arguments]

    @property
    def spool(self):
        return self._path("spool")

    def _prepare_spool(self, mail):
        """As the manual has it: one for root, which the plugin makes, and one for the mail user."""
        if not self.plugin:
            return
        self.settings.setdefault("ocsmanager_spool", self.spool)
        folder = os.path.join(self.spool, str(mail.pw_uid))
        os.makedirs(folder, exist_ok=True)
        os.chmod(folder, 0o700)
        if os.geteuid() == 0:
            os.chown(folder, mail.pw_uid, mail.pw_gid)

    def _prepare(self):
        self.environment = sanitizer(self.plugin, self.folder)
        if self.run_as:
            me = pwd.getpwnam(self.run_as)
        else:
            me = pwd.getpwuid(os.geteuid())
        own_group = grp.getgrgid(me.pw_gid).gr_name
        if self._root():
            internal, group, login, mail_user = "dovecot", "dovecot", "dovenull", "nobody"
        else:
            internal, group, login, mail_user = me.pw_name, own_group, me.pw_name, me.pw_name
        mail = pwd.getpwnam(mail_user)
        mail_group = grp.getgrgid(mail.pw_gid).gr_name

        os.makedirs(self._path("mail"), exist_ok=True)
        if os.geteuid() == 0:
            os.chown(self._path("mail"), mail.pw_uid, mail.pw_gid)
        self._write("users", "".join(f"{u}:{{PLAIN}}{p}::::::\n" for u, p in self.users.items()))
        modules = self._link_modules()
        self._prepare_spool(mail)

        script = None
        if self.sieve is not None:
            script = self._write("script.sieve", self.sieve)
            subprocess.run(["/usr/bin/sievec", script], check=True, timeout=LIMIT)
        text = dovecot_config.text(
            self.folder, internal=internal, group=group, login=login, mail_user=mail_user,
            mail_group=mail_group, modules=modules, mail_plugins=self.mail_plugins,
            imap_port=self.imap_port, lmtp_port=self.lmtp_port, lmtp_requests=self.lmtp_requests,
            root=self._root(), sieve=script)
        if self.environment:
            variables = " ".join(f"{k}={v}" for k, v in self.environment.items())
            # the sanitizer's shadow memory is far larger than any limit
            text += f"import_environment = {variables}\ndefault_vsz_limit = 0\n"
        text += dovecot_config.settings(self.settings) + self.extra + "\n"
        self._write("dovecot.conf", text, 0o600 if self._root() else 0o644)
        if self.run_as:
            subprocess.run(["/bin/chown", "-R", self.run_as, self.folder], check=True)

    def script(self, name, text, *extensions):
        """Writes and compiles a Sieve script that all users may read; returns its path."""
        path = self._write(f"{name}.sieve", text)
        subprocess.run([SIEVEC, *extensions, path], check=True, timeout=LIMIT)
        os.chmod(path.replace(".sieve", ".svbin"), 0o644)
        return path

    # -- life

    def start(self):
        """The ports answer as soon as the master listens on them; it works when its log process has read what
        the master wrote to each service's log pipe at the start. What it finds behind that in the same read,
        all that a service has said until then, it keeps until the service says more (log-connection.c,
        log_connection_handshake()): a line that a test waits for would not come."""
        self._start()
        wait_until(self._log_is_read, what=lambda: "Dovecot reads its log pipes: " + self.console() + self.log())
        return self

    def _log_is_read(self):
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/comm", encoding="ascii", errors="replace") as f:
                    if f.read() == "log\n" and os.getsid(int(pid)) == self.process.pid:
                        return all(map(drained, glob.glob(f"/proc/{pid}/fd/*")))
            except (FileNotFoundError, ProcessLookupError):
                continue
        return False

    def _start(self):
        self._prepare()
        with open(self._path("console"), "ab") as console:
            self.process = subprocess.Popen(
                self.command(DOVECOT, "-F", "-c", self.config, user=self.run_as),
                stdin=subprocess.DEVNULL, stdout=console, stderr=console, cwd="/",
                start_new_session=True)

        def ready():
            if self.process.poll() is not None:
                raise RuntimeError("Dovecot ended: " + self.console() + self.log())
            return answers(self.imap_port) and answers(self.lmtp_port)

        wait_until(ready, what="Dovecot answers")

    def stop_processes(self, clean=True):
        """clean: as an admin would, which takes a second; else at once, without the plugin's farewell."""
        if self.process is None:
            return
        if clean and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(LIMIT)
            except subprocess.TimeoutExpired:
                pass
        # the session we made: workers that outlive the master, if any
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait(LIMIT)
        self.process = None
        # A master that is killed while it holds this lock leaves it behind, and the next one on the same folder
        # waits for it, up to a minute, with its ports open and nobody behind them.
        if os.path.exists(self._path("state/instances.lock")):
            os.unlink(self._path("state/instances.lock"))

    def stop(self):
        self.stop_processes(clean=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    # -- looking

    def console(self):
        try:
            with open(self._path("console"), encoding="utf-8", errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def log(self):
        try:
            with open(self._path("log"), encoding="utf-8", errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def findings(self):
        """What sanitizers wrote."""
        text = ""
        for name in os.listdir(self.folder) if os.path.isdir(self.folder) else []:
            if name.startswith("sanitizer"):
                with open(self._path(name), encoding="utf-8", errors="replace") as f:
                    text += f.read()
        return text

    def wait_log(self, text, limit=LIMIT):
        try:
            return wait_until(lambda: text in self.log() and self.log(), limit, text)
        except AssertionError:
            raise AssertionError(f"not within {limit} s: log line {text!r}; it said:\n{self.log()}"
                               f"{self.console()}") from None

    def uid_validity(self, user, folder):
        connection = self.imap(user)
        try:
            answer = connection.status(f'"{folder}"', "(UIDVALIDITY)")[1][0].decode()
            return int(answer.split("UIDVALIDITY ")[1].rstrip(")"))
        finally:
            connection.logout()

    # -- driving

    def lmtp(self):
        return Lmtp(self.lmtp_port)

    def message(self, rcpt="alice", subject=None):
        self.counter += 1
        return MESSAGE.format(rcpt=rcpt, subject=subject or f"mail-{self.counter}")

    def deliver(self, *recipients, subject=None):
        connection = self.lmtp()
        try:
            return connection.deliver(recipients, self.message(recipients[0], subject))
        finally:
            connection.close()

    def lda(self, user, limit=LIMIT):
        """Runs dovecot-lda; returns seconds. Raises if it refuses the mail."""
        start = time.perf_counter()
        subprocess.run(self.command(LDA, "-c", self.config, "-d", user, user=self.run_as),
                       input=self.message(user).encode(), check=True, timeout=limit, cwd="/",
                       capture_output=True, env={**os.environ, **self.environment})
        return time.perf_counter() - start

    def until_reported(self, condition):
        """For wait_until(). On a busy machine a process may end before it could report (an LDA waits a quarter of a
        second for the daemon, an IMAP process one); what it left in the spool, the next one reports: where the condition
        takes long to come true there is one, a client that is there and does nothing."""
        patience = time.monotonic() + PATIENCE
        clients = []

        def check():
            value = condition()
            if value and clients:
                clients.pop().logout()
            elif not value and not clients and time.monotonic() > patience:
                clients.append(self.imap("alice"))
            return value
        return check

    def doveadm(self, *arguments, limit=LIMIT):
        return subprocess.run(self.command(DOVEADM, "-c", self.config, *arguments), timeout=limit, cwd="/",
                              capture_output=True, text=True, check=False,
                              env={**os.environ, **self.environment})

    def imap(self, user):
        connection = imaplib.IMAP4("127.0.0.1", self.imap_port, timeout=LIMIT)
        connection.login(user, self.users[user])
        return connection
