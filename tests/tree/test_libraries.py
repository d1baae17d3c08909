# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""The libraries as those get them who link them: names, version, what a host can be compiled and run with, an ABI
that stays, and a page of the manual for each function."""

import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness import paths

NAMES = ("ocsnotify", "ocsemsmdb")

# Uses both libraries; the structs of both are seen by the compiler.
HOST = """
#include <ocsemsmdb.h>
#include <stdio.h>

int main(void)
{
	struct ocsemsmdb_settings settings;
	struct ocsnotify *context;
	char text[256];

	ocsemsmdb_settings_init(&settings, OCSEMSMDB_2016);
	printf("%d %d %u\\n", ocsnotify_library_version() == OCSNOTIFY_VERSION,
	       ocsemsmdb_library_version() == OCSEMSMDB_VERSION, settings.subscriptions_max);
	return ocsnotify_open("/nonexistent", &context, text, sizeof(text)) == OCSNOTIFY_E_NO_REGISTRY ? 0 : 1;
}
"""


def run(*command, **more):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120,
                          check=False, **more)


def text_of(*parts):
    with open(os.path.join(paths.TREE, *parts), encoding="utf-8") as f:
        return f.read()


def library(name):
    return os.path.join(paths.BUILD, f"lib{name}.so")


def exported(path):
    """Functions that a host can call; what a sanitizer adds is left out."""
    dynamic = ["-D"] if path.endswith(".so") else []
    text = run("nm", *dynamic, "--defined-only", "--extern-only", path).stdout
    return {s.partition("@")[0] for s in re.findall(r" [TDBRVW] (\S+)", text) if "asan" not in s}


class Names(unittest.TestCase):
    def test_hosts_see_the_names_of_the_interface_alone(self):
        for name in NAMES:
            for path in (library(name), library(name)[:-2] + "a"):
                names = exported(path)
                self.assertGreater(len(names), 15, path)
                self.assertEqual({s for s in names if not s.startswith(name + "_")}, set(), path)

    def test_what_is_exported_is_what_the_header_declares(self):
        for name in NAMES:
            declared = re.findall(rf"^{name.upper()}_API[^;]*?\b({name}_\w+)\(", text_of("include", name + ".h"), re.M)
            self.assertEqual(exported(library(name)), set(declared))

    def test_each_library_has_its_soname_and_the_one_finds_the_other(self):
        for name, needs in (("ocsnotify", []), ("ocsemsmdb", ["libocsnotify.so.0"])):
            text = run("readelf", "-d", library(name)).stdout
            self.assertEqual(re.findall(r"soname: \[(.*)\]", text), [f"lib{name}.so.0"])
            self.assertEqual(re.findall(r"NEEDED.*\[(libocs.*)\]", text), needs)

    def test_the_version_stands_in_one_form_everywhere(self):
        version = re.search(r"^VERSION *:= *(\S+)", text_of("Makefile"), re.M)[1]
        for name in NAMES:
            parts = re.findall(rf"^#define {name.upper()}_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)$",
                               text_of("include", name + ".h"), re.M)
            self.assertEqual(".".join(parts), version)
            with open(os.path.join(paths.BUILD, name + ".pc"), encoding="utf-8") as f:
                self.assertIn(f"Version: {version}\n", f.read())


class Host(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="host")
        self.addCleanup(shutil.rmtree, self.folder)
        # the .pc files as installed, for headers and libraries where they are built
        os.mkdir(self.folder + "/include")
        for name in NAMES:
            os.symlink(f"{paths.TREE}/include/{name}.h", f"{self.folder}/include/{name}.h")
            with open(os.path.join(paths.BUILD, name + ".pc"), encoding="utf-8") as f:
                text = re.sub("^prefix=.*", "prefix=" + self.folder, f.read(), flags=re.M)
            with open(f"{self.folder}/{name}.pc", "w", encoding="utf-8") as f:
                f.write(re.sub("^libdir=.*", "libdir=" + os.path.abspath(paths.BUILD), text, flags=re.M))

    def flags(self, *words):
        done = run("pkg-config", *words, env={**os.environ, "PKG_CONFIG_PATH": self.folder})
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout.split()

    def test_a_host_is_compiled_by_pkg_config_and_runs(self):
        sanitizer = ["-fsanitize=address,undefined"] if "asan" in run("nm", "-D", library("ocsnotify")).stdout else []
        with open(self.folder + "/host.c", "w", encoding="ascii") as f:
            f.write(HOST)
        for compiler in (["gcc", "-std=c99", "-pedantic"], ["g++", "-xc++"]):
            done = run(*compiler, "-Wall", "-Wextra", "-Werror", *sanitizer, *self.flags("--cflags", "ocsemsmdb"),
                       self.folder + "/host.c", "-o", self.folder + "/host", "-xnone", *self.flags("--libs", "ocsemsmdb"))
            self.assertEqual(done.returncode, 0, done.stdout)
            done = run(self.folder + "/host", env={**os.environ, "LD_LIBRARY_PATH": os.path.abspath(paths.BUILD)})
            self.assertEqual((done.returncode, done.stdout), (0, "1 1 500\n"))


class Abi(unittest.TestCase):
    def test_hosts_that_are_there_need_not_be_compiled_again(self):
        for name in NAMES:
            if ".debug_info" not in run("readelf", "-S", "-W", library(name)).stdout:
                self.skipTest("built without -g")
            # not --headers-dir2 nor a suppression by has_data_member_inserted_at: each hides changes of a field's type
            done = run("abidiff", "--exported-interfaces-only", "--no-added-syms",
                       f"{paths.TREE}/lib{name}/{name}.abi", library(name))
            self.assertEqual(done.returncode, 0, f"{done.stdout}\nIf it is meant: tools/abi-dump says what to do")


class Manual(unittest.TestCase):
    PAGES = os.path.join(paths.BUILD, "man")

    def test_each_function_has_a_page(self):
        pages = {os.path.basename(path)[:-2] for path in glob.glob(self.PAGES + "/*.3")}
        for name in NAMES:
            functions = exported(library(name)) | {f.replace("_sized", "") for f in exported(library(name))}
            self.assertEqual(functions - pages, set())
            self.assertIn(name, pages)

    def test_a_page_says_what_a_caller_must_know(self):
        seen = 0
        for path in glob.glob(self.PAGES + "/*.3"):
            with open(path, encoding="utf-8") as f:
                text = f.read()
            if text.startswith(".so man3/"):
                self.assertTrue(os.path.exists(os.path.join(self.PAGES, text.split("/")[1].strip())), path)
            elif os.path.basename(path)[:-2] not in NAMES:
                seen += 1
                for heading in ("SYNOPSIS", "DESCRIPTION", "ERRORS", "UNITS", "OWNERSHIP", "THREADS", "SEE ALSO"):
                    self.assertIn(f"\n.Sh {heading}\n", text, path)
        self.assertGreater(seen, 10)

    @unittest.skipUnless(shutil.which("mandoc"), "needs mandoc")
    def test_the_pages_are_sound(self):
        pages = [p for p in sorted(glob.glob(self.PAGES + "/*.3")) if os.path.getsize(p) > 100]
        done = run("mandoc", "-Tlint", "-Wwarning", *pages)
        self.assertEqual(done.returncode, 0, done.stdout)


if __name__ == "__main__":
    unittest.main()
