# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""The Prometheus text format, as much of it as we need; strict about what it reads."""

import re

SAMPLE = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? ([-+0-9.eE]+|NaN|[+-]Inf)$')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')


class Metrics(dict):
    """{(name, ((label, value), ...)): number}"""

    def get(self, name, default=0, /, **labels):
        """The sum of the samples of that name that have these labels."""
        found = [v for (n, l), v in self.items() if n == name and labels.items() <= dict(l).items()]
        return sum(found) if found else default

    def names(self):
        return {name for name, _ in self}


def parse(text):
    found, typed = Metrics(), set()
    assert text.endswith("\n"), "the last line is not ended"
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            name = line.split()[2]
            assert name not in typed, f"two TYPE lines for {name}"
            typed.add(name)
        elif line.startswith("#") or not line:
            continue
        else:
            match = SAMPLE.match(line)
            assert match, f"not a sample: {line!r}"
            name, labels, number = match.groups()
            key = (name, tuple(sorted(LABEL.findall(labels or ""))))
            assert key not in found, f"sample twice: {line!r}"
            assert name in typed, f"no TYPE line before {line!r}"
            found[key] = float(number)
    return found
