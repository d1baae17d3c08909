# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""The pages of the programs in the manual tell of the options that --help tells of, and of no others."""

import os
import re
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness import paths

PAGES = {"ocsmanager": "ocsmanager.8", "ocsmapihttp": "ocsmapihttp.8", "ocsctl": "ocsctl.1",
         "ocsconsumer": "ocsconsumer.1"}
COMMAND = re.compile(r"^  ([a-z]+) ", re.M)


def help_of(program, *words):
    return subprocess.run([os.path.join(paths.BUILD, program), *words, "--help"], stdout=subprocess.PIPE, text=True,
                          timeout=60, check=True).stdout


def page_of(program):
    with open(os.path.join(paths.TREE, "doc", PAGES[program]), encoding="utf-8") as f:
        return f.read()


class ManualTest(unittest.TestCase):
    def test_options(self):
        for program in PAGES:
            with self.subTest(program=program):
                helped = help_of(program)
                if program == "ocsctl":
                    commands = COMMAND.findall(helped)
                    self.assertGreater(len(commands), 10)
                    helped += "".join(help_of(program, command) for command in commands)
                told = set(re.findall(r"(?<![\w-])--([a-z][a-z-]*)", helped))
                self.assertIn("help", told)
                page = page_of(program)
                known = set(re.findall(r"Fl (?:\w , )?-([a-z][a-z-]*)", page)) | set(re.findall(r", -([a-z][a-z-]*)", page))
                self.assertEqual((sorted(told - known), sorted(known - told)), ([], []))

    def test_synopsis(self):
        """Every option without a letter that is no question about the program itself stands in the synopsis too."""
        for program in ("ocsmapihttp", "ocsconsumer"):
            with self.subTest(program=program):
                page = page_of(program)
                synopsis = page[page.index(".Sh SYNOPSIS"):page.index(".Sh DESCRIPTION")]
                options = set(re.findall(r"^\.It Fl -([a-z-]+)", page, re.M))
                self.assertEqual(options - set(re.findall(r"Fl -([a-z-]+)", synopsis)), set())

    def test_commands(self):
        commands = COMMAND.findall(help_of("ocsctl"))
        page = page_of("ocsctl")
        for command in commands:
            self.assertRegex(page, rf"(?m)^\.(It )?Cm {command}\b", command)


if __name__ == "__main__":
    unittest.main()
