# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""A real slapd in a temporary folder, and a wire to it that can be slow or dead."""

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading

from harness import certificates, ports
from harness.daemon import SSHA as URL_SAFE
from harness.wait import LIMIT, Lines, stop_process, wait_until

SUFFIX = "dc=example,dc=org"
PEOPLE = "ou=people," + SUFFIX
SERVICE, SERVICE_PASSWORD = "cn=service," + SUFFIX, "service secret"
BLIND, BLIND_PASSWORD = "cn=blind," + SUFFIX, "blind secret"  # may search, and read no hash
ADMIN, ADMIN_PASSWORD = "cn=admin," + SUFFIX, "admin secret"
FILTER = "(&(objectClass=inetOrgPerson)(uid=%u))"
SSHA = URL_SAFE.replace("-", "+").replace("_", "/")  # as slapd reads it

CONFIG = """\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
attributetype ( 1.3.6.1.4.1.4203.1.3.4 NAME 'authPassword' EQUALITY octetStringMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 )
objectclass ( 1.3.6.1.4.1.4203.1.4.7 NAME 'authPasswordObject' SUP top AUXILIARY MAY authPassword )
modulepath /usr/lib/ldap
moduleload back_mdb
{global_lines}
pidfile {folder}/slapd.pid
TLSCertificateFile {certificate}
TLSCertificateKeyFile {key}
password-hash {{SSHA}}
database mdb
maxsize 16777216
suffix {suffix}
rootdn "{admin}"
rootpw "{admin_password}"
directory {folder}/data
index uid eq
{limits}
access to attrs=userPassword,authPassword by dn.exact="{service}" read by anonymous auth by * none
access to * by dn.exact="{service}" read by dn.exact="{blind}" read by anonymous auth by * none
"""

LDIF = f"""\
dn: {SUFFIX}
objectClass: dcObject
objectClass: organization
o: example

dn: {PEOPLE}
objectClass: organizationalUnit
ou: people

dn: {SERVICE}
objectClass: organizationalRole
objectClass: simpleSecurityObject
userPassword: {SERVICE_PASSWORD}

dn: {BLIND}
objectClass: organizationalRole
objectClass: simpleSecurityObject
userPassword: {BLIND_PASSWORD}

"""


def person(name, *lines, ou=PEOPLE, rdn=None):
    return (f"dn: {rdn or 'uid=' + name},{ou}\nobjectClass: inetOrgPerson\nobjectClass: authPasswordObject\n"
            f"uid: {name}\ncn: {name}\nsn: {name}\n" + "".join(line + "\n" for line in lines) + "\n")


def scram(password, salt=bytes(range(1, 17)), iterations=4096):
    """(iterations, salt, stored key, server key), the last three as base64."""
    import base64
    import hashlib
    import hmac
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    return (str(iterations), *(base64.b64encode(part).decode() for part in (salt, stored, server)))


class Slapd:
    """entries: LDIF of people; certificate: (file, key), one that is good for 127.0.0.1 if not given."""

    def __init__(self, entries, certificate=None, global_lines="", limits=""):
        self.folder = tempfile.mkdtemp(prefix="ocs-slapd-")
        self.port, self.tls_port = ports.free_port(), ports.free_port()
        self.ca = None
        self.process = self.lines = None
        self.earlier = []
        os.mkdir(self.path("data"))
        # under its own path an AppArmor profile would keep it from a temporary folder
        shutil.copy("/usr/sbin/slapd", self.path("slapd"))
        if certificate is None:
            certificate = certificates.make(self.folder, "ldap", alternative="IP:127.0.0.1")
        self.global_lines, self.limits = global_lines, limits
        self.use_certificate(*certificate)
        with open(self.path("slapd.ldif"), "w", encoding="utf-8") as f:
            f.write(LDIF + entries)
        subprocess.run([self.path("slapd"), "-T", "add", "-f", self.path("slapd.conf"), "-l", self.path("slapd.ldif")],
                       check=True, capture_output=True, timeout=LIMIT)

    def path(self, name):
        return os.path.join(self.folder, name)

    def use_certificate(self, certificate, key):
        self.ca = certificate
        with open(self.path("slapd.conf"), "w", encoding="utf-8") as f:
            f.write(CONFIG.format(folder=self.folder, certificate=certificate, key=key, suffix=SUFFIX, admin=ADMIN,
                                  admin_password=ADMIN_PASSWORD, service=SERVICE, blind=BLIND,
                                  global_lines=self.global_lines, limits=self.limits))

    # -- life

    def start(self):
        socket_url = "ldapi://" + self.path("ldapi").replace("/", "%2F")
        self.process = subprocess.Popen(
            [self.path("slapd"), "-d", "stats", "-f", self.path("slapd.conf"),
             "-h", f"ldap://127.0.0.1:{self.port}/ ldaps://127.0.0.1:{self.tls_port}/ {socket_url}/"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.lines = Lines(self.process.stderr)
        self.lines.wait_text("slapd starting")
        # which it says before it listens
        wait_until(lambda: self._listens(self.port) and self._listens(self.tls_port), what="slapd listens")
        return self

    @staticmethod
    def _listens(port):
        try:
            socket.create_connection(("127.0.0.1", port), LIMIT).close()
        except ConnectionRefusedError:
            return False
        return True

    def stop(self):
        if self.process is None:
            return
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        try:
            self.process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            self.lines.join()
            self.earlier += self.lines.lines
            self.process = None

    def hang(self):
        stop_process(self.process.pid)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def close(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    # -- what it is asked

    def log(self):
        return self.earlier + (self.lines.snapshot() if self.process else [])

    def operations(self, start=0):
        """["BIND dn", "SRCH filter", ...] of all that was asked since that many lines of the log."""
        found = []
        for line in self.log()[start:]:
            match = re.search(r'op=\d+ (BIND) dn="([^"]*)" method=128|op=\d+ (SRCH) base=.* filter="(.*)"', line)
            if match:
                found.append(" ".join(part for part in match.groups() if part is not None))
        return found

    # -- changes

    def modify(self, ldif):
        subprocess.run(["ldapmodify", "-x", "-H", f"ldap://127.0.0.1:{self.port}", "-D", ADMIN, "-w", ADMIN_PASSWORD],
                       input=ldif.encode(), check=True, capture_output=True, timeout=LIMIT)

    def remove(self, name):
        self.modify(f"dn: uid={name},{PEOPLE}\nchangetype: delete\n")

    def set_password(self, name, value):
        self.modify(f"dn: uid={name},{PEOPLE}\nchangetype: modify\nreplace: userPassword\nuserPassword: {value}\n")

    # -- for the ini

    def ini(self, **more):
        """[auth:ldap] for it; a value of None leaves a key out."""
        keys = {"host": "127.0.0.1", "port": str(self.port), "bind_dn": SERVICE, "bind_pw": SERVICE_PASSWORD,
                "basedn": PEOPLE, "filter": FILTER, "timeout": "5", "recheck": "1"}
        keys.update(more)
        return {"main": {"auth": "ldap"}, "auth:single": {"username": None, "password": None},
                "auth:ldap": {key: str(value) for key, value in keys.items() if value is not None}}


class Relay:
    """Bytes from a port of its own to another; each piece is held back for `delay` seconds, and questions with `lost` in
    them for good."""

    def __init__(self, port):
        self.target = port
        self.delay = 0.0
        self.lost, self.losses = None, 0
        self.wanted = None
        self.holding, self.released = threading.Event(), threading.Event()
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(64)
        self.port = self.listener.getsockname()[1]
        self.sockets = []
        self.closing = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
                far = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                return
            self.sockets += [near, far]
            for a, b, asks in ((near, far, True), (far, near, False)):
                threading.Thread(target=self._carry, args=(a, b, asks), daemon=True).start()

    def hold(self, wanted):
        """Waits until there is an answer with that in it; it goes on at release()."""
        self.wanted = wanted
        if not self.holding.wait(LIMIT):
            raise AssertionError(f"no answer with {wanted}")

    def release(self):
        self.released.set()

    def _carry(self, source, sink, asks):
        try:
            while data := source.recv(65536):
                if self.delay and self.closing.wait(self.delay):
                    return
                if not asks and self.wanted is not None and self.wanted in data:
                    self.wanted = None
                    self.holding.set()
                    self.released.wait()
                if not asks or self.lost is None or self.lost not in data:
                    sink.sendall(data)
                else:
                    self.losses += 1
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def cut(self):
        """Every connection ends; new ones are taken."""
        sockets, self.sockets = self.sockets, []
        for one in sockets:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            one.close()

    def close(self):
        self.closing.set()
        self.released.set()
        self.listener.close()
        self.cut()
