# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (C) 2026 the OCSManager developers
"""What bench/ makes of what it measured: data, comparisons, plots, tables. Nothing is measured here."""

import contextlib
import glob
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import types
import unittest
import xml.etree.ElementTree as ET

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BENCH = os.path.join(TREE, "bench")
sys.path.insert(0, BENCH)

import compare
import figures as data
import growth
import lanes
import limits
import plots
import progress
import roads
import run
import svg
import tables
from figures import BARE, KERNEL, SPILL, Figures, FiguresError
from rig import BenchError

ABOUT = {"time": "2026-01-02T03:04:05Z", "commit": "abc", "cpus": 2, "model": "A & B", "kernel": "6", "rounds": 3,
         "seconds": 1.2, "filesystem": "ext4", "load": 0.1, "load_end": 1.0, "queues_users": 7, "waits_sessions": 1000}
SIZES = (10, 1000)


def result(rate, spilled):
    return {"requests_per_s": rate, "notifications_per_s": rate, "p50_us": 1e6 / rate, "p99_us": 4e6 / rate,
            "spilled": spilled}


def turns_of(results):
    turns = lanes.Turns(None, roads.LEVELS, 3)
    turns.results = results
    return turns


def measured(factor=1.0):
    """All figures there can be; factor: how fast ours is."""
    found = types.SimpleNamespace(figures=Figures())
    figures = found.figures
    figures.about.update(ABOUT)
    results, queues = {}, {}
    for level in roads.LEVELS:
        for name in ("modified", "newmail"):
            results[name, BARE, 0, level] = [result(60000 + r, None) for r in range(3)]
        for name in ("modified", "newmail", "batch"):
            results[name, KERNEL, 10, level] = [result((30000 + r) * factor, 0.0) for r in range(3)]
            results[name, SPILL, 10, level] = [result((15000 + r) * factor, 1.0) for r in range(3)]
        for name in ("queues-single", "queues-batch"):
            for length in roads.QUEUE_LENGTHS:
                queues[name, KERNEL, length, level] = [result(10000 + length, 0.1)] * 3
            queues[name, SPILL, 10, level] = [result(9000, 1.0)] * 3
    roads.record(found, turns_of(results), {"modified": "modified", "newmail": "newmail", "batch": "modified"},
                 "notifications_per_s")
    roads.record(found, turns_of(queues), {}, "notifications_per_s")
    for road in data.ROADS:
        for category in ("modified", "newmail"):
            for number, name in enumerate(("p50", "p99", "p999", "max", "answer_p50", "answer_p99")):
                figures.add(name, [100 * (number + 1)] * 3, "us", data.LESS, what="push-" + category, road=road)
        for batch in (1, 100):
            for name, unit in (("p50", "us"), ("p99", "us"), ("spilled", "share"), ("bytes", "bytes")):
                figures.add(name, 3, unit, data.LESS, what="waits", road=road, batch=batch)
    for size in SIZES:
        for what in ("growth-all", "growth-batch", "growth-idle", "growth-map"):
            figures.add("cpu", 20 + size / 1000, "us", data.LESS, what=what, sessions=size)
            figures.add("of_smallest", 1 + size / 20000, "ratio", data.LESS, what=what, sessions=size)
        figures.add("start", 0.5, "s", data.LESS, what="growth", sessions=size)
        for of in ("consumer", "notified", "registry", "idle", "loaded") if size > 10 else ():
            figures.add("bytes", 3000, "bytes", data.LESS, what="subscription", of=of, sessions=size)
    for what in ("volume-index", "volume-spill"):
        for name in ("cpu", "of_nothing", "disk", "start", "memory"):
            figures.add(name, 2, "?", data.LESS, what=what, volume="much")
    return figures


class BenchTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="tb")
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, name, text=None):
        path = os.path.join(self.folder, name)
        if text is not None:
            with open(path, "w", encoding="utf-8") as out:
                out.write(text)
        return path

    def text(self, path):
        with open(path, encoding="utf-8") as f:
            return f.read()

    def saved(self, name, figures):
        figures.write(self.path(name))
        return self.path(name)

    def tool(self, *words):
        return subprocess.run([sys.executable, *words], stdin=subprocess.DEVNULL, text=True, timeout=60, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})


class Data(BenchTest):
    def test_what_is_written_is_read(self):
        figures = measured()
        figures.problems.append("a stall")
        again = data.read(self.saved("r.json", figures))
        self.assertEqual((again.all, again.about, again.problems), (figures.all, figures.about, figures.problems))
        self.assertGreater(len(again.all), 100)

    def test_the_value_is_the_median_of_the_rounds(self):
        figures = Figures()
        self.assertEqual(figures.add("rate", [5, 1, 3], "1/s", data.MORE, what="a", connections=16), 3)
        self.assertEqual(figures.get("rate", connections=16, what="a"), 3)
        self.assertIsNone(figures.get("rate", connections=1, what="a"))
        self.assertEqual(figures.add("rate", 7, "1/s", data.MORE, what="a", connections=1), 7)
        self.assertEqual(figures.values("connections", what="a"), [16, 1])

    def test_a_figure_is_given_once(self):
        figures = Figures()
        figures.add("rate", 1, "1/s", data.MORE, what="a")
        for values in (2, []):
            with self.assertRaises(ValueError):
                figures.add("rate", values, "1/s", data.MORE, what="a" if values else "b")

    def test_another_file_is_refused(self):
        good = json.loads(self.text(self.saved("r.json", measured())))
        for text in ("", "[]", "{}", json.dumps({**good, "format": 0}), json.dumps({**good, "figures": [{}]}),
                     json.dumps({**good, "figures": good["figures"][:1] * 2}),
                     json.dumps({key: value for key, value in good.items() if key != "about"})):
            with self.assertRaises(FiguresError, msg=text[:60]):
                data.read(self.path("bad.json", text))
        with self.assertRaises(FiguresError):
            data.read(self.path("none.json"))

    def test_ratios_are_those_of_the_same_round(self):
        found = types.SimpleNamespace(figures=Figures())
        roads.record(found, turns_of({
            ("modified", BARE, 0, 16): [result(100, None), result(1000, None), result(400, None)],
            ("modified", KERNEL, 10, 16): [result(50, 0.0), result(500, 0.5), result(100, 0.0)],
            ("modified", SPILL, 10, 16): [result(25, 1.0), result(250, 1.0), result(100, 1.0)]}),
            {"modified": "modified"}, "requests_per_s")
        labels = {"what": "modified", "connections": 16, "messages": 10}
        self.assertEqual(found.figures.get("of_bare", road=KERNEL, **labels), 0.5)
        self.assertEqual(found.figures.get("cost_rate", road=SPILL, **labels), 2)
        self.assertEqual(found.figures.get("cost_p99", road=SPILL, **labels), 2)
        self.assertEqual(found.figures.get("spilled", road=SPILL, **labels), 1)
        self.assertIsNone(found.figures.get("cost_rate", road=KERNEL, **labels))


class Compare(BenchTest):
    def judged(self, old, new, better=data.MORE, machine=0.0, unit="1/s"):
        pair = [Figures(), Figures()]
        for figures, values in zip(pair, (old, new)):
            figures.add("rate", values, unit, better)
        return compare.judge(*(next(iter(figures.all.values())) for figures in pair), machine)[2]

    def test_only_what_is_beyond_the_rounds_is_a_change(self):
        steady, faster, wide = [100, 101, 102], [150, 151, 152], [60, 130, 200]
        self.assertEqual(self.judged(steady, faster), "better")
        self.assertEqual(self.judged(faster, steady), "WORSE")
        self.assertEqual(self.judged(steady, faster, data.LESS), "WORSE")
        self.assertEqual(self.judged(steady, faster, data.NEITHER), "changed")
        self.assertEqual(self.judged(steady, wide), "noise")
        self.assertEqual(self.judged(wide, steady), "noise")
        self.assertEqual(self.judged(steady, steady), "same")

    def test_one_round_out_of_five_is_no_noise(self):
        self.assertEqual(self.judged([100, 101, 102, 103, 900], [150] * 5), "better")

    def test_few_rounds_tell_nothing(self):
        self.assertEqual(self.judged([100, 101], [150, 151]), "?")
        self.assertEqual(self.judged([0, 0, 0], [1, 1, 1]), "was 0")

    def test_what_the_bare_server_changed_by_is_noise_of_rates_but_not_of_ratios(self):
        steady, faster = [100, 101, 102], [150, 151, 152]
        self.assertEqual(self.judged(steady, faster, machine=0.6), "noise")
        self.assertEqual(self.judged(steady, faster, machine=0.6, unit="ratio"), "better")
        old, new = measured(), measured()
        new.all[data.key_of("rate", {"what": "modified", "road": BARE, "connections": 16})]["value"] *= 1.3
        self.assertAlmostEqual(compare.drift(old, new), 0.3)

    def test_two_files(self):
        old, new = self.saved("old.json", measured()), self.saved("new.json", measured(0.5))
        program = os.path.join(BENCH, "compare.py")
        done = self.tool(program, old, new)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stdout, r"modified\.rate connections=16 messages=10 road=kernel +30,001 +15,000 +0\.50 .* WORSE")
        self.assertNotIn("road=bare", done.stdout)
        self.assertEqual(self.tool(program, new, old).returncode, 0)
        done = self.tool(program, old, old, "--all")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"road=bare .* same")
        for words in ([old], [old, self.path("bad.json", "{}")]):
            self.assertEqual(self.tool(program, *words).returncode, 2)

    def test_what_differs_beside_the_figures_is_said(self):
        old, new = measured(), Figures()
        new.about.update(ABOUT, cpus=8, load=4.5)
        new.problems.append("a stall")
        text = "\n".join(compare.compare(old, new)[0])
        for said in ("different cpus: 2 and 8", "new run began at a load of 4.5", "1 problems: a stall", "only old"):
            self.assertIn(said, text)


class Plots(BenchTest):
    NAMES = ["rates.svg", "latency.svg", "queues.svg", "growth.svg"]

    def test_all_plots_are_well_formed_and_explain_themselves(self):
        written = plots.write_plots(measured(), self.folder)
        self.assertEqual([os.path.basename(path) for path in written], self.NAMES)
        for path in written:
            root = ET.parse(path).getroot()
            texts = {e.text for e in root.iter("{http://www.w3.org/2000/svg}text")}
            self.assertTrue(any("A & B" in text for text in texts), "which machine it was")
            self.assertTrue(any(unit in " ".join(texts) for unit in ("notifications / s", "microseconds")), texts)
            self.assertTrue(texts & {"connections", "percentile, connections",
                                     "sessions, or lines of the map (log scale)"}, texts)
            self.assertTrue(texts & {"without kernel queues", "all are notified, one by one"}, "the legend")
            width, height = float(root.get("width")), float(root.get("height"))
            for element in root.iter():
                for x, y in (("x", "y"), ("x1", "y1"), ("cx", "cy")):
                    if element.get(x):
                        self.assertTrue(0 <= float(element.get(x)) <= width and 0 <= float(element.get(y)) <= height,
                                        ET.tostring(element))

    def test_bars_are_as_high_as_their_values(self):
        root = ET.fromstring(str(plots.plot_rates(measured())))
        bars = {bar[0].text: float(bar.get("height")) for bar in root.iter("{http://www.w3.org/2000/svg}rect") if len(bar)}
        bare, ours = bars["bare server, 16: 60,001"], bars["with kernel queues, 16: 30,001"]
        self.assertAlmostEqual(bare / ours, 60001 / 30001, places=1)

    def test_what_was_not_measured_has_no_plot(self):
        figures = Figures()
        figures.about.update(ABOUT)
        self.assertEqual(plots.write_plots(figures, self.folder), [])
        figures.add("p50", 5, "us", data.LESS, what="push-modified", road=KERNEL)
        self.assertEqual([os.path.basename(p) for p in plots.write_plots(figures, self.folder)], ["latency.svg"])

    def test_figures_of_0_are_drawn(self):
        figures = Figures()
        for size in SIZES:
            figures.add("cpu", 0, "us", data.LESS, what="growth-all", sessions=size)
            figures.add("of_smallest", 0, "ratio", data.LESS, what="growth-all", sessions=size)
        figures.add("rate", 0, "1/s", data.MORE, what="modified", road=KERNEL, connections=1, messages=10)
        for path in plots.write_plots(figures, self.folder):
            ET.parse(path)

    def test_axes(self):
        for most in (0, 0.3, 1, 7, 99, 100, 101, 54321):
            marks = svg.ticks(most)
            self.assertEqual(marks[0], 0)
            self.assertTrue(most <= marks[-1] <= 2 * (most or 1) and 2 <= len(marks) <= 11, (most, marks))
        for least, most in ((1, 1), (3, 4), (9.9, 10), (0.02, 7e6)):
            marks = svg.log_ticks(least, most)
            self.assertTrue(marks[0] <= least and most <= marks[-1] and marks == sorted(set(marks)), marks)
        self.assertEqual([svg.short(v) for v in (0, 0.25, 3.0, 42, 999.9, 1500, 120000, 2.5e6)],
                         ["0", "0.25", "3", "42", "1k", "1.5k", "120k", "2.5M"])

    def test_they_can_be_drawn_again(self):
        done = self.tool(os.path.join(BENCH, "plots.py"), self.saved("r.json", measured()))
        self.assertEqual((done.returncode, len(done.stdout.splitlines())), (0, 4), done.stderr)
        self.assertEqual(self.tool(os.path.join(BENCH, "plots.py"), self.path("bad.json", "{}")).returncode, 2)


class Tables(BenchTest):
    def page(self):
        return self.text(os.path.join(TREE, "doc", "performance.md"))

    def test_every_table_has_its_place_in_the_page(self):
        self.assertEqual({match[1] for match in tables.PLACE.findall(self.page())}, set(tables.TABLES))

    def test_all_are_written_and_nothing_else_changes(self):
        page, kept = tables.write_tables(self.page(), [measured()])
        self.assertEqual(kept, [])
        self.assertEqual(tables.PLACE.sub("", page), tables.PLACE.sub("", self.page()))
        self.assertIn("| 16 | kernel queue | 30,001 | 0.50 | 0.03 | 0.13 | 0% |", page)
        self.assertIn("| `modified` | 16 | 2.00 | 2.00 | 2.00 |", page)
        self.assertIn("| 1,000 | 3,000 | 3,000 | 3,000 | 3,000 | 3,000 | 0.50 |", page)
        self.assertIn("\n7 users.\n", page)
        self.assertIn("\n1,000 sessions.\n", page)
        self.assertEqual(page.count("2026-01-02: 2 CPUs, A & B,"), len(tables.TABLES))
        for block in re.findall(r"((?:^\|.*\n)+)", page, re.M):
            self.assertEqual(len({line.count("|") for line in block.splitlines()}), 1, block)
        self.assertEqual(tables.write_tables(page, [measured()])[0], page)

    def test_a_table_is_of_the_last_run_that_measured_it(self):
        late, early = Figures(), measured()
        late.about.update(ABOUT, model="later")
        late.add("p50", 5, "us", data.LESS, what="push-modified", road=KERNEL)
        page, _ = tables.write_tables(self.page(), [early, late])
        self.assertEqual((page.count(", later,"), page.count(", A & B,")), (1, len(tables.TABLES) - 1))

    def test_what_was_not_measured_stays(self):
        figures = Figures()
        figures.about.update(ABOUT)
        page, kept = tables.write_tables(self.page(), [figures])
        self.assertEqual((page, sorted(kept)), (self.page(), sorted(tables.TABLES)))

    def test_a_busy_machine_is_said(self):
        figures = measured()
        figures.about["load"] = 3.0
        self.assertIn("Others used the machine", tables.write_tables(self.page(), [figures])[0])
        self.assertNotIn("Others used the machine", tables.write_tables(self.page(), [measured()])[0])

    def test_the_program(self):
        page = self.path("page.md", "a\n<!-- figures: modified -->\nold\n<!-- end of figures -->\nb\n")
        program, good = os.path.join(BENCH, "tables.py"), self.saved("r.json", measured())
        self.assertEqual(self.tool(program, page, good).returncode, 0)
        self.assertRegex(self.text(page), r"(?s)^a\n<!-- figures: modified -->\n\| connections .*<!-- end of figures -->\nb\n$")
        self.path("page.md", "<!-- figures: nonsense -->\n<!-- end of figures -->\n")
        self.assertEqual(self.tool(program, page, good).returncode, 2)
        self.assertEqual(self.tool(program, page, self.path("bad.json", "{}")).returncode, 2)
        self.assertEqual(os.listdir(self.folder).count("page.md.new"), 0)


class Run(BenchTest):
    def test_help_and_readme_list_the_parts(self):
        done = self.tool(os.path.join(BENCH, "run.py"), "--help")
        self.assertEqual(done.returncode, 0, done.stderr)
        readme = self.text(os.path.join(TREE, "README.md"))
        for part in run.PARTS:
            self.assertIn(f"    {part.name} ", done.stdout)
            self.assertIn(f"`{part.name}`", readme)

    def test_parts_are_chosen(self):
        names = lambda text: [part.name for part in run.chosen(text)]
        self.assertEqual(names("latency, modified"), ["modified", "latency"])
        self.assertEqual(names("growth"), ["growth"])
        self.assertFalse({"growth", "volume"} & set(names("")))
        self.assertEqual(len(names("")), len(run.PARTS) - 2)
        done = self.tool(os.path.join(BENCH, "run.py"), "--part", "latency,nonsense")
        self.assertEqual(done.returncode, 2)
        self.assertIn("no part 'nonsense': there are modified, newmail", done.stderr)

    def test_make_hands_them_on(self):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
        for words, tail in ((["PART=latency,newmail"], " --part 'latency,newmail'"), ([], "")):
            plan = subprocess.run(["make", "-n", "bench", "DEPS=no", "BUILD=b", *words], cwd=TREE, timeout=120, text=True,
                                  check=True, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE).stdout
            self.assertRegex(plan, rf"(?m)^OCS_BUILD=b \S+ bench/run.py *{re.escape(tail)} *$")

    def test_without_a_part_it_stays_below_a_quarter_of_an_hour(self):
        bench = run.Bench("build")
        self.assertLess(sum(part.seconds(bench) for part in run.PARTS if not part.alone), 15 * 60)

    def test_a_lane_on_another_road_is_refused(self):
        lane = lanes.Lane.__new__(lanes.Lane)
        for road, registered, without in ((KERNEL, 200, 0), (SPILL, 200, 200)):
            lane.road = lane.name = road
            lane.check_road(registered, without)
        for road, registered, without in ((KERNEL, 200, 1), (KERNEL, 200, 200), (SPILL, 200, 0), (SPILL, 200, 199)):
            lane.road = lane.name = road
            with self.assertRaisesRegex(BenchError, "another road"):
                lane.check_road(registered, without)

    def test_the_share_that_went_no_kernel_queue(self):
        name = 'ocsmanager_queue_entries_total{way="%s"}'
        before = {name % "kernel": 10.0, name % "spilled": 5.0}
        after = {name % "kernel": 40.0, name % "spilled": 10.0, name % "dropped": 5.0}
        self.assertEqual(lanes.spilled_share(before, after), 0.25)
        self.assertIsNone(lanes.spilled_share(before, before))

    def test_every_job_has_its_turn_first_in_some_round(self):
        class Fake:
            road, messages, settle = KERNEL, 10, staticmethod(lambda: None)
            seen = []

            def __init__(self, name):
                self.name = name

            def load(self, _category, connections, batch):
                Fake.seen.append((self.name, connections))
                return {"batch": batch}

        bench = types.SimpleNamespace(progress=progress.Progress(io.StringIO()))
        jobs = [(name, Fake(name), "modified", 1) for name in "abc"]
        results = lanes.Turns(bench, (1, 16), 3).run(jobs)
        self.assertEqual("".join(name for name, level in Fake.seen if level == 16), "abcbcacab")
        self.assertEqual({key: len(found) for key, found in results.items()},
                         {(name, KERNEL, 10, level): 3 for name in "abc" for level in (1, 16)})

    def test_sizes_of_growth(self):
        self.addCleanup(os.environ.pop, "OCS_BENCH_GROWTH", None)
        os.environ.pop("OCS_BENCH_GROWTH", None)
        self.assertEqual(growth.sizes(), [10, 1000, 100000])
        os.environ["OCS_BENCH_GROWTH"] = "10,200"
        self.assertEqual(growth.sizes(), [10, 200])
        for text in ("", "5,100", "100,10", "ten", "10,2000000"):
            os.environ["OCS_BENCH_GROWTH"] = text
            with self.assertRaisesRegex(BenchError, "OCS_BENCH_GROWTH", msg=text):
                growth.sizes()


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Progress(BenchTest):
    def test_a_terminal_sees_what_is_measured_and_how_long_it_takes(self):
        terminal = Terminal()
        line = progress.Progress(terminal)
        line.begin("1/2 newmail", 100, 500)
        line.step("round 2 of 5, spill")
        self.assertRegex(terminal.getvalue(), r"\r\x1b\[K\[1/2 newmail\] round 2 of 5, spill; about (10 min 00|9 min 59) s left$")
        line.clear()
        self.assertTrue(terminal.getvalue().endswith("\r\x1b[K"))

    def test_elsewhere_there_is_no_such_line(self):
        stream = io.StringIO()
        line = progress.Progress(stream)
        line.begin("1/2 newmail", 100, 500)
        line.step("round 2 of 5")
        line.clear()
        self.assertEqual(stream.getvalue(), "")

    def test_the_report_is_in_a_file_too(self):
        terminal = Terminal()
        line, path = progress.Progress(terminal), self.path("report.txt")
        report = progress.Report(line, terminal, path)
        line.step("busy")
        with contextlib.redirect_stdout(report):
            print("a figure")
        report.close()
        self.assertEqual(self.text(path), "a figure\n")
        self.assertTrue(terminal.getvalue().endswith("left\r\x1b[Ka figure\n"), terminal.getvalue())


class Limits(BenchTest):
    def settings(self, name):
        return dict(re.findall(r"^([\w.]+) *= *(\d+)$", self.text(os.path.join(TREE, "dist", name)), re.M))

    def test_what_the_page_says_fits(self):
        self.assertEqual(limits.queues_within(819200, 10), 232)
        page = self.text(os.path.join(TREE, "doc", "performance.md"))
        rows = re.findall(r"^\| ([\d,]+) \| ([\d,]+) \| ([\d,]+)(?: \(the default\))? \| ([\d,]+) \| ([\d,]+) \|$",
                          page.split("## Raising the limits")[0], re.M)
        self.assertEqual(len(rows), 3)
        for row in rows:
            clients, queues, *room = (int(n.replace(",", "")) for n in row)
            self.assertEqual(clients * 4, queues)
            for messages, size in zip((10, 100, 1000), room):
                self.assertEqual(limits.queues_within(size, messages), queues)

    def test_limits_are_raised_in_a_namespace_and_nowhere_else(self):
        before = limits.setting("msg_max")
        done = self.tool("-c", f"import sys; sys.path.insert(0, {BENCH!r}); import limits\n"
                               "print(limits.own_queues() or limits.raise_settings(777, 0) or limits.setting('msg_max'))\n"
                               "print(limits.own_queues() or limits.setting('msg_max'))")
        if not re.match(r"\d+\n", done.stdout):
            self.skipTest(done.stdout + done.stderr)
        self.assertEqual(done.stdout, "777\n10\n", "the next part begins with the kernel's defaults")
        self.assertEqual(limits.setting("msg_max"), before)

    def test_the_examples_belong_together(self):
        sysctl, unit = self.settings("sysctl.conf"), self.settings("limits.conf")
        self.assertEqual(set(sysctl), {"fs.mqueue.queues_max", "fs.mqueue.msg_max"})
        queues = int(sysctl["fs.mqueue.queues_max"])
        self.assertGreater(queues, 256)
        self.assertEqual(limits.queues_within(int(unit["LimitMSGQUEUE"]), 10), queues)
        self.assertGreater(int(unit["LimitNOFILE"]), queues)
        self.assertTrue(0 < int(sysctl["fs.mqueue.msg_max"]) <= 65536)

    def test_they_are_installed_as_examples_and_nowhere_else(self):
        with open(os.path.join(TREE, "Makefile"), encoding="utf-8") as makefile:
            text = makefile.read()
        self.assertIn("$(PREFIX)/share/doc/ocsmanager/examples/", text)
        self.assertNotIn("sysctl.d", text)
        self.assertEqual(sorted(map(os.path.basename, glob.glob(os.path.join(TREE, "dist", "*.conf")))),
                         ["limits.conf", "sysctl.conf"])


if __name__ == "__main__":
    unittest.main()
