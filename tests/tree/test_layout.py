# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""The architecture: which module may include what (USES_X of the Makefile, which the compiler enforces), which
packages it may use (PKG_X), and that nothing goes round in a circle."""

import glob
import os
import re
import unittest

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# Headers of packages, by how they begin. Those of the C library and of uthash (headers alone) are for everybody.
PACKAGES = {"tdb.h": "tdb", "talloc.h": "talloc", "nettle/": "nettle", "microhttpd.h": "libmicrohttpd",
            "libxml/": "libxml-2.0", "amqp": "librabbitmq", "rabbitmq-c/": "librabbitmq", "jansson.h": "jansson",
            "curl/": "libcurl", "gsasl.h": "libgsasl", "gnutls/": "gnutls", "cap-ng.h": "libcap-ng",
            "systemd/": "libsystemd", "ldb.h": "ldb", "ldap.h": "ldap", "openldap.h": "ldap", "lber.h": "ldap"}


def makefile():
    with open(os.path.join(TREE, "Makefile"), encoding="utf-8") as f:
        text = f.read()
    return {kind: {name: set(re.findall(r"[\w./-]+", re.sub(r"\$\(if [^)]*\),(\S+)\)", r"\1", words)))
                   for name, words in re.findall(rf"^{kind}_(\S+) *:= *(.*)$", text, re.M)}
            for kind in ("USES", "PKG")}


def includes(module):
    """(file, what, whether in quotes) of each #include."""
    for path in sorted(glob.glob(f"{TREE}/{module}/*.[ch]")):
        with open(path, encoding="utf-8") as f:
            for quote, what in re.findall(r'^#\s*include\s+(["<])([^">]+)', f.read(), re.M):
                yield os.path.relpath(path, TREE), what, quote == '"'


def source_lines():
    """("file:number", line) of all sources."""
    for path in sorted(glob.glob(f"{TREE}/*/*.[ch]") + glob.glob(f"{TREE}/plugins/*/*.[ch]") +
                       glob.glob(f"{TREE}/tests/unit/**/*.[ch]", recursive=True)):
        with open(path, encoding="utf-8") as f:
            for number, line in enumerate(f, 1):
                yield f"{os.path.relpath(path, TREE)}:{number}", line


NEXT = r"->(?:\w+_)?(?:next|prev|previous)(?:_linked|_of_\w+)?\b"
# sys/queue.h; a way along pointers to pointers; an element put in or taken out by hand.
OTHER_LISTS = re.compile(r"<sys/queue\.h>|\b(?:TAILQ|STAILQ|SLIST|SIMPLEQ)_[A-Z]|\bLIST_(?:HEAD|ENTRY|INIT|INSERT|REMOVE)"
                         rf"|&\(\*\w+\){NEXT}|(?:^\s*\*|->)\w+ = \w+->next;|{NEXT} = \*\w+;|{NEXT} = \w+(?:->\w+)+;|->\w+{NEXT} = ")


def other_list(where, line):
    """A list that is not one of utlist.h. Dovecot's plugin has Dovecot's."""
    return bool(OTHER_LISTS.search(line)) or ("DLLIST" in line and not where.startswith("plugins/dovecot/"))


class Layout(unittest.TestCase):
    def setUp(self):
        self.uses, self.packages = makefile().values()

    def test_every_folder_of_sources_is_a_module(self):
        others = {"bench", "fuzz", "include", "plugins/dovecot"}
        folders = {os.path.relpath(os.path.dirname(path), TREE)
                   for pattern in ("*/*.c", "plugins/*/*.c") for path in glob.glob(f"{TREE}/{pattern}")}
        self.assertEqual(folders - others, set(self.uses))

    def test_a_module_includes_what_it_may(self):
        wrong = [f"{file}: {what}" for module, uses in self.uses.items() for file, what, ours in includes(module)
                 if ours and "/" in what and what.split("/")[0] not in uses | {module}]
        self.assertEqual(wrong, [])

    def test_a_module_uses_the_packages_that_it_names(self):
        wrong = []
        for module in self.uses:
            for file, what, ours in includes(module):
                package = next((p for start, p in PACKAGES.items() if what.startswith(start)), None)
                if not ours and package and package not in self.packages.get(module, set()):
                    wrong.append(f"{file}: {what} is of {package}, which PKG_{module} does not name")
        if "plugins/samba" in self.uses:
            wrong = [line for line in wrong if not line.startswith("plugins/samba")]  # has packages of its own
        self.assertEqual(wrong, [])

    def test_an_insertion_that_fails_for_lack_of_memory_is_seen(self):
        blind, seen = [], 0
        for path in glob.glob(f"{TREE}/*/*.c") + glob.glob(f"{TREE}/plugins/*/*.c"):
            with open(path, encoding="utf-8") as f:
                lines = f.read().split("\n")
            for i, line in enumerate(lines):
                if re.search(r"\bHASH_(ADD|REPLACE)", line):
                    seen += 1
                    if ".tbl" not in "".join(lines[i + 1:i + 5]):
                        blind.append(f"{os.path.relpath(path, TREE)}:{i + 1}")
        self.assertEqual(blind, [])
        self.assertGreater(seen, 20)

    def test_lists_are_of_utlist(self):
        lines = list(source_lines())
        wrong = [f"{where}: {line.strip()}" for where, line in lines if other_list(where, line)]
        self.assertEqual(wrong, [])
        self.assertGreater(len(lines), 50000)

    def test_a_list_of_another_kind_is_seen(self):
        for line in ("#include <sys/queue.h>", "TAILQ_INSERT_TAIL(&jobs, job, link);", "LIST_HEAD(jobs, job);",
                     "for (p = &jobs; *p != job; p = &(*p)->next)", "\t*p = job->next;", "\tjob->next = jobs->first;",
                     "jobs->first = job->next;", "jobs->last->next = job;", "job->next->previous = job;",
                     "DLLIST_PREPEND(&transactions, txn);",
                     "session->next_linked = other->next_linked;", "for (; *p; p = &(*p)->next_of_owner)",
                     "item->next = *at;"):
            self.assertTrue(other_list("notify/a.c", line), line)
        for line in ("DL_APPEND(jobs, job);", "for (; job != NULL; job = job->next)", "cursor->next = number + 1;",
                     "first = job->next;"):
            self.assertFalse(other_list("notify/a.c", line), line)
        self.assertFalse(other_list("plugins/dovecot/a.c", "DLLIST_PREPEND(&transactions, txn);"))

    def test_no_circle(self):
        done = []

        def visit(module, path):
            self.assertNotIn(module, path, " -> ".join([*path, module]))
            for other in sorted(self.uses.get(module, ())):
                if other != module:
                    visit(other, [*path, module])
            done.append(module)

        for module in self.uses:
            visit(module, [])
        self.assertIn("base", done)


if __name__ == "__main__":
    unittest.main()
