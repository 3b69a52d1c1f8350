#!/usr/bin/env python3
"""Tests of measuring the presets, with a program that only pretends: python3 bench/test_quality.py"""
import contextlib
import importlib.util
import io
import json
import os
import stat
import sys
import tempfile
import unittest
import xml.etree.ElementTree as tree

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import quality
import quality_page
import quality_plot
from contenders import Malformed

SCALES = [{"width": 32, "height": 16, "evaluations": 8}, {"width": 64, "height": 32, "evaluations": 3}]
REPORT = {"scales": SCALES, "seconds": 2.5, "threads": 2, "options": {"iterations": 3, "scale_iterations": 8}}

# Writes a line of what it was asked to a log, and fails once the log is as long as it may become.
PRETENDER = """#!{python}
import json, sys
def value(flag, fallback=None):
    given = [a.split("=", 1)[1] for a in sys.argv if a.startswith(flag + "=")]
    return given[0] if given else fallback
with open({log!r}, "a+") as log:
    log.seek(0)
    if len(log.readlines()) >= {most}:
        sys.exit("worn out")
    log.write(" ".join(sys.argv[1:]) + "\\n")
if sys.argv[1] == "run":
    whole = {{"gatys": (500, 150), "fast": (22, 60), "balanced": (103, 70), "quality": (350, 150)}}[value("--preset")]
    fine, rough = int(value("--iterations", whole[0])), int(value("--scale-iterations", whole[1]))
    json.dump({{"seconds": 1.0, "threads": 2, "options": {{"iterations": fine, "scale_iterations": rough}}, "scales":
               [{{"width": 32, "height": 32, "evaluations": rough}}, {{"width": 64, "height": 64, "evaluations": fine}}]}},
              open(sys.argv[sys.argv.index("--report") + 1], "w"))
else:
    print(json.dumps({{"loss": 5000}}))
"""


def row(preset, part=1, loss=1000.0, cost=100.0, seconds=10.0, pair="cat-swirl", **changes):
    return {"size": 64, "pair": pair, "preset": preset, "part": part, "loss": loss, "computing": cost, "seconds": seconds,
            "threads": 2, "taken_by_others": 0.0, "cpu": "a chip", "date": "2025-01-02 03:04 UTC", **changes}


def rows_of(pair="cat-swirl", **losses):
    costs = {"gatys": 100.0, "fast": 8.0, "balanced": 25.0, "quality": 80.0}
    return [row(preset, loss=losses.get(preset, 1000.0), cost=costs[preset], pair=pair) for preset in quality.PRESETS]


def cells(line):
    return [cell.strip() for cell in line.split("|")[1:-1]]


class Reading(unittest.TestCase):
    def test_computing(self):
        self.assertAlmostEqual(quality.computing(SCALES), 3 + 8 / 4)
        self.assertEqual(quality.read_report(REPORT, "run")["computing"], 5)

    def test_what_is_malformed(self):
        for changes in ({"scales": []}, {"scales": None}, {"scales": [{**SCALES[0], "evaluations": 0}]}, {"seconds": -1},
                        {"options": None}, {"options": {"iterations": 3}}, {"threads": "2"}):
            with self.subTest(changes), self.assertRaises(Malformed):
                quality.read_report({**REPORT, **changes}, "run")
        for output in ("", "[]", '{"loss": null}', '{"loss": NaN}', '{"loss": -1}'):
            with self.subTest(output), self.assertRaises(Malformed):
                quality.read_score(output, "score")

    def test_budgets(self):
        self.assertEqual(quality.budget_flags(REPORT["options"], 1), [])
        self.assertEqual(quality.budget_flags(REPORT["options"], 0.25), ["--iterations=1", "--scale-iterations=2"])

    def test_the_plan(self):
        order = quality.plan(["a-b", "c-d"], False)
        self.assertEqual(len(order), len(set(order)))
        self.assertEqual([part for _, _, part in order[:8]], [1] * 8)
        self.assertEqual(len(quality.plan(["a-b", "c-d"], True)), 8)

    def test_rows_that_were_cut_off(self):
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()) as said:
            path = os.path.join(folder, "runs.jsonl")
            with open(path, "w", encoding="utf-8") as file:
                file.write(json.dumps(row("fast")) + "\n[]\n" + json.dumps(row("gatys"))[:40])
            self.assertEqual(list(quality.read_rows(path)), [(64, "cat-swirl", "fast", 1)])
            self.assertEqual(len(said.getvalue().splitlines()), 2)
            self.assertEqual(quality.read_rows(path + ".missing"), {})


class Resuming(unittest.TestCase):
    def run_main(self, folder, most, *arguments):
        program, log = os.path.join(folder, "pretender"), os.path.join(folder, "log")
        with open(program, "w", encoding="utf-8") as file:
            file.write(PRETENDER.format(python=sys.executable, log=log, most=most))
        os.chmod(program, stat.S_IRWXU)
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()):
            code = quality.main(["--program", program, "--work", folder, "--size", "64", "--pairs", "cat-swirl", *arguments])
        with open(log, encoding="utf-8") as file:
            return code, out.getvalue(), file.read().splitlines()

    def test_only_what_is_missing_is_run(self):
        with tempfile.TemporaryDirectory() as folder:
            code, _, calls = self.run_main(folder, 11)
            self.assertEqual((code, len(calls)), (1, 11))
            code, page, calls = self.run_main(folder, 1000)
            self.assertEqual((code, len(calls)), (0, 11 + 2 * 8 - 10))
            self.assertEqual(sum("--preset=balanced" in call for call in calls), 2)
            self.assertIn("8 runs at 64x64", page)
            self.assertEqual(len(self.run_main(folder, 1000)[2]), len(calls))
            self.assertEqual(len(self.run_main(folder, 1000, "--fresh", "--whole")[2]), len(calls) + 8)

    def test_parts_are_of_what_the_preset_has(self):
        with tempfile.TemporaryDirectory() as folder:
            calls = self.run_main(folder, 1000)[2]
        runs = [call for call in calls if call.startswith("run ") and "--preset=fast" in call]
        self.assertNotIn("--iterations", runs[0])
        self.assertIn("--iterations=11 --scale-iterations=30", runs[1])
        self.assertTrue(all("--resize=stretch" in call and "--size=64" in call for call in calls))


class Page(unittest.TestCase):
    def test_verdicts(self):
        good = {"loss": 1.0, "computing": 0.25, "seconds": 9}
        self.assertEqual(quality_page.verdict("balanced", good), "kept")
        self.assertEqual(quality_page.verdict("balanced", {**good, "loss": 1.001}), "loss 1.001 > 1.000")
        self.assertEqual(quality_page.verdict("fast", {**good, "loss": 1.6}), "loss 1.600 > 1.500, computing 0.250 > 0.083")
        self.assertEqual(quality_page.verdict("quality", good), "")

    def test_table(self):
        lines = quality_page.whole_table(quality_page.by_preset(rows_of(fast=1400.0))).splitlines()
        self.assertEqual(cells(lines[3]), ["cat-swirl", "fast", "1400", "1.40", "8.0", "0.080", "10.0", "1.000", "kept"])

    def test_summary(self):
        rows = rows_of(fast=1400.0) + rows_of("cat-glass", fast=1600.0, balanced=900.0)
        lines = quality_page.summary(quality_page.by_preset(rows)).splitlines()
        self.assertEqual(cells(lines[2]), ["fast", "1.50", "1.60", "0.080", "1.000", "1 of 2"])
        self.assertEqual(cells(lines[3]), ["balanced", "0.95", "1.00", "0.250", "1.000", "2 of 2"])
        self.assertEqual(cells(lines[4])[-1], "-")

    def test_page(self):
        page = quality_page.page(rows_of())
        self.assertNotIn("quality.svg", page)
        self.assertIn("on a machine that did nothing else", page)
        page = quality_page.page(rows_of() + [row("fast", part=0.5, taken_by_others=0.3)])
        self.assertIn("quality.svg", page)
        self.assertIn("on a machine that did nothing else", page)  # a part's seconds are not shown
        page = quality_page.page(rows_of() + [row("fast", taken_by_others=0.3)])
        self.assertIn("up to 30% of the machine", page)


class Plot(unittest.TestCase):
    def test_ticks(self):
        self.assertEqual(quality_plot.ticks(3, 120), [5, 10, 20, 50, 100])
        self.assertEqual([quality_plot.show(value) for value in (0.5, 200, 5000.0, 2e6)], ["0.5", "200", "5k", "2M"])

    def test_axis(self):
        axis = quality_plot.Axis([10, 1000], 0, 100)
        self.assertAlmostEqual(axis.at(100), 50)
        self.assertTrue(0 < axis.at(10) < axis.at(1000) < 100)
        quality_plot.Axis([7, 7], 0, 100).at(7)  # one value alone

    def test_document(self):
        rows = rows_of() + rows_of("cat-glass") + [row("fast", part=0.5, loss=3000.0, cost=4.0)]
        root = tree.fromstring(quality_plot.plot(rows))
        names = [element.tag.rpartition("}")[2] for element in root.iter()]
        self.assertEqual(names.count("g"), 2)
        self.assertEqual(names.count("polyline"), 1)
        self.assertEqual(names.count("title"), len(rows))
        lower = [element for element in root.iter() if element.tag.endswith("polyline")][0].get("points").split()
        before, after = ([float(part) for part in point.split(",")] for point in lower)
        self.assertTrue(before[0] < after[0] and before[1] < after[1])  # more computing: further right, further down


@unittest.skipUnless(importlib.util.find_spec("PIL"), "python3-pil is not installed")
class Sheet(unittest.TestCase):
    def test_size(self):
        import quality_sheet
        from PIL import Image
        photo, painting = quality.pictures_of("cat-swirl")
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "sheet.jpg")
            quality_sheet.write(path, [("cat-swirl", [photo, painting])], ["photo", "painting"])
            self.assertTrue(0 < os.path.getsize(path) < quality_sheet.MOST_BYTES)
            with Image.open(path) as picture:
                self.assertEqual(picture.size, (2 * 192 + 4, 18 + 192))


if __name__ == "__main__":
    unittest.main()
