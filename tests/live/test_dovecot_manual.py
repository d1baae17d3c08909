# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""doc/dovecot.md to the letter: a new admin on a machine with Debian's own Dovecot does what "Install" says, and
the first mail is taken by the daemon. In namespaces of its own, where /etc, /usr, /var and /home are copies on
write."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import dovecot_config  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("OCS_BUILD", "build")
OVERLAID = ("/etc", "/usr", "/var", "/home")
PASSWORD = "the plugin's pass word"


def section(title):
    """Without what is for the other Dovecot: the block after a line "With Dovecot 2.x:"."""
    with open(os.path.join(ROOT, "doc", "dovecot.md"), encoding="utf-8") as f:
        text = re.search(rf"^## {re.escape(title)}\n(.*?)^## ", f.read(), re.S | re.M).group(1)
    other = "2.3" if dovecot_config.NEW else "2.4"
    return re.sub(rf"^   With Dovecot {other}:\n\n(       .*\n|\n(?=       ))+", "", text, flags=re.M)


def blocks(text):
    """Code blocks, without their indentation."""
    found, current = [], []
    for line in text.splitlines() + ["end"]:
        if re.match(r"       \S", line) or (re.match(r"        +\S", line) and current):
            current.append(line[7:])
        elif not line.strip() and current:
            current.append("")
        elif current:
            found.append("\n".join(current).strip("\n"))
            current = []
    return [part for block in found for part in re.split(r"\n\n(?=# |username=)", block)]


class Admin:
    """Reads the page from top to bottom; what it says to write is written, what it says to run is run."""

    def __init__(self):
        self.transcript = []

    def run(self, command, stdin=""):
        result = subprocess.run(["/bin/sh", "-c", command], input=stdin, capture_output=True, text=True,
                                timeout=120, check=False)
        self.transcript.append(f"# {command}\n{result.stdout}{result.stderr}")
        if result.returncode != 0:
            raise RuntimeError(f"exit status {result.returncode}\n" + "\n".join(self.transcript))
        return result

    def write(self, path, text):
        with open(path, "w", encoding="utf-8") as f:
            f.write(text + "\n")

    def follow(self, title, files):
        """files: what is to be edited, in the order of the page's blocks that are no commands; where it
        says $EDITOR that is the file."""
        files, edited = list(files), None
        for block in blocks(section(title)):
            if not block.startswith("# "):
                text = block.replace("password=...", "password=" + PASSWORD)
                self.write(edited or files.pop(0), text)
                edited = None
                continue
            for line in block.splitlines():
                command = line[2:]
                if command.startswith("$EDITOR "):
                    edited = command.split()[1]
                elif command.startswith("ocsctl passwd"):
                    self.run(command, PASSWORD + "\n")
                elif "SOMEUSER" in command:
                    listed = self.run(command.replace("SOMEUSER", "jane"))
                    if listed.stderr:
                        raise RuntimeError(f"a word from the check: {listed.stderr}")
                elif line.startswith("# "):
                    self.run(command)
        if files:
            raise RuntimeError(f"the page does not say what is in {files}")


def isolate(folder):
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for path in OVERLAID:
        upper, work = (os.path.join(folder, kind + path.replace("/", "-")) for kind in ("upper", "work"))
        os.mkdir(upper)
        os.mkdir(work)
        os.chmod(upper, 0o755)
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o",
                        f"lowerdir={path},upperdir={upper},workdir={work}", path], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "none", "/run"], check=True)
    os.makedirs("/dev/mqueue", exist_ok=True)
    subprocess.run(["mount", "-t", "mqueue", "none", "/dev/mqueue"], check=True)


def wait(condition, what, limit=120):
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"not within {limit} s: {what}; log: {read('/run/mail.log')}")
        time.sleep(0.02)


def read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            return f.read()
    except FileNotFoundError:
        return ""


def deliver_by_lmtp():
    with socket.socket(socket.AF_UNIX) as s:
        s.connect("/run/dovecot/lmtp")
        f = s.makefile("rwb", buffering=0)
        f.readline()
        for command in ("LHLO x", "MAIL FROM:<a@example.org>", "RCPT TO:<jane>", "DATA",
                        "Subject: x\r\n\r\nx\r\n."):
            f.write(command.encode() + b"\r\n")
            line = f.readline()
            while line[3:4] == b"-":
                line = f.readline()
            if line[:1] not in b"23":
                raise RuntimeError(f"{command}: {line}; log: {read('/run/mail.log')}")



def counters(admin):
    return json.loads(admin.run("ocsctl --json status").stdout)["counters"]


def inside(folder):
    isolate(folder)
    admin = Admin()
    subprocess.run(["make", "-s", "-C", ROOT, f"BUILD={BUILD}", "-o", "all", "install"], check=True,
                   stdout=subprocess.DEVNULL)
    # the machine as its package leaves it, with a user; a certificate it may lack
    admin.run("ldconfig; adduser --disabled-password --gecos '' jane; rm -f /etc/dovecot/local.conf; "
              "printf 'log_path = /run/mail.log\\nssl = no\\n' > /etc/dovecot/conf.d/99-log.conf; "
              "for file in dovecot.pem dovecot.key; do test -e /etc/dovecot/private/$file || "
              "{ rm -f /etc/dovecot/private/$file; echo > /etc/dovecot/private/$file; }; done")
    dovecot = subprocess.Popen(["dovecot", "-F"])
    try:
        wait(lambda: os.path.exists("/run/dovecot/lmtp"), "Dovecot is there")
        admin.follow("Install", ["/etc/ocsmanager.ini", "/etc/dovecot/local.conf"])
        pid = json.loads(admin.run("ocsctl --json status").stdout)["daemon"]["pid"]
        os.kill(pid, signal.SIGHUP)  # what a reload reads, its user can read
        deliver_by_lmtp()
        kind = 'ocsmanager_notifications_total{result="nosubscriber"}'
        wait(lambda: counters(admin).get(kind, 0) >= 1, "the mail is taken: " + str(counters(admin)))
        print(json.dumps({"counters": counters(admin), "log": read("/run/mail.log"),
                          "transcript": admin.transcript}))
    finally:
        dovecot.kill()


if __name__ == "__main__" and sys.argv[1:2] == ["--inside"]:
    inside(sys.argv[2])
    sys.exit(0)


@unittest.skipIf(os.geteuid() != 0, "needs root")
class Manual(unittest.TestCase):
    def test_what_install_says_reports_the_first_mail(self):
        linked = subprocess.run(["ldd", os.path.join(ROOT, BUILD, "lib90_ocsmanager_plugin.so")], check=True,
                                capture_output=True, text=True).stdout
        if "libasan" in linked:
            self.skipTest("a plugin with AddressSanitizer cannot be installed into a Dovecot without")
        folder = tempfile.mkdtemp(prefix="ocs-manual-")
        self.addCleanup(shutil.rmtree, folder)
        os.chmod(folder, 0o755)
        result = subprocess.run(["unshare", "-m", "-n", "-i", "-p", "-f", "--kill-child", "--mount-proc",
                                 sys.executable, os.path.abspath(__file__), "--inside", folder],
                                capture_output=True, text=True, timeout=180, check=False,
                                env={**os.environ, "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:"
                                                           "/sbin:/bin"})
        self.assertEqual(result.returncode, 0, result.stdout[-2000:] + result.stderr[-4000:])
        got = json.loads(result.stdout.splitlines()[-1])
        refused = {k: v for k, v in got["counters"].items() if "refusals" in k and v}
        self.assertEqual(refused, {})
        self.assertNotIn("ocsmanager", got["log"].lower(), "the plugin has nothing to say")
        self.assertNotIn(PASSWORD, got["log"] + str(got["transcript"]))


if __name__ == "__main__":
    unittest.main(verbosity=2)
