# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Inside a module: no file calls another that calls it, on whichever way. Asked of the built objects with nm, so a
function whose address is taken counts as called; who needs a callback upwards is handed it."""

import glob
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness import paths


def symbols(objects):
    """{file: (what it defines for others, what it uses of them)}"""
    table = {file: (set(), set()) for file in objects}
    text = subprocess.run(["nm", "--print-file-name", "--extern-only", *objects.values()], check=True,
                          capture_output=True, text=True).stdout
    home = {path: file for file, path in objects.items()}
    for line in text.splitlines():
        path, _, rest = line.partition(":")
        *_, kind, name = rest.split()
        table[home[path]][kind in "Uwv"].add(name)
    return table


def modules():
    """Each module's objects by the name of the file; left out are those whose source is gone."""
    found = {}
    for pattern in ("*/*.c", "plugins/*/*.c"):
        for source in glob.glob(os.path.join(paths.TREE, pattern)):
            source = os.path.relpath(source, paths.TREE)
            path = os.path.join(paths.BUILD, "obj", source[:-2] + ".o")
            if not source.startswith(("bench/", "fuzz/")) and os.path.exists(path):
                found.setdefault(os.path.dirname(source), {})[os.path.basename(source)] = path
    return found


def calls(objects):
    """{file: {file it calls: a name that it uses}}"""
    table = symbols(objects)
    home = {name: file for file, (defined, _) in table.items() for name in defined}
    return {file: {home[name]: name for name in sorted(used) if home.get(name, file) != file}
            for file, (_, used) in table.items()}


def way(graph, start, end):
    """The shortest one, as the files behind start; None: there is none."""
    seen, ways = {start}, [[start]]
    for path in ways:
        for file in sorted(graph[path[-1]]):
            if file == end:
                return [*path[1:], end]
            if file not in seen:
                seen.add(file)
                ways.append([*path, file])
    return None


def circles(graph):
    """The files of each knot, and how it can be walked round."""
    left = set(graph)
    for file in sorted(graph):
        path = way(graph, file, file) if file in left else None
        if path is None:
            continue
        knot = {other for other in graph if way(graph, file, other) and way(graph, other, file)}
        left -= knot
        steps = [f"{a} -> {b} ({graph[a][b]})" for a, b in zip([file, *path], path)]
        yield knot, ", ".join(steps)


class Floors(unittest.TestCase):
    def test_the_search_finds_a_circle(self):
        graph = {"a.c": {"b.c": "b"}, "b.c": {"c.c": "c"}, "c.c": {"b.c": "b"}, "d.c": {"a.c": "a"}}
        self.assertEqual(list(circles(graph)), [({"b.c", "c.c"}, "b.c -> c.c (c), c.c -> b.c (b)")])

    def test_no_file_calls_its_caller(self):
        found = modules()
        for module in ("base", "store", "registry", "notify", "libocsnotify", "ocsmanager"):
            self.assertGreater(len(found.get(module, ())), 3, f"{module} is not built")
        wrong = [f"{module}: {text}" for module, objects in sorted(found.items())
                 for _, text in circles(calls(objects))]
        if wrong:
            self.fail("calls in a circle:\n" + "\n".join(wrong))


if __name__ == "__main__":
    unittest.main()
