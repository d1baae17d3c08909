# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""What a bench run measured, as data: result.json, from which plots, tables and comparisons are made.

A figure has a name (rate, p99, ...), labels that say of what (what, road, connections, ...), a unit, which
direction is better, its value in each round, and their median. Python's standard library only.
"""
import json
import statistics

FORMAT = 1
KERNEL, SPILL, BARE = "kernel", "spill", "bare"  # values of the label `road`
ROADS = (KERNEL, SPILL)
MORE, LESS, NEITHER = "more", "less", "neither"  # which is better


class FiguresError(Exception):
    """A file that does not hold the result of a run."""


def key_of(name, labels):
    return (name, *sorted((label, str(value)) for label, value in labels.items()))


def title_of(figure):
    """A figure in words, the same in every run."""
    labels = dict(figure["labels"])
    what = labels.pop("what", "")
    return " ".join([f"{what}.{figure['name']}" if what else figure["name"],
                     *(f"{label}={labels[label]}" for label in sorted(labels))])


class Figures:
    """The figures of a run; about: machine, settings, when."""

    def __init__(self):
        self.about, self.all, self.problems = {}, {}, []

    def add(self, name, values, unit, better, **labels):
        """values: one, or one of each round. Returns the median."""
        values = [float(v) for v in (values if isinstance(values, (list, tuple)) else [values])]
        key = key_of(name, labels)
        if not values or key in self.all:
            raise ValueError(f"{title_of({'name': name, 'labels': labels})}: no value, or a second time")
        value = statistics.median(values)
        self.all[key] = {"name": name, "labels": labels, "unit": unit, "better": better, "value": value,
                         "values": values}
        return value

    def get(self, name, **labels):
        """The median, or None: not measured."""
        figure = self.all.get(key_of(name, labels))
        return figure and figure["value"]

    def values(self, label, **where):
        """The different values of a label, in the order measured, among figures with these labels."""
        found = []
        for figure in self.all.values():
            labels = figure["labels"]
            if label in labels and labels[label] not in found and \
                    all(labels.get(k) == v for k, v in where.items()):
                found.append(labels[label])
        return found

    def write(self, path):
        with open(path, "w", encoding="utf-8") as out:
            json.dump({"format": FORMAT, "about": self.about, "problems": self.problems,
                       "figures": list(self.all.values())}, out, indent=1)
            out.write("\n")


def read(path):
    """A result.json. FiguresError says why it is none."""
    try:
        with open(path, encoding="utf-8") as text:
            data = json.load(text)
    except (OSError, ValueError) as error:
        raise FiguresError(f"{path}: {error}") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise FiguresError(f"{path}: not a result of this bench (format {FORMAT})")
    figures = Figures()
    try:
        figures.about, figures.problems = data["about"], data["problems"]
        for one in data["figures"]:
            figures.add(one["name"], one["values"], one["unit"], one["better"], **one["labels"])
    except (KeyError, TypeError, ValueError) as error:
        raise FiguresError(f"{path}: {error!r}") from None
    return figures
