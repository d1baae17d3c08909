# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""The Makefile as an admin, a packager and a developer call it. The compiler is a script that notes its words and
makes empty files: what is built, with which flags, is the Makefile's doing; that it compiles is shown elsewhere.

Even so a build starts more than a thousand programs, so a test builds no more than it is about: flags are read from
what `make -n` says, and what `make all` builds is built once, for all tests that only look at it."""

import grp
import os
import re
import shlex
import shutil
import subprocess
import tempfile
import unittest

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

COMPILER = """#!/bin/sh
echo "$*" >>"$COMPILED"
while [ $# -gt 0 ]; do
    case $1 in -dump*) echo 12.0; exit ;; -o) : >"$2" ;; esac
    shift
done
"""


_shared = {}  # folder: of all tests; compiler: its path; lines: of the first `make all`; other: a copy of what it built


def setUpModule():
    _shared["folder"] = tempfile.mkdtemp(prefix="mk")
    unittest.addModuleCleanup(shutil.rmtree, _shared["folder"])
    _shared["compiler"] = write(_shared["folder"] + "/cc", COMPILER)


def write(path, text):
    with open(path, "w", encoding="ascii") as f:
        f.write(text)
    os.chmod(path, 0o755)
    return path


class MakefileTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="mk")
        self.addCleanup(shutil.rmtree, self.folder)
        self.build, self.root = self.folder + "/b", self.folder + "/root"
        self.compiled = self.folder + "/compiled"

    def script(self, name, text):
        return write(os.path.join(self.folder, name), text)

    def run_make(self, *words):
        # `make check DEPS=no` hands its variables down to us
        env = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL")}
        return subprocess.run(["make", f"BUILD={self.build}", f"CC={_shared['compiler']}", "OBJCOPY=true", *words],
                              cwd=TREE, timeout=120,
                              env={**env, "COMPILED": self.compiled}, stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)

    def make(self, *words):
        """The command lines of the compiler, those left out that tell its version or merge a library."""
        open(self.compiled, "w", encoding="ascii").close()
        done = self.run_make(*words)
        self.assertEqual(done.returncode, 0, done.stdout)
        with open(self.compiled, encoding="utf-8") as f:
            return [line.rstrip("\n") for line in f if " -o " in line and "-nostdlib" not in line]

    def plan(self, *words):
        """The same lines of a build from nothing, as `make -n` says them."""
        done = self.run_make("-n", *words)
        self.assertEqual(done.returncode, 0, done.stdout)
        parts = [part for line in done.stdout.replace("\\\n", " ").splitlines() for part in line.split(" && ")]
        return [" ".join(shlex.split(part)[1:]) for part in parts
                if part.startswith(_shared["compiler"] + " ") and " -o " in part and "-nostdlib" not in part]

    def built(self):
        """`make all` with nothing special, built once, for tests that let nothing be built: its command lines."""
        self.build = _shared["folder"] + "/b"
        if "lines" not in _shared:
            _shared["lines"] = self.make("all")
        return _shared["lines"]

    def built_elsewhere(self):
        """The same, in a folder for tests that give other paths; which it was built with last is not known."""
        lines = self.built()
        if "other" not in _shared:
            _shared["other"] = _shared["folder"] + "/o"
            shutil.copytree(self.build, _shared["other"], symlinks=True)
        self.build = _shared["other"]
        return lines

    def install(self, *words):
        """Of what is built."""
        self.assertEqual(self.make("install", f"DESTDIR={self.root}", *words), [])

    def sources(self, lines):
        return {line.split()[-1] for line in lines if " -c " in line}

    def files(self):
        return sorted(os.path.relpath(os.path.join(folder, name), self.root)
                      for folder, _, names in os.walk(self.root) for name in names)


class State(MakefileTest):
    """What was built with something else is built again, and nothing else."""

    def test_nothing_is_built_twice(self):
        self.assertGreater(len(self.make("all", "tests", "WERROR=1")), 150)
        self.assertEqual(self.make("all", "tests", "WERROR=1"), [])

    def test_all_is_what_is_built_if_nothing_is_said(self):
        self.built()
        self.assertEqual(self.make(), [])
        for name in ("ocsmanager", "ocsctl", "libocsnotify.so", "libocsemsmdb.so", "man/ocsnotify_open.3", "lib90_ocsmanager_plugin.so", "ocsmanager_samba.so"):
            self.assertTrue(os.path.exists(f"{self.build}/{name}"), name)

    def test_another_folder_for_the_ini_reaches_what_is_installed(self):
        everything = self.sources(self.built_elsewhere())
        lines = self.make("install", f"DESTDIR={self.root}", "SYSCONFDIR=/second")
        again = self.sources(lines)
        self.assertTrue({"ocsmanager/main.c", "ocsctl/main.c", "mapihttp/options.c",
                         "ocsconsumer/options.c"} <= again, again)
        self.assertLess(len(again), len(everything) / 4)
        for line in lines:
            if " -c " in line:
                self.assertIn('-DOCS_SYSCONFDIR="/second"', line)
        self.assertTrue(any(f"{self.build}/ocsmanager" in line.split() for line in lines))
        self.assertIn("second/ocsmanager.ini", self.files())

    def test_another_prefix_reaches_the_pc_file(self):
        self.built_elsewhere()
        self.make("install", f"DESTDIR={self.root}", "PREFIX=/opt/ocs")
        with open(self.root + "/opt/ocs/lib/pkgconfig/ocsnotify.pc", encoding="ascii") as f:
            self.assertIn("prefix=/opt/ocs\n", f.read())

    def test_other_flags_build_all_of_it_again(self):
        def again(goal, *words):
            self.assertEqual(len(self.make(goal, *words)), everything, words)
            self.assertEqual(self.make(goal, *words), [], words)

        library, tool = self.build + "/libocsnotify.so", self.build + "/tests/hammer"
        everything = len(self.make(library))
        self.assertGreater(everything, 50)
        again(library, "CFLAGS=-O1")
        everything = len(self.make(tool))  # an object and a link: which flags count is the same for all
        self.assertEqual(everything, 2)
        words = []
        for word in "CFLAGS=-O1", "CPPFLAGS=-DX", "LDFLAGS=-Wl,-O1", "SANITIZE=thread", "WITH_SYSTEMD=no":
            words.append(word)
            again(tool, *words)

    def test_objects_that_may_hide_a_warning_are_not_reused_where_warnings_are_errors(self):
        # one of each recipe that compiles
        goals = [f"{self.build}/{name}" for name in
                 ("lib/store.a", "obj-faults/store/journal.o", "lib90_ocsmanager_plugin.so", "tests/samba_peer")]
        lax = self.make(*goals)
        self.assertFalse([line for line in lax if "-Werror" in line])
        strict = self.make(*goals, "WERROR=1")
        self.assertEqual([line.replace(" -Werror", "") for line in sorted(strict)], sorted(lax))
        self.assertFalse([line for line in strict if "-Werror" not in line.split()])
        self.assertEqual(self.make(*goals, "WERROR=1"), [])
        self.assertEqual(self.make(*goals), [], "an object without a warning is the same")

    def test_a_library_forgets_a_source_that_is_gone(self):
        tree = self.folder + "/tree"
        for name in "base", "store", "include", "tools":  # what store/ may use, and what make reads
            shutil.copytree(f"{TREE}/{name}", f"{tree}/{name}")
        shutil.copy(TREE + "/Makefile", tree)
        with open(tree + "/store/gone.c", "w", encoding="ascii") as f:
            f.write("int gone;\n")
        members = lambda: subprocess.run(["ar", "t", self.build + "/lib/store.a"], check=True, text=True,
                                         capture_output=True).stdout.split()
        self.make("-C", tree, self.build + "/lib/store.a")
        self.assertIn("gone.o", members())
        os.unlink(tree + "/store/gone.c")
        self.make("-C", tree, self.build + "/lib/store.a")
        self.assertNotIn("gone.o", members())


class Packager(MakefileTest):
    # what dpkg-buildflags says with everything on
    FLAGS = ["CPPFLAGS=-Wdate-time -D_FORTIFY_SOURCE=2",
             "CFLAGS=-g -O2 -ffile-prefix-map=/x=. -fPIE -fstack-protector-strong -Wformat -Werror=format-security",
             "LDFLAGS=-Wl,-z,relro -Wl,-z,now -Wl,--as-needed"]

    def test_the_flags_of_a_packager_are_added_to_ours(self):
        lines = self.plan("all", "tests", *self.FLAGS)
        self.assertGreater(len(lines), 150)
        for line in lines:
            words = line.split()
            self.assertIn("-ffile-prefix-map=/x=.", words)
            self.assertIn("-std=gnu11", words)
            self.assertIn("-D_GNU_SOURCE" if " -c " in line else "-Wl,-z,now", words)
            self.assertLessEqual(sum(w.startswith("-D_FORTIFY_SOURCE") for w in words), 1)
            if " -c " in line:
                self.assertGreater(words.index("-fPIC"), words.index("-fPIE"))

    def test_their_optimization_is_the_one_that_counts(self):
        lines = self.plan("all", "CFLAGS=-O0")
        self.assertGreater(len(lines), 150)
        for line in lines:
            self.assertEqual(re.findall(r"(?<= )-O\S+", line), ["-O0"])
            self.assertNotIn("_FORTIFY_SOURCE", line, "it needs an optimizing compiler")

    def test_what_is_not_wanted_is_neither_built_nor_installed(self):
        lines = self.plan("all", "WITH_DOVECOT=no", "WITH_SAMBA=no", "WITH_SYSTEMD=no")
        self.assertGreater(len(lines), 150)
        self.assertFalse([line for line in lines if "plugins/" in line])
        self.assertFalse([line for line in lines if "HAVE_SYSTEMD" in line or "-lsystemd" in line])
        self.built()
        self.install("WITH_DOVECOT=no", "WITH_SAMBA=no")
        self.assertIn("usr/local/sbin/ocsmanager", self.files())
        self.assertFalse([name for name in self.files() if "dovecot" in name or "samba" in name
                          or "plugin" in name])

    def test_auto_leaves_out_what_is_not_there(self):
        lines = self.plan("all", "FOUND_DOVECOT=", "FOUND_SAMBA=", "FOUND_SYSTEMD=")
        self.assertGreater(len(lines), 150)
        self.assertFalse([line for line in lines if "plugins/" in line or "HAVE_SYSTEMD" in line])

    def test_what_is_wanted_and_not_there_is_said(self):
        for name, package in (("DOVECOT", "dovecot-dev"), ("SAMBA", "samba-dev")):
            done = self.run_make("-n", "all", f"WITH_{name}=yes", f"FOUND_{name}=")
            self.assertEqual(done.returncode, 2, done.stdout)
            self.assertIn(package, done.stdout)

    def test_no_other_word(self):
        done = self.run_make("all", "WITH_SAMBA=maybe")
        self.assertEqual(done.returncode, 2)
        self.assertIn("WITH_SAMBA is auto, yes or no, not 'maybe'", done.stdout)

    def test_a_plugin_without_a_home_goes_nowhere(self):
        self.built()
        for words in (["DOVECOTDIR="], ["SAMBADIR="], ["DOVECOTDIR=", "SAMBADIR="]):
            shutil.rmtree(self.root, ignore_errors=True)
            self.install(*words)
            self.assertEqual([n for n in os.listdir(self.root) if not os.path.isdir(f"{self.root}/{n}")], [])
            found = [n for n in self.files() if "plugin" in n or n.endswith("/ocsmanager.so")]
            self.assertEqual(len(found), 2 - len(words), found)
        done = self.run_make("install", f"DESTDIR={self.root}", "WITH_DOVECOT=yes", "DOVECOTDIR=")
        self.assertEqual(done.returncode, 2)
        self.assertIn("DOVECOTDIR is empty", done.stdout)

    def test_uninstall_leaves_the_configuration_and_what_others_have_there(self):
        self.built()
        os.makedirs(self.root + "/usr/local/bin")
        self.script("root/usr/local/bin/other", "")
        self.install()
        installed = self.files()
        self.assertTrue({"usr/local/sbin/ocsmanager", "usr/local/bin/ocsctl", "usr/local/lib/libocsnotify.so",
                         "usr/local/lib/libocsemsmdb.so.0", "usr/local/lib/pkgconfig/ocsemsmdb.pc",
                         "usr/local/include/ocsnotify.h", "usr/local/share/man/man8/ocsmanager.8",
                         "usr/local/share/man/man3/ocsnotify_open.3", "usr/local/share/man/man3/ocsemsmdb_rpc.3",
                         "usr/local/share/man/man5/ocsmanager.ini.5",
                         "usr/local/share/doc/ocsmanager/examples/sysctl.conf",
                         "usr/local/share/doc/ocsmanager/examples/limits.conf"} <= set(installed), installed)
        self.assertFalse([name for name in installed if "sysctl.d" in name], "examples only")
        self.make("uninstall", f"DESTDIR={self.root}")
        self.assertEqual(self.files(), ["etc/ocsmanager.ini", "usr/local/bin/other"])

    def test_an_ini_that_is_there_is_kept(self):
        self.built()
        os.makedirs(self.root + "/etc")
        self.script("root/etc/ocsmanager.ini", "mine\n")
        self.install()
        with open(self.root + "/etc/ocsmanager.ini", encoding="ascii") as f:
            self.assertEqual(f.read(), "mine\n")


@unittest.skipUnless(os.geteuid() == 0, "needs root")
class IniGroup(MakefileTest):
    """What is installed can be read by who reads it again: the user under [main]."""

    def after(self, text, mode=0o640, owner=(0, 0)):
        """(group, mode, what is said) of an ini after an installation without DESTDIR."""
        path = self.folder + "/ocsmanager.ini"
        with open(path, "w", encoding="ascii", newline="") as f:
            f.write(text)
        os.chown(path, *owner)
        os.chmod(path, mode)
        done = subprocess.run([TREE + "/tools/ini-group", path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=120, check=True)
        status = os.stat(path)
        with open(path, encoding="ascii", newline="") as f:
            self.assertEqual(f.read(), text)
        return grp.getgrgid(status.st_gid).gr_name, status.st_mode & 0o777, done.stdout

    def test_the_group_of_the_user_may_read_it(self):
        for text in ("[main]\nuser = nobody\n", "[main]\r\nuser=nobody\r\n", "# x\n[a]\nuser = root\n [main] \n"
                     "#user = root\n\tuser\t=\tnobody \n[b]\nuser = root\n"):
            with self.subTest(text):
                group, mode, said = self.after(text, 0o600)
                self.assertEqual((group, mode), ("nogroup", 0o640))
                self.assertIn("group nogroup may read it", said)

    def test_the_group_that_it_names_comes_first(self):
        self.assertEqual(self.after("[main]\nuser = nobody\ngroup = mail\n")[:2], ("mail", 0o640))

    def test_without_a_user_nothing_changes(self):
        for text in ("", "[main]\n#user = nobody\n", "[other]\nuser = nobody\n"):
            self.assertEqual(self.after(text), ("root", 0o640, ""))
        with open(TREE + "/ocsmanager.ini", encoding="ascii") as f:
            self.assertEqual(self.after(f.read()), ("root", 0o640, ""))

    def test_what_its_admin_gave_it_stays(self):
        text = "[main]\nuser = nobody\n"
        mail = grp.getgrnam("mail").gr_gid
        self.assertEqual(self.after(text, 0o640, (0, mail)), ("mail", 0o640, ""))
        self.assertEqual(self.after(text, 0o644), ("root", 0o644, ""))

    def test_a_user_that_is_not_there_yet_is_said(self):
        group, mode, said = self.after("[main]\nuser = no-such-user\n")
        self.assertEqual((group, mode), ("root", 0o640))
        self.assertIn("chgrp GROUP", said)

    def test_install_does_it(self):
        self.built_elsewhere()
        etc = self.folder + "/etc"
        os.mkdir(etc)
        self.script("etc/ocsmanager.ini", "[main]\nuser = nobody\n")
        os.chmod(etc + "/ocsmanager.ini", 0o640)
        places = [f"{name}={self.root}/{name}" for name in ("PREFIX", "LOCALSTATEDIR", "DOVECOTDIR", "SAMBADIR")]
        self.make("install", f"SYSCONFDIR={etc}", *places)
        self.assertEqual(grp.getgrgid(os.stat(etc + "/ocsmanager.ini").st_gid).gr_name, "nogroup")
        for word in "INI_GROUP=mail", f"DESTDIR={self.root}":  # what is there stays, of another machine too
            os.chown(etc + "/ocsmanager.ini", 0, 0)
            self.make("install", f"SYSCONFDIR={etc}", *places, word)
            self.assertEqual(os.stat(etc + "/ocsmanager.ini").st_gid, 0, word)


class Developer(MakefileTest):
    def jobs(self, *words):
        show = self.script("show", "include Makefile\nshow:\n\t@echo flags $(MAKEFLAGS)\n")
        done = self.run_make("--no-print-directory", "-f", show, "show", *words)
        return re.findall(r"(?<= -j)\d+", done.stdout)

    def test_all_cores_unless_told_otherwise(self):
        self.assertEqual(self.jobs(), [str(os.cpu_count())])
        self.assertEqual(self.jobs("-j1")[-1:], ["1"])
        self.assertEqual(self.jobs("-j7")[-1:], ["7"])
        self.assertEqual(self.jobs("-s", "-j7")[-1:], ["7"])

    def test_packages_are_asked_for_unless_told_otherwise(self):
        def asks(*words):
            return "install-packages" in self.run_make("-n", *words).stdout

        for goal in ("check", "demo", "demo-outlook", "demo-cluster", "bench"):
            self.assertTrue(asks(goal), goal)
            self.assertFalse(asks(goal, "DEPS=no"), goal)
        self.assertTrue(asks("deps"))

    def test_check_builds_everything_with_warnings_as_errors(self):
        plan = self.run_make("-n", "check", "DEPS=no").stdout
        for folder in ("build", "build-asan"):
            self.assertRegex(plan, rf"WERROR=1 BUILD={folder} ")

    def test_unit_tests_are_optimized_where_that_is_said(self):
        def optimized(*words):
            # tests/faults stands in for the C library, and is built without its wrappers
            lines = [line for line in self.plan("tests", *words) if " -c " in line and "/obj/tests/faults/" not in line]
            return {kind: {tuple(re.findall(r"(?<= )-(?:O\S+|D_FORTIFY_SOURCE=2)", line)) for line in lines
                           if ("/obj/tests/unit/" in line) == (kind == "unit")} for kind in ("unit", "ours")}

        both = ("-D_FORTIFY_SOURCE=2", "-O2")
        self.assertEqual(optimized(), {"unit": {()}, "ours": {both}})
        for words in (["OPT=-O2"], ["CFLAGS=-O2"]):
            self.assertEqual(optimized(*words), {"unit": {both}, "ours": {both}})

    def test_what_the_harness_starts_daemons_under_is_built_where_it_is_used(self):
        for goal in ("demo-cluster", "bench", "check-long", "tests"):
            plan = self.run_make("-n", goal, "DEPS=no", "PYTHON=true").stdout
            for name in ("filtered", "syscalls"):
                self.assertRegex(plan, rf"{re.escape(self.build)}/tests/{name}\b", goal)

    def test_demo_removes_nothing_beside_its_output(self):
        self.built()
        beside = self.build + ".log"
        self.addCleanup(os.unlink, beside)
        with open(beside, "w", encoding="ascii") as f:
            f.write("mine\n")
        self.assertEqual(self.make("demo", "DEPS=no", "PYTHON=true"), [])
        self.assertTrue(os.path.exists(beside))


if __name__ == "__main__":
    unittest.main()
