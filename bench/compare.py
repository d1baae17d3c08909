#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Two bench runs next to each other: each figure's NEW / OLD, and whether that is more than noise.

    bench/compare.py OLD.json NEW.json [--all]

The noise of a figure is how far its rounds went apart, in the run where they did so more: half of the distance from
the second lowest to the second highest, or of all where there are less than five, as a part of the median. For rates
and times it is at least what the bare server's rate changed by, since that is the machine. A ratio within the noise is
`noise`; with less than three rounds nothing is known: `?`. Without --all only what changed is listed.
What is given of the bare server or of another road (of_bare, cost_*, of_smallest) says something on another machine,
or beside other work, too; rates and times do so only on the same machine, idle both times.

Exit status: 0 nothing got worse beyond noise, 1 something did, 2 cannot compare.
"""
import sys

sys.dont_write_bytecode = True
import figures as data  # pylint: disable=wrong-import-position

LEAST, FEW = 3, 5
SAME_SETTINGS = ("cpus", "model", "kernel", "filesystem", "rounds", "seconds", "queues_users", "waits_sessions",
                 "microhttpd")
BUSY = 0.5  # load before a run from which on its rates are others'


def spread(figure):
    """Half the distance of the rounds, as a part of the median; None: too few rounds."""
    values = sorted(figure["values"])
    if len(values) < LEAST or not figure["value"]:
        return None
    if len(values) >= FEW:
        values = values[1:-1]
    return (values[-1] - values[0]) / 2 / abs(figure["value"])


def drift(old, new):
    """What the machine changed by: the most that a rate of the bare server did."""
    return max((abs(figure["value"] / old.all[key]["value"] - 1) for key, figure in new.all.items()
                if figure["labels"].get("road") == data.BARE and figure["name"] == "rate"
                and old.all.get(key, {}).get("value")), default=0.0)


def judge(old, new, machine=0.0):
    """(ratio, noise or None, word) of a figure in two runs; ratio None: it was 0. machine: drift()."""
    if not old["value"]:
        return None, None, "same" if not new["value"] else "was 0"
    ratio = new["value"] / old["value"]
    spreads = [spread(one) for one in (old, new)]
    noise = None if None in spreads else max(*spreads, machine if new["unit"] in ("1/s", "us", "ms", "s") else 0)
    if ratio == 1:
        return ratio, noise, "same"
    if noise is None:
        return ratio, None, "?"
    if abs(ratio - 1) <= noise:
        return ratio, noise, "noise"
    if new["better"] == data.NEITHER:
        return ratio, noise, "changed"
    return ratio, noise, "better" if (ratio > 1) == (new["better"] == data.MORE) else "WORSE"


def number(value):
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def compare(old, new, everything=False):
    """The lines to print, and how many figures got worse."""
    lines, count, machine = [], {}, drift(old, new)
    for name in SAME_SETTINGS:
        if old.about.get(name) != new.about.get(name):
            lines.append(f"different {name}: {old.about.get(name)} and {new.about.get(name)}")
    for which, run in (("old", old), ("new", new)):
        if (run.about.get("load") or 0) > BUSY:
            lines.append(f"the {which} run began at a load of {run.about['load']}: only figures that are ratios count")
        if run.problems:
            lines.append(f"the {which} run had {len(run.problems)} problems: {run.problems[0]}")
    lines.append(f"the bare server's rates changed by {machine:.0%} at most")
    lines.append(f"{'':58} {'old':>10} {'new':>10}   new/old   noise")
    for key, figure in new.all.items():
        before = old.all.get(key)
        if before is None:
            count["only new"] = count.get("only new", 0) + 1
            continue
        ratio, noise, word = judge(before, figure, machine)
        count[word] = count.get(word, 0) + 1
        if everything or word not in ("same", "noise"):
            lines.append(f"{data.title_of(figure):58} {number(before['value']):>10} {number(figure['value']):>10} "
                         f"{'-' if ratio is None else format(ratio, '.2f'):>9} "
                         f"{'-' if noise is None else format(noise, '.0%'):>7}  {word}  ({figure['unit']})")
    missing = sum(key not in new.all for key in old.all)
    if missing:
        count["only old"] = missing
    lines.append(", ".join(f"{many} {word}" for word, many in sorted(count.items())) or "nothing in common")
    return lines, count.get("WORSE", 0)


def main():
    words = [word for word in sys.argv[1:] if word != "--all"]
    if len(words) != 2 or any(word.startswith("-") for word in words):
        print("usage: bench/compare.py OLD.json NEW.json [--all]", file=sys.stderr)
        return 2
    try:
        lines, worse = compare(*map(data.read, words), everything="--all" in sys.argv)
    except data.FiguresError as error:
        print(f"compare: {error}", file=sys.stderr)
        return 2
    print("\n".join(lines))
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
