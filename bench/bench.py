#!/usr/bin/env python3
"""Measures an evaluation of stylized against PyTorch's and against oneDNN's convolutions.

The contenders alternate: each round runs every one of them at every size and number of threads, one after the other and
in changing order, so that whatever else the machine does hits all alike. Ends with 1 when a contender fails, prints
something malformed or a time that is not positive.
"""
import argparse
import json
import os
import sys

sys.dont_write_bytecode = True
import contenders
import machine
import summary
import tables
from contenders import ONEDNN, OURS, PYTORCH

DISTURBED = 0.02  # share of the machine that others may take before the times are worth a warning
JOB_EVALUATIONS = 110


def say(line):
    print(line, file=sys.stderr, flush=True)


def positive(text):
    value = int(text)
    if value < 1:
        raise ValueError(text)
    return value


def numbers(text):
    return [positive(part) for part in text.split(",")]


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--quick", action="store_true", help="256x256, 2 threads, 1 round; without PyTorch where it is not installed")
    add("--sizes", type=numbers, metavar="N,...", help="sides in pixels (default 256,512,1024)")
    add("--threads", type=numbers, metavar="N,...", help="numbers of threads (default 1,2)")
    add("--rounds", type=positive, metavar="N", help="rounds (default 5)")
    add("--repeat", type=positive, metavar="N", help="evaluations per contender and round (default 2)")
    add("--without", action="append", default=[], choices=[PYTORCH, ONEDNN], help="leave a contender out")
    add("--memory", action="store_true", help=f"measure the memory of whole jobs, {JOB_EVALUATIONS} evaluations each")
    add("--memory-size", type=positive, default=512, metavar="N", help="their side in pixels (default 512)")
    add("--json", metavar="FILE", help="where to write everything as JSON")
    built = os.path.join(contenders.ROOT, "build-bench")
    add("--stylized", default=f"{built}/src/app/stylized", metavar="PROGRAM", help="ours, where not in build-bench")
    add("--dnnl", default=f"{built}/dnnl_conv", metavar="PROGRAM", help="dnnl_conv, where not in build-bench")
    add("--python", default="/usr/bin/python3", metavar="PROGRAM", help="a Python with PyTorch (default Debian's)")
    chosen = parser.parse_args(arguments)
    chosen.sizes = chosen.sizes or ([256] if chosen.quick else [256, 512, 1024])
    chosen.threads = chosen.threads or ([2] if chosen.quick else [1, 2])
    chosen.rounds = chosen.rounds or (1 if chosen.quick else 5)
    chosen.repeat = chosen.repeat or (1 if chosen.quick else 2)
    return chosen


def choose(chosen, programs):
    """The contenders that take part; a quick run does without PyTorch, a full one needs it."""
    names = [name for name in (OURS, PYTORCH, ONEDNN) if name not in chosen.without]
    if PYTORCH in names and not contenders.has_pytorch(programs[PYTORCH]):
        if not chosen.quick:
            raise contenders.Malformed(f"{programs[PYTORCH]} has no PyTorch (python3-torch); or use --without pytorch")
        say("PyTorch (python3-torch) is not installed: left out")
        names.remove(PYTORCH)
    return names


def turn(names, number):
    """The contenders' order in a round: each time another one begins."""
    start = number % len(names)
    return names[start:] + names[:start]


def run_rounds(chosen, programs, names):
    """{(size, threads): {contender: [one reading per round]}}"""
    readings = {(size, threads): {name: [] for name in names} for size in chosen.sizes for threads in chosen.threads}
    for number in range(chosen.rounds):
        for (size, threads), by_name in readings.items():
            for name in turn(names, number):
                by_name[name].append(contenders.measure(name, programs, size, threads, chosen.repeat))
            fastest = ", ".join(f"{name} {min(by_name[name][-1]['seconds']):.3f} s" for name in names)
            say(f"round {number + 1}/{chosen.rounds}, {size}x{size}, threads {threads}: {fastest}")
    return readings


def run_jobs(chosen, programs, names):
    size, threads = chosen.memory_size, max(chosen.threads)
    say(f"whole jobs at {size}x{size}: {JOB_EVALUATIONS} evaluations each")
    jobs = [contenders.our_job(programs[OURS], size, threads, JOB_EVALUATIONS, history) for history in (100, 10)]
    if PYTORCH in names:
        jobs.append(contenders.pytorch_job(programs[PYTORCH], size, threads, JOB_EVALUATIONS, 100))
    return {"size": size, "threads": threads, "jobs": jobs}


def run(chosen):
    programs = {OURS: chosen.stylized, PYTORCH: chosen.python, ONEDNN: chosen.dnnl}
    names = choose(chosen, programs)
    about, watch = machine.describe(), machine.Watch()
    readings = run_rounds(chosen, programs, names)
    about["taken_by_others"] = watch.taken_by_others()
    if about["taken_by_others"] > DISTURBED:
        say(f"Other programs took {about['taken_by_others']:.0%} of the machine meanwhile: times are too long, most of "
            "all those with several threads")
    results = {"machine": about, "rounds": chosen.rounds, "repeat": chosen.repeat,
               "results": [summary.summarise(size, threads, by_name) for (size, threads), by_name in readings.items()]}
    if chosen.memory:
        results["memory"] = run_jobs(chosen, programs, names)
    return results


def main(arguments):
    chosen = parse_arguments(arguments)
    try:
        results = run(chosen)
    except contenders.Malformed as error:
        say(f"bench: {error}")
        return 1
    print(tables.document(results), end="")
    if chosen.json:
        with open(chosen.json, "w", encoding="utf-8") as file:
            json.dump(results, file, indent=1)
            file.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
