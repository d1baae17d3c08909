#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""Writes the tables of a page from the results of bench runs: bench/tables.py PAGE RESULT.json...

Each table stands between `<!-- figures: NAME -->` and `<!-- end of figures -->`. It is taken from the last of the
results that has its figures; a table of which none has any stays as it is. Under each stands which run it is of.
"""
import os
import re
import sys

sys.dont_write_bytecode = True
# pylint: disable=wrong-import-position
import figures as data
from figures import BARE, KERNEL, SPILL
# pylint: enable=wrong-import-position

PLACE = re.compile(r"(<!-- figures: ([a-z]+) -->\n)(.*?)(<!-- end of figures -->)", re.S)
QUEUE = 10
ROAD_TEXT = {BARE: "bare server", KERNEL: "kernel queue", SPILL: "none"}


def table(heads, rows):
    """Markdown; None without rows. Numbers and dashes go right."""
    if not rows:
        return None
    right = [all(re.match(r"-?[\d,.]|-$|$", str(row[i])) for row in rows) for i in range(len(heads))]
    lines = [heads, ["--:" if r else "---" for r in right], *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"


def with_note(text, note):
    return text and f"{text}\n{note}.\n"


def amount(value):
    return "-" if value is None else f"{value:,.0f}"


def ratio(value):
    return "-" if value is None else f"{value:.2f}"


def part(value):
    return "-" if value is None else f"{value:.0%}"


def milliseconds(us):
    return "-" if us is None else f"{us / 1000:.2f}" if us < 100000 else f"{us / 1000:,.0f}"


def rates_of(figures, what, roads, lengths=(QUEUE,), of_bare=True):
    rows = []
    for level in figures.values("connections", what=what):
        for road, length in [(road, None) for road in roads if road == BARE] + \
                [(road, length) for road in roads if road != BARE for length in lengths]:
            labels = {"what": what, "road": road, "connections": level}
            if length:
                labels["messages"] = length
            if figures.get("rate", **labels) is None:
                continue
            name = ROAD_TEXT[road] + (f" of {length}" if road == KERNEL and len(lengths) > 1 else "")
            row = [level, name, amount(figures.get("rate", **labels))]
            if of_bare:
                row.append("1" if road == BARE else ratio(figures.get("of_bare", **labels)))
            rows.append(row + [milliseconds(figures.get("p50", **labels)), milliseconds(figures.get("p99", **labels)),
                               "-" if road == BARE else part(figures.get("spilled", **labels))])
    return rows


RATE_HEADS = ["connections", "subscription", "a second", "of bare", "p50 ms", "p99 ms", "past the kernel"]


def rates(what):
    return lambda figures: table(RATE_HEADS, rates_of(figures, what, (BARE, KERNEL, SPILL)))


def costs(figures):
    """What doing without kernel queues costs."""
    rows = []
    for what, text in (("modified", "`modified`"), ("newmail", "`newmail`"), ("batch", "batch of 100")):
        for level in figures.values("connections", what=what):
            labels = {"what": what, "road": SPILL, "connections": level, "messages": QUEUE}
            values = [figures.get("cost_" + name, **labels) for name in ("rate", "p50", "p99")]
            if values[0] is not None:
                rows.append([text, level, *map(ratio, values)])
    for category in ("modified", "newmail"):
        push = {road: [figures.get(name, what="push-" + category, road=road) for name in ("p50", "p99")]
                for road in (KERNEL, SPILL)}
        if None not in push[KERNEL] + push[SPILL]:
            rows.append([f"PUT to UDP, `{category}`", "-", "-",
                         *(ratio(s / max(k, 1e-9)) for s, k in zip(push[SPILL], push[KERNEL]))])
    return table(["", "connections", "by the rate", "p50", "p99"], rows)


def latency(figures):
    rows = []
    for category in ("modified", "newmail"):
        for road in (KERNEL, SPILL):
            labels = {"what": "push-" + category, "road": road}
            if figures.get("p50", **labels) is not None:
                rows.append([f"`{category}`", ROAD_TEXT[road],
                             *(milliseconds(figures.get(name, **labels)) for name in ("p50", "p99", "p999", "answer_p50",
                                                                                      "answer_p99"))])
    return table(["", "subscription", "p50 ms", "p99 ms", "p99.9 ms", "answer p50 ms", "answer p99 ms"], rows)


def queues(figures):
    lengths = figures.values("messages", what="queues-single", road=KERNEL)
    rows = [[text, *row] for what, text in (("queues-single", "one by one"), ("queues-batch", "batches of 100"))
            for row in rates_of(figures, what, (KERNEL, SPILL), lengths, False)]
    return with_note(table(["`modified`", *[h for h in RATE_HEADS if h != "of bare"]], rows),
                     f"{figures.about.get('queues_users', '?')} users")


def waits(figures):
    rows = []
    for road in figures.values("road", what="waits"):
        for batch in figures.values("batch", what="waits", road=road):
            labels = {"what": "waits", "road": road, "batch": batch}
            rows.append([ROAD_TEXT[road], "one by one" if batch == 1 else f"batches of {batch}",
                         milliseconds(figures.get("p50", **labels)), milliseconds(figures.get("p99", **labels)),
                         part(figures.get("spilled", **labels)), amount(figures.get("bytes", **labels))])
    return with_note(table(["subscription", "mails", "p50 ms", "p99 ms", "past the kernel", "bytes a session"], rows),
                     f"{amount(figures.about.get('waits_sessions'))} sessions")


def growth(figures):
    rows = []
    for what, text in (("growth-all", "each is notified, one by one"), ("growth-batch", "each, in batches of 100"),
                       ("growth-idle", "ten are, the rest wait"), ("growth-map", "lines of the user map")):
        for size in figures.values("sessions", what=what):
            labels = {"what": what, "sessions": size}
            cpu = figures.get("cpu", **labels)
            rows.append([text, amount(size), amount(cpu) if cpu >= 1000 else f"{cpu:.1f}",
                         ratio(figures.get("of_smallest", **labels)), amount(figures.get("rate", **labels))])
    return table(["", "sessions, or lines", "CPU us", "of the smallest", "a second"], rows)


def memory(figures):
    rows = []
    for size in figures.values("sessions", what="growth"):
        each = [figures.get("bytes", what="subscription", of=of, sessions=size)
                for of in ("consumer", "notified", "registry", "idle", "loaded")]
        rows.append([amount(size), *map(amount, each), f"{figures.get('start', what='growth', sessions=size):.2f}"])
    return table(["sessions", "MAPI server", "once notified", "registry.tdb", "daemon", "once notified",
                  "daemon starts in s"], rows)


def volume(figures):
    rows = []
    for what, text in (("volume-index", "newmail, messages in the index"), ("volume-spill", "`modified`, waiting in lists")):
        for volume in figures.values("volume", what=what):
            labels = {"what": what, "volume": volume}
            rows.append([text, volume, *(f"{figures.get(name, **labels):{form}}" for name, form in
                                         (("cpu", ".1f"), ("of_nothing", ".2f"), ("disk", ".2f"), ("start", ".2f"),
                                          ("memory", ".1f")))])
    return table(["", "holds", "CPU us", "of nothing", "GB on disk", "daemon starts in s", "its memory, MiB"], rows)


TABLES = {"modified": rates("modified"), "newmail": rates("newmail"), "batch": rates("batch"), "costs": costs,
          "latency": latency, "queues": queues, "waits": waits, "growth": growth, "memory": memory,
          "volume": volume}


def origin(figures):
    about = figures.about
    # without the commit: the page is committed after it, and merged under another name
    text = (f"{about['time'][:10]}: {about['cpus']} CPUs, {about['model']}, Linux {about['kernel']}, "
            f"{about['filesystem']}; {about['rounds']} rounds of {about['seconds']} s; load before {about['load']}, after "
            f"{about.get('load_end', '?')}")
    if about["load"] > 0.5:
        text += ". **Others used the machine: only ratios mean something, and those roughly**"
    return f"*{text}.*\n"


def write_tables(page, results):
    """The page with its tables, and the names of those that stayed as they are."""
    kept = []

    def replace(match):
        name = match[2]
        if name not in TABLES:
            raise data.FiguresError(f"there is no table '{name}'")
        for figures in reversed(results):
            text = TABLES[name](figures)
            if text:
                return f"{match[1]}{text}\n{origin(figures)}{match[4]}"
        kept.append(name)
        return match[0]

    return PLACE.sub(replace, page), kept


def main():
    if len(sys.argv) < 3:
        print("usage: bench/tables.py PAGE RESULT.json...", file=sys.stderr)
        return 2
    path = sys.argv[1]
    try:
        with open(path, encoding="utf-8") as text:
            page, kept = write_tables(text.read(), [data.read(name) for name in sys.argv[2:]])
        with open(path + ".new", "w", encoding="utf-8") as out:
            out.write(page)
        os.replace(path + ".new", path)
    except (data.FiguresError, OSError) as error:
        print(f"tables: {error}", file=sys.stderr)
        return 2
    if kept:
        print("not measured, as they were: " + ", ".join(kept))
    return 0


if __name__ == "__main__":
    sys.exit(main())
