#!/usr/bin/env python3
"""What the service answers while all cores compute, and what workers and threads are worth. scripts/load calls it.

  load.py PROGRAM [--quick] [--assert] [--json FILE]

Polling: wrk with 50 connections asks for one job's state, first with nothing to compute, then while a job keeps all
cores busy. Throughput: the same jobs by two workers with one thread each and by one worker with two threads, in turns.
--assert fails below 3,000 requests a second or above 20 ms at the 99th percentile; errors and wrong answers always do.
"""
import argparse
import contextlib
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
BOUNDARY = "----stylized-load"


class Failure(Exception):
    pass


@contextlib.contextmanager
def server(program, *flags):
    """Runs the service in a folder of its own, and yields its address."""
    with tempfile.TemporaryDirectory(prefix="stylized-load-") as folder:
        command = [program, "serve", "--listen", "127.0.0.1:0", "--store", f"sqlite:{folder}/jobs.db", "--log-level", "info"]
        with open(f"{folder}/log", "w+", encoding="utf-8") as log:
            child = subprocess.Popen(command + list(flags), stderr=log, stdout=log)
            try:
                yield address_in(f"{folder}/log", child)
            finally:
                child.terminate()
                child.wait(timeout=60)


def address_in(path, child):
    """The address that the service logs when it listens."""
    for _ in range(200):
        found = re.search(r"127\.0\.0\.1:(\d+)", pathlib.Path(path).read_text(encoding="utf-8"))
        if found and found.group(1) != "0":
            return f"http://127.0.0.1:{found.group(1)}"
        if child.poll() is not None:
            break
        time.sleep(0.05)
    raise Failure(f"the service did not start: {pathlib.Path(path).read_text(encoding='utf-8')}")


def get(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.load(answer)


def part(name, content, file_name=None):
    file = f'; filename="{file_name}"' if file_name else ""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'
    return head.encode() + content + b"\r\n"


def submit(base, **options):
    body = b"".join(part(name, (EXAMPLES / file).read_bytes(), file)
                    for name, file in (("content", "cat.jpg"), ("style", "swirl.jpg")))
    body += b"".join(part(name, str(value).encode()) for name, value in options.items())
    request = urllib.request.Request(f"{base}/v1/jobs", data=body + f"--{BOUNDARY}--\r\n".encode(), method="POST",
                                     headers={"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return f"{base}/v1/jobs/{json.load(answer)['id']}"
    except urllib.error.HTTPError as error:
        raise Failure(f"a job was refused: {error.read().decode()}") from error


def wait_for(job, states):
    while True:
        seen = get(job)
        if seen["state"] in states:
            return seen
        if seen["state"] == "failed":
            raise Failure(f"a job failed: {seen['error']}")
        time.sleep(0.02)


def evaluations(job):
    return (get(job)["progress"] or {"evaluation": 0})["evaluation"]


# ---- Polling

def milliseconds(text):
    value, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", text).groups()
    return float(value) * {"us": 1e-3, "ms": 1.0, "s": 1e3}[unit]


def read_wrk(output):
    """The figures in wrk's report; errors of any kind are a failure."""
    if "Non-2xx" in output or "Socket errors" in output:
        raise Failure(output)
    percentiles = {int(p): milliseconds(t) for p, t in re.findall(r"^\s+(50|90|99)%\s+(\S+)$", output, re.M)}
    rate = re.search(r"^Requests/sec:\s+([\d.]+)$", output, re.M)
    worst = re.search(r"^\s+Latency\s+\S+\s+\S+\s+(\S+)", output, re.M)
    if set(percentiles) != {50, 90, 99} or not rate or not worst:
        raise Failure(f"wrk said what was not understood:\n{output}")
    return {"requests_per_second": float(rate.group(1)), "max_ms": milliseconds(worst.group(1)),
            **{f"p{p}_ms": value for p, value in percentiles.items()}}


def poll(job, seconds):
    command = ["wrk", "--threads", "1", "--connections", "50", "--duration", f"{seconds}s", "--latency", job]
    return read_wrk(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def measure_polling(program, seconds):
    with server(program, "--preview-interval", "0") as base:
        done = submit(base, size=32, iterations=1)
        wait_for(done, ["succeeded"])
        idle = poll(done, seconds)
        job = submit(base, size=512, resize="stretch", iterations=5000)
        wait_for(job, ["running"])
        while evaluations(job) < 2:
            time.sleep(0.05)
        before, start = evaluations(job), time.monotonic()
        busy = poll(job, seconds)
        busy["evaluations_per_second"] = (evaluations(job) - before) / (time.monotonic() - start)
        before, start = evaluations(job), time.monotonic()
        time.sleep(seconds)
        alone = (evaluations(job) - before) / (time.monotonic() - start)
    return {"idle": idle, "busy": busy, "evaluations_per_second_alone": alone}


# ---- Throughput

def run_jobs(program, workers, threads, jobs, size, iterations):
    with server(program, "--workers", str(workers), "--threads", str(threads), "--preview-interval", "0") as base:
        start = time.monotonic()
        for job in [submit(base, size=size, resize="stretch", iterations=iterations) for _ in range(jobs)]:
            wait_for(job, ["succeeded"])
        return jobs * iterations / (time.monotonic() - start)


def measure_throughput(program, rounds, size, iterations):
    results = {"workers 2, threads 1": [], "workers 1, threads 2": []}
    for _ in range(rounds):
        results["workers 2, threads 1"].append(run_jobs(program, 2, 1, 4, size, iterations))
        results["workers 1, threads 2"].append(run_jobs(program, 1, 2, 4, size, iterations))
    middle = {name: sorted(values)[len(values) // 2] for name, values in results.items()}
    ratio = middle["workers 2, threads 1"] / middle["workers 1, threads 2"]
    return {"size": size, "evaluations_per_second": middle, "ratio": ratio}


def show(results):
    for name in ("idle", "busy"):
        r = results["polling"][name]
        print(f"polling, {name}: {r['requests_per_second']:.0f} requests/s, p50 {r['p50_ms']:.2f} ms, p90 {r['p90_ms']:.2f}, "
              f"p99 {r['p99_ms']:.2f}, max {r['max_ms']:.1f}, no errors")
    print(f"the job meanwhile: {results['polling']['busy']['evaluations_per_second']:.2f} evaluations/s, "
          f"{results['polling']['evaluations_per_second_alone']:.2f} alone")
    t = results["throughput"]
    for name, value in t["evaluations_per_second"].items():
        print(f"{name}: {value:.2f} evaluations/s at {t['size']}x{t['size']}")
    print(f"ratio {t['ratio']:.3f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--quick", action="store_true", help="seconds instead of minutes")
    parser.add_argument("--assert", dest="asserts", action="store_true", help="fail when polling is too slow")
    parser.add_argument("--json", help="write the figures to this file")
    chosen = parser.parse_args()
    try:
        results = {"polling": measure_polling(chosen.program, 2 if chosen.quick else 15),
                   "throughput": measure_throughput(chosen.program, 1 if chosen.quick else 3, 64 if chosen.quick else 256,
                                                    4 if chosen.quick else 24)}
    except Failure as failure:
        print(f"load: {failure}", file=sys.stderr)
        return 1
    show(results)
    if chosen.json:
        pathlib.Path(chosen.json).write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    busy = results["polling"]["busy"]
    if chosen.asserts and (busy["requests_per_second"] < 3000 or busy["p99_ms"] >= 20):
        print("load: polling is too slow: at least 3000 requests/s and a p99 below 20 ms are wanted", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
