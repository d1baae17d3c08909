#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""The plots of a bench run: bench/plots.py RESULT.json [FOLDER] draws them again. Each is left out where nothing of it
was measured."""
import os
import sys

sys.dont_write_bytecode = True
# pylint: disable=wrong-import-position
import figures as data
from figures import BARE, KERNEL, SPILL
from svg import Panel, Svg
# pylint: enable=wrong-import-position

COLORS = {BARE: "#8a8a8a", KERNEL: "#1f6fb4", SPILL: "#e07b28"}
NAMES = {BARE: "bare server", KERNEL: "with kernel queues", SPILL: "without kernel queues"}
SHADES = ("#1f6fb4", "#4fa36c", "#8e5ba6", "#b8862b")
QUEUE = 10


def note(figures):
    about = figures.about
    return (f"{about.get('cpus', '?')} CPUs, {about.get('model', '?')}, Linux {about.get('kernel', '?')}; "
            f"{about.get('rounds', '?')} rounds of {about.get('seconds', '?')} s, medians; load before: "
            f"{about.get('load', '?')}; {about.get('commit', '?')}, {about.get('time', '?')}")


def of_road(figures, name, what, road, levels):
    labels = {"what": what, "road": road}
    if road != BARE:
        labels["messages"] = QUEUE
    return [figures.get(name, connections=level, **labels) for level in levels]


def series_of(figures, name, what, levels, roads):
    found = [(NAMES[road], COLORS[road], of_road(figures, name, what, road, levels)) for road in roads]
    return [one for one in found if any(v is not None for v in one[2])]


def plot_rates(figures):
    """Rates against the bare server."""
    panels = [(what, title) for what, title in (
        ("modified", "modified, one by one"), ("newmail", "newmail, one by one"),
        ("batch", "modified, batches of 100 (bare: requests)"))
        if figures.values("connections", what=what)]
    if not panels:
        return None
    svg = Svg("Notifications per second", 60 + 400 * len(panels), 430, note(figures))
    svg.legend(90, 74, [(NAMES[road], COLORS[road]) for road in (BARE, KERNEL, SPILL)])
    for number, (what, title) in enumerate(panels):
        levels = figures.values("connections", what=what, road=KERNEL)
        panel = Panel(svg, (20 + 400 * number, 80, 400, 340), title, "connections", "notifications / s")
        series = series_of(figures, "rate", what, levels, (BARE, KERNEL, SPILL))
        if what == "batch":
            series = series_of(figures, "rate", "modified", levels, (BARE,)) + series
        panel.bars([str(level) for level in levels], series)
    return svg


def plot_latency(figures):
    """How long a request takes; how soon a push arrives."""
    panels = []
    for what, title in (("modified", "answer to modified"), ("newmail", "answer to newmail"),
                        ("batch", "answer to a batch of 100")):
        levels = figures.values("connections", what=what, road=KERNEL)
        if levels:
            groups = [f"{name}, {level}" for level in levels for name in ("p50", "p99")]
            values = {road: [v for pair in zip(*(of_road(figures, name, what, road, levels) for name in ("p50", "p99")))
                             for v in pair] for road in (BARE, KERNEL, SPILL)}
            panels.append((title, "percentile, connections", groups, values))
    for what, title in (("push-modified", "PUT to UDP, modified"), ("push-newmail", "PUT to UDP, newmail")):
        if figures.get("p50", what=what, road=KERNEL) is not None:
            values = {road: [figures.get(name, what=what, road=road) for name in ("p50", "p99", "p999")]
                      for road in (KERNEL, SPILL)}
            panels.append((title, "percentile, 200 a second", ["p50", "p99", "p99.9"], values))
    if not panels:
        return None
    rows = (len(panels) + 1) // 2
    svg = Svg("Latency", 1000 if len(panels) > 1 else 520, 90 + 320 * rows, note(figures))
    svg.legend(90, 74, [(NAMES[road], COLORS[road]) for road in (BARE, KERNEL, SPILL)])
    for number, (title, x_title, groups, values) in enumerate(panels):
        panel = Panel(svg, (20 + 480 * (number % 2), 80 + 320 * (number // 2), 480, 320), title, x_title,
                      "microseconds, log scale")
        series = [(NAMES[road], COLORS[road], [v or None for v in found]) for road, found in values.items()
                  if any(found)]
        panel.bars(groups, series, log=True)
    return svg


def plot_queues(figures):
    """Kernel queues of several lengths."""
    lengths = figures.values("messages", what="queues-single", road=KERNEL)
    if not lengths:
        return None
    svg = Svg("Length of the kernel queues", 860, 430, note(figures))
    names = [(f"queues of {n}", SHADES[i % len(SHADES)], KERNEL, n) for i, n in enumerate(lengths)]
    names.append((NAMES[SPILL], COLORS[SPILL], SPILL, QUEUE))
    svg.legend(90, 74, [entry[:2] for entry in names])
    for number, (what, title) in enumerate((("queues-single", "modified, one by one"),
                                            ("queues-batch", "modified, batches of 100"))):
        levels = figures.values("connections", what=what)
        panel = Panel(svg, (20 + 410 * number, 80, 410, 340), title, "connections", "notifications / s")
        panel.bars([str(level) for level in levels], [
            (name, color, [figures.get("rate", what=what, road=road, connections=level, messages=n) for level in levels])
            for name, color, road, n in names])
    return svg


def plot_growth(figures):
    """What a notification costs as sessions and users become many."""
    sizes = figures.values("sessions", what="growth-all") or figures.values("sessions", what="growth-map")
    if not sizes:
        return None
    kinds = [("growth-all", "all are notified, one by one", "#1f6fb4"), ("growth-batch", "all, batches of 100", "#4fa36c"),
             ("growth-idle", "ten are, the rest idle", "#e07b28"), ("growth-map", "lines of the user map", "#8e5ba6")]
    svg = Svg("Growth with the number of sessions and users", 1000, 450, note(figures))
    svg.legend(90, 74, [(text, color) for _, text, color in kinds])
    for number, (name, title, y_title, log) in enumerate((
            ("cpu", "CPU of a notification", "microseconds, log scale", True),
            ("of_smallest", f"of what it costs at {sizes[0]:,} (aim at most 1.2)", "ratio", False))):
        panel = Panel(svg, (20 + 480 * number, 80, 480, 360), title, "sessions, or lines of the map (log scale)", y_title)
        series = [(text, color, [figures.get(name, what=what, sessions=n) or None for n in sizes])
                  for what, text, color in kinds]
        panel.lines(sizes, [one for one in series if any(one[2])], log)
    return svg


PLOTS = (("rates.svg", plot_rates), ("latency.svg", plot_latency), ("queues.svg", plot_queues),
         ("growth.svg", plot_growth))


def write_plots(figures, folder):
    """The paths of those written."""
    written = []
    for name, plot in PLOTS:
        svg = plot(figures)
        if svg is not None:
            written.append(os.path.join(folder, name))
            with open(written[-1], "w", encoding="utf-8") as out:
                out.write(str(svg))
    return written


def main():
    if len(sys.argv) not in (2, 3):
        print("usage: bench/plots.py RESULT.json [FOLDER]", file=sys.stderr)
        return 2
    folder = sys.argv[2] if len(sys.argv) == 3 else os.path.dirname(sys.argv[1]) or "."
    try:
        print("\n".join(write_plots(data.read(sys.argv[1]), folder)))
    except (data.FiguresError, OSError) as error:
        print(f"plots: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
