#!/usr/bin/env python3
"""What the service answers while all cores compute, and what workers are worth against threads.

Polling: wrk with 50 connections asks for the state of one job, first of a finished one while nothing is computed, then of
one that keeps all cores busy. Throughput: the same jobs by two workers with one thread each and by one worker with two
threads, in turns. Ends with 1 when a request fails or is not answered with 200, or a job fails; with --assert also
below 3000 requests/s or from a p99 of 20 ms on, both while all cores compute.
"""
import argparse
import json
import os
import pathlib
import signal
import sys

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(1, str(ROOT / "bench"))
import machine
import polling
import throughput
from service import Failure

LEAST_REQUESTS_PER_SECOND, P99_MS = 3000, 20
DISTURBED = 0.05  # share of the machine that others may take before the figures are worth a warning


def positive(text):
    value = int(text)
    if value < 1:
        raise ValueError(text)
    return value


def even(text):
    value = positive(text)
    if value % 2:
        raise ValueError(text)  # one of two workers would idle in the end
    return value


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(prog="scripts/load", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--quick", action="store_true", help="seconds instead of minutes, to see that everything works")
    add("--only", choices=["polling", "throughput"], help="one of the two")
    add("--assert", dest="asserts", action="store_true", help="fail when polling is too slow")
    add("--seconds", type=positive, metavar="N", help="how long wrk polls, twice (default 15, quick 3)")
    add("--rounds", type=positive, metavar="N", help="of throughput (default 3, quick 1)")
    add("--jobs", type=even, metavar="N", help="jobs in a round of throughput, an even number (default 4)")
    add("--size", type=positive, metavar="N", help="their side in pixels (default 256, quick 64)")
    add("--iterations", type=positive, metavar="N", help="their evaluations (default 24, quick 8)")
    add("--json", type=pathlib.Path, metavar="FILE", help="where to write everything as JSON")
    add("--program", default=str(ROOT / "build-bench/src/app/stylized"), help="the service, where not in build-bench")
    chosen = parser.parse_args(arguments)
    chosen.seconds = chosen.seconds or (3 if chosen.quick else 15)
    chosen.rounds = chosen.rounds or (1 if chosen.quick else 3)
    chosen.jobs = chosen.jobs or 4
    chosen.size = chosen.size or (64 if chosen.quick else 256)
    chosen.iterations = chosen.iterations or (8 if chosen.quick else 24)
    return chosen


def measure(chosen):
    watch = machine.Watch()
    results = {"machine": machine.describe(), "niceness": os.nice(0)}
    if chosen.only != "throughput":
        results["polling"] = polling.measure(chosen.program, chosen.seconds)
    if chosen.only != "polling":
        results["throughput"] = throughput.measure(chosen.program, chosen.rounds, chosen.jobs, chosen.size, chosen.iterations)
    results["taken_by_others"] = watch.taken_by_others()
    return results


def per_second(value):
    return "too few evaluations/s to tell" if value is None else f"{value:.2f} evaluations/s"


def show_polling(results):
    print(f"GET /v1/jobs/{{id}}, {results['connections']} connections, {results['seconds']} s each:")
    for name, when in (("idle", "nothing computes"), ("busy", f"{results['threads']} threads compute")):
        r = results[name]
        errors = sum(r[kind] for kind in polling.ERRORS)
        print(f"  {when:<18} {r['requests_per_second']:8.0f} requests/s   p50 {r['p50_ms']:.2f} ms   p90 {r['p90_ms']:.2f} ms   "
              f"p99 {r['p99_ms']:.2f} ms   max {r['max_ms']:.2f} ms   {errors} errors")
    pace, cores = results["evaluations_per_second"], results["cores"]
    slower = f", {results['slowdown']:.2f} times slower" if results["slowdown"] else ""
    print(f"  the job: {per_second(pace['alone'])} alone ({cores['alone']:.2f} cores busy), "
          f"{per_second(pace['polled'])} meanwhile{slower}")


def show_throughput(results):
    print(f"{results['jobs']} jobs of {results['iterations']} evaluations at {results['size']}x{results['size']}, "
          f"medians of {len(results['rounds'])} rounds:")
    for name, value in results["evaluations_per_second"].items():
        print(f"  {name:<25} {value:8.2f} evaluations/s   {value * 3600 / results['iterations']:8.0f} jobs/hour")
    print(f"  ratio {results['ratio']:.3f} ({min(results['ratios']):.3f} to {max(results['ratios']):.3f})")


def show(results):
    if "polling" in results:
        show_polling(results["polling"])
    if "throughput" in results:
        show_throughput(results["throughput"])
    if results["taken_by_others"] > DISTURBED:
        print(f"Other programs took {results['taken_by_others']:.0%} of the machine meanwhile; alone, these figures are better.")
    if results["niceness"] > 0 and "polling" in results:
        print(f"This ran at niceness {results['niceness']}, so that computing threads stood back less, or not at all.")


def complaints(results, asserts):
    """Why this run is a failure: sentences."""
    found = []
    for name in ("idle", "busy") if "polling" in results else ():
        found += [f"{count} {kind} while {name}" for kind in polling.ERRORS if (count := results["polling"][name][kind])]
    if asserts and "polling" in results:
        busy = results["polling"]["busy"]
        if busy["requests_per_second"] < LEAST_REQUESTS_PER_SECOND:
            found.append(f"{busy['requests_per_second']:.0f} requests/s, but {LEAST_REQUESTS_PER_SECOND} are wanted")
        if busy["p99_ms"] >= P99_MS:
            found.append(f"a p99 of {busy['p99_ms']:.2f} ms, but less than {P99_MS} ms is wanted")
    return found


def interrupt(*_):
    raise KeyboardInterrupt


def main(arguments):
    chosen = parse_arguments(arguments)
    signal.signal(signal.SIGTERM, interrupt)
    try:
        results = measure(chosen)
        show(results)
        if chosen.json:
            chosen.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        found = complaints(results, chosen.asserts)
    except (Failure, OSError) as failure:
        found = [str(failure)]
    except KeyboardInterrupt:
        print("load: interrupted", file=sys.stderr)
        return 130
    for complaint in found:
        print(f"load: {complaint}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
