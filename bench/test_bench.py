#!/usr/bin/env python3
"""Tests of the measuring itself, with contenders that only pretend: python3 bench/test_bench.py"""
import contextlib
import copy
import io
import json
import os
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bench
import contenders
import machine
import summary
import tables
from contenders import ONEDNN, OURS, PYTORCH, Malformed

OURS_SAYS = {
    "size": 256, "threads": 2, "kernel": "avx512", "peak_gflops": 400.0, "evaluation_seconds": [0.3, 0.1, 0.2],
    "median_seconds": 0.2, "peak_rss_bytes": 150000000, "a_later_key": [1],
    "layers": [
        {"name": "relu1_2", "pass": "forward", "method": "winograd6", "seconds": 0.01,
         "gflop_direct": 4.0, "gflop": 1.0},
        {"name": "relu1_2", "pass": "backward", "method": "winograd4", "seconds": 0.02,
         "gflop_direct": 4.0, "gflop": 2.0},
        {"name": "relu1_1", "pass": "gram", "method": "gemm", "seconds": 0.005},
    ]}
ONEDNN_SAYS = {
    "size": 256, "threads": 2, "version": "2.6.3", "peak_rss_bytes": 1000,
    "forward_seconds": [0.3, 0.5], "backward_seconds": [0.4, 0.4],
    "layers": [
        {"name": "relu1_2", "pass": "forward", "method": "jit", "seconds": 0.03, "gflop": 4.0},
        {"name": "relu1_2", "pass": "backward", "method": "jit", "seconds": 0.05, "gflop": 4.0},
    ]}
PYTORCH_SAYS = {"size": 256, "threads": 2, "version": "1.13", "evaluation_seconds": [1.0], "peak_rss_bytes": 300000000}
REPORT = {"evaluations": 110, "seconds": 20.5, "peak_rss_bytes": 200000000}

# A program that prints what belongs to the size and threads it is asked for, or writes the report of a run.
PRETENDER = """#!{python}
import json, os, sys
said, report = json.loads({said!r}), json.loads({report!r})
def value(flag, fallback):
    return sys.argv[sys.argv.index(flag) + 1] if flag in sys.argv else fallback
with open({log!r}, "a") as log:
    log.write({name!r} + " " + value("--size", "") + "\\n")
if sys.argv[1:2] == ["run"]:
    json.dump(report, open(value("--report", ""), "w"))
elif sys.argv[1:2] != ["-c"]:
    said.update(size=int(value("--size", 0)), threads=int(os.environ["OMP_NUM_THREADS"]))
    print(json.dumps(said))
"""


def ours(**changes):
    return contenders.read_ours({**copy.deepcopy(OURS_SAYS), **changes}, "ours")


def onednn(**changes):
    return contenders.read_onednn({**copy.deepcopy(ONEDNN_SAYS), **changes}, "onednn")


def pytorch(**changes):
    return contenders.read_pytorch({**PYTORCH_SAYS, **changes}, "pytorch")


class Reading(unittest.TestCase):
    def test_what_is_well_formed(self):
        self.assertEqual(ours()["seconds"], [0.3, 0.1, 0.2])
        self.assertEqual([layer["gflop"] for layer in ours()["layers"]], [1.0, 2.0, None])
        self.assertEqual(onednn()["seconds"], [0.7, 0.9])

    def test_optional_keys_may_be_missing(self):
        bare = contenders.read_ours({"evaluation_seconds": [1], "peak_rss_bytes": 1}, "ours")
        self.assertEqual((bare["layers"], bare["peak_gflops"], bare["kernel"]), ([], None, ""))

    def test_what_is_malformed(self):
        layer = OURS_SAYS["layers"][0]
        for changes in ({"evaluation_seconds": []}, {"evaluation_seconds": [0.1, 0]}, {"evaluation_seconds": [-1]},
                        {"evaluation_seconds": [float("nan")]}, {"evaluation_seconds": ["1"]},
                        {"evaluation_seconds": None}, {"evaluation_seconds": [True]}, {"peak_rss_bytes": 0},
                        {"peak_gflops": -1}, {"layers": {}}, {"layers": [1]}, {"layers": [{**layer, "seconds": 0}]},
                        {"layers": [{**layer, "name": 7}]}, {"layers": [layer, layer]},
                        {"layers": [{**layer, "gflop": "much"}]}):
            with self.subTest(changes), self.assertRaises(Malformed):
                ours(**changes)
        for changes in ({"forward_seconds": [1]}, {"backward_seconds": [1, 0]}, {"layers": []}):
            with self.subTest(changes), self.assertRaises(Malformed):
                onednn(**changes)
        with self.assertRaises(Malformed):
            pytorch(evaluation_seconds=[0])

    def test_output_about_another_run(self):
        said = json.dumps(OURS_SAYS)
        self.assertEqual(contenders.parse(said, "ours", 256, 2), OURS_SAYS)
        for output, size, threads in ((said, 512, 2), (said, 256, 1), ("", 256, 2), ("[]", 256, 2),
                                      (said[:-1], 256, 2)):
            with self.subTest(output=output[:5], size=size, threads=threads), self.assertRaises(Malformed):
                contenders.parse(output, "ours", size, threads)


class Summary(unittest.TestCase):
    def test_direct_cost(self):
        self.assertAlmostEqual(summary.direct_gflop(512), 379, delta=1)

    def test_medians_over_all_rounds(self):
        result = summary.summarise(256, 2, {
            OURS: [ours(), ours(evaluation_seconds=[0.4, 0.5], peak_rss_bytes=160000000)],
            PYTORCH: [pytorch(evaluation_seconds=[1.0]), pytorch(evaluation_seconds=[2.0])], ONEDNN: [onednn()]})
        who = result["contenders"]
        self.assertEqual(who[OURS]["median_seconds"], 0.3)
        self.assertEqual((who[OURS]["samples"], who[OURS]["rounds"]), (5, 2))
        self.assertEqual(who[OURS]["peak_rss_bytes"], 160000000)
        self.assertEqual(who[PYTORCH]["median_seconds"], 1.5)
        self.assertAlmostEqual(who[ONEDNN]["median_seconds"], 0.8)
        self.assertAlmostEqual(who[ONEDNN]["median_forward_seconds"], 0.4)
        self.assertAlmostEqual(result["ratios"][PYTORCH], 5)
        self.assertAlmostEqual(result["ratios"][ONEDNN], 0.8 / 0.3)
        self.assertAlmostEqual(result["effective_gflops"], summary.direct_gflop(256) / 0.3)

    def test_layers(self):
        slower = copy.deepcopy(OURS_SAYS["layers"])
        slower[0]["seconds"] = 0.03
        layers = summary.summarise(256, 2, {OURS: [ours(), ours(layers=slower), ours(layers=slower[1:])],
                                            ONEDNN: [onednn()]})["layers"]
        self.assertAlmostEqual(layers[0]["seconds"], 0.02)
        self.assertAlmostEqual(layers[0]["share_of_peak"], 1 / 0.02 / 400)
        self.assertAlmostEqual(layers[0]["effective_gflops"], 4 / 0.02)
        self.assertAlmostEqual(layers[0]["onednn_ratio"], 1.5)
        self.assertAlmostEqual(layers[1]["onednn_ratio"], 2.5)
        self.assertEqual([layers[2][key] for key in ("share_of_peak", "effective_gflops", "onednn_ratio")], [None] * 3)

    def test_without_the_others(self):
        result = summary.summarise(256, 2, {OURS: [ours()], PYTORCH: []})
        self.assertEqual(result["ratios"], {})
        self.assertIn("| -", tables.overview([result]))


class Machine(unittest.TestCase):
    def test_reading_proc(self):
        self.assertEqual(machine.cpu_facts("model name\t: A: B\nflags\t: fma\n\nmodel name\t: C\n"),
                         {"model name": "A: B", "flags": "fma", "": ""})
        tick = os.sysconf("SC_CLK_TCK")
        self.assertEqual(machine.busy_seconds(f"cpu  {tick} {tick} {tick} 900 900 {tick} {tick} {tick} 0 0\ncpu0 1"), 6)

    def test_what_others_take(self):
        watch = machine.Watch()
        self.assertTrue(0 <= watch.taken_by_others() <= 1)
        watch.start -= 100
        watch.busy -= 50 * os.cpu_count()
        self.assertAlmostEqual(watch.taken_by_others(), 0.5, delta=0.02)
        watch.own -= 25 * os.cpu_count()
        self.assertAlmostEqual(watch.taken_by_others(), 0.25, delta=0.02)


class Tables(unittest.TestCase):
    def test_alignment(self):
        self.assertEqual(tables.table(["name", "n"], [["a", "1.5"], ["bcdef", "-"]]),
                         "| name  |   n |\n| ----- | --: |\n| a     | 1.5 |\n| bcdef |   - |")

    def test_overview(self):
        result = summary.summarise(256, 2, {OURS: [ours()], PYTORCH: [pytorch()], ONEDNN: [onednn()]})
        row = tables.overview([result]).splitlines()[2]
        self.assertEqual([cell.strip() for cell in row.split("|")[1:-1]],
                         ["256", "2", "0.200 s", "1.000 s", "5.00", "0.800 s", "4.00", "473", "150 MB", "300 MB"])

    def test_layers(self):
        lines = tables.layer_table(summary.summarise(256, 2, {OURS: [ours()], ONEDNN: [onednn()]})).splitlines()
        self.assertEqual([cell.strip() for cell in lines[2].split("|")[1:-1]],
                         ["relu1_2", "forward", "winograd6", "10.00 ms", "25%", "400", "30.00 ms", "3.00"])
        self.assertIn("35.00 ms", lines[-2])
        self.assertIn("200.00 ms", lines[-1])

    def test_memory(self):
        jobs = [{"who": OURS, "history": 100, **REPORT}, {"who": PYTORCH, "history": 100, **REPORT,
                                                          "peak_rss_bytes": 400000000}]
        line = tables.memory_table({"jobs": jobs}).splitlines()[2]
        self.assertEqual([cell.strip() for cell in line.split("|")[1:-1]],
                         ["stylized", "100", "110", "20 s", "200 MB", "50%"])


class WholeRun(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.log = os.path.join(self.folder, "log")
        self.programs = [f"--{flag}={self.pretend(name, said)}" for flag, name, said in (
            ("stylized", OURS, OURS_SAYS), ("dnnl", ONEDNN, ONEDNN_SAYS), ("python", PYTORCH, PYTORCH_SAYS))]

    def pretend(self, name, said):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(PRETENDER.format(python=sys.executable, said=json.dumps(said), report=json.dumps(REPORT),
                                        log=self.log, name=name))
        os.chmod(path, 0o755)
        return path

    def run_bench(self, *arguments):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = bench.main([*self.programs, *arguments])
        return code, out.getvalue(), err.getvalue()

    def started(self):
        with open(self.log, encoding="utf-8") as file:
            return [line for line in file.read().splitlines() if not line.endswith(" ")]

    def test_contenders_alternate_in_changing_order(self):
        path = os.path.join(self.folder, "out.json")
        code, out, err = self.run_bench("--sizes=64,128", "--threads=1", "--rounds=2", "--json", path)
        self.assertEqual(code, 0, err)
        orders = (OURS, PYTORCH, ONEDNN), (PYTORCH, ONEDNN, OURS)
        self.assertEqual(self.started(), [f"{name} {size}" for names in orders for size in (64, 128) for name in names])
        with open(path, encoding="utf-8") as file:
            written = json.load(file)
        self.assertEqual([(r["size"], r["threads"]) for r in written["results"]], [(64, 1), (128, 1)])
        self.assertEqual(out, tables.document(written))
        self.assertTrue(0 <= written["machine"]["taken_by_others"] <= 1)

    def test_jobs(self):
        self.pretend(PYTORCH, {**PYTORCH_SAYS, "seconds": 100})
        code, out, err = self.run_bench("--quick", "--memory")
        self.assertEqual(code, 0, err)
        self.assertIn("of PyTorch's", out)
        self.assertIn("67%", out)

    def test_quick_does_without_pytorch(self):
        self.programs[2] = "--python=/bin/false"
        code, out, err = self.run_bench("--quick")
        self.assertEqual(code, 0, err)
        self.assertIn("not installed", err)
        self.assertIn("|  256 |       2 |  0.200 s |       - |", out)
        self.assertEqual(self.run_bench("--rounds=1", "--sizes=64", "--threads=1")[0], 1)

    def test_what_a_contender_does_wrong_fails(self):
        for said in ({**OURS_SAYS, "evaluation_seconds": [0]}, {"size": 1}, [1]):
            with self.subTest(said):
                self.pretend(OURS, said)
                code, out, err = self.run_bench("--quick")
                self.assertEqual((code, out), (1, ""))
                self.assertIn("ours", err)
        for program in ("/bin/false", "/bin/true", os.path.join(self.folder, "missing")):
            with self.subTest(program):
                self.programs[0] = f"--stylized={program}"
                self.assertEqual(self.run_bench("--quick")[0], 1)


if __name__ == "__main__":
    unittest.main()
