"""How quickly the state of a job is answered, by wrk, and what that takes from the job."""
import json
import math
import os
import pathlib
import subprocess
import time

from service import Failure, running, wait_until

CONNECTIONS = 50
CORES = len(os.sched_getaffinity(0))
REPORT = pathlib.Path(__file__).with_name("report.lua")
FIGURES = ("p50_ms", "p90_ms", "p99_ms", "max_ms")
ERRORS = ("not_200", "connect_errors", "read_errors", "write_errors", "timeouts")
ENDLESS = 10000  # evaluations: no machine gets there meanwhile


def read_report(output):
    """The figures in what wrk printed with report.lua."""
    lines = [line for line in output.splitlines() if line.startswith("{")]
    try:
        (line,) = lines
        said = {name: float(value) for name, value in json.loads(line).items()}
        report = {name: said[name] for name in FIGURES} | {name: int(said[name]) for name in ERRORS}
        if not all(0 <= value < math.inf for value in said.values()):
            raise ValueError("a figure out of range")
        if said["requests"] < 1:
            raise ValueError("not one request was answered")
        report["requests_per_second"] = said["requests"] / said["seconds"]
    except (ValueError, KeyError, TypeError, ZeroDivisionError) as error:
        raise Failure(f"wrk printed what was not understood ({error!r}):\n{output}") from error
    if not report["p50_ms"] <= report["p90_ms"] <= report["p99_ms"] <= report["max_ms"]:
        raise Failure(f"wrk's percentiles are out of order:\n{output}")
    return report


def wrk(url, seconds, meanwhile=None):
    """Runs wrk, and `meanwhile` with a function that tells whether it still runs; returns both results."""
    command = ["wrk", "--threads", "1", "--connections", str(CONNECTIONS), "--duration", f"{seconds}s",
               "--script", str(REPORT), url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            result = meanwhile(lambda: process.poll() is None) if meanwhile else None
            output = process.communicate()[0]
        finally:
            process.kill()
    if process.returncode != 0:
        raise Failure(f"wrk ended with {process.returncode}:\n{output}")
    return read_report(output), result


def evaluation(service, job):
    """How many evaluations a job that must be running has done."""
    seen = service.ask(job)
    if seen["state"] != "running":
        raise Failure(f"the job that was to run all the time is {seen['state']}")
    return seen["progress"]["evaluation"] if seen["progress"] else 0


class Pace:
    """What a running job gets done while `goes_on()`: whole evaluations, timed from one's end to another's."""

    def __init__(self, service, job, goes_on):
        cpu, start = service.cpu_seconds(), time.monotonic()
        done = evaluation(service, job)
        ends = []  # of evaluations: how many are done, and when that was seen
        while goes_on():
            time.sleep(0.02)
            if (now := evaluation(service, job)) != done:
                ends.append((now, time.monotonic()))
                done = now
        self.cores = (service.cpu_seconds() - cpu) / (time.monotonic() - start)
        self.evaluations, self.seconds = (ends[-1][i] - ends[0][i] for i in (0, 1)) if ends else (0, 0)


def pace_for(service, job, seconds):
    end = time.monotonic() + seconds
    return Pace(service, job, lambda: time.monotonic() < end)


def rate(*paces):
    """Evaluations per second, or None where too few ended to tell."""
    evaluations = sum(pace.evaluations for pace in paces)
    return evaluations / sum(pace.seconds for pace in paces) if evaluations else None


def measure(program, seconds):
    """The job alone is watched half before and half after, so that a machine that gets slower or faster hits both alike."""
    with running(program, workers=1, threads=CORES) as service:
        finished = service.submit(size=32, iterations=1)
        service.wait_for(finished, "succeeded")
        idle, _ = wrk(service.url + finished, seconds)
        job = service.submit(size=512, iterations=ENDLESS, history=10)
        service.wait_for(job, "running")
        wait_until(lambda: evaluation(service, job), "the first evaluation")
        before = pace_for(service, job, seconds / 2)
        busy, during = wrk(service.url + job, seconds, lambda goes_on: Pace(service, job, goes_on))
        after = pace_for(service, job, seconds / 2)
    alone, polled = rate(before, after), rate(during)
    return {"connections": CONNECTIONS, "seconds": seconds, "threads": CORES, "idle": idle, "busy": busy,
            "evaluations_per_second": {"alone": alone, "polled": polled},
            "cores": {"alone": (before.cores + after.cores) / 2, "polled": during.cores},
            "slowdown": alone / polled if alone and polled else None}
