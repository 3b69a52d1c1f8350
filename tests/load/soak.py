#!/usr/bin/env python3
"""Many clients for a long time: do all get their answers quickly, and does the service stay as large as it is?

1,000 clients poll a job once a second each and 200 follow one by its events, while jobs run all the time; then, in turns with
and without, 500 connections that drip, say nothing or read nothing. Ends with 1 on any wrong or missing answer, with a p99 of
polls of 50 ms or more, when memory grows by more than 5 % after the first minute, or when the slow ones double the p99.
"""
import argparse
import asyncio
import json
import os
import pathlib
import resource
import statistics
import sys
import time

sys.dont_write_bytecode = True
import crowd as clients
from service import Failure, running

P99_MS, GROWTH, SLOWER = 50, 0.05, 2.0


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("nan")


def memory_of(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


class Soak:
    def __init__(self, args, service):
        self.args, self.pid = args, service.process.pid
        self.crowd = clients.Crowd(int(service.url.rsplit(":", 1)[1]))
        self.memory = []  # (when, kB)
        self.tasks = []

    def start(self, name, coroutine):
        async def guarded():
            try:
                await coroutine
            except asyncio.CancelledError:
                raise
            except Exception as error:  # whatever it is, it is an answer that was not right
                self.crowd.note(name, error)
        task = asyncio.create_task(guarded())
        self.tasks.append(task)
        return task

    async def watch_memory(self):
        while True:
            self.memory.append((time.perf_counter(), memory_of(self.pid)))
            await asyncio.sleep(2)

    async def run(self):
        args, crowd = self.args, self.crowd
        self.start("post", clients.keep_busy(crowd, size=args.size, iterations=args.iterations))
        while not crowd.jobs and not crowd.errors:
            await asyncio.sleep(0.05)
        for number in range(args.pollers):
            self.start("poll", clients.poll(crowd, number))
        for _ in range(args.listeners):
            self.start("listen", clients.listen(crowd))
        self.start("lag", clients.measure_lag(crowd))
        self.start("memory", self.watch_memory())
        begin = time.perf_counter()
        await asyncio.sleep(args.minutes * 60)
        turns = [await self.turn(number % 2 == 1) for number in range(self.args.turns)]
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        return self.figures(begin, turns)

    async def turn(self, with_slow):
        """The latencies of some time, with slow clients or without."""
        slow = [self.start("slow", clients.be_slow(self.crowd, number)) for number in range(self.args.slow)] if with_slow else []
        await asyncio.sleep(3)  # for them to come, or to have gone
        begin = time.perf_counter()
        await asyncio.sleep(self.args.turn)
        latencies = [seconds for when, seconds in self.crowd.polls if when >= begin]
        for task in slow:
            task.cancel()
        return with_slow, latencies

    def growth(self, begin, end):
        """Of memory from the second minute (or, in a short run, quarter) to the last one."""
        span = min(60.0, (end - begin) / 4)
        early = [kb for when, kb in self.memory if span <= when - begin < 2 * span]
        late = [kb for when, kb in self.memory if end - span <= when < end]
        return statistics.median(late) / statistics.median(early) - 1 if early and late else float("nan")

    def figures(self, begin, turns):
        crowd, end = self.crowd, begin + self.args.minutes * 60
        main = [seconds for when, seconds in crowd.polls if begin + 2 <= when < end]
        calm = [s for with_slow, latencies in turns if not with_slow for s in latencies]
        slow = [s for with_slow, latencies in turns if with_slow for s in latencies]
        return {
            "minutes": self.args.minutes, "pollers": self.args.pollers, "listeners": self.args.listeners,
            "polls": len(main), "polls_per_second": len(main) / (end - begin), "errors": len(crowd.errors),
            "p50_ms": percentile(main, 0.5) * 1e3, "p99_ms": percentile(main, 0.99) * 1e3, "max_ms": max(main) * 1e3,
            "client_lag_p99_ms": percentile(crowd.lags, 0.99) * 1e3,
            "events": crowd.events, "streams_ended": crowd.streams, "jobs": len(crowd.jobs),
            "memory_kb_first": self.memory[0][1], "memory_kb_last": self.memory[-1][1],
            "memory_growth_after_first_minute": self.growth(begin, end),
            "slow_clients": self.args.slow, "slow_clients_closed": crowd.slow_ends,
            "p99_ms_without_slow": percentile(calm, 0.99) * 1e3, "p99_ms_with_slow": percentile(slow, 0.99) * 1e3,
        }


def verdict(figures, errors):
    """Sentences that tell what is not as it should be."""
    wrong = [f"{figures['errors']} errors, the first: {errors[:3]}"] if errors else []
    if not figures["p99_ms"] < P99_MS:
        wrong.append(f"the p99 of polls is {figures['p99_ms']:.1f} ms")
    if figures["minutes"] >= 2 and not figures["memory_growth_after_first_minute"] <= GROWTH:
        wrong.append(f"memory grew by {figures['memory_growth_after_first_minute']:.1%}")
    if figures["slow_clients"] and not figures["p99_ms_with_slow"] < SLOWER * figures["p99_ms_without_slow"]:
        wrong.append("slow clients doubled the p99")
    if figures["events"] == 0 or figures["polls"] == 0:
        wrong.append("nothing was measured")
    return wrong


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--pollers", type=int, default=1000)
    parser.add_argument("--listeners", type=int, default=200)
    parser.add_argument("--slow", type=int, default=500)
    parser.add_argument("--turn", type=float, default=30, help="seconds of each of the turns with and without slow clients")
    parser.add_argument("--turns", type=int, default=6, help="how many, every second one with slow clients")
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--iterations", type=int, default=60)
    parser.add_argument("--quick", action="store_true", help="seconds, to see that everything works: the p99 is not judged")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--program", required=True)
    args = parser.parse_args()
    if args.quick:
        args.minutes, args.pollers, args.listeners, args.slow, args.turn, args.turns = 0.1, 100, 20, 50, 1.5, 2
    return args


def main():
    args = parse()
    connections = args.pollers + args.listeners + args.slow + 300
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most < connections + 200:
        print(f"{connections} connections need a higher limit of open files than {most} (ulimit -Hn)", file=sys.stderr)
        return 1
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    settings = {"max-connections": connections * 4 // 3, "max-connections-per-ip": connections * 4 // 3, "max-queued": 100}
    try:
        with running(args.program, **settings) as service:
            soak = Soak(args, service)
            figures = asyncio.run(soak.run())
            figures["descriptors_at_the_end"] = len(os.listdir(f"/proc/{service.process.pid}/fd"))
    except Failure as failure:
        print(f"FAILED: {failure}", file=sys.stderr)
        return 1
    for name, value in figures.items():
        print(f"{name:34} {value:.3f}" if isinstance(value, float) else f"{name:34} {value}")
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    wrong = verdict(figures, soak.crowd.errors)
    if args.quick:
        wrong = [sentence for sentence in wrong if "p99" not in sentence]
    for sentence in wrong:
        print(f"FAILED: {sentence}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
