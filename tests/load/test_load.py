#!/usr/bin/env python3
"""Tests of the measuring itself, with programs that only pretend: python3 tests/load/test_load.py"""
import contextlib
import io
import json
import os
import pathlib
import sys
import tempfile
import unittest
from unittest import mock

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import load
import polling
import service
import throughput
from service import Failure

SAID = {"requests": 60000, "seconds": 15.0, "p50_ms": 1.5, "p90_ms": 2.5, "p99_ms": 19.9, "max_ms": 40.0, "not_200": 0,
        "connect_errors": 0, "read_errors": 0, "write_errors": 0, "timeouts": 0}


def report(**changes):
    return polling.read_report("Running 15s test\n  2 threads\n" + json.dumps({**SAID, **changes}) + "\n")


class Reports(unittest.TestCase):
    def test_a_report_becomes_figures(self):
        self.assertEqual(report()["requests_per_second"], 4000)
        self.assertEqual(report()["p99_ms"], 19.9)
        self.assertEqual(report(timeouts=7)["timeouts"], 7)

    def test_what_is_not_understood_fails(self):
        line = json.dumps(SAID)
        for output in ("", "unable to connect", line + "\n" + line, line[:-1], "{}"):
            with self.subTest(output), self.assertRaises(Failure):
                polling.read_report(output)
        for name in SAID:
            for value in ("many", None, float("nan"), -1):
                with self.subTest(name, value=value), self.assertRaises(Failure):
                    report(**{name: value})

    def test_impossible_reports_fail(self):
        for changes in ({"requests": 0}, {"seconds": 0}, {"p99_ms": 50.0}, {"p50_ms": 3.0}):
            with self.subTest(changes), self.assertRaises(Failure):
                report(**changes)


class Verdicts(unittest.TestCase):
    @staticmethod
    def complaints(asserts, idle=None, **busy):
        return load.complaints({"polling": {"idle": idle or report(), "busy": report(**busy)}}, asserts)

    def test_good_figures_pass(self):
        self.assertEqual(self.complaints(True), [])

    def test_slow_polling_fails_only_when_asserted(self):
        for busy in ({"requests": 44999}, {"p99_ms": 20.0}):
            self.assertEqual(self.complaints(False, **busy), [])
            self.assertEqual(len(self.complaints(True, **busy)), 1)

    def test_nothing_is_asked_of_the_idle_service_but_answers(self):
        self.assertEqual(self.complaints(True, idle=report(requests=1)), [])

    def test_errors_always_fail(self):
        for kind in polling.ERRORS:
            self.assertEqual(len(self.complaints(False, **{kind: 1})), 1)
            self.assertEqual(len(self.complaints(False, idle=report(**{kind: 1}))), 1)

    def test_an_odd_number_of_jobs_is_refused(self):
        self.assertEqual(load.parse_arguments(["--jobs", "6"]).jobs, 6)
        with self.assertRaises(SystemExit), contextlib.redirect_stderr(io.StringIO()):
            load.parse_arguments(["--jobs", "3"])


class Jobs:
    """A service whose job ends an evaluation each time it is asked for, from the second time on."""

    def __init__(self, states):
        self.states, self.asked = states, 0

    def ask(self, _path):
        self.asked += 1
        return {"state": self.states[min(self.asked, len(self.states)) - 1], "error": None,
                "progress": {"evaluation": self.asked} if self.asked > 1 else None}

    def cpu_seconds(self):
        return self.asked / 100


class Paces(unittest.TestCase):
    def test_time_counts_between_ends_of_evaluations(self):
        turns = iter([True] * 5 + [False])
        with mock.patch.object(polling, "time") as clock:
            clock.monotonic.side_effect = [0.0, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0]
            pace = polling.Pace(Jobs(["running"]), "/job", lambda: next(turns))
        self.assertEqual((pace.evaluations, pace.seconds, pace.cores), (4, 2.0, 0.06 / 4))
        self.assertEqual(polling.rate(pace), 2.0)

    def test_too_few_evaluations_are_no_rate(self):
        pace = polling.Pace(Jobs(["running"]), "/job", lambda: False)
        self.assertIsNone(polling.rate(pace))
        self.assertIn("too few", load.per_second(polling.rate(pace)))

    def test_a_job_that_ends_meanwhile_fails(self):
        with self.assertRaises(Failure):
            polling.Pace(Jobs(["running", "succeeded"]), "/job", lambda: True)


class Throughput(unittest.TestCase):
    def test_ratios_are_taken_within_rounds(self):
        pairs = [(11.0, 10.0), (24.0, 20.0), (3.0, 3.0)]
        summary = throughput.summarize([dict(zip((throughput.TWO_WORKERS, throughput.TWO_THREADS), pair)) for pair in pairs])
        self.assertEqual(summary["ratio"], 1.1)
        self.assertEqual(summary["evaluations_per_second"], {throughput.TWO_WORKERS: 11.0, throughput.TWO_THREADS: 10.0})

    def test_the_order_alternates(self):
        with mock.patch.object(throughput, "run_jobs", return_value=1.0) as run_jobs:
            throughput.measure("program", 2, 4, 64, 8)
        two, one = throughput.TWO_WORKERS, throughput.TWO_THREADS
        self.assertEqual([call.args[1] for call in run_jobs.call_args_list], [two, one, one, two])


class Services(unittest.TestCase):
    LISTENS = 'echo "{\\"event\\":\\"serve.listening\\",\\"port\\":4711}" >&2\n'

    @contextlib.contextmanager
    def pretending(self, script):
        """A Service of that shell script, and its folder for temporary files."""
        with tempfile.TemporaryDirectory() as folder:
            program = pathlib.Path(folder, "program")
            program.write_text(f"#!/bin/sh\n{script}", encoding="utf-8")
            program.chmod(0o755)
            with mock.patch.object(tempfile, "tempdir", folder), service.running(str(program)) as one:
                yield one
            self.assertEqual(os.listdir(folder), ["program"])

    def test_a_service_is_found_and_stopped(self):
        with self.pretending(f"trap 'exit 0' TERM\n{self.LISTENS}while :; do sleep 0.05; done") as one:
            self.assertEqual(one.url, "http://127.0.0.1:4711")
        self.assertEqual(one.process.returncode, 0)

    def test_one_that_ends_at_once_fails_and_tells_why(self):
        with self.assertRaisesRegex(Failure, "no weights"), self.pretending("echo no weights; exit 3"):
            pass

    def test_one_that_ends_badly_fails(self):
        with self.assertRaisesRegex(Failure, "ended with 9"):
            with self.pretending(f"trap 'exit 9' TERM\n{self.LISTENS}while :; do sleep 0.05; done"):
                pass

    def test_one_that_does_not_stop_is_killed(self):
        with mock.patch.object(service, "GRACE", 0.2), self.assertRaisesRegex(Failure, "did not stop"):
            with self.pretending(f"trap '' TERM\n{self.LISTENS}while :; do sleep 0.05; done") as one:
                pass
        self.assertEqual(one.process.returncode, -9)

    def test_it_stops_after_an_error_too(self):
        with self.assertRaises(ZeroDivisionError):
            with self.pretending(f"{self.LISTENS}exec sleep 60") as one:
                raise ZeroDivisionError
        self.assertEqual(one.process.returncode, -15)


if __name__ == "__main__":
    unittest.main()
