# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""tools/watch: what analysers and coverage say becomes findings and a table. None of them is run here."""

import contextlib
import importlib.machinery
import importlib.util
import io
import json
import os
import re
import shutil
import sys
import tempfile
import unittest

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def load(name):
    loader = importlib.machinery.SourceFileLoader(name, os.path.join(TREE, "tools", "watch", name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    loader.exec_module(module)
    return module


class Analyze(unittest.TestCase):
    """With a tool that says what the test has it say."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="wa")
        self.addCleanup(shutil.rmtree, self.folder)
        self.analyze = load("analyze")
        self.analyze.TREE, self.analyze.KNOWN = self.folder, self.path("known")
        self.write("known", "")
        os.mkdir(self.path("a"))
        for name in ("a/b.c", "a/other.h"):
            self.write(name, "\n" * 6 + "leak();\n")
        self.write("compile_commands.json", json.dumps([
            {"directory": ".", "file": name, "arguments": ["cc", "-I.", "-c", "-o", "x", name]} for name in ("a/b.c", "tests/c.c")]))

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write(text)

    def run_on(self, says, status=0):
        """(exit status, output)"""
        shutil.rmtree(self.path("build-analyze"), ignore_errors=True)
        self.analyze.TOOLS = {"tool": lambda *_: ["sh", "-c", f"cat '{self.path('says')}'; exit {status}"]}
        self.write("says", says)
        sys.argv, before = ["analyze"], sys.argv
        out = io.StringIO()
        try:
            with contextlib.redirect_stdout(out):
                return self.analyze.main(), out.getvalue()
        finally:
            sys.argv = before

    def test_a_finding_is_a_failure(self):
        status, out = self.run_on("a/b.c:7:3: warning: it leaks [leak]\n")
        self.assertEqual(status, 1)
        self.assertIn("tool: a/b.c:7: it leaks [leak]", out)
        self.assertIn("1 files: tool: 1 findings, 0 with a reason", out)

    def test_unless_its_reason_is_written_down(self):
        self.write("known", "# b is static\ntool leak a/b.c it leaks\n")
        self.assertEqual(self.run_on("a/b.c:7:3: warning: it leaks [leak]\n")[0], 0)
        self.assertEqual(self.run_on("a/b.c:7:3: warning: it is freed twice [leak]\n")[0], 1)
        self.assertEqual(self.run_on("a/other.h:7:3: warning: it leaks [leak]\n")[0], 1)

    def test_words_of_the_line_do_as_well(self):
        self.write("known", "# leak() is meant to\ntool leak * leak();\n")
        self.assertEqual(self.run_on("a/b.c:7:3: warning: it leaks [leak]\n")[0], 0)
        self.assertEqual(self.run_on("a/b.c:6:3: warning: it leaks [leak]\n")[0], 1)

    def test_what_it_said_is_kept_until_the_file_or_its_headers_change(self):
        self.write("marker", "")
        self.analyze.TOOLS = {"tool": lambda *_: ["rm", self.path("marker")]}
        self.write("a/b.c", '#include "other.h"\n')
        self.assertEqual(self.analyze.said("tool", "a/b.c", []), ("", 0))
        self.assertEqual(self.analyze.said("tool", "a/b.c", []), ("", 0))  # rm would fail now
        self.write("a/other.h", "other\n")
        self.assertEqual(self.analyze.said("tool", "a/b.c", [])[1], 1)

    def test_an_entry_without_reason_is_refused(self):
        for text in ("tool leak a/b.c\n", "# of others\n\ntool leak a/b.c\n"):
            self.write("known", text)
            with self.assertRaises(SystemExit):
                self.run_on("")

    def test_a_tool_that_does_not_run_is_a_failure(self):
        status, out = self.run_on("no such option\n", status=2)
        self.assertEqual(status, 1)
        self.assertIn("no such option", out)

    def test_a_tool_that_hangs_is_a_failure_and_ends_with_all_that_it_started(self):
        self.analyze.LIMIT = 0.2
        self.analyze.TOOLS = {"tool": lambda *_: ["sh", "-c", "sleep 60 & wait"]}
        self.assertEqual(self.analyze.said("tool", "a/b.c", [])[1], 124)

    def test_what_is_not_understood_is_not_lost(self):
        status, out = self.run_on("a/b.c:7:3: warning: it leaks. In two lines:\nhere [leak]\n")
        self.assertEqual(status, 1)
        self.assertIn("not understood: a/b.c:7:3: warning: it leaks.", out)

    def test_headers_of_packages_are_not_ours(self):
        self.assertEqual(self.run_on("/usr/include/x.h:1:1: warning: it leaks [leak]\n")[0], 0)

    def test_promises_go_before_every_file_but_those_that_keep_them(self):
        for tool in (self.analyze.gcc, self.analyze.clang_tidy):
            self.assertIn(self.analyze.PROMISES, tool("a/b.c", []))
            self.assertNotIn(self.analyze.PROMISES, tool(self.analyze.PROMISED_BY[0], []))

    def test_promises_are_kept(self):
        analyze = load("analyze")
        with open(os.path.join(TREE, analyze.PROMISES), encoding="utf-8") as f:
            promised = set(re.findall(r"^#define (\w+)\(\.\.\.\) .*; -1; \}\)$", f.read(), re.M))
        self.assertIn("ocs_error_set", promised)
        kept = set()
        for file in analyze.PROMISED_BY:
            with open(os.path.join(TREE, file), encoding="utf-8") as f:
                for name, body in re.findall(r"^int (\w+)\([^{]*\)\n\{\n(.*?)^\}", f.read(), re.M | re.S):
                    returned = re.findall(r"\breturn (-1|\w+)\b", body)
                    if returned and all(what == "-1" or what in promised for what in returned):
                        kept.add(name)
        self.assertEqual(promised - kept, set())

    def test_the_list_in_the_tree_has_reasons(self):
        self.assertTrue(load("analyze").read_known())


class Coverage(unittest.TestCase):
    def setUp(self):
        self.coverage = load("coverage")

    def test_a_module_is_the_sum_of_its_files(self):
        text = self.coverage.table({"a/x.c": {1: 1, 2: 0}, "a/y.c": {1: 5, 2: 5}, "b/z.c": {9: 1}})
        self.assertIn("| a | 4 | 75.0 % | x.c 50 |", text)
        self.assertIn("| b | 1 | 100.0 % |  |", text)
        self.assertIn("| all | 5 | 80.0 % |", text)

    def test_lines_that_were_not_run_are_ranges(self):
        self.assertEqual(self.coverage.ranges({1: 0, 3: 0, 4: 1, 9: 0}), "1-3, 9")

    def test_the_table_takes_the_place_of_the_old_one(self):
        folder = tempfile.mkdtemp(prefix="wa")
        self.addCleanup(shutil.rmtree, folder)
        path = os.path.join(folder, "page.md")
        with open(path, "w", encoding="utf-8") as f:
            f.write(f"above\n{self.coverage.BEGIN}\nold\n{self.coverage.END}\nbelow\n")
        self.coverage.put(path, "new")
        with open(path, encoding="utf-8") as f:
            self.assertEqual(f.read(), f"above\n{self.coverage.BEGIN}\nnew\n{self.coverage.END}\nbelow\n")


if __name__ == "__main__":
    unittest.main()
